/** What a screen reader hears of a show by itself: who speaks, votes, pauses and the end, but not every chunk. */

import { sideTitle } from "/static/cast.js";
import { say } from "/static/elements.js";
import { verdictText } from "/static/vote-box.js";

export class Announcer {
  #state;
  #line = document.getElementById("announcer");
  #told;

  constructor(state) {
    this.#state = state;
    this.forget();
  }

  /** Nothing has been told, as in a show made anew. */
  forget() {
    this.#told = { speech: null, ended: false, paused: false, vote: null, verdict: null };
  }

  /** What is there now is known: only what comes is news. */
  catchUp() {
    const { current, ended, paused, polls } = this.#state;
    this.#told = { speech: current, ended: ended !== null, paused, vote: null, verdict: polls.verdict };
  }

  /** Tell the most important thing that has not been told yet. */
  tell() {
    const text = this.#news();
    if (text) say(this.#line, text);
  }

  #news() {
    const told = this.#told;
    const { current, ended, paused } = this.#state;
    const { verdict, vote } = this.#state.polls;
    if (verdict && !told.verdict) {
      told.verdict = verdict;
      return verdictText(verdict, this.#state);
    }
    if (vote?.open && told.vote !== vote.vote && !document.getElementById("vote").hidden) {
      told.vote = vote.vote;
      return `A vote is open: ${textOf("vote-question")}`;
    }
    if (ended && !told.ended) {
      told.ended = true;
      return `${textOf("end-title")}. ${textOf("end-text")}`;
    }
    if (paused !== told.paused) {
      told.paused = paused;
      return ended ? "" : paused ? `${this.#state.pauseText}.` : "The show goes on.";
    }
    if (!ended && current && current !== told.speech) {
      told.speech = current;
      const agent = this.#state.agent(current.speaker);
      const side = sideTitle(agent);
      const turn = current.turn !== null && this.#state.turns ? ` Turn ${current.turn + 1} of ${this.#state.turns}.` : "";
      return `${agent.name}${side ? `, ${side},` : ""} is speaking.${turn}`;
    }
    return "";
  }
}

function textOf(id) {
  return document.getElementById(id).textContent;
}
