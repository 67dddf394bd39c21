"""What becomes of a calendar's slots: one line of the log for each change, and how many there were, and how late."""

from datetime import datetime
from typing import Literal, get_args

import structlog

from debate_caster.calendar.docket import Outcome, Reason
from debate_caster.calendar.timetable import Slot, slot_text
from debate_caster.figures import Spread, Total

__all__ = ["SlotFigures"]

logger = structlog.get_logger()

Given = Literal["ran", "caught_up"]

LATENESS_BOUNDS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""A start is late by milliseconds, on a machine that sleeps or is busy by seconds; queued and caught up ones are late
by minutes. 30 s is what parts ``ran`` from ``caught_up``."""


class SlotFigures:
    """Counts each slot once, in the process that started its show or said that there would be none."""

    def __init__(self) -> None:
        given: list[tuple[str, ...]] = [(outcome, "") for outcome in get_args(Given)]
        self.slots = Total(
            "debate_caster_slots",
            "Slots by what became of them, and why they were skipped",
            ("outcome", "why"),
            known=[*given, *(("skipped", why) for why in get_args(Reason) if why)],
        )
        self.lateness = Spread(
            "debate_caster_start_lateness_seconds",
            "From the time of a slot to the start of its show",
            LATENESS_BOUNDS_S,
            ("outcome",),
            known=[(outcome,) for outcome in get_args(Given)],
        )

    def note_queued(self, scenario: str, slot: Slot) -> None:
        """Say that a slot waits for the show before it."""
        logger.info("slot_queued", scenario=scenario, slot=slot_text(slot.at))

    def note_started(self, scenario: str, slot: Slot, now: datetime, *, how: str) -> None:
        """Say that a slot has its show; ``how`` it came to it: at once, queued before, or from a process that died."""
        late_s = round((now - slot.due).total_seconds(), 3)
        logger.info("slot_started", scenario=scenario, slot=slot_text(slot.at), how=how, late_s=late_s)

    def note_skipped(self, scenario: str, slot: datetime | None, why: Reason) -> None:
        """Say and count that there is no show; without a slot it is one that somebody asked for by hand."""
        logger.warning("slot_skipped", scenario=scenario, slot=None if slot is None else slot_text(slot), why=why)
        if slot is not None:
            self.slots.add("skipped", why)

    def count_start(self, outcome: Outcome, due: datetime, now: datetime) -> None:
        """Count a slot whose show begins now: maybe later than it was decided, when the one before it has ended."""
        self.slots.add(outcome, "")
        self.lateness.note(max((now - due).total_seconds(), 0.0), outcome)
