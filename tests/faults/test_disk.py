import asyncio
import os
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from debate_caster.clock import SystemClock
from debate_caster.errors import LogError
from debate_caster.log import MemoryEventLog, SqliteEventLog
from debate_caster.show.events import ChunkAired, ShowPaused, ShowResumed, TurnEnded, decode, stream_of
from debate_caster.show.log_writer import ShowLogWriter
from tests.cli.stage_play import play
from tests.end_to_end.programs import running, write_scenario
from tests.faults.invariants import as_fields, broken_in
from tests.faults.killing import ReturningViewer, Show, broken_invariants, read_log
from tests.show.stage_props import SHOW, Backstage, Evening, make_scenario, perform_evening

SMALL = Path(__file__).parent / "small_disk.py"
FULL = "the disk is full: free some space"
LOCKER = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
other.execute("ROLLBACK")
"""
"""Holds a database locked for so many seconds."""


class FailingLog(MemoryEventLog):
    """Takes nothing for ``failures`` attempts from its ``begin``-th append on; ``stores`` what it refuses, or not."""

    def __init__(self, *, begin: int, failures: int, passing: bool = True, stores: bool = False) -> None:
        super().__init__()
        self.appends = 0
        self._failing = range(begin, begin + failures)
        self._passing, self._stores = passing, stores

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        self.appends += 1
        if self.appends in self._failing:
            if self._stores:
                await super().append(stream, bodies, expect=expect, epoch=epoch)
            raise LogError(stream, FULL, passing=self._passing)
        return await super().append(stream, bodies, expect=expect, epoch=epoch)


class SlowLog(MemoryEventLog):
    """Takes ``seconds`` for each append, as a disk that others keep busy does."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        await asyncio.sleep(self._seconds)
        return await super().append(stream, bodies, expect=expect, epoch=epoch)


@pytest.mark.parametrize("begin", [3, 9, 14, 20])
def test_a_show_waits_while_its_log_takes_nothing_and_goes_on(begin: int) -> None:
    whole = perform_evening(make_scenario())
    evening = perform_evening(make_scenario(), make_log=lambda: FailingLog(begin=begin, failures=5))

    assert evening.ended.why == "completed"
    assert _words(evening) == _words(whole)
    assert {event.how for event in evening.of(TurnEnded)} == {"completed"}
    assert evening.events[-1].at > whole.events[-1].at
    assert broken_in(as_fields(evening.events)) == []


def test_what_a_failed_attempt_had_stored_is_not_stored_twice() -> None:
    untroubled = FailingLog(begin=10**6, failures=0)
    whole = perform_evening(make_scenario(), make_log=lambda: untroubled)
    assert untroubled.appends > 20

    for place in range(2, untroubled.appends + 1):  # a show that can't begin is not waited for
        log = FailingLog(begin=place, failures=1, stores=True)
        evening = perform_evening(make_scenario(), make_log=partial(_itself, log))

        assert log.appends > place
        assert broken_in(as_fields(evening.events)) == []
        assert _words(evening) == _words(whole)


def _itself(log: FailingLog) -> FailingLog:
    return log


def test_a_show_whose_log_is_broken_for_good_does_not_wait() -> None:
    with pytest.raises(LogError):
        perform_evening(make_scenario(), make_log=lambda: FailingLog(begin=9, failures=10**6, passing=False))


def test_a_show_that_waits_for_its_log_can_be_stopped() -> None:
    async def impatient(show: Backstage) -> None:
        await show.clock.sleep(60)
        show.stop.set()

    log = FailingLog(begin=9, failures=10**6)
    with pytest.raises(LogError):
        perform_evening(make_scenario(), make_log=lambda: log, beside=impatient)

    assert '"show_ended"' not in "".join(record.body for record in log._streams[stream_of(SHOW)])


@pytest.mark.parametrize(
    ("close", "open_again", "message"),
    [
        pytest.param("max_page_count = {more}", "max_page_count = 100000", FULL, id="full"),
        pytest.param(
            "query_only = ON", "query_only = OFF", "it is read-only: give this user the right", id="read-only"
        ),
    ],
)
async def test_a_disk_that_takes_nothing_stops_the_show_says_why_and_harms_nothing(
    tmp_path: Path, close: str, open_again: str, message: str
) -> None:
    log = SqliteEventLog(tmp_path / "show-log.db")
    writer = await ShowLogWriter.open(log, "s1", clock=SystemClock(speed=20))
    await writer.append(play()[0])
    assert log._writer is not None
    pages = log._writer.execute("PRAGMA page_count").fetchone()[0]
    log._writing.submit(log._writer.execute, "PRAGMA " + close.format(more=pages + 2)).result()

    async def fill() -> None:
        for _ in range(40):
            await writer.append(ShowPaused(at=writer.now()), ShowResumed(at=writer.now()), *_long(writer))

    with capture_logs() as lines:
        filling = asyncio.create_task(fill())
        async with asyncio.timeout(60):
            while not _said(lines, "show_waits_for_its_log"):  # noqa: ASYNC110 - nobody announces a line of the log
                await asyncio.sleep(0.01)
        stored = await log.last_seq(stream_of("s1"))
        still_waiting = not filling.done()
        log._writing.submit(log._writer.execute, f"PRAGMA {open_again}").result()
        await filling
    records = await log.read(stream_of("s1"), 0, limit=10_000)
    await log.close()

    assert still_waiting
    assert stored < writer.transcript.seq == len(records)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert broken_in(as_fields(decode(record) for record in records), ended=False) == []
    assert [message in line["error"] for line in _said(lines, "show_waits_for_its_log")] == [True]
    assert len(_said(lines, "show_goes_on_with_its_log")) == 1
    with closing(sqlite3.connect(tmp_path / "show-log.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.soak
@pytest.mark.timeout(120)
async def test_the_program_on_a_disk_that_gets_full_waits_airs_nothing_and_goes_on_once_there_is_space(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data" / "debate-caster"
    data.mkdir(parents=True)
    scenario = write_scenario(tmp_path, pacing={"chars_per_second": 300, "min_interval_s": 0.1, "gap_s": 0.1})
    env = {"DISK_AT": str(data), "DISK_SIZE": "2m"}
    viewer = ReturningViewer()
    async with running("run", scenario, "--port", "0", "--seed", "7", cwd=tmp_path, env=env, program=(SMALL,)) as run:
        page = await run.line("Watch:")
        disk = os.open(f"/proc/{run.process.pid}/root{data}", os.O_RDONLY | os.O_DIRECTORY)
        watching = asyncio.create_task(viewer.watch(page))
        try:
            async with asyncio.timeout(60):
                await viewer.until(10)
                _fill(Path(f"/proc/self/fd/{disk}/filler"))
                while not any(FULL in line for line in run.stderr):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
            before = _copied(disk, tmp_path / "before", page)
            await asyncio.sleep(2)
            meanwhile = _copied(disk, tmp_path / "meanwhile", page)
            seen = len(viewer.events)
            os.unlink("filler", dir_fd=disk)
            status = await run.ended()
            logged, aired = _copied(disk, tmp_path / "afterwards", page)
        finally:
            watching.cancel()
            os.close(disk)
            with suppress(asyncio.CancelledError):
                await watching

    assert meanwhile == before
    assert seen <= len(before[1])
    assert broken_invariants(Show(logged, aired, viewer.events, 0, viewer.visits, status, run.stderr)) == []
    assert status == 0


def _fill(file: Path) -> None:
    """Write the file until its disk takes no more."""
    with file.open("ab", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(512)):
            pass


def _copied(disk: int, to: Path, page: str) -> list[list[dict[str, Any]]]:
    """Copy both logs out of an open folder, which may outlive its program; return what they hold of the page's show."""
    to.mkdir()
    for name in os.listdir(disk):
        if name.endswith(("-log.db", "-log.db-wal")):
            shutil.copy(f"/proc/self/fd/{disk}/{name}", to / name)
    return [read_log(to, log, page.rpartition("/")[2]) for log in ("show", "air")]


@pytest.mark.parametrize("seconds", [0.5, 4.0])
def test_a_slow_disk_costs_time_and_no_word(seconds: float) -> None:
    whole = perform_evening(make_scenario())
    evening = perform_evening(make_scenario(), make_log=lambda: SlowLog(seconds))

    assert evening.ended.why == "completed"
    assert _words(evening) == _words(whole)
    assert {event.how for event in evening.of(TurnEnded)} == {"completed"}
    assert broken_in(as_fields(evening.events)) == []


async def test_a_log_that_another_program_locks_for_a_while_loses_nothing(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "show-log.db")
    writers = [await ShowLogWriter.open(log, show, clock=SystemClock()) for show in ("s1", "s2", "s3")]
    for writer in writers:
        await writer.append(play()[0])
    locker = [sys.executable, "-c", LOCKER, str(tmp_path / "show-log.db"), "3"]
    other = await asyncio.create_subprocess_exec(*locker, stdout=asyncio.subprocess.PIPE)
    assert other.stdout is not None
    assert await other.stdout.readline() == b"locked\n"

    now = asyncio.get_running_loop().time
    took: list[float] = []

    async def talk(writer: ShowLogWriter) -> None:
        for _ in range(10):
            begun = now()
            await writer.append(ShowPaused(at=writer.now()), ShowResumed(at=writer.now()))
            took.append(now() - begun)

    async with asyncio.TaskGroup() as tasks:
        for writer in writers:
            tasks.create_task(talk(writer))
    await other.wait()
    for writer in writers:
        records = await log.read(stream_of(writer.show), 0, limit=1_000)
        assert [record.seq for record in records] == list(range(1, 22))
        assert broken_in(as_fields(decode(record) for record in records), ended=False) == []
    await log.close()

    sys.stdout.write(f"{len(took)} appends, the longest {max(took):.2f} s\n")
    assert len(took) == 30
    assert 1 < max(took) < 12, "SQLite waits for 5 s, the writer for longer"


def _long(writer: ShowLogWriter) -> list[ShowPaused | ShowResumed]:
    return [kind(at=writer.now()) for _ in range(30) for kind in (ShowPaused, ShowResumed)]


def _said(lines: Sequence[Any], event: str) -> list[Any]:
    return [line for line in lines if line["event"] == event]


def _words(evening: Evening) -> list[tuple[int, int, str]]:
    return [(event.turn, event.index, event.text) for event in evening.of(ChunkAired)]
