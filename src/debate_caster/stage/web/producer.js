/** The producer's page: what the show is doing, and everything a producer may do about it. */

import { ActLog } from "/static/act-log.js";
import { showViewers } from "/static/bill.js";
import { sideTitle } from "/static/cast.js";
import { clockFace } from "/static/durations.js";
import { element, mark, reconcile, say } from "/static/elements.js";
import { createEventStream } from "/static/event-stream.js";
import { drawnInFrames } from "/static/frames.js";
import { HintQueue } from "/static/hint-queue.js";
import { past, show } from "/static/past.js";
import { ProducerDesk, readToken } from "/static/producer-desk.js";
import { ShowState } from "/static/show-state.js";
import { recall, remember } from "/static/storage.js";

/** The end of a speech that stands on the page, in characters. */
const LINE = 320;
const PILLS = { connecting: "Connecting", connected: "Connected", reconnecting: "Reconnecting", lost: "Not on air" };
const WHICH = { before: " before the debate", after: " after the debate" };
const OLD = "What you see is from before; the page goes on by itself.";
const AIR = { live: "On air", paused: "Paused", ended: "Ended", waiting: "Not begun" };

const $ = (id) => document.getElementById(id);
const state = new ShowState();
const schedule = drawnInFrames(draw);
let connection = "connecting";
let lostWhy = "";
let noted = false;
/** How far the stage's clock is ahead of ours. */
let ahead = null;

$("by").value = recall("producer") ?? "";
mark($("watch-link"), "href", `/shows/${encodeURIComponent(show)}`);

const token = readToken(show);
const stream = createEventStream({ show, admission: { producer: token }, ...(await readPast()) });
const desk = new ProducerDesk({ show, stream, token, onChange: schedule });
const queue = new HintQueue({ state, order });
const log = new ActLog();

stream.onStatus((status, detail) => {
  if (status === "connected") connection = "connected";
  else if (status === "error" && detail.final) {
    connection = "lost";
    lostWhy = detail.code === 4404 ? "This show does not exist, or is no longer kept." : detail.reason || "The stage has closed the connection for good.";
  } else if (noted || detail.attempt > 0) connection = "reconnecting";
  schedule();
});
stream.on("hello", (hello) => {
  noted = true;
  state.greet(hello.show);
  state.head = hello.head ?? 0;
  showViewers(hello.show?.viewers);
});
stream.on("reset", () => state.reset());
stream.on("viewers", ({ count }) => showViewers(count));
stream.on("vote_tally", (frame) => state.polls.count(frame));
stream.on("*", (event) => {
  if (Number.isInteger(event.seq)) {
    state.apply(event);
    const at = Date.parse(event.at);
    if (state.caughtUp && !Number.isNaN(at)) ahead = Math.max(ahead ?? -Infinity, at - Date.now());
  }
  schedule();
});

async function readPast() {
  const read = { after: 0, epoch: null };
  for await (const { events, epoch } of past()) {
    for (const event of events) state.apply(event);
    Object.assign(read, { after: events.at(-1).seq, epoch });
  }
  return read;
}

function draw() {
  mark($("connection"), "data-state", connection);
  say($("connection-text"), PILLS[connection]);
  say($("motion"), state.motion || state.title || "A show");
  if (state.language) mark($("motion"), "lang", state.language);
  say(document.querySelector("title"), `${AIR[air()]}: ${$("motion").textContent} · Producer`);
  drawEntrance();
  drawClock();
  $("desk").hidden = desk.frame === null;
  say($("stale"), whatIsWrong());
  if (desk.frame === null) return;
  drawAir();
  drawDeck();
  drawPoll();
  queue.draw(desk.frame);
  log.draw(desk.frame, desk.answers);
}

function air() {
  if (state.ended) return "ended";
  if (desk.frame?.paused ?? state.paused) return "paused";
  return state.startedAt === null ? "waiting" : "live";
}

function drawEntrance() {
  $("entrance").hidden = desk.status !== "asking" || connection === "lost" || (state.ended !== null && !desk.refused);
  say($("token-status"), desk.refused);
  mark($("token-status"), "data-tone", desk.refused ? "bad" : null);
}

/** What keeps this page from showing the present; nothing where it does. */
function whatIsWrong() {
  if (connection === "lost") return lostWhy;
  if (state.ended && desk.frame === null) return "This show has ended: there is nothing to steer any more.";
  if (desk.status === "asking") return "";
  if (connection === "reconnecting") return `The stage can’t be reached. ${OLD}`;
  if (state.ended || desk.status === "checking") return "";
  if (desk.frame === null) return "Waiting for the program that performs the show.";
  return desk.fresh && !casterAway() ? "" : `The program that performs the show is not connected. ${OLD}`;
}

/** Whether all its rooms have lost their agents, which the stage waits for. */
function casterAway() {
  const there = [...state.agents.values()].filter(({ state: doing }) => doing && doing !== "closed");
  return there.length > 0 && there.every(({ state: doing }) => doing === "reconnecting");
}

function drawAir() {
  const { frame } = desk;
  mark($("air"), "data-air", air());
  say($("air-title"), air() === "paused" && state.waits ? "Waits for a model" : AIR[air()]);
  const { current } = state;
  const turn = frame.turn ?? current?.turn ?? null;
  const parts = [state.phase?.title, turn !== null && (state.turns ? `turn ${turn + 1} of ${state.turns}` : `turn ${turn + 1}`)];
  say($("air-place"), state.ended ? "" : parts.filter(Boolean).join(" · "));
  const speaker = frame.speaker || current?.speaker || "";
  say($("now-label"), speaker && state.thinking?.speaker === speaker && current === null ? "Thinks" : "Speaks");
  say($("now"), state.ended ? "Nobody" : nameOf(speaker) || "Nobody yet");
  say($("next"), state.ended ? "Nobody" : nameOf(frame.next?.speaker) || "Nobody");
  const latest = current ?? state.speeches.findLast(({ chunks }) => chunks.length > 0);
  const text = latest ? latest.chunks.map((chunk) => chunk.text).join("").trimEnd() : "";
  say($("line"), text.length > LINE ? `… ${text.slice(-LINE).replace(/^\S*\s+/u, "")}` : text);
  if (state.language) mark($("line"), "lang", state.language);
  $("line").hidden = text === "";
}

function nameOf(speaker) {
  if (!speaker) return "";
  const agent = state.agent(speaker);
  const side = sideTitle(agent);
  return `${agent.emoji} ${agent.name}${side ? `, ${side}` : ""}`.trim();
}

function drawDeck() {
  const paused = air() === "paused" && !state.waits;
  $("pause").dataset.command = paused ? "resume" : "pause";
  say($("pause"), paused ? "Resume" : "Pause");
  for (const button of document.querySelectorAll("[data-command]")) button.disabled = !desk.may(button.dataset.command);
  $("end").disabled = !desk.may("end");
  for (const form of document.querySelectorAll("[data-form]")) form.querySelector("button").disabled = !desk.may(form.dataset.form);
  $("in-effect").hidden = !desk.frame.context;
  say($("context-now"), String(desk.frame.context ?? ""));
  mark($("approval"), "aria-checked", String(Boolean(desk.frame.approval)));
  $("approval").disabled = !desk.may(approvalCommand());
  const answer = desk.answers.at(-1);
  say($("answer"), answer ? answerInWords(answer) : "");
  mark($("answer"), "data-tone", answer?.state === "refused" ? "bad" : null);
}

function answerInWords({ state: came, message }) {
  if (came === "sent") return "…";
  return `${came === "done" ? "Done" : "Not done"}: ${message}`;
}

function approvalCommand() {
  return desk.frame?.approval ? "approval_off" : "approval_on";
}

function drawPoll() {
  const { vote } = state.polls;
  const { open = null, may_open: next = null } = desk.frame.vote ?? {};
  const { counts, votes } = state.polls.standing;
  $("vote").dataset.command = open ? "close_vote" : "open_vote";
  say($("vote"), open ? "Close the vote" : next && vote ? "Open the next vote" : "Open the vote");
  $("vote").disabled = !desk.may($("vote").dataset.command);
  const number = `${votes} ${votes === 1 ? "vote" : "votes"}`;
  const which = WHICH[vote?.vote] ?? "";
  const closed = vote ? `The vote${which} is closed: ${number}.` : next ? "No vote yet." : "There is no vote in this show.";
  say($("poll-state"), open ? `The vote${WHICH[open] ?? ""} is open: ${number}.` : closed);
  reconcile($("tally"), vote?.choices ?? [], {
    key: ({ id }) => id,
    make: ({ id, title }) => element("li", { "data-stance": state.stanceOf(id) }, element("span", { dir: "auto" }, title), element("b", { dir: "ltr" }), element("i", { "aria-hidden": "true" })),
    update: (item, { id }) => {
      const share = votes ? (counts[id] ?? 0) / votes : 0;
      item.style.setProperty("--share", String(share));
      say(item.querySelector("b"), `${counts[id] ?? 0} · ${Math.round(share * 100)} %`);
    },
  });
}

function drawClock() {
  const { startedAt, lastAt, ended } = state;
  $("clock").hidden = startedAt === null;
  if (startedAt === null) return;
  const now = ended ? (ended.at ?? lastAt ?? startedAt) : Math.max(Date.now() + (ahead ?? 0), lastAt ?? 0);
  say($("clock-face"), clockFace(now - startedAt));
}

/** Give a command in the name that stands on the page. */
function order(command, fields = {}) {
  const by = $("by").value.trim();
  return desk.command(command, { ...fields, ...(by && { by }) });
}

function press(button) {
  if (button.disabled) return;
  const { command } = button.dataset;
  order(command, command === "skip" ? meant() : {});
}

/** The turn that the page shows: one that is over by the time the command arrives must not cost the next one. */
function meant() {
  const turn = desk.frame?.turn ?? desk.frame?.next?.turn;
  return Number.isInteger(turn) ? { turn } : {};
}

for (const button of document.querySelectorAll("[data-command]")) button.addEventListener("click", () => press(button));
$("approval").addEventListener("click", () => order(approvalCommand()));
$("end").addEventListener("click", () => $("end-dialog").showModal());
$("end-dialog").addEventListener("close", () => {
  if ($("end-dialog").returnValue === "yes") order("end");
  $("end-dialog").returnValue = "";
});
for (const form of document.querySelectorAll("[data-form]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = form.querySelector("textarea");
    const text = field.value.trim();
    if (!text || form.querySelector("button").disabled) return;
    const { state: came } = await order(form.dataset.form, { text });
    if (came === "done" && field.value.trim() === text) field.value = "";
  });
}
$("context-none").addEventListener("click", () => order("context", { text: "" }));
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  desk.present($("token").value);
  $("token").value = "";
});
$("by").addEventListener("change", () => remember("producer", $("by").value.trim()));
document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey || $("end-dialog").open || $("desk").hidden) return;
  const button = { KeyP: $("pause"), KeyS: $("skip") }[event.code];
  if (!button) return;
  event.preventDefault();
  press(button);
});
document.addEventListener("visibilitychange", schedule);
setInterval(drawClock, 1000);
schedule();
