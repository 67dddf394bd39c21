"""Eight hours of a calendar's shows in a few seconds: what the program holds must not grow with what it has given."""

import asyncio
import gc
import os
import tempfile
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from benchmarks.idle_serve import write_plan
from benchmarks.scripted_show import as_the_program_does
from debate_caster.calendar.ledger import Ledger
from debate_caster.calendar.season import Calendar
from debate_caster.calendar.succession import Remains
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.log import SqliteEventLog
from debate_caster.runner import run_show
from debate_caster.scenario import Scenario, load_scenario

__all__ = ["run"]

HOURS = 8
SCENARIOS = 3
HOUR_S = 3600.0
MEBIBYTE = 1024 * 1024
READS_AT_ONCE = 50
"""Enough for the log to open all the connections that it may ever have, which it does as they are wanted."""

START = datetime(2026, 6, 1, tzinfo=UTC)


def run() -> list[Figure]:
    as_the_program_does()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(SCENARIOS):
            write_plan(folder, f"hourly-{number}", cron=f"{5 * number}-59/20 * * * *", timezone="UTC")
        held = run_virtual(lambda clock: give(folder, clock), start=START)
    first, last = held[1], held[-1]
    growth = (last.memory - first.memory) / MEBIBYTE / (HOURS - 1)
    how = (
        f"{last.shows} shows of {SCENARIOS} scenarios, rehearsal models, SQLite logs, on the virtual clock; "
        f"hour 1 against hour {HOURS}"
    )
    return [
        Figure("resident memory, growth", growth, "MiB an hour", "< 1", growth < 1, how),
        Figure("tasks, growth", last.tasks - first.tasks, "", "= 0", last.tasks == first.tasks, how),
        Figure("file descriptors, growth", last.files - first.files, "", "= 0", last.files == first.files, how),
    ]


@dataclass(frozen=True, slots=True)
class Held:
    """What the process holds at a full hour: bytes, tasks and open files; and the shows that it has given."""

    memory: int
    tasks: int
    files: int
    shows: int


async def give(folder: Path, clock: VirtualClock) -> list[Held]:
    """Give the shows of the folder's plans, and return what was held at each hour, from its first minute on."""
    process, given = psutil.Process(), list[str]()
    async with aclosing(Ledger(folder / "calendar.db")) as ledger:
        log = SqliteEventLog(folder / "show-log.db")
        await asyncio.gather(*(log.last_seq("none") for _ in range(READS_AT_ONCE)))

        async def perform(scenario: Scenario, show: str, stop: asyncio.Event) -> str:
            outcome = await run_show(scenario, log=log, clock=clock, seed=len(given), show_id=show, stop=stop)
            given.append(show)
            return outcome.ended.why

        async def remains(show: str) -> Remains | None:
            raise AssertionError(f"nobody has died with {show}")

        calendar = Calendar(
            ledger,
            clock=clock,
            owner="we",
            alive=lambda _name: True,
            perform=perform,
            remains=remains,
            new_show_id=lambda scenario: scenario.key,
        )
        for path in sorted((folder / "plans").iterdir()):
            await calendar.admit(load_scenario(path, env={}))
        held, stop = [], asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(calendar.run(stop))
            await clock.sleep(59 * 60)  # to a minute at which nothing is on
            for hour in range(HOURS + 1):
                await clock.sleep(HOUR_S if hour else 0)
                gc.collect()
                held.append(Held(process.memory_info().rss, len(asyncio.all_tasks()), open_files(), len(given)))
            stop.set()
        await log.close()
        assert {row.ending for row in await ledger.history(limit=len(given))} == {"completed"}
    return held


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
