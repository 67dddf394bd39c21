"""A crowd that floods a show with hints: what the stage, the agents and the show's log make of it."""

import asyncio
import json
import os
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from debate_caster.broadcast import Target
from debate_caster.clock import SystemClock
from debate_caster.log import MemoryEventLog
from debate_caster.runner import run_show
from debate_caster.scenario import load_scenario
from debate_caster.show.events import HintAccepted, HintDeclined, HintExpired, HintOffered, HintUsed, decode, stream_of
from debate_caster.stage import Stage, open_stage
from tests.end_to_end.programs import write_scenario

VIEWERS, HINTS, MINUTE_S = 50, 10_000, 60.0
SPEED = 6.0
"""A minute of the show in ten seconds: what is limited by the second is limited in the show's seconds."""


def share(seconds: float) -> float:
    """Return what a viewer may give in so long: three at once and one every five seconds."""
    return 3 + seconds / 5


def share_of_address(seconds: float) -> float:
    return 20 + 2 * seconds


NEIGHBOURS = range(25)
"""Viewers behind one address; the others have one each."""

FINAL = {"used", "declined", "expired"}
PACING = {"chars_per_second": 20, "min_interval_s": 1, "gap_s": 1, "lead_min_s": 0}
AUDIENCE = {"hints": True, "hint_interval_s": 5, "max_hints_per_turn": 3}


class Flooder:
    """A viewer from an address of its own, or from one it shares, that says far more than it may."""

    def __init__(self, number: int, socket: ClientConnection) -> None:
        self.number, self.socket = number, socket
        self.received: list[str] = []
        self.refused: Counter[str] = Counter()
        self.fates: dict[str, list[str]] = {}
        self.heard = asyncio.Event()

    async def flood(self, clock: SystemClock) -> None:
        await self.socket.send(json.dumps({"type": "viewer", "id": f"flooder-{self.number:04}"}))
        started = clock.monotonic()
        for count in range(HINTS // VIEWERS):
            text = f"What of point {self.number}-{count}?"
            await self.socket.send(json.dumps({"type": "hint", "text": text, "name": f"Viewer {self.number}"}))
            await clock.sleep_until(started + (count + 1) * MINUTE_S * VIEWERS / HINTS)

    async def listen(self) -> None:
        async for raw in self.socket:
            frame = json.loads(raw)
            if frame["type"] == "hint_received":
                self.received.append(frame["hint"])
            elif frame["type"] == "error":
                self.refused[frame["code"]] += 1
            elif frame["type"] == "hint_fate":
                self.fates.setdefault(frame["hint"], []).append(frame["state"])
            self.heard.set()

    async def hear_all_fates(self) -> None:
        """Wait until every hint that was taken has met its end."""
        async with asyncio.timeout(60):
            while not all(self.fates.get(hint, [""])[-1] in FINAL for hint in self.received):
                self.heard.clear()
                await self.heard.wait()


def test_10_000_hints_in_a_minute_are_each_decided_once_and_nobody_gets_more_than_its_share(tmp_path: Path) -> None:
    asyncio.run(perform(tmp_path), debug=False)  # debugging makes asyncio six times as slow


async def perform(tmp_path: Path) -> None:
    scenario = load_scenario(write_scenario(tmp_path, pacing=PACING, audience=AUDIENCE), env=os.environ)
    clock, log, stop = SystemClock(speed=SPEED), MemoryEventLog(), asyncio.Event()
    async with open_stage(log=MemoryEventLog(), clock=clock) as stage, asyncio.TaskGroup() as tasks:
        target = Target("stage", stage.agents_url)
        show = tasks.create_task(
            run_show(scenario, log=log, targets=[target], clock=clock, show_id="s1", stop=stop, seed=1)
        )
        await eventually_on_air(stage)
        async with AsyncExitStack() as stack:
            flooders = [
                Flooder(number, await stack.enter_async_context(arrive(stage, number))) for number in range(VIEWERS)
            ]
            listening = [tasks.create_task(flooder.listen()) for flooder in flooders]
            started = clock.monotonic()
            async with asyncio.TaskGroup() as flooding:
                for flooder in flooders:
                    flooding.create_task(flooder.flood(clock))
            stop.set()
            await show
            took_s = clock.monotonic() - started  # a minute, unless the machine is slow
            for flooder in flooders:
                await flooder.hear_all_fates()
            for task in listening:
                task.cancel()

    events = [decode(record) for record in await log.read(stream_of("s1"), 0, limit=100_000)]
    offered = Counter(event.hint for event in events if isinstance(event, HintOffered))
    decided = Counter(event.hint for event in events if isinstance(event, HintAccepted | HintDeclined))
    ended = Counter(event.hint for event in events if isinstance(event, HintUsed | HintExpired | HintDeclined))
    received = [hint for flooder in flooders for hint in flooder.received]
    of_one_address = sum(len(flooder.received) for flooder in flooders if flooder.number in NEIGHBOURS)

    assert len(received) + sum(flooder.refused.total() for flooder in flooders) == HINTS
    assert {code for flooder in flooders for code in flooder.refused} == {"too_fast"}
    assert min(len(flooder.received) for flooder in flooders if flooder.number not in NEIGHBOURS) >= share(MINUTE_S) - 2
    assert max(len(flooder.received) for flooder in flooders) <= share(took_s)
    assert of_one_address <= share_of_address(took_s)
    assert set(offered) <= set(received)
    assert set(offered.values()) == set(decided.values()) == set(ended.values()) == {1}
    assert set(decided) == set(ended) == set(offered)
    assert any(isinstance(event, HintUsed) for event in events)
    for flooder in flooders:
        assert set(flooder.fates) == set(flooder.received), "authors hear of their own hints alone"
        assert all(states[-1] in FINAL for states in flooder.fates.values())
        assert all(states == ["expired"] for hint, states in flooder.fates.items() if hint not in offered)
        assert all(state not in FINAL for states in flooder.fates.values() for state in states[:-1])


def arrive(stage: Stage, number: int) -> connect:
    """Connect as a viewer; those that are ``NEIGHBOURS`` share one address."""
    address = "127.0.2.1" if number in NEIGHBOURS else f"127.0.1.{number + 1}"
    url = f"ws://127.0.0.1:{stage.port}/watch?show=s1&types=hint_used"
    return connect(url, proxy=None, max_queue=None, local_addr=(address, 0))


async def eventually_on_air(stage: Stage) -> None:
    """Wait until the show has begun, and the stage knows that it takes hints."""
    async with asyncio.timeout(60):
        while True:
            with suppress(ConnectionClosed):  # there is no such show yet
                async with connect(f"ws://127.0.0.1:{stage.port}/watch?show=s1", proxy=None) as socket:
                    while json.loads(await socket.recv())["type"] != "turn_started":
                        pass
                    return
            await asyncio.sleep(0.05)
