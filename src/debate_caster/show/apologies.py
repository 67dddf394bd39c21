"""What an agent says when there is no speech for it to say: a line of ``apologies.toml``, in the debate's language."""

import functools
import tomllib
from importlib.resources import files
from typing import Literal, get_args

__all__ = ["Cause", "apology_for"]

STAND_IN = "en"
"""The language that stands in for those without a table."""

Cause = Literal["failed", "held_back", "ending"]
"""Every model failed, or what was said may not be aired; or the show ends for want of speeches."""


def apology_for(language: str, turn: int, cause: Cause = "failed") -> str:
    """Return the apology of a turn in the language of a tag such as ``de-AT``; one turn's differs from the next one's.

    It names no peer, no model and no fault: viewers hear it.
    """
    tables = _tables()
    key = language.replace("_", "-").partition("-")[0].casefold()
    lines = tables.get(key, tables[STAND_IN])[cause]
    return lines[turn % len(lines)]


@functools.cache
def _tables() -> dict[str, dict[Cause, tuple[str, ...]]]:
    raw = tomllib.loads(files(__package__).joinpath("apologies.toml").read_text(encoding="utf-8"))
    return {language: {cause: tuple(causes[cause]) for cause in get_args(Cause)} for language, causes in raw.items()}
