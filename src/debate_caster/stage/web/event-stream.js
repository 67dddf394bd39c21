/**
 * One show's event stream over a WebSocket that heals itself: every event once and in order, however often the
 * connection is cut. Knows nothing of pages; runs in browsers and in Node.
 *
 *   const stream = createEventStream({ url: "http://127.0.0.1:8765", show: "demo-1" });
 *   stream.on("chunk_aired", (event) => console.log(event.speaker, event.text));
 *   stream.onStatus((status, detail) => console.log(status, detail));
 */

/** Closed for good: trying again would not help (see docs/protocol.md, "Close codes"); 1008 is what proxies say. */
const FINAL_CLOSE_CODES = new Set([1008, 1009, 4400, 4401, 4403, 4404, 4408, 4429]);
/** First wait before a reconnect, and the longest, in milliseconds; doubled each time, the upper half of it random. */
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 15_000;
/** A handshake that takes longer has failed. */
const OPEN_TIMEOUT_MS = 10_000;
/** After so much silence we ask whether the stage is still there, and after so much more we do not believe it. */
const QUIET_MS = 25_000;
const PONG_TIMEOUT_MS = 10_000;
/** Every type of event, which is what one asks for to have no gaps. */
const ALL = "*";
/** What agents do beside speaking; only who asks for it hears of it. */
const ASIDES = new Set(["thought_noted", "tool_called", "tool_answered"]);

/**
 * Follow a show. Connects by itself after the current task, so that listeners can be added first.
 *
 * @param {object} options
 * @param {string} [options.url] the stage (`http(s)://` or `ws(s)://`); by default where the page comes from
 * @param {string} [options.show] a show's id; by default the newest live one, kept over reconnects
 * @param {string} [options.room] only this room's events, and those of none
 * @param {string} [options.speaker] only what concerns this agent, or nobody
 * @param {string[]} [options.types] only these event types; by default all but thoughts and tools, `["*"]` is all
 * @param {number} [options.after] the last sequence number already known; 0 is everything from the start
 * @param {string|number} [options.epoch] the log that `after` counts in, where it is known
 * @param {{ticket?: string, session?: string, producer?: string}} [options.admission] what a stage with tickets is shown: a
 *   ticket, good for one time, the session that an `admitted` event gave for one (`{type, session, expires_at}`), or the
 *   token of the show's producer
 * @param {typeof WebSocket} [options.WebSocket] for runtimes without one of their own
 */
export function createEventStream({ url, show, room, speaker, types, after = 0, epoch: known = null, admission = {}, WebSocket: Socket = globalThis.WebSocket } = {}) {
  if (typeof Socket !== "function") throw new TypeError("this runtime has no WebSocket: pass one in");
  const base = watchAddress(url);
  const wanted = types?.length ? new Set(types) : null;
  const all = wanted === null || wanted.has(ALL);
  const filtered = Boolean(room || speaker || !all);
  const listeners = new Map();
  const statusListeners = new Set();
  const timers = new Set();

  let socket = null;
  let status = "idle";
  let detail = {};
  let closed = false;
  let last = after;
  let epoch = known;
  let pass = { ...admission };
  let attempt = 0;
  let quietTimer = null;
  let retryTimer = null;

  function on(type, listener) {
    if (!listeners.has(type)) listeners.set(type, new Set());
    listeners.get(type).add(listener);
    return () => listeners.get(type)?.delete(listener);
  }

  function onStatus(listener) {
    statusListeners.add(listener);
    call(listener, status, detail);
    return () => statusListeners.delete(listener);
  }

  function send(action) {
    if (status !== "connected" || socket?.readyState !== 1) return false;
    socket.send(JSON.stringify(action));
    return true;
  }

  function close() {
    if (closed) return;
    closed = true;
    hangUp();
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
    if (typeof globalThis.removeEventListener === "function") globalThis.removeEventListener("online", retryNow);
    if (typeof document !== "undefined") document.removeEventListener("visibilitychange", retryNow);
    become("idle");
  }

  function connect() {
    retryTimer = null;
    if (closed) return;
    become("connecting", { attempt });
    const address = new URL(base);
    if (show) address.searchParams.set("show", show);
    if (room) address.searchParams.set("room", room);
    if (speaker) address.searchParams.set("speaker", speaker);
    address.searchParams.set("types", all ? ALL : types.join(","));
    address.searchParams.set("after", String(last));
    let mine;
    try {
      mine = new Socket(address.href);
    } catch (error) {
      become("error", { final: true, reason: String(error?.message ?? error) });
      return;
    }
    socket = mine;
    const openTimer = later(OPEN_TIMEOUT_MS, () => lose(mine, { reason: "no answer" }));
    mine.onmessage = ({ data }) => {
      if (socket !== mine) return;
      cancel(openTimer);
      watchForSilence(mine);
      receive(mine, data);
    };
    mine.onclose = ({ code, reason }) => {
      cancel(openTimer);
      lose(mine, { code, reason });
    };
    mine.onerror = () => {}; // a close event always follows, and it is the one that knows why
  }

  function receive(mine, data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame === null || typeof frame !== "object" || typeof frame.type !== "string") return;
    if (Number.isInteger(frame.seq)) {
      if (frame.seq <= last) return;
      if (!filtered && frame.seq !== last + 1) {
        lose(mine, { reason: `gap: ${frame.seq} after ${last}` });
        return;
      }
      last = frame.seq;
      if (wanted !== null || !ASIDES.has(frame.type)) emit(frame);
    } else if (frame.type === "hello") {
      greet(mine, frame);
    } else if (frame.type === "ticket_wanted") {
      showPass(mine);
    } else if (frame.type === "admitted") {
      pass = { session: frame.session };
      emit(frame);
    } else if (frame.type === "reset") {
      startOver(frame);
    } else if (frame.type !== "pong") {
      emit(frame);
    }
  }

  function greet(mine, hello) {
    show ??= hello.show?.id;
    if (epoch !== null && hello.epoch !== epoch && hello.after > 0) {
      // The stage's log is not the one our position counts in: what it would send next is not what comes next.
      startOver({ type: "reset", epoch: hello.epoch, reason: "epoch", show });
      lose(mine, { reason: "another log" }, { atOnce: true });
      return;
    }
    epoch = hello.epoch ?? epoch;
    attempt = 0;
    become("connected", { show });
    emit(hello);
  }

  function showPass(mine) {
    if (pass.session) mine.send(JSON.stringify({ type: "ticket", session: pass.session }));
    else if (pass.ticket) mine.send(JSON.stringify({ type: "ticket", ticket: pass.ticket }));
    else if (pass.producer) mine.send(JSON.stringify({ type: "producer", token: pass.producer }));
    else lose(mine, { code: 4403, reason: "this stage wants a ticket", ticketWanted: true });
  }

  /** Come in with another ticket or session, after a stage has said that it wants one, or that this one is not good. */
  function enter(admission) {
    if (closed) return;
    pass = { ...admission };
    attempt = 0;
    hangUp();
    if (retryTimer !== null) cancel(retryTimer);
    connect();
  }

  function startOver(frame) {
    last = 0;
    epoch = frame.epoch ?? epoch;
    emit(frame);
  }

  function lose(mine, why, { atOnce = false } = {}) {
    if (socket !== mine || closed) return;
    hangUp();
    if (why.code === 4403 && pass.session && pass.ticket) {
      pass = { ticket: pass.ticket }; // the session is of an earlier ticket, and over
      connect();
      return;
    }
    if (FINAL_CLOSE_CODES.has(why.code)) {
      become("error", { ...why, final: true });
      return;
    }
    const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
    const retryInMs = atOnce ? 0 : Math.round(longest * (0.5 + Math.random() / 2));
    attempt += 1;
    become("error", { ...why, final: false, attempt, retryInMs });
    retryTimer = later(retryInMs, connect);
  }

  /** The network is back, or somebody looks at the page again: no reason to sit out the wait. */
  function retryNow() {
    if (retryTimer === null || closed || globalThis.document?.hidden) return;
    cancel(retryTimer);
    connect();
  }

  function watchForSilence(mine) {
    cancel(quietTimer);
    quietTimer = later(QUIET_MS, () => {
      if (socket !== mine || mine.readyState !== 1) return;
      mine.send('{"type":"ping"}');
      quietTimer = later(PONG_TIMEOUT_MS, () => lose(mine, { reason: "silence" }));
    });
  }

  function hangUp() {
    cancel(quietTimer);
    const old = socket;
    socket = null;
    if (old === null || old.readyState > 1) return;
    old.onmessage = null;
    old.onclose = null;
    old.close();
  }

  function become(next, more = {}) {
    status = next;
    detail = more;
    for (const listener of [...statusListeners]) call(listener, status, detail);
  }

  function emit(frame) {
    for (const listener of [...(listeners.get(frame.type) ?? []), ...(listeners.get("*") ?? [])]) call(listener, frame);
  }

  function later(milliseconds, action) {
    const timer = setTimeout(() => {
      timers.delete(timer);
      action();
    }, milliseconds);
    timers.add(timer);
    return timer;
  }

  function cancel(timer) {
    clearTimeout(timer);
    timers.delete(timer);
  }

  if (typeof globalThis.addEventListener === "function") globalThis.addEventListener("online", retryNow);
  if (typeof document !== "undefined") document.addEventListener("visibilitychange", retryNow);
  retryTimer = later(0, connect);

  return {
    on,
    onStatus,
    send,
    enter,
    close,
    /** Sequence number of the last event delivered. */
    get position() {
      return last;
    },
    get status() {
      return status;
    },
  };
}

/** A listener that throws is its own problem: it is reported, and the others still hear the event. */
function call(listener, ...values) {
  try {
    listener(...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function watchAddress(url) {
  const address = new URL(url ?? "/watch", globalThis.location?.href);
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(address.protocol)) throw new TypeError(`not the address of a stage: ${url}`);
  if (!address.pathname.endsWith("/watch")) address.pathname = address.pathname.replace(/\/*$/, "/watch");
  return address;
}
