"""Makes strangers' text fit to be shown and logged: one printable line, and none of the words that are not wanted."""

import unicodedata
from collections.abc import Iterable
from itertools import groupby

import regex  # type: ignore[import-untyped]  # comes without types

from debate_caster.pulsar.text import GRAPHEME

__all__ = ["WordFilter", "clean_line", "normalized"]

_CONTROL = regex.compile(r"[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}--[\s\u200c\u200d]]", regex.V1)
_JOINER = regex.compile(
    r"(?<![\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])[\u200c\u200d]"
    r"|[\u200c\u200d](?![\p{L}\p{Extended_Pictographic}])"
)
_BLANK = regex.compile(r"[\s\p{Z}]+")
_UNSEEN = regex.compile(r"(?<=\p{Script=Latin})\p{Mn}++|[\p{Default_Ignorable_Code_Point}\p{Cf}]")
"""What stands in a word without being read in it: joiners, and marks that make no letter with a Latin one, all that
stand behind it at once."""
_MARKS = regex.compile(r"[[^\p{ccc=0}]\u0f73\u0f75\u0f81\uff9e\uff9f]{32,}", regex.V1)
"""More marks on one letter than any language has; the five are made of marks only."""
_WITHOUT_SPACES = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


def clean_line(text: str, limit: int) -> str:
    """Return ``text`` as one line: NFKC, without control and format characters, blanks made one, cut to ``limit``.

    Joiners stay where scripts and emoji need them: between letters and between pictures.
    """
    text = normalized(text[: 4 * limit + 64])
    text = _JOINER.sub("", _CONTROL.sub("", text))
    text = _BLANK.sub(" ", text).strip()
    if len(text) <= limit:
        return text
    cut = 0
    for grapheme in GRAPHEME.finditer(text):
        if grapheme.end() > limit:
            break
        cut = grapheme.end()
    return text[:cut].rstrip()


class WordFilter:
    """Finds unwanted words: whole ones, in any case; in scripts without spaces, anywhere."""

    def __init__(self, words: Iterable[str]) -> None:
        patterns = []
        for word in words:
            plain = _folded(word).strip()
            if plain:
                escaped = regex.escape(plain, literal_spaces=True)
                patterns.append(escaped if _WITHOUT_SPACES.search(plain) else rf"(?<!\w){escaped}(?!\w)")
        self._pattern = regex.compile("|".join(patterns)) if patterns else None

    def finds(self, text: str) -> bool:
        return self._pattern is not None and self._pattern.search(_folded(text)) is not None


def _folded(text: str) -> str:
    # Composed first: the tilde of "año" belongs to a letter, a stroke through it does not.
    return normalized(_UNSEEN.sub("", normalized(text).casefold()))


def normalized(text: str) -> str:
    """Return ``text`` in NFKC.

    Marks are put in order beforehand where there are many on one letter: ``unicodedata`` needs the square of their
    number for that, and whoever writes the text may heap up as many as it has characters.
    """
    return unicodedata.normalize("NFKC", _MARKS.sub(_in_order, text))


def _in_order(found: "regex.Match[str]") -> str:
    apart = "".join(unicodedata.normalize("NFKD", mark) for mark in found[0])
    # Characters newer than Python's tables are none of its marks, and keep their places.
    runs = groupby(apart, key=lambda mark: unicodedata.combining(mark) == 0)
    return "".join("".join(sorted(run, key=unicodedata.combining)) for _, run in runs)
