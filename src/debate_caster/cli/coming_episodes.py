"""What the coming episodes of the series are about, read from the annals when those have changed."""

from collections.abc import Iterator, Sequence
from itertools import islice

import structlog

from debate_caster.episodes.annals import Archive
from debate_caster.episodes.staging import coming_motions
from debate_caster.errors import SetupError
from debate_caster.scenario.script import Scenario

__all__ = ["ComingEpisodes"]

logger = structlog.get_logger()

AHEAD = 12
"""How many motions are foretold of a series; as many of its shows are billed at most."""


class ComingEpisodes:
    """Foretells the motions of series; a file that has not changed is not read again.

    Meant for who asks often: annals are small, and what is left is a look at the file's date.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._known: dict[str, tuple[Scenario, object, Sequence[str | None]]] = {}

    def motions(self, scenario: Scenario) -> Iterator[str]:
        """Yield the motions of the shows to come, as far as they are known; what is not known is the scenario's own."""
        if scenario.season is None:
            return
        state = self._archive.state(scenario.key)
        known = self._known.get(scenario.key)
        if known is None or known[0] is not scenario or known[1] != state:
            known = self._known[scenario.key] = (scenario, state, self._foretold(scenario))
        for motion in known[2]:
            yield motion or scenario.motion

    def _foretold(self, scenario: Scenario) -> Sequence[str | None]:
        try:
            annals = self._archive.read(scenario.key)
        except SetupError as exc:  # who gives the next episode will say so, too, and where it matters
            logger.warning("episodes_not_foretold", series=scenario.key, error=str(exc))
            return ()
        return [motion for _, motion in islice(coming_motions(scenario, annals), AHEAD)]
