"""What a target counted in the audience's votes, on its way to the show."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["VoteTaker"]


class VoteTaker(Protocol):
    """Who wants to know of votes. Several connections to one target may say the same."""

    def takes_votes(self, target: str) -> None:
        """Note that viewers can vote on the target; called each time an agent goes on air there."""
        ...

    async def count(self, target: str, vote: str, counts: Mapping[str, int]) -> None:
        """Take in how many votes each choice got in a vote that is closed."""
        ...
