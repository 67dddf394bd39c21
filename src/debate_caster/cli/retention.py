"""``prune``: which shows are kept, and how one leaves the data folder that is not; ``serve`` does it once a day.

A show is gone from the moment its air log is, or its show log where it was not aired here. Everything else of it goes
after that, and where a process dies half way the next one, by ``prune`` or ``serve``, removes what is left. What other
shows need stays: the calendar's history and accounts, the annals of series, and what their personas remember.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from debate_caster.calendar.ledger import Ledger
from debate_caster.cli.amounts import counted, size
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.directing import remove_desk
from debate_caster.cli.past_shows import PastShow, PastShows, show_table
from debate_caster.cli.printable import printable
from debate_caster.cli.resumption import is_kept, is_running, retired
from debate_caster.cli.session import RAN, Session
from debate_caster.clock import Clock, SystemClock
from debate_caster.episodes.annals import Archive as Annals
from debate_caster.errors import DebateCasterError, FencedError, ForgottenError, SetupError
from debate_caster.log import EventLog
from debate_caster.settings import Settings
from debate_caster.show.events import stream_of
from debate_caster.stage.air import stream_of as air_stream_of
from debate_caster.stage.archive import Archive

__all__ = ["Keeping", "Plan", "Retention", "prune"]

logger = structlog.get_logger()

EVERY_S: Final = 86_400.0
"""How often ``serve`` looks what is no longer to be kept: days are what it counts in."""

PAUSE_S: Final = 0.03
"""How long the log is left to others after each piece of room that was given back: longer than the piece took. SQLite
has who waits look again after 1, 2, 5, … and at the latest 100 ms."""

SILENT_AT_LEAST: Final = timedelta(days=1)
"""How long nothing has happened in a show without an end or a file of its own, for it to be over: far longer than any
pause."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept: so many of the newest ``shows``, and what was over not more than so many ``days`` ago.

    None sets no limit; where both are set a show has to be within both.
    """

    shows: int | None = None
    days: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Keeping":
        return cls(settings.keep_shows, settings.keep_days)

    @property
    def all(self) -> bool:
        return self.shows is None and self.days is None


@dataclass(frozen=True, slots=True)
class Plan:
    """The shows that are to go, newest first, and why others stay that would go, too."""

    going: tuple[PastShow, ...]
    staying: tuple[tuple[str, str], ...]


class Retention:
    """Removes shows from a data folder, while others use it."""

    def __init__(self, folder: DataFolder, show_log: EventLog, air_log: EventLog, *, clock: Clock) -> None:
        self._folder, self._show_log, self._air_log, self._clock = folder, show_log, air_log, clock
        self._past = PastShows(show_log, air_log, folder.path)

    async def run(self, keeping: Keeping) -> None:
        """Remove once a day, for ever, what is no longer to be kept; first of all what a dead process left half way."""
        while True:
            try:
                await self.mend()
                removed = [] if keeping.all else await self.remove((await self.plan(keeping)).going)
                given_back = await self.give_back()
                if removed:
                    logger.info("shows_removed", shows=len(removed), bytes_given_back=given_back)
            except DebateCasterError as exc:
                logger.warning("retention_failed", error=str(exc))
            except Exception:  # a bug here must not take the stage and its shows down
                logger.exception("retention_failed")
            await self._clock.sleep(EVERY_S)

    async def plan(self, keeping: Keeping) -> Plan:
        """Say which shows are to go. None that is on the air, or can go on, or that others still have to read.

        Raises:
            LogError: A log, or the calendar, can't be read.
            SetupError: The annals can't be read.
        """
        now, going, staying = self._clock.now(), [], []
        surplus = [
            show
            for place, show in enumerate(await self._past.list())
            if (keeping.shows is not None and place >= keeping.shows)
            or (keeping.days is not None and (now - show.last_at).days >= keeping.days)
        ]
        if surplus:
            archive, wanted = await self._stage(), await self._unfinished() | await asyncio.to_thread(self._unsettled)
            for show in surplus:
                if reason := self._reason_to_stay(show, archive, wanted):
                    staying.append((show.id, reason))
                else:
                    going.append(show)
        return Plan(tuple(going), tuple(staying))

    async def remove(self, shows: Sequence[PastShow]) -> list[str]:
        """Remove shows, each whole; return the ids of those that are gone. One that somebody writes after all stays.

        Raises:
            LogError: A log can't be read or written.
        """
        archive = await self._stage()
        return [show.id for show in shows if await self._remove(show.id, archive)]

    async def mend(self) -> list[str]:
        """Remove what is left of shows that are gone, by whoever died doing so; return their ids.

        Raises:
            LogError: A log can't be read or written.
        """
        archive = await self._stage()
        gone = [
            {name.removeprefix(prefix) for name in await log.forgotten(prefix)}
            for log, prefix in ((self._show_log, stream_of("")), (self._air_log, air_stream_of("")))
        ]
        half = set(archive.untold)
        for show in gone[0] ^ gone[1]:
            if await _holds(self._show_log, stream_of(show)) or await _holds(self._air_log, air_stream_of(show)):
                half.add(show)
        return [show for show in sorted(half) if await self._remove(show, archive)]

    async def give_back(self) -> int:
        """Give the room of what was removed back to the disk, in pieces; return how many bytes that were.

        Raises:
            LogError: A log can't be written.
        """
        before = await asyncio.to_thread(self._size)
        for log in (self._air_log, self._show_log):
            while await log.reclaim():
                await self._clock.sleep(PAUSE_S)
        return max(before - await asyncio.to_thread(self._size), 0)

    async def _remove(self, show: str, archive: Archive) -> bool:
        with retired(self._folder, show) as free:
            if not free:
                return False
            try:
                await archive.forget(show)
                with suppress(ForgottenError):
                    stream = stream_of(show)
                    await self._show_log.forget({stream: await self._show_log.last_seq(stream)})
            except FencedError as exc:
                logger.warning("show_not_removed", show=show, error=str(exc))
                return False
            remove_desk(self._folder, show)
        logger.info("show_removed", show=show)
        return True

    def _reason_to_stay(self, show: PastShow, archive: Archive, wanted: dict[str, str]) -> str:
        if is_running(self._folder, show.id):
            return "it is on the air"
        if show.id in archive.opened and show.id not in archive.ended:
            return "no stage on this folder has seen its end; the next one will"
        just_now = self._clock.now() - show.last_at < SILENT_AT_LEAST
        if show.ours and is_kept(self._folder, show.id) and (just_now or not show.why):
            left = "somebody has not been told its end" if show.why else "it was broken off"
            return f"{left}: `debate-caster run --resume {show.id}` goes on with it"
        if not show.why and just_now:
            return "it may be on the air"
        reason = wanted.get(show.id, "")
        return "" if reason == _SEASON and not show.why else reason

    async def _stage(self) -> Archive:
        archive = Archive(self._air_log, self._clock)
        await archive.load()
        return archive

    async def _unfinished(self) -> dict[str, str]:
        """Return the shows of which the calendar still has to hear how they ended, or what they cost."""
        if not self._folder.calendar.exists():
            return {}
        async with aclosing(Ledger(self._folder.calendar)) as ledger:
            unpaid = {show: "what it cost has not been written down" for show, _ in await ledger.unsettled()}
            rows = await ledger.unfinished()
        return unpaid | {row.show: "the calendar has not seen its end" for row in rows if row.show}

    def _unsettled(self) -> dict[str, str]:
        """Return the shows that a series has still to remember, if they ended."""
        annals = Annals(self._folder.seasons)
        return {
            episode.show: _SEASON
            for series in annals.series()
            for episode in annals.read(series).episodes
            if not episode.ended
        }

    def _size(self) -> int:
        return sum(
            _size_of(path.with_name(path.name + suffix))
            for path in (self._folder.show_log, self._folder.air_log)
            for suffix in ("", "-wal")
        )


_SEASON: Final = "its series has not written down how it went"


def prune(session: Session) -> int:
    """Remove the shows that are no longer to be kept, or say which ones those are.

    Raises:
        SetupError: Nothing says what is to be kept.
    """
    keeping = Keeping.of(session.settings)
    if keeping.all:
        raise SetupError(
            "nothing says which shows are to be kept",
            "Use --keep-shows or --keep-days, or set DEBATE_CASTER_KEEP_SHOWS or DEBATE_CASTER_KEEP_DAYS.",
        )
    return asyncio.run(_prune(session, keeping))


async def _prune(session: Session, keeping: Keeping) -> int:
    folder, dry = DataFolder(session.settings.data_dir), session.options.dry_run
    async with folder.open_kept() as (show_log, air_log):
        retention = Retention(folder, show_log, air_log, clock=SystemClock())
        mended = [] if dry else await retention.mend()
        plan = await retention.plan(keeping)
        removed = [] if dry else await retention.remove(plan.going)
        given_back = 0 if dry else await retention.give_back()
    going = [show for show in plan.going if dry or show.id in removed]
    for line in show_table(going, columns=session.columns) if going else ():
        session.say(line)
    for show, reason in plan.staying:
        session.remark(f"{show} stays: {reason}")
    if mended:
        session.remark(f"removed what was left of {', '.join(mended)}")
    done = "would be removed" if dry else f"removed, {size(given_back)} given back"
    session.say(printable(f"{counted(len(going), 'show')} {done}: {folder.path}"))
    return RAN


async def _holds(log: EventLog, stream: str) -> bool:
    try:
        return await log.last_seq(stream) > 0
    except ForgottenError:
        return False


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
