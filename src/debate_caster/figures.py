"""What a process counts about itself: totals, levels and spreads in plain numbers.

Whoever does something counts it; the stage shows it, without knowing what it means. Labels hold few values, whatever
scenarios and viewers write: a figure with more sets of labels than it may have counts the rest under ``OTHER``.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["MOST_SETS", "OTHER", "Figure", "Level", "Measured", "Spread", "Total"]

Labels = tuple[str, ...]

MOST_SETS = 200
"""How many sets of labels a figure has at most: a calendar of a hundred personas on two providers. Each is a series
that the operator's Prometheus keeps for weeks."""

OTHER = "other"
"""The value of every label of what came when there was no room for another set."""


class Total:
    """A number that only grows, for each set of labels one. ``known`` sets are shown from the beginning, as 0.

    ``name`` is without the ``_total`` that Prometheus puts behind it.
    """

    def __init__(
        self, name: str, words: str, labels: Sequence[str] = (), *, known: Iterable[Labels] = (), most: int = MOST_SETS
    ) -> None:
        self.name, self.words, self.labels = name, words, tuple(labels)
        self._most = most
        self._values = dict.fromkeys(known if self.labels else [()], 0.0)

    @property
    def values(self) -> Mapping[Labels, float]:
        return self._values

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Count ``amount`` more, which is not below 0."""
        place = _place(self._values, labels, self.labels, self._most)
        self._values[place] = self._values.get(place, 0.0) + amount


@dataclass(frozen=True, slots=True)
class Level:
    """A number that rises and falls: ``read`` says what it is, for each set of labels, when somebody looks."""

    name: str
    words: str
    labels: tuple[str, ...]
    read: Callable[[], Mapping[Labels, float]]

    @property
    def values(self) -> Mapping[Labels, float]:
        return self.read()


@dataclass(slots=True)
class Measured:
    """Values of one spread: how many lay up to each bound and above the one before, the last one above all, and sum."""

    counts: list[int]
    sum: float = 0.0


class Spread:
    """How values are spread, for each set of labels; ``bounds`` rise, and a value that equals one lies within it."""

    def __init__(
        self,
        name: str,
        words: str,
        bounds: Sequence[float],
        labels: Sequence[str] = (),
        *,
        known: Iterable[Labels] = (),
        most: int = MOST_SETS,
    ) -> None:
        self.name, self.words, self.bounds, self.labels = name, words, tuple(bounds), tuple(labels)
        self._most = most
        self._values = {place: self._none() for place in (known if self.labels else [()])}

    @property
    def values(self) -> Mapping[Labels, Measured]:
        return self._values

    def note(self, value: float, *labels: str) -> None:
        place = _place(self._values, labels, self.labels, self._most)
        measured = self._values.setdefault(place, self._none())
        measured.counts[bisect_left(self.bounds, value)] += 1
        measured.sum += value

    def _none(self) -> Measured:
        return Measured([0] * (len(self.bounds) + 1))


Figure = Total | Level | Spread


def _place(values: Mapping[Labels, object], labels: Labels, names: Labels, most: int) -> Labels:
    """Return the set under which something counts."""
    if len(labels) != len(names):
        raise ValueError(f"labels {names} can't be {labels}")
    return labels if labels in values or len(values) < most else (OTHER,) * len(names)
