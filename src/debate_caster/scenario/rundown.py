"""The rundown: all turns of a show in order, a pure function of its scenario."""

from dataclasses import dataclass
from typing import Literal

from debate_caster.scenario.script import Scenario, TurnKind

__all__ = ["Phase", "Rundown", "Turn", "plan"]


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase; ``turns`` are indices into the rundown's turns."""

    index: int
    key: str
    title: str
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. ``index`` counts from 0 over the whole show.

    ``speaker`` and ``addresses`` are agent ids (``addresses`` may be empty); ``opens`` says that no opponent has spoken
    before, so that nothing may ask for a rebuttal; ``max_words`` is where the speech is clipped.
    """

    index: int
    phase: int
    speaker: str
    side: str | None
    stance: Literal["for", "against", "neutral"]
    role: str
    kind: TurnKind
    max_words: int
    instruction: str
    addresses: str = ""
    opens: bool = False


@dataclass(frozen=True, slots=True)
class Rundown:
    """Phases and turns of a show."""

    phases: tuple[Phase, ...]
    turns: tuple[Turn, ...]


def plan(scenario: Scenario) -> Rundown:
    """Return the rundown. Pure and total: a loaded scenario always has one."""
    raise NotImplementedError(scenario)
