"""One slot given by one process, for people with a scheduler of their own: ``run --slot``.

The same ledger and the same decisions as in ``season``, for a process that comes for a slot and goes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from debate_caster.calendar.docket import ON_TIME_S, Docket, too_late
from debate_caster.calendar.figures import SlotFigures
from debate_caster.calendar.ledger import Entry, Ledger
from debate_caster.calendar.owners import Owners
from debate_caster.calendar.purse import Purse
from debate_caster.calendar.timetable import Slot, Timetable, as_json, show_id_of
from debate_caster.clock import Clock
from debate_caster.errors import SetupError
from debate_caster.scenario.script import Scenario

__all__ = ["Errand", "errand", "slot_of"]

logger = structlog.get_logger()


@dataclass(slots=True)
class Errand:
    """What there is to do. Without ``show`` nothing, and ``why`` says so; otherwise ``ending`` is to be filled in."""

    show: str | None
    why: str = ""
    ending: str = "failed"


def slot_of(scenario: Scenario, wanted: str, now: datetime) -> Slot | None:
    """Return the slot that ``wanted`` names: an instant in ISO 8601, or ``due`` for the newest whose grace is not over.

    Raises:
        SetupError: The scenario has no schedule, or that is none of its slots.
    """
    if not scenario.schedule:
        raise SetupError(f"{scenario.key} has no schedule, so it has no slots", "Leave --slot out.")
    timetable = Timetable(scenario.key, scenario.schedule)
    if wanted != "due":
        try:
            at = datetime.fromisoformat(wanted)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise SetupError(
                f"--slot {wanted}: no instant", "Write due, or a time with its zone: 2026-11-27T19:00:00Z."
            )
        slot = next(timetable.after(at - timedelta(seconds=1)), None)
        if slot is None or slot.at != at:
            raise SetupError(f"--slot {wanted}: that is no slot of {scenario.key}")
        return slot
    longest = max(max(entry.grace_s, ON_TIME_S) + entry.jitter_s for entry in scenario.schedule)
    found = None
    for slot in timetable.after(now - timedelta(seconds=longest + 1)):
        if slot.at > now:
            break
        if not too_late(slot, now):
            found = slot
    return found


@asynccontextmanager
async def errand(
    scenario: Scenario,
    wanted: str,
    *,
    ledger: Ledger,
    owners: Owners,
    clock: Clock,
    shows_at_once: int | None = None,
    purse: Purse | None = None,
) -> AsyncIterator[Errand]:
    """Take a slot on once it is due, and write down what became of it; for the block that gives its show.

    ``shows_at_once`` and ``purse`` are as for ``Calendar``: all that share the ledger count.

    Raises:
        SetupError: As ``slot_of``, or the data folder can't be written.
        LogError: The ledger failed.
    """
    now, name, purse = clock.now(), scenario.key, purse or Purse(ledger)
    slot = slot_of(scenario, wanted, now)
    if slot is None:
        yield Errand(None, "no slot is due")
        return
    # Before it is written down: what waits is not on the air, and what is on the air is known when it is due.
    await clock.sleep((slot.due - now).total_seconds())
    now = clock.now()
    with owners.join() as owner:
        row = await ledger.admit(
            name, title=scenario.title, path=str(scenario.path), entries=as_json(scenario.schedule), now=now
        )
        if row.entries != as_json(scenario.schedule):
            await ledger.change(name, as_json(scenario.schedule), now)
        unfinished = await ledger.unfinished()
        dead = {one.owner for one in unfinished if not owners.alive(one.owner)}
        running = [one for one in unfinished if one.scenario == name and one.owner not in dead]
        # It can't wait for another process's show, nor end it; where one is to be replaced, its scheduler has done so.
        entry = slot.entry.model_copy(update={"overlap": "skip"})
        docket = Docket(
            Timetable(name, (entry,)),
            slot.at - timedelta(seconds=1),
            started=await ledger.started(name),
            paused=row.paused,
        )
        decisions = docket.decide(max(now, slot.due), busy=bool(running), queued=False)
        if not decisions:
            yield Errand(None, f"its {entry.count} shows have been given")
            return
        decision, show, notes = decisions[0], show_id_of(name, slot.at), SlotFigures()
        written = Entry(
            name, slot.at, slot.due, slot.rule, decision.outcome, decision.why,
            None if decision.outcome == "skipped" else show, await purse.most(scenario),
        )  # fmt: skip
        await purse.settle_what_is_over(owner, alive=owners.alive, now=now)
        ours = await ledger.record(
            [written], owner=owner, now=now, shows_at_once=shows_at_once, dead=dead, periods=purse.periods(now)
        )
        if not ours and not await _taken_over(ledger, owners, show, owner):
            yield Errand(None, "that slot has been dealt with")
        elif (found := ours[0] if ours else written).outcome == "skipped":
            notes.note_skipped(name, slot.at, found.why)
            yield Errand(None, f"skipped: {found.why}")
        elif await purse.hold(show, found.money, owner=owner, now=now):  # it was queued by who died
            await ledger.revise(show, "skipped", "budget", now)
            yield Errand(None, "skipped: budget")
        else:
            result = Errand(show)
            notes.note_started(name, slot, now, how=found.outcome)
            try:
                yield result
            finally:
                logger.info("show_over", show=show, ending=result.ending)
                await purse.settle(show, clock.now())
                await ledger.finish(show, result.ending, clock.now())


async def _taken_over(ledger: Ledger, owners: Owners, show: str, owner: str) -> bool:
    """Take over a show whose process died; whether it had begun, its log says when it is written to."""
    for orphan in await ledger.unfinished():
        if orphan.show == show and not owners.alive(orphan.owner):
            return await ledger.take_over(show, from_owner=orphan.owner, owner=owner)
    return False
