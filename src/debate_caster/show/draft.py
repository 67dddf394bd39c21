"""A speech while it is made: text in, chunks out, clipped at its limit. Sans-I/O."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Literal

import regex  # type: ignore[import-untyped]  # comes without types

from debate_caster.scenario.script import Pacing
from debate_caster.show.boundaries import Strength, boundaries, ends_sentence, last_grapheme_boundary, spaces
from debate_caster.show.chunking import Chunker
from debate_caster.show.measures import WordCount, count_words, has_words

__all__ = ["Draft"]

UNITS_PER_WORD = 16
"""Characters of a speech for each word it may have, at most: more than twice the mean of any language. It bounds text
that has no words to count."""

BLANKS = 3
"""Longest run of white space kept."""

_BLANKS = regex.compile(rf"\s{{{BLANKS + 1},}}")


class Draft:
    """One attempt at a speech of at most ``max_words`` words.

    Chunks may be taken while text still comes in. The speech is the chunks joined: leading and trailing blanks of the
    reply are not in it. A clip drops chunks that have not been taken; those that were taken stand.
    """

    def __init__(self, max_words: int, pacing: Pacing) -> None:
        self._max_words = max_words
        self._chunker = Chunker.of(pacing)
        self._pacing = pacing
        self._text = ""
        self._count = WordCount()
        self._chunks: list[str] = []
        self._blank = ""
        self._taken = 0
        self.how: Literal["completed", "clipped", "aborted"] | None = None

    @property
    def text(self) -> str:
        """The speech as far as it is known; final once ``how`` is set."""
        return "".join(self._chunks) if self.how else self._text

    @property
    def chunks(self) -> tuple[str, ...]:
        """The chunks so far; those not yet taken may still go when the speech is clipped."""
        return tuple(self._chunks)

    @property
    def taken(self) -> int:
        """How many chunks are on air, or about to be: no way back from there."""
        return self._taken

    def take(self) -> str | None:
        """Return the next chunk and hold it for aired, None where there is none at present."""
        if self._taken >= len(self._chunks):
            return None
        self._taken += 1
        return self._chunks[self._taken - 1]

    def feed(self, text: str) -> bool:
        """Take more text; return whether there is room for still more."""
        if self.how is not None:
            return False
        text = self._squeezed(text)
        self._text += text
        self._count.add(text)
        self._add(self._chunker.feed(text))
        if not self._too_long():
            return True
        self._clip()
        return False

    def finish(self) -> None:
        """The model has ended its reply by itself."""
        self._end("completed")

    def truncate(self) -> None:
        """The model ran into its own limit: the speech ends with its last whole sentence."""
        if ends_sentence(self._text):
            self._end("clipped")
        else:
            self._clip()

    def abort(self) -> None:
        """No more text will come: the whole sentences that there are stand, what was begun behind them does not."""
        if self.how is None:
            self._trim(self._best_place(self._max_words), "aborted")

    def drop(self, place: int) -> None:
        """End the speech before one of its chunks, which may not be aired; none that was taken goes."""
        del self._chunks[max(place, self._taken) :]
        self.how = "aborted"

    def cut(self) -> None:
        """End the speech with the last chunk that was taken."""
        del self._chunks[self._taken :]
        self.how = "clipped"

    def _end(self, how: Literal["completed", "clipped"]) -> None:
        if self.how is None:
            self._add(self._chunker.flush())
            self.how = how

    def _add(self, chunks: Iterable[str]) -> None:
        for chunk in chunks:
            if has_words(chunk):
                self._chunks.append(self._blank + chunk)
                self._blank = ""
            else:
                self._blank += chunk

    def _squeezed(self, text: str) -> str:
        text = _BLANKS.sub(lambda blanks: "\n\n" if "\n" in blanks[0] else " ", text)
        if not self._text:
            return text.lstrip()
        room = max(BLANKS - (len(self._text) - len(self._text.rstrip())), 0)
        start = len(text) - len(text.lstrip())
        return text[max(start - room, 0) :]

    def _too_long(self) -> bool:
        return len(self._text) > UNITS_PER_WORD * self._max_words or self._count.words > self._max_words

    def _clip(self) -> None:
        if self.how is None:
            self._trim(self._best_place(self._max_words) or self._any_place(self._max_words), "clipped")

    def _trim(self, place: int, how: Literal["clipped", "aborted"]) -> None:
        """End the speech at ``place``; chunks that were taken stand in any case."""
        self._add(self._chunker.flush())
        kept: list[str] = []
        start = 0
        for chunk in self._chunks:
            piece = chunk[: max(place - start, 0)]
            start += len(chunk)
            if len(kept) < self._taken:
                kept.append(chunk)
            elif has_words(piece):
                kept.append(piece)
        self._chunks, self._blank = kept, ""
        self.how = how

    def _best_place(self, max_words: int) -> int:
        """Return the end of the last whole sentence within the limit, or else of a clause, or of what was taken."""
        text = self._text
        stands = sum(map(len, self._chunks[: self._taken]))
        last: dict[Strength, int] = {}
        found = [boundary for boundary in boundaries(f"{text} X") if boundary.place <= UNITS_PER_WORD * max_words]
        # No beginning of a text has more words than a longer one, so that only a few of them need be counted.
        fitting = bisect_right(found, max_words, key=lambda boundary: count_words(text[: boundary.place]))
        for boundary in found[:fitting]:
            if boundary.place >= stands:
                last[boundary.strength] = boundary.place
        return last.get(Strength.SENTENCE) or last.get(Strength.CLAUSE) or stands

    def _any_place(self, max_words: int) -> int:
        """Return the end of the last word within the limit; in text without spaces of the last grapheme."""
        text = self._text
        limit = min(len(text), UNITS_PER_WORD * max_words)
        places = spaces(text, limit)
        if fitting := bisect_right(places, max_words, key=lambda place: count_words(text[:place])):
            return places[fitting - 1]
        limit = places[0] - 1 if places else limit
        while limit > 1 and count_words(text[:limit]) > max_words:
            limit = limit * max_words // count_words(text[:limit])
        return last_grapheme_boundary(text, limit) or limit
