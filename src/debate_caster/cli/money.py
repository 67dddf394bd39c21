"""The operator's limits on money, and the purse that keeps to them, out of settings, ledger and show log."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from debate_caster.calendar.allowance import Allowance
from debate_caster.calendar.ledger import Ledger
from debate_caster.calendar.owners import Owners
from debate_caster.calendar.purse import Purse, most_money
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.resumption import is_running
from debate_caster.cli.session import Session
from debate_caster.clock import Clock
from debate_caster.errors import LogError, SetupError
from debate_caster.log import EventLog
from debate_caster.scenario import Scenario
from debate_caster.scenario.recurrence import zone_problem
from debate_caster.settings import PREFIX, Settings
from debate_caster.show.events import decode, stream_of
from debate_caster.show.spending import Spending, spending_of

__all__ = ["allowance_of", "count_earlier_shows", "machine_zone", "paid_for", "purse_of", "spending_in"]

LONGEST_SHOW: Final = timedelta(days=1)
"""One that began so long before a month may have spent in it; a budget has 1440 minutes at most."""

MACHINE_ZONE: Final = Path("/etc/localtime")


def allowance_of(settings: Settings) -> Allowance:
    """Return what the settings allow.

    Raises:
        SetupError: There is no such time zone.
    """
    if settings.timezone and (problem := zone_problem(settings.timezone)):
        raise SetupError(f"{PREFIX}TIMEZONE: {problem}")
    limited = settings.money_per_day is not None or settings.money_per_month is not None
    zone = ZoneInfo(settings.timezone) if settings.timezone else machine_zone(os.environ, required=limited)
    return Allowance(settings.money_per_day, settings.money_per_month, zone)


def machine_zone(environ: Mapping[str, str], *, required: bool, file: Path = MACHINE_ZONE) -> tzinfo:
    """Return the time zone of this machine, with its summer time; UTC where nothing says another.

    Raises:
        SetupError: It is ``required``, and what the machine says can't be made out.
    """
    named = environ.get("TZ", "").removeprefix(":")
    try:
        if named:
            return ZoneInfo(named)
        if file.exists():
            with file.open("rb") as content:
                return ZoneInfo.from_file(content)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        if required:
            raise SetupError(
                f"the machine's time zone can't be made out of {f'TZ={named}' if named else file}",
                f"Set {PREFIX}TIMEZONE, such as Europe/Paris.",
            ) from exc
    return UTC


def spending_in(folder: DataFolder) -> Callable[[str], Awaitable[Spending]]:
    """Return what reads what a show has spent from the show log of a data folder, which is not kept open."""

    async def spending(show: str) -> Spending:
        async with folder.open(folder.show_log) as log:
            return await spending_of(log, show)

    return spending


def purse_of(
    session: Session,
    ledger: Ledger,
    folder: DataFolder,
    *,
    spending: Callable[[str], Awaitable[Spending]] | None = None,
) -> Purse:
    """Return the purse of a data folder.

    Raises:
        SetupError: As ``allowance_of``.
    """
    return Purse(
        ledger, allowance=allowance_of(session.settings), most=most_money, spending=spending or spending_in(folder)
    )


async def count_earlier_shows(purse: Purse, folder: DataFolder, log: EventLog, now: datetime) -> None:
    """Count what shows of this month have cost that were given by hand before money was limited; not those on the air.

    Raises:
        LogError: Ledger or log failed.
    """
    if not purse.allowance.is_limited:
        return
    _, month = purse.allowance.periods(now)
    earliest = month.since - LONGEST_SHOW
    prefix = stream_of("")
    found = [
        stream.name.removeprefix(prefix) for stream in await log.streams(prefix) if decode(stream.first).at >= earliest
    ]
    await purse.count_earlier([show for show in found if not is_running(folder, show)], now)


@asynccontextmanager
async def paid_for(
    session: Session, scenario: Scenario, show: str, *, folder: DataFolder, clock: Clock, goes_on: bool
) -> AsyncIterator[None]:
    """Hold back what a show may cost that nobody scheduled, and settle it; for the block that gives it.

    One that ``goes_on``, or that is given over budget, is only counted.

    Raises:
        SetupError: The day or the month does not have the money.
        LogError: There are limits, and the ledger failed.
    """
    folder.make()
    owners = Owners(folder.owners)
    async with aclosing(Ledger(folder.calendar)) as ledger:
        purse = purse_of(session, ledger, folder)
        with owners.join() as owner:
            try:
                now, most = clock.now(), await purse.most(scenario)
                async with folder.open(folder.show_log) as log:
                    await count_earlier_shows(purse, folder, log, now)
                await purse.settle_what_is_over(owner, alive=owners.alive, now=now)
                let = goes_on or session.options.over_budget
                shortage = await purse.hold(show, most, owner=owner, now=now, goes_on=let)
            except LogError as exc:
                if purse.allowance.is_limited:
                    raise
                session.remark(f"what the show costs is not counted: {exc}")
                shortage = None
            if shortage is not None:
                raise SetupError(f"{scenario.key} is not given: {shortage}", "`--over-budget` gives it all the same.")
            try:
                yield
            finally:
                await purse.settle(show, clock.now())
