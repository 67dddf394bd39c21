"""How long to wait before the next attempt."""

from random import Random

__all__ = ["Backoff"]


class Backoff:
    """``first_s`` doubling to ``longest_s``, each a quarter more or less, so that many don't return at once."""

    def __init__(self, random: Random, *, first_s: float, longest_s: float) -> None:
        self._random, self._first_s, self._longest_s = random, first_s, longest_s
        self._next_s = first_s

    def next_s(self) -> float:
        """Return the next wait in seconds, never above ``longest_s``."""
        wait_s = self._next_s * self._random.uniform(0.75, 1.25)
        self._next_s = min(self._next_s * 2, self._longest_s)
        return min(wait_s, self._longest_s)

    def reset(self) -> None:
        """Start over: the last attempt went well."""
        self._next_s = self._first_s
