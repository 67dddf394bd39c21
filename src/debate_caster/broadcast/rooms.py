"""What the connections of one show to one target tell each other: whose room is which, and how far it has come.

Sockets don't keep each other's order: a speech should not begin on one before the last has ended on another. And on a
Pulsar server, where each agent's lines are mirrored into the others' rooms: where to, whether it is a line's turn yet,
and whether one that was on its way when a connection broke had arrived after all. All in this process; nothing here
waits.
"""

from collections import deque
from collections.abc import Callable, Iterable

from debate_caster.pulsar.replies import RoomLine
from debate_caster.pulsar.text import NAME_LIMIT, truncate
from debate_caster.show.events import AgentCast

__all__ = ["LEAD", "TargetRooms"]

LEAD = "\u2060"
"""Word joiner, a character without width or meaning: makes a mirrored line differ from the one it repeats.

Pulsar drops a line that starts like one of the same agent less than 5 s ago, in whatever room. Waiting that long for
each room would put lines behind the answers to them; this way viewers read exactly what was said.
"""

_WITNESSED_LINES = 64


class TargetRooms:
    """Shared by all connections of a show to one target.

    Positions are sequence numbers of the show's log: everything of an agent's up to there has been delivered.
    ``echoes`` says whether the server is known to repeat chat lines to who said them, as v1 does.
    """

    def __init__(self, cast: Iterable[AgentCast]) -> None:
        agents = tuple(cast)
        self.echoes = False
        self._names = frozenset(truncate(agent.name, NAME_LIMIT) for agent in agents)
        self._ids = {agent.id for agent in agents}
        self._rooms: dict[str, str] = {}
        self._own_positions: dict[str, int] = {}
        self._mirror_positions: dict[tuple[str, str], int] = {}
        self._witnessed: deque[tuple[str, str]] = deque(maxlen=_WITNESSED_LINES)
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every change."""
        self._listeners.append(listener)

    def open(self, agent: str, room: str, *, wire_id: str) -> None:
        """Note that ``agent`` is on air in ``room``, where the server knows it as ``wire_id``."""
        self._rooms[agent] = room
        self._ids.add(wire_id)
        self._changed()

    def close(self, agent: str) -> None:
        """Note that ``agent`` has no room; what others have for it waits for its next one."""
        if self._rooms.pop(agent, None) is not None:
            self._changed()

    def room_of(self, agent: str) -> str | None:
        return self._rooms.get(agent)

    def others(self, agent: str) -> dict[str, str]:
        """Return the open rooms of the other agents."""
        return {other: room for other, room in self._rooms.items() if other != agent}

    def advance(self, agent: str, position: int) -> None:
        """Note that everything of ``agent``'s own up to ``position`` is in its room."""
        if self._own_positions.get(agent, -1) != position:
            self._own_positions[agent] = position
            self._changed()

    def advance_mirror(self, speaker: str, host: str, position: int) -> None:
        """Note that everything of ``speaker``'s up to ``position`` is in ``host``'s room."""
        if self._mirror_positions.get((speaker, host), -1) != position:
            self._mirror_positions[speaker, host] = position
            self._changed()

    def position(self, agent: str) -> int:
        return self._own_positions.get(agent, 0)

    def laggards(self, agent: str, ref: int) -> frozenset[tuple[str, int]]:
        """Return the other agents on air, with their positions, who have not delivered everything before ``ref``."""
        return frozenset(
            (other, self.position(other)) for other in self.others(agent) if self.position(other) < ref - 1
        )

    def mirrored_position(self, host: str) -> int | None:
        """Return up to where all agents on air have mirrored into ``host``'s room; None when nobody else is on air."""
        return min((self._mirror_positions.get((speaker, host), 0) for speaker in self.others(host)), default=None)

    def witness(self, room: str, line: RoomLine) -> None:
        """Note that a line of one of the show's agents has been seen in ``room``: it has arrived."""
        if line.name in self._names and room in self._rooms.values():
            self._witnessed.append((room, line.text))

    def witnessed(self, room: str, text: str) -> bool:
        return (room, text) in self._witnessed

    def is_ours(self, line: RoomLine) -> bool:
        """Whether one of the show's agents said it, by its id, or where there is none (v1) by its name.

        A viewer who takes an agent's name is not heard: an agent must never take its opponent for the audience.
        """
        return line.agent_id in self._ids or line.name in self._names

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()
