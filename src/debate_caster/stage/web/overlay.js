/**
 * Captions for OBS and the like: `/overlay/{show}?layout=lower-third|split|captions&scale=1.5`. Shows who speaks and the
 * end of what they say; everything else is transparent.
 */

import { isSided, sideTitle } from "/static/cast.js";
import { clockFace } from "/static/durations.js";
import { element, mark, portrait, reconcile, say } from "/static/elements.js";
import { admissionTo, keepAdmission } from "/static/entrance.js";
import { createEventStream } from "/static/event-stream.js";
import { total } from "/static/polls.js";
import { ShowState } from "/static/show-state.js";
import { POLLS, verdictText } from "/static/vote-box.js";

const LAYOUTS = ["lower-third", "split", "captions"];
/** More of a speech than this, in characters, can't be seen at once in any layout. */
const VISIBLE = 900;
/** For so long what a vote gave is on the picture, in milliseconds of the show. */
const RESULT_MS = 20_000;

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const layout = LAYOUTS.includes(query.get("layout")) ? query.get("layout") : "lower-third";
const scale = Number(query.get("scale"));
const state = new ShowState();
const show = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const stream = createEventStream({ show, admission: admissionTo(show) });
let ahead = null;
let scheduled = false;

mark($("overlay"), "data-layout", layout);
if (scale >= 0.25 && scale <= 8) document.documentElement.style.setProperty("--scale", String(scale));

keepAdmission(stream, show);
stream.on("hello", (hello) => {
  state.greet(hello.show);
  state.head = hello.head ?? 0;
});
stream.on("reset", () => state.reset());
stream.on("vote_tally", (frame) => state.polls.count(frame));
stream.on("*", (event) => {
  if (Number.isInteger(event.seq)) {
    state.apply(event);
    const at = Date.parse(event.at);
    if (state.seq > state.head && !Number.isNaN(at)) ahead = Math.max(ahead ?? -Infinity, at - Date.now());
  }
  if (scheduled) return;
  scheduled = true;
  setTimeout(draw, 30); // OBS may throttle animation frames of a hidden source
});

/** The speeches to caption: the one on air, or the last one; in a split, one of each side. */
function shown() {
  const heard = state.speeches.filter((speech) => speech.chunks.length > 0);
  const latest = state.current?.chunks.length ? state.current : heard.at(-1);
  if (layout !== "split" || !isSided(state)) return latest ? [{ agent: state.agent(latest.speaker), speech: latest }] : [];
  return ["for", "against"].flatMap((stance) => {
    const speech = heard.findLast((one) => state.agent(one.speaker).stance === stance);
    const agent = speech ? state.agent(speech.speaker) : [...state.agents.values()].find((one) => one.stance === stance);
    return agent ? [{ agent, speech }] : [];
  });
}

function draw() {
  scheduled = false;
  if (!state.caughtUp) return;
  state.touched.clear();
  say($("motion"), state.motion || state.title);
  if (state.language) mark($("captions"), "lang", state.language);
  $("title").hidden = state.ended !== null || $("motion").textContent === "";
  say($("phase"), String(state.phase?.title ?? ""));
  $("paused").hidden = !state.paused;
  say($("paused"), state.waits ? "A technical pause" : "The show is paused");
  drawClock();
  drawVote();
  reconcile($("captions"), state.ended ? [] : shown(), {
    key: ({ agent }) => agent.id,
    make: ({ agent }) =>
      element(
        "section",
        { class: "caption", "data-stance": agent.stance },
        element("p", { class: "who" }, portrait(agent), element("bdi", {}, agent.name), element("small", { dir: "auto" }, sideTitle(agent))),
        element("div", { class: "said" }, element("p", { dir: "auto" })),
      ),
    update: (caption, { agent, speech }) => {
      mark(caption, "data-live", state.current?.speaker === agent.id ? "" : null);
      const text = speech ? speech.chunks.map((chunk) => chunk.text).join("") : "";
      say(caption.querySelector(".said p"), tail(text.trimEnd()));
    },
  });
}

/** The end of a text, from the beginning of a word. */
function tail(text) {
  if (text.length <= VISIBLE) return text;
  const rest = text.slice(-VISIBLE);
  const space = rest.search(/\s/u);
  return space < 0 ? rest : rest.slice(space + 1);
}

/** How an open vote stands, what a vote gave, and at last what came of it all; null where there is nothing to tell. */
function poll() {
  const { result, standing, verdict, vote } = state.polls;
  if (vote?.open) return { text: `The audience votes · ${standing.votes}`, ...standing };
  if (verdict !== null) return { text: verdictText(verdict, state), ...total(verdict.after) };
  if (result === null || state.ended || state.lastAt - result.at > RESULT_MS) return null;
  return { text: `${POLLS[result.vote] ?? "The vote"} · ${result.votes}`, ...result };
}

/** A bar with a stretch for each choice. */
function drawVote() {
  const shown = poll();
  $("vote").hidden = shown === null;
  if (shown === null) return;
  say($("vote-text"), shown.text);
  reconcile($("vote-bar"), shown.votes ? (state.polls.vote?.choices ?? []) : [], {
    key: ({ id }) => id,
    make: ({ id, title }) => element("span", { class: "stretch", "data-stance": state.stanceOf(id), dir: "auto" }, element("b"), ` ${title}`),
    update: (stretch, { id }) => {
      const share = (shown.counts[id] ?? 0) / shown.votes;
      stretch.hidden = share === 0;
      stretch.style.setProperty("--share", String(share));
      say(stretch.querySelector("b"), `${Math.round(share * 100)} %`);
    },
  });
}

function drawClock() {
  const { startedAt, lastAt, kind } = state;
  if (startedAt === null) return;
  const now = kind === "replay" ? (lastAt ?? startedAt) : Math.max(Date.now() + (ahead ?? 0), lastAt ?? 0);
  say($("clock"), clockFace(now - startedAt));
}

setInterval(drawClock, 1000);
