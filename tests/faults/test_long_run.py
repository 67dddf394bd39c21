"""Hours of shows with everything failing around them: no invariant breaks, and nothing is left behind."""

import asyncio
import gc
import logging
import sys
from pathlib import Path

import psutil
import pytest
import structlog

from debate_caster.clock import Clock, SystemClock, VirtualClock, run_virtual
from tests.faults.long_run import Endured, endure

MIB = 1024 * 1024

HOURS = 4
"""Of the show's time, in which 800 shows are given; six minutes of a machine's."""


@pytest.fixture(autouse=True)
def only_errors() -> None:
    """Hours of log lines would be held, and counted as memory that grows."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


async def endure_and_leave_nothing(folder: Path, clock: Clock, *, shows: int, viewers: int, seconds: float) -> Endured:
    process = psutil.Process()
    gc.collect()  # what earlier tests have left is closed now, and not meanwhile
    files, tasks = process.num_fds(), len(asyncio.all_tasks())
    endured = await endure(folder, clock, shows=shows, viewers=viewers, seconds=seconds)
    assert process.num_fds() <= files
    assert len(asyncio.all_tasks()) == tasks
    return endured


def test_shows_survive_whatever_fails_around_them(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> Endured:
        return await endure_and_leave_nothing(tmp_path, clock, shows=2, viewers=4, seconds=90)

    endured = run_virtual(main)

    assert endured.shows >= 2
    assert endured.seen >= 2
    assert all(endured.troubles[kind] for kind in ("drops", "cuts", "full disks"))


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_twenty_minutes_of_shows_at_their_own_pace_break_nothing(tmp_path: Path) -> None:
    endured = await endure_and_leave_nothing(tmp_path, SystemClock(), shows=5, viewers=100, seconds=20 * 60)

    tell(endured)
    assert endured.shows >= 20


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_hours_of_shows_leave_memory_as_it_was(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> Endured:
        return await endure_and_leave_nothing(tmp_path, clock, shows=5, viewers=10, seconds=HOURS * 3600)

    endured = run_virtual(main)

    tell(endured)
    assert endured.growth_per_hour() < MIB


def tell(endured: Endured) -> None:
    memory = f"{endured.memory[-1] / MIB:.1f} MiB, {endured.growth_per_hour() / MIB:+.2f} an hour"
    events = f"{endured.shows} shows, {endured.lines} lines, {endured.seen} views"
    sys.stdout.write(f"{events}; {dict(endured.endings)}; {dict(endured.troubles)}; {memory}\n")
