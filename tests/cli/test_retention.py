"""Which shows stay, and that one which does not is gone everywhere, whoever uses the data folder meanwhile."""

import asyncio
import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from debate_caster.calendar.allowance import Period
from debate_caster.calendar.ledger import Entry, Ledger
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.directing import Desk, left_for_producers
from debate_caster.cli.past_shows import PastShows
from debate_caster.cli.resumption import Keepsake, broken_off, kept_on_file
from debate_caster.cli.retention import EVERY_S, Keeping, Plan, Retention
from debate_caster.clock import EPOCH_OF_TESTS, Clock, ManualClock, VirtualClock, run_virtual
from debate_caster.episodes.annals import Annals
from debate_caster.episodes.annals import Archive as Seasons
from debate_caster.errors import ForgottenError, LogError
from debate_caster.log import EventLog, MemoryEventLog, SqliteEventLog
from debate_caster.settings import Settings
from debate_caster.show.events import stream_of
from tests.cli.archives import DAY, archive_of, keep_aired, keep_show, lists, logs_of, traces
from tests.cli.test_backups import KEEPSAKE
from tests.cli.test_commands import Say, at_home, say
from tests.episodes.seasons import episode

__all__ = ["at_home", "say"]

SHOWS = tuple(f"day-{number}" for number in range(6))
MONTH = [Period("month", EPOCH_OF_TESTS, EPOCH_OF_TESTS + 31 * DAY, None)]
NOON_OF_DAY_5 = EPOCH_OF_TESTS + timedelta(days=5, hours=12)


def file_of(show: str) -> Keepsake:
    return replace(KEEPSAKE, show=show)


def streams_of(show: str) -> set[str]:
    return {f"show/{show}", f"air/{show}", f"votes/{show}", f"stage/ended/{show}"}


def whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def retention_of(folder: DataFolder, logs: tuple[EventLog, EventLog], at: datetime = NOON_OF_DAY_5) -> Retention:
    return Retention(folder, *logs, clock=ManualClock(start=at))


async def planned(folder: DataFolder, keeping: Keeping) -> Plan:
    async with logs_of(folder) as logs:
        return await retention_of(folder, logs).plan(keeping)


async def prune(folder: DataFolder, keeping: Keeping) -> list[str]:
    async with logs_of(folder) as logs:
        retention = retention_of(folder, logs)
        await retention.mend()
        return await retention.remove((await retention.plan(keeping)).going)


# -- which ones ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keeping", "kept"),
    [
        (Keeping(shows=4), 4),
        (Keeping(shows=6), 6),
        (Keeping(days=2), 2),
        (Keeping(days=100), 6),
        (Keeping(shows=4, days=100), 4),
        (Keeping(shows=6, days=4), 4),
        (Keeping(shows=1, days=999_999_999), 1),
    ],
)
async def test_the_newest_shows_stay_as_far_as_they_are_not_too_old(
    keeping: Keeping, kept: int, tmp_path: Path
) -> None:
    folder = await archive_of(tmp_path, SHOWS)
    newest_first = SHOWS[::-1]

    assert await prune(folder, keeping) == list(newest_first[kept:])

    assert await lists(folder, ManualClock()) == (set(newest_first[:kept]), set(newest_first[:kept]))
    assert await prune(folder, keeping) == []


async def test_a_show_that_is_on_or_can_go_on_stays_and_it_is_said_why(tmp_path: Path) -> None:
    folder = await archive_of(tmp_path, ["newest"])
    async with logs_of(folder) as (show_log, air_log):
        for show in ("running", "broken-off", "cut-off"):
            await keep_show(show_log, show, EPOCH_OF_TESTS - DAY, ended=False)
        await keep_show(show_log, "concluding", EPOCH_OF_TESTS - DAY)
        await keep_aired(air_log, "of-others", EPOCH_OF_TESTS - DAY, ended=False)
    with kept_on_file(folder, file_of("broken-off")):
        pass

    with kept_on_file(folder, file_of("running")), kept_on_file(folder, file_of("concluding")):
        plan = await planned(folder, Keeping(shows=1))
        assert await prune(folder, Keeping(shows=1)) == ["cut-off"]

    why = dict(plan.staying)
    assert why.keys() == {"running", "concluding", "broken-off", "of-others"}
    assert why["running"] == why["concluding"] == "it is on the air"
    assert why["of-others"] == "no stage on this folder has seen its end; the next one will"
    assert "run --resume broken-off" in why["broken-off"]
    for show in why:
        assert await traces(folder, show)


async def test_a_show_whose_process_died_at_its_end_can_be_delivered_for_a_day(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    async with logs_of(folder) as (show_log, _):
        await keep_show(show_log, "newest", NOON_OF_DAY_5)
        await keep_show(show_log, "today", NOON_OF_DAY_5 - DAY / 2)
        await keep_show(show_log, "long-ago", NOON_OF_DAY_5 - 2 * DAY)
    for show in ("today", "long-ago"):
        with kept_on_file(folder, file_of(show)):
            pass

    plan = await planned(folder, Keeping(shows=1))

    assert [show.id for show in plan.going] == ["long-ago"]
    assert [(show, "run --resume today" in why) for show, why in plan.staying] == [("today", True)]


async def test_a_show_without_end_or_file_is_over_after_a_day_of_silence(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    async with logs_of(folder) as (show_log, _):
        await keep_show(show_log, "newest", NOON_OF_DAY_5)
        await keep_show(show_log, "silent", NOON_OF_DAY_5 - DAY + timedelta(minutes=1), ended=False)
        await keep_show(show_log, "dead", NOON_OF_DAY_5 - DAY - timedelta(minutes=1), ended=False)

    plan = await planned(folder, Keeping(shows=1))

    assert [show.id for show in plan.going] == ["dead"]
    assert plan.staying == (("silent", "it may be on the air"),)


async def test_a_show_stays_until_it_is_written_down_how_it_went_and_what_it_cost(tmp_path: Path) -> None:
    folder = await archive_of(tmp_path, SHOWS)
    seasons, ledger = Seasons(folder.seasons), Ledger(folder.calendar)
    rows = [
        Entry("tea", EPOCH_OF_TESTS + day * DAY, EPOCH_OF_TESTS, "daily", "ran", "", f"day-{day}") for day in range(2)
    ]
    await ledger.record(rows, owner="us", now=EPOCH_OF_TESTS)
    await ledger.finish("day-1", "completed", EPOCH_OF_TESTS)
    await ledger.settle("day-1", Decimal(1), EPOCH_OF_TESTS)
    await ledger.hold("day-3", Decimal(1), owner="us", now=EPOCH_OF_TESTS, periods=())
    given = [episode(number).model_copy(update={"show": f"day-{number}"}) for number in (1, 2)]
    open_one = given[1].model_copy(update={"ended": False})
    seasons.change("tea", lambda annals: annals.model_copy(update={"episodes": (given[0], open_one)}))

    first = await prune(folder, Keeping(shows=2))
    why = dict((await planned(folder, Keeping(shows=2))).staying)
    await ledger.finish("day-0", "completed", EPOCH_OF_TESTS)
    for show in ("day-0", "day-3"):
        await ledger.settle(show, Decimal(1), EPOCH_OF_TESTS)
    seasons.change("tea", lambda annals: annals.with_episode(given[1]))
    history, spent, annals = await ledger.history(), await ledger.standings(MONTH), seasons.read("tea")
    second = await prune(folder, Keeping(shows=2))

    assert (first, second) == (["day-1"], ["day-3", "day-2", "day-0"])
    assert why == {
        "day-0": "the calendar has not seen its end",
        "day-3": "what it cost has not been written down",
        "day-2": "its series has not written down how it went",
    }
    assert await ledger.history() == history
    assert await ledger.standings(MONTH) == spent
    assert spent[0].spent == 3
    assert [row.show for row in history] == ["day-1", "day-0"]
    assert seasons.read("tea") == annals != Annals()
    await ledger.aclose()


async def test_a_show_that_somebody_takes_up_after_all_is_not_removed(tmp_path: Path) -> None:
    folder = await archive_of(tmp_path, ["old", "new"])
    with kept_on_file(folder, file_of("old")):
        pass
    async with logs_of(folder) as logs:
        retention = retention_of(folder, logs)
        plan = await retention.plan(Keeping(shows=1))
        with kept_on_file(folder, file_of("old")):
            assert await retention.remove(plan.going) == []

    assert [show.id for show in plan.going] == ["old"]
    assert await traces(folder, "old") == {*streams_of("old"), "old.json"}


# -- gone ------------------------------------------------------------------------------------------------------------


async def test_nothing_is_left_of_a_removed_show_but_its_name(tmp_path: Path) -> None:
    folder = await archive_of(tmp_path, ["old", "new"], lines=["A secret of old."])
    with kept_on_file(folder, file_of("old")):
        (folder.shows / "old.draft").touch()
    with left_for_producers(folder, Desk("old", "http://127.0.0.1:1", "t" * 22)):
        desk = (folder.desks / "old.json").read_bytes()
    (folder.desks / "old.json").write_bytes(desk)
    assert await traces(folder, "old") == {
        "show/old",
        "air/old",
        "votes/old",
        "stage/ended/old",
        "old.json",
        "old.draft",
    }
    beside = await traces(folder, "new")

    assert await prune(folder, Keeping(shows=1)) == ["old"]
    async with logs_of(folder) as logs:
        await retention_of(folder, logs).give_back()

    assert await traces(folder, "old") == set()
    assert await traces(folder, "new") == beside
    assert broken_off(folder) == []
    for path in (folder.show_log, folder.air_log):
        assert whole(path)
        assert path.read_bytes().count(b"A secret of old.") == 1, "only that of the show that is kept"


async def test_a_reader_in_the_middle_of_a_removed_show_is_told(tmp_path: Path) -> None:
    folder = await archive_of(tmp_path, ["old", "new"], lines=["x"] * 600)
    async with logs_of(folder) as reading, logs_of(folder) as pruning:
        past, again = PastShows(*reading, folder.path), MemoryEventLog()
        assert await reading[0].read(stream_of("old"), 0)
        copying = past.copy_air("old", ForgetfulCopy(again, retention_of(folder, pruning)))

        with pytest.raises(ForgottenError, match="removed"):
            await copying
        with pytest.raises(ForgottenError):
            await past.transcript("old")
        assert [show.id for show in await past.list()] == ["new"]


class ForgetfulCopy(MemoryEventLog):
    """Where a show is copied to while somebody prunes."""

    def __init__(self, log: MemoryEventLog, retention: Retention) -> None:
        super().__init__()
        self._retention = retention

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        last = await super().append(stream, bodies, expect=expect, epoch=epoch)
        await self._retention.remove((await self._retention.plan(Keeping(shows=1))).going)
        return last


async def test_two_that_prune_at_once_remove_each_show_whole(tmp_path: Path) -> None:
    folder = await archive_of(tmp_path, SHOWS)

    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(prune(folder, Keeping(shows=2))) for _ in range(2)]

    assert {show for task in both for show in task.result()} == set(SHOWS[:4])
    assert await lists(folder, ManualClock()) == (set(SHOWS[4:]), set(SHOWS[4:]))
    for show in SHOWS[:4]:
        assert await traces(folder, show) == set()
    assert whole(folder.air_log)
    assert whole(folder.show_log)


async def test_the_room_is_given_back_while_others_write(tmp_path: Path) -> None:
    folder = await archive_of(tmp_path, SHOWS, lines=["x" * 400] * 300)
    full = {path: path.stat().st_size for path in (folder.show_log, folder.air_log)}

    async with logs_of(folder) as logs, logs_of(folder) as (other, _):
        retention = retention_of(folder, logs)
        await retention.remove((await retention.plan(Keeping(shows=1))).going)
        giving_back = asyncio.create_task(retention.give_back())
        written = 0
        while not giving_back.done():
            written = await other.append("show/live", ["x" * 400], expect=written)
        await giving_back
        assert [record.seq for record in await other.read("show/live", 0, limit=10**6)] == list(range(1, written + 1))

    for path, before in full.items():
        others = written * 500 if path == folder.show_log else 0
        assert path.stat().st_size < before / 3 + others
        assert whole(path)


# -- dying half way --------------------------------------------------------------------------------------------------


class Death(BaseException):
    """The process is gone: what it was about to do is not done."""


class DyingLog(SqliteEventLog):
    """Dies at the Nth time that something is written to any of them, before or after it is stored."""

    left = 0
    before = False

    async def _die_around(self, *, now: bool) -> None:
        if now == DyingLog.before:
            DyingLog.left -= 1
            if DyingLog.left == 0:
                raise Death

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        await self._die_around(now=True)
        last = await super().append(stream, bodies, expect=expect, epoch=epoch)
        await self._die_around(now=False)
        return last

    async def forget(self, streams: Mapping[str, int]) -> None:
        await self._die_around(now=True)
        await super().forget(streams)
        await self._die_around(now=False)

    async def reclaim(self) -> bool:
        await self._die_around(now=True)
        more = await super().reclaim()
        await self._die_around(now=False)
        return more


@pytest.mark.parametrize("before", [True, False])
async def test_whoever_dies_while_pruning_leaves_each_show_whole_or_gone_on_the_next_start(
    *, before: bool, tmp_path: Path
) -> None:
    DyingLog.before, steps = before, 0
    await archive_of(tmp_path / "0", ["older", "old", "new"])
    for number in range(1, 40):
        folder = DataFolder(tmp_path / str(number))
        shutil.copytree(tmp_path / "0", folder.path)
        logs = DyingLog(folder.show_log), DyingLog(folder.air_log)
        DyingLog.left = number
        died = True
        with suppress(Death):
            retention = retention_of(folder, logs)
            await retention.remove((await retention.plan(Keeping(shows=1))).going)
            await retention.give_back()
            died = False
        DyingLog.left = 0
        for log in logs:
            await log.close()
        if not died:
            break
        steps = number

        listed, lobby = await lists(folder, ManualClock())
        assert listed == lobby
        for show in {"old", "older"} & listed:
            assert await traces(folder, show) == streams_of(show)
        async with logs_of(folder) as mended:
            retention = retention_of(folder, mended)
            await retention.mend()
            await retention.give_back()
        for show in {"old", "older"} - listed:
            assert await traces(folder, show) == set()
        assert await traces(folder, "new")
        assert await lists(folder, ManualClock()) == (listed, lobby)
        for path in (folder.show_log, folder.air_log):
            assert whole(path)
            with closing(sqlite3.connect(path)) as connection:
                orphans = "SELECT count(*) FROM events WHERE stream NOT IN (SELECT id FROM streams WHERE epoch < 2e18)"
                assert connection.execute(orphans).fetchone() == (0,)
    assert steps >= 6, "two shows, of each the air log, the word of it and the show log"


# -- once a day ------------------------------------------------------------------------------------------------------


class Shown(MemoryEventLog):
    """A log that can't be read on some days, by the number of the listing."""

    def __init__(self, *failing: int) -> None:
        super().__init__()
        self.failing, self.listed = failing, 0

    async def forgotten(self, prefix: str = "") -> list[str]:
        self.listed += 1
        if self.listed in self.failing:
            raise LogError("", "the disk failed")
        return await super().forgotten(prefix)


def test_serve_prunes_at_its_start_and_once_a_day_and_lives_through_a_bad_one(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> list[int]:
        show_log, left = Shown(4), []  # it is looked at twice a day: the second day, when shows are to be chosen
        await keep_show(show_log, "first", clock.now())
        await keep_show(show_log, "second", clock.now() + timedelta(minutes=1))
        async with asyncio.TaskGroup() as tasks:
            retention = Retention(DataFolder(tmp_path), show_log, MemoryEventLog(), clock=clock)
            tidying = tasks.create_task(retention.run(Keeping(shows=1)))
            for day in range(4):
                await clock.sleep(EVERY_S / 2)
                left.append(len(await show_log.streams()))
                await keep_show(show_log, f"of-day-{day}", clock.now())
                await clock.sleep(EVERY_S / 2)
            tidying.cancel()
        return left

    with capture_logs() as lines:
        assert run_virtual(main) == [1, 2, 1, 1]
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["retention_failed"]
    assert [line["shows"] for line in lines if line["event"] == "shows_removed"] == [1, 2, 1]


def test_serve_with_no_limit_only_clears_up_after_the_dead(tmp_path: Path) -> None:
    async def main(clock: Clock) -> set[str]:
        folder = await archive_of(tmp_path, SHOWS)
        async with logs_of(folder) as logs:
            await logs[1].forget({"air/day-0": await logs[1].last_seq("air/day-0")})
            async with asyncio.TaskGroup() as tasks:
                tidying = tasks.create_task(Retention(folder, *logs, clock=clock).run(Keeping()))
                await clock.sleep(2.5 * EVERY_S)
                tidying.cancel()
            assert await traces(folder, "day-0") == set()
        return (await lists(folder, clock))[0]

    assert run_virtual(main) == set(SHOWS[1:])


# -- as a user types it ----------------------------------------------------------------------------------------------


@pytest.fixture
def home() -> DataFolder:
    return asyncio.run(archive_of(Settings().data_dir, SHOWS, lines=["x" * 400] * 50))


def test_a_dry_run_names_the_shows_and_changes_nothing(home: DataFolder, say: Say) -> None:
    before = say("shows").out

    said = say("prune", "--keep-shows", "4", "--dry-run")

    assert said.status == 0
    assert [line.split()[0] for line in said.out.splitlines()] == ["SHOW", "day-1", "day-0", "2"]
    assert said.out.splitlines()[-1] == f"2 shows would be removed: {home.path}"
    assert say("shows").out == before


def test_prune_removes_them_and_says_how_much_room_that_gave(home: DataFolder, say: Say) -> None:
    said = say("prune", "--keep-days", "1")

    assert said.status == 0, said.err
    *rows, last = said.out.splitlines()
    assert [row.split()[0] for row in rows] == ["SHOW", *SHOWS[::-1]]
    assert last.startswith("6 shows removed, ")
    assert not last.startswith("6 shows removed, 0 KiB")
    assert say("shows").out == f"no show yet in {home.path}\n"
    assert say("prune", "--keep-days", "1").out.startswith("0 shows removed, ")


def test_settings_say_what_prune_keeps_and_without_any_it_asks(
    home: DataFolder, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = say("prune")
    monkeypatch.setenv("DEBATE_CASTER_KEEP_SHOWS", "5")
    said = say("prune")

    assert (asked.status, asked.out) == (2, "")
    assert "DEBATE_CASTER_KEEP_SHOWS" in asked.err
    assert said.out.splitlines()[-1].startswith("1 show removed")


def test_serve_keeps_what_its_settings_say(home: DataFolder, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def end_it_once_they_are_gone() -> None:
        for _ in range(400):
            if asyncio.run(lists(home, ManualClock()))[1] == set(SHOWS[4:]):
                break
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setenv("DEBATE_CASTER_KEEP_SHOWS", "2")
    watching = threading.Thread(target=end_it_once_they_are_gone)
    watching.start()
    said = say("serve", "--port", "0")
    watching.join()

    assert said.status == 0, said.err
    assert asyncio.run(lists(home, ManualClock())) == (set(SHOWS[4:]), set(SHOWS[4:]))


def test_what_stays_is_said_with_its_reason(home: DataFolder, say: Say) -> None:
    async def keep_more() -> None:
        async with logs_of(home) as (show_log, _):
            await keep_show(show_log, "cut-1", EPOCH_OF_TESTS - DAY, ended=False)

    asyncio.run(keep_more())
    with kept_on_file(home, file_of("cut-1")):
        pass

    said = say("prune", "--keep-shows", "6")

    assert said.out.startswith("0 shows removed")
    assert said.err == "cut-1 stays: it was broken off: `debate-caster run --resume cut-1` goes on with it\n"


@pytest.mark.parametrize("command", ["export", "replay"])
def test_a_removed_show_is_no_longer_kept_and_not_unknown(command: str, home: DataFolder, say: Say) -> None:
    say("prune", "--keep-shows", "5")

    said = say(command, "day-0")

    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"debate-caster: the show day-0 was removed from {home.path}: it is no longer kept.")
    assert "there is no show 'day-00'" in say(command, "day-00").err


def test_pruning_makes_no_data_folder(say: Say, tmp_path: Path) -> None:
    said = say("prune", "--keep-shows", "1", "--data-dir", tmp_path / "never")

    assert said.status == 0
    assert not (tmp_path / "never").exists()
