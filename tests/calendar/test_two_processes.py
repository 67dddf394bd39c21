"""Two processes on one ledger, killed at random moments, most of them just when a slot has come."""

import asyncio
import multiprocessing
import random
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from debate_caster.calendar.allowance import Allowance
from debate_caster.calendar.ledger import Ledger, Occurrence
from debate_caster.calendar.succession import CUT_OFF
from debate_caster.log import SqliteEventLog
from tests.calendar.worker import FIRST_SLOT, PERIOD, tell, work
from tests.scenario.files import DUEL, write

SCHEDULE = '\nschedule: {{cron: "{cron}", timezone: UTC, grace_s: 300}}\n'
EVERY_FIVE, A_MINUTE_LATER = "*/5 * * * *", "1-56/5 * * * *"


class Pair:
    """The two processes; each that is killed is followed by a new one."""

    def __init__(self, folder: Path, crons: Mapping[str, str], *, per_day: Decimal | None = None) -> None:
        scenarios = [
            write(folder, f"{name}.yaml", DUEL.strip() + SCHEDULE.format(cron=cron)) for name, cron in crons.items()
        ]
        self._arguments = (folder, scenarios, per_day)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.calendar.worker"])
        self.processes: list[BaseProcess] = []
        self.kills = 0

    def keep_two(self) -> None:
        self.processes = [process for process in self.processes if process.is_alive()]
        while len(self.processes) < 2:
            process = self._context.Process(target=work, args=self._arguments, daemon=True)
            process.start()
            self.processes.append(process)

    def kill(self, process: BaseProcess) -> None:
        process.kill()
        process.join()
        self.kills += 1

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


async def settled(ledger: Ledger, pair: Pair, number: int) -> list[Occurrence]:
    """Wait until the last of ``number`` slots has come to its end, whoever has to be started for it."""
    while True:
        pair.keep_two()
        rows = await ledger.history(limit=number + 1)
        if len(rows) == number and all(row.ended_at or row.outcome == "skipped" for row in rows):
            return rows
        await asyncio.sleep(0.005)


@pytest.mark.timeout(150)
async def test_each_slot_gives_exactly_one_show_whoever_is_killed_and_when(tmp_path: Path) -> None:
    await give_all(tmp_path, 30)


@pytest.mark.timeout(150)
async def test_two_processes_never_spend_more_together_than_the_day_has(tmp_path: Path) -> None:
    """Of two scenarios a minute apart, the second slot comes while the first one's show is on, or its process dies."""
    chance, limit = random.Random(11), Decimal(23)
    tell(tmp_path / "time", FIRST_SLOT - timedelta(seconds=10))
    ledger, log = Ledger(tmp_path / "calendar.db"), SqliteEventLog(tmp_path / "show-log.db")
    pair = Pair(tmp_path, {"one": EVERY_FIVE, "two": A_MINUTE_LATER}, per_day=limit)
    try:
        pair.keep_two()
        async with asyncio.timeout(60):
            while len(await ledger.calendars()) < 2:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        rows: list[Occurrence] = []
        for number in range(10):
            for minute in range(2):
                tell(tmp_path / "time", FIRST_SLOT + number * PERIOD + timedelta(minutes=minute))
                await asyncio.sleep(chance.uniform(0, 0.02))
                if chance.random() < 0.4 and pair.processes:
                    pair.kill(pair.processes.pop())
            async with asyncio.timeout(60):
                rows = await settled(ledger, pair, 2 * (number + 1))
            day, _ = await ledger.standings(Allowance(limit).periods(FIRST_SLOT))
            assert day.spent + day.held <= limit
        shows = await log.streams("show:")
    finally:
        pair.close()
        await ledger.aclose()
        await log.close()

    # Each costs 2: it is the first eleven that are given, whoever decides it, and the twelfth comes while one is on.
    told = [row.why if row.show is None else "given" for row in sorted(rows, key=lambda row: row.slot or FIRST_SLOT)]
    assert pair.kills > 2
    assert told == ["given"] * 11 + ["budget"] * 9
    assert len(shows) == 11


@pytest.mark.soak
@pytest.mark.timeout(200)
async def test_each_of_a_hundred_slots_gives_exactly_one_show(tmp_path: Path) -> None:
    await give_all(tmp_path, 100)


async def give_all(tmp_path: Path, slots: int) -> None:
    """Have that many slots come with the two processes there, and look at what became of them."""
    chance = random.Random(7)
    tell(tmp_path / "time", FIRST_SLOT - timedelta(seconds=10))
    ledger, log, pair = (
        Ledger(tmp_path / "calendar.db"),
        SqliteEventLog(tmp_path / "show-log.db"),
        Pair(tmp_path, {"often": EVERY_FIVE}),
    )
    try:
        pair.keep_two()
        async with asyncio.timeout(60):
            while not await ledger.calendars():  # noqa: ASYNC110 - another process's file
                await asyncio.sleep(0.01)
        rows: list[Occurrence] = []
        for number in range(slots):
            tell(tmp_path / "time", FIRST_SLOT + number * PERIOD)
            for process in list(pair.processes):
                if chance.random() < 0.4:
                    await asyncio.sleep(chance.uniform(0, 0.02))
                    pair.kill(process)
            async with asyncio.timeout(60):
                rows = await settled(ledger, pair, number + 1)
        shows = [stream.name for stream in await log.streams("show:")]
        twice = [stream for stream in shows if len([r for r in await log.read(stream, 0) if "began" in r.body]) != 1]
    finally:
        pair.close()
        await ledger.aclose()
        await log.close()

    assert pair.kills > slots / 4
    assert len(shows) == len(rows) == slots
    assert twice == []
    assert {f"show:{row.show}" for row in rows} == set(shows)
    assert [row.slot for row in reversed(rows)] == [FIRST_SLOT + number * PERIOD for number in range(slots)]
    assert {row.outcome for row in rows} == {"ran"}
    assert {row.ending for row in rows} <= {"completed", CUT_OFF}
