"""Writes the rehearsal model's speeches: a plan by kind of turn, filled from the phrasebook. Pure and deterministic.

Two rules make a show of it pleasant. What a viewer listens for comes first: hints are answered and the opponent's last
point is taken up before the speech is filled to its length. And nothing is said twice while there is something else to
say: lines rotate with the turn, and one that stands in the prompt's transcript is passed over.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeVar

from debate_caster.llm.conversation import Cue, HeardHint
from debate_caster.llm.phrasebook import Lens, Phrasebook, open_phrasebook
from debate_caster.llm.wording import (
    count_words,
    cut_to_words,
    fingerprint,
    is_question,
    quote_from,
    sentence,
    tidy,
    topics_of,
)

__all__ = ["Speech", "write_speech"]

Choice = TypeVar("Choice")

HEARD_CHARS = 8
"""Shortest run of letters by which a line is known again in a transcript; shorter ones stand in any text."""

NAME_CHARS = 40
"""Longest name that is spoken."""

_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Speech:
    """What is said, and what was thought before."""

    text: str
    thought: str


def write_speech(cue: Cue, *, seed: str, heard: str = "", instruction: str = "") -> Speech:
    """Write one turn.

    Never more than ``cue.max_words`` words (``count_words``), and at least one. ``seed`` is the show's, not the turn's:
    the order of lines follows from it, and the turn's number says how far it has got. ``heard`` is all that was said
    before, in any wrapping; ``instruction`` is the turn's, from which a moderator learns that the show is closing.
    """
    return _Writer(cue, seed, fingerprint(heard), f"{cue.role} {instruction}".casefold()).write()


@dataclass(frozen=True, slots=True)
class _Move:
    """One step of a speech. Moves are spoken in the order of the plan and filled in the order of ``rank``."""

    rank: int
    say: Callable[[int], str]


class _Writer:
    def __init__(self, cue: Cue, seed: str, heard: str, instruction: str) -> None:
        self._cue, self._heard, self._instruction = cue, heard, instruction
        self._book = open_phrasebook(cue.language)
        self._motion = tidy(cue.motion)
        self._seed = f"{seed}|{self._motion}"
        self._random = _seeded(f"{self._seed}|{cue.turn}|{cue.speaker}")
        self._used: set[str] = set()
        self._lenses_used: set[str] = set()
        self._persona = f"{cue.style} {cue.manner} {' '.join(cue.beliefs)}".casefold()
        self._leaning = self._lean()
        self._slots = self._facts()
        self._topics = topics_of(self._motion, self._book) or [self._book.default_topic]

    def write(self) -> Speech:
        left = self._cue.max_words
        plan = list(self._plan())
        said: dict[int, str] = {}
        for place in sorted(range(len(plan)), key=lambda place: (plan[place].rank, place)):
            text = plan[place].say(left)
            if text:
                said[place] = _capitalised(text)
                left -= count_words(text)
        text = " ".join(said[place] for place in sorted(said)) or self._fragment()
        lens = next((lens.label for lens in self._book.lenses if lens.key in self._lenses_used), "")
        thought = self._line("thought", 60, lens=lens)
        return Speech(text, thought)

    # The plans: what a turn of each kind is made of.

    def _plan(self) -> Iterator[_Move]:
        if self._cue.kind == "moderation":
            yield from self._moderating()
            return
        match self._cue.kind:
            case "opening":
                yield _Move(3, lambda room: self._fresh_line("greeting", room))
                yield _Move(1, self._thesis)
                yield from self._hint_moves()
                yield from self._reply_moves(2)
            case "question":
                yield from self._hint_moves()
                yield _Move(3, self._takeup_if_whole)
                yield self._move(4, "question_start")
                yield _Move(1, self._question)
                yield _Move(6, self._question)
                return
            case "answer":
                yield _Move(2, self._answer_start)
                yield from self._hint_moves()
            case "exchange":
                yield _Move(2, self._retort if self._cue.opponent_said else self._nothing)
                yield from self._hint_moves()
                yield self._move(3, f"counter_{self._cue.stance}" if self._cue.opponent_said else "turning")
                yield _Move(4, self._reason)
                yield _Move(5, self._question)
                return
            case "closing":
                yield self._move(3, "closing_start")
                yield from self._hint_moves()
                yield from self._reply_moves(4)
            case _:
                yield from self._reply_moves(1)
                yield from self._hint_moves()
        yield _Move(5, self._style)
        yield _Move(2, self._reason)
        yield _Move(4, self._belief)
        for extra in range(9):
            yield _Move(7 + extra, self._further_reason)
        if self._cue.kind == "closing":
            yield _Move(1, self._closing_end)
        else:
            yield _Move(6, lambda room: self._fresh_line("ending", room))

    def _moderating(self) -> Iterator[_Move]:
        if self._says_farewell():
            yield self._move(2, "farewell")
            yield from self._hint_moves()
            yield self._move(5, "steer")
            yield self._move(1, "thanks")
            return
        if self._cue.opponent_said:
            yield _Move(2, lambda room: self._quoting("between", room))
        else:
            yield self._move(2, "welcome")
        yield from self._hint_moves()
        yield self._move(4, "steer" if self._cue.opponent_said else "invite")
        yield self._move(6, "invite")
        if self._cue.addresses:
            yield self._move(1, "handover")
        elif self._cue.opponent_said:
            yield _Move(5, self._question)

    def _reply_moves(self, rank: int) -> Iterator[_Move]:
        """Take up the last point; only where there is one, so that an opener never rebuts."""
        if self._cue.opponent_said:
            yield _Move(rank, self._takeup)
            yield self._move(rank + 1, f"counter_{self._cue.stance}")

    def _hint_moves(self) -> Iterator[_Move]:
        for hint in self._cue.hints:
            yield _Move(0, functools.partial(self._hint, hint))

    def _move(self, rank: int, table: str) -> _Move:
        return _Move(rank, lambda room: self._line(table, room))

    # The steps: each returns a text of at most ``room`` words, or nothing.

    def _nothing(self, room: int) -> str:
        del room
        return ""

    def _thesis(self, room: int) -> str:
        table = f"thesis_{self._cue.stance}"
        claimed = f"thesis_claim_{self._cue.stance}"
        if self._slots.get("claim") and self._book.lines(claimed) and self._random.random() < 0.5:
            table = claimed
        return self._line(table, room) or self._line(f"short_{self._cue.stance}", room)

    def _takeup(self, room: int) -> str:
        return self._quoting("takeup", room)

    def _takeup_if_whole(self, room: int) -> str:
        """Take up the last point where it can be quoted whole; a question can do without."""
        text = self._takeup(room)
        return "" if "…" in text else text

    def _retort(self, room: int) -> str:
        return self._quoting("retort", room)

    def _answer_start(self, room: int) -> str:
        return self._quoting("answer_start", room, questions=True)

    def _quoting(self, table: str, room: int, *, questions: bool = False) -> str:
        share = min(max(room // 5, 4), 14)
        quote = quote_from(
            self._cue.opponent_said,
            max_words=share,
            random=self._random,
            stopwords=self._book.stopwords,
            avoid=self._cue.speaker,
            questions=questions,
        )
        if questions and quote:
            said = tidy(self._cue.opponent_said)
            quote = next((asked for asked in (f"{quote}?", f"{quote} ?") if asked in said), quote)
        return self._line(table, room, quote=quote).replace("?”.", "?”").replace("?“.", "?“").replace("?».", "?»")

    def _style(self, room: int) -> str:
        """Make an aside in the persona's manner, while there are any that nobody has heard."""
        manner = f"{self._cue.style} {self._cue.manner}".casefold()
        suiting = [lines for match, lines in self._book.styles if _matches(match, manner)]
        lines = [line for found in suiting or [self._book.styles[-1][1]] for line in found]
        return self._choose("style", lines, room, fresh_only=True)

    def _belief(self, room: int) -> str:
        beliefs = [belief for belief in map(tidy, self._cue.beliefs) if belief and self._is_in_language(belief)]
        if not beliefs:
            return ""
        belief = beliefs[(self._cue.turn // 2) % len(beliefs)]
        return self._line("belief", room, belief=sentence(belief))

    def _reason(self, room: int, *, fresh_only: bool = False) -> str:
        """Give a reason through a lens that suits the persona, if one is left; otherwise through any."""
        reasons = [(lens, line) for lens in self._book.lenses for line in lens.reasons(self._leaning)]
        ordered = self._in_order("reason", reasons)
        if not self._lenses_used:
            ordered.sort(key=lambda reason: not _matches(reason[0].match, self._persona))
        return self._through_a_lens(ordered, room, fresh_only=fresh_only)

    def _further_reason(self, room: int) -> str:
        if room < 25:
            return ""
        turning = self._fresh_line("turning", room)
        reason = self._reason(room - count_words(turning), fresh_only=True)
        return f"{turning} {_capitalised(reason)}".strip() if reason else ""

    def _question(self, room: int) -> str:
        questions = [(lens, line) for lens in self._book.lenses for line in lens.questions]
        ordered = self._in_order("question", questions)
        ordered.sort(key=lambda question: not _matches(question[0].match, self._persona))
        return self._through_a_lens(ordered, room)

    def _through_a_lens(self, ordered: list[tuple[Lens, str]], room: int, *, fresh_only: bool = False) -> str:
        fresh = [choice for choice in ordered if choice[0].key not in self._lenses_used]
        by_line = {line: lens for lens, line in (*fresh, *ordered)}
        text, line = self._first_fit(by_line, room, {}, fresh_only=fresh_only)
        if line:
            self._lenses_used.add(by_line[line].key)
        return text

    def _closing_end(self, room: int) -> str:
        return self._line(f"closing_end_{self._cue.stance}", room)

    def _hint(self, hint: HeardHint, room: int) -> str:
        """Say whose hint it is and what it says, and answer it; as much of that as there is room for."""
        share = min(max(self._cue.max_words // 6, 4), 16)
        text = cut_to_words(tidy(hint.text), share)
        if not text:
            return ""
        asks = is_question(tidy(hint.text))
        text = sentence(text if text == tidy(hint.text) else f"{text.rstrip('.,;:!?')}…")
        opening, closing = self._book.quotes
        text = text.replace(opening.strip(), "'").replace(closing.strip(), "'")
        viewer = _name(hint.viewer) if self._cue.thanks_viewers else ""
        slots = {"viewer": viewer, "hint": text, "hint_topic": self._topic_of(hint.text)}
        kind = "relay" if self._cue.kind == "moderation" else ("hint_question" if asks else "hint_remark")
        said = self._line(kind if viewer else f"{kind}_anonymous", room, **slots) or self._line(
            "hint_brief", room, **slots
        )
        if not said or kind == "relay":
            return said
        answer = self._line(f"hint_answer_{self._cue.stance}", room - count_words(said), **slots)
        return f"{said} {answer}".strip()

    def _topic_of(self, text: str) -> str:
        return next(iter(topics_of(text, self._book)), "") if self._is_in_language(text) else ""

    def _fragment(self) -> str:
        """Say something in a turn too short for any plan."""
        lines = sorted(self._book.lines(f"short_{self._cue.stance}"), key=count_words)
        shortest = cut_to_words(lines[0], self._cue.max_words)
        return shortest or "…"

    # Lines and slots.

    def _line(self, table: str, room: int, **slots: str) -> str:
        return self._choose(table, self._book.lines(table), room, slots)

    def _fresh_line(self, table: str, room: int) -> str:
        """Return a line that adornment can do without: none where all have been heard."""
        return self._choose(table, self._book.lines(table), room, fresh_only=True)

    def _choose(
        self,
        name: str,
        lines: Iterable[str],
        room: int,
        slots: dict[str, str] | None = None,
        *,
        fresh_only: bool = False,
    ) -> str:
        text, _ = self._first_fit(self._in_order(name, list(lines)), room, slots or {}, fresh_only=fresh_only)
        return text

    def _in_order(self, name: str, choices: list[Choice]) -> list[Choice]:
        """Shuffle by the show's seed, then begin further on with each turn, so that the next turn says something else.

        Odd turns begin half-way: where two sides share a table, each has its own half for as long as it lasts.
        """
        shuffled = _seeded(f"{self._seed}|{name}").sample(choices, len(choices))
        half = len(shuffled) // 2 if self._cue.turn % 2 else 0
        start = (self._cue.turn // 2 + half) % len(shuffled) if shuffled else 0
        return shuffled[start:] + shuffled[:start]

    def _first_fit(
        self, lines: Iterable[str], room: int, slots: dict[str, str], *, fresh_only: bool
    ) -> tuple[str, str]:
        """Return the first line that fits, filled and as it stands in the book; one not yet heard if there is any."""
        second_best = ("", "")
        for line in lines:
            if line in self._used:
                continue
            text = self._filled(line, slots)
            if not text or count_words(text) > room:
                continue
            if not self._is_heard(line):
                self._used.add(line)
                return text, line
            if not second_best[0] and not fresh_only:
                second_best = (text, line)
        self._used.add(second_best[1])
        return second_best

    def _filled(self, line: str, slots: dict[str, str]) -> str:
        names = _SLOT.findall(line)
        values = {**self._slots, **slots}
        if "topic" in names:
            values["topic"] = self._topics[(self._cue.turn + len(self._used)) % len(self._topics)]
        if any(not values.get(name) for name in names):
            return ""
        return line.format_map(values)

    def _is_heard(self, line: str) -> bool:
        landmarks = _landmarks(line)
        return bool(landmarks) and all(landmark in self._heard for landmark in landmarks)

    def _facts(self) -> dict[str, str]:
        addresses = _name(self._cue.addresses)
        return {
            "motion": sentence(self._motion),
            "motion_bare": self._motion.rstrip(".!… "),
            "claim": _claim(self._motion, self._book),
            "opponent": _name(self._cue.opponent) or addresses,
            "addresses": addresses,
        }

    def _lean(self) -> Literal["for", "against"]:
        """Return the side that reasons come from; whoever has none in the format leans to one all the same."""
        if self._cue.stance != "neutral":
            return self._cue.stance
        return "for" if _seeded(f"{self._seed}|{self._cue.speaker}").random() < 0.5 else "against"

    def _is_in_language(self, text: str) -> bool:
        """Guess whether a persona's words are in the language of the show; personas travel between shows."""
        english = open_phrasebook("en")
        words = text.casefold().split()
        ours = sum(word in self._book.stopwords for word in words)
        return self._book is english or ours >= sum(word in english.stopwords for word in words)

    def _says_farewell(self) -> bool:
        return any(phrase in self._instruction for phrase in self._book.farewell)


@functools.cache
def _landmarks(line: str) -> tuple[str, ...]:
    """Return the parts of a line by which it is known again, whatever stood in its slots."""
    pieces = map(fingerprint, _SLOT.sub("\0", line).split("\0"))
    return tuple(piece for piece in pieces if len(piece) >= HEARD_CHARS)


def _matches(beginnings: tuple[str, ...], persona: str) -> bool:
    return any(re.search(rf"\b{re.escape(beginning)}", persona) for beginning in beginnings)


def _claim(motion: str, book: Phrasebook) -> str:
    """Return the motion as it stands after "that", where its shape is known; empty otherwise, and for questions."""
    bare = motion.rstrip(".!… ")
    if bare.endswith("?"):
        return ""
    for pattern, form in book.claims:
        if (match := pattern.fullmatch(bare)) is not None:
            rest = match["rest"]
            return form.format(rest=rest[0].lower() + rest[1:] if not rest[:2].isupper() else rest)
    return ""


def _seeded(seed: str) -> Random:
    return Random(seed)  # noqa: S311 - it shuffles phrases and guards nothing


def _name(text: str) -> str:
    return tidy(text)[:NAME_CHARS].strip()


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
