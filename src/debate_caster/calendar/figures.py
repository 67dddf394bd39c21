"""What becomes of a calendar's slots, in numbers, and how late its shows start."""

from datetime import datetime
from typing import Literal, get_args

from debate_caster.calendar.docket import Reason, late_start
from debate_caster.figures import Spread, Total

__all__ = ["SlotFigures"]

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

    def started(self, due: datetime, now: datetime) -> None:
        """Count a slot whose show starts now."""
        outcome = late_start(due, now)
        self.slots.add(outcome, "")
        self.lateness.note(max((now - due).total_seconds(), 0.0), outcome)

    def skipped(self, why: str) -> None:
        """Count a slot that has no show."""
        self.slots.add("skipped", why)
