"""Makes a model's text fit to be logged and aired: whole characters, no control characters, bounded pieces. Sans-I/O.

Graphemes are kept whole by pacing, which sees the text last; here only what is no text at all is held back or replaced.
"""

import re
from collections.abc import Iterator

__all__ = ["PIECE_CHARS", "TextCleaner", "pieces"]

PIECE_CHARS = 2048
"""Longest delta that we pass on: 8 KiB in UTF-8 at worst. Some servers send a whole reply of megabytes as one."""

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")


class TextCleaner:
    """Drops control characters but for newline and tab, and puts cut characters together.

    Servers that cut JSON strings at UTF-16 units send one character as two halves, in two deltas: the first half waits
    for the second, and one that stays alone becomes U+FFFD.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held, text = text[-1], text[:-1]
        return _clean(text)

    def flush(self) -> str:
        """Return what was held back."""
        held, self._held = self._held, ""
        return _clean(held)


def pieces(text: str) -> Iterator[str]:
    """Cut text into pieces of at most ``PIECE_CHARS``; joined they are the text, empty text has none."""
    for start in range(0, len(text), PIECE_CHARS):
        yield text[start : start + PIECE_CHARS]


def _clean(text: str) -> str:
    if _SURROGATES.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _CONTROLS.sub("", text)
