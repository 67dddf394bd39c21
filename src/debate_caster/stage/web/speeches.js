/** The speeches on the page, and staying at the live end of them while the reader wants to. */

import { bars, isSided, sideTitle } from "/static/cast.js";
import { element, mark, portrait, say } from "/static/elements.js";

/** As near to the end as this, in CSS pixels, counts as being there. */
const NEAR_END = 60;
/** Speeches drawn in one frame: more than any screen shows. A long past follows behind the first picture. */
const AT_ONCE = 12;
/** So many of the latest speeches stay as chunks; those before keep their text, in one piece: 5,000 fewer nodes an hour. */
const WHOLE = 20;
const HOW = new Map(
  Object.entries({
    clipped: "Time’s up.",
    aborted: "Cut short by a fault.",
    again: "Cut short, and held again.",
    apology: "No speech: a technical fault.",
    kept: "The speech was held back.",
    rest: "The rest was held back.",
    skipped: "Skipped this turn.",
    left: "The rest was skipped.",
  }),
);

export class SpeechList {
  #pane;
  #list;
  #drawn = new Map();
  #state;
  /** How many speeches there were when chunks were last joined. */
  #foldedAt = 0;

  constructor(pane, list, state) {
    this.#pane = pane;
    this.#list = list;
    this.#state = state;
  }

  clear() {
    this.#drawn.clear();
    this.#foldedAt = 0;
    this.#list.replaceChildren();
  }

  /** Whether there is more to draw than one call of `draw` takes on. */
  get behind() {
    return this.#state.touched.size > 0;
  }

  /**
   * Draw what has changed, latest speeches first (`from: "start"`: earliest first), no more than a screen of them
   * unless `all`. Text that is there is never touched: it grows by its chunks, which fade in where they are `news`. What
   * the reader sees stays in its place.
   */
  draw({ from = "end", all = false, news = false } = {}) {
    const state = this.#state;
    this.#list.classList.toggle("sided", isSided(state));
    if (state.language) mark(this.#list, "lang", state.language);
    const first = this.#list.firstElementChild;
    const top = state.touched.size > AT_ONCE ? first?.offsetTop : undefined;
    for (const speech of this.#next(from, all)) {
      this.#drawOne(speech, news);
      state.touched.delete(speech);
    }
    this.#fold();
    if (top !== undefined) this.#pane.scrollTop += first.offsetTop - top;
    const live = state.current;
    for (const [speech, drawn] of this.#drawn) mark(drawn.item, "data-live", speech === live ? "" : null);
  }

  itemOf(speech) {
    return this.#drawn.get(speech)?.item ?? null;
  }

  /** The element of a chunk that is drawn, or null; its speech is in chunks again from here on. */
  wordsOf(speech, chunk) {
    this.chunksOf(speech);
    return this.#drawn.get(speech)?.words.querySelector(`[data-seq="${chunk.seq}"]`) ?? null;
  }

  /** The elements of a speech's chunks, in order. */
  chunksOf(speech) {
    const drawn = this.#drawn.get(speech);
    if (drawn === undefined) return [];
    drawn.kept = true;
    if (drawn.folded) {
      drawn.folded = false;
      drawn.words.replaceChildren();
      this.#drawWords(speech, drawn, false);
    }
    return [...drawn.words.children];
  }

  /** Join the chunks of speeches that are over and far behind the latest. */
  #fold() {
    const { speeches } = this.#state;
    if (speeches.length === this.#foldedAt) return;
    this.#foldedAt = speeches.length;
    for (const speech of speeches.slice(0, -WHOLE)) {
      const drawn = this.#drawn.get(speech);
      if (!drawn || drawn.folded || drawn.kept || !speech.ended) continue;
      drawn.folded = true;
      this.#drawWords(speech, drawn, false);
    }
  }

  #drawWords(speech, drawn, news) {
    if (drawn.folded) {
      drawn.words.replaceChildren(speech.chunks.map(({ text }) => text).join(""));
      return;
    }
    speech.chunks.forEach((chunk, place) => {
      const there = drawn.words.children[place];
      if (there?.dataset.index === String(chunk.index)) return;
      drawn.words.insertBefore(element("span", { "data-index": chunk.index, "data-seq": chunk.seq, "data-news": news }, chunk.text), there ?? null);
    });
  }

  #next(from, all) {
    const { touched, speeches } = this.#state;
    if (all || touched.size <= AT_ONCE) return [...touched];
    const waiting = speeches.filter((speech) => touched.has(speech));
    return from === "start" ? waiting.slice(0, AT_ONCE) : waiting.slice(-AT_ONCE).reverse();
  }

  #drawOne(speech, news) {
    if (!speech.begun && !speech.ended && speech.hints.length + speech.notes.length === 0) return;
    const state = this.#state;
    let drawn = this.#drawn.get(speech);
    if (!drawn) {
      drawn = this.#make(speech);
      drawn.folded = Boolean(speech.ended) && state.speeches.length - state.speeches.indexOf(speech) > WHOLE;
      this.#drawn.set(speech, drawn);
      this.#place(speech, drawn.item);
    }
    this.#describe(speech, drawn);
    this.#drawWords(speech, drawn, news);
    drawn.words.hidden = speech.chunks.length === 0;
    for (const hint of speech.hints.slice(drawn.answers.childElementCount)) {
      const name = hint.name ? element("bdi", {}, hint.name) : "a viewer";
      drawn.answers.append(element("li", {}, "Answers a hint by ", element("strong", {}, name), ": ", element("q", { dir: "auto" }, hint.text)));
    }
    drawn.answers.hidden = speech.hints.length === 0;
    this.#note(speech, drawn);
    const ending = HOW.get(manner(speech)) ?? "";
    say(drawn.end, ending);
    drawn.end.hidden = ending === "";
  }

  #make(speech) {
    const drawn = {
      portrait: null,
      look: "",
      head: element("header", { class: "turn-head" }),
      answers: element("ul", { class: "answers", "aria-label": "Hints answered" }),
      notes: null,
      words: element("p", { class: "words", dir: "auto" }),
      end: element("p", { class: "turn-end" }),
      /** Whether the words are one piece of text, and whether somebody needs them in chunks. */
      folded: false,
      kept: false,
    };
    const body = element("article", { class: "turn-body" }, drawn.head, drawn.answers, drawn.words, drawn.end);
    drawn.item = element("li", { class: "turn", id: anchorOf(speech), tabindex: "-1" }, body);
    return drawn;
  }

  #place(speech, item) {
    const { speeches } = this.#state;
    for (let place = speeches.indexOf(speech) + 1; place < speeches.length; place += 1) {
      const next = this.#drawn.get(speeches[place]);
      if (next) {
        this.#list.insertBefore(item, next.item);
        return;
      }
    }
    this.#list.append(item);
  }

  #describe(speech, drawn) {
    const state = this.#state;
    const agent = state.agent(speech.speaker);
    const addressed = speech.addresses ? state.agents.get(speech.addresses)?.name : "";
    const look = JSON.stringify([agent.name, agent.emoji, agent.color, agent.stance, speech.role, addressed]);
    if (drawn.look === look) return;
    drawn.look = look;
    drawn.portrait?.remove();
    drawn.portrait = portrait(agent);
    drawn.item.prepend(drawn.portrait);
    mark(drawn.item, "data-stance", agent.stance);
    drawn.item.style.setProperty("--persona", agent.color);
    const side = sideTitle(agent);
    const link = element("a", { class: "turn-link", href: `#${anchorOf(speech)}` }, speech.turn === null ? "#" : `Turn ${speech.turn + 1}`);
    if (speech.turn === null) mark(link, "aria-label", "Link to this speech");
    drawn.head.replaceChildren(
      element("strong", { class: "turn-name", dir: "auto" }, agent.name),
      ...(side ? [element("span", { class: "turn-side", dir: "auto" }, side)] : []),
      ...(speech.role && speech.role !== side ? [element("span", { class: "turn-role", dir: "auto" }, speech.role)] : []),
      ...(addressed ? [element("span", {}, "to ", element("bdi", {}, addressed))] : []),
      link,
    );
  }

  #note(speech, drawn) {
    if (speech.notes.length === 0) return;
    if (!drawn.notes) {
      drawn.notes = element("details", { class: "notes" }, element("summary", {}, "Thoughts and tools"));
      drawn.words.before(drawn.notes);
    }
    for (const note of speech.notes.slice(drawn.notes.childElementCount - 1)) {
      drawn.notes.append(element("p", { dir: "auto" }, note.kind === "tool" ? `${note.title}(${note.text})` : note.text));
    }
  }
}

/** How a speech ended, as a key of `HOW`; something else where there is nothing to say about it. */
function manner({ ended, chunks }) {
  switch (ended?.how) {
    case "skipped":
      return chunks.length > 0 ? "left" : "skipped";
    case "aborted":
      if (ended.heldBack) return ended.apology ? "kept" : "rest";
      return ended.again ? "again" : ended.apology ? "apology" : "aborted";
    default:
      return ended?.how;
  }
}

/** The part after `#` that leads to a speech; turns are counted as people count them, from 1. */
export function anchorOf(speech) {
  return speech.turn === null ? speech.key : `t${speech.turn + 1}`;
}

/** The line below the speeches that says who is thinking; hidden while somebody speaks. */
export function showPondering(line, state) {
  const { thinking } = state;
  const visible = thinking !== null && state.current === null;
  line.hidden = !visible;
  if (!visible || line.dataset.speaker === thinking.speaker) return;
  const agent = state.agent(thinking.speaker);
  line.dataset.speaker = thinking.speaker;
  line.dataset.stance = agent.stance;
  line.replaceChildren(portrait(agent), element("span", {}, element("bdi", {}, agent.name), " is thinking"), bars("ellipsis"));
}

/**
 * Keeps a pane at its end while it grows, until the reader scrolls up; then counts what comes in.
 * `onChange(following, speechesMissed)` is called whenever one of them changes.
 */
export class LiveEnd {
  #pane;
  #onChange;
  #top = 0;
  following = true;
  missed = 0;

  constructor(pane, onChange) {
    this.#pane = pane;
    this.#onChange = onChange;
    pane.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.keep()).observe(pane);
  }

  /** To be called after every change of the pane's contents. */
  keep() {
    if (this.following) this.#pane.scrollTop = this.#pane.scrollHeight;
  }

  miss(speeches) {
    if (this.following || speeches === 0) return;
    this.missed += speeches;
    this.#onChange(this.following, this.missed);
  }

  jump() {
    this.#follow(true);
    this.keep();
  }

  leave() {
    this.#follow(false);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#pane;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    // Growing contents never move the top: only the reader does, and only upwards means leaving.
    if (atEnd) this.#follow(true);
    else if (scrollTop < this.#top - 1) this.#follow(false);
    this.#top = scrollTop;
  }

  #follow(following) {
    if (this.following === following) return;
    this.following = following;
    this.missed = 0;
    this.#onChange(following, 0);
  }
}
