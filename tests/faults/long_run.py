"""Shows on one stage, one after the other, for as long as one likes, while what is around them fails at random.

Models break, lines are cut, disks take nothing for a while, viewers drop, stall and come back. Whatever breaks an
invariant is an ``AssertionError`` with the show's id.
"""

import asyncio
import ctypes
import gc
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

import psutil

from debate_caster.broadcast import Credentials, Target
from debate_caster.clock import Clock
from debate_caster.errors import LogError
from debate_caster.log import SqliteEventLog
from debate_caster.runner import run_show
from debate_caster.scenario.script import ModelScript, Scenario
from debate_caster.show.events import stream_of
from debate_caster.stage import Stage, open_stage
from tests.faults.crowd import Watcher, aired_on
from tests.faults.invariants import broken_in
from tests.faults.killing import speeches
from tests.llm.faulty_server import FAULTS, FaultyServer, Received, Reply
from tests.show.stage_props import make_scenario, words_of
from tests.stage.unwilling import UnwillingLog
from tests.watching.loopback import Line, broken_line

__all__ = ["Endured", "endure", "give_back"]

FAILING_CALLS = 0.15
"""Of the calls of the first model; another one stands in for it, and fails half as often."""

DEAF_VIEWERS = 0.1
BETWEEN_TROUBLES_S = (10.0, 60.0)
BETWEEN_DROPS_S = (3.0, 60.0)
AWAY_S = (0.0, 5.0)
NO_DISK_S = (0.5, 6.0)
CUT_WHILE_FULL = 0.5
ENDING_S = 120.0
"""How long after a show's last event the stage may take to be done with it: until it no longer waits for its agents."""

SAMPLE_S = 60.0


def give_back() -> None:
    """Have the C library give back what is free, where it can: what is left is in use, or between what is."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@dataclass(slots=True)
class Endured:
    """What there was. ``memory`` is the process's resident set in bytes, taken once a minute."""

    shows: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    seen: int = 0
    memory: list[int] = field(default_factory=list)

    def growth_per_hour(self) -> float:
        """Return by how many bytes an hour memory grew from the second quarter of the time to the last, by medians.

        In the first quarter SQLite fills its page caches, 2 MB for each database.
        """
        quarter = len(self.memory) // 4
        second, last = (median(self.memory[first : first + quarter]) for first in (quarter, 3 * quarter))
        return (last - second) / (2 * quarter * SAMPLE_S / 3600)


@dataclass(eq=False, slots=True)
class _Show:
    """``aired`` is the air log once the show is ``over``."""

    id: str
    over: asyncio.Event = field(default_factory=asyncio.Event)
    aired: list[bytes] = field(default_factory=list)
    shared: dict[bytes, bytes] = field(default_factory=dict)


async def endure(folder: Path, clock: Clock, *, shows: int, viewers: int, seconds: float, seed: int = 1) -> Endured:
    """Give so many shows at a time to so many viewers, and return what there was; all have ended by then."""
    chance = Random(seed)
    async with AsyncExitStack() as stack:
        show_log, air_log = (UnwillingLog(SqliteEventLog(folder / f"{name}-log.db")) for name in ("show", "air"))
        for log in (show_log, air_log):
            stack.push_async_callback(log.close)
        stage = await stack.enter_async_context(open_stage(log=air_log, clock=clock))
        line = await stack.enter_async_context(broken_line(stage.port))
        first, second = [
            await stack.enter_async_context(FaultyServer(answer=_troubled(chance, share), forgets=True))
            for share in (FAILING_CALLS, FAILING_CALLS / 2)
        ]
        run = _Run(clock, stage, show_log, air_log, line, _scenario(first.base_url, second.base_url), chance, seconds)
        await run.whole(shows, viewers)
        return run.endured


def _troubled(chance: Random, share: float) -> Callable[[Received], Reply]:
    def answer(_received: Received) -> Reply:
        fault = chance.choice(FAULTS) if chance.random() < share else ""
        return Reply(words_of(chance.randint(20, 60)), fault=fault, after=chance.randrange(30), token_s=0.05)

    return answer


def _scenario(first: str, second: str) -> Scenario:
    models = {
        "one": ModelScript(name="one", provider="openai", base_url=first, model="big", fallback="two"),
        "two": ModelScript(name="two", provider="openai", base_url=second, model="small"),
    }
    scenario = make_scenario(rounds=3, words=50)
    agents = tuple(agent.model_copy(update={"model": "one"}) for agent in scenario.agents)
    return scenario.model_copy(update={"agents": agents, "models": models})


class _Run:
    def __init__(
        self,
        clock: Clock,
        stage: Stage,
        show_log: UnwillingLog,
        air_log: UnwillingLog,
        line: Line,
        scenario: Scenario,
        chance: Random,
        seconds: float,
    ) -> None:
        self.endured = Endured()
        self._clock, self._stage, self._line = clock, stage, line
        self._show_log, self._air_log = show_log, air_log
        self._scenario, self._chance = scenario, chance
        self._until = clock.monotonic() + seconds
        self._on_air: list[_Show] = []

    async def whole(self, shows: int, viewers: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            works: list[Awaitable[None]] = [self._cut_lines(), self._fill_disks(), self._measure()]
            beside = [asyncio.ensure_future(work) for work in works]
            async with asyncio.TaskGroup() as audience:
                for number in range(shows):
                    tasks.create_task(self._give(number))
                for _ in range(viewers):
                    audience.create_task(self._watch())
            for task in beside:
                task.cancel()
            for task in beside:
                with suppress(asyncio.CancelledError):
                    await task

    @property
    def _goes_on(self) -> bool:
        return self._clock.monotonic() < self._until

    # -- shows ---------------------------------------------------------------------------------------------------

    async def _give(self, number: int) -> None:
        while self._goes_on:
            self.endured.shows += 1
            show = _Show(f"s{number}-{self.endured.shows}")
            self._on_air.append(show)
            try:
                await self._perform(show)
            except* LogError:  # one that can't begin is not waited for; once it has begun it waits for its disk
                assert await self._show_log.last_seq(stream_of(show.id)) == 0, show.id
                self.endured.troubles["not begun"] += 1
                await self._clock.sleep(1)
            finally:
                self._on_air.remove(show)
                show.over.set()

    async def _perform(self, show: _Show) -> None:
        target = Target("stage", f"ws://127.0.0.1:{self._line.port}/ws")
        outcome = await run_show(
            self._scenario, log=self._show_log, targets=[target], clock=self._clock, show_id=show.id,
            seed=self.endured.shows, credentials=Credentials(None),
        )  # fmt: skip
        async with self._clock.timeout(ENDING_S):
            while show.id in self._stage._programme.live:
                await self._clock.sleep(0.2)
        show.aired = await aired_on(self._air_log, show.id)
        logged = await self._show_log.read(stream_of(show.id), 0, limit=100_000)
        of_show = [{"seq": record.seq} | json.loads(record.body) for record in logged]
        of_air = [json.loads(event) for event in show.aired]
        assert (show.id, broken_in(of_show), broken_in(of_air, late=True)) == (show.id, [], [])
        assert (show.id, speeches(of_show)) == (show.id, speeches(of_air))
        self.endured.endings[outcome.ended.why] += 1
        self.endured.lines += sum(event["type"] == "chunk_aired" for event in of_air)

    # -- viewers -------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Watch one show after the other, each to its end, with a line that drops; or stay and not read at all."""
        while self._goes_on:
            if not self._on_air:
                await self._clock.sleep(1)
                continue
            show = self._chance.choice(self._on_air)
            reads = self._chance.random() >= DEAF_VIEWERS
            watcher = Watcher(self._stage, show.id, reads=reads, shared=show.shared)
            try:
                await self._follow(watcher, show)
            finally:
                watcher.hang_up()

    async def _follow(self, watcher: Watcher, show: _Show) -> None:
        while not show.over.is_set():
            await watcher.join()
            watcher.say("hint", text=f"What of point {self._chance.randrange(10**6)}?")
            with suppress(TimeoutError):
                async with self._clock.timeout(self._chance.uniform(*BETWEEN_DROPS_S)):
                    await show.over.wait()
            if not show.over.is_set():
                self.endured.troubles["drops"] += 1
                watcher.hang_up()
                await watcher.cut.wait()
                await self._clock.sleep(self._chance.uniform(*AWAY_S))
        if watcher.reads and show.aired:
            if watcher.cut.is_set():
                await watcher.join()
            await watcher.until(len(show.aired))
            assert watcher.events == show.aired, show.id
            self.endured.seen += 1

    # -- troubles ------------------------------------------------------------------------------------------------

    async def _pause(self) -> None:
        await self._clock.sleep(self._chance.uniform(*BETWEEN_TROUBLES_S))

    async def _cut_lines(self) -> None:
        while True:
            await self._pause()
            self.endured.troubles["cuts"] += self._line.cut() // 2

    async def _fill_disks(self) -> None:
        while True:
            await self._pause()
            log = self._chance.choice([self._show_log, self._air_log])
            log.unwilling = True
            try:
                await self._clock.sleep(self._chance.uniform(*NO_DISK_S))
                if self._chance.random() < CUT_WHILE_FULL:  # what is said and not stored is known to nobody
                    self.endured.troubles["cuts"] += self._line.cut() // 2
                    await self._clock.sleep(self._chance.uniform(*NO_DISK_S))
            finally:
                log.unwilling = False
            self.endured.troubles["full disks"] += 1

    async def _measure(self) -> None:
        process = psutil.Process()
        while True:
            await self._clock.sleep(SAMPLE_S)
            gc.collect()
            give_back()
            self.endured.memory.append(process.memory_info().rss)
