"""The playhouse: whether one more show may be on the air, giving those that may, and writing down how each ended."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

import structlog

from debate_caster.calendar.docket import Decision, Outcome, Reason, late_start
from debate_caster.calendar.figures import SlotFigures
from debate_caster.calendar.ledger import Ledger
from debate_caster.calendar.production import Production, Running
from debate_caster.calendar.purse import Purse
from debate_caster.calendar.timetable import Slot, show_id_of
from debate_caster.clock import Clock
from debate_caster.errors import DebateCasterError, LogError
from debate_caster.scenario.script import Scenario

__all__ = ["Perform", "Playhouse"]

logger = structlog.get_logger()


class Perform(Protocol):
    """How a show is given."""

    async def __call__(self, scenario: Scenario, show: str, stop: asyncio.Event) -> str:
        """Perform a scenario under this id until its end, or soon after ``stop`` is set; return how it ended.

        One that was broken off goes on; where it can't, it has ended as ``CUT_OFF``.
        """
        ...


class Playhouse:
    """Gives the shows of one calendar. Once it is ``closing``, none begins.

    Args:
        ledger: Has the shows on the air, also other processes'.
        productions: What is on the calendar, by scenario.
        clock: The machine's.
        owner: Our name in the ledger.
        alive: Says whether a process of another name is still at work.
        perform: Gives a show.
        purse: The money of all shows.
        shows_at_once: As for ``Calendar``.
        on_over: Is called when a show is over.
    """

    def __init__(
        self,
        ledger: Ledger,
        productions: Mapping[str, Production],
        *,
        clock: Clock,
        owner: str,
        alive: Callable[[str], bool],
        perform: Perform,
        purse: Purse,
        shows_at_once: int | None,
        on_over: Callable[[], None],
    ) -> None:
        self.purse, self.shows_at_once = purse, shows_at_once
        self.figures = SlotFigures()
        self.closing = False
        self._ledger, self._clock, self._owner, self._alive = ledger, clock, owner, alive
        self._perform, self._on_over = perform, on_over
        self._productions = productions
        self._tasks: asyncio.TaskGroup | None = None

    def open(self, tasks: asyncio.TaskGroup) -> None:
        """From here on shows are given, in tasks of this group."""
        self._tasks = tasks

    @property
    def off_air(self) -> frozenset[str]:
        """The shows that have ended, and of which the ledger may not say so yet."""
        return frozenset(
            running.show
            for production in self._productions.values()
            for running in production.running
            if running.off_air
        )

    # -- what a show needs ---------------------------------------------------------------------------------------

    async def has_place(self, name: str) -> bool:
        """Say whether a show of a scenario may be on the air beside those of the others."""
        return await self._ledger.has_place(name, self.shows_at_once, over=self.off_air)

    async def hindrance(
        self, production: Production, slot: Slot, now: datetime, *, placed: bool = False
    ) -> Literal["", "limit", "budget"]:
        """Hold back what a slot's show may cost; or say why it may not start. Who is ``placed`` needs money only."""
        if not placed and not await self.has_place(production.scenario.key):
            return "limit"
        show = _show_of(production, slot)
        await self.settle_what_is_over(now)
        return "budget" if await self.purse.hold(show, production.money, owner=self._owner, now=now) else ""

    async def settle_what_is_over(self, now: datetime) -> None:
        """Count what shows have cost that are over instead of what they might have; before more is held back."""
        if self.purse.allowance.is_limited:
            for show in self.off_air:
                await self.purse.settle(show, now)
            await self.purse.settle_what_is_over(self._owner, alive=self._alive, now=now)

    # -- shows ---------------------------------------------------------------------------------------------------

    def obey(self, production: Production, decision: Decision, now: datetime) -> None:
        """Have that become of a slot which the ledger has just been told."""
        slot, how = decision.slot, decision.outcome
        if how == "skipped":
            self._skip(production, slot, decision.why)
        elif how == "queued":
            self.queue(production, slot)
        else:
            self.figures.note_started(production.scenario.key, slot, now, how=how)
            self.start(production, _show_of(production, slot), slot=slot, how=how, replaces=decision.replaces)

    def queue(self, production: Production, slot: Slot) -> None:
        """Have a slot's show wait for the end of the one that is on."""
        self.figures.note_queued(production.scenario.key, slot)
        production.queued = slot

    async def skip_after_all(self, production: Production, slot: Slot, why: Reason, now: datetime) -> None:
        """Write down that there is no show for a slot that was to have one."""
        await self._ledger.revise(_show_of(production, slot), "skipped", why, now)
        self._skip(production, slot, why)

    async def start_after_all(
        self, production: Production, slot: Slot, now: datetime, *, came: Literal["queued", "inherited"]
    ) -> None:
        """Give a slot the show that has waited for its turn, or for somebody who is alive; write it down first."""
        show, how = _show_of(production, slot), late_start(slot.due, now)
        await self._ledger.revise(show, how, "", now)
        self.figures.note_started(production.scenario.key, slot, now, how=came)
        self.start(production, show, slot=slot, how=how)

    def start(
        self,
        production: Production,
        show: str,
        *,
        slot: Slot | None = None,
        how: Outcome = "ran",
        replaces: bool = False,
    ) -> None:
        """Give a show. ``slot`` is the one that it is for, ``how`` what the ledger says became of that.

        None is the slot of a show by hand, and of one that goes on.
        """
        if self._tasks is None:
            raise RuntimeError("shows start only while the calendar runs")
        production.unpaid = False
        before = list(production.running) if replaces else []
        for running in before:
            running.stop.set()
        running = Running(show, asyncio.Event(), slot, how)
        production.running.append(running)
        self._tasks.create_task(self._play(production, running, before), name=show)

    async def finish(self, show: str, ending: str, at: datetime) -> None:
        """Write down what a show has cost and how it ended: what it cost first, since then the next one may start."""
        await self.purse.settle(show, at)
        await self._ledger.finish(show, ending, at)

    def _skip(self, production: Production, slot: Slot, why: Reason) -> None:
        production.unpaid = why == "budget"
        self.figures.note_skipped(production.scenario.key, slot.at, why)

    async def _play(self, production: Production, running: Running, before: Sequence[Running]) -> None:
        scenario, show, slot, ending = production.scenario, running.show, running.slot, "failed"
        try:
            for other in before:
                await other.over.wait()
            if running.stop.is_set() or self.closing:
                await self._unless_log_fails(self._ledger.revise(show, "skipped", "shutdown", self._clock.now()))
                self.figures.note_skipped(scenario.key, None if slot is None else slot.at, "shutdown")
                return
            if slot is not None:
                self.figures.count_start(running.how, slot.due, self._clock.now())
            try:
                ending = await self._perform(scenario, show, running.stop)
            except DebateCasterError as exc:
                logger.warning("show_failed", show=show, error=str(exc))
            except Exception:  # a bug in one show must not take the others' calendar down
                logger.exception("show_failed", show=show)
            # From here on it is over: a slot that comes while that is being written must not be told that it is on.
            running.off_air = True
            await self._unless_log_fails(self.finish(show, ending, self._clock.now()))
            logger.info("show_over", show=show, ending=ending)
        finally:
            running.over.set()
            production.running.remove(running)
            self._on_over()

    async def _unless_log_fails(self, work: Awaitable[None]) -> None:
        try:
            await work
        except LogError as exc:
            logger.warning("ledger_not_written", error=str(exc))


def _show_of(production: Production, slot: Slot) -> str:
    return show_id_of(production.scenario.key, slot.at)
