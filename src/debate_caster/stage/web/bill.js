/** The head of a show's page: the motion, how far the debate has come, and how many watch it. */

import { element, mark, reconcile, say } from "/static/elements.js";
import { INTERJECTION } from "/static/show-state.js";

const $ = (id) => document.getElementById(id);

/** Draw what the show is called and how far it is; `lost` says that there is no such show on air. */
export function showBill(state, { lost }) {
  const headline = state.motion || state.title || [...state.agents.values()].map(({ name }) => name).join(" · ") || (lost ? "Nothing on air" : "A live broadcast");
  say($("motion"), headline);
  if (state.language) mark($("motion"), "lang", state.language);
  const kicker = [state.format, ![headline, state.format].includes(state.title) ? state.title : ""].filter(Boolean).join(" · ");
  say($("kicker"), kicker || (lost ? "debate-caster" : "Live broadcast"));
  const { current } = state;
  say(document.querySelector("title"), `${current && !state.ended ? `${state.agent(current.speaker).name}: ` : ""}${headline} · debate-caster`);
  $("rundown").hidden = state.phases.length === 0;
  if (state.phases.length) showRundown(state);
}

function showRundown(state) {
  const doneOf = new Map();
  for (const speech of state.speeches) {
    if (speech.phase !== null && speech.kind !== INTERJECTION && (speech.ended || speech.begun)) doneOf.set(speech.phase, (doneOf.get(speech.phase) ?? 0) + (speech.ended ? 1 : 0.5));
  }
  const now = state.ended ? -1 : (state.phase?.index ?? -1);
  reconcile($("phases"), state.phases.map((phase, index) => ({ ...phase, index })), {
    key: ({ index }) => String(index),
    make: () => element("li", { class: "phase" }, element("span", { class: "phase-name", dir: "auto" }), element("span", { class: "phase-track", "aria-hidden": "true" }, element("i"))),
    update: (item, { title, key, turns, index }) => {
      const done = index < now || state.ended?.why === "completed" ? 1 : Math.min(1, (doneOf.get(index) ?? 0) / (turns || 1));
      item.style.setProperty("--turns", String(turns || 1));
      item.style.setProperty("--done", String(done));
      mark(item, "aria-current", index === now ? "step" : null);
      say(item.querySelector(".phase-name"), String(title || key || ""));
    },
  });
  const number = state.turnNumber;
  const turn = number === 0 ? `${state.turns || "?"} turns` : state.turns ? `Turn ${number} of ${state.turns}` : `Turn ${number}`;
  const phase = state.phase && !state.ended ? String(state.phase.title || "") : "";
  const wanted = `${phase}|${turn}`;
  if ($("progress").dataset.text === wanted) return;
  $("progress").dataset.text = wanted;
  $("progress").replaceChildren(...(phase ? [element("span", { class: "progress-phase", dir: "auto" }, phase), element("span", { class: "progress-phase" }, " · ")] : []), turn);
}

/** Draw how many viewers there are; does nothing where that is not known. */
export function showViewers(count) {
  if (!Number.isInteger(count)) return;
  $("viewers").hidden = false;
  say($("viewers-count"), count.toLocaleString("en"));
  say($("viewers-word"), count === 1 ? " viewer" : " viewers");
}
