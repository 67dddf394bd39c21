"""The calendar at work: waits for slots, writes down what becomes of each, and has the shows performed.

Any number of processes may run one calendar on one ledger: each slot is started by whoever writes its row first. A
process that dies leaves rows without an end; the others, or the next one, see to them (``succession``).
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

import structlog

from debate_caster.calendar.docket import Decision, Docket, too_late
from debate_caster.calendar.ledger import Entry, Ledger, Request
from debate_caster.calendar.playhouse import Perform, Playhouse
from debate_caster.calendar.production import Coming, Production
from debate_caster.calendar.purse import Purse
from debate_caster.calendar.succession import Remains, Succession
from debate_caster.calendar.timetable import Slot, Slots, Spliced, Timetable, as_json, entries_of
from debate_caster.clock import Clock
from debate_caster.errors import LogError
from debate_caster.figures import Figure, Level
from debate_caster.scenario.script import Scenario

__all__ = ["Calendar"]

logger = structlog.get_logger()

STEP_S = 1.0
"""How long the calendar waits at most before it looks at the wall clock again, in seconds: a machine that was asleep
and a clock that was set are noticed within it, and so is what other processes have written."""

STEPS_TILL_LOST = 30
"""Such waits after which a calendar that has not looked is not on watch any more; a slow disk takes a few."""

ASKED_S = 60.0
"""How old a request for a show may be; who asked has long given up on an older one."""


class Calendar:
    """The shows of ``admit``-ted scenarios, performed when they are due while ``run`` runs.

    Args:
        ledger: What was handled, and is.
        owner: Our name among the processes that share the ledger.
        alive: Says whether one of those names is still at work.
        perform: Gives a show.
        remains: Says what there is of a show; None of one that never began. Raises ``LogError`` while it can't be read.
        new_show_id: Makes the id of a show that somebody asks for by hand.
        step_s: Longest wait between two looks at the clock.
        shows_at_once: How many scenarios may be on the air at the same time; a show that would be one more is skipped.
            None sets no limit. A show that is on the air is never ended for it.
        purse: What shows may cost in all; without, money is not looked at.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        owner: str,
        alive: Callable[[str], bool],
        perform: Perform,
        remains: Callable[[str], Awaitable[Remains | None]],
        new_show_id: Callable[[Scenario], str],
        step_s: float = STEP_S,
        shows_at_once: int | None = None,
        purse: Purse | None = None,
    ) -> None:
        self.failure: str | None = None
        self._ledger, self._clock, self._owner = ledger, clock, owner
        self._new_show_id, self._step_s, self._purse = new_show_id, step_s, purse or Purse(ledger)
        self._productions: dict[str, Production] = {}
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = False
        self._looked_at = clock.monotonic()
        self._version = -1
        self._playhouse = Playhouse(
            ledger,
            self._productions,
            clock=clock,
            owner=owner,
            alive=alive,
            perform=perform,
            purse=self._purse,
            shows_at_once=shows_at_once,
            on_over=self._wake.set,
        )
        self._succession = Succession(
            ledger, self._productions, self._playhouse, clock=clock, owner=owner, alive=alive, remains=remains
        )
        self.figures: Sequence[Figure] = (
            self._playhouse.figures.slots,
            self._playhouse.figures.lateness,
            Level("debate_caster_scenarios", "Scenarios on the calendar", ("state",), self._states),
            Level("debate_caster_calendar_failing", "1 while the ledger can't be used", (), self._failing),
        )

    @property
    def scenarios(self) -> list[Scenario]:
        """What is on the calendar."""
        return [production.scenario for production in self._productions.values()]

    @property
    def unpaid(self) -> list[Scenario]:
        """Those whose last slot was skipped because there was no money for it."""
        return [production.scenario for production in self._productions.values() if production.unpaid]

    def _states(self) -> dict[tuple[str, ...], float]:
        paused = sum(production.docket.paused for production in self._productions.values())
        return {("on",): float(len(self._productions) - paused), ("paused",): float(paused)}

    def _failing(self) -> dict[tuple[str, ...], float]:
        return {(): float(self.failure is not None)}

    def coming(self, limit: int, *, each: int, of: Collection[str] | None = None) -> list[Coming]:
        """Return the next shows in order, at most ``each`` of one scenario; those of paused ones are left out.

        ``of`` names the scenarios that are asked about; all without it.
        """
        now = self._clock.now()
        ahead = [
            list(islice(production.coming(now), each))
            for name, production in self._productions.items()
            if not production.docket.paused and (of is None or name in of)
        ]
        return list(islice(heapq.merge(*ahead, key=lambda coming: coming.slot.due), limit))

    async def admit(self, scenario: Scenario, *, changed_at: datetime | None = None) -> None:
        """Put a scenario on the calendar, or take its new version.

        Slots up to ``changed_at`` (now by default) are those of the schedule that the ledger has, later ones those of
        the new; so an edit neither loses a slot nor invents one in the past.

        Raises:
            LogError: The ledger failed; the calendar is as before.
        """
        async with self._lock:
            now, name = self._clock.now(), scenario.key
            entries = as_json(scenario.schedule)
            row = await self._ledger.admit(
                name, title=scenario.title, path=str(scenario.path), entries=entries, now=now
            )
            slots: Slots = Timetable(name, scenario.schedule)
            change = None
            if row.entries != entries:
                since = min(now if changed_at is None else max(changed_at, row.handled_until), now)
                slots = change = Spliced(Timetable(name, entries_of(row.entries)), since, slots)
            docket = Docket(slots, row.handled_until, started=await self._ledger.started(name), paused=row.paused)
            money = await self._purse.most(scenario)
            last = await self._ledger.history(name, limit=1)
            unpaid = any(occurrence.why == "budget" for occurrence in last)
            if known := self._productions.get(name):
                known.scenario, known.docket, known.money, known.change = scenario, docket, money, change
            else:
                self._productions[name] = Production(scenario, docket, money, unpaid, change)
            await self._settle_change(self._productions[name])
        self._wake.set()

    async def withdraw(self, name: str) -> None:
        """Take a scenario off: its slots are nobody's from now on. A show of it that runs goes on."""
        async with self._lock:
            production = self._productions.get(name)
            if production is not None and not production.running:
                del self._productions[name]
            elif production is not None:
                production.docket = Docket(Timetable(name, ()), self._clock.now())
                production.change = None
            await self._ledger.change(name, "[]", self._clock.now())

    @property
    def is_on_watch(self) -> bool:
        """Whether we look for what is due as often as we mean to, or are ending our shows."""
        late_s = self._clock.monotonic() - self._looked_at
        return self._stopping or late_s < STEPS_TILL_LOST * self._step_s

    async def run(self, stop: asyncio.Event, cut: asyncio.Event | None = None) -> None:
        """Start shows as they are due, until ``stop`` is set; then give the running ones, and start nothing more.

        They are given to their end, or until ``cut`` is set, which ends them politely; without ``cut``, ``stop`` does.
        A slot that comes meanwhile is written down as queued: whoever runs the calendar next starts its show, within
        its grace.
        """
        cut = cut or stop
        async with asyncio.TaskGroup() as tasks:
            self._playhouse.open(tasks)
            waking = [tasks.create_task(self._wake_on(event)) for event in (stop, cut)]
            try:
                while not (cut.is_set() or (stop.is_set() and not self._gives_any())):
                    self._playhouse.closing = stop.is_set()
                    self._wake.clear()
                    await self._look_round()
                    await self._wait()
            finally:
                self._playhouse.closing = self._stopping = True
                for task in waking:
                    task.cancel()
                for production in self._productions.values():
                    for running in production.running:
                        running.stop.set()

    def _gives_any(self) -> bool:
        return any(production.running for production in self._productions.values())

    # -- waiting -------------------------------------------------------------------------------------------------

    async def _wake_on(self, event: asyncio.Event) -> None:
        await event.wait()
        self._wake.set()

    async def _wait(self) -> None:
        now = self._clock.now()
        ahead = [each.docket.next for each in self._productions.values() if not each.leaves_to_others(now)]
        nearest = min((slot.due for slot in ahead if slot is not None), default=None)
        wait = self._step_s
        if nearest is not None and self.failure is None:
            wait = min(wait, max((nearest - now).total_seconds(), 0.0))
        try:
            async with self._clock.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _look_round(self) -> None:
        self._looked_at = self._clock.monotonic()
        try:
            async with self._lock:
                # First: what others gave until a slot was due is over when we ask what they give.
                now = self._clock.now()
                await self._hear_others()
                await self._count_again()
                await self._handle_slots(now)
                for production in self._productions.values():
                    if production.queued is not None and not production.on_air and not self._playhouse.closing:
                        await self._start_queued(production, production.queued)
        except LogError as exc:
            if self.failure is None:
                logger.warning("calendar_failing", error=str(exc))
            self.failure = str(exc)
        else:
            if self.failure is not None:
                logger.info("calendar_recovered")
            self.failure = None

    # -- slots ---------------------------------------------------------------------------------------------------

    async def _handle_slots(self, now: datetime) -> None:
        """Handle the slots that have come, of all scenarios in one writing: many may come at the full hour."""
        due = [
            (production, production.decide(now))
            for production in self._productions.values()
            if production.docket.next is not None
            and production.docket.next.due <= now
            and not production.leaves_to_others(now)
        ]
        if not due:
            return
        if self._playhouse.closing:
            due = [(each, [await self._put_off(each, decision, now) for decision in found]) for each, found in due]
        entries = [production.entry(decision) for production, found in due for decision in found]
        handled = {production.scenario.key: found[-1].slot.at for production, found in due if found}
        await self._playhouse.settle_what_is_over(now)
        written = await self._ledger.record(
            entries,
            handled_until=handled,
            owner=self._owner,
            now=now,
            shows_at_once=self._playhouse.shows_at_once,
            over=self._playhouse.off_air,
            periods=self._purse.periods(now),
        )
        ours = {(entry.scenario, entry.slot): entry for entry in written}
        for production, decided in due:
            name = production.scenario.key
            decisions = [_as_written(decision, ours.get((name, decision.slot.at))) for decision in decided]
            production.docket.settle(now, decisions)
            production.miscounted |= any((name, decision.slot.at) not in ours for decision in decisions)
            for decision in decisions:
                if (name, decision.slot.at) in ours:
                    self._playhouse.obey(production, decision, now)
        for production, _ in due:
            await self._settle_change(production)

    async def _count_again(self) -> None:
        """Learn how many shows there have been where others have handled slots: what became of those, they say."""
        for name, production in self._productions.items():
            if production.miscounted:
                production.docket.started = await self._ledger.started(name)
                production.miscounted = False

    async def _put_off(self, production: Production, decision: Decision, now: datetime) -> Decision:
        """Have a show that would start now wait for the next calendar; of a scenario's only the newest one does."""
        if decision.outcome in {"queued", "skipped"}:
            return decision
        waiting = production.queued
        if waiting is not None and too_late(waiting, now):
            await self._playhouse.skip_after_all(production, waiting, "shutdown", now)
            production.queued = None
        if production.queued is not None:
            return Decision(decision.slot, "skipped", "shutdown")
        return Decision(decision.slot, "queued")

    async def _start_queued(self, production: Production, slot: Slot) -> None:
        now = self._clock.now()
        if why_not := await self._playhouse.hindrance(production, slot, now):
            await self._playhouse.skip_after_all(production, slot, why_not, now)
            production.docket.started[slot.rule] -= 1
        else:
            await self._playhouse.start_after_all(production, slot, now, came="queued")
        production.queued = None

    async def _settle_change(self, production: Production) -> None:
        """Forget the former schedule once no slot of it is left to handle."""
        change, ahead = production.change, production.docket.next
        if change is not None and (ahead is None or ahead.at > change.changed_at):
            entries = as_json(production.scenario.schedule)
            await self._ledger.change(production.scenario.key, entries, change.changed_at)
            production.change = None

    # -- other processes, living and dead ------------------------------------------------------------------------

    async def _hear_others(self) -> None:
        """Take notice of what others have written: shows on the air, pauses, requests, shows whose process has died."""
        orphans = await self._succession.look()
        version = await self._ledger.version()
        if version != self._version:
            for row in await self._ledger.calendars():
                if production := self._productions.get(row.scenario):
                    if production.docket.paused != row.paused:
                        logger.info("scenario_paused" if row.paused else "scenario_resumed", scenario=row.scenario)
                    production.docket.paused = row.paused
        # Before requests: a show that was broken off goes on, rather than being cut off for one by hand.
        await self._succession.inherit(orphans)
        if version != self._version:
            for request in await self._ledger.asked():
                await self._answer(request)
            self._version = version  # last: what the ledger keeps from us now is looked for again

    async def _answer(self, request: Request) -> None:
        name, now = request.scenario, self._clock.now()
        production = self._productions.get(name)
        if abs(now - request.asked_at) > timedelta(seconds=ASKED_S):
            await self._ledger.answer(request.id, "too late: nobody was there in time")
        elif production is None:
            return  # maybe another process has it
        elif self._playhouse.closing:
            await self._ledger.answer(request.id, "refused: it ends its shows, and starts none")
        elif production.on_air:
            await self._ledger.answer(request.id, f"refused: {production.on_air} is on the air")
        else:
            show = self._new_show_id(production.scenario)
            entry = Entry(name, None, now, "", "ran", "", show, production.money)
            await self._playhouse.settle_what_is_over(now)
            periods = () if request.over_budget else self._purse.periods(now)
            if await self._ledger.grant(
                request.id,
                entry,
                owner=self._owner,
                now=now,
                shows_at_once=self._playhouse.shows_at_once,
                over=self._playhouse.off_air,
                periods=periods,
            ):
                logger.info("show_asked_for", scenario=name, show=show)
                self._playhouse.start(production, show)


def _as_written(decision: Decision, entry: Entry | None) -> Decision:
    """Return what the ledger made of a decision: there may have been no place for its show."""
    if entry is None or entry.outcome == decision.outcome:
        return decision
    return replace(decision, outcome=entry.outcome, why=entry.why, replaces=False)
