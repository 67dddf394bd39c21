from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.scenario.recurrence import cron_problem, instants, least_distance_s, zone_names, zone_problem

ZONES = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Asia/Kolkata",
)


def local(cron: str, zone: str, day: str) -> list[str]:
    """Return the slots of a day as the clocks of its zone show them."""
    there = ZoneInfo(zone)
    begin = datetime.fromisoformat(day).replace(tzinfo=there).astimezone(UTC) - timedelta(seconds=1)
    slots = (at.astimezone(there) for at in instants(cron, there, begin))
    return [f"{at:%d %H:%M%z}" for at in takewhile(lambda at: f"{at:%Y-%m-%d}" == day, slots)]


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("* * * * * *", "five fields"),
        ("0 20 * *", "here are 4"),
        ("", "here are 0"),
        ("0 0 * *", "ASCII"),
        ("0 0 30 2 *", "never fires"),
        ("0 25 * * *", "bad hour"),
        ("0 0 * * MON#6", "bad day-of-week"),
        ("@daily", "here are 1"),
        ("0 20 * * FRI\n", ""),
        ("0 20 * * " + "FRI," * 250_000, ""),
        ("*/7 * * * *", "every 240 s"),
        ("59,0 0,23 * * *", "every 60 s"),
        ("0 0 32 2 *", "bad day-of-month"),
        ("0 0 1 13 *", "bad month"),
    ],
)
def test_a_cron_that_is_none_or_too_fast_or_never_fires_is_refused(cron: str, said: str) -> None:
    problem = cron_problem(cron.replace("0 0 * *", "\uff10 0 * *") if said == "ASCII" else cron)

    assert (said in problem) if said else problem == "a cron is one line of at most 200 characters"


@pytest.mark.parametrize(
    "cron", ["0 20 * * FRI", "*/5 * * * *", "0 0 29 2 *", "30 19 1-7 JAN-MAR mon,wed", "0 9 L * *"]
)
def test_what_people_write_is_taken(cron: str) -> None:
    assert cron_problem(cron) == ""


def test_the_floor_is_the_operators() -> None:
    assert "60 s" in cron_problem("* * * * *")
    assert cron_problem("* * * * *", shortest_period_s=60) == ""
    assert least_distance_s("0 0 29 2 *") == (365 * 4 + 1) * 86_400


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "europe/paris", "Europe", "", "../etc/passwd", "localtime", "Factory"]
)
def test_only_iana_zones_are_places(name: str) -> None:
    assert zone_problem(name)
    assert name not in zone_names()


def test_a_machine_without_time_zone_data_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("debate_caster.scenario.recurrence.zone_names", lambda: ())

    assert "tzdata" in zone_problem("Nowhere/At_All")


@pytest.mark.parametrize(
    ("zone", "spring", "autumn", "in_spring", "in_autumn"),
    [
        ("Europe/Paris", "2026-03-29", "2026-10-25", ["29 03:00+0200"], ["25 02:30+0200"]),
        ("America/New_York", "2026-03-08", "2026-11-01", ["08 03:00-0400"], ["01 02:30-0500"]),
        ("Europe/Dublin", "2026-03-29", "2026-10-25", ["29 02:30+0100"], ["25 02:30+0000"]),
        ("Asia/Kolkata", "2026-03-29", "2026-10-25", ["29 02:30+0530"], ["25 02:30+0530"]),
    ],
)
def test_half_past_two_comes_once_whatever_the_clocks_do(
    zone: str, spring: str, autumn: str, in_spring: list[str], in_autumn: list[str]
) -> None:
    assert local("30 2 * * *", zone, spring) == in_spring
    assert local("30 2 * * *", zone, autumn) == in_autumn


def test_half_an_hour_left_out_or_repeated_counts_as_well() -> None:
    assert local("15 2 * * *", "Australia/Lord_Howe", "2026-10-04") == ["04 02:30+1100"]
    assert local("45 1 * * *", "Australia/Lord_Howe", "2026-04-05") == ["05 01:45+1100"]


def test_half_past_one_comes_in_the_first_pass_of_a_repeated_hour() -> None:
    assert local("30 1 * * *", "America/New_York", "2026-11-01") == ["01 01:30-0400"]


def test_every_half_hour_goes_on_in_real_half_hours() -> None:
    slots = list(islice(instants("*/30 * * * *", ZoneInfo("Europe/Paris"), datetime(2026, 10, 24, tzinfo=UTC)), 100))

    assert {later - earlier for earlier, later in pairwise(slots)} == {timedelta(minutes=30)}


@given(
    st.sampled_from(ZONES),
    st.sampled_from(["30 2 * * *", "15 1,2 * * *", "0 0 * * *", "*/20 1-3 * * SUN", "45 1 * * *"]),
    st.integers(0, 364 * 24 * 60),
)
def test_slots_begun_anywhere_are_the_same_slots(zone: str, cron: str, minute: int) -> None:
    """What comes after an instant does not depend on where one began to look."""
    there, after = ZoneInfo(zone), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    from_here = list(islice(instants(cron, there, after), 5))
    from_before = [at for at in islice(instants(cron, there, after - timedelta(days=9)), 400) if at > after][:5]

    assert from_here == from_before
    assert all(earlier < later for earlier, later in pairwise([after, *from_here]))


def _by_brute_force(hour: int, minute: int, zone: ZoneInfo, year: int) -> list[datetime]:
    """Each day's time by looking at every minute of it: the first that shows it, or else the first after the gap."""
    found = []
    day = datetime.fromisoformat(f"{year}-01-01")
    while day.year == year:
        start = day.replace(tzinfo=zone).astimezone(UTC) - timedelta(hours=2)
        minutes = (start + timedelta(minutes=passed) for passed in range(30 * 60))
        wanted = day.replace(hour=hour, minute=minute)
        found.append(next(at for at in minutes if at.astimezone(zone).replace(tzinfo=None) >= wanted))
        day += timedelta(days=1)
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_of_slots_is_what_looking_at_every_minute_finds(zone: str) -> None:
    there, begin = ZoneInfo(zone), datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)) - timedelta(seconds=1)
    found = list(islice(instants("30 2 * * *", there, begin.astimezone(UTC)), 365))

    assert found == _by_brute_force(2, 30, there, 2026)
