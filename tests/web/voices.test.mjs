import assert from "node:assert/strict";
import { test } from "node:test";

import { ShowState } from "../../src/debate_caster/stage/web/show-state.js";
import { Voices, soundOf } from "../../src/debate_caster/stage/web/voices.js";

const AGENTS = [
  { id: "ada", name: "Ada", side: "for", stance: "for", voice: { lang: "en-GB", pitch: 1.05 } },
  { id: "ben", name: "Ben", side: "against", stance: "against", voice: { name: "Rough", rate: 0.9 } },
];
const MACHINE = [
  { name: "Anna", lang: "de-DE" },
  { name: "Sam", lang: "en-US" },
  { name: "Kate", lang: "en_GB" },
  { name: "Rough Bob", lang: "en-US" },
];

class Utterance {
  constructor(text) {
    this.text = text;
  }
}

/** A synthesiser that speaks when it is told to. */
class Synthesiser {
  spoken = [];
  cancelled = 0;
  current = null;
  getVoices() {
    return MACHINE;
  }
  speak(utterance) {
    this.current = utterance;
    this.spoken.push(utterance);
    utterance.onstart();
  }
  cancel() {
    this.cancelled += 1;
    const { current } = this;
    this.current = null;
    current?.onerror({ error: "interrupted" });
  }
  finish() {
    const { current } = this;
    this.current = null;
    current.onend();
  }
  fail(error) {
    const { current } = this;
    this.current = null;
    current.onerror({ error });
  }
  get texts() {
    return this.spoken.map(({ text }) => text);
  }
}

class Show {
  state = new ShowState();
  synthesiser = new Synthesiser();
  said = [];
  changes = [];
  constructor() {
    this.voices = new Voices(this.state, {
      synthesiser: this.synthesiser,
      Utterance,
      onSaid: (_speech, chunk) => this.said.push(chunk?.text ?? null),
      onChange: (...change) => this.changes.push(change),
    });
    this.air({ type: "show_started", show: "s", motion: "M", language: "en", agents: AGENTS, phases: [], turns: 4 });
  }
  air(event) {
    this.state.apply({ seq: this.state.seq + 1, at: "2026-11-20T19:00:00.000Z", ...event });
    this.voices.follow();
  }
  say(turn, index, text) {
    this.air({ type: "chunk_aired", room: "r", turn, index, speaker: AGENTS[turn % 2].id, text });
  }
}

test("nothing is read until the viewer asks, and then what comes next", () => {
  const show = new Show();
  show.say(0, 0, "Missed. ");
  assert.deepEqual(show.synthesiser.texts, []);

  show.voices.start();
  show.say(0, 1, "Heard. ");

  assert.deepEqual(show.synthesiser.texts, ["Heard."]);
});

test("chunks are read one after the other, in the order of the show", () => {
  const show = new Show();
  show.voices.start();
  show.say(0, 0, "One. ");
  show.say(0, 1, "Two. ");
  show.say(1, 0, "Three. ");
  assert.deepEqual(show.synthesiser.texts, ["One."]);
  show.synthesiser.finish();
  show.synthesiser.finish();
  show.synthesiser.finish();

  assert.deepEqual(show.synthesiser.texts, ["One.", "Two.", "Three."]);
  assert.deepEqual(show.said, ["One. ", null, "Two. ", null, "Three. ", null]);
});

test("who falls behind hurries, and far behind leaves out what was missed", () => {
  const show = new Show();
  show.voices.start();
  show.say(0, 0, "First. ");
  show.say(0, 1, "a".repeat(100));
  show.synthesiser.finish();
  assert.ok(show.synthesiser.current.rate > 1);
  for (let index = 2; index < 8; index += 1) show.say(0, index, `${index}`.repeat(100));
  show.synthesiser.finish();

  assert.equal(show.synthesiser.current.text[0], "6");
});

test("a jump stops the voice at once and goes on from there, leaving nothing out", () => {
  const show = new Show();
  for (let turn = 0; turn < 3; turn += 1) for (let index = 0; index < 4; index += 1) show.say(turn, index, `${turn}${index}`.repeat(60));
  show.voices.start(show.state.speeches[2]);
  assert.equal(show.synthesiser.current.text.slice(0, 2), "20");

  show.voices.readFrom(show.state.speeches[1], 2);

  assert.equal(show.synthesiser.cancelled, 1);
  const heard = [];
  while (show.synthesiser.current) {
    heard.push(show.synthesiser.current.text.slice(0, 2));
    assert.equal(show.synthesiser.current.rate, show.synthesiser.current.text[0] === "1" ? 0.9 : 1);
    show.synthesiser.finish();
  }
  assert.deepEqual(heard, ["12", "13", "20", "21", "22", "23"]);
});

test("a jump to live is silent until something new is said", () => {
  const show = new Show();
  show.say(0, 0, "Old. ");
  show.voices.start(show.state.speeches[0]);
  show.voices.goLive();
  assert.equal(show.synthesiser.current, null);
  show.say(0, 1, "New. ");

  assert.deepEqual(show.synthesiser.texts, ["Old.", "New."]);
});

test("turning it off is heard at once, and nothing more is read", () => {
  const show = new Show();
  show.voices.start();
  show.say(0, 0, "One. ");
  show.voices.stop();
  show.say(0, 1, "Two. ");

  assert.deepEqual(show.synthesiser.texts, ["One."]);
  assert.equal(show.synthesiser.cancelled, 1);
  assert.deepEqual(show.changes, [[true, ""], [false, ""]]);
});

test("a synthesiser that fails turns it off, and says why", () => {
  const show = new Show();
  show.voices.start();
  show.say(0, 0, "One. ");
  show.synthesiser.fail("synthesis-failed");

  assert.deepEqual(show.changes.at(-1), [false, "synthesis-failed"]);
});

test("a show read anew after a reset is followed live", () => {
  const show = new Show();
  show.voices.start();
  show.say(0, 0, "Old. ");
  show.state.reset();
  show.voices.goLive();
  show.say(0, 0, "Anew. ");

  assert.deepEqual(show.synthesiser.texts, ["Old.", "Anew."]);
});

const agents = AGENTS.map((agent, place) => ({ ...agent, place }));
const carl = { id: "carl", name: "Carl", place: 2 };

test("a persona gets the voice that its hints name, as far as the machine has it", () => {
  assert.deepEqual(soundOf(agents[0], agents, MACHINE, "en"), { voice: MACHINE[2], lang: "en_GB", pitch: 1.05, rate: 1 });
  assert.deepEqual(soundOf(agents[1], agents, MACHINE, "en"), { voice: MACHINE[3], lang: "en-US", pitch: 1, rate: 0.9 });
});

test("personas without hints differ in voice, and where voices run out in pitch", () => {
  const crowd = [0, 1, 2, 3].map((place) => ({ id: `a${place}`, name: "A", place }));
  const sounds = crowd.map((agent) => soundOf(agent, crowd, MACHINE.slice(0, 3), "en"));

  assert.equal(new Set(sounds.map(({ voice, pitch }) => `${voice.name} ${pitch}`)).size, 4);
});

test("a show's language counts more than its persona's", () => {
  assert.equal(soundOf(agents[0], agents, MACHINE, "de").voice.name, "Anna");
  assert.deepEqual(soundOf(agents[0], agents, MACHINE, "fi"), { voice: null, lang: "fi", pitch: 1.05, rate: 1 });
});

for (const voice of ["loud", 7, null, ["x"], { lang: 5, name: {}, pitch: "high", rate: Number.NaN }, { pitch: 99, rate: -3 }]) {
  test(`hints that are none do no harm: ${JSON.stringify(voice)}`, () => {
    const { pitch, rate } = soundOf({ ...carl, voice }, [carl], MACHINE, "en");

    assert.ok(pitch >= 0.1 && pitch <= 2 && rate >= 0.5 && rate <= 2);
  });
}
