"""Fifty shows of two agents at once in one process, each on the stage with a connection for each agent."""

import asyncio
import json
import math
import resource
import tempfile
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from random import Random

from benchmarks.figures import Figure
from benchmarks.scripted_show import SteadyLLM, as_the_program_does, events_of, make_scenario
from debate_caster.broadcast import Target
from debate_caster.clock import SystemClock
from debate_caster.log import EventLog, SqliteEventLog
from debate_caster.runner import run_show
from debate_caster.scenario.script import Pacing
from debate_caster.show.events import ChunkAired
from debate_caster.stage import Stage, open_stage

__all__ = ["run"]

SHOWS = 50
TURNS, WORDS = 4, 40
PACING = Pacing()
"""As every scenario has it that says nothing: 20 characters a second, 2.0 s between chunks."""

LONGEST_S = 150.0


def run() -> list[Figure]:
    as_the_program_does()
    measured = asyncio.run(measure())
    chunks = len(measured.late)
    on_time = sum(late <= 0.05 for late in measured.late) / chunks
    how = (
        f"{SHOWS} shows x 2 agents, {chunks} chunks in {measured.wall_s:.0f} s, SQLite logs, one stage, "
        f"{2 * SHOWS} connections over loopback, all in one process"
    )
    worst = sorted(measured.late)[math.ceil(0.99 * chunks) - 1]
    short = sum(gap < PACING.min_interval_s for gap in measured.gaps)
    return [
        Figure("chunks on the stage within 50 ms of their instant", 100 * on_time, "%", ">= 99", on_time >= 0.99, how),
        Figure(
            "lateness on the stage, p99", 1000 * worst, "ms", "", True,
            "from a chunk's planned instant to the time that the stage's air log gives it",
        ),
        Figure(
            "gaps between chunks of one agent under 2.0 s", short, "", "= 0", short == 0,
            f"of {len(measured.gaps)}, by the times in the show logs; the shortest is {min(measured.gaps):.3f} s",
        ),
        Figure("cores used", measured.cores, "", "<= 1", measured.cores <= 1, "processor time over wall time"),
    ]  # fmt: skip


class Measured:
    """What the run gave: lateness of each chunk and gaps between an agent's chunks, in seconds, and processor use."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.gaps: list[float] = []
        self.wall_s = 0.0
        self.cores = 0.0

    def take(self, chunks: list[ChunkAired], aired: dict[tuple[int, int], datetime], clock: SystemClock) -> None:
        """Take in one show: ``aired`` says when the stage had each chunk."""
        wall_to_monotonic = clock.monotonic() - clock.now().timestamp()
        last: dict[str, float] = {}
        for chunk in chunks:
            at = aired[chunk.turn, chunk.index].timestamp() + wall_to_monotonic
            self.late.append(max(at - chunk.due, 0.0))
            logged = chunk.at.timestamp()
            if chunk.speaker in last:
                self.gaps.append(logged - last[chunk.speaker])
            last[chunk.speaker] = logged


async def measure() -> Measured:
    clock, measured = SystemClock(), Measured()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log, air = SqliteEventLog(folder / "show.db"), SqliteEventLog(folder / "air.db")
        for opened in (log, air):
            stack.push_async_callback(opened.close)
        stage = await stack.enter_async_context(open_stage(log=air))
        before, started = processor_s(), clock.monotonic()
        async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as tasks:
            for number in range(SHOWS):
                tasks.create_task(perform(stage, log, clock, number))
        measured.wall_s = clock.monotonic() - started
        measured.cores = (processor_s() - before) / measured.wall_s
        for number in range(SHOWS):
            chunks = [event for event in await events_of(log, f"show-{number}") if isinstance(event, ChunkAired)]
            measured.take(chunks, await aired_times(air, f"show-{number}"), clock)
    return measured


async def perform(stage: Stage, log: EventLog, clock: SystemClock, number: int) -> None:
    await clock.sleep(Random(number).uniform(0, 2))
    llm = SteadyLLM(clock, first_token_s=lambda: 0.5, words=WORDS, words_per_s=20.0, seed=number)
    scenario = make_scenario(turns=TURNS, words=2 * WORDS, pacing=PACING)
    outcome = await run_show(
        scenario,
        log=log,
        llms=dict.fromkeys(scenario.models, llm),
        targets=[Target("stage", stage.agents_url)],
        clock=clock,
        seed=number,
        show_id=f"show-{number}",
    )
    assert outcome.ended.why == "completed", outcome.ended
    assert all(report.delivered == report.sent and not report.problem for report in outcome.deliveries)


async def aired_times(air: EventLog, show: str) -> dict[tuple[int, int], datetime]:
    times, after = {}, 0
    while records := await air.read(f"air/{show}", after):
        after = records[-1].seq
        for record in records:
            event = json.loads(record.body)
            if event["type"] == "chunk_aired":
                times[event["turn"], event["index"]] = datetime.fromisoformat(event["at"])
    return times


def processor_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
