"""What a feed is: it follows the show's log on behalf of one agent and says its part through an open session.

There are two: ``ShowFeed`` for a peer that knows shows, ``LineFeed`` for a Pulsar server. A feed outlives sessions: it
knows what has been delivered, and goes on there.
"""

from dataclasses import dataclass
from typing import Protocol

from debate_caster.broadcast.session import Session
from debate_caster.errors import BroadcastError
from debate_caster.pulsar.client import ClientMachine
from debate_caster.pulsar.replies import Reply

__all__ = ["Feed", "RoomLostError", "Tally"]


class RoomLostError(BroadcastError):
    """The server has ended the room, but knows the agent still: it takes a new one, on the same socket."""


@dataclass(slots=True)
class Tally:
    """Counts of one agent on one target: chunks of its own, and lines mirrored into others' rooms."""

    sent: int = 0
    delivered: int = 0
    mirrored: int = 0
    refused: int = 0


class Feed(Protocol):
    """What says an agent's part."""

    @property
    def is_finished(self) -> bool:
        """Whether the show has ended and nothing of the agent's own is left to deliver."""
        ...

    @property
    def has_backlog(self) -> bool:
        """Whether the agent's own room has still to hear something, as far as is known: a line, or what comes first."""
        ...

    async def run(self, session: Session) -> None:
        """Go on where the last session ended; return when the show has ended and everything is delivered.

        Raises:
            RoomLostError: The room is gone.
            DroppedError: The connection is gone, or does not do what it is for.
            LogError: The log can't be read.
        """
        ...

    def hear(self, reply: Reply, machine: ClientMachine) -> None:
        """Take in what the peer said."""
        ...
