"""Whose turn it is among choices, by what was chosen before: none twice until all have had theirs. Pure.

It follows from the past alone and not from a number, so that an author may change the choices in mid-season.
"""

from collections.abc import Iterable, Sequence
from random import Random

__all__ = ["Rotation", "next_choice"]


class Rotation:
    """Whose turn it is, while choices are taken one after the other.

    Args:
        choices: In the order in which they have their turns; different, and at least one.
        seed: Shuffles the choices, anew each time all have been used; None leaves them in order.
    """

    def __init__(self, choices: Sequence[str], *, seed: int | None = None) -> None:
        self._choices, self._seed = list(choices), seed
        self._used: set[str] = set()
        self._last = ""
        self._rounds = 0
        self._order = self._shuffled()

    @property
    def next(self) -> str:
        """The next choice; not the last one again, where there is another."""
        unused = [choice for choice in self._order if choice not in self._used]
        return next((choice for choice in unused if choice != self._last), unused[0])

    def take(self, choice: str) -> None:
        """Take one for chosen, in its turn or not; one that is none of the choices does not count."""
        if choice not in self._choices:
            return
        if choice in self._used:  # a round ended before one of these choices was added
            self._begin_round()
        self._used.add(choice)
        self._last = choice
        if len(self._used) == len(self._choices):
            self._begin_round()

    def _begin_round(self) -> None:
        self._used, self._rounds = set(), self._rounds + 1
        self._order = self._shuffled()

    def _shuffled(self) -> list[str]:
        order = list(self._choices)
        if self._seed is not None:
            # An order that can be told beforehand, and no secret.
            Random(f"{self._seed}/{self._rounds}").shuffle(order)  # noqa: S311
        return order


def next_choice(choices: Sequence[str], past: Iterable[str], *, seed: int | None = None) -> str:
    """Return the next of ``choices`` after ``past``, oldest first; see ``Rotation``."""
    rotation = Rotation(choices, seed=seed)
    for choice in past:
        rotation.take(choice)
    return rotation.next
