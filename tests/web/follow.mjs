// Follows a show with the library as it ships, and prints a line for every event until the end.
import WebSocket from "../node/node_modules/ws/wrapper.mjs";
import { createEventStream } from "../../src/debate_caster/stage/web/event-stream.js";

Math.random = () => 0; // the shortest wait before every reconnect: the test cuts the line many times

const [url, show] = process.argv.slice(2);
const stream = createEventStream({ url, show, WebSocket });
stream.on("*", (event) => {
  if (event.seq) console.log(event.seq);
  if (event.type === "show_ended") stream.close();
});
