// An agent written for Pulsar that sits in the audience: arguments are the address, its name, and "explicit" or "".
import WebSocket from "ws";

const [address, name, participationMode] = process.argv.slice(2);
const ws = new WebSocket(address);
const send = (type, payload) => ws.send(JSON.stringify({ type, payload }));
const agentId = `audience-${name.toLowerCase()}-1a2b3c4d`;
let room = "";
let reacted = false;

ws.on("open", () => send("register", { agentId, name, emoji: "👂", participationMode }));

ws.on("message", (raw) => {
  const message = JSON.parse(raw);
  const body = message.payload ?? message;
  if (message.type === "room_available" && !room) {
    room = body.room.broadcastId;
    send("join_room", { broadcastId: room });
  } else if (message.type === "viewer_context" && body.yourTurn && !reacted) {
    reacted = true;
    send("stream_chat", { broadcastId: body.broadcastId, text: `${name} asks: what of rainy afternoons?` });
  }
  console.log(JSON.stringify({ type: message.type, ...body }));
});

ws.on("error", (error) => console.error(error.message));
