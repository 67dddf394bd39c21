"""Writes the rehearsal model's speeches: a plan by kind of turn, filled from the phrasebook. Pure and deterministic.

Two rules make a show of it pleasant. What a viewer listens for comes first: hints are answered and the opponent's last
point is taken up before the speech is filled to its length. And nothing is said twice while there is something else to
say: lines rotate with the turn, and one that stands in the prompt's transcript is passed over.
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from debate_caster.llm.conversation import Cue, HeardHint
from debate_caster.llm.phrasebook import Lens, Phrasebook, open_phrasebook
from debate_caster.llm.repertoire import Repertoire, seeded
from debate_caster.llm.wording import (
    count_words,
    cut_to_words,
    is_question,
    quote_from,
    sentence,
    sentences,
    tidy,
    topics_of,
)

__all__ = ["Speech", "write_speech"]

ABOUT_WORDS = 8
"""How much of what a series is about goes into a motion."""

NAME_CHARS = 40
"""Longest name that is spoken."""

_LAST_TURN = re.compile(r"\bturn (\d+) of \1\b")


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
    return _Writer(cue, seed, heard, f"{cue.role} {instruction}".casefold()).write()


@dataclass(frozen=True, slots=True)
class _Move:
    """One step of a speech. Moves are spoken in the order of the plan and filled in the order of ``rank``."""

    rank: int
    say: Callable[[int], str]


class _Writer:
    def __init__(self, cue: Cue, seed: str, heard: str, instruction: str) -> None:
        self._cue, self._instruction = cue, instruction
        self._book = open_phrasebook(cue.language)
        self._motion = tidy(cue.motion)
        self._seed = f"{seed}|{self._motion}"
        self._random = seeded(f"{self._seed}|{cue.turn}|{cue.speaker}")
        self._lenses_used: set[str] = set()
        self._persona = f"{cue.style} {cue.manner} {' '.join(cue.beliefs)}".casefold()
        self._leaning = self._lean()
        self._facts = self._gather_facts()
        self._lines = Repertoire(
            self._book,
            seed=self._seed,
            turn=cue.turn,
            heard=heard,
            facts=self._facts,
            topics=topics_of(self._motion, self._book) or [self._book.default_topic],
        )

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
        thought = self._lines.line("thought", 60, {"lens": lens})
        return Speech(text, thought)

    # The plans: what a turn of each kind is made of.

    def _plan(self) -> Iterator[_Move]:
        if self._cue.to_say:
            yield _Move(0, lambda room: cut_to_words(" ".join(map(sentence, sentences(self._cue.to_say))), room))
            return
        if self._cue.kind == "moderation":
            yield from self._moderating()
            return
        match self._cue.kind:
            case "opening":
                yield _Move(3, lambda room: self._lines.line("greeting", room, fresh_only=True))
                if self._cue.rival:
                    yield self._move(2, f"rematch_{self._cue.rival_result or 'tied'}")
                yield _Move(1, self._thesis)
                yield from self._hint_moves()
                yield from self._reply_moves(2)
            case "topic":
                yield self._move(0, "motion_idea")
                return
            case "question":
                yield from self._hint_moves()
                yield _Move(3, self._takeup_where_whole)
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
            yield _Move(6, lambda room: self._lines.line("ending", room, fresh_only=True))

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
            yield _Move(rank, self._takeup_where_whole if self._cue.kind == "closing" else self._takeup)
            yield self._move(rank + 1, f"counter_{self._cue.stance}")

    def _hint_moves(self) -> Iterator[_Move]:
        for hint in self._cue.hints:
            yield _Move(0, functools.partial(self._hint, hint))

    def _move(self, rank: int, table: str) -> _Move:
        return _Move(rank, lambda room: self._lines.line(table, room))

    # The steps: each returns a text of at most ``room`` words, or nothing.

    def _nothing(self, room: int) -> str:
        del room
        return ""

    def _thesis(self, room: int) -> str:
        table = f"thesis_{self._cue.stance}"
        claimed = f"thesis_claim_{self._cue.stance}"
        if self._facts.get("claim") and self._book.lines(claimed) and self._random.random() < 0.5:
            table = claimed
        return self._lines.line(table, room) or self._lines.line(f"short_{self._cue.stance}", room)

    def _takeup(self, room: int) -> str:
        return self._quoting("takeup", room)

    def _takeup_where_whole(self, room: int) -> str:
        """Take up the last point if there is room to quote it whole; questions and closings can do without."""
        text = self._takeup(room)
        return "" if "…" in text else text

    def _retort(self, room: int) -> str:
        return self._quoting("retort", room)

    def _answer_start(self, room: int) -> str:
        asked = any(map(is_question, sentences(self._cue.opponent_said)))
        return self._quoting("answer_start" if asked else "takeup", room, questions=asked)

    def _quoting(self, table: str, room: int, *, questions: bool = False) -> str:
        share = min(max(room // 4, 6), 14)
        quote = quote_from(
            self._cue.opponent_said,
            max_words=share,
            random=self._random,
            stopwords=self._book.stopwords,
            is_dull=self._is_dull,
            questions=questions,
        )
        if questions and quote:
            said = tidy(self._cue.opponent_said)
            quote = next((asked for asked in (f"{quote}?", f"{quote} ?") if asked in said), quote)
        return (
            self._lines.line(table, room, {"quote": quote})
            .replace("?”.", "?”")
            .replace("?“.", "?“")
            .replace("?».", "?»")
        )

    def _style(self, room: int) -> str:
        """Make an aside in the persona's manner, while there are any that nobody has heard."""
        manner = f"{self._cue.style} {self._cue.manner}".casefold()
        suiting = [lines for match, lines in self._book.styles if _matches(match, manner)]
        lines = [line for found in suiting or [self._book.styles[-1][1]] for line in found]
        return self._lines.choose("style", lines, room, fresh_only=True)

    def _belief(self, room: int) -> str:
        beliefs = [belief for belief in map(tidy, self._cue.beliefs) if belief and self._is_in_language(belief)]
        if not beliefs:
            return ""
        belief = beliefs[(self._cue.turn // 2) % len(beliefs)]
        return self._lines.line("belief", room, {"belief": sentence(belief)})

    def _reason(self, room: int, *, fresh_only: bool = False) -> str:
        """Give a reason through a lens that suits the persona, if one is left; otherwise through any."""
        reasons = [(lens, line) for lens in self._book.lenses for line in lens.reasons(self._leaning)]
        ordered = self._lines.in_order("reason", reasons)
        if not self._lenses_used:
            ordered.sort(key=lambda reason: not _matches(reason[0].match, self._persona))
        return self._through_a_lens(ordered, room, fresh_only=fresh_only)

    def _further_reason(self, room: int) -> str:
        if room < 25:
            return ""
        turning = self._lines.line("turning", room, fresh_only=True)
        reason = self._reason(room - count_words(turning), fresh_only=True)
        return f"{turning} {_capitalised(reason)}".strip() if reason else ""

    def _question(self, room: int) -> str:
        questions = [(lens, line) for lens in self._book.lenses for line in lens.questions]
        ordered = self._lines.in_order("question", questions)
        ordered.sort(key=lambda question: not _matches(question[0].match, self._persona))
        return self._through_a_lens(ordered, room)

    def _through_a_lens(self, ordered: list[tuple[Lens, str]], room: int, *, fresh_only: bool = False) -> str:
        fresh = [choice for choice in ordered if choice[0].key not in self._lenses_used]
        by_line = {line: lens for lens, line in (*fresh, *ordered)}
        text, line = self._lines.first_fit(by_line, room, fresh_only=fresh_only)
        if line:
            self._lenses_used.add(by_line[line].key)
        return text

    def _closing_end(self, room: int) -> str:
        return self._lines.line(f"closing_end_{self._cue.stance}", room)

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
        table = kind if viewer else f"{kind}_anonymous"
        said = self._lines.line(table, room, slots) or self._lines.line("hint_brief", room, slots)
        if not said or kind == "relay":
            return said
        answer = self._lines.line(f"hint_answer_{self._cue.stance}", room - count_words(said), slots)
        return f"{said} {answer}".strip()

    def _topic_of(self, text: str) -> str:
        return next(iter(topics_of(text, self._book)), "") if self._is_in_language(text) else ""

    def _fragment(self) -> str:
        """Say something in a turn too short for any plan."""
        lines = sorted(self._book.lines(f"short_{self._cue.stance}"), key=count_words)
        shortest = cut_to_words(lines[0], self._cue.max_words)
        return shortest or "…"

    def _gather_facts(self) -> dict[str, str]:
        addresses = _name(self._cue.addresses)
        return {
            "motion": sentence(self._motion),
            "motion_bare": self._motion.rstrip(".!… "),
            "claim": _claim(self._motion, self._book),
            "opponent": _name(self._cue.opponent) or addresses,
            "addresses": addresses,
            "rival": _name(self._cue.rival),
            "earlier": tidy(self._cue.rival_motion).rstrip(".!… "),
            "about": self._about() if self._cue.kind == "topic" else "",
        }

    def _about(self) -> str:
        """Return what a series is about as it stands in mid-sentence, cut to a phrase that a motion can hold."""
        phrase = cut_to_words(next(iter(re.split(r"[.;:!?]", self._motion)), ""), ABOUT_WORDS).strip(" ,…")
        first, _, rest = phrase.partition(" ")
        return f"{first.lower()} {rest}" if rest and first.lower() in self._book.articles else phrase

    def _is_dull(self, text: str) -> bool:
        """Whether a sentence is not worth quoting: it speaks to us, or says nothing about the motion."""
        return bool(self._cue.speaker and self._cue.speaker in text) or self._lines.is_adornment(text)

    def _lean(self) -> Literal["for", "against"]:
        """Return the side that reasons come from; whoever has none in the format leans to one all the same."""
        if self._cue.stance != "neutral":
            return self._cue.stance
        return "for" if seeded(f"{self._seed}|{self._cue.speaker}").random() < 0.5 else "against"

    def _is_in_language(self, text: str) -> bool:
        """Guess whether a persona's words are in the language of the show; personas travel between shows."""
        english = open_phrasebook("en")
        words = text.casefold().split()
        ours = sum(word in self._book.stopwords for word in words)
        return self._book is english or ours >= sum(word in english.stopwords for word in words)

    def _says_farewell(self) -> bool:
        """Whether the instruction asks for it, or numbers the turn as the last one ("turn 11 of 11")."""
        if _LAST_TURN.search(self._instruction):
            return True
        return any(phrase in self._instruction for phrase in self._book.farewell)


def _matches(beginnings: tuple[str, ...], persona: str) -> bool:
    return bool(beginnings) and _any_word_of(beginnings).search(persona) is not None


@functools.cache
def _any_word_of(beginnings: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, beginnings))})")


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


def _name(text: str) -> str:
    return tidy(text)[:NAME_CHARS].strip()


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
