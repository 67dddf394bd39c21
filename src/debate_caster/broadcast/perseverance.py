"""Whether another room is worth opening on a target that has lost the last one."""

from debate_caster.broadcast.feed import Tally
from debate_caster.broadcast.progress import ShowProgress
from debate_caster.broadcast.target import ConnectionLimits
from debate_caster.errors import BroadcastError

__all__ = ["GivenUpError", "Perseverance"]


class GivenUpError(BroadcastError):
    """Another room on this target would be no use to anybody."""


class Perseverance:
    """Counts one agent's rooms on one target that were lost before a line arrived.

    A connection that can't be made is not counted, and is tried as long as the show lasts: it leaves nothing behind.
    Nor is a room counted that the peer lets us go on in, or one that heard all there was for it: who has nothing to say
    loses nothing with it.
    """

    def __init__(
        self, target: str, *, agent: str, limits: ConnectionLimits, tally: Tally, progress: ShowProgress
    ) -> None:
        self._target, self._agent = target, agent
        self._limits, self._tally, self._progress = limits, tally, progress
        self._in_vain = self._arrived_before = 0

    def check(self, *, has_had_rooms: bool, resumes: bool, position: int) -> None:
        """Refuse to open one more room where it would be no use.

        Args:
            has_had_rooms: Whether it would be another one.
            resumes: Whether the peer is one on which rooms go on where they can.
            position: Up to where everything of the agent's own has been delivered.

        Raises:
            GivenUpError: The last ones were all lost before a line arrived, or less than a turn is left and the agent
                has nothing to say in it.
        """
        if self._in_vain >= self._limits.rooms_in_vain:
            raise GivenUpError(self._target, f"{self._in_vain} rooms in a row were lost before a line arrived")
        if has_had_rooms and not resumes and self._progress.is_nearly_over(self._agent, position):
            raise GivenUpError(
                self._target,
                "the last room was lost within the last turn, with nothing left to say: no other was opened",
            )

    def note_room(self, *, resumed: bool) -> None:
        """Note that the agent is on air: in a new room, or in the one that it was in."""
        self._arrived_before = self._arrived
        if resumed:
            self._in_vain = 0

    def note_loss(self, *, has_backlog: bool) -> None:
        """Note that the agent is not on air any more, and whether its room had still something to hear."""
        if self._arrived > self._arrived_before:
            self._in_vain = 0
        elif has_backlog:
            self._in_vain += 1

    @property
    def _arrived(self) -> int:
        return self._tally.delivered + self._tally.mirrored
