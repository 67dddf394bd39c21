"""What an agent says when no model has a speech for it: a line of ``apologies.toml``, in the debate's language."""

import functools
import tomllib
from importlib.resources import files

__all__ = ["apology_for"]

STAND_IN = "en"
"""The language that stands in for those without a table."""


def apology_for(language: str, turn: int) -> str:
    """Return the apology of a turn in the language of a tag such as ``de-AT``; one turn's differs from the next one's.

    It names no peer, no model and no fault: viewers hear it.
    """
    tables = _tables()
    key = language.replace("_", "-").partition("-")[0].casefold()
    lines = tables.get(key, tables[STAND_IN])
    return lines[turn % len(lines)]


@functools.cache
def _tables() -> dict[str, tuple[str, ...]]:
    raw = files(__package__).joinpath("apologies.toml").read_text(encoding="utf-8")
    return {language: tuple(lines) for language, lines in tomllib.loads(raw).items()}
