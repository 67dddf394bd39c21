/**
 * Reading the speeches aloud with the browser's own synthesiser (Web Speech). Off until the viewer turns it on; knows
 * no page: what is being read is told to `onSaid`, which shows it.
 */

/** Characters a second that a synthesiser speaks at rate 1, about; only used to tell how far it is behind. */
const CHARS_PER_S = 15;
/** So far behind what is on air, in seconds, it hurries, and so far it leaves out what it has missed. */
const HURRY_S = 6;
const LOST_S = 18;
const HURRY = 1.25;
/** Speakers without a voice of their own are told apart by pitch. */
const PITCHES = [1, 0.86, 1.14, 0.93, 1.07];
/** Errors that we have caused ourselves by going somewhere else. */
const OURS = new Set(["canceled", "interrupted"]);

export class Voices {
  #state;
  #synthesiser;
  #Utterance;
  #onSaid;
  #onChange;
  /** What has been read last: a speech and the index of its chunk. Null: nothing yet. */
  #last = null;
  #live = true;
  #saying = null;

  /**
   * `onSaid(speech, chunk)` is called when a chunk begins, with nulls when nothing is being read; `onChange(on, why)`
   * when reading starts or stops, `why` with the synthesiser's error where it stopped by itself.
   */
  constructor(state, { onSaid = () => {}, onChange = () => {}, synthesiser = globalThis.speechSynthesis, Utterance = globalThis.SpeechSynthesisUtterance } = {}) {
    this.#state = state;
    this.#synthesiser = synthesiser;
    this.#Utterance = Utterance;
    this.#onSaid = onSaid;
    this.#onChange = onChange;
    this.on = false;
  }

  get available() {
    return Boolean(this.#synthesiser && this.#Utterance);
  }

  /** Begin: with what comes next, or at the start of a speech. */
  start(speech = null) {
    this.on = true;
    this.#onChange(true, "");
    if (speech) this.readFrom(speech);
    else this.goLive();
  }

  stop(why = "") {
    if (!this.on) return;
    this.on = false;
    this.#hush();
    this.#onChange(false, why);
  }

  /** Go on with what is aired from now on, and keep up with it. */
  goLive() {
    if (!this.on) return;
    this.#hush();
    this.#live = true;
    const speech = this.#state.speeches.findLast(({ chunks }) => chunks.length > 0);
    this.#last = speech ? { speech, index: speech.chunks.at(-1).index } : null;
  }

  /** Go on at the start of a speech, or at one of its chunks, and leave nothing out. */
  readFrom(speech, index = 0) {
    if (!this.on) return;
    this.#hush();
    this.#live = false;
    this.#last = { speech, index: index - 1 };
    this.follow();
  }

  /** To be called when there may be something new. */
  follow() {
    if (!this.on || this.#saying) return;
    const waiting = this.#waiting();
    if (waiting.length === 0) {
      this.#live = true;
      return;
    }
    let behind = seconds(waiting);
    while (this.#live && behind > LOST_S && waiting.length > 1) {
      waiting.shift();
      behind = seconds(waiting);
    }
    this.#say(waiting[0], this.#live && behind > HURRY_S ? HURRY : 1);
  }

  /** What is still to be read, in order. */
  #waiting() {
    const { speeches } = this.#state;
    const from = this.#last ? Math.max(0, speeches.indexOf(this.#last.speech)) : 0;
    const after = this.#last?.index ?? -1;
    return speeches
      .slice(from)
      .flatMap((speech) => speech.chunks.map((chunk) => ({ speech, chunk })))
      .filter(({ speech, chunk }) => speech !== this.#last?.speech || chunk.index > after);
  }

  #say({ speech, chunk }, hurry) {
    this.#last = { speech, index: chunk.index };
    const text = chunk.text.trim();
    if (text === "") {
      this.follow();
      return;
    }
    const agent = this.#state.agent(speech.speaker);
    const { voice, lang, pitch, rate } = soundOf(agent, [...this.#state.agents.values()], this.#synthesiser.getVoices(), this.#state.language);
    const saying = new this.#Utterance(text);
    if (voice) saying.voice = voice;
    if (lang) saying.lang = lang;
    saying.pitch = pitch;
    saying.rate = rate * hurry;
    saying.onstart = () => this.#saying === saying && this.#onSaid(speech, chunk);
    saying.onend = () => this.#done(saying, "");
    saying.onerror = ({ error }) => this.#done(saying, OURS.has(error) ? "" : String(error || "unknown"));
    this.#saying = saying;
    this.#synthesiser.speak(saying);
  }

  #done(saying, error) {
    if (this.#saying !== saying) return;
    this.#saying = null;
    this.#onSaid(null, null);
    if (error) this.stop(error);
    else this.follow();
  }

  #hush() {
    const quiet = this.#saying === null;
    this.#saying = null;
    if (quiet) return;
    this.#synthesiser.cancel();
    this.#onSaid(null, null);
  }
}

function seconds(waiting) {
  return waiting.reduce((sum, { chunk }) => sum + chunk.text.length, 0) / CHARS_PER_S;
}

/**
 * How an agent sounds: its persona's hints (`voice: {lang, name, pitch, rate}`) as far as this machine can follow them.
 * Agents share a voice only where there are fewer voices than agents.
 */
export function soundOf(agent, agents, voices, language) {
  const hints = typeof agent.voice === "object" && agent.voice !== null ? agent.voice : {};
  const lang = sameLanguage(text(hints.lang), text(language)) ? text(hints.lang) : text(language);
  const fitting = fittingVoices(voices, lang);
  const peers = agents.filter((one) => !named(voices, one)).sort((one, other) => one.place - other.place);
  const turn = Math.max(0, peers.findIndex(({ id }) => id === agent.id));
  const own = named(voices, agent);
  const voice = own ?? (fitting.length ? fitting[turn % fitting.length] : null);
  const shared = !own && Math.floor(turn / Math.max(1, fitting.length));
  return {
    voice,
    lang: voice?.lang ?? lang,
    pitch: within(hints.pitch, 0.1, 2) ?? PITCHES[Number(shared) % PITCHES.length],
    rate: within(hints.rate, 0.5, 2) ?? 1,
  };
}

function named(voices, agent) {
  const wanted = text(agent.voice?.name).toLowerCase();
  return wanted ? (voices.find(({ name }) => name.toLowerCase() === wanted) ?? voices.find(({ name }) => name.toLowerCase().includes(wanted)) ?? null) : null;
}

/** Voices of the language, those of the same country first; none where the machine does not speak it. */
function fittingVoices(voices, lang) {
  const rank = (voice) => (tag(voice.lang).join() === tag(lang).join() ? 0 : 1);
  return voices.filter((voice) => sameLanguage(voice.lang, lang)).sort((one, other) => rank(one) - rank(other));
}

/** A persona may be cast in a show of another language: then it speaks that one. */
function sameLanguage(one, other) {
  return one !== "" && (other === "" || tag(one)[0] === tag(other)[0]);
}

/** `en-GB` and Android's `en_GB` in parts. */
function tag(lang) {
  return lang.toLowerCase().split(/[-_]/);
}

function text(value) {
  return typeof value === "string" ? value : "";
}

function within(value, least, most) {
  return typeof value === "number" && Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : undefined;
}
