"""Cuts a speech into chunks that a viewer can read, as early as possible and in any language. Sans-I/O."""

from debate_caster.scenario.script import Pacing
from debate_caster.show.boundaries import (
    Strength,
    boundaries,
    grapheme_boundaries,
    is_grapheme_boundary,
    last_grapheme_boundary,
    last_space,
)
from debate_caster.show.measures import reading_units

__all__ = ["Chunker"]

FIRST_UNITS = 12.0
"""Least length of a speech's first chunk, in letters: shorter than any sentence worth showing, longer than "Well,"."""

FIRST_CHARS = 120
"""Longest first chunk: a first clause that is longer than a line is not waited for."""

LEAST_UNITS = 16.0
"""What the other chunks are to take at least to read where no interval asks for more."""

SENTENCE_SHARE, CLAUSE_SHARE = 0.7, 1.6
"""How much of that a sentence, and a clause, must have to be a chunk. A sentence that is a little short stands on air a
moment longer than it takes to read; a sentence is only broken up where it would take much longer than the interval."""


class Chunker:
    """Text in with ``feed``, chunks out; joined they are the text.

    A chunk ends behind a sentence, or behind a clause where the sentence is long; where neither is near it ends before
    a space, and in text without spaces between two graphemes. Graphemes are never cut, but for one that is longer than
    a whole chunk may be. What a later delta could still change is held back.
    """

    def __init__(self, *, least_units: float = LEAST_UNITS, max_chars: int = 280) -> None:
        self._least_units = min(max(least_units, LEAST_UNITS), max_chars / 2)
        self._max_chars = max_chars
        self._held = ""
        self._first = True

    @classmethod
    def of(cls, pacing: Pacing) -> "Chunker":
        """Return one whose chunks take at least about ``min_interval_s`` to read."""
        return cls(least_units=pacing.chars_per_second * pacing.min_interval_s, max_chars=pacing.max_chunk_chars)

    @property
    def least_units(self) -> float:
        """About how long a chunk is at least, in letters."""
        return self._least_units

    def feed(self, text: str) -> list[str]:
        """Return the chunks that are certain now."""
        self._held += text
        return self._cut()

    def flush(self) -> list[str]:
        """Return the rest: one chunk, more where it is long, none where nothing was held back."""
        rest, self._held = self._held, ""
        self._first = True
        return [rest] if rest else []

    def _cut(self) -> list[str]:
        chunks = []
        while place := self._next_place():
            chunks.append(self._held[:place])
            self._held = self._held[place:]
            self._first = False
        return chunks

    def _next_place(self) -> int:
        """Return where the next chunk ends, 0 where that is not known yet."""
        text = self._held
        longest = min(self._max_chars, FIRST_CHARS) if self._first else self._max_chars
        best: dict[Strength, int] = {}
        graphemes: set[int] | None = None
        units, counted = 0.0, 0
        for boundary in boundaries(text):
            if boundary.place > longest:
                break
            if graphemes is None:
                graphemes = grapheme_boundaries(text, longest)
            # What is before a place is what was before the last one and what is between them: it may be long.
            units, counted = units + reading_units(text[counted : boundary.place]), boundary.place
            if not text[: boundary.place].strip() or boundary.place not in graphemes:
                continue
            best[boundary.strength] = boundary.place
            share = SENTENCE_SHARE if boundary.strength is Strength.SENTENCE else CLAUSE_SHARE
            if units >= (FIRST_UNITS if self._first else share * self._least_units):
                return boundary.place
        if len(text) <= longest:
            return 0
        return (
            best.get(Strength.SENTENCE)
            or best.get(Strength.CLAUSE)
            or self._worded(last_space(text, longest))
            or self._worded(last_grapheme_boundary(text, longest))
            or last_grapheme_boundary(text, longest)
            or longest
        )

    def _worded(self, place: int) -> int:
        if not is_grapheme_boundary(self._held, place) or not self._held[:place].strip():
            return 0
        return place
