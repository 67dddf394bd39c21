"""The slots of one scenario: its schedule's entries merged, each instant once. Pure.

A slot is known by the instant that its cron names; the show of a slot has an id made of the scenario and that instant,
so that whoever starts it, and however often, starts the same show.
"""

import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from debate_caster.scenario.recurrence import instants
from debate_caster.scenario.script import Schedule

__all__ = ["Slot", "Slots", "Spliced", "Timetable", "as_json", "entries_of", "rule_of", "show_id_of", "slot_text"]

_ENTRIES = TypeAdapter(tuple[Schedule, ...])


def show_id_of(scenario: str, at: datetime) -> str:
    """Return the id of the show that a scenario gives at a slot: ``friday-20261127-190000z``, the time in UTC."""
    return f"{scenario}-{at.astimezone(UTC):%Y%m%d-%H%M%S}z"


def slot_text(at: datetime) -> str:
    """Return a slot as log lines have it: ``2026-11-27T19:00:00Z``."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def rule_of(entry: Schedule) -> str:
    """Return what makes an entry the same one after an edit: its cron and its time zone."""
    return f"{entry.cron} {entry.timezone}"


@dataclass(frozen=True, slots=True)
class Slot:
    """One instant of a schedule, in UTC. ``due`` is when its show starts: later than ``at`` by the entry's jitter."""

    at: datetime
    due: datetime
    entry: Schedule
    blackout: bool

    @property
    def rule(self) -> str:
        return rule_of(self.entry)


class Slots(Protocol):
    """Anything with slots."""

    def after(self, instant: datetime, *, started: Mapping[str, int] | None = None) -> Iterator[Slot]:
        """Yield the slots later than an instant, in order; may never end.

        With ``started``, how many shows each rule has had, only those that are still to start a show: none in a
        blackout, none beyond a rule's ``count``.
        """
        ...


class Timetable:
    """The slots of a scenario's schedule; without entries, none. How many were used up is for others to count."""

    def __init__(self, scenario: str, entries: Sequence[Schedule]) -> None:
        self.scenario, self.entries = scenario, tuple(entries)

    def after(self, instant: datetime, *, started: Mapping[str, int] | None = None) -> Iterator[Slot]:
        last = instant
        of_each = [self._of(entry, instant, started) for entry in self.entries]
        for slot in heapq.merge(*of_each, key=lambda slot: slot.at):
            if slot.at > last:  # an instant that two entries name is one slot, the first entry's
                yield slot
                last = slot.at

    def _of(self, entry: Schedule, after: datetime, started: Mapping[str, int] | None) -> Iterator[Slot]:
        zone = ZoneInfo(entry.timezone)
        left = None if started is None or entry.count is None else entry.count - started.get(rule_of(entry), 0)
        for at in instants(entry.cron, zone, after):
            day = at.astimezone(zone).date()
            if entry.until is not None and day > entry.until:
                return
            if started is not None and day in entry.blackout:
                continue
            if left is not None:
                if left <= 0:
                    return
                left -= 1
            late = timedelta(seconds=_jitter(show_id_of(self.scenario, at), entry.jitter_s))
            yield Slot(at, at + late, entry, day in entry.blackout)


@dataclass(frozen=True, slots=True)
class Spliced:
    """What holds over an edit: up to ``changed_at`` the slots as they were, and after it as they are now."""

    old: Slots
    changed_at: datetime
    new: Slots

    def after(self, instant: datetime, *, started: Mapping[str, int] | None = None) -> Iterator[Slot]:
        for slot in self.old.after(instant, started=started):
            if slot.at > self.changed_at:
                break
            yield slot
        yield from self.new.after(max(instant, self.changed_at), started=started)


def as_json(entries: Iterable[Schedule]) -> str:
    """Return a schedule as the ledger keeps it."""
    return json.dumps([entry.model_dump(mode="json") for entry in entries], sort_keys=True)


def entries_of(text: str) -> tuple[Schedule, ...]:
    """Return a schedule as the ledger has it; none where it was written by a program that knew other keys."""
    try:
        return _ENTRIES.validate_json(text)
    except ValidationError:
        return ()


def _jitter(show: str, most: int) -> int:
    """Return 0 to ``most`` seconds, for one show always the same."""
    return int.from_bytes(hashlib.blake2b(show.encode(), digest_size=8).digest()) % (most + 1)
