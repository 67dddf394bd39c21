import assert from "node:assert/strict";
import { test } from "node:test";

import { ShowState } from "../../src/debate_caster/stage/web/show-state.js";

const AT = "2026-11-20T19:00:00.000Z";
const later = (seconds) => new Date(Date.parse(AT) + seconds * 1000).toISOString();
const ADA = { id: "ada", name: "Ada", emoji: "🦉", color: "#4c8dff", side: "for", stance: "for" };
const BEN = { id: "ben", name: "Ben", emoji: "🦊", color: "#e8833a", side: "against", stance: "against" };

/** A state after these events, numbered in the order given. */
function after(...events) {
  const state = new ShowState();
  events.forEach((event, place) => state.apply({ seq: place + 1, at: AT, ...event }));
  return state;
}

const started = { type: "show_started", show: "s", motion: "M", agents: [ADA, BEN], phases: [{ key: "a", title: "A", turns: 2 }], turns: 2, hints_open: true };
const turn = (number, speaker, more = {}) => ({ type: "turn_started", turn: number, phase: 0, speaker, hints: [], ...more });
const chunk = (number, index, speaker, text) => ({ type: "chunk_aired", room: "r", turn: number, index, speaker, text });
const textOf = (speech) => speech.chunks.map(({ text }) => text).join("");

test("chunks that arrive late land at their place in the turn", () => {
  const state = after(started, turn(0, "ada"), chunk(0, 0, "ada", "one "), chunk(0, 2, "ada", "three"), chunk(0, 1, "ada", "two "));

  assert.equal(textOf(state.speeches[0]), "one two three");
});

test("a chunk that is repeated counts once", () => {
  const state = after(started, turn(0, "ada"), chunk(0, 0, "ada", "one"), chunk(0, 0, "ada", "one"));

  assert.equal(textOf(state.speeches[0]), "one");
});

test("speeches stand in the order of their turns, whichever is heard of first", () => {
  const state = after(started, chunk(1, 0, "ben", "second"), turn(0, "ada"), chunk(0, 0, "ada", "first"), chunk(2, 0, "ada", "third"));

  assert.deepEqual(state.speeches.map(textOf), ["first", "second", "third"]);
});

test("a chunk before its turn_started makes the speech, which the event then describes", () => {
  const state = after(started, chunk(0, 0, "ada", "x"), turn(0, "ada", { role: "opening" }));

  assert.equal(state.speeches.length, 1);
  assert.equal(state.speeches[0].role, "opening");
  assert.equal(textOf(state.speeches[0]), "x");
});

test("a speaker thinks from turn_prepared until the first chunk", () => {
  const prepared = { type: "turn_prepared", turn: 1, phase: 0, speaker: "ben" };

  assert.equal(after(started, prepared).thinking.speaker, "ben");
  assert.equal(after(started, prepared, turn(1, "ben")).thinking.speaker, "ben");
  assert.equal(after(started, prepared, turn(1, "ben"), chunk(1, 0, "ben", "x")).thinking, null);
});

test("reading ahead does not silence the one who speaks", () => {
  const state = after(started, turn(0, "ada"), chunk(0, 0, "ada", "x"), { type: "turn_prepared", turn: 1, phase: 0, speaker: "ben" });

  assert.equal(state.current.speaker, "ada");
  assert.equal(state.thinking.speaker, "ben");
});

test("a turn_prepared that comes after its turn has begun changes nothing", () => {
  const state = after(turn(1, "ben"), chunk(1, 0, "ben", "x"), { type: "turn_prepared", turn: 1, phase: 0, speaker: "ben" });

  assert.equal(state.thinking, null);
});

test("nobody speaks between turns or after the end", () => {
  const ended = { type: "turn_ended", turn: 0, speaker: "ada", how: "completed", words: 1 };

  assert.equal(after(turn(0, "ada"), ended).current, null);
  assert.equal(after(turn(0, "ada"), { type: "show_ended", why: "failed" }).current, null);
});

test("a hint is shown once, be it named by turn_started, by hint_used or by both", () => {
  const hint = { id: "h1", name: "Lena", text: "Why?" };
  const used = { type: "hint_used", hint: "h1", name: "Lena", text: "Why?", turn: 0, speaker: "ada" };

  for (const events of [[turn(0, "ada", { hints: [hint] })], [turn(0, "ada"), used], [used, turn(0, "ada", { hints: [hint] })]]) {
    assert.deepEqual(after(...events).speeches[0].hints, [hint]);
  }
});

test("a room without a show is one speech for each speaker, its lines parted by spaces", () => {
  const line = (speaker, text, seconds) => ({ type: "chunk_aired", room: "r", speaker, text, at: later(seconds) });
  const state = after(
    { type: "room_opened", room: "r", agent: { id: "bot", name: "Bot" }, title: "News" },
    line("bot", "One.", 1),
    line("bot", "Two.", 3),
    line("other", "Me too.", 5),
    line("bot", "Three.", 7),
    line("bot", "Much later.", 200),
  );

  assert.deepEqual(state.speeches.map(textOf), ["One. Two.", "Me too.", "Three.", "Much later."]);
  assert.equal(state.title, "News");
  assert.equal(state.current.speaker, "bot");
});

test("numbers that a room without a rundown gives its lines make no speeches of them", () => {
  const line = (number, text) => ({ type: "chunk_aired", room: "r", speaker: "bot", turn: number, index: number, text });
  const state = after({ type: "show_started", turns: 0, agents: [{ id: "bot" }] }, line(1, "One."), line(2, "Two."), line(3, "Hal"), line(3, "ves."));

  assert.deepEqual(state.speeches.map(textOf), ["One. Two. Halves."]);
});

test("an agent that registered under another id is the one its show has named", () => {
  const opened = { type: "room_opened", room: "r", agent: { id: "agent-7", name: "Ada" } };
  for (const events of [[started, opened], [opened, started]]) {
    const state = after(...events);

    assert.deepEqual([...state.agents.keys()], ["ada", "ben"]);
    assert.equal(state.agents.get("ada").room, "r");
    assert.equal(state.agents.get("ada").state, "live");
  }
});

test("a greeting that comes after the events does not undo what they said", () => {
  const state = after(started);
  state.greet({ id: "s", state: "live", title: "Untitled broadcast", motion: "", turns: 0, phases: [], hints_open: false, agents: [] });

  assert.equal(state.turns, 2);
  assert.equal(state.hintsOpen, true);
  assert.equal(state.motion, "M");
});

test("who sends no turns has fallen silent some time after the last line, and speaks again with the next", () => {
  const line = (seconds) => ({ type: "chunk_aired", room: "r", speaker: "bot", text: "x", at: later(seconds) });
  const state = after(line(1));

  assert.equal(state.pass(Date.parse(later(12))), false);
  assert.equal(state.pass(Date.parse(later(14))), true);
  assert.equal(state.current, null);
  state.apply({ seq: 2, ...line(15) });
  assert.equal(state.current.speaker, "bot");
  assert.equal(state.speeches.length, 1);
});

test("who speaks in turns does not fall silent by waiting", () => {
  const state = after(turn(0, "ada"), chunk(0, 0, "ada", "x"));

  assert.equal(state.pass(Date.parse(later(3600))), false);
});

test("a closed room ends the speech that had no end of its own", () => {
  const state = after({ type: "room_opened", room: "r", agent: { id: "bot" } }, { type: "chunk_aired", room: "r", speaker: "bot", text: "x" }, { type: "room_closed", room: "r", agent: "bot" });

  assert.equal(state.current, null);
});

test("colours that are not #rrggbb are replaced, and no two agents get the same", () => {
  const state = after({ type: "show_started", agents: [{ id: "a", color: "red; background: url(x)" }, { id: "b", color: 7 }, { id: "c", color: "#ABCDEF" }] });
  const colors = [...state.agents.values()].map(({ color }) => color);

  assert.ok(colors.every((color) => /^#[0-9a-f]{6}$/i.test(color)));
  assert.equal(new Set(colors).size, 3);
  assert.equal(colors[2], "#ABCDEF");
});

test("sides of agents that name no stance are understood where their names are usual", () => {
  const state = after({ type: "show_started", agents: [{ id: "a", side: "Pro" }, { id: "b", side: "opposition" }, { id: "c", side: "blue" }, { id: "d", side: "for", moderator: true }] });

  assert.deepEqual([...state.agents.values()].map(({ stance }) => stance), ["for", "against", "neutral", "neutral"]);
});

test("a summary that says ended is believed, and the event tells why", () => {
  const state = new ShowState();
  state.greet({ id: "s", state: "ended", ended_at: later(60), started_at: AT, agents: [ADA] });
  assert.notEqual(state.ended, null);

  state.apply({ seq: 1, at: AT, ...started });
  assert.notEqual(state.ended, null);
  state.apply({ seq: 2, at: later(50), type: "show_ended", why: "budget", detail: "" });
  assert.equal(state.ended.why, "budget");
});

test("a vote is open between its two events, and the show's end closes it", () => {
  const opened = { type: "vote_opened", vote: "before", method: "swing", choices: [{ id: "for", title: "Pro" }, { id: "undecided" }], seconds: 20 };

  assert.equal(after(started, opened).polls.vote.open, true);
  assert.equal(after(started, opened, { type: "vote_closed", vote: "after" }).polls.vote.open, true);
  assert.equal(after(started, opened, { type: "vote_closed", vote: "before" }).polls.vote.open, false);
  assert.equal(after(started, opened, { type: "show_ended", why: "failed" }).polls.vote.open, false);
  assert.deepEqual(after(opened).polls.vote.choices, [{ id: "for", title: "Pro" }, { id: "undecided", title: "undecided" }]);
});

test("a vote stands as the last tally of it says, not as another vote's does", () => {
  const state = after(started, { type: "vote_opened", vote: "after", choices: [{ id: "for" }], seconds: 20 });

  state.polls.count({ vote: "before", counts: { for: 9 } });
  assert.deepEqual(state.polls.standing, { counts: {}, votes: 0 });
  state.greet({ id: "s", state: "live", vote: { vote: "after", counts: { for: 2, against: 1 } } });
  assert.deepEqual(state.polls.standing, { counts: { for: 2, against: 1 }, votes: 3 });
});

test("a vote that was counted is news until another opens or the verdict takes it up", () => {
  const opened = (vote) => ({ type: "vote_opened", vote, choices: [{ id: "for" }, { id: "against" }], seconds: 20 });
  const first = [started, opened("before"), { type: "vote_closed", vote: "before" }];
  const counted = { type: "vote_counted", vote: "before", counts: { for: 3, against: 1 }, votes: 4 };

  assert.equal(after(...first).polls.result, null);
  assert.deepEqual(after(...first, counted).polls.result, { vote: "before", counts: { for: 3, against: 1 }, votes: 4, at: Date.parse(AT) });
  assert.equal(after(...first, counted, opened("after")).polls.result, null);
  assert.equal(after(...first, counted, { type: "verdict_given", outcome: "won", leaders: ["for"] }).polls.result, null);
});

test("a turn that the producer puts in is one more than were announced", () => {
  const state = after(started, turn(0, "ada"), turn(1, "ben", { kind: "interjection" }), chunk(1, 0, "ben", "x"), turn(2, "ben"));

  assert.equal(state.turns, started.turns + 1);
  assert.equal(state.turnNumber, 3);
});

test("a turn that is held again after its program died is one more than was announced", () => {
  const broken = { type: "turn_ended", turn: 1, speaker: "ben", how: "aborted", again: true };
  const state = after(started, turn(0, "ada"), turn(1, "ben"), broken, broken, turn(2, "ben"));

  assert.equal(state.turns, started.turns + 1);
});

test("a show is paused between its two events, and the end of the show ends a pause", () => {
  const paused = { type: "show_paused" };

  assert.equal(after(started).paused, false);
  assert.equal(after(started, paused).paused, true);
  assert.equal(after(started, paused, { type: "show_resumed" }).paused, false);
  assert.equal(after(started, { ...paused, why: "models" }).waits, true);
  const prepared = { type: "turn_prepared", turn: 0, phase: 0, speaker: "ada" };
  assert.equal(after(started, prepared, paused).thinking.speaker, "ada");
  assert.equal(after(started, prepared, { ...paused, why: "models" }).thinking, null);
  assert.equal(after(started, { ...paused, why: "models" }, { type: "show_resumed" }).waits, false);
  assert.equal(after(started, paused, { type: "show_ended", why: "producer" }).paused, false);
});

test("the verdict is the last word, and a choice is called by its title", () => {
  const state = after(started, { type: "vote_opened", vote: "after", choices: [{ id: "for", title: "Pro" }] }, { type: "verdict_given", outcome: "won", leaders: ["for"] });

  assert.equal(state.polls.verdict.outcome, "won");
  assert.deepEqual(["for", "against"].map((choice) => state.polls.choiceTitle(choice)), ["Pro", "against"]);
  assert.deepEqual(["for", "against", "undecided"].map((choice) => state.stanceOf(choice)), ["for", "against", "neutral"]);
});

test("unknown types and missing fields change nothing and break nothing", () => {
  const state = after({ type: "vote_opened" }, { type: "vote_counted" }, { type: "verdict_given" }, { type: "constructor" }, { type: "chunk_aired" }, { type: "turn_ended", turn: 3 }, { type: "phase_started" }, { type: "room_closed" });

  assert.equal(state.seq, 8);
});

test("any order of a turn's chunks gives the same speech", () => {
  const words = ["a ", "b ", "c ", "d ", "e"];
  for (let round = 0; round < 100; round += 1) {
    const order = words.map((text, index) => ({ text, index, key: Math.sin(round * 31 + index * 7) })).sort((one, two) => one.key - two.key);
    const state = after(started, ...order.map(({ text, index }) => chunk(0, index, "ada", text)));
    assert.equal(textOf(state.speeches[0]), "a b c d e");
  }
});

test("what viewers may give is what the show says", () => {
  const state = after({ ...started, max_hint_chars: 120, hint_interval_s: 8 });
  assert.deepEqual([state.hintLength, state.hintEvery], [120, 8]);

  const greeted = new ShowState();
  greeted.greet({ id: "s", state: "live", max_hint_chars: 90, hint_interval_s: 3 });
  assert.deepEqual([greeted.hintLength, greeted.hintEvery], [90, 3]);
});
