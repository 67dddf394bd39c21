"""Shortens what was said long ago, without a model: deterministic, so that a prompt built twice is the same twice."""

from collections.abc import Sequence
from dataclasses import dataclass

from debate_caster.show.boundaries import Strength, boundaries
from debate_caster.show.measures import count_words
from debate_caster.show.transcript import Speech

__all__ = ["LINE_WORDS", "RecapLine", "recap", "shortened"]

LINE_WORDS = 28
"""Longest line of a recap: a sentence of debate prose has about 20 words."""


@dataclass(frozen=True, slots=True)
class RecapLine:
    """What is kept of one speech; ``left_out`` counts the speeches before it of which nothing is kept."""

    speaker: str
    text: str
    left_out: int = 0


def shortened(text: str, max_words: int = LINE_WORDS) -> str:
    """Return the first sentence of ``text`` in one line of at most ``max_words``; two where the first says little."""
    line = " ".join(text.split())
    ends = [boundary.place for boundary in boundaries(line) if boundary.strength is Strength.SENTENCE]
    for end in (*ends[:2], len(line)):
        if count_words(line[:end]) * 3 >= max_words or end == len(line):
            line = line[:end]
            break
    if count_words(line) <= max_words:
        return line
    kept = line.split()[:max_words]
    while kept and count_words(" ".join(kept)) > max_words and len(kept) > 1:
        kept.pop()
    short = " ".join(kept)
    if count_words(short) > max_words:  # one long run without spaces
        short = short[: max(len(short) * max_words // count_words(short), 1)]
    return f"{short}…"


def recap(speeches: Sequence[Speech], *, max_words: int) -> list[RecapLine]:
    """Return lines on ``speeches`` of at most about ``max_words`` words: each speaker's first one, and the latest."""
    lines = [(speech.speaker, shortened(speech.text)) for speech in speeches if speech.text]
    room = max_words
    kept: set[int] = set()
    first: dict[str, int] = {}
    for index, (speaker, _) in enumerate(lines):
        first.setdefault(speaker, index)
    for index in (*first.values(), *range(len(lines) - 1, -1, -1)):
        if index in kept:
            continue
        words = count_words(lines[index][1]) + 2
        if words > room:
            break
        kept.add(index)
        room -= words
    chosen = sorted(kept)
    before = [-1, *chosen]
    return [
        RecapLine(*lines[index], left_out=index - previous - 1) for previous, index in zip(before, chosen, strict=False)
    ]
