/** The watch page: one show's events in, a page out. The parts that are drawn have modules of their own. */

import { Announcer } from "/static/announcer.js";
import { showBill, showViewers } from "/static/bill.js";
import { showCast } from "/static/cast.js";
import { clockFace, length } from "/static/durations.js";
import { mark, say } from "/static/elements.js";
import { admissionTo, keepAdmission } from "/static/entrance.js";
import { createEventStream } from "/static/event-stream.js";
import { drawnInFrames } from "/static/frames.js";
import { HintBox } from "/static/hint-box.js";
import { Moments } from "/static/moments.js";
import { past, show } from "/static/past.js";
import { Replay } from "/static/replay.js";
import { ShowState } from "/static/show-state.js";
import { LiveEnd, SpeechList, showPondering } from "/static/speeches.js";
import { Voices } from "/static/voices.js";
import { VoteBox } from "/static/vote-box.js";

const $ = (id) => document.getElementById(id);
const state = new ShowState();
const list = new SpeechList($("speeches"), $("turns"), state);
const end = new LiveEnd($("speeches"), showJump);
const voices = new Voices(state, { onSaid: showSaid, onChange: showVoices });
const moments = new Moments({
  pane: $("speeches"),
  list,
  state,
  end,
  onGo: (speech, index) => voices.readFrom(speech, index ?? 0),
});
const box = new HintBox({
  show,
  state,
  goTo: (turn) => {
    if (matchMedia("(max-width: 900px)").matches) setDock(false);
    moments.goToTurn(turn);
  },
});
const ballot = new VoteBox({ show, state, viewer: box.viewer });
const announcer = new Announcer(state);
const schedule = drawnInFrames(draw);

const replay = new Replay({ state, bar: $("replay"), onSeek: drawAnew, onChange: schedule });

const ENDINGS = new Map(Object.entries({
  completed: ["The debate has ended", "Thank you for watching."],
  budget: ["The debate has ended", "The show has reached the limit of its budget."],
  interrupted: ["The show was stopped", "It ended early."],
  producer: ["The debate has ended", "Its producer has ended it."],
  failed: ["The show broke off", "A fault has ended it early."],
}));
const PILLS = { connecting: "Connecting", live: "Live", paused: "Paused", replay: "Replay", reconnecting: "Reconnecting", ended: "Ended", lost: "Not on air", ticket: "Ticket wanted" };
/** Codes with which a stage closes to a viewer whose ticket, or lack of one, does not let it in. */
const NOT_LET_IN = new Set([4401, 4403, 4408]);

let connection = "connecting";
let greeting = null;
let lostWhy = "";
let settled = false;
let heard = 0;
let noticed = null;
/** How far the stage's clock is ahead of ours, learnt from live events (the one that took the shortest way knows best). */
let ahead = null;

const stream = createEventStream({ show, types: ["*"], admission: admissionTo(show), ...(await readPast()) });
keepAdmission(stream, show);
schedule();

stream.onStatus((status, detail) => {
  const refused = status === "error" && NOT_LET_IN.has(detail.code);
  if (status !== "connecting") askForTicket(refused, detail);
  if (status === "connected") connection = "live";
  else if (refused) connection = "ticket";
  else if (status === "error" && detail.final) {
    connection = "lost";
    lostWhy = detail.code === 4404 ? "This show does not exist, or is no longer kept." : detail.reason || "The stage has closed the connection for good.";
  } else if (settled || detail.attempt > 0) connection = "reconnecting";
  else connection = "connecting";
  schedule();
});
$("ticket-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const ticket = $("ticket").value.trim();
  $("ticket").value = "";
  if (ticket) stream.enter({ ticket });
});

/** Ask for a ticket in place of the show, or stop asking. */
function askForTicket(wanted, { reason = "", ticketWanted = false }) {
  const opens = wanted && $("entrance").hidden;
  $("entrance").hidden = !wanted;
  document.body.classList.toggle("at-the-door", wanted);
  say($("ticket-status"), wanted && !ticketWanted ? `Not let in: ${reason || "the stage wants a ticket"}.` : "");
  if (opens) $("ticket").focus();
}

function greet(hello) {
  greeting = hello;
  if (!replay.greet(hello.show)) return;
  state.greet(hello.show);
  state.head = hello.head ?? 0;
}

stream.on("hello", (hello) => {
  greet(hello);
  showViewers(hello.show?.viewers);
  stream.send({ type: "viewer", id: box.viewer, ...(box.name && { name: box.name }) });
  box.refresh();
});
stream.on("reset", ({ epoch }) => {
  replay.forget();
  state.reset();
  if (greeting?.epoch === epoch) greet(greeting);
  list.clear();
  voices.goLive();
  settled = false;
  announcer.forget();
});
stream.on("viewers", ({ count }) => showViewers(count));
for (const type of ["hint_received", "hint_fate", "hint_used"]) stream.on(type, (frame) => box.learn(frame));
stream.on("vote_taken", (frame) => ballot.learn(frame));
stream.on("vote_tally", (frame) => state.polls.count(frame));
stream.on("*", (event) => {
  if (Number.isInteger(event.seq)) {
    take(event);
    const at = Date.parse(event.at);
    if (settled && !Number.isNaN(at)) ahead = Math.max(ahead ?? -Infinity, at - Date.now());
  }
  schedule();
});

async function readPast() {
  const read = { after: 0, epoch: null };
  for await (const { events, head, epoch } of past()) {
    for (const event of events) take(event);
    Object.assign(read, { after: events.at(-1).seq, epoch });
    state.head = head;
  }
  return read;
}

function take(event) {
  replay.take(event);
  if (!replay.active) state.apply(event);
}

/** The viewer has gone to another moment of a past show. */
function drawAnew() {
  list.clear();
  voices.goLive();
  heard = 0;
  announcer.catchUp();
  end.jump();
  schedule();
}

function draw() {
  const catchingUp = !state.caughtUp;
  if (catchingUp && !settled) {
    drawConnection();
    return;
  }
  showBill(state, { lost: connection === "lost" });
  showCast($("cast"), state);
  list.draw({ from: state.ended ? "start" : "end", all: !settled && location.hash !== "", news: settled && !list.behind });
  showPondering($("pondering"), state);
  $("paused").hidden = !state.paused;
  say($("paused"), state.pauseText);
  drawEnd();
  drawConnection();
  drawClock();
  replay.draw();
  box.draw();
  drawBallot();
  const begun = state.speeches.filter((speech) => speech.begun).length;
  end.keep();
  end.miss(Math.max(0, begun - heard));
  heard = begun;
  if (!settled && (connection === "live" || state.seq > 0)) {
    settled = true;
    setTimeout(() => performance.mark("live-line")); // a task of its own comes after the frame that shows it
    announcer.catchUp();
    if (state.ended) moments.goToStart();
    moments.followAddress();
  }
  announcer.tell();
  voices.follow();
  if (list.behind) schedule();
}

function drawEnd() {
  const { ended } = state;
  const nothing = state.speeches.length === 0;
  $("skeleton").hidden = !nothing || ended !== null || state.thinking !== null || connection === "lost";
  say($("skeleton-text"), connection === "live" ? "Waiting for the first words" : "Connecting to the stage");
  $("end-card").hidden = ended === null && connection !== "lost";
  if (ended !== null) {
    const [title, text] = ENDINGS.get(ended.why) ?? ["The broadcast has ended", "Every speaker has left the stage."];
    const took = state.startedAt !== null && ended.at !== null ? ` It took ${length(ended.at - state.startedAt)}.` : "";
    say($("end-title"), title);
    say($("end-text"), `${text}${ended.why === "failed" && ended.detail ? ` (${ended.detail})` : ""}${took}`);
  } else if (connection === "lost") {
    say($("end-title"), "There is nothing to see here");
    say($("end-text"), lostWhy);
  }
  $("end-top").hidden = nothing;
  $("end-replay").hidden = nothing || ended === null;
  $("end-transcript").hidden = $("end-replay").hidden;
}

function drawConnection() {
  let pill = connection;
  if (replay.active || (connection === "live" && state.kind === "replay")) pill = "replay";
  if (pill === "live" && state.paused) pill = "paused";
  if (state.ended !== null && state.caughtUp) pill = "ended";
  mark($("connection"), "data-state", pill);
  say($("connection-text"), PILLS[pill]);
  if (connection === "lost") drawEnd();
}

/** The stage's wall time, as well as we know it. */
function stageTime() {
  return Math.max(Date.now() + (ahead ?? 0), state.lastAt ?? 0);
}

/** The clock shows the show's own time: what has passed on the stage since the first event. */
function drawClock() {
  const { startedAt, lastAt, ended, kind } = state;
  $("clock").hidden = startedAt === null;
  if (startedAt === null) return;
  let now = stageTime();
  if (kind === "replay") now = replay.active ? replay.now : (lastAt ?? startedAt);
  if (ended) now = ended.at ?? lastAt ?? startedAt;
  say($("clock-face"), clockFace(now - startedAt));
}

function showJump(following, missed) {
  $("to-live").hidden = following;
  const live = state.ended ? "Jump to the end" : replay.active ? "Jump to the speaker" : "Jump to live";
  say($("to-live-text"), missed ? `${live} · ${missed} new` : live);
}

function drawBallot() {
  ballot.draw({ now: stageTime(), past: replay.active || state.ended !== null });
}

/** A link to this moment: to whatever the phone shares to, to the clipboard, or at least to the address bar. */
async function share() {
  const url = moments.address;
  if (navigator.share && matchMedia("(pointer: coarse)").matches) {
    await navigator.share({ title: document.title, url }).catch(() => {}); // the viewer has thought better of it
    return;
  }
  try {
    await navigator.clipboard.writeText(url);
    notice("The link to this moment has been copied.");
  } catch {
    history.replaceState(null, "", new URL(url).hash || location.pathname);
    notice("The address of this page now leads to this moment.");
  }
}

function notice(text) {
  clearTimeout(noticed);
  say($("notice"), text);
  noticed = setTimeout(() => say($("notice"), ""), 4000);
}

function toggleVoices() {
  if (voices.on) voices.stop();
  else voices.start(end.following && !state.ended ? null : moments.speechInView);
}

/** Shows which words are being read. */
function showSaid(speech, chunk) {
  document.querySelector("[data-said]")?.removeAttribute("data-said");
  const words = chunk && list.wordsOf(speech, chunk);
  if (words) words.dataset.said = "";
}

function showVoices(on, why) {
  mark($("voices"), "aria-pressed", String(on));
  if (why) notice(why === "not-allowed" ? "The browser does not allow this page to speak." : "This browser has no voice that can read this.");
}

function setDock(open) {
  mark($("audience-toggle"), "aria-expanded", String(open));
}

function jumpToLive() {
  end.jump();
  voices.goLive();
  $("speeches").focus({ preventScroll: true });
}

/** Keys work where the speeches have the focus, so that they are in nobody's way elsewhere. */
const KEYS = { j: () => moments.step(1), k: () => moments.step(-1), l: jumpToLive, c: share, v: () => voices.available && toggleVoices() };
$("speeches").addEventListener("keydown", (event) => {
  const action = KEYS[event.key.toLowerCase()];
  if (!action || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  event.preventDefault();
  action();
});
$("to-live").addEventListener("click", jumpToLive);
$("end-top").addEventListener("click", (event) => {
  event.preventDefault();
  moments.goToStart();
});
for (const link of $("end-transcript").querySelectorAll("a")) link.href = `/api/shows/${encodeURIComponent(show)}/transcript?format=${link.dataset.format}`;
$("end-replay").addEventListener("click", () => {
  replay.play();
  $("replay").querySelector("button").focus();
});
$("share").addEventListener("click", share);
$("voices").hidden = !voices.available;
$("voices").addEventListener("click", toggleVoices);
addEventListener("pagehide", () => voices.stop());
$("audience-toggle").addEventListener("click", () => setDock($("audience-toggle").getAttribute("aria-expanded") !== "true"));
addEventListener("hashchange", () => moments.followAddress());
document.addEventListener("visibilitychange", schedule);
setInterval(() => {
  if (replay.active ? state.pass(replay.now) : ahead !== null && state.pass(stageTime())) schedule();
  drawClock();
  box.draw();
  if (!$("vote").hidden) drawBallot();
}, 1000);
