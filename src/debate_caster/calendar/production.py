"""A scenario on the calendar: what is left to decide of its slots, which of its shows are on, and which one waits."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from debate_caster.calendar.docket import Decision, Docket, Outcome
from debate_caster.calendar.ledger import Entry
from debate_caster.calendar.timetable import Slot, Spliced, show_id_of
from debate_caster.scenario.script import Scenario

__all__ = ["Coming", "Production", "Running"]


LEFT_S = 10.0
"""How long a slot is left to another process, which looks for it every second; well within what is still on time."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A show that is planned."""

    scenario: Scenario
    slot: Slot

    @property
    def show(self) -> str:
        return show_id_of(self.scenario.key, self.slot.at)


@dataclass(slots=True)
class Running:
    """A show that is on, or is only waiting for one that it replaces. ``slot`` is the one it is for, if any.

    From when it is ``off_air`` until it is ``over`` its end is only being written down.
    """

    show: str
    stop: asyncio.Event
    slot: Slot | None = None
    how: Outcome = "ran"
    off_air: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Production:
    """A scenario on the calendar. ``change`` holds while slots of its former schedule are still to be handled.

    ``money`` is the most that a show of it may cost, None where nobody knows; ``unpaid`` says that its last slot was
    skipped for it. ``elsewhere`` is the show of it that another living process gives, empty where none does: such a one
    counts as on the air, and is not ours to end. ``miscounted`` says that others have handled slots, and that our count
    of its shows lacks them.
    """

    scenario: Scenario
    docket: Docket
    money: Decimal | None
    unpaid: bool = False
    change: Spliced | None = None
    running: list[Running] = field(default_factory=list)
    queued: Slot | None = None
    elsewhere: str = ""
    miscounted: bool = False

    @property
    def on_air(self) -> str:
        """The show that is on, here or elsewhere, or waits to be; empty where there is none."""
        return next((running.show for running in self.running if not running.off_air), self.elsewhere)

    def leaves_to_others(self, now: datetime) -> bool:
        """Say whether the next slot, which has come, is for who gives the show that it is to replace: we can't end it.

        One that does not have the slot on its calendar would never see to it; so it is left for a while only.
        """
        slot = self.docket.next
        if slot is None or not self.elsewhere or slot.entry.overlap != "replace":
            return False
        return slot.due <= now <= slot.due + timedelta(seconds=LEFT_S)

    def decide(self, now: datetime) -> list[Decision]:
        """Return what becomes of the slots due by ``now``, as ``Docket.decide``."""
        found = self.docket.decide(now, busy=bool(self.on_air), queued=self.queued is not None)
        return [_without_ending_others(decision) if self.elsewhere else decision for decision in found]

    def entry(self, decision: Decision) -> Entry:
        """Return what the ledger is to have of a decision."""
        slot, name = decision.slot, self.scenario.key
        show = None if decision.outcome == "skipped" else show_id_of(name, slot.at)
        return Entry(name, slot.at, slot.due, slot.rule, decision.outcome, decision.why, show, self.money)

    def gives(self, show: str | None) -> bool:
        """Say whether a show is on, or waits for the one before it."""
        waits = self.queued is not None and show_id_of(self.scenario.key, self.queued.at) == show
        return waits or any(running.show == show for running in self.running)

    def coming(self, now: datetime) -> Iterator[Coming]:
        return (Coming(self.scenario, slot) for slot in self.docket.coming(now))

    def slot_at(self, instant: datetime | None) -> Slot | None:
        """Return the slot of an instant, None where the schedule has none there any more; a show by hand has none."""
        if instant is None:
            return None
        slot = next(iter(self.docket.slots.after(instant - timedelta(seconds=1))), None)
        return slot if slot is not None and slot.at == instant else None


def _without_ending_others(decision: Decision) -> Decision:
    return replace(decision, outcome="skipped", why="overlap", replaces=False) if decision.replaces else decision
