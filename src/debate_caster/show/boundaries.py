"""Where text may be cut: after sentences, clauses, words and graphemes, by Unicode properties and not by language.

A place is the index of the character that the next piece begins with. White space leads the piece behind it, so that a
sentence can be let go as soon as the space after it is there, and no piece ends in blanks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import regex  # type: ignore[import-untyped]  # comes without types

from debate_caster.pulsar.text import GRAPHEME

__all__ = [
    "Boundary",
    "Strength",
    "boundaries",
    "ends_sentence",
    "grapheme_boundaries",
    "is_grapheme_boundary",
    "last_grapheme_boundary",
    "last_space",
    "spaces",
]


class Strength(IntEnum):
    """How good a place is to pause at."""

    CLAUSE = 1
    SENTENCE = 2


@dataclass(frozen=True, slots=True)
class Boundary:
    """A place where a pause is natural."""

    place: int
    strength: Strength


TITLES = (
    " abs apt approx art ca bzw cf co col dipl dott dr dra eds etc ex fig fr gen gov hon ing inc jr lt ltd mag med mlle"
    " mm mme mr mrs ms mt nos nr op pag pp prof ref rep rev sen sig sr sra srta st str tab usw vgl vol vs zb "
)
"""Abbreviations that stand before a name or a number in the languages written with Latin letters. One that is missing
costs an early pause, no more."""

LONGEST_ORDINAL = 2
"""A number of up to so many digits before a full stop may be an ordinal ("3. Oktober") or count a list ("1. First")."""

_CLOSE = r"[\p{SB=CL}*_]*+"
_CANDIDATE = regex.compile(
    rf"""
      (?P<line>(?<!\s)\s*\n)
    | (?P<wide>[\p{{SB=ST}}--[!?]]+[!?]*{_CLOSE})                  # CJK, Arabic, Devanagari...: no space needed
    | (?P<mark>(?=\.*+[!?\u2026])[.!?\u2026]++{_CLOSE})(?=\s)      # the dots are an ellipsis
    | (?P<stop>\.++{_CLOSE})(?=\s)
    | [.!?\u2026]++                                              # ends nothing, and neither does any end of it
    | (?P<comma>[\p{{SB=SC}}--[\-\u2013\u2014,;:]]+{_CLOSE})      # CJK and Arabic commas, colons, semicolons
    | (?P<dash>\u2014)(?=[^\u2014])                              # an em dash; an en dash only before a space
    | (?P<clause>[,;:\u2013]{_CLOSE})(?=\s)
    """,
    regex.VERBOSE | regex.V1,
)
"""Models write what they like, thousands of exclamation marks too: each run of characters is looked at once, from its
beginning, and not again from every character in it."""

_TOKEN = regex.compile(r"[\p{L}\p{M}\p{N}.'\u2019]+$")
_SPACE = regex.compile(r"\s+")
LONGEST_ABBREVIATION = 16


def boundaries(text: str) -> Iterator[Boundary]:
    """Yield the natural places of ``text`` that more text cannot undo, in order; neither its start nor its end."""
    for found in _CANDIDATE.finditer(text):
        kind, place = found.lastgroup, found.end()
        if kind is None:
            continue
        if kind == "line":
            place = found.start()
        if not 0 < place < len(text):
            continue
        if kind == "stop" and found[0].startswith(".") and found[0][1:2] != "." and _abbreviated(text, found.start()):
            continue
        yield Boundary(place, Strength.CLAUSE if kind in {"comma", "dash", "clause"} else Strength.SENTENCE)


def is_grapheme_boundary(text: str, place: int) -> bool:
    """Whether a cut at ``place`` leaves graphemes whole; ``text`` must begin with a whole one."""
    return any(found.end() == place for found in GRAPHEME.finditer(text, endpos=place + 1))


def grapheme_boundaries(text: str, limit: int) -> set[int]:
    """Return every place up to ``limit`` where a cut leaves graphemes whole; ``text`` must begin with a whole one."""
    return {found.end() for found in GRAPHEME.finditer(text, endpos=limit + 1) if found.end() <= limit}


def last_grapheme_boundary(text: str, limit: int) -> int:
    """Return the last place up to ``limit`` that leaves graphemes whole; 0 where the first one is longer."""
    last = 0
    for found in GRAPHEME.finditer(text, endpos=limit + 1):
        if found.end() > limit:
            break
        last = found.end()
    return last


def last_space(text: str, limit: int) -> int:
    """Return the place before the last white space up to ``limit``, 0 where there is none behind the first word."""
    return next(reversed(spaces(text, limit)), 0)


def spaces(text: str, limit: int) -> list[int]:
    """Return the places before white space up to ``limit``, in order."""
    return [found.start() for found in _SPACE.finditer(text, endpos=limit + 1)]


def _abbreviated(text: str, stop: int) -> bool:
    """Whether the full stop at ``stop`` belongs to what precedes it: ``e.g.``, ``J.``, ``Dr.``, ``3.``."""
    token = _TOKEN.search(text, max(0, stop - LONGEST_ABBREVIATION), stop)
    if token is None:
        return False
    word = token[0]
    if word.isdecimal():
        return len(word) <= LONGEST_ORDINAL
    return (
        (len(word) == 1 and word.isalpha() and word != "I") or "." in word.strip(".") or f" {word.lower()} " in TITLES
    )


def ends_sentence(text: str) -> bool:
    """Whether the last thing said in ``text`` is the end of a sentence."""
    text = text.rstrip()
    probe = f"{text} X"
    return any(found.place == len(text) and found.strength is Strength.SENTENCE for found in boundaries(probe))
