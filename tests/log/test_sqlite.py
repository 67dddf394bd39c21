import asyncio
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from itertools import cycle, islice, pairwise
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.errors import FencedError, ForgottenError, LogError
from debate_caster.log import EventLog, Record, SqliteEventLog, removal, sqlite
from tests.log.conformance import EventLogConformance


@asynccontextmanager
async def sqlite_log() -> AsyncIterator[EventLog]:
    with tempfile.TemporaryDirectory() as folder:
        log = SqliteEventLog(Path(folder) / "events.sqlite")
        try:
            yield log
        finally:
            await log.close()


class TestSqliteEventLog(EventLogConformance):
    def open_log(self) -> AbstractAsyncContextManager[EventLog]:
        return sqlite_log()


async def test_no_file_is_made_before_something_is_written(tmp_path: Path) -> None:
    path = tmp_path / "data" / "events.sqlite"
    log = SqliteEventLog(path)

    assert await log.read("a", 0) == []
    assert await log.streams() == []
    assert not path.parent.exists()
    await log.append("a", ["1"], expect=0)
    assert path.exists()
    await log.close()


def test_its_files_are_their_owners_alone_whatever_the_folder(tmp_path: Path) -> None:
    """The private log has hints that were declined; a folder that was there before may be open to all."""

    def modes() -> dict[str, int]:
        return {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}

    async def write() -> dict[str, int]:
        log = SqliteEventLog(tmp_path / "events.sqlite")
        await log.append("a", ["one"], expect=0)
        made = await asyncio.to_thread(modes)
        await log.close()
        return made

    tmp_path.chmod(0o755)
    assert asyncio.run(write()) == dict.fromkeys(("events.sqlite", "events.sqlite-wal", "events.sqlite-shm"), 0o600)


async def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log = SqliteEventLog(path)
    await log.append("a", ["1", "2"], expect=0, epoch=3)
    await log.close()

    log = SqliteEventLog(path)
    assert [record.body for record in await log.read("a", 0)] == ["1", "2"]
    with pytest.raises(LogError, match="epoch 2 is over"):
        await log.append("a", ["3"], expect=2, epoch=2)
    await log.close()


async def test_the_write_ahead_log_does_not_grow_with_the_show(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    for place in range(1000):
        await log.append("a", ["x" * 200], expect=place)

    pages = (tmp_path / "events.sqlite-wal").stat().st_size / 4096
    await log.close()

    assert pages < 1500, "1,000 commits write some 2,500 pages"


async def test_commits_wait_for_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log = SqliteEventLog(path)
    await log.append("a", ["1"], expect=0)

    assert log._writer is not None
    assert log._writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert log._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await log.close()


async def test_a_tail_sees_what_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    ours, theirs = SqliteEventLog(path, poll_interval_s=0.02), SqliteEventLog(path)
    async with ours.tail("a", 0) as records:
        await theirs.append("a", ["1"], expect=0)
        assert (await anext(records)).body == "1"
        await ours.append("b", ["x"], expect=0)  # from here on we have a connection that can tell
        await theirs.append("a", ["2"], expect=1)
        assert (await anext(records)).body == "2"

    await ours.close()
    await theirs.close()


async def test_a_tail_that_keeps_up_reads_no_disk_and_one_that_falls_behind_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    await log.append("a", ["0"], expect=0)
    reads = 0
    read = log.read

    async def counted(stream: str, after: int, *, limit: int = 500) -> list[Record]:
        nonlocal reads
        reads += 1
        return await read(stream, after, limit=limit)

    monkeypatch.setattr(log, "read", counted)
    async with log.tail("a", 0) as records, log.tail("a", 0) as behind:
        assert (await anext(records)).body == "0"
        for number in range(1, 200):
            await log.append("a", [str(number)], expect=number)
            assert await anext(records) == Record(number + 1, str(number))
        kept_up = reads

        assert [(await anext(behind)).body for _ in range(200)] == [str(number) for number in range(200)]

    assert kept_up == 1
    await log.close()


async def test_of_two_processes_one_wins_each_place(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    logs = [SqliteEventLog(path) for _ in range(3)]
    won = 0
    for place in range(10):
        results = await asyncio.gather(
            *(log.append("a", [str(place)], expect=place) for log in logs), return_exceptions=True
        )
        won += sum(result == place + 1 for result in results)

    assert won == 10
    assert await logs[0].last_seq("a") == 10
    for log in logs:
        await log.close()


async def test_closing_waits_for_writes_under_way(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log = SqliteEventLog(path)
    writing = [asyncio.ensure_future(log.append(f"s{number}", ["1"], expect=0)) for number in range(20)]
    await asyncio.sleep(0)
    await log.close()

    assert await asyncio.gather(*writing) == [1] * 20


async def test_closing_ends_the_tails_that_wait(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    async with log.tail("a", 0) as records:
        waiting = asyncio.ensure_future(anext(records))
        await asyncio.sleep(0.01)
        await log.close()
        with pytest.raises(LogError, match="closed"):
            await waiting


async def test_many_appends_at_once_share_a_commit(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    await log.append("warm", ["up"], expect=0)
    assert log._writer is not None
    commits: list[str] = []
    log._writer.set_trace_callback(lambda statement: commits.append(statement) if statement == "COMMIT" else None)

    busy = threading.Event()
    log._writing.submit(busy.wait)
    appending = [asyncio.ensure_future(log.append(f"s{number}", ["1"], expect=0)) for number in range(50)]
    await asyncio.sleep(0)  # by now all of them wait for the writer
    busy.set()
    await asyncio.gather(*appending)

    assert commits == ["COMMIT"]
    assert len(await log.streams("s")) == 50
    await log.close()


async def test_listing_streams_does_not_read_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "debate_caster.log.sqlite.READERS", 1
    )  # so that the one connection watched below is the one that reads
    path = tmp_path / "events.sqlite"
    log = SqliteEventLog(path)
    for number in range(5):
        await log.append(f"air/{number}", ["x"] * 400, expect=0)
    await log.streams()  # this reader has its connection now
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    for connection in log._connections:
        connection.set_progress_handler(step, 1)
    assert len(await log.streams("air/")) == 5

    assert 0 < steps < 300
    await log.close()


async def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log = SqliteEventLog(path)
    await log.append("a", ["1"], expect=0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(log.append("a", ["2"], expect=1))
    await asyncio.sleep(0.1)
    assert not writing.done()
    assert await log.read("a", 0), "readers do not wait for a writer"
    other.execute("ROLLBACK")

    assert await writing == 2
    other.close()
    await log.close()


async def test_a_file_that_stays_locked_is_reported_with_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log = SqliteEventLog(path)
    await log.append("a", ["1"], expect=0)
    assert log._writer is not None
    log._writer.execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(LogError, match=r"events\.sqlite: another program holds it locked"):
        await log.append("a", ["2"], expect=1)
    other.execute("ROLLBACK")
    other.close()
    assert await log.append("a", ["2"], expect=1) == 2
    await log.close()


async def test_a_full_disk_is_reported_and_the_log_goes_on_after_space_is_back(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    await log.append("a", ["1"], expect=0)
    assert log._writer is not None
    (pages,) = log._writer.execute("PRAGMA page_count").fetchone()
    log._writer.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(LogError, match="disk is full: free some space"):
        await log.append("a", ["x" * 100_000], expect=1)
    assert await log.last_seq("a") == 1
    log._writer.execute("PRAGMA max_page_count = 1000000")

    assert await log.append("a", ["x" * 100_000], expect=1) == 2
    await log.close()


@pytest.mark.parametrize(
    "content", [b"this is a text file, and rather a long one at that" * 40, b"SQLite format 3\0junk"]
)
async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.sqlite"
    path.write_bytes(content)
    log = SqliteEventLog(path)

    with pytest.raises(LogError, match=r"events\.sqlite: it is (not a SQLite database|damaged)"):
        await log.append("a", ["1"], expect=0)

    assert path.read_bytes() == content
    await log.close()


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE notes (text)")
    other.commit()
    other.close()
    log = SqliteEventLog(path)

    with pytest.raises(LogError, match="another program's database"):
        await log.append("a", ["1"], expect=0)
    await log.close()


@pytest.mark.parametrize("look", [1, 2, 3])
async def test_a_file_that_another_process_makes_before_any_look_of_ours_is_no_strangers(
    tmp_path: Path, look: int
) -> None:
    path = tmp_path / "events.sqlite"
    looks = 0

    class Overtaken(sqlite3.Connection):
        def execute(self, statement: str, *rest: Any) -> sqlite3.Cursor:
            nonlocal looks
            looks += 1
            if looks == look:
                with closing(sqlite3.connect(path)) as other:
                    other.executescript(f"BEGIN; {sqlite._SCHEMA} COMMIT;")
            return super().execute(statement, *rest)

    log = SqliteEventLog(path)
    with closing(sqlite3.connect(path, factory=Overtaken)) as ours:
        assert log._check_ours(ours) == (look > 1)  # then it is made once more, which changes nothing
    assert looks == 3
    await log.close()


async def test_a_file_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log = SqliteEventLog(path)
    await log.append("a", ["1"], expect=0)
    await log.close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    log = SqliteEventLog(path)

    with pytest.raises(LogError, match="newer debate-caster"):
        await log.append("a", ["2"], expect=1)
    with pytest.raises(LogError, match="newer debate-caster"):
        await log.read("a", 0)
    await log.close()


async def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    log = SqliteEventLog(tmp_path / "file" / "events.sqlite")

    with pytest.raises(LogError, match="its folder can't be used"):
        await log.append("a", ["1"], expect=0)
    await log.close()


async def test_a_read_only_file_is_reported_with_the_cure(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    await log.append("a", ["1"], expect=0)
    assert log._writer is not None
    log._writer.execute("PRAGMA query_only = 1")  # what the file system would say, for any user

    with pytest.raises(LogError, match="it is read-only: give this user the right"):
        await log.append("a", ["2"], expect=1)
    await log.close()


def test_it_serves_a_virtual_clock_too(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> list[str]:
        log = SqliteEventLog(tmp_path / "events.sqlite")

        async def write() -> None:
            for number in range(3):
                await clock.sleep(60)
                await log.append("a", [f"{clock.monotonic():.0f}"], expect=number)

        async with asyncio.TaskGroup() as tasks, log.tail("a", 0) as records:
            tasks.create_task(write())
            bodies = [(await anext(records)).body for _ in range(3)]
        await log.close()
        return bodies

    assert run_virtual(main) == ["60", "120", "180"]


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(120)])])
def test_a_writer_killed_at_any_point_has_lost_nothing_it_acknowledged(tmp_path: Path, kills: int) -> None:
    path = tmp_path / "events.sqlite"
    acknowledged = 0
    for patience_s in islice(cycle((0.0, 0.01, 0.05, 0.12, 0.2)), kills):
        writer = Popen([sys.executable, Path(__file__).with_name("writer.py"), path, "air/x"], stdout=PIPE)
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(patience_s)
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines()
        writer.wait()
        writer.stdout.close()
        said = [int(line) for line in lines if line.strip()]
        assert said[0] > acknowledged
        acknowledged = said[-1]

        connection = sqlite3.connect(path)
        stored = [row[0] for row in connection.execute("SELECT seq FROM events ORDER BY seq")]
        (last_seq,) = connection.execute("SELECT last_seq FROM streams").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        assert stored == list(range(1, len(stored) + 1))
        assert last_seq == len(stored) >= acknowledged


async def test_a_file_that_is_broken_for_good_says_so_and_a_full_disk_does_not(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    path.write_bytes(b"this is a text file, and rather a long one at that" * 40)
    log = SqliteEventLog(path)
    with pytest.raises(LogError) as broken:
        await log.append("a", ["1"], expect=0)
    await log.close()
    assert not broken.value.passing

    for code, passes in ((sqlite3.SQLITE_FULL, True), (sqlite3.SQLITE_READONLY, True), (sqlite3.SQLITE_CORRUPT, False)):
        failure = sqlite3.OperationalError("no")
        failure.sqlite_errorcode = code
        with pytest.raises(LogError) as told, log._translated("a"):
            raise failure
        assert told.value.passing is passes


class StumblingLog(SqliteEventLog):
    """Fails behind what it has written, as a disk does that fills up in the middle of a transaction."""

    stumbles = True

    def _store(self, connection: sqlite3.Connection, request: Any) -> None:
        super()._store(connection, request)
        if self.stumbles:
            self.stumbles = False
            raise sqlite3.OperationalError("disk I/O error")


async def test_a_transaction_that_fails_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    log = StumblingLog(tmp_path / "events.sqlite")
    with pytest.raises(LogError):
        await log.append("a", ["never"], expect=0)

    assert await log.append("a", ["first"], expect=0) == 1
    assert [record.body for record in await log.read("a", 0)] == ["first"]
    await log.close()


async def test_a_backup_that_is_taken_while_others_write_has_no_gap_and_can_be_gone_on_with(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    await log.append("a", ["1"], expect=0)

    async def write() -> None:
        for last in range(1, 200):
            await log.append("a", [str(last + 1)], expect=last)

    def back_up() -> None:
        with (
            closing(sqlite3.connect(tmp_path / "events.sqlite")) as original,
            closing(sqlite3.connect(tmp_path / "copy.sqlite")) as copy,
        ):
            original.backup(copy)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        await asyncio.to_thread(back_up)
    await log.close()

    restored = SqliteEventLog(tmp_path / "copy.sqlite")
    records = await restored.read("a", 0)
    assert [record.body for record in records] == [str(record.seq) for record in records]
    assert [record.seq for record in records] == [*range(1, len(records) + 1)]
    assert await restored.append("a", ["next"], expect=len(records), epoch=1) == len(records) + 1
    await restored.close()


# -- what is forgotten -----------------------------------------------------------------------------------------------


async def filled(path: Path, **streams: int) -> SqliteEventLog:
    """Return a log with streams of so many events of 1 KB."""
    log = SqliteEventLog(path)
    for name, events in streams.items():
        await log.append(name, ["x" * 1000] * events, expect=0)
    return log


async def test_what_one_process_forgets_is_gone_for_another_that_reads_or_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log, other = await filled(path, a=3, b=1), SqliteEventLog(path, poll_interval_s=0.01)
    async with other.tail("a", 0) as records:
        for _ in range(3):
            await anext(records)
        waiting = asyncio.ensure_future(anext(records))
        assert await other.append("b", ["own"], expect=1) == 2

        await log.forget({"a": 3})

        with pytest.raises(ForgottenError):
            await waiting
    with pytest.raises(FencedError, match="removed"):
        await other.append("a", ["late"], expect=3)
    with pytest.raises(ForgottenError):
        await other.read("a", 1)
    assert [info.name for info in await other.streams()] == ["b"]
    for each in (log, other):
        await each.close()


async def test_room_is_given_back_in_pieces_between_which_others_write(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log, other = await filled(path, a=1900, b=20, c=300), SqliteEventLog(path)
    await log.close()
    full = path.stat().st_size

    log, left, written = SqliteEventLog(path), [], 0
    await log.forget({"a": 1900, "c": 300})
    with closing(sqlite3.connect(path)) as looking:
        while await log.reclaim():
            written = await other.append("live", ["y"], expect=written)
            (events,) = looking.execute("SELECT count(*) FROM events").fetchone()
            (free,) = looking.execute("PRAGMA freelist_count").fetchone()
            left.append((events - written, free))
        assert looking.execute("PRAGMA freelist_count").fetchone() == (0,)

    swept = [before - after for (before, _), (after, _) in pairwise([(2220, 0), *left])]
    shrunk = [before - after for (_, before), (_, after) in pairwise(left) if before > after]
    assert (sum(swept), max(swept)) == (2200, removal.SWEPT_EVENTS)
    assert max(shrunk) <= removal.SHRUNK_PAGES
    assert len(shrunk) > 1
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0
    assert path.stat().st_size < full / 5
    assert [record.seq for record in await log.read("live", 0)] == list(range(1, written + 1))
    assert len(await log.read("b", 0)) == 20
    for each in (log, other):
        await each.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_many_small_streams_are_swept_out_together(tmp_path: Path) -> None:
    log = await filled(tmp_path / "events.sqlite", **{f"s{number}": 2 for number in range(60)})
    await log.forget({f"s{number}": 2 for number in range(60)})

    pieces = 0
    while await log.reclaim():
        pieces += 1

    assert pieces <= 4
    assert len(await log.forgotten("s")) == 60
    await log.close()


async def test_what_a_dead_process_had_only_marked_is_gone_and_swept_out_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log = await filled(path, a=500, b=1)
    await log.forget({"a": 500})
    await log.close()

    log = SqliteEventLog(path)
    assert [info.name for info in await log.streams()] == ["b"]
    with pytest.raises(ForgottenError):
        await log.read("a", 0)
    while await log.reclaim():
        pass
    await log.close()

    assert path.stat().st_size < 50_000
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)


async def test_who_reads_meanwhile_neither_holds_up_the_sweep_nor_is_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    log = await filled(path, a=500)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (500,)
        await log.forget({"a": 500})
        while await log.reclaim():
            pass
        assert reader.execute("SELECT count(*), sum(length(body)) FROM events").fetchone() == (500, 500_000)
    await log.close()


async def test_a_file_made_without_the_means_to_shrink_is_filled_again_instead(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    with closing(sqlite3.connect(path)) as older:
        older.executescript(sqlite._SCHEMA)
    log = await filled(path, a=600)
    await log.close()
    full = path.stat().st_size

    log = SqliteEventLog(path)
    await log.forget({"a": 600})
    while await log.reclaim():
        pass
    await log.append("b", ["x" * 1000] * 600, expect=0)
    await log.close()

    assert full <= path.stat().st_size < full * 1.05


async def test_forgetting_and_giving_back_make_no_file(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")

    await log.forget({"a": 0})
    assert not await log.reclaim()
    assert await log.forgotten() == []

    assert not log.path.exists()
    await log.close()
