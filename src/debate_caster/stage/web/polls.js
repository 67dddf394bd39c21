/** The audience's votes, as the show's events and the stage's tallies tell of them. */

export class Polls {
  /** The last vote that was opened: `{vote, method, choices, seconds, openedAt, open}`. */
  vote = null;
  /** What came of it all, or null. */
  verdict = null;
  /** The last poll that the stage has counted: `{vote, counts, votes, at}`. */
  #counted = null;
  #tally = null;

  opened({ vote, method, choices, seconds }, at) {
    const named = (choices ?? []).map(({ id, title }) => ({ id: String(id), title: String(title || id) }));
    this.vote = { vote: String(vote), method: method ?? "", choices: named, seconds: Number(seconds) || 0, openedAt: at, open: true };
  }

  closed({ vote }) {
    if (this.vote?.vote === vote) this.vote.open = false;
  }

  counted({ vote, counts }, at) {
    this.count({ vote, counts });
    this.#counted = { vote, at, ...total(counts) };
  }

  decided(event) {
    this.verdict = {
      method: event.method ?? "",
      outcome: event.outcome ?? "no_result",
      leaders: (event.leaders ?? []).map(String),
      changes: event.changes ?? {},
      before: event.before ?? null,
      after: event.after ?? null,
      why: event.why ?? "",
    };
  }

  /** The show is over: nobody votes any more. */
  breakOff() {
    if (this.vote) this.vote.open = false;
  }

  /** How a vote stands: a `vote_tally` frame, or anything else with `vote` and `counts`. */
  count({ vote, counts }) {
    this.#tally = { vote, counts: counts ?? {} };
  }

  /** How the last vote stands, as far as we have heard. */
  get standing() {
    return total(this.#tally?.vote === this.vote?.vote ? this.#tally?.counts : {});
  }

  /** What the last vote gave, while it is the news: it is closed and counted, and no verdict has taken it up. */
  get result() {
    const counted = this.#counted;
    return counted !== null && counted.vote === this.vote?.vote && !this.vote.open && this.verdict === null ? counted : null;
  }

  /** A choice as people call it. */
  choiceTitle(id) {
    return this.vote?.choices.find((choice) => choice.id === id)?.title ?? id;
  }
}

/** `{counts, votes}`: the votes for each choice, and how many there are. */
export function total(counts) {
  return { counts: counts ?? {}, votes: Object.values(counts ?? {}).reduce((sum, votes) => sum + votes, 0) };
}
