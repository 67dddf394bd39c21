"""Lengths as Pulsar counts them, and cutting text without breaking what a reader sees as one character.

Pulsar's limits are UTF-16 code units (its servers are written in JavaScript) and its servers cut wherever the limit
falls, even inside a surrogate pair. Whoever sends cuts first, and at the end of a grapheme.
"""

import regex  # type: ignore[import-untyped]  # the package ships no types

__all__ = [
    "CHAT_LIMIT",
    "DUPLICATE_PREFIX",
    "GRAPHEME",
    "NAME_LIMIT",
    "TEXT_LIMIT",
    "TITLE_LIMIT",
    "split_text",
    "starts_alike",
    "truncate",
    "utf16_length",
    "without_surrogates",
]

TEXT_LIMIT = 4000
"""Longest ``stream_text.text``, in UTF-16 units (v2 cuts there; v1 has no limit)."""

CHAT_LIMIT = 1000
"""Longest ``stream_chat.text``, in UTF-16 units (v2 cuts there)."""

TITLE_LIMIT = 200
"""Longest title, in UTF-16 units (both servers cut there)."""

NAME_LIMIT = 60
"""Longest agent name, in UTF-16 units (v2 cuts there)."""

DUPLICATE_PREFIX = 100
"""Two lines that agree in this many UTF-16 units count as one, when they come within 5 s of each other."""

GRAPHEME = regex.compile(r"\p{Regional_Indicator}{2}(?![\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}])|\X")
"""What a reader sees as one character, to be looked for from the beginning of a text or behind another one.

It is ``\\X``, which for each flag counts the flags before it: they are taken one by one instead.
"""

_SURROGATE = regex.compile("[\ud800-\udfff]")
_SENTENCE_END = regex.compile(
    r"""[.!?…][\p{Pe}\p{Pf}'"]*\s+"""  # a full stop may also stand in a number: only with space after it
    r"""|(?![.!?])\p{Sentence_Terminal}[\p{Pe}\p{Pf}'"]*\s*"""  # scripts that write no space
    r"""|\n+"""
)
_SPACE = regex.compile(r"\s+")


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 code units; a lone surrogate counts as one."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def without_surrogates(text: str) -> str:
    """Return the text with every lone surrogate replaced by U+FFFD, so that it has a UTF-8 form."""
    try:
        text.encode()  # nearly every text has its UTF-8 form already, and this tells in a tenth of the time
    except UnicodeEncodeError:
        return str(_SURROGATE.sub("\ufffd", text))
    return text


def truncate(text: str, limit: int) -> str:
    """Return the longest start of ``text`` that has at most ``limit`` UTF-16 units and ends with a whole grapheme.

    A single grapheme above the limit (hundreds of combining marks on one letter) is cut between code points instead.
    """
    if utf16_length(text) <= limit:
        return text
    end, used = 0, 0
    for grapheme in GRAPHEME.finditer(text):
        used += utf16_length(grapheme.group())
        if used > limit:
            break
        end = grapheme.end()
    return text[:end] if end else _truncate_code_points(text, limit)


def split_text(text: str, limit: int) -> list[str]:
    """Split ``text`` into pieces of at most ``limit`` UTF-16 units; joined they are ``text`` again, byte for byte.

    A piece ends after a sentence if one ends in its second half, otherwise after a space, otherwise after a grapheme.
    """
    if limit < 2:
        raise ValueError(f"no surrogate pair fits into {limit}")
    pieces = []
    while utf16_length(text) > limit:
        start = truncate(text, limit)
        cut = _last_end(_SENTENCE_END, start) or _last_end(_SPACE, start) or len(start)
        pieces.append(text[:cut])
        text = text[cut:]
    if text or not pieces:
        pieces.append(text)
    return pieces


def starts_alike(one: str, other: str) -> bool:
    """Whether a Pulsar server would take ``other`` for a repetition of ``one``."""
    return _prefix(one) == _prefix(other)


def _prefix(text: str) -> bytes:
    head = text[:DUPLICATE_PREFIX]  # no character has less than one unit
    return head.encode("utf-16-le", "surrogatepass")[: DUPLICATE_PREFIX * 2]


def _last_end(pattern: "regex.Pattern[str]", text: str) -> int:
    """Return where the last match in the second half of ``text`` ends with a whole grapheme, 0 without one."""
    half = len(text) // 2
    graphemes = {grapheme.end() for grapheme in GRAPHEME.finditer(text)}
    ends = (match.end() for match in pattern.finditer(text, half))
    return max((end for end in ends if end > half and end in graphemes), default=0)


def _truncate_code_points(text: str, limit: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += utf16_length(character)
        if used > limit:
            return text[:index]
    return text
