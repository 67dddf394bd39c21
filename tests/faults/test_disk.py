import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from debate_caster.clock import SystemClock
from debate_caster.errors import LogError
from debate_caster.log import MemoryEventLog, SqliteEventLog
from debate_caster.show.events import ChunkAired, ShowPaused, ShowResumed, TurnEnded, decode, stream_of
from debate_caster.show.log_writer import ShowLogWriter
from tests.cli.stage_play import play
from tests.faults.invariants import as_fields, broken_in
from tests.show.stage_props import SHOW, Backstage, make_scenario, perform_evening


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
            raise LogError(stream, "the disk is full: free some space", passing=self._passing)
        return await super().append(stream, bodies, expect=expect, epoch=epoch)


@pytest.mark.parametrize("begin", [3, 9, 14, 20])
def test_a_show_waits_while_its_log_takes_nothing_and_goes_on(begin: int) -> None:
    whole = perform_evening(make_scenario())
    evening = perform_evening(make_scenario(), make_log=lambda: FailingLog(begin=begin, failures=5))

    assert evening.ended.why == "completed"
    said = [(event.turn, event.index, event.text) for event in evening.of(ChunkAired)]
    assert said == [(event.turn, event.index, event.text) for event in whole.of(ChunkAired)]
    assert {event.how for event in evening.of(TurnEnded)} == {"completed"}
    assert evening.events[-1].at > whole.events[-1].at
    assert broken_in(as_fields(evening.events)) == []


def test_what_a_failed_attempt_had_stored_is_not_stored_twice() -> None:
    untroubled = FailingLog(begin=10**6, failures=0)
    whole = perform_evening(make_scenario(), make_log=lambda: untroubled)
    said = [(event.turn, event.index, event.text) for event in whole.of(ChunkAired)]
    assert untroubled.appends > 20

    for place in range(2, untroubled.appends + 1):  # a show that can't begin is not waited for
        log = FailingLog(begin=place, failures=1, stores=True)
        evening = perform_evening(make_scenario(), make_log=partial(_itself, log))

        assert log.appends > place
        assert broken_in(as_fields(evening.events)) == []
        assert [(event.turn, event.index, event.text) for event in evening.of(ChunkAired)] == said


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


async def test_a_disk_that_is_full_stops_the_log_and_harms_nothing(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "show-log.db")
    writer = await ShowLogWriter.open(log, "s1", clock=SystemClock(speed=20))
    await writer.append(play()[0])
    assert log._writer is not None
    pages = log._writer.execute("PRAGMA page_count").fetchone()[0]
    log._writer.execute(f"PRAGMA max_page_count = {pages + 2}")

    async def fill() -> None:
        for _ in range(40):
            await writer.append(ShowPaused(at=writer.now()), ShowResumed(at=writer.now()), *_long(writer))

    filling = asyncio.create_task(fill())
    while await _is_moving(log):
        pass
    stored = await log.last_seq(stream_of("s1"))
    still_waiting = not filling.done()
    await log.last_seq("")  # nothing is under way in the readers
    log._writing.submit(log._writer.execute, "PRAGMA max_page_count = 100000").result()
    await filling
    records = await log.read(stream_of("s1"), 0, limit=10_000)
    await log.close()

    assert still_waiting
    assert stored < writer.transcript.seq == len(records)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert all(decode(record) for record in records)
    with closing(sqlite3.connect(tmp_path / "show-log.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_log_that_another_program_locks_for_a_while_loses_nothing(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "show-log.db")
    writer = await ShowLogWriter.open(log, "s1", clock=SystemClock())
    await writer.append(play()[0])
    with closing(sqlite3.connect(tmp_path / "show-log.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        appending = asyncio.create_task(writer.append(ShowPaused(at=writer.now())))
        await asyncio.sleep(3)
        assert not appending.done()
        other.execute("ROLLBACK")
        begun = asyncio.get_running_loop().time()
        after = await appending
        took = asyncio.get_running_loop().time() - begun
    await log.close()

    assert after.seq == 2
    assert took < 0.5 + 3.5


def _long(writer: ShowLogWriter) -> list[ShowPaused | ShowResumed]:
    return [kind(at=writer.now()) for _ in range(30) for kind in (ShowPaused, ShowResumed)]


async def _is_moving(log: SqliteEventLog) -> bool:
    before = await log.last_seq(stream_of("s1"))
    await asyncio.sleep(0.3)
    return await log.last_seq(stream_of("s1")) > before
