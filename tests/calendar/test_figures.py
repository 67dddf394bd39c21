"""What a calendar counts is what its history says."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from debate_caster.calendar.figures import SlotFigures
from debate_caster.calendar.season import Calendar
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.figures import Figure, Spread
from tests.calendar.plans import DAY_S, House, at, entry, scenario


def figures_of(calendar: Calendar) -> dict[str, Figure]:
    return {figure.name.removeprefix("debate_caster_"): figure for figure in calendar.figures}


def counted(*calendars: Calendar) -> Counter[tuple[str, ...]]:
    """Slots by outcome and reason, of all that share a ledger."""
    return sum((Counter(dict(figures_of(calendar)["slots"].values)) for calendar in calendars), Counter())


def measured(calendar: Calendar) -> int:
    """How many starts have a lateness."""
    lateness = figures_of(calendar)["start_lateness_seconds"]
    assert isinstance(lateness, Spread)
    return sum(sum(measured.counts) for measured in lateness.values.values())


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
@pytest.mark.parametrize("shows_at_once", [None, 1])
def test_every_slot_of_the_history_is_counted_once_with_its_outcome_and_logged(
    tmp_path: Path, overlap: str, shows_at_once: int | None
) -> None:
    async def main(clock: VirtualClock) -> None:
        house = House(clock, length_s=1.7 * 3600)
        calendar = house.calendar(shows_at_once=shows_at_once)
        for key in ("long", "other"):
            await calendar.admit(scenario(tmp_path, key, entry("0 20-23 * * *", overlap=overlap)))
        async with house.running(calendar):
            await clock.sleep(DAY_S - 1800)  # ends in the middle of a show

        rows = await house.ledger.history()
        assert counted(calendar) == Counter((row.outcome, row.why) for row in rows)
        starts = sum(row.outcome != "skipped" for row in rows)
        assert measured(calendar) == starts
        assert sum(line["event"] == "slot_skipped" for line in lines) == len(rows) - starts
        assert sum(line["event"] == "slot_started" for line in lines) == starts

    structlog.reset_defaults()  # the calendar's other tests do without its lines
    with capture_logs() as lines:
        run_virtual(main, start=at("06-01 00:00"))


def test_a_slot_whose_show_was_to_wait_for_another_is_skipped_when_the_calendar_stops(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        house = House(clock, length_s=3 * 3600)
        stubborn = asyncio.Event()
        given = house.perform

        async def perform(scenario_: object, show: str, stop: asyncio.Event) -> str:
            return await given(scenario_, show, stubborn)  # type: ignore[arg-type]  # it is one

        house.perform = perform  # type: ignore[method-assign,assignment]  # a show that takes its time to end
        calendar = house.calendar()
        await calendar.admit(scenario(tmp_path, "long", entry("0 20,21 * * *", overlap="replace")))
        async with house.running(calendar):
            await clock.sleep((at("06-01 21:30") - clock.now()).total_seconds())
        assert counted(calendar) == Counter({("ran", ""): 1, ("skipped", "shutdown"): 1})
        assert await house.history() == [("06-01 20:00", "ran"), ("06-01 21:00", "skipped: shutdown")]

    run_virtual(main, start=at("06-01 00:00"))


def test_paused_scenarios_are_told_from_those_that_are_on(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        house = House(clock)
        calendar = house.calendar()
        for key in ("friday", "monday"):
            await calendar.admit(scenario(tmp_path, key, entry()))
        async with house.running(calendar):
            await house.ledger.pause("monday", paused=True)
            other = house.calendar("another process")
            await other.admit(scenario(tmp_path, "friday", entry()))
            await other.admit(scenario(tmp_path, "monday", entry()))
            assert figures_of(other)["scenarios"].values == {("on",): 1, ("paused",): 1}
            assert figures_of(other)["calendar_failing"].values == {(): 0}

    run_virtual(main, start=at("06-01 00:00"))


def test_how_late_a_show_starts_is_never_below_nothing() -> None:
    figures = SlotFigures()
    figures.count_start("ran", at("06-01 20:00"), at("06-01 19:59:59"))
    figures.count_start("caught_up", at("06-01 20:00"), at("06-01 20:00:31"))

    assert [spread.sum for spread in figures.lateness.values.values()] == [0, 31]
    assert {labels: number for labels, number in figures.slots.values.items() if number} == {
        ("ran", ""): 1, ("caught_up", ""): 1,
    }  # fmt: skip
