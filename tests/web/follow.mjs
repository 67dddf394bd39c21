// Follows a show with the library as it ships, and prints a line for every event until the end:
// node follow.mjs STAGE SHOW [SPEED]
import WebSocket from "../node/node_modules/ws/wrapper.mjs";
import { createEventStream } from "../../src/debate_caster/stage/web/event-stream.js";

const [url, show, speed = "1"] = process.argv.slice(2);
const wait = globalThis.setTimeout;
globalThis.setTimeout = (action, milliseconds) => wait(action, milliseconds / Number(speed));
Math.random = () => 0; // the shortest wait before every reconnect: the test cuts the line many times

const stream = createEventStream({ url, show, WebSocket });
let rooms = 0;
let ended = false;
stream.on("*", (event) => {
  if (!event.seq) return;
  console.log(event.seq);
  if (event.type === "room_opened") rooms += 1;
  if (event.type === "room_closed") rooms -= 1;
  if (event.type === "show_ended") ended = true;
  if (ended && rooms === 0) stream.close();
});
