"""What a room that goes on from an earlier one says first: ``continuations.toml``, in the debate's language."""

import functools
import tomllib
from importlib.resources import files

from debate_caster.show.events import AgentCast, ShowStarted

__all__ = ["continuation_of"]

STAND_IN = "en"
"""The language that stands in for those without a table."""


def continuation_of(started: ShowStarted, *, turn: int, ended: bool) -> str:
    """Return a line that says what the debate is and where it stands; ``turn`` counts from 1, 0 is before the first.

    It holds what the show's author wrote, and no word of a viewer or a model's speech.
    """
    words = _words(started.language)
    cast = ", ".join(_introduced(agent, words["moderator"]) for agent in started.agents)
    stand = "over" if ended else "turn" if turn else "before"
    return " ".join(
        (
            words["goes_on"],
            words["motion"].format(motion=_sentence(started.motion)),
            words["cast"].format(cast=cast),
            words[stand].format(turn=turn, turns=started.turns),
        )
    )


def _introduced(agent: AgentCast, moderator: str) -> str:
    part = moderator if agent.moderator else agent.side_title
    return f"{agent.name} ({part})" if part else agent.name


def _sentence(text: str) -> str:
    line = " ".join(text.split())
    return f"{line}." if line[-1:].isalnum() else line


def _words(language: str) -> dict[str, str]:
    tables = _tables()
    return tables.get(language.replace("_", "-").partition("-")[0].casefold(), tables[STAND_IN])


@functools.cache
def _tables() -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__package__).joinpath("continuations.toml").read_text(encoding="utf-8"))
