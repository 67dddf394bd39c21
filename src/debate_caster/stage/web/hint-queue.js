/** The hints as the producer sees them: what waits for a decision, what has been decided, and who is muted. */

import { clockFace } from "/static/durations.js";
import { element, mark, reconcile, say } from "/static/elements.js";

const STATES = { waiting: "Waits for you", queued: "Queued", used: "Used", declined: "Declined", expired: "Expired" };
const WHY = new Map(Object.entries({ producer: "by the producer", muted: "its viewer is muted", lifetime: "no turn could take it", show_ended: "the show ended" }));
const OPEN = new Set(["waiting", "queued"]);
/** Decided hints that stay in sight. */
const SHOWN = 60;
const KEYS = { a: "approve", d: "decline", m: "mute" };

export class HintQueue {
  #queue = document.getElementById("queue");
  #decided = document.getElementById("decided-hints");
  #muted = document.getElementById("muted-viewers");
  #state;
  #order;

  /** `order(command, fields)` gives a command. */
  constructor({ state, order }) {
    this.#state = state;
    this.#order = order;
    for (const list of [this.#queue, this.#decided, this.#muted]) list.addEventListener("click", (event) => this.#press(event.target));
    this.#queue.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Draw a `desk` frame. */
  draw(frame) {
    const hints = [...(frame.hints ?? [])].sort((one, other) => rank(one) - rank(other));
    const muted = new Set(frame.muted ?? []);
    const open = hints.filter(({ state }) => OPEN.has(state));
    const past = hints.filter(({ state }) => !OPEN.has(state)).reverse().slice(0, SHOWN);
    const focused = document.activeElement?.closest?.(".hint");
    const place = focused ? [...this.#queue.children].indexOf(focused) : -1;
    const how = { key: ({ id }) => String(id), make: (hint) => this.#make(hint), update: (item, hint) => this.#update(item, hint, muted) };
    reconcile(this.#queue, open, how);
    reconcile(this.#decided, past, how);
    // Who decides with the keyboard goes on with the next hint, not at the top of the page.
    if (place >= 0 && !focused.isConnected) (this.#queue.children[Math.min(place, open.length - 1)] ?? document.getElementById("approval")).focus();
    document.getElementById("no-hints").hidden = hints.length > 0;
    document.getElementById("decided").hidden = past.length === 0;
    say(document.getElementById("decided-title"), `Decided: ${past.length}`);
    this.#drawMuted([...muted], hints);
  }

  #make(hint) {
    return element(
      "li",
      { class: "hint", tabindex: "0", "data-hint": hint.id },
      element("p", { class: "hint-text", dir: "auto" }),
      element("p", { class: "hint-facts" }, element("strong", { class: "hint-name", dir: "auto" }), element("span", { class: "hint-to", dir: "auto" }), element("time", { dir: "ltr" }), element("span", { class: "hint-state" })),
      element("p", { class: "hint-acts" }, button("approve", "Approve"), button("decline", "Decline"), button("mute", "Mute")),
    );
  }

  #update(item, hint, muted) {
    const { startedAt } = this.#state;
    mark(item, "data-state", hint.state);
    mark(item, "data-viewer", hint.viewer);
    say(item.querySelector(".hint-text"), String(hint.text ?? ""));
    say(item.querySelector(".hint-name"), String(hint.name || "A viewer"));
    say(item.querySelector(".hint-to"), hint.to ? `for ${this.#nameOf(hint.to)}` : "");
    const at = Date.parse(hint.at ?? "");
    say(item.querySelector("time"), startedAt === null || Number.isNaN(at) ? "" : clockFace(at - startedAt));
    const reason = hint.reason ? `: ${WHY.get(hint.reason) ?? String(hint.reason).replaceAll("_", " ")}` : "";
    say(item.querySelector(".hint-state"), `${STATES[hint.state] ?? String(hint.state)}${reason}`);
    const shown = { approve: hint.state === "waiting", decline: OPEN.has(hint.state), mute: Boolean(hint.viewer) && !muted.has(hint.viewer) };
    for (const one of item.querySelectorAll("button")) {
      one.hidden = !shown[one.dataset.act];
      mark(one, "aria-label", `${one.textContent}: ${one.dataset.act === "mute" ? hint.name || "this viewer" : hint.text}`);
    }
  }

  #drawMuted(muted, hints) {
    document.getElementById("muted").hidden = muted.length === 0;
    reconcile(this.#muted, muted, {
      key: (viewer) => String(viewer),
      make: (viewer) => element("li", { "data-viewer": viewer }, element("span", { dir: "auto" }), button("unmute", "Unmute")),
      update: (item, viewer) => {
        const name = hints.findLast((hint) => hint.viewer === viewer && hint.name)?.name ?? "";
        say(item.querySelector("span"), name ? String(name) : `Viewer ${String(viewer).slice(0, 8)}`);
        mark(item.querySelector("button"), "aria-label", `Unmute: ${name || viewer}`);
      },
    });
  }

  #nameOf(addressee) {
    return this.#state.agents.get(addressee)?.name ?? String(addressee);
  }

  #press(target) {
    const pressed = target.closest?.("[data-act]");
    if (pressed) this.#act(pressed.closest("li"), pressed.dataset.act);
  }

  #act(item, act) {
    if (act === "mute" || act === "unmute") this.#order(act, { viewer: item.dataset.viewer });
    else this.#order(act, { hint: item.dataset.hint });
  }

  #key(event) {
    const item = event.target;
    if (!item.matches(".hint") || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = KEYS[event.key.toLowerCase()];
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (step) item[step]?.focus();
    else if (act && !item.querySelector(`[data-act="${act}"]`).hidden) this.#act(item, act);
    else return;
    event.preventDefault();
  }
}

function button(act, text) {
  return element("button", { type: "button", class: "small-button", "data-act": act }, text);
}

function rank({ state }) {
  return state === "waiting" ? 0 : 1;
}
