"""Where history meets the live stream: viewers who join while events flow, and a thousand who come back at once."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.fan_out import raise_file_limit
from benchmarks.figures import Figure
from debate_caster.log import MemoryEventLog
from debate_caster.stage import Stage, StageLimits, open_stage

__all__ = ["Follower", "join_while_talking", "run", "storm"]

JOINS, AT_ONCE = 500, 20
VIEWERS, BACK_WITHIN_S, CAUGHT_UP_S = 1_000, 1.0, 10.0
LINES_PER_S = 15.0
"""Below what a stage takes from one agent (20 a second)."""


def run() -> list[Figure]:
    raise_file_limit(8_000)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    seams = asyncio.run(join_while_talking(JOINS))
    back, caught_up_s = asyncio.run(storm(VIEWERS))
    how = "Each viewer takes everything from its position on; every sequence number has to follow the one before."
    return [
        Figure(f"gaps and doubles over {JOINS} joins while events flow", seams, "", "= 0", seams == 0, how),
        Figure(
            f"gaps and doubles of {VIEWERS:,} viewers who drop and come back within {BACK_WITHIN_S:g} s",
            back, "", "= 0", back == 0, how,
        ),
        Figure(
            "until the last of them has caught up", caught_up_s, "s", f"<= {CAUGHT_UP_S:g}", caught_up_s <= CAUGHT_UP_S,
            "From the cut, with the second in which they come back; the viewers share the stage's process.",
        ),
    ]  # fmt: skip


class Follower:
    """A viewer that counts whatever is not the next event."""

    def __init__(self, stage: Stage) -> None:
        self.address = f"ws://127.0.0.1:{stage.port}/watch"
        self.position = 0
        self.faults = 0
        self.socket: ClientConnection | None = None

    async def join(self) -> None:
        self.socket = await connect(
            f"{self.address}?after={self.position}", compression=None, ping_interval=None, open_timeout=30
        )

    async def reach(self, position: int) -> None:
        """Read on up to this event."""
        assert self.socket is not None
        while self.position < position:
            self._take(await self.socket.recv())

    async def follow(self) -> None:
        """Read until the line is cut."""
        assert self.socket is not None
        try:
            while True:
                self._take(await self.socket.recv())
        except ConnectionClosed:
            pass

    def cut(self) -> None:
        assert self.socket is not None
        self.socket.transport.abort()

    def _take(self, raw: str | bytes) -> None:
        frame = json.loads(raw)
        if "seq" in frame:
            self.faults += frame["seq"] != self.position + 1
            self.position = frame["seq"]


@asynccontextmanager
async def talk(stage: Stage) -> AsyncIterator["Talk"]:
    """Have an agent talk without a pause."""
    async with connect(stage.agents_url) as socket:
        for message in ({"type": "register", "agentId": "bench-1a2b3c4d", "name": "Bench", "features": ["text_ack"]},
                        {"type": "broadcast_start", "topic": "Coming back"}):  # fmt: skip
            await socket.send(json.dumps(message))
        talking = Talk(socket)
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(talking.speak()), tasks.create_task(talking.listen())]
            try:
                yield talking
            finally:
                for task in work:
                    task.cancel()


class Talk:
    """``head`` is the newest event that the stage has acknowledged."""

    def __init__(self, socket: ClientConnection) -> None:
        self.head = 0
        self._socket = socket
        self._aired = asyncio.Event()

    async def speak(self) -> None:
        for ref in range(1, 1_000_000):
            await self._socket.send(
                json.dumps({"type": "stream_text", "text": f"Line {ref}. " + "x" * 200, "ref": ref})
            )
            await asyncio.sleep(1 / LINES_PER_S)

    async def listen(self) -> None:
        while True:
            frame = json.loads(await self._socket.recv())
            if frame["type"] == "text_ack":
                self.head = max(self.head, frame["seq"])
                self._aired.set()

    async def past(self, position: int) -> int:
        """Wait until something newer than ``position`` is aired; return where the show is then."""
        while self.head <= position:
            self._aired.clear()
            await self._aired.wait()
        return self.head


async def join_while_talking(joins: int, *, at_once: int = AT_ONCE) -> int:
    """Join again and again, each time reading into the live stream; return the faults seen."""
    async with open_stage(log=MemoryEventLog(), limits=LIMITS) as stage, talk(stage) as talking:
        await talking.past(0)

        async def join_some(number: int) -> int:
            seen = 0
            for _ in range(number):
                follower = Follower(stage)
                await follower.join()
                await follower.reach(await talking.past(talking.head))
                follower.cut()
                seen += follower.faults
            return seen

        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(join_some(joins // at_once)) for _ in range(at_once)]
        return sum(task.result() for task in work)


async def storm(viewers: int) -> tuple[int, float]:
    """Cut all viewers at once; return their faults and how many seconds it took until the last had caught up."""
    chance = random.Random(7)
    async with open_stage(log=MemoryEventLog(), limits=LIMITS) as stage, talk(stage) as talking:
        await talking.past(0)
        crowd = [Follower(stage) for _ in range(viewers)]
        for first in range(0, viewers, 50):
            await _all(crowd[first : first + 50])
        head = talking.head
        async with asyncio.TaskGroup() as tasks:
            for follower in crowd:
                tasks.create_task(follower.reach(head))
        async with asyncio.TaskGroup() as tasks:
            for follower in crowd:
                tasks.create_task(follower.follow())
            cut_at = time.monotonic()
            for follower in crowd:
                follower.cut()

        async def come_back(follower: Follower, after_s: float) -> None:
            await asyncio.sleep(after_s)
            await follower.join()
            await follower.reach(talking.head)

        async with asyncio.TaskGroup() as tasks:
            for follower in crowd:
                tasks.create_task(come_back(follower, chance.uniform(0, BACK_WITHIN_S)))
        took_s = time.monotonic() - cut_at
        head = await talking.past(talking.head)
        async with asyncio.TaskGroup() as tasks:
            for follower in crowd:
                tasks.create_task(follower.reach(head))
        for follower in crowd:
            follower.cut()
        return sum(follower.faults for follower in crowd), took_s


async def _all(followers: Sequence[Follower]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for follower in followers:
            tasks.create_task(follower.join())


LIMITS = StageLimits(viewers=5_000, viewers_per_address=5_000)


if __name__ == "__main__":
    for figure in run():
        print(figure)
