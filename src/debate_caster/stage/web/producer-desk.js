/**
 * The producer's desk of one show: who may sit at it, what the caster says of its state, and commands with their answers.
 * Draws nothing.
 */

/** Longer than the stage waits for the caster, so that its own word on that arrives. */
const ANSWER_TIMEOUT_MS = 6000;
const KEPT_ANSWERS = 50;
const WRONG_TOKEN = new Set([401, 403]);
/** With this a stage with tickets closes to who shows it a wrong token. */
const NOT_LET_IN = 4403;

export class ProducerDesk {
  #show;
  #stream;
  #onChange;
  #token;
  #sent = 0;
  /** `asking` for a token, `checking` it, `open`, or `lost` (open before, and no connection now). */
  status = "asking";
  /** Why the token was refused. */
  refused = "";
  /** The last `desk` frame, or null. */
  frame = null;
  /** Whether that came over the connection that we have now. */
  fresh = false;
  /** What was commanded from here: `{id, command, fields, at, state: sent|done|refused, message}`, oldest first. */
  answers = [];

  /**
   * `stream` is the show's event stream, `token` the producer's as far as it is known; `onChange()` is called whenever
   * there is something to draw.
   */
  constructor({ show, stream, token, onChange }) {
    this.#show = show;
    this.#stream = stream;
    this.#onChange = onChange;
    this.#token = token;
    if (this.#token) this.status = "checking";
    stream.on("hello", () => this.#enter());
    stream.on("producer_welcome", () => this.#become("open"));
    stream.on("desk", (frame) => {
      this.frame = frame;
      this.fresh = true;
      onChange();
    });
    stream.on("error", ({ code, message }) => {
      if (code === "forbidden") this.#refuse(message);
      else if (this.status === "checking") this.#put(message);
    });
    stream.onStatus((status, { code, reason, ticketWanted }) => {
      if (status === "connected") return;
      if (code === NOT_LET_IN && !ticketWanted) this.#refuse(reason);
      this.fresh = false;
      if (this.status === "open") this.#become("lost");
    });
  }

  /** Try a token that somebody has typed. */
  present(token) {
    this.#token = token.trim();
    if (this.#stream.status === "connected") this.#enter();
    else this.#stream.enter({ producer: this.#token }); // a stage with tickets has let nobody in yet
  }

  /** Whether a command makes sense now, as far as the caster has said. */
  may(command) {
    return this.frame?.may?.includes(command) ?? false;
  }

  /** Give a command; resolves with its entry in `answers` when the answer is there, whatever it is. */
  async command(command, fields = {}) {
    const answer = { id: (this.#sent += 1), command, fields, at: Date.now(), state: "sent", message: "" };
    this.answers = [...this.answers, answer].slice(-KEPT_ANSWERS);
    this.#onChange();
    Object.assign(answer, await this.#post({ command, ...fields }));
    this.#onChange();
    return answer;
  }

  async #post(body) {
    try {
      const response = await fetch(`/api/shows/${encodeURIComponent(this.#show)}/control`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${this.#token}` },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      });
      const { message = "" } = await response.json().catch(() => ({}));
      if (response.ok) return { state: "done", message: String(message) };
      if (WRONG_TOKEN.has(response.status)) this.#refuse(message);
      return { state: "refused", message: String(message) || `The stage answered ${response.status}.` };
    } catch {
      return { state: "refused", message: "The stage can’t be reached: nothing is known to have been done." };
    }
  }

  #enter() {
    if (!this.#token) {
      this.#become("asking");
      return;
    }
    if (this.status !== "lost") this.#become("checking");
    this.#stream.send({ type: "producer", token: this.#token });
  }

  /** The token is not this show's. */
  #refuse(message) {
    keepToken(this.#show, "");
    this.frame = null;
    this.#put(message);
  }

  /** Ask for a token, and say why. */
  #put(message) {
    this.#token = "";
    this.refused = String(message || "The stage does not accept this token.");
    this.#become("asking");
  }

  #become(status) {
    if (status === "open") {
      keepToken(this.#show, this.#token);
      this.refused = "";
    }
    this.status = status;
    this.#onChange();
  }
}

/** The token in the address, which forgets it at once, or the one that this tab has used before. */
export function readToken(show) {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) history.replaceState(null, "", location.pathname + location.search);
  if (given) return given.trim();
  try {
    return sessionStorage.getItem(keyOf(show)) ?? "";
  } catch {
    return "";
  }
}

function keepToken(show, token) {
  try {
    if (token) sessionStorage.setItem(keyOf(show), token);
    else sessionStorage.removeItem(keyOf(show));
  } catch {
    // Without storage the token holds until the page is left.
  }
}

function keyOf(show) {
  return `debate-caster.producer.${show}`;
}
