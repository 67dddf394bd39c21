import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from debate_caster.calendar.allowance import Allowance
from debate_caster.calendar.ledger import Occurrence
from debate_caster.calendar.simulation import simulate
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.scenario.casting import slug
from tests.calendar.plans import House, at, entry, kill, scenario, told
from tests.effort import calls_in
from tests.scenario.test_recurrence import ZONES


def test_a_year_in_six_zones_is_what_the_real_calendar_does(tmp_path: Path) -> None:
    plans = [scenario(tmp_path, slug(zone), entry("30 2 * * *", zone, jitter_s=600)) for zone in ZONES]
    begin, end = at("01-01 00:00"), at("12-31 00:00")

    async def really(clock: VirtualClock) -> list[tuple[str, str]]:
        house = House(clock, length_s=1800)
        calendar = house.calendar(step_s=3600.0)
        for plan in plans:
            await calendar.admit(plan)
        async with house.running(calendar):
            await clock.sleep((end - begin).total_seconds() - 1)
        return await house.history()

    simulated = simulate(plans, begin, end, length_s=lambda _: 1800.0)

    assert [told(occurrence) for occurrence in simulated] == run_virtual(really, start=begin)
    assert len(simulated) == 6 * 364


def test_a_slot_takes_as_much_work_after_weeks_as_in_the_first_days(tmp_path: Path) -> None:
    plan = scenario(tmp_path, "hourly", entry("0 * * * *"))

    def calls_for_each(days: int) -> float:
        begin = at("01-01 00:00")
        simulated, calls = calls_in(lambda: simulate([plan], begin, begin + timedelta(days), length_s=lambda _: 600.0))
        return calls / len(simulated)

    usual, later = calls_for_each(4), calls_for_each(40)

    assert usual < 3000, "a year of six daily shows takes seconds"
    assert later < 1.1 * usual


def test_an_outage_is_a_dead_process(tmp_path: Path) -> None:
    plan = scenario(tmp_path, "hourly", entry("0 * * * *", grace_s=600))
    found = simulate(
        [plan], at("06-01 00:00"), at("06-01 06:00"), length_s=lambda _: 1200.0,
        outages=[(at("06-01 01:10"), at("06-01 03:05")), (at("06-01 03:50"), at("06-01 04:20"))],
    )  # fmt: skip

    assert [(*told(occurrence), occurrence.ending) for occurrence in found] == [
        ("06-01 00:00", "ran", "completed"),
        ("06-01 01:00", "ran", "cut off"),
        ("06-01 02:00", "skipped: missed", ""),
        ("06-01 03:00", "caught_up", "completed"),
        ("06-01 04:00", "skipped: missed", ""),
        ("06-01 05:00", "ran", "completed"),
    ]


def test_a_show_goes_on_after_a_short_outage_for_as_long_as_was_left_of_it(tmp_path: Path) -> None:
    plan = scenario(tmp_path, "hourly", entry("0 * * * *"))
    found = simulate(
        [plan], at("06-01 00:00"), at("06-01 03:00"), length_s=lambda _: 1200.0,
        outages=[(at("06-01 01:10"), at("06-01 01:30"))],
    )  # fmt: skip

    assert [(*told(one), one.ending, f"{one.ended_at:%H:%M}") for one in found] == [
        ("06-01 00:00", "ran", "completed", "00:20"),
        ("06-01 01:00", "ran", "completed", "01:40"),
        ("06-01 02:00", "ran", "completed", "02:20"),
    ]


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
@pytest.mark.parametrize(
    "outages",
    [
        [],
        [("20:10", "20:15")],  # in a show
        [("20:59", "21:02"), ("22:30", "22:31")],  # over a slot, and once more in the next show
        [("20:10", "23:05")],  # over three slots
        [("20:10", "21:00")],  # back at a slot
        [("20:10", "23:30")],  # too late for all of them
    ],
)
def test_what_is_simulated_is_what_real_calendars_do_that_die(
    tmp_path: Path, overlap: str, outages: list[tuple[str, str]]
) -> None:
    long = scenario(tmp_path, "long", entry("0 20-23 * * *", overlap=overlap, grace_s=600))
    brief = scenario(tmp_path, "brief", entry("*/30 20-23 * * *", jitter_s=90))
    lengths = {"long": 1.4 * 3600, "brief": 1200.0}
    begin, end = at("06-01 19:00"), at("06-02 02:00")
    times = [(at(f"06-01 {down}"), at(f"06-01 {up}")) for down, up in outages]

    async def really(clock: VirtualClock) -> list[Occurrence]:
        house = House(clock, lengths_s=lengths)
        for down, up in [*times, (end, end)]:
            owner = f"process until {down}"
            calendar = house.calendar(owner, step_s=60.0)
            for plan in (long, brief):
                await calendar.admit(plan)
            process = asyncio.create_task(calendar.run(asyncio.Event()))
            await clock.sleep((down - clock.now()).total_seconds() - 0.001)
            await kill(process)
            house.dead.add(owner)
            await clock.sleep((up - clock.now()).total_seconds())
        return await house.ledger.history()

    simulated = simulate([long, brief], begin, end, length_s=lambda plan: lengths[plan.key], outages=times)

    real = run_virtual(really, start=begin)
    assert sorted(map(facts, simulated)) == sorted(map(facts, real))
    assert len(simulated) == 4 + 8


def facts(occurrence: Occurrence) -> tuple[str, ...]:
    return (occurrence.scenario, *told(occurrence), occurrence.ending, str(occurrence.ended_at)[:19])


@pytest.mark.parametrize("shows_at_once", [1, 2, 3])
def test_the_limit_on_shows_at_once_skips_the_slots_that_the_real_calendar_skips(
    tmp_path: Path, shows_at_once: int
) -> None:
    plans = [
        scenario(tmp_path, f"every-{hours}", entry(f"{hours} */{hours} * * *", overlap=overlap))
        for hours, overlap in ((1, "queue"), (2, "skip"), (3, "replace"), (4, "queue"))
    ]
    begin, end = at("06-01 00:00"), at("06-08 00:00")

    async def really(clock: VirtualClock) -> list[tuple[str, str]]:
        house = House(clock, length_s=4000)
        calendar = house.calendar(step_s=3600.0, shows_at_once=shows_at_once)
        for plan in plans:
            await calendar.admit(plan)
        async with house.running(calendar):
            await clock.sleep((end - begin).total_seconds() - 1)
        return await house.history()

    simulated = simulate(plans, begin, end, length_s=lambda _: 4000.0, shows_at_once=shows_at_once)

    assert [told(occurrence) for occurrence in simulated] == run_virtual(really, start=begin)
    assert any(occurrence.why == "limit" for occurrence in simulated)
    given = [(one.decided_at, one.ended_at or end) for one in simulated if one.show is not None]
    assert max(sum(began <= at < ended for began, ended in given) for at, _ in given) <= shows_at_once


@pytest.mark.parametrize("outages", [[], [("03-28 20:10", "03-30 06:00")]])
def test_the_money_of_a_month_skips_the_slots_that_the_real_calendar_skips(
    tmp_path: Path, outages: list[tuple[str, str]]
) -> None:
    """Over the beginning of summer time, whose day has 23 hours; the shows cost all that they may."""
    plans = [
        scenario(tmp_path, f"every-{hours}", entry(f"{hours} */{hours} * * *", "Europe/Paris", overlap=overlap))
        for hours, overlap in ((3, "queue"), (4, "skip"), (6, "replace"))
    ]
    most: dict[str, Decimal | None] = {"every-3": Decimal("0.7"), "every-4": Decimal("1.3"), "every-6": Decimal(0)}
    allowance = Allowance(Decimal(8), Decimal(150), ZoneInfo("Europe/Paris"))
    begin, end = at("02-28 23:00"), at("04-02 00:00")
    times = [(at(down), at(up)) for down, up in outages]

    async def really(clock: VirtualClock) -> list[tuple[str, str]]:
        house = House(clock, length_s=12_000, most=most)
        purse = house.purse(allowance)
        for number, (down, up) in enumerate([*times, (end, end)]):
            calendar = house.calendar(str(number), step_s=3600.0, purse=purse)
            for plan in plans:
                await calendar.admit(plan)
            process = asyncio.create_task(calendar.run(asyncio.Event()))
            await clock.sleep((down - clock.now()).total_seconds() - 0.001)
            await kill(process)
            house.dead.add(str(number))
            await clock.sleep((up - clock.now()).total_seconds())
        return await house.history()

    simulated = simulate(
        plans, begin, end, length_s=lambda _: 12_000.0, outages=times, allowance=allowance,
        most=lambda plan: most[plan.key],
    )  # fmt: skip

    assert [told(occurrence) for occurrence in simulated] == run_virtual(really, start=begin)
    skipped = [occurrence for occurrence in simulated if occurrence.why == "budget"]
    assert {occurrence.scenario for occurrence in skipped} == {"every-3", "every-4"}
    counted: Counter[str] = Counter()
    for one in simulated:
        if one.show is not None and one.slot is not None:
            counted[f"{one.decided_at.astimezone(allowance.zone):%m-%d}"] += int(10 * (most[one.scenario] or 0))
    assert max(counted.values()) <= 80
    assert sum(count for day, count in counted.items() if day[:2] == "03") in range(1488, 1501)
