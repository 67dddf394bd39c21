/** The audience's vote: casting one's own, seeing how it stands, and what came of it. */

import { element, mark, reconcile, say } from "/static/elements.js";
import { recall, remember } from "/static/storage.js";

const QUESTIONS = { before: "Where do you stand, before the debate?", after: "Where do you stand now?" };
export const POLLS = { before: "Before the debate", after: "After the debate" };
const WHY = {
  not_taken: "it takes a vote before the debate and one after it, and one is missing.",
  no_votes: "nobody voted for a side.",
  one_sided: "all votes of a poll were for the same side, so there was nobody to convince.",
};

export class VoteBox {
  #form = document.getElementById("vote");
  #question = document.getElementById("vote-question");
  #choices = document.getElementById("vote-choices");
  #status = document.getElementById("vote-status");
  #poll = document.getElementById("poll");
  #card = document.getElementById("verdict");
  #show;
  #state;
  #viewer;
  #mine = "";
  #refused = "";
  #drawn = "";
  #told = null;

  /** `viewer` is the id under which the stage knows this browser. */
  constructor({ show, state, viewer }) {
    this.#show = show;
    this.#state = state;
    this.#viewer = viewer;
    this.#choices.addEventListener("change", (event) => this.#cast(event.target.value));
    this.#form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** A `vote_taken` frame: how this viewer has voted, here or in another window. */
  learn({ vote, choice }) {
    if (vote !== this.#state.polls.vote?.vote) return;
    this.#mine = String(choice);
    this.#refused = "";
    remember(this.#key, this.#mine);
    this.draw();
  }

  /** `now` is the stage's wall time in milliseconds; `past` says that the viewer is not in the present of the show. */
  draw({ now = Date.now(), past = false } = {}) {
    const { vote } = this.#state.polls;
    const open = Boolean(vote?.open) && !past && this.#state.kind !== "replay";
    this.#form.hidden = !open;
    if (open) this.#drawBallot(vote, now);
    this.#drawPoll(this.#state.ended ? null : this.#state.polls.result);
    this.#drawVerdict();
  }

  get #key() {
    return `vote.${this.#show}.${this.#state.polls.vote?.vote}`;
  }

  #drawBallot(vote, now) {
    if (this.#drawn !== vote.vote) {
      this.#drawn = vote.vote;
      this.#mine = recall(this.#key) ?? "";
      this.#refused = "";
    }
    say(this.#question, QUESTIONS[vote.vote] ?? "Where do you stand?");
    const { counts, votes } = this.#state.polls.standing;
    reconcile(this.#choices, vote.choices.map((choice, place) => ({ ...choice, place })), {
      key: ({ id }) => id,
      make: ({ id, title, place }) => {
        // A choice is called by its title; how it stands, which changes, only describes it.
        const [name, standing] = [`vote-choice-${place}`, `vote-share-${place}`];
        const radio = element("input", { type: "radio", name: "vote-choice", value: id, "aria-labelledby": name, "aria-describedby": standing });
        const words = element("span", { class: "choice-title", id: name, dir: "auto" }, title);
        return element("label", { class: "choice" }, radio, words, element("span", { class: "choice-share", id: standing, dir: "ltr" }));
      },
      update: (label, { id }) => {
        const share = votes ? (counts[id] ?? 0) / votes : 0;
        mark(label, "data-stance", this.#state.stanceOf(id));
        label.style.setProperty("--share", String(share));
        say(label.querySelector(".choice-share"), votes ? percent(share) : "");
        label.querySelector("input").checked = this.#mine === id;
      },
    });
    const left = vote.openedAt === null ? 0 : Math.ceil((vote.openedAt + 1000 * vote.seconds - now) / 1000);
    const parts = [`${votes} ${votes === 1 ? "vote" : "votes"}`, left > 0 ? `${left} s left` : "closing soon"];
    say(document.getElementById("vote-facts"), parts.join(" · "));
    say(this.#status, this.#refused || (this.#mine ? "Your vote counts. You can change it until the vote closes." : ""));
    mark(this.#status, "data-tone", this.#refused ? "bad" : null);
  }

  /** What the first vote gave stays in sight until the second one. */
  #drawPoll(result) {
    this.#poll.hidden = result === null;
    const look = JSON.stringify(result);
    if (result === null || this.#poll.dataset.look === look) return;
    this.#poll.dataset.look = look;
    const { vote, counts, votes } = result;
    const stretches = this.#state.polls.vote.choices.map(({ id, title }) => {
      const share = votes ? (counts[id] ?? 0) / votes : 0;
      const made = element("span", { class: "poll-choice", "data-stance": this.#state.stanceOf(id) }, element("bdi", {}, title), ` ${percent(share)}`);
      made.style.setProperty("--share", String(share));
      return made;
    });
    const number = votes === 0 ? "nobody voted" : `${votes} ${votes === 1 ? "vote" : "votes"}`;
    this.#poll.replaceChildren(element("b", {}, POLLS[vote] ?? "The vote"), ...(votes ? stretches : []), element("span", { class: "vote-facts" }, number));
  }

  #drawVerdict() {
    const { verdict } = this.#state.polls;
    this.#card.hidden = verdict === null;
    if (verdict === this.#told) return;
    this.#told = verdict;
    this.#card.replaceChildren(...(verdict === null ? [] : verdictParts(verdict, this.#state)));
  }

  async #cast(choice) {
    const { vote } = this.#state.polls;
    if (!vote?.open) return;
    const before = this.#mine;
    this.#mine = choice;
    this.draw();
    let refused = "The stage can’t be reached: your vote has not arrived.";
    try {
      const response = await fetch(`/api/shows/${encodeURIComponent(this.#show)}/votes`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ choice, vote: vote.vote, viewer: this.#viewer }),
      });
      const answer = await response.json().catch(() => ({}));
      if (response.ok) {
        if (this.#mine === choice) this.learn(answer);
        return;
      }
      refused = answer.message || "The stage did not take your vote.";
    } catch {
      // What there is to say has been said above.
    }
    if (this.#mine !== choice) return; // another choice is on its way by now
    this.#mine = before;
    this.#refused = refused;
    this.draw();
  }
}

/** What came of the votes in one sentence. */
export function verdictText(verdict, state) {
  const leaders = verdict.leaders.map((side) => state.polls.choiceTitle(side)).join(", ");
  const most = Math.max(...Object.values(verdict.changes));
  switch (verdict.outcome) {
    case "won":
      return verdict.method === "swing" ? `${leaders} wins by a swing of ${points(most)}` : `${leaders} wins with ${percent(most)}`;
    case "tied":
      return `A tie: ${leaders}`;
    default:
      return `No result: ${WHY[verdict.why] ?? "the votes decide nothing."}`;
  }
}

function verdictParts(verdict, state) {
  const polls = [["Before", verdict.before], ["After", verdict.after]].filter(([, counts]) => counts);
  const ids = [...new Set(polls.flatMap(([, counts]) => Object.keys(counts)))];
  const swing = verdict.method === "swing" && Object.keys(verdict.changes).length > 0;
  const parts = [element("p", { class: "verdict-kicker" }, "The audience has voted"), element("h2", { id: "verdict-title", dir: "auto" }, verdictText(verdict, state))];
  if (polls.length === 0) return parts;
  const head = element("tr", {}, element("td"), ...polls.map(([title]) => element("th", { scope: "col" }, title)), swing ? element("th", { scope: "col" }, "Swing ", element("small", {}, "in points")) : null);
  const rows = ids.map((id) => {
    const cells = polls.map(([, counts]) => {
      const total = Object.values(counts).reduce((sum, votes) => sum + votes, 0);
      const share = total ? (counts[id] ?? 0) / total : 0;
      const cell = element("td", {}, element("span", { class: "verdict-share" }, percent(share)), element("small", {}, ` ${counts[id] ?? 0}`), element("i", { "aria-hidden": "true" }));
      cell.style.setProperty("--share", String(share));
      return cell;
    });
    const change = verdict.changes[id];
    if (swing) cells.push(element("td", { class: "verdict-swing" }, change === undefined ? "" : signed(change)));
    const leads = verdict.leaders.includes(id);
    return element("tr", { "data-stance": state.stanceOf(id), "data-leads": leads }, element("th", { scope: "row", dir: "auto" }, state.polls.choiceTitle(id)), ...cells);
  });
  parts.push(element("table", { class: "verdict-table", "aria-labelledby": "verdict-title" }, element("thead", {}, head), element("tbody", {}, ...rows)));
  return parts;
}

function percent(share) {
  return `${Math.round(share * 100)} %`;
}

function points(change) {
  return `${signed(change)} points`;
}

/** A share gained or lost, in percentage points. */
function signed(change) {
  const value = Math.round(change * 1000) / 10;
  return `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(value)}`;
}
