"""Quotes other people's words so that they cannot end the quotation: data for a model, never instructions.

A fence opens with ``<<<mark`` and closes with ``mark>>>``. Marks come from a key that no speaker sees, one for each
place, and none is taken that stands in the text; so nothing inside can close the fence, guessed or not.
"""

import hashlib
import json
from collections.abc import Iterable

__all__ = ["fence", "fence_mark", "fenced_records"]

MARK_BYTES = 5


def fence_mark(key: bytes, place: str, text: str) -> str:
    """Return the mark for ``text`` at ``place``: always the same one, and none that ``text`` holds in any case."""
    folded = text.casefold()
    attempt = 0
    while True:
        source = f"{place}/{attempt}".encode()
        mark = hashlib.blake2s(source, key=key, digest_size=MARK_BYTES).hexdigest()
        if mark not in folded:
            return mark
        attempt += 1


def fence(key: bytes, place: str, label: str, text: str) -> str:
    """Return ``text`` as it is between its fence's lines; ``label`` says on the opening line what it is."""
    label = " ".join(label.split())
    mark = fence_mark(key, place, f"{label}\n{text}")
    return f"<<<{mark} {label}\n{text}\n{mark}>>>"


def fenced_records(key: bytes, place: str, label: str, records: Iterable[dict[str, str]]) -> str:
    """Return records as lines of JSON between a fence's lines; no value can begin a line of its own."""
    lines = (json.dumps(record, ensure_ascii=False) for record in records)
    return fence(key, place, label, "\n".join(map(_one_line, lines)))


def _one_line(quoted: str) -> str:
    """Escape what JSON leaves as it is and some readers take for the end of a line, or for nothing at all."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in quoted)
