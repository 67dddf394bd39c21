"""What becomes of shows whose process died: they go on, start after all, or are written off."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from debate_caster.calendar.docket import Reason, too_late
from debate_caster.calendar.ledger import Ledger, Occurrence
from debate_caster.calendar.playhouse import Playhouse
from debate_caster.calendar.production import Production
from debate_caster.calendar.timetable import Slot
from debate_caster.clock import Clock

__all__ = ["CUT_OFF", "SILENT_AT_MOST_S", "TAKEN_UP_AT_MOST", "Remains", "Succession"]

logger = structlog.get_logger()

CUT_OFF = "cut off"
"""How a show ended whose process died, and that nobody could go on with."""

SILENT_AT_MOST_S = 3600.0
"""How long ago a show may have been broken off to go on by itself; its audience has gone after a longer silence."""

TAKEN_UP_AT_MOST = 10
"""How often a show goes on by itself: one that kills whoever gives it must not do so for ever."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What there is of a show that has begun: when it was last on the air, how often it went on, and its end if any."""

    at: datetime
    ending: str = ""
    taken_up: int = 0


class Succession:
    """Takes over the shows of the dead for one calendar.

    Args:
        ledger: Has the shows, and whose they are.
        productions: What is on the calendar, by scenario.
        playhouse: Gives those that go on or start.
        clock: The machine's.
        owner: Our name in the ledger.
        alive: Says whether a process of another name is still at work.
        remains: As for ``Calendar``.
    """

    def __init__(
        self,
        ledger: Ledger,
        productions: Mapping[str, Production],
        playhouse: Playhouse,
        *,
        clock: Clock,
        owner: str,
        alive: Callable[[str], bool],
        remains: Callable[[str], Awaitable[Remains | None]],
    ) -> None:
        self._ledger, self._productions, self._playhouse = ledger, productions, playhouse
        self._clock, self._owner, self._alive, self._remains = clock, owner, alive, remains

    async def look(self) -> list[tuple[Occurrence, str]]:
        """Note which scenarios have a show on the air elsewhere, and return those that nobody gives.

        Raises:
            LogError: The ledger can't be read.
        """
        elsewhere, orphans = dict[str, str](), list[tuple[Occurrence, str]]()
        for occurrence in await self._ledger.unfinished():
            if occurrence.show is None:
                continue
            if self._is_orphan(occurrence):
                orphans.append((occurrence, occurrence.show))
            elif occurrence.owner != self._owner and occurrence.outcome != "queued":
                elsewhere[occurrence.scenario] = occurrence.show
        for name, production in self._productions.items():
            production.elsewhere = elsewhere.get(name, "")
        return orphans

    async def inherit(self, orphans: Sequence[tuple[Occurrence, str]]) -> None:
        """Deal with shows that nobody gives.

        Raises:
            LogError: A log failed; what is left is dealt with next time.
        """
        for orphan, show in orphans:
            await self._inherit(orphan, show)

    def _is_orphan(self, occurrence: Occurrence) -> bool:
        """Say whether nobody gives a show: its process died, or it is ours and the ledger failed us half way."""
        if occurrence.owner != self._owner:
            return not self._alive(occurrence.owner)
        return not any(production.gives(occurrence.show) for production in self._productions.values())

    async def _inherit(self, orphan: Occurrence, show: str) -> None:
        remains = await self._remains(show)  # first: what fails here is tried again as long as the row is not ours
        ours_and_over = remains is not None and bool(remains.ending) and orphan.owner == self._owner
        if self._playhouse.closing and not ours_and_over:
            return  # whoever comes next starts it, or goes on with it
        if not await self._ledger.take_over(show, from_owner=orphan.owner, owner=self._owner):
            await self.look()  # somebody was quicker, and gives it now
            return
        production = self._productions.get(orphan.scenario)
        if remains is None:
            await self._start(production, show, orphan)
        elif ours_and_over:  # we gave it to its end, and could not say so
            await self._playhouse.finish(show, remains.ending, remains.at)
        else:
            await self._go_on(production, show, remains)

    async def _start(self, production: Production | None, show: str, orphan: Occurrence) -> None:
        """Start a show that never began, or have it wait, or write down why there is none."""
        now = self._clock.now()
        slot = None if production is None else production.slot_at(orphan.slot)
        if production is None or slot is None:
            await self._ledger.revise(show, "skipped", "missed", now)
            self._playhouse.figures.note_skipped(orphan.scenario, orphan.slot, "missed")
            return
        waited = orphan.outcome == "queued"
        if waited and production.queued is None and production.on_air:
            self._playhouse.queue(production, slot)  # behind the show that it waited for, which goes on
        elif why_not := await self._hindrance(production, slot, now, placed=not waited):
            await self._playhouse.skip_after_all(production, slot, why_not, now)
        else:
            await self._playhouse.start_after_all(production, slot, now, came="inherited")

    async def _hindrance(self, production: Production, slot: Slot, now: datetime, *, placed: bool) -> Reason:
        if too_late(slot, now):
            return "missed"
        if production.on_air:
            return "overlap"
        return await self._playhouse.hindrance(production, slot, now, placed=placed)

    async def _go_on(self, production: Production | None, show: str, remains: Remains) -> None:
        """Go on with a show that was broken off, unless that is long ago or its scenario has another on the air."""
        now = self._clock.now()
        silent_s = (now - remains.at).total_seconds()
        lost = silent_s > SILENT_AT_MOST_S or remains.taken_up >= TAKEN_UP_AT_MOST
        if production is not None and not production.on_air and not lost:
            logger.info("show_taken_up", show=show, silent_s=round(silent_s, 3))
            # Its models, or their prices, may be others than they were when it began.
            await self._playhouse.purse.hold(show, production.money, owner=self._owner, now=now, goes_on=True)
            self._playhouse.start(production, show)
        elif remains.ending:
            await self._playhouse.finish(show, remains.ending, remains.at)
        else:
            logger.warning("show_cut_off", show=show, silent_s=round(silent_s, 3), taken_up=remains.taken_up)
            await self._playhouse.finish(show, CUT_OFF, now)
