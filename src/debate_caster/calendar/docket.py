"""What becomes of slots that have come: start, queue or skip, and why. Pure: the one place that decides it.

After an outage only the newest missed slot may still start, within its grace; the others are skipped. A slot is never
looked at twice, whatever the clock does: what was handled is remembered as an instant, and only later slots count.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Literal

from debate_caster.calendar.timetable import Slot, Slots

__all__ = ["ON_TIME_S", "Decision", "Docket", "Outcome", "Reason", "late_start", "too_late"]

ON_TIME_S = 30.0
"""A show that starts up to so many seconds late has run; one that starts later was caught up."""

Outcome = Literal["queued", "ran", "caught_up", "skipped"]
Reason = Literal["", "missed", "overlap", "paused", "blackout", "shutdown", "limit", "budget"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one slot. ``replaces`` says that the scenario's running show is to end for it."""

    slot: Slot
    outcome: Outcome
    why: Reason = ""
    replaces: bool = False


def late_start(due: datetime, now: datetime) -> Literal["ran", "caught_up"]:
    """Return what a show is that starts now, and was due then."""
    return "ran" if now - due <= timedelta(seconds=ON_TIME_S) else "caught_up"


def too_late(slot: Slot, now: datetime) -> bool:
    """Say whether a slot's show may no longer start: its grace is over, and it would not be on time either."""
    return now - slot.due > timedelta(seconds=max(slot.entry.grace_s, ON_TIME_S))


class Docket:
    """One scenario's slots as they come. ``started`` counts the shows that each rule has had, for its ``count``."""

    def __init__(
        self, slots: Slots, handled_until: datetime, *, started: Counter[str] | None = None, paused: bool = False
    ) -> None:
        self.slots, self.handled_until, self.paused = slots, handled_until, paused
        self.started = Counter() if started is None else started
        self._unread = slots.after(handled_until)
        self._ahead = deque(islice(self._unread, 1))

    @property
    def next(self) -> Slot | None:
        """The first slot that is not settled."""
        return self._ahead[0] if self._ahead else None

    def decide(self, now: datetime, *, busy: bool, queued: bool) -> list[Decision]:
        """Return what becomes of the slots due by ``now``, oldest first; nothing counts as done until ``settle``.

        ``busy`` says whether a show of the scenario is running, ``queued`` whether one waits for its end.
        """
        due = self._due(now)
        may_start = [slot for slot in due if not slot.blackout and not self.paused and not self._used_up(slot)]
        decisions = []
        for slot in due:
            if self._used_up(slot):
                continue
            if slot.blackout:
                decisions.append(Decision(slot, "skipped", "blackout"))
            elif self.paused:
                decisions.append(Decision(slot, "skipped", "paused"))
            elif slot is not may_start[-1] or too_late(slot, now):
                decisions.append(Decision(slot, "skipped", "missed"))
            else:
                decisions.append(_start(slot, now, busy=busy, queued=queued))
        return decisions

    def settle(self, now: datetime, decisions: list[Decision]) -> None:
        """Take the decisions made at ``now`` for done."""
        for decision in decisions:
            self.started[decision.slot.rule] += decision.outcome != "skipped"
        while self._ahead and self._ahead[0].due <= now:
            self.handled_until = self._ahead.popleft().at
            if not self._ahead:
                self._ahead.extend(islice(self._unread, 1))

    def coming(self, now: datetime) -> Iterable[Slot]:
        """Return the slots ahead that start a show if all goes as planned; may never end."""
        return (slot for slot in self.slots.after(self.handled_until, started=self.started) if slot.due > now)

    def _due(self, now: datetime) -> list[Slot]:
        while self._ahead and self._ahead[-1].due <= now:
            read = len(self._ahead)
            self._ahead.extend(islice(self._unread, 1))
            if len(self._ahead) == read:
                break
        return list(takewhile(lambda slot: slot.due <= now, self._ahead))

    def _used_up(self, slot: Slot) -> bool:
        return slot.entry.count is not None and self.started[slot.rule] >= slot.entry.count


def _start(slot: Slot, now: datetime, *, busy: bool, queued: bool) -> Decision:
    if not busy:
        return Decision(slot, late_start(slot.due, now))
    match slot.entry.overlap:
        case "skip":
            return Decision(slot, "skipped", "overlap")
        case "queue":
            return Decision(slot, "skipped", "overlap") if queued else Decision(slot, "queued")
        case "replace":
            return Decision(slot, late_start(slot.due, now), replaces=True)
