"""What the stage counts, and how Prometheus gets to see it, together with what others in the process count.

Counting is plain integers, which the fan-out can afford; the Prometheus library is loaded when somebody scrapes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, assert_never

from debate_caster.clock import Clock
from debate_caster.figures import Figure, Level, Spread, Total

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["CONTENT_TYPE", "Counters", "LoopLag", "render", "state_level"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "debate_caster_stage"

HINT_FATES = (
    "received", "waiting", "queued", "used", "declined", "expired",
    "refused_closed", "refused_empty", "refused_too_long", "refused_too_fast", "refused_bad_request",
)  # fmt: skip
VOTE_FATES = (
    "taken", "refused_bad_request", "refused_no_vote", "refused_vote_closed", "refused_bad_choice", "refused_too_fast",
    "refused_full",
)  # fmt: skip

LOOK_EVERY_S = 0.5
"""How often the event loop's lag is looked at: one that stands still for so long is always noticed, and looking costs
less than a thousandth of a core."""

LAG_BOUNDS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def _none_yet(fates: Iterable[str]) -> Counter[str]:
    return Counter(dict.fromkeys(fates, 0))


@dataclass(slots=True)
class Counters:
    """Totals since the stage was opened."""

    events_aired: int = 0
    deliveries: int = 0
    viewers_cut: int = 0
    log_failures: int = 0
    agent_frames_refused: int = 0
    agent_frames_dropped: int = 0
    hints: Counter[str] = field(default_factory=lambda: _none_yet(HINT_FATES))
    """By what became of them: received, refused and why, waiting for the producer, queued, used, declined, expired."""
    votes: Counter[str] = field(default_factory=lambda: _none_yet(VOTE_FATES))
    """By what became of them: taken, or refused and why."""

    def figures(self) -> list[Figure]:
        """Return them as they are now."""
        return [
            *(_total(name, words, {(): getattr(self, name)}) for name, words in _PLAIN.items()),
            *(_total(name, words, _by_fate(getattr(self, name)), "fate") for name, words in _FATES.items()),
        ]


_PLAIN = {
    "events_aired": "Public events written to the air log",
    "deliveries": "Events handed to viewers' sockets",
    "viewers_cut": "Viewers hung up on because they did not read",
    "log_failures": "Attempts to write the air log that failed",
    "agent_frames_refused": "Frames of agents that were answered with an error or a warning",
    "agent_frames_dropped": "Frames of agents that came too fast and were dropped",
}
_FATES = {
    "hints": "Viewers' hints by what became of them",
    "votes": "Viewers' votes by what became of them",
}


def _total(name: str, words: str, values: Mapping[tuple[str, ...], int], *labels: str) -> Total:
    total = Total(f"{PREFIX}_{name}", words, labels)
    for place, value in values.items():
        total.add(*place, amount=value)
    return total


def _by_fate(counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(fate,): count for fate, count in counts.items()}


def state_level(name: str, words: str, read: Callable[[], Mapping[str, int]]) -> Level:
    """Return how many of the stage's ``name`` are in each state, as ``read`` says it."""
    return Level(f"{PREFIX}_{name}", words, ("state",), lambda: {(state,): count for state, count in read().items()})


class LoopLag:
    """How late the event loop does what is due, which is how late everything else is at least."""

    def __init__(self, clock: Clock) -> None:
        self.spread = Spread(
            "debate_caster_event_loop_lag_seconds", "How late the event loop does what is due", LAG_BOUNDS_S
        )
        self._clock = clock

    async def feel(self) -> None:
        """Look at it for ever."""
        while True:
            due = self._clock.monotonic() + LOOK_EVERY_S
            await self._clock.sleep_until(due)
            self.spread.note(max(self._clock.monotonic() - due, 0.0))


def render(figures: Iterable[Figure]) -> bytes:
    """Return the text exposition."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(figures))
    return generate_latest(registry)


class _Collector:
    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = figures

    def collect(self) -> "Iterator[Metric]":
        yield from map(_family, self._figures)


def _family(figure: Figure) -> "Metric":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    match figure:
        case Total():
            total = CounterMetricFamily(figure.name, figure.words, labels=figure.labels)
            for labels, value in sorted(figure.values.items()):
                total.add_metric(labels, value)
            return total
        case Level():
            level = GaugeMetricFamily(figure.name, figure.words, labels=figure.labels)
            for labels, value in sorted(figure.values.items()):
                level.add_metric(labels, value)
            return level
        case Spread():
            spread = HistogramMetricFamily(figure.name, figure.words, labels=figure.labels)
            bounds = [*map(str, figure.bounds), "+Inf"]
            for labels, measured in sorted(figure.values.items(), key=lambda item: item[0]):
                up_to = zip(bounds, accumulate(measured.counts), strict=True)
                spread.add_metric(labels, list(up_to), measured.sum)
            return spread
        case other:
            assert_never(other)
