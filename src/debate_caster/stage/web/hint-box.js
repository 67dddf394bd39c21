/** The viewer's hints: writing one, and what became of each. */

import { sideTitle } from "/static/cast.js";
import { element, mark, reconcile, say } from "/static/elements.js";
import { recall, remember, viewerId } from "/static/storage.js";

/** Longest hint in characters where the show does not say: the default of a scenario's `max_hint_chars`. */
const USUAL_LENGTH = 280;
const KEPT = 30;
const FINAL = new Set(["used", "declined", "expired"]);
const WHY = new Map(Object.entries({
  too_long: "it is too long",
  empty: "there is no text in it",
  duplicate: "it says what another hint has said already",
  too_fast: "it came too soon after your last one",
  filtered: "it holds a word that this show filters out",
  unknown_addressee: "nobody of that name is in this debate",
  closed: "hints are closed",
  muted: "the producer takes no hints from you",
  producer: "the producer has declined it",
  full: "too many hints are waiting",
  lifetime: "its moment passed before a turn could take it",
  show_ended: "the show ended before a turn could take it",
}));

export class HintBox {
  #form = document.getElementById("hint-form");
  #text = document.getElementById("hint-text");
  #name = document.getElementById("hint-name");
  #to = document.getElementById("hint-to");
  #count = document.getElementById("hint-count");
  #send = document.getElementById("hint-send");
  #status = document.getElementById("hint-status");
  #lead = document.getElementById("hint-lead");
  #show;
  #state;
  #goTo;
  #hints = [];
  #early = new Map();
  #sending = false;
  #waitUntil = 0;
  #addressees = "";

  /** `goTo(turn)` shows a turn, counted from 0. */
  constructor({ show, state, goTo }) {
    this.#show = show;
    this.#state = state;
    this.#goTo = goTo;
    this.viewer = viewerId();
    this.#name.value = recall("name") ?? "";
    this.#hints = this.#load();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.draw());
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#name.addEventListener("change", () => remember("name", this.name));
    document.addEventListener("click", (event) => {
      const turn = event.target.closest?.("[data-go-to-turn]")?.dataset.goToTurn;
      if (turn === undefined) return;
      event.preventDefault();
      this.#goTo(Number(turn));
    });
  }

  get name() {
    return this.#name.value.trim();
  }

  /** Hints whose fate is open. */
  get waiting() {
    return this.#hints.filter((hint) => !FINAL.has(hint.state)).length;
  }

  /** Ask what became of the hints that we have heard nothing final of: the news may have come while we were away. */
  async refresh() {
    for (const hint of this.#hints.filter(({ state }) => !FINAL.has(state))) {
      try {
        const response = await fetch(`/api/shows/${encodeURIComponent(this.#show)}/hints/${encodeURIComponent(hint.id)}`);
        if (response.status === 404) this.#hints = this.#hints.filter(({ id }) => id !== hint.id);
        else if (response.ok) this.learn({ ...(await response.json()), hint: hint.id });
      } catch {
        return; // no connection: the next greeting asks again
      }
    }
    this.#save();
    this.draw();
  }

  /** A `hint_received` or `hint_fate` frame, or a public `hint_used`: anything with `hint` and maybe `state`. */
  learn(frame) {
    const state = frame.type === "hint_used" ? "used" : frame.state;
    const hint = this.#hints.find(({ id }) => id === frame.hint);
    if (!hint) {
      // The fate can overtake the answer to our request.
      if (state && frame.type === "hint_fate") this.#early.set(frame.hint, frame);
      return;
    }
    if (!state || FINAL.has(hint.state)) return;
    if (state === "used") Object.assign(hint, { state, turn: frame.turn, speaker: frame.speaker });
    else Object.assign(hint, { state, reason: frame.reason ?? "", queuedFor: frame.to ?? hint.queuedFor });
    this.#save();
    this.draw();
  }

  draw() {
    const state = this.#state;
    this.#offerAddressees();
    const closed = state.ended ? "The show has ended." : state.kind === "replay" ? "This is a replay: hints are closed." : state.hintsOpen ? "" : "Hints are closed in this show.";
    const wait = Math.max(0, Math.ceil((this.#waitUntil - Date.now()) / 1000));
    const length = [...this.#text.value.trim()].length;
    const limit = state.hintLength ?? USUAL_LENGTH;
    const every = state.hintEvery >= 1 ? `One hint every ${state.hintEvery} s · ` : "";
    say(this.#count, `${every}${length} / ${limit}`);
    mark(this.#count, "data-over", length > limit ? "" : null);
    say(this.#send, wait ? `Wait ${wait} s` : this.#sending ? "Sending" : "Send hint");
    this.#send.disabled = Boolean(closed) || this.#sending || wait > 0 || length === 0 || length > limit;
    // Nothing to write and nothing to read: the speeches get the room.
    document.getElementById("audience").hidden = Boolean(closed) && this.#hints.length === 0;
    document.getElementById("main").classList.toggle("alone", document.getElementById("audience").hidden);
    for (const part of this.#form.querySelectorAll(".field, .count, #hint-send")) part.hidden = Boolean(closed);
    const lead = state.hasTurns ? "Give a speaker something to answer. It reaches the next turn that has not begun." : "Give the speaker something to answer.";
    say(this.#lead, closed || lead);
    mark(this.#lead, "data-closed", closed ? "" : null);
    document.getElementById("mine").hidden = this.#hints.length === 0;
    reconcile(document.getElementById("my-hints"), [...this.#hints].reverse(), {
      key: ({ id }) => id,
      make: (hint) => element("li", { class: "my-hint" }, element("p", { dir: "auto" }, hint.text), element("p", { class: "my-hint-fate" })),
      update: (item, hint) => this.#drawFate(item, hint),
    });
    const badge = document.getElementById("hint-badge");
    say(badge, String(this.waiting));
    badge.hidden = this.waiting === 0;
  }

  #drawFate(item, hint) {
    const words = this.#fateInWords(hint);
    if (item.dataset.words === words) return;
    item.dataset.words = words;
    mark(item, "data-state", hint.state);
    const line = item.querySelector(".my-hint-fate");
    if (hint.state !== "used") {
      say(line, words);
      return;
    }
    const link = element("a", { href: `#t${hint.turn + 1}`, "data-go-to-turn": hint.turn }, `turn ${hint.turn + 1}`);
    line.replaceChildren("Used by ", element("bdi", {}, this.#nameOf(hint.speaker)), " in ", link);
  }

  #fateInWords({ state, reason, queuedFor, to, speaker, turn }) {
    switch (state) {
      case "waiting":
        return "Waiting for the producer";
      case "queued":
        return `Queued for ${this.#nameOf(queuedFor || to) || "whoever speaks next"}`;
      case "used":
        return `Used by ${this.#nameOf(speaker)} in turn ${turn + 1}`;
      case "declined":
        return `Declined: ${WHY.get(reason) ?? (reason || "no reason given")}`;
      case "expired":
        return `Expired: ${WHY.get(reason) ?? (reason || "no turn could take it")}`;
      default:
        return "Received";
    }
  }

  #nameOf(addressee) {
    if (!addressee) return "";
    const agent = this.#state.agents.get(addressee);
    if (agent) return agent.name;
    const ofSide = [...this.#state.agents.values()].find(({ side }) => side === addressee);
    return ofSide ? sideTitle(ofSide) : addressee;
  }

  #offerAddressees() {
    const agents = [...this.#state.agents.values()].filter(({ moderator }) => !moderator);
    const sides = new Map(agents.filter(({ side }) => side).map((agent) => [agent.side, sideTitle(agent)]));
    const wanted = JSON.stringify([[...sides], agents.map(({ id, name }) => [id, name])]);
    if (wanted === this.#addressees) return;
    this.#addressees = wanted;
    const chosen = this.#to.value;
    this.#to.replaceChildren(element("option", { value: "" }, "Next speaker"));
    if (sides.size) this.#to.append(group("Side", [...sides]));
    if (agents.length) this.#to.append(group("Speaker", agents.map(({ id, name, emoji }) => [id, `${emoji} ${name}`.trim()])));
    this.#to.value = chosen;
    if (this.#to.selectedIndex < 0) this.#to.value = "";
  }

  async #submit() {
    this.draw();
    if (this.#send.disabled) return;
    this.#sending = true;
    this.#report("");
    this.draw();
    const text = this.#text.value.trim();
    const to = this.#to.value;
    try {
      const response = await fetch(`/api/shows/${encodeURIComponent(this.#show)}/hints`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ text, viewer: this.viewer, ...(to && { to }), ...(this.name && { name: this.name }) }),
      });
      const answer = await response.json().catch(() => ({}));
      if (response.ok && answer.hint !== undefined) this.#received({ id: answer.hint, text, to, state: "received" });
      else this.#refused(answer);
    } catch {
      this.#report("The stage can’t be reached. Your hint is still here: send it again in a moment.", "bad");
    }
    this.#sending = false;
    this.draw();
  }

  #received(hint) {
    this.#hints = [...this.#hints.filter(({ id }) => id !== hint.id), hint].slice(-KEPT);
    this.#text.value = "";
    this.#waitUntil = Date.now() + this.#state.hintEvery * 1000;
    this.#report("Your hint has been received.");
    const early = this.#early.get(hint.id);
    this.#early.clear();
    if (early) this.learn(early);
    this.#save();
  }

  #refused({ error, message, retry_after: retryAfter }) {
    if (Number.isFinite(retryAfter) && retryAfter > 0) this.#waitUntil = Date.now() + retryAfter * 1000;
    this.#report(WHY.has(error) ? `Not taken: ${WHY.get(error)}.` : message || "The stage did not take the hint.", "bad");
  }

  #report(text, tone = "") {
    say(this.#status, text);
    mark(this.#status, "data-tone", tone || null);
  }

  #load() {
    try {
      const kept = JSON.parse(recall(`hints.${this.#show}`) ?? "[]");
      return Array.isArray(kept) ? kept.filter((hint) => hint && typeof hint.id === "string" && typeof hint.text === "string") : [];
    } catch {
      return [];
    }
  }

  #save() {
    remember(`hints.${this.#show}`, JSON.stringify(this.#hints));
  }
}

function group(label, options) {
  return element("optgroup", { label }, ...options.map(([value, text]) => element("option", { value }, text)));
}
