"""What is worth saying about a scenario in which nothing is wrong."""

from collections.abc import Iterator

from debate_caster.llm.phrasebook import LANGUAGES, has_phrasebook
from debate_caster.scenario import Scenario

__all__ = ["remarks_on"]


def remarks_on(scenario: Scenario, *, everybody_rehearses: bool = False) -> Iterator[str]:
    """Yield remarks for whoever is about to perform it; ``everybody_rehearses`` puts real models out of the picture."""
    casting = {agent.model for agent in scenario.agents}
    rehearsing = everybody_rehearses or any(scenario.models[name].provider == "rehearsal" for name in casting)
    if rehearsing and not has_phrasebook(scenario.language):
        known = ", ".join(LANGUAGES)
        yield f"the rehearsal model speaks {known}, but not {scenario.language!r}: it will speak English"
