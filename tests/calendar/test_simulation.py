from pathlib import Path
from time import process_time

from debate_caster.calendar.simulation import simulate
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.scenario.casting import slug
from tests.calendar.plans import House, at, entry, scenario, told
from tests.scenario.test_recurrence import ZONES


def test_a_year_in_six_zones_takes_seconds_and_is_what_the_real_calendar_does(tmp_path: Path) -> None:
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

    started = process_time()
    simulated = simulate(plans, begin, end, length_s=lambda _: 1800.0)
    took = process_time() - started

    assert [told(occurrence) for occurrence in simulated] == run_virtual(really, start=begin)
    assert len(simulated) == 6 * 364
    assert took < 5


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
