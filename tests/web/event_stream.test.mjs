import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { createEventStream } from "../../src/debate_caster/stage/web/event-stream.js";

/** A WebSocket on strings: the test is the stage. */
class Wire {
  static all = [];

  constructor(address) {
    this.address = new URL(address);
    this.readyState = 0;
    this.sent = [];
    Wire.all.push(this);
  }

  say(...frames) {
    this.readyState = 1;
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  drop(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  send(data) {
    this.sent.push(JSON.parse(data));
  }

  close() {
    this.readyState = 3;
  }
}

const hello = (more = {}) => ({ type: "hello", show: { id: "s1" }, after: 0, head: 0, epoch: "e1", ...more });
const event = (seq, type = "chunk_aired") => ({ seq, type });

/** Runs with virtual timers; `open` makes a stream and gives back what it says. */
function withStream(name, options, body) {
  test(name, () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    Wire.all = [];
    const stream = createEventStream({ url: "http://stage.test:1", WebSocket: Wire, ...options });
    const heard = [];
    const statuses = [];
    stream.on("*", (frame) => heard.push(frame));
    stream.onStatus((status, detail) => statuses.push([status, detail]));
    try {
      mock.timers.tick(0);
      body({ stream, heard, statuses, wire: () => Wire.all.at(-1), wait: (ms) => mock.timers.tick(ms) });
    } finally {
      stream.close();
      mock.timers.reset();
    }
  });
}

const seqs = (heard) => heard.map(({ seq }) => seq).filter(Boolean);

withStream("asks for what it was told to", { url: "https://stage.test/", show: "a b", room: "r", speaker: "ada", types: ["x", "y"], after: 7 }, ({ wire }) => {
  assert.equal(wire().address.href, "wss://stage.test/watch?show=a+b&room=r&speaker=ada&types=x%2Cy&after=7");
});

withStream("says idle, connecting, connected, and idle again when closed", {}, ({ stream, statuses, wire }) => {
  wire().say(hello());
  stream.close();

  assert.deepEqual(statuses.map(([status]) => status), ["idle", "connecting", "connected", "idle"]);
});

withStream("comes back at the last event it has", {}, ({ heard, wire, wait }) => {
  wire().say(hello(), event(1), event(2));
  wire().drop();
  wait(1000);

  assert.equal(Wire.all.length, 2);
  assert.equal(wire().address.searchParams.get("after"), "2");
  assert.equal(wire().address.searchParams.get("show"), "s1");
  wire().say(hello({ after: 2 }), event(3));
  assert.deepEqual(seqs(heard), [1, 2, 3]);
});

withStream("hears an event once, however often it is sent", {}, ({ heard, wire }) => {
  wire().say(hello(), event(1), event(1), event(2), event(1), event(3));

  assert.deepEqual(seqs(heard), [1, 2, 3]);
});

withStream("takes no event over a gap, but fetches what is missing", {}, ({ heard, wire, wait }) => {
  wire().say(hello(), event(1), event(3));
  assert.deepEqual(seqs(heard), [1]);
  wait(1000);

  wire().say(hello({ after: 1 }), event(2), event(3));
  assert.deepEqual(seqs(heard), [1, 2, 3]);
});

withStream("takes gaps for granted where it asked for some types only", { types: ["chunk_aired"] }, ({ heard, wire }) => {
  wire().say(hello(), event(2), event(9));

  assert.deepEqual(seqs(heard), [2, 9]);
});

withStream("keeps thoughts and tools from who did not ask for them, and misses none of them", {}, ({ heard, wire }) => {
  assert.equal(wire().address.searchParams.get("types"), "*");
  wire().say(hello(), event(1), { ...event(2), type: "thought_noted" }, { ...event(3), type: "tool_answered" }, event(4));

  assert.deepEqual(seqs(heard), [1, 4]);
});

withStream("hands out thoughts and tools where all types are asked for", { types: ["*"] }, ({ heard, wire }) => {
  assert.equal(wire().address.searchParams.get("types"), "*");
  wire().say(hello(), event(1), { ...event(2), type: "thought_noted" }, event(4));

  assert.deepEqual(seqs(heard), [1, 2]);
});

withStream("takes gaps for granted where it asked for one speaker", { speaker: "ada" }, ({ heard, wire }) => {
  wire().say(hello(), event(2), event(9));

  assert.deepEqual(seqs(heard), [2, 9]);
});

withStream("starts again from 0 when the stage says so", {}, ({ heard, wire }) => {
  wire().say(hello(), event(1), event(2), { type: "reset", epoch: "e2", reason: "position", show: "s1" }, event(1));

  assert.deepEqual(seqs(heard), [1, 2, 1]);
});

withStream("finds out by itself that the log is another one", {}, ({ heard, wire, wait }) => {
  wire().say(hello(), event(1), event(2));
  wire().drop();
  wait(1000);
  wire().say(hello({ after: 2, epoch: "e2" }), event(3));
  wait(0);

  assert.equal(wire().address.searchParams.get("after"), "0");
  wire().say(hello({ epoch: "e2" }), event(1));
  assert.deepEqual(seqs(heard), [1, 2, 1]);
  assert.equal(heard.filter(({ type }) => type === "reset").length, 1);
});

for (const code of [4400, 4401, 4403, 4404, 4408, 4429, 1008, 1009]) {
  withStream(`stays away after ${code}`, {}, ({ statuses, wire, wait }) => {
    wire().drop(code);
    wait(120_000);

    assert.equal(Wire.all.length, 1);
    assert.equal(statuses.at(-1)[0], "error");
    assert.equal(statuses.at(-1)[1].final, true);
  });
}

for (const code of [1000, 1001, 1002, 1006, 1007, 4500, 4503, 4999]) {
  withStream(`comes back after ${code}`, {}, ({ wire, wait }) => {
    wire().drop(code);
    wait(1000);

    assert.equal(Wire.all.length, 2);
  });
}

withStream("waits longer each time, never over 15 s, and not always the same", {}, ({ statuses, wire, wait }) => {
  for (let round = 0; round < 12; round += 1) {
    wire().drop();
    wait(15_000);
  }
  const waits = statuses.filter(([status]) => status === "error").map(([, detail]) => detail.retryInMs);

  assert.ok(waits[0] <= 250 && waits[0] >= 125);
  assert.ok(waits.slice(7).every((ms) => ms >= 7500 && ms <= 15_000));
  assert.ok(new Set(waits.slice(7)).size > 1);
});

withStream("gives up a handshake that is never answered", {}, ({ wait }) => {
  wait(10_000);
  wait(1000);

  assert.equal(Wire.all.length, 2);
});

withStream("asks after a silence, and leaves when nobody answers", {}, ({ statuses, wire, wait }) => {
  wire().say(hello());
  wait(25_000);
  assert.deepEqual(wire().sent, [{ type: "ping" }]);
  wire().say({ type: "pong" });
  wait(25_000);
  assert.equal(wire().sent.length, 2);
  wait(10_000);

  assert.equal(statuses.at(-1)[0], "error");
  wait(1000);
  assert.equal(Wire.all.length, 2);
});

withStream("sends only while it is connected, and says whether it did", {}, ({ stream, wire }) => {
  assert.equal(stream.send({ type: "ping" }), false);
  wire().say(hello());
  assert.equal(stream.send({ type: "ping" }), true);
  wire().drop();
  assert.equal(stream.send({ type: "ping" }), false);
});

withStream("frames that are not objects of the protocol are ignored", {}, ({ heard, wire }) => {
  wire().say(hello(), null, 7, "x", [], {}, { type: 3 });
  wire().onmessage({ data: "{broken" });

  assert.deepEqual(heard.map(({ type }) => type), ["hello"]);
});

withStream("listeners by type hear their type, until they are taken off", {}, ({ stream, wire }) => {
  const heard = [];
  const off = stream.on("turn_started", (frame) => heard.push(frame.seq));
  wire().say(hello(), event(1), event(2, "turn_started"));
  off();
  wire().say(event(3, "turn_started"));

  assert.deepEqual(heard, [2]);
});

withStream("after close nothing is heard and nobody connects", {}, ({ stream, heard, wire, wait }) => {
  wire().say(hello());
  const old = wire();
  stream.close();
  old.say(event(1));
  old.drop();
  wait(60_000);

  assert.deepEqual(heard.map(({ type }) => type), ["hello"]);
  assert.equal(Wire.all.length, 1);
});

test("a runtime without WebSocket and an address without a stage are refused at once", () => {
  assert.throws(() => createEventStream({ url: "http://x", WebSocket: null }), /no WebSocket/);
  assert.throws(() => createEventStream({ url: "ftp://x", WebSocket: Wire }), /not the address of a stage/);
});
