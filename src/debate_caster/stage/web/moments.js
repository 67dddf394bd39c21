/**
 * Moments of a show: their addresses, and going to them. `#t5` is the fifth turn, `#123` the event with that sequence
 * number.
 */

import { anchorOf } from "/static/speeches.js";

/** So far below the top of the pane, in CSS pixels, the reader reads; less than where a moment gone to is put. */
const READING_LINE = 32;

export class Moments {
  #pane;
  #list;
  #state;
  #end;
  #onGo;

  /** `onGo(speech, index)` is called when the reader is taken to a speech, and in it to a chunk, or null. */
  constructor({ pane, list, state, end, onGo }) {
    this.#pane = pane;
    this.#list = list;
    this.#state = state;
    this.#end = end;
    this.#onGo = onGo;
  }

  /** Go where the page's address says, if it says so. */
  followAddress() {
    const wanted = location.hash.slice(1);
    if (/^[ts]\d+$/.test(wanted)) this.#go(this.#state.speeches.find((speech) => anchorOf(speech) === wanted));
    else if (/^\d+$/.test(wanted)) this.#goToEvent(Number(wanted));
  }

  goToTurn(turn) {
    const speech = this.#state.speeches.find((one) => one.turn === turn);
    if (!speech) return;
    history.replaceState(null, "", `#${anchorOf(speech)}`);
    this.#go(speech);
  }

  goToStart() {
    if (this.#pane.scrollHeight <= this.#pane.clientHeight) return;
    this.#end.leave();
    this.#pane.scrollTop = 0;
    const first = this.#state.speeches.find(({ chunks }) => chunks.length > 0);
    if (first) this.#onGo(first, null);
  }

  /** Go so many speeches on, or back, from the one at the top of the pane. */
  step(speeches) {
    const shown = this.#state.speeches.filter((speech) => this.#list.itemOf(speech));
    const place = shown.indexOf(this.speechInView) + speeches;
    if (shown[place]) this.#go(shown[place]);
  }

  /** The speech at the top of what the reader sees. */
  get speechInView() {
    const top = this.#pane.getBoundingClientRect().top + READING_LINE;
    return this.#state.speeches.find((speech) => (this.#list.itemOf(speech)?.getBoundingClientRect().bottom ?? 0) > top) ?? null;
  }

  /** The address of what the reader is at: the line at the top of the pane, or at the live end the latest one. */
  get address() {
    const latest = this.#state.speeches.findLast(({ chunks }) => chunks.length > 0);
    const speech = this.#end.following ? latest : (this.speechInView ?? latest);
    const seq = speech && (this.#end.following ? speech.chunks.at(-1).seq : this.#chunkInView(speech));
    return `${location.origin}${location.pathname}${seq ? `#${seq}` : ""}`;
  }

  #chunkInView(speech) {
    const top = this.#pane.getBoundingClientRect().top + READING_LINE;
    const words = this.#list.chunksOf(speech);
    return (words.find((chunk) => chunk.getBoundingClientRect().top > top) ?? words.at(-1))?.dataset.seq;
  }

  #goToEvent(seq) {
    const before = (speech) => speech.chunks.filter((chunk) => chunk.seq <= seq);
    const speech = this.#state.speeches.findLast((one) => before(one).length > 0);
    if (speech) this.#go(speech, before(speech).at(-1));
  }

  #go(speech, chunk = null) {
    this.#list.draw({ all: true });
    const item = speech && this.#list.itemOf(speech);
    if (!item) return;
    for (const found of document.querySelectorAll("[data-found]")) found.removeAttribute("data-found");
    const words = chunk && this.#list.wordsOf(speech, chunk);
    const target = words && words !== words.parentElement.firstElementChild ? words : item;
    (words ?? item).dataset.found = "";
    this.#end.leave();
    target.scrollIntoView({ block: "start" });
    item.focus({ preventScroll: true });
    this.#onGo(speech, chunk?.index ?? null);
  }
}
