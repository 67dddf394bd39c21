"""The calendar at work: waits for slots, writes down what becomes of each, and has the shows performed.

Any number of processes may run one calendar on one ledger: each slot is started by whoever writes its row first. A
process that dies leaves rows without an end; the others, or the next one, start the shows of them that never began, and
go on with those that had.
"""

import asyncio
import heapq
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Literal, Protocol

import structlog
from pydantic import TypeAdapter, ValidationError

from debate_caster.calendar.docket import Decision, Docket, Outcome, Reason, late_start, too_late
from debate_caster.calendar.figures import SlotFigures
from debate_caster.calendar.ledger import Entry, Ledger, Occurrence, Request
from debate_caster.calendar.purse import Purse
from debate_caster.calendar.timetable import Slot, Slots, Spliced, Timetable, show_id_of
from debate_caster.clock import Clock
from debate_caster.errors import DebateCasterError, LogError
from debate_caster.figures import Figure, Level
from debate_caster.scenario.script import Scenario, Schedule

__all__ = ["CUT_OFF", "Calendar", "Coming", "Perform", "Remains", "as_json", "entries_of"]

logger = structlog.get_logger()

STEP_S = 1.0
"""How long the calendar waits at most before it looks at the wall clock again, in seconds: a machine that was asleep
and a clock that was set are noticed within it, and so is what other processes have written."""

STEPS_TILL_LOST = 30
"""Such waits after which a calendar that has not looked is not on watch any more; a slow disk takes a few."""

ASKED_S = 60.0
"""How old a request for a show may be; who asked has long given up on an older one."""

CUT_OFF = "cut off"
"""How a show ended whose process died, and that nobody could go on with."""

SILENT_AT_MOST_S = 3600.0
"""How long ago a show may have been broken off to go on by itself; its audience has gone after a longer silence."""

TAKEN_UP_AT_MOST = 10
"""How often a show goes on by itself: one that kills whoever gives it must not do so for ever."""

_ENTRIES = TypeAdapter(tuple[Schedule, ...])


class Perform(Protocol):
    """How a show is given."""

    async def __call__(self, scenario: Scenario, show: str, stop: asyncio.Event) -> str:
        """Perform a scenario under this id until its end, or soon after ``stop`` is set; return how it ended.

        One that was broken off goes on; where it can't, it has ended as ``CUT_OFF``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Remains:
    """What there is of a show that has begun: when it was last on the air, how often it went on, and its end if any."""

    at: datetime
    ending: str = ""
    taken_up: int = 0


@dataclass(frozen=True, slots=True)
class Coming:
    """A show that is planned."""

    scenario: Scenario
    slot: Slot

    @property
    def show(self) -> str:
        return show_id_of(self.scenario.key, self.slot.at)


@dataclass(slots=True)
class _Running:
    show: str
    stop: asyncio.Event
    slot: Slot | None = None
    how: Outcome = "ran"
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Production:
    """A scenario on the calendar. ``change`` holds while slots of its former schedule are still to be handled.

    ``money`` is the most that a show of it may cost, None where nobody knows; ``unpaid`` says that its last slot was
    skipped for it.
    """

    scenario: Scenario
    docket: Docket
    money: Decimal | None
    unpaid: bool = False
    change: Spliced | None = None
    running: list[_Running] = field(default_factory=list)
    queued: Slot | None = None

    def decide(self, now: datetime) -> list[Decision]:
        return self.docket.decide(now, busy=bool(self.running), queued=self.queued is not None)

    def gives(self, show: str | None) -> bool:
        """Say whether a show is on, or waits for the one before it."""
        waits = self.queued is not None and show_id_of(self.scenario.key, self.queued.at) == show
        return waits or any(running.show == show for running in self.running)

    def coming(self, now: datetime) -> Iterator[Coming]:
        return (Coming(self.scenario, slot) for slot in self.docket.coming(now))


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
        self._ledger, self._clock, self._owner, self._alive = ledger, clock, owner, alive
        self._perform, self._remains, self._new_show_id, self._step_s = perform, remains, new_show_id, step_s
        self._shows_at_once, self._purse = shows_at_once, purse or Purse(ledger)
        self._productions: dict[str, _Production] = {}
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._closing = self._stopping = False
        self._looked_at = clock.monotonic()
        self._tasks: asyncio.TaskGroup | None = None
        self._version = -1
        self._slots = SlotFigures()
        self.figures: Sequence[Figure] = (
            self._slots.slots,
            self._slots.lateness,
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
                self._productions[name] = _Production(scenario, docket, money, unpaid, change)
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
            self._tasks = tasks
            waking = [tasks.create_task(self._wake_on(event)) for event in (stop, cut)]
            try:
                while not (cut.is_set() or (stop.is_set() and not self._gives_any())):
                    self._closing = stop.is_set()
                    self._wake.clear()
                    await self._look_round()
                    await self._wait()
            finally:
                self._closing = self._stopping = True
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
        nearest = min(
            (production.docket.next.due for production in self._productions.values() if production.docket.next),
            default=None,
        )
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
                await self._hear_others()
                await self._handle_slots()
                for production in self._productions.values():
                    if production.queued is not None and not production.running and not self._closing:
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

    async def _handle_slots(self) -> None:
        """Handle the slots that have come, of all scenarios in one writing: many may come at the full hour."""
        now = self._clock.now()
        due = [
            (production, production.decide(now))
            for production in self._productions.values()
            if production.docket.next is not None and production.docket.next.due <= now
        ]
        if not due:
            return
        if self._closing:
            due = [(each, [await self._put_off(each, decision, now) for decision in found]) for each, found in due]
        entries = [_entry(production, decision) for production, found in due for decision in found]
        handled = {production.scenario.key: found[-1].slot.at for production, found in due if found}
        await self._settle_what_is_over(now)
        written = await self._ledger.record(
            entries,
            handled_until=handled,
            owner=self._owner,
            now=now,
            shows_at_once=self._shows_at_once,
            periods=self._purse.periods(now),
        )
        ours = {(entry.scenario, entry.slot): entry for entry in written}
        for production, decided in due:
            name = production.scenario.key
            decisions = [_as_written(decision, ours.get((name, decision.slot.at))) for decision in decided]
            production.docket.settle(now, decisions)
            for decision in decisions:
                if (name, decision.slot.at) in ours:
                    self._act(production, decision, now)
        for production, _ in due:
            await self._settle_change(production)

    async def _put_off(self, production: _Production, decision: Decision, now: datetime) -> Decision:
        """Have a show that would start now wait for the next calendar; of a scenario's only the newest one does."""
        if decision.outcome in {"queued", "skipped"}:
            return decision
        waiting = production.queued
        if waiting is not None and too_late(waiting, now):
            await self._ledger.revise(show_id_of(production.scenario.key, waiting.at), "skipped", "shutdown", now)
            self._note_skipped(production, waiting, "shutdown")
            production.queued = None
        if production.queued is not None:
            return Decision(decision.slot, "skipped", "shutdown")
        return Decision(decision.slot, "queued")

    def _act(self, production: _Production, decision: Decision, now: datetime) -> None:
        slot, name = decision.slot, production.scenario.key
        if decision.outcome == "skipped":
            self._note_skipped(production, slot, decision.why)
        elif decision.outcome == "queued":
            self._slots.note_queued(name, slot)
            production.queued = slot
        else:
            self._slots.note_started(name, slot, now, how=decision.outcome)
            self._start(
                production, show_id_of(name, slot.at), slot=slot, how=decision.outcome, replaces=decision.replaces
            )

    async def _start_queued(self, production: _Production, slot: Slot) -> None:
        name, now = production.scenario.key, self._clock.now()
        show, why_not = show_id_of(name, slot.at), await self._hindrance(production, slot, now)
        if why_not:
            await self._ledger.revise(show, "skipped", why_not, now)
            production.queued = None
            production.docket.started[slot.rule] -= 1
            self._note_skipped(production, slot, why_not)
            return
        how = late_start(slot.due, now)
        await self._ledger.revise(show, how, "", now)
        production.queued = None
        self._slots.note_started(name, slot, now, how="queued")
        self._start(production, show, slot=slot, how=how)

    def _note_skipped(self, production: _Production, slot: Slot, why: Reason) -> None:
        production.unpaid = why == "budget"
        self._slots.note_skipped(production.scenario.key, slot.at, why)

    async def _hindrance(self, production: _Production, slot: Slot, now: datetime) -> Literal["", "limit", "budget"]:
        """Hold back what a show may cost that has waited; or say why it may not start."""
        name = production.scenario.key
        if not await self._has_place(name):
            return "limit"
        show = show_id_of(name, slot.at)
        return "budget" if await self._purse.hold(show, production.money, owner=self._owner, now=now) else ""

    async def _settle_what_is_over(self, now: datetime) -> None:
        """Count what shows have cost that are over instead of what they might have; before more is held back."""
        if self._purse.allowance.is_limited:
            await self._purse.settle_what_is_over(self._owner, alive=self._alive, now=now)

    async def _has_place(self, name: str) -> bool:
        """Say whether a show of a scenario may be on the air beside those of the others."""
        if self._shows_at_once is None:
            return True
        others = {row.scenario for row in await self._ledger.unfinished() if row.outcome != "queued"} - {name}
        return len(others) < self._shows_at_once

    async def _settle_change(self, production: _Production) -> None:
        """Forget the former schedule once no slot of it is left to handle."""
        change, ahead = production.change, production.docket.next
        if change is not None and (ahead is None or ahead.at > change.changed_at):
            entries = as_json(production.scenario.schedule)
            await self._ledger.change(production.scenario.key, entries, change.changed_at)
            production.change = None

    # -- shows ---------------------------------------------------------------------------------------------------

    def _start(
        self,
        production: _Production,
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
        running = _Running(show, asyncio.Event(), slot, how)
        production.running.append(running)
        self._tasks.create_task(self._play(production, running, before), name=show)

    async def _play(self, production: _Production, running: _Running, before: Sequence[_Running]) -> None:
        scenario, show, slot, ending = production.scenario, running.show, running.slot, "failed"
        try:
            for other in before:
                await other.over.wait()
            if running.stop.is_set() or self._closing:
                await self._unless_log_fails(self._ledger.revise(show, "skipped", "shutdown", self._clock.now()))
                self._slots.note_skipped(scenario.key, None if slot is None else slot.at, "shutdown")
                return
            if slot is not None:
                self._slots.count_start(running.how, slot.due, self._clock.now())
            try:
                ending = await self._perform(scenario, show, running.stop)
            except DebateCasterError as exc:
                logger.warning("show_failed", show=show, error=str(exc))
            except Exception:  # a bug in one show must not take the others' calendar down
                logger.exception("show_failed", show=show)
            await self._purse.settle(show, self._clock.now())  # first: once the row is finished, the next may start
            await self._unless_log_fails(self._ledger.finish(show, ending, self._clock.now()))
            logger.info("show_over", show=show, ending=ending)
        finally:
            running.over.set()
            production.running.remove(running)
            self._wake.set()

    async def _unless_log_fails(self, work: Awaitable[None]) -> None:
        try:
            await work
        except LogError as exc:
            logger.warning("ledger_not_written", error=str(exc))

    # -- other processes, living and dead ------------------------------------------------------------------------

    async def _hear_others(self) -> None:
        """Take notice of what others have written: pauses, requests, and shows whose process has died."""
        version = await self._ledger.version()
        if version != self._version:
            for row in await self._ledger.calendars():
                if production := self._productions.get(row.scenario):
                    if production.docket.paused != row.paused:
                        logger.info("scenario_paused" if row.paused else "scenario_resumed", scenario=row.scenario)
                    production.docket.paused = row.paused
            for request in await self._ledger.asked():
                await self._answer(request)
            self._version = version  # last: what the ledger keeps from us now is looked for again
        for occurrence in await self._ledger.unfinished():
            if self._is_orphan(occurrence):
                await self._inherit(occurrence)

    def _is_orphan(self, occurrence: Occurrence) -> bool:
        """Say whether nobody gives a show: its process died, or it is ours and the ledger failed us half way."""
        if occurrence.owner != self._owner:
            return not self._alive(occurrence.owner)
        return not any(production.gives(occurrence.show) for production in self._productions.values())

    async def _answer(self, request: Request) -> None:
        name, now = request.scenario, self._clock.now()
        production = self._productions.get(name)
        if abs(now - request.asked_at) > timedelta(seconds=ASKED_S):
            await self._ledger.answer(request.id, "too late: nobody was there in time")
        elif production is None:
            return  # maybe another process has it
        elif self._closing:
            await self._ledger.answer(request.id, "refused: it ends its shows, and starts none")
        elif production.running:
            await self._ledger.answer(request.id, f"refused: {production.running[0].show} is on the air")
        elif not await self._has_place(name):
            await self._ledger.answer(request.id, f"refused: only {self._shows_at_once} may be on the air at once")
        else:
            show = self._new_show_id(production.scenario)
            entry = Entry(name, None, now, "", "ran", "", show, production.money)
            await self._settle_what_is_over(now)
            periods = () if request.over_budget else self._purse.periods(now)
            if await self._ledger.grant(request.id, entry, owner=self._owner, now=now, periods=periods):
                logger.info("show_asked_for", scenario=name, show=show)
                self._start(production, show)

    async def _inherit(self, orphan: Occurrence) -> None:
        """Deal with a show whose process died: it goes on, or it never began and may still start."""
        show, now = orphan.show, self._clock.now()
        if show is None:
            return
        remains = await self._remains(show)  # first: what fails here is tried again as long as the row is not ours
        ours_and_over = remains is not None and bool(remains.ending) and orphan.owner == self._owner
        if self._closing and not ours_and_over:
            return  # whoever comes next starts it, or goes on with it
        if not await self._ledger.take_over(show, from_owner=orphan.owner, owner=self._owner):
            return
        production = self._productions.get(orphan.scenario)
        if remains is not None:
            if ours_and_over:  # we gave it to its end, and could not say so
                await self._close(show, remains.ending, remains.at)
            else:
                await self._go_on(production, show, remains, now)
            return
        slot = None if production is None else _slot_of(production, orphan)
        waits = (
            production is not None
            and bool(production.running)
            and orphan.outcome == "queued"
            and production.queued is None
        )
        if production is None or slot is None or (too_late(slot, now) and not waits):
            await self._ledger.revise(show, "skipped", "missed", now)
            self._slots.note_skipped(orphan.scenario, orphan.slot, "missed")
        elif waits:
            self._slots.note_queued(orphan.scenario, slot)
            production.queued = slot  # behind the show that it waited for, which goes on
        elif production.running:
            await self._ledger.revise(show, "skipped", "overlap", now)
            self._slots.note_skipped(orphan.scenario, slot.at, "overlap")
        elif orphan.outcome == "queued" and (why_not := await self._hindrance(production, slot, now)):
            await self._ledger.revise(show, "skipped", why_not, now)
            self._note_skipped(production, slot, why_not)
        elif await self._purse.hold(show, production.money, owner=self._owner, now=now):
            await self._ledger.revise(show, "skipped", "budget", now)
            self._note_skipped(production, slot, "budget")
        else:
            how = late_start(slot.due, now)
            await self._ledger.revise(show, how, "", now)
            self._slots.note_started(orphan.scenario, slot, now, how="inherited")
            self._start(production, show, slot=slot, how=how)

    async def _go_on(self, production: _Production | None, show: str, remains: Remains, now: datetime) -> None:
        """Go on with a show that was broken off, unless that is long ago or its scenario has another on the air."""
        silent_s = (now - remains.at).total_seconds()
        lost = silent_s > SILENT_AT_MOST_S or remains.taken_up >= TAKEN_UP_AT_MOST
        if production is not None and not production.running and not lost:
            logger.info("show_taken_up", show=show, silent_s=round(silent_s, 3))
            # Its models, or their prices, may be others than they were when it began.
            await self._purse.hold(show, production.money, owner=self._owner, now=now, goes_on=True)
            self._start(production, show)
        elif remains.ending:
            await self._close(show, remains.ending, remains.at)
        else:
            logger.warning("show_cut_off", show=show, silent_s=round(silent_s, 3), taken_up=remains.taken_up)
            await self._close(show, CUT_OFF, now)

    async def _close(self, show: str, ending: str, at: datetime) -> None:
        await self._purse.settle(show, at)
        await self._ledger.finish(show, ending, at)


def _slot_of(production: _Production, orphan: Occurrence) -> Slot | None:
    """Return the slot that a row was written for, None where the schedule no longer has it, or it never had one."""
    if orphan.slot is None:
        return None
    ahead = production.docket.slots.after(orphan.slot - timedelta(seconds=1))
    slot = next(iter(ahead), None)
    return slot if slot is not None and slot.at == orphan.slot else None


def _entry(production: _Production, decision: Decision) -> Entry:
    slot, name = decision.slot, production.scenario.key
    show = None if decision.outcome == "skipped" else show_id_of(name, slot.at)
    return Entry(name, slot.at, slot.due, slot.rule, decision.outcome, decision.why, show, production.money)


def _as_written(decision: Decision, entry: Entry | None) -> Decision:
    """Return what the ledger made of a decision: there may have been no place for its show."""
    if entry is None or entry.outcome == decision.outcome:
        return decision
    return replace(decision, outcome=entry.outcome, why=entry.why, replaces=False)


def as_json(entries: Iterable[Schedule]) -> str:
    """Return a schedule as the ledger keeps it."""
    return json.dumps([entry.model_dump(mode="json") for entry in entries], sort_keys=True)


def entries_of(text: str) -> tuple[Schedule, ...]:
    """Return a schedule as the ledger has it; none where it was written by a program that knew other keys."""
    try:
        return _ENTRIES.validate_json(text)
    except ValidationError:
        return ()
