"""What the stage counts, and how Prometheus gets to see it.

Counting is plain integers, which the fan-out can afford; the Prometheus library is loaded when somebody scrapes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["CONTENT_TYPE", "Counters", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "debate_caster_stage"


@dataclass(slots=True)
class Counters:
    """Totals since the stage was opened."""

    events_aired: int = 0
    deliveries: int = 0
    viewers_cut: int = 0
    log_failures: int = 0
    agent_frames_refused: int = 0
    hints: Counter[str] = field(default_factory=Counter)
    """By what became of them: received, refused, queued, used, declined, expired."""
    votes: Counter[str] = field(default_factory=Counter)
    """By what became of them: taken, or refused and why."""


_HELP = {
    "events_aired": "Public events written to the air log",
    "deliveries": "Events handed to viewers' sockets",
    "viewers_cut": "Viewers hung up on because they did not read",
    "log_failures": "Attempts to write the air log that failed",
    "agent_frames_refused": "Frames of agents that were answered with an error or a warning",
}


class _Collector:
    def __init__(self, counters: Counters, gauges: Mapping[str, Mapping[str, int]]) -> None:
        self._counters, self._gauges = counters, gauges

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name, words in _HELP.items():
            yield CounterMetricFamily(f"{PREFIX}_{name}", words, value=getattr(self._counters, name))
        hints = CounterMetricFamily(f"{PREFIX}_hints", "Viewers' hints by what became of them", labels=["fate"])
        for fate, count in sorted(self._counters.hints.items()):
            hints.add_metric([fate], count)
        yield hints
        votes = CounterMetricFamily(f"{PREFIX}_votes", "Viewers' votes by what became of them", labels=["fate"])
        for fate, count in sorted(self._counters.votes.items()):
            votes.add_metric([fate], count)
        yield votes
        for name, values in self._gauges.items():
            gauge = GaugeMetricFamily(f"{PREFIX}_{name}", f"{name.capitalize()} right now", labels=["state"])
            for state, count in values.items():
                gauge.add_metric([state], count)
            yield gauge


def render(counters: Counters, gauges: Mapping[str, Mapping[str, int]]) -> bytes:
    """Return the text exposition; ``gauges`` are ``{"viewers": {"websocket": 3}}`` and the like."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(counters, gauges))
    return generate_latest(registry)
