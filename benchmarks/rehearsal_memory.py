"""Memory and time of a rehearsal of 1,000 turns: a show's memory must not grow with its length."""

import asyncio
import gc
import time

import psutil

from benchmarks.figures import Figure
from benchmarks.scripted_show import make_scenario, perform_show
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.llm.workshop import open_llm
from debate_caster.log import MemoryEventLog
from debate_caster.show.events import stream_of

TURNS, WORDS = 1000, 150
FIRST = 100
MEBIBYTE = 1024 * 1024


def run() -> list[Figure]:
    began = time.perf_counter()
    at_first, at_end, events = run_virtual(rehearse)
    seconds = time.perf_counter() - began
    grown = (at_end - at_first) / MEBIBYTE
    return [
        Figure(
            f"resident memory, turn {FIRST} to {TURNS}",
            grown,
            "MiB more",
            "< 10",
            grown < 10,
            f"rehearsal model, {WORDS}-word turns, its log of {events:,} events in memory too",
        ),
        Figure(
            f"a rehearsal of {TURNS:,} turns",
            seconds,
            "s",
            "< 60",
            seconds < 60,
            "from start to show_ended on the virtual clock",
        ),
    ]


async def rehearse(clock: VirtualClock) -> tuple[int, int, int]:
    """Return resident bytes after turn ``FIRST`` and at the end, and the number of events."""
    scenario = make_scenario(turns=TURNS, words=WORDS)
    log = MemoryEventLog()
    llm = open_llm(scenario.models["m"], clock=clock, seed=1)
    show = asyncio.create_task(perform_show(scenario, llm, log, clock=clock))
    process = psutil.Process()
    stream = stream_of("bench")
    mark = f'"type":"turn_ended","turn":{FIRST - 1},'
    seen, reached = 0, False
    while not reached:
        await clock.sleep(5.0)
        records = await log.read(stream, seen)
        seen += len(records)
        reached = any(mark in record.body for record in records)
    gc.collect()
    at_first = process.memory_info().rss
    await show
    gc.collect()
    return at_first, process.memory_info().rss, await log.last_seq(stream)
