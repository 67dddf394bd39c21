/** What was done to the show and by whom: the caster's log of it, and what this page asked for in vain. */

import { localClock } from "/static/durations.js";
import { element, mark, reconcile, say } from "/static/elements.js";

const ACTS = {
  pause: "paused the show",
  resume: "resumed the show",
  skip: "skipped the turn",
  end: "ended the show",
  inject: "gave the moderator a line",
  context: "set the note for all speakers",
  approve: "approved a hint",
  decline: "declined a hint",
  mute: "muted a viewer",
  unmute: "unmuted a viewer",
  approval_on: "has every hint approved first",
  approval_off: "lets hints through",
  open_vote: "opened the vote",
  close_vote: "closed the vote",
};

export class ActLog {
  #list = document.getElementById("acts");
  #none = document.getElementById("no-acts");

  /** `acts` are those of a `desk` frame, with its `hints`; `answers` those of this page (see `ProducerDesk`). */
  draw({ acts = [], hints = [] }, answers) {
    const said = (detail) => detailInWords(String(detail ?? ""), hints);
    const refused = answers
      .filter(({ state }) => state === "refused")
      .map(({ id, at, command, fields, message }) => ({ key: `mine-${id}`, at, command, detail: said(fields.text ?? fields.hint ?? fields.viewer), refused: message }));
    const seen = new Map();
    const known = acts.map((act) => {
      const name = `${act.at}|${act.command}|${act.detail}`;
      seen.set(name, (seen.get(name) ?? 0) + 1);
      return { ...act, detail: said(act.detail), at: instant(act.at), key: `act-${name}-${seen.get(name)}` };
    });
    const all = [...known, ...refused].sort((one, other) => other.at - one.at);
    this.#none.hidden = all.length > 0;
    reconcile(this.#list, all, {
      key: ({ key }) => key,
      make: () => element("li", { class: "act" }, element("time", { dir: "ltr" }), element("p", {}, element("strong", { dir: "auto" }), " ", element("span", { class: "act-what" }), " ", element("q", { dir: "auto" })), element("p", { class: "act-why" })),
      update: (item, act) => this.#update(item, act),
    });
  }

  #update(item, act) {
    say(item.querySelector("time"), act.at ? localClock(act.at) : "");
    say(item.querySelector("strong"), act.refused ? "Not done:" : String(act.by || "The producer"));
    say(item.querySelector(".act-what"), act.refused ? String(act.command).replaceAll("_", " ") : (ACTS[act.command] ?? String(act.command)));
    const quote = item.querySelector("q");
    say(quote, act.detail);
    quote.hidden = quote.textContent === "";
    const why = item.querySelector(".act-why");
    say(why, act.refused ?? "");
    why.hidden = why.textContent === "";
    mark(item, "data-refused", act.refused ? "" : null);
  }
}

/** A hint's text for its id and a viewer's name for its digest; anything else is said as it is. */
function detailInWords(detail, hints) {
  const hint = hints.find(({ id }) => id === detail);
  if (hint) return String(hint.text ?? "");
  const viewer = hints.findLast(({ viewer }) => viewer === detail);
  return viewer ? String(viewer.name || "a viewer without a name") : detail;
}

/** Milliseconds; 0 where there is no telling. */
function instant(at) {
  return Date.parse(at ?? "") || 0;
}
