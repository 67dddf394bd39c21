"""How long before its turn a model is asked: what it needed for its first sentence until now."""

import math
from collections import deque

from debate_caster.scenario.script import Pacing

__all__ = ["LeadTimes"]

OBSERVATIONS = 50
"""How many turns of a model are remembered: enough for a 95th percentile, few enough to follow a busy evening."""

MARGIN = 1.1
MARGIN_S = 0.1
"""On top of the percentile, since what was seen is never the worst to come."""


class LeadTimes:
    """For each model the 95th percentile of its time to the first sentence, within the scenario's bounds.

    A model not heard yet gets the longest lead: dead air is worse than a hint that waits for the next turn.
    """

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._seen: dict[str, deque[float]] = {}

    def note(self, model: str, first_sentence_s: float) -> None:
        """Take note of one reply's time from the call to its first chunk, in seconds."""
        self._seen.setdefault(model, deque(maxlen=OBSERVATIONS)).append(first_sentence_s)

    def lead_s(self, model: str) -> float:
        """Return the lead for the model's next turn, in seconds."""
        seen = sorted(self._seen.get(model, ()))
        if not seen:
            return self._pacing.lead_max_s
        percentile = seen[math.ceil(0.95 * len(seen)) - 1]
        return min(max(percentile * MARGIN + MARGIN_S, self._pacing.lead_min_s), self._pacing.lead_max_s)
