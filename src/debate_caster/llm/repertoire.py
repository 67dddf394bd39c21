"""Which line of the phrasebook comes next: one that fits, in the show's order, and that nobody has heard yet. Pure."""

import functools
import re
from collections.abc import Iterable, Mapping
from random import Random
from types import MappingProxyType
from typing import TypeVar

from debate_caster.llm.phrasebook import Phrasebook, open_phrasebook
from debate_caster.llm.wording import count_words, fingerprint, sentences

__all__ = ["Repertoire", "seeded"]

Choice = TypeVar("Choice")
Slots = Mapping[str, str]
NO_SLOTS: Slots = MappingProxyType({})

HEARD_CHARS = 8
"""Shortest run of letters by which a line is known again in a transcript; shorter ones stand in any text."""

OPENING_CHARS = 5
"""Shortest run of letters that marks a sentence which it opens ("Come on, …") as a mere adornment."""

_SLOT = re.compile(r"\{(\w+)\}")


class Repertoire:
    """The lines one turn may choose from; no line is chosen twice.

    ``seed`` decides the order of lines for the whole show, ``turn`` how far into it we are. ``facts`` fill slots, and
    ``topics`` take turns in filling ``{topic}``. ``heard`` is everything that was said before, in any wrapping.
    """

    def __init__(
        self, book: Phrasebook, *, seed: str, turn: int, heard: str, facts: Mapping[str, str], topics: list[str]
    ) -> None:
        self._book, self._seed, self._turn = book, seed, turn
        self._facts, self._topics = facts, topics
        self._heard = fingerprint(heard)
        self._used: set[str] = set()

    def line(self, table: str, room: int, slots: Slots = NO_SLOTS, *, fresh_only: bool = False) -> str:
        """Return a line of a table with at most ``room`` words, its slots filled; nothing where none will do.

        ``fresh_only`` is for adornments, which a speech rather goes without than has twice.
        """
        return self.choose(table, self._book.lines(table), room, slots, fresh_only=fresh_only)

    def choose(
        self, name: str, lines: Iterable[str], room: int, slots: Slots = NO_SLOTS, *, fresh_only: bool = False
    ) -> str:
        """Choose among ``lines`` in the order that belongs to ``name``; see ``line``."""
        text, _ = self.first_fit(self.in_order(name, list(lines)), room, slots, fresh_only=fresh_only)
        return text

    def in_order(self, name: str, choices: list[Choice]) -> list[Choice]:
        """Shuffle by the show's seed, then begin further on with each turn, so that the next turn says something else.

        Odd turns begin half-way: where two sides share a table, each has its own half for as long as it lasts.
        """
        shuffled = seeded(f"{self._seed}|{name}").sample(choices, len(choices))
        half = len(shuffled) // 2 if self._turn % 2 else 0
        start = (self._turn // 2 + half) % len(shuffled) if shuffled else 0
        return shuffled[start:] + shuffled[:start]

    def first_fit(
        self, lines: Iterable[str], room: int, slots: Slots = NO_SLOTS, *, fresh_only: bool = False
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

    def _filled(self, line: str, slots: Slots) -> str:
        """Fill the slots; nothing where one can't be."""
        names = _SLOT.findall(line)
        values = {**self._facts, **slots}
        if "topic" in names:
            values["topic"] = self._topics[(self._turn + len(self._used)) % len(self._topics)]
        if any(not values.get(name) for name in names):
            return ""
        return line.format_map(values)

    def _is_heard(self, line: str) -> bool:
        landmarks = _landmarks(line)
        return bool(landmarks) and all(landmark in self._heard for landmark in landmarks)

    def is_adornment(self, text: str) -> bool:
        """Whether a sentence is one of ours that says nothing about the motion, and so is not worth quoting."""
        letters = fingerprint(text)
        anywhere, at_the_beginning = _adornments(self._book.language)
        return letters.startswith(at_the_beginning) or any(adornment in letters for adornment in anywhere)


def seeded(seed: str) -> Random:
    return Random(seed)  # noqa: S311 - it shuffles phrases and guards nothing


@functools.cache
def _landmarks(line: str) -> tuple[str, ...]:
    """Return the parts of a line by which it is known again, whatever stood in its slots."""
    pieces = map(fingerprint, _SLOT.split(line)[::2])
    return tuple(piece for piece in pieces if len(piece) >= HEARD_CHARS)


@functools.cache
def _adornments(language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what marks a sentence as an adornment: runs of letters anywhere in it, and shorter ones that open it."""
    book = open_phrasebook(language)
    lines = [line for table in book.tables.values() for line in table]
    lines += [line for _, asides in book.styles for line in asides]
    parts = {fingerprint(part) for line in lines for piece in _SLOT.split(line)[::2] for part in sentences(piece)}
    anywhere = tuple(part for part in parts if len(part) >= HEARD_CHARS)
    return anywhere, tuple(part for part in parts if OPENING_CHARS <= len(part) < HEARD_CHARS)
