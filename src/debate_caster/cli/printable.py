"""What may reach a terminal: text without anything that steers it, and how wide the rest is.

Models and viewers write what they like; a terminal obeys some of it. Everything that is printed passes through
``printable``, and only our own colours are added afterwards.
"""

import json
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import regex  # type: ignore[import-untyped]  # comes without types

from debate_caster.pulsar.text import GRAPHEME

__all__ = ["display_width", "escaped", "json_line", "printable", "printable_line", "shortened", "wrapped"]

_ZERO_WIDTH_JOINER = "\u200d"
_EMOJI_PRESENTATION = "\ufe0f"
_FLAG = regex.compile(r"\p{Regional_Indicator}{2}")
_NOT_PRINTED = frozenset({"Cc", "Cf", "Cs", "Co"})
"""Controls (C0 and C1), format characters (bidirectional overrides, tags), lone surrogates, private use."""


class _Filter(dict[int, str | int | None]):
    """A table for ``str.translate`` that decides about a character when it is first met."""

    def __missing__(self, code: int) -> str | int | None:
        verdict = _verdict(chr(code))
        if len(self) < 4096:  # enough for any language's letters; a flood of strange characters costs time, not memory
            self[code] = verdict
        return verdict


def _verdict(character: str) -> str | int | None:
    if character in "\n\t" or character == _ZERO_WIDTH_JOINER:
        return ord(character)
    category = unicodedata.category(character)
    if category in ("Zl", "Zp"):
        return "\n"
    noncharacter = ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF
    return None if category in _NOT_PRINTED or noncharacter else ord(character)


_filter = _Filter()


def printable(text: str) -> str:
    """Return ``text`` without what steers a terminal or hides words; newlines, tabs and joined emoji stay.

    Takes out by character, never by sequence: of ``ESC [ 31 m`` the harmless ``[31m`` is left to see.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.replace("\r\n", "\n").translate(_filter)


def printable_line(text: str) -> str:
    """Return ``text`` as one line: printable, with every run of white space made one space."""
    return " ".join(printable(text).split())


_ESCAPED = _NOT_PRINTED | {"Zl", "Zp"}


def escaped(text: str) -> str:
    """Return ``text`` with everything that is not plainly visible written out as Python would: nothing is lost."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if unicodedata.category(character) not in _ESCAPED else ascii(character)[1:-1] for character in text
    )


def json_line(value: object) -> str:
    r"""Return ``value`` as one line of JSON that a terminal shows as it is: what would steer it is ``\u`` escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        json.dumps(character)[1:-1] if unicodedata.category(character) in _ESCAPED else character for character in text
    )


@lru_cache(maxsize=4096)
def _grapheme_width(grapheme: str) -> int:
    if grapheme == "\t":
        return 4
    if _EMOJI_PRESENTATION in grapheme or _FLAG.fullmatch(grapheme):
        return max(2, sum(_character_width(character) for character in grapheme))
    return sum(_character_width(character) for character in grapheme)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0  # marks, and the vowels and finals that join a Korean syllable
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def display_width(text: str) -> int:
    """Return how many terminal columns ``text`` takes at most: two for wide East Asian characters and emoji.

    Some terminals show joined emoji as one picture and others one after another: those are counted.
    """
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(_grapheme_width(grapheme) for grapheme in GRAPHEME.findall(text))


def shortened(text: str, width: int) -> str:
    """Return ``text`` cut to ``width`` columns, with an ellipsis where something is missing."""
    if display_width(text) <= width:
        return text
    kept, used = [], 0
    for grapheme in GRAPHEME.findall(text):
        used += _grapheme_width(grapheme)
        if used > width - 1:
            break
        kept.append(grapheme)
    return "".join(kept).rstrip() + "…" if width > 0 else ""


def wrapped(text: str, width: int) -> list[str]:
    """Return ``text`` as lines of at most ``width`` columns (at least 2): broken at spaces, or where a script has none.

    Spaces at a break are taken out; a word longer than a line is broken between graphemes.
    """
    return [line for paragraph in text.split("\n") for line in _wrapped_paragraph(paragraph, max(width, 2))]


def _wrapped_paragraph(paragraph: str, width: int) -> list[str]:
    lines: list[str] = []
    line, used = "", 0
    for piece, blank in _pieces(paragraph.replace("\t", "    ")):
        wide = display_width(piece)
        if used + wide <= width:
            line, used = line + piece, used + wide
            continue
        if blank:
            continue  # the break takes its place
        if line.strip():
            lines.append(line.rstrip())
            line, used = "", 0
        for grapheme in GRAPHEME.findall(piece):
            wide = _grapheme_width(grapheme)
            if used + wide > width and line:
                lines.append(line)
                line, used = "", 0
            line, used = line + grapheme, used + wide
    lines.append(line.rstrip())
    return lines


def _pieces(paragraph: str) -> Iterator[tuple[str, bool]]:
    """Split into spaces, words, and single wide characters, between which a line may break."""
    word = ""
    for grapheme in GRAPHEME.findall(paragraph):
        blank = grapheme == " "
        wide = not blank and unicodedata.east_asian_width(grapheme[0]) in "WF"
        closes = wide and unicodedata.category(grapheme[0]) in ("Po", "Pe", "Pf")
        if word and closes:
            word += grapheme  # no line begins with a full stop or a closing bracket
            continue
        if word and (blank or wide):
            yield word, False
            word = ""
        if blank:
            yield grapheme, True
        elif wide:
            if word:
                yield word, False
            word = grapheme
        else:
            if word and unicodedata.east_asian_width(word[0]) in "WF":
                yield word, False
                word = ""
            word += grapheme
    if word:
        yield word, False
