/** The lobby: what is live and what was, asked of the stage again and again while somebody looks. */

import { sideTitle } from "/static/cast.js";
import { ago, ahead, length, localDay, localTime } from "/static/durations.js";
import { element, mark, portrait, reconcile, say } from "/static/elements.js";
import { ShowState } from "/static/show-state.js";

const REFRESH_MS = 4000;
const LONGEST_WAIT_MS = 30_000;
/** With fewer past shows than this a search box is in the way. */
const WORTH_SEARCHING = 7;
/** What is older is told by its date. */
const DAY_MS = 86_400_000;
const NO_TICKET = 401;
const STATE_WORDS = { live: "Live", replay: "Replay" };

const $ = (id) => document.getElementById(id);
let shows = [];
let planned = [];
let notices = [];
let failures = 0;
let timer = null;

async function refresh() {
  clearTimeout(timer);
  try {
    const response = await fetch("/api/shows", { signal: AbortSignal.timeout(10_000) });
    const closed = response.status === NO_TICKET;
    if (!response.ok && !closed) throw new Error(String(response.status));
    ({ shows = [], coming: planned = [], notices = [] } = closed ? {} : await response.json());
    failures = 0;
    draw();
    $("ticketed").hidden = !closed;
    if (closed) $("empty").hidden = true;
  } catch {
    failures += 1;
  }
  say($("trouble"), failures > 1 ? "The stage does not answer. Trying again." : "");
  const wait = Math.min(LONGEST_WAIT_MS, REFRESH_MS * 2 ** Math.min(failures, 4)) * (0.9 + Math.random() / 5);
  if (!document.hidden) timer = setTimeout(refresh, wait);
}

function draw() {
  const known = shows.map(read);
  const live = known.filter(({ on }) => on);
  const past = known.filter(({ on }) => !on);
  $("main").removeAttribute("aria-busy");
  $("live").hidden = live.length === 0;
  const coming = planned.map(read);
  $("empty").hidden = live.length + coming.length > 0;
  reconcile($("live-shows"), live, { key: ({ id }) => id, make: makeCard, update: drawCard });
  $("coming").hidden = coming.length === 0 && notices.length === 0;
  reconcile($("coming-shows"), coming, { key: ({ id }) => id, make: makeComing, update: drawComing });
  say($("notices"), notices.join(" "));
  $("past").hidden = past.length === 0;
  $("search-field").hidden = past.length < WORTH_SEARCHING;
  const wanted = $("search-field").hidden ? "" : $("search").value.trim().toLocaleLowerCase();
  const found = past.filter(({ searchable }) => searchable.includes(wanted));
  $("nothing-found").hidden = found.length > 0 || past.length === 0;
  reconcile($("past-shows"), found, { key: ({ id }) => id, make: makeRow, update: drawRow });
}

/** A summary, with its agents cleaned up the way the watch page does it. */
function read(summary) {
  const state = new ShowState();
  state.greet(summary);
  const agents = [...state.agents.values()];
  const headline = state.motion || state.title || agents.map(({ name }) => name).join(" · ") || "Untitled broadcast";
  return {
    summary,
    agents,
    headline,
    id: String(summary.id),
    on: summary.state !== "ended",
    language: state.language,
    format: state.format,
    address: `/shows/${encodeURIComponent(summary.id)}`,
    startedAt: state.startedAt,
    startsAt: Date.parse(summary.starts_at ?? "") || null,
    endedAt: Date.parse(summary.ended_at ?? "") || null,
    searchable: [headline, state.title, ...agents.map(({ name }) => name)].join("\n").toLocaleLowerCase(),
  };
}

function makeCard() {
  return element(
    "li",
    { class: "show" },
    element(
      "p",
      { class: "show-top" },
      element("span", { class: "pill" }, element("span", { class: "dot", "aria-hidden": "true" }), element("span", { class: "state" })),
      element("span", { class: "since" }),
      element("span", { class: "viewers" }, element("span", { class: "icon icon-eye", "aria-hidden": "true" }), element("span", { class: "viewer-count" }), element("span", { class: "visually-hidden" }, " viewers")),
    ),
    element("h3", {}, element("a", { dir: "auto" })),
    element("div", { class: "versus" }),
    element("p", { class: "show-phase" }),
  );
}

function drawCard(card, show) {
  const { summary } = show;
  const part = (selector) => card.querySelector(selector);
  mark(part(".pill"), "data-state", summary.state);
  say(part(".state"), STATE_WORDS[summary.state] ?? String(summary.state));
  say(part(".since"), show.startedAt === null ? "" : `Started ${ago(show.startedAt, Date.now())}`);
  mark(part(".since"), "title", show.startedAt === null ? null : localTime(show.startedAt));
  say(part(".viewer-count"), Number(summary.viewers ?? 0).toLocaleString("en"));
  say(part("a"), show.headline);
  mark(part("a"), "href", show.address);
  mark(part("a"), "lang", show.language || null);
  drawCamps(part(".versus"), show.agents);
  const speaker = show.agents.find(({ id }) => id === summary.speaker);
  const phase = summary.phase?.title ?? "";
  say(part(".show-phase"), [phase || show.format, speaker ? `${speaker.name} is speaking` : ""].filter(Boolean).join(" · "));
  part(".show-phase").hidden = part(".show-phase").textContent === "";
}

function drawCamps(versus, agents) {
  const drawn = JSON.stringify(agents.map(({ id, name, emoji, color, stance }) => [id, name, emoji, color, stance]));
  if (versus.dataset.drawn === drawn) return;
  versus.dataset.drawn = drawn;
  const camps = ["for", "against"].map((stance) => agents.filter((agent) => agent.stance === stance));
  const sided = camps.every((camp) => camp.length > 0);
  versus.classList.toggle("unsided", !sided);
  if (sided) versus.replaceChildren(camp(camps[0], "for"), element("span", { class: "versus-mark" }, "vs"), camp(camps[1], "against"));
  else versus.replaceChildren(...agents.map((agent) => camp([agent], agent.stance)));
}

function camp(agents, stance) {
  const sides = stance === "neutral" ? [] : [...new Set(agents.map(sideTitle).filter(Boolean))];
  const names = element("span", { class: "camp-names" }, ...(sides.length ? [element("small", { dir: "auto" }, sides.join(" · "))] : []));
  names.append(element("span", { dir: "auto" }, agents.map(({ name }) => name).join(", ")));
  return element("div", { class: "camp", "data-stance": stance }, ...agents.map(portrait), names);
}

function makeComing() {
  const times = element("span", { class: "when" }, element("time"), element("span", { class: "ahead" }));
  return element("li", { class: "coming-show" }, element("span", { class: "faces" }), element("span", {}, element("strong", { dir: "auto" }), element("span", { class: "detail" })), times);
}

function drawComing(row, show) {
  const headline = row.querySelector("strong");
  say(headline, show.headline);
  mark(headline, "lang", show.language || null);
  say(row.querySelector(".detail"), [show.agents.map(({ name }) => name).join(", "), show.format].filter(Boolean).join(" · "));
  drawFaces(row, show);
  const time = row.querySelector("time");
  say(time, show.startsAt === null ? "" : localDay(show.startsAt));
  mark(time, "datetime", show.startsAt === null ? null : new Date(show.startsAt).toISOString());
  say(row.querySelector(".ahead"), show.startsAt === null ? "" : ahead(show.startsAt, Date.now()));
}

function drawFaces(row, show) {
  const faces = row.querySelector(".faces");
  if (faces.childElementCount !== Math.min(4, show.agents.length)) faces.replaceChildren(...show.agents.slice(0, 4).map(portrait));
}

function makeRow() {
  return element("li", { class: "past-show" }, element("span", { class: "faces" }), element("span", {}, element("a", { dir: "auto" }), element("span", { class: "detail" })), element("time"));
}

function drawRow(row, show) {
  const link = row.querySelector("a");
  say(link, show.headline);
  mark(link, "href", show.address);
  mark(link, "lang", show.language || null);
  const took = show.startedAt !== null && show.endedAt !== null ? length(show.endedAt - show.startedAt) : "";
  const early = show.summary.why && show.summary.why !== "completed" ? "ended early" : "";
  say(row.querySelector(".detail"), [show.agents.map(({ name }) => name).join(", "), took, early].filter(Boolean).join(" · "));
  drawFaces(row, show);
  const time = row.querySelector("time");
  const at = show.endedAt ?? show.startedAt;
  say(time, at === null ? "" : Date.now() - at < DAY_MS ? ago(at, Date.now()) : localTime(at));
  mark(time, "datetime", at === null ? null : new Date(at).toISOString());
  mark(time, "title", at === null ? null : localTime(at));
}

const agents = `${location.origin.replace(/^http/, "ws")}/ws`;
say($("own-command"), `debate-caster run scenarios/demo.yaml --stage ${agents}`);
say($("agent-address"), agents);
$("search").addEventListener("input", draw);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
refresh();
