/** A past show again, at any speed and from any moment: its events kept, folded anew up to where the viewer is. */

import { clockFace } from "/static/durations.js";
import { element, mark, say } from "/static/elements.js";

/** How often what is due is shown, in milliseconds: chunks come every two seconds, a sixteenth of that at 16x. */
const TICK_MS = 100;
/** A browser that sleeps (a closed lid, a hidden page) does not skip the show meanwhile. */
const LONGEST_TICK_MS = 1000;
/** A longer silence, as while the show was paused or its process was dead, passes as fast as this one. */
const LONGEST_SILENCE_MS = 10_000;

export class Replay {
  #state;
  #bar;
  #onSeek;
  #onChange;
  #record = [];
  #times = [];
  /** When each event comes in the replay, in milliseconds from its start. */
  #moments = [];
  /** What the stage says of the show. */
  #summary = null;
  /** Milliseconds since the start of the replay; null where all of it is shown. */
  #at = null;
  #shown = 0;
  #timer = null;
  #ticked = 0;
  #marked = null;

  /**
   * @param {object} parts
   * @param {ShowState} parts.state what the page draws; the replay folds events into it
   * @param {HTMLElement} parts.bar its controls
   * @param {() => void} parts.onSeek the state is another one than it was: draw it from scratch
   * @param {() => void} parts.onChange events have been added to the state
   */
  constructor({ state, bar, onSeek, onChange }) {
    this.#state = state;
    this.#bar = bar;
    this.#onSeek = onSeek;
    this.#onChange = onChange;
    this.#part("play").addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.#part("at").addEventListener("input", () => this.seek(Number(this.#part("at").value)));
    this.#part("at").addEventListener("keydown", (event) => this.#stepByTurn(event));
  }

  /** To be called with every event of the show, in order. */
  take(event) {
    const at = Date.parse(event.at);
    const before = this.#times.at(-1);
    const time = Math.max(Number.isNaN(at) ? 0 : at, before ?? 0);
    this.#moments.push(this.#length + Math.min(time - (before ?? time), LONGEST_SILENCE_MS));
    this.#times.push(time);
    this.#record.push(event);
  }

  /** The events so far were those of another log. */
  forget() {
    this.pause();
    this.#record = [];
    this.#times = [];
    this.#moments = [];
    this.#at = null;
    this.#marked = null;
  }

  /** What the stage says of the show. Returns whether the state may have it, too: not while a part is shown. */
  greet(summary) {
    this.#summary = summary;
    return this.#at === null;
  }

  /** Whether only a part of the show is shown, up to `now`. */
  get active() {
    return this.#at !== null;
  }

  get playing() {
    return this.#timer !== null;
  }

  /** The show's own time, as milliseconds since 1970. */
  get now() {
    if (this.#at === null || this.#shown === 0) return this.#times.at(this.#at === null ? -1 : 0) ?? 0;
    const latest = this.#shown - 1;
    return this.#times[latest] + (this.#at - this.#moments[latest]);
  }

  play() {
    if (this.playing || this.#record.length === 0) return;
    if (this.#at === null) this.seek(0);
    this.#ticked = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.draw();
  }

  pause() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.draw();
  }

  /** Show the first `at` milliseconds of the replay; all of it where it is shorter. */
  seek(at) {
    const back = this.#at === null || at < this.#at;
    const whole = at >= this.#length;
    this.#at = whole ? null : Math.max(0, at);
    if (whole) this.pause();
    if (back || whole) {
      this.#state.reset();
      this.#state.greet(whole ? this.#summary : this.#beginning);
      this.#shown = 0;
    }
    this.#showDue();
    if (whole) this.#state.head = this.#state.seq;
    this.#onSeek();
    this.draw();
  }

  draw() {
    const there = this.#record.length > 1 && this.#length > 0 && (this.active || this.#state.ended !== null);
    this.#bar.hidden = !there;
    if (!there) return;
    this.#drawMarks();
    const at = this.#at ?? this.#length;
    const [play, slider] = [this.#part("play"), this.#part("at")];
    mark(play, "aria-label", this.playing ? "Pause" : "Play");
    mark(play, "data-playing", this.playing ? "" : null);
    slider.max = String(Math.ceil(this.#length / 1000) * 1000); // whole steps, so that the end can be reached
    slider.value = String(at);
    slider.style.setProperty("--done", String(at / this.#length));
    const { current } = this.#state;
    const time = `${clockFace(at)} / ${clockFace(this.#length)}`;
    say(this.#part("time"), time);
    mark(slider, "aria-valuetext", `${clockFace(at)} of ${clockFace(this.#length)}${current ? `, ${this.#state.agent(current.speaker).name}` : ""}`);
  }

  get #length() {
    return this.#moments.at(-1) ?? 0;
  }

  /** When something comes in the replay that happened in the show at `time`, in milliseconds from the replay's start. */
  #momentOf(time) {
    let [latest, end] = [0, this.#times.length];
    while (end - latest > 1) {
      const middle = (latest + end) >> 1;
      if (this.#times[middle] <= time) latest = middle;
      else end = middle;
    }
    return this.#moments[latest] + Math.max(0, Math.min(time - this.#times[latest], LONGEST_SILENCE_MS));
  }

  /** The show as it was known before its first event: its summary would give away how it ended. */
  get #beginning() {
    const agents = (this.#summary?.agents ?? []).map((agent) => ({ ...agent, state: null }));
    return { ...this.#summary, agents, state: "replay", ended_at: null, why: null, phase: null, speaker: null };
  }

  #part(name) {
    return this.#bar.querySelector(`[data-part="${name}"]`);
  }

  #tick() {
    const now = performance.now();
    const passed = Math.min(now - this.#ticked, LONGEST_TICK_MS) * Number(this.#part("speed").value);
    this.#ticked = now;
    if (this.#at + passed >= this.#length) {
      this.#at = null;
      this.pause();
      this.#showDue();
      this.#state.head = this.#state.seq;
      this.#onChange();
    } else {
      this.#at += passed;
      if (this.#showDue()) this.#onChange();
    }
    this.draw();
  }

  /** Fold in what was aired up to now; returns whether that was anything. */
  #showDue() {
    const before = this.#shown;
    while (this.#shown < this.#record.length && this.#moments[this.#shown] <= (this.#at ?? Infinity)) {
      this.#state.apply(this.#record[this.#shown]);
      this.#shown += 1;
    }
    return this.#shown > before;
  }

  /** Turns as stretches in their speakers' colours, hints and votes as dots; drawn once, when all of the show is known. */
  #drawMarks() {
    if (this.active || this.#marked === this.#record.length) return;
    this.#marked = this.#record.length;
    const at = (moment) => String(Math.min(1, moment / this.#length));
    const speeches = this.#state.speeches.filter(({ startedAt }) => startedAt !== null);
    const marks = speeches.map((speech) => {
      const agent = this.#state.agent(speech.speaker);
      const stretch = element("i", { class: "stretch", "data-at": this.#momentOf(speech.startedAt), title: agent.name });
      stretch.style.setProperty("--from", at(this.#momentOf(speech.startedAt)));
      stretch.style.setProperty("--to", at(this.#momentOf(speech.heardAt ?? speech.startedAt)));
      stretch.style.setProperty("--persona", agent.color);
      return stretch;
    });
    const dots = new Map();
    this.#record.forEach((event, place) => {
      const kind = event.type === "hint_used" ? "hint" : /^vote_/.test(event.type) ? "vote" : "";
      if (kind) dots.set(`${kind} ${event.hint ?? event.seq}`, [kind, this.#moments[place]]);
    });
    for (const [kind, moment] of dots.values()) {
      const dot = element("i", { class: "moment", "data-kind": kind });
      dot.style.setProperty("--from", at(moment));
      marks.push(dot);
    }
    this.#part("marks").replaceChildren(...marks);
  }

  /** On the slider, PageUp and PageDown go to the next and the last beginning of a turn. */
  #stepByTurn(event) {
    if (event.key !== "PageUp" && event.key !== "PageDown") return;
    event.preventDefault();
    const begins = [...this.#part("marks").querySelectorAll("[data-at]")].map((turn) => Number(turn.dataset.at));
    const at = this.#at ?? this.#length;
    const wanted = event.key === "PageUp" ? begins.find((begin) => begin > at) : begins.findLast((begin) => begin < at - 1000);
    this.seek(wanted ?? (event.key === "PageUp" ? this.#length : 0));
  }
}
