"""A process that gives the shows of a calendar until it is killed; the time is what the parent writes into a file."""

import asyncio
import struct
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from debate_caster.calendar.allowance import Allowance
from debate_caster.calendar.ledger import Ledger
from debate_caster.calendar.owners import Owners
from debate_caster.calendar.purse import Purse
from debate_caster.calendar.season import Calendar
from debate_caster.calendar.succession import Remains
from debate_caster.clock import SystemClock
from debate_caster.log import SqliteEventLog
from debate_caster.scenario.loading import load_scenario
from debate_caster.scenario.script import Scenario
from debate_caster.show.spending import Spending

LOOK_EVERY_S = 0.002


class ToldClock(SystemClock):
    """Shows the time that stands in a file; waits a little in real time, however long it is asked to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def now(self) -> datetime:
        (seconds,) = struct.unpack("<d", self._file.read_bytes())
        return datetime.fromtimestamp(seconds, UTC)

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        return super().timeout(None if seconds is None else min(seconds, LOOK_EVERY_S))


def tell(file: Path, now: datetime) -> None:
    """Set the time for every process at once."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(struct.pack("<d", now.timestamp()))
    fresh.replace(file)


def work(folder: Path, scenarios: Sequence[Path], per_day: Decimal | None) -> None:
    """Be the process. A show costs 2 of what there is ``per_day``; where that is limited, it takes a little longer."""
    asyncio.run(_work(folder, scenarios, per_day))


async def _work(folder: Path, scenarios: Sequence[Path], per_day: Decimal | None) -> None:
    clock, owners, log = ToldClock(folder / "time"), Owners(folder / "owners"), SqliteEventLog(folder / "show-log.db")

    async def perform(scenario: Scenario, show: str, stop: asyncio.Event) -> str:
        del scenario, stop
        if await log.last_seq(f"show:{show}") == 0:
            await log.append(f"show:{show}", ['{"type":"began"}'], expect=0)
            await asyncio.sleep(0.003 if per_day is None else 0.02)
        if await log.last_seq(f"show:{show}") == 1:
            await log.append(f"show:{show}", ['{"type":"ended"}'], expect=1)
        return "completed"

    async def remains(show: str) -> Remains | None:
        return Remains(clock.now()) if await log.last_seq(f"show:{show}") > 0 else None

    async def spending(show: str) -> Spending:
        return Spending(Decimal(2 * min(await log.last_seq(f"show:{show}"), 1)), clock.now())

    ledger = Ledger(folder / "calendar.db")
    purse = Purse(ledger, allowance=Allowance(per_day), most=lambda _scenario: Decimal(2), spending=spending)
    with owners.join() as owner:
        calendar = Calendar(
            ledger, clock=clock, owner=owner, alive=owners.alive, perform=perform, remains=remains, purse=purse,
            new_show_id=lambda scenario: f"{scenario.key}-{time.monotonic_ns()}",
        )  # fmt: skip
        for path in scenarios:
            await calendar.admit(load_scenario(path, env={}))
        await calendar.run(asyncio.Event())


FIRST_SLOT = datetime(2026, 6, 1, 0, 5, tzinfo=UTC)
PERIOD = timedelta(minutes=5)
