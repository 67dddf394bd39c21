/**
 * What a viewer knows about a show: a fold of its public events (docs/protocol.md, section 3). No page, no network.
 *
 * Rooms have connections of their own, so events of different speakers may arrive in an order that never was: a speech
 * exists as soon as anything is heard of it, and its chunks and its place among the others follow from its numbers.
 */

import { Polls } from "./polls.js";
import { Roll } from "./roll.js";

/** The kind of a turn that is in no rundown: the moderator says what the producer wants said. */
export const INTERJECTION = "interjection";
/** Who sends no turns is taken to speak until so long after the last line. */
const PAUSE_MS = 12_000;
/** Chunks of a room without turns belong to one speech unless so much time lies between them. */
const NEW_SPEECH_AFTER_MS = 60_000;

export class ShowState {
  constructor() {
    this.reset();
  }

  reset() {
    this.id = "";
    this.title = "";
    this.motion = "";
    this.language = "";
    this.format = "";
    this.kind = "live";
    this.agents = new Roll();
    this.phases = [];
    this.phase = null;
    this.turns = 0;
    this.ruled = false;
    this.announced = false;
    this.hintsOpen = null;
    this.hintLength = null;
    this.polls = new Polls();
    this.hintEvery = 0;
    this.speeches = [];
    this.prepared = null;
    this.startedAt = null;
    this.lastAt = null;
    this.paused = false;
    /** Whether it is paused since no model answers; nobody can let it go on then. */
    this.waits = false;
    this.ended = null;
    this.head = 0;
    this.seq = 0;
    this.touched = new Set();
    this.speechOf = new Map();
  }

  /** The stage's summary of the show; what the events say counts more. */
  greet(summary) {
    if (!summary) return;
    if (!this.announced) this.describe(summary);
    this.hintsOpen ??= summary.hints_open ?? null;
    this.id = summary.id ?? this.id;
    this.kind = summary.state === "replay" ? "replay" : "live";
    this.startedAt ??= instant(summary.started_at);
    for (const agent of summary.agents ?? []) this.agents.list(agent);
    if (summary.vote) this.polls.count(summary.vote);
    if (summary.state === "ended" && this.ended === null) {
      this.ended = { why: summary.why ?? "", detail: "", at: instant(summary.ended_at) };
    }
  }

  apply(event) {
    if (Number.isInteger(event.seq)) this.seq = event.seq;
    const at = instant(event.at);
    if (at !== null && (this.lastAt === null || at > this.lastAt)) this.lastAt = at;
    this[`on_${event.type}`]?.(event, at);
  }

  /** Everything up to the end of what was on air when we came in is here. */
  get caughtUp() {
    return this.seq >= this.head;
  }

  /** The speech on air: the latest one that has begun and not ended. */
  get current() {
    for (let place = this.speeches.length - 1; place >= 0; place -= 1) {
      const speech = this.speeches[place];
      if (speech.ended || this.ended) return null;
      if (speech.begun) return speech.paused ? null : speech;
    }
    return null;
  }

  /** The turn whose speaker is thinking, or null. */
  get thinking() {
    return this.prepared && !this.ended && !this.waits ? this.prepared : null;
  }

  /** Whether there is a rundown: somebody says when turns begin and end. */
  get hasTurns() {
    return this.turns > 0 || this.ruled;
  }

  /** Turns that have begun, counted as people count: 0 before the first. */
  get turnNumber() {
    return this.speeches.reduce((most, speech) => (speech.begun && speech.turn !== null ? Math.max(most, speech.turn + 1) : most), 0);
  }

  /** Time passes on the stage: `now` is its wall time. Returns whether somebody without turns has fallen silent. */
  pass(now) {
    const { current } = this;
    if (current === null || current.turn !== null || !(now - current.heardAt > PAUSE_MS)) return false;
    current.paused = true;
    return true;
  }

  agent(id) {
    return this.agents.get(id) ?? this.agents.meet({ id });
  }

  on_show_started(event, at) {
    this.describe(event);
    this.id = event.show ?? this.id;
    this.startedAt = at ?? this.startedAt;
    this.announced = true;
    for (const agent of event.agents ?? []) this.agents.list(agent);
  }

  on_room_opened(event, at) {
    this.startedAt ??= at;
    if (!this.title && event.title) this.title = String(event.title);
    const agent = (typeof event.agent === "object" ? event.agent : { id: event.agent }) ?? { id: event.room };
    // An agent may have registered under another id than the one its show gives it.
    const listed = this.agents.get(agent.id) ?? [...this.agents.values()].find(({ name }) => name && name === agent.name);
    this.agents.meet({ ...agent, id: listed?.id ?? agent.id }, { room: event.room, state: "live", guest: listed?.guest ?? !listed });
  }

  on_room_reconnecting(event) {
    this.agents.roomBecomes(event, "reconnecting");
  }

  on_room_resumed(event) {
    this.agents.roomBecomes(event, "live");
  }

  on_room_closed(event) {
    this.agents.roomBecomes(event, "closed");
    const current = this.current;
    if (current && current.turn === null && this.agents.get(current.speaker)?.room === event.room) {
      current.ended = { how: "completed", words: null };
      this.touched.add(current);
    }
  }

  on_phase_started(event) {
    this.phase = { index: event.phase ?? 0, key: event.key ?? "", title: event.title ?? "" };
  }

  on_turn_prepared(event) {
    this.ruled = true;
    const speech = this.speechOf.get(keyOf(event.turn, event.speaker));
    if (speech?.begun) return;
    this.prepared = { turn: event.turn, speaker: event.speaker };
  }

  on_turn_started(event, at) {
    this.ruled = true;
    const speech = this.speech(event.turn, event.speaker);
    // A turn that the producer puts in is one more than the show has announced.
    if (event.kind === INTERJECTION && speech.kind !== INTERJECTION && this.turns > 0) this.turns += 1;
    speech.begun = true;
    speech.startedAt = at;
    speech.phase = event.phase ?? speech.phase;
    speech.role = event.role ?? "";
    speech.kind = event.kind ?? "";
    speech.addresses = event.addresses ?? "";
    for (const hint of event.hints ?? []) addHint(speech, hint);
    if (this.prepared && this.prepared.turn < event.turn) this.prepared = null;
    this.touched.add(speech);
  }

  on_chunk_aired(event, at) {
    // Without a rundown, `turn` is Pulsar's: a number for each line, and no speech by itself.
    const turn = this.hasTurns && Number.isInteger(event.turn) ? event.turn : null;
    const speech = turn === null ? this.looseSpeech(event, at) : this.speech(turn, event.speaker);
    const index = turn !== null && Number.isInteger(event.index) ? event.index : speech.chunks.length;
    let place = speech.chunks.length;
    while (place > 0 && speech.chunks[place - 1].index > index) place -= 1;
    if (place > 0 && speech.chunks[place - 1].index === index) return;
    let text = String(event.text ?? "");
    // Such agents send line by line, without the white space that would part the lines.
    const line = event.turn ?? event.seq;
    if (turn === null && place > 0 && line !== speech.line && !/\s$/u.test(speech.chunks[place - 1].text) && !/^\s/u.test(text)) text = ` ${text}`;
    speech.chunks.splice(place, 0, { index, text, seq: event.seq });
    speech.line = line;
    speech.begun = true;
    speech.paused = false;
    speech.heardAt = at;
    speech.startedAt ??= at;
    if (this.prepared?.turn === turn) this.prepared = null;
    this.touched.add(speech);
  }

  on_turn_ended(event) {
    const speech = this.speech(event.turn, event.speaker);
    if (event.again && !speech.ended && this.turns > 0) this.turns += 1; // it is held again, under the next number
    speech.ended = { how: event.how ?? "completed", words: event.words ?? null, apology: event.apology === true, heldBack: event.held_back === true, again: event.again === true };
    if (this.prepared?.turn === event.turn) this.prepared = null;
    this.touched.add(speech);
  }

  on_hint_used(event) {
    const speech = this.speech(event.turn, event.speaker);
    addHint(speech, { id: event.hint, name: event.name, text: event.text });
    this.touched.add(speech);
  }

  on_vote_opened(event, at) {
    this.polls.opened(event, at);
  }

  on_vote_closed(event) {
    this.polls.closed(event);
  }

  on_vote_counted(event, at) {
    this.polls.counted(event, at);
  }

  on_verdict_given(event) {
    this.polls.decided(event);
  }

  /** For or against where the choice is a side that stands there, neutral otherwise. */
  stanceOf(choice) {
    return [...this.agents.values()].find(({ side, moderator }) => side === choice && !moderator)?.stance ?? "neutral";
  }

  on_thought_noted(event) {
    this.note(event, { kind: "thought", text: String(event.text ?? "") });
  }

  on_tool_called(event) {
    this.note(event, { kind: "tool", title: String(event.name ?? "tool"), text: String(event.arguments ?? "") });
  }

  on_tool_answered(event) {
    this.note(event, { kind: "answer", text: String(event.text ?? "") });
  }

  on_show_paused(event) {
    this.paused = true;
    this.waits = event.why === "models";
  }

  /** What viewers are told of a pause. */
  get pauseText() {
    return this.waits ? "A technical pause: the show goes on as soon as a model answers" : "The show is paused";
  }

  on_show_resumed() {
    this.paused = this.waits = false;
  }

  on_show_ended(event, at) {
    this.paused = false;
    this.ended = { why: event.why ?? "", detail: event.detail ?? "", at };
    this.prepared = null;
    this.polls.breakOff();
    for (const agent of this.agents.values()) agent.state = "closed";
    for (const speech of this.speeches) if (!speech.ended) this.touched.add(speech);
  }

  describe(source) {
    for (const key of ["title", "motion", "language"]) if (source[key]) this[key] = String(source[key]);
    this.format = String(source.format_title || source.format || this.format);
    if (Array.isArray(source.phases) && source.phases.length) this.phases = source.phases;
    if (Number.isInteger(source.turns)) this.turns = source.turns;
    if (typeof source.hints_open === "boolean") this.hintsOpen = source.hints_open;
    if (Number.isInteger(source.max_hint_chars)) this.hintLength = source.max_hint_chars;
    if (Number.isFinite(source.hint_interval_s)) this.hintEvery = source.hint_interval_s;
  }

  note(event, note) {
    const speech = this.speech(event.turn, event.speaker);
    speech.notes.push(note);
    this.touched.add(speech);
  }

  speech(turn, speaker) {
    const key = keyOf(turn, speaker);
    const known = this.speechOf.get(key);
    if (known) return known;
    const speech = newSpeech(key, turn, speaker);
    let place = this.speeches.length;
    while (place > 0 && this.speeches[place - 1].turn !== null && this.speeches[place - 1].turn > turn) place -= 1;
    this.speeches.splice(place, 0, speech);
    this.speechOf.set(key, speech);
    return speech;
  }

  looseSpeech(event, at) {
    const last = this.speeches.at(-1);
    const follows = last && last.turn === null && last.speaker === event.speaker && !last.ended;
    if (follows && !(at - last.heardAt > NEW_SPEECH_AFTER_MS)) return last;
    if (last && last.turn === null && !last.ended) {
      last.ended = { how: "completed", words: null };
      this.touched.add(last);
    }
    const speech = newSpeech(`s${event.seq}`, null, event.speaker);
    this.speeches.push(speech);
    return speech;
  }
}

function newSpeech(key, turn, speaker) {
  return {
    key,
    turn,
    speaker: String(speaker ?? ""),
    phase: null,
    role: "",
    kind: "",
    addresses: "",
    hints: [],
    notes: [],
    line: null,
    chunks: [],
    begun: false,
    paused: false,
    ended: null,
    startedAt: null,
    heardAt: null,
  };
}

function keyOf(turn, speaker) {
  return `${turn}:${speaker}`;
}

function addHint(speech, { id, name, text }) {
  if (!speech.hints.some((hint) => hint.id === id)) speech.hints.push({ id, name: String(name ?? ""), text: String(text ?? "") });
}

function instant(text) {
  const milliseconds = Date.parse(text ?? "");
  return Number.isNaN(milliseconds) ? null : milliseconds;
}
