"""What the tests of connections share: the dialects, a debate to broadcast, and what became of it on a server."""

import itertools
from collections.abc import Callable

import pytest

from debate_caster.broadcast.rooms import LEAD
from debate_caster.clock import VirtualClock
from tests.broadcast.performance import Performance
from tests.pulsar_servers.flat import ExtendedServer, FlatServer
from tests.pulsar_servers.loopback import LoopbackServer, Received, Room
from tests.pulsar_servers.pulsar_v1 import PulsarV1
from tests.pulsar_servers.pulsar_v2 import PulsarV2

__all__ = [
    "ALL",
    "GOES_ON",
    "PULSAR",
    "Kind",
    "debate",
    "gaps",
    "mirrored_text",
    "most_within_a_second",
    "own_lines",
    "own_text",
    "without_lead",
    "without_repetitions",
]

GOES_ON = "This room goes on from an earlier one."
"""How the first line of a room begins that is not an agent's first."""

Kind = Callable[[VirtualClock], LoopbackServer]
PULSAR = pytest.mark.parametrize("kind", [PulsarV1, PulsarV2], ids=["v1", "v2"])
ALL = pytest.mark.parametrize(
    ("kind", "dialect"), [(PulsarV1, "v1"), (PulsarV2, "v2"), (FlatServer, "flat"), (ExtendedServer, "stage")]
)


async def debate(show: Performance, *, turns: int = 4, lines: int = 3, pause_s: float = 2.0) -> None:
    """Speak in turns, each line a different one."""
    await show.start()
    for turn in range(turns):
        speaker = show.agents[turn % len(show.agents)].id
        for line in range(lines):
            await show.say(speaker, f"{speaker} makes point {line} of turn {turn}. ", turn=turn, pause_s=pause_s)


def own_lines(room: Room) -> list[str]:
    """Return what viewers read of a room's agent, but for the line that says that the room goes on from another."""
    texts = room.texts()
    return texts[1:] if texts and texts[0].startswith(GOES_ON) else texts


def own_text(server: LoopbackServer, agent: str) -> str:
    """Return what viewers read of the agent's part in all rooms it had."""
    return "".join(text for room in server.rooms_of(agent) for text in own_lines(room))


def mirrored_text(server: LoopbackServer, host: str, speaker: str) -> str:
    return "".join(
        without_lead(line.text)
        for room in server.rooms_of(host)
        for line in room.lines
        if line.role == "viewer" and line.name == speaker.title()
    )


def without_lead(text: str) -> str:
    """Return a mirrored line as it was said."""
    return text.lstrip(LEAD)


def gaps(frames: list[Received]) -> list[float]:
    return [later.at - earlier.at for earlier, later in itertools.pairwise(frames)]


def most_within_a_second(frames: list[Received]) -> int:
    return max(sum(frame.at <= other.at < frame.at + 1.0 for other in frames) for frame in frames)


def without_repetitions(lines: list[str]) -> str:
    return "".join(line for index, line in enumerate(lines) if index == 0 or lines[index - 1] != line)
