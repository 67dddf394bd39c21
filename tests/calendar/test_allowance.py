from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.calendar.allowance import Allowance, Period, Standing, amount
from tests.scenario.test_recurrence import ZONES


def told(period: Period) -> str:
    return f"{period.name} {period.since:%m-%d %H:%M} .. {period.until:%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("zone", "now", "day", "month"),
    [
        ("UTC", "2026-06-30 12:00", "06-30 00:00 .. 07-01 00:00", "06-01 00:00 .. 07-01 00:00"),
        ("UTC", "2026-07-01 00:00", "07-01 00:00 .. 07-02 00:00", "07-01 00:00 .. 08-01 00:00"),
        ("Europe/Paris", "2026-03-29 12:00", "03-28 23:00 .. 03-29 22:00", "02-28 23:00 .. 03-31 22:00"),
        ("Europe/Paris", "2026-10-25 12:00", "10-24 22:00 .. 10-25 23:00", "09-30 22:00 .. 10-31 23:00"),
        ("Europe/Paris", "2026-12-31 23:30", "12-31 23:00 .. 01-01 23:00", "12-31 23:00 .. 01-31 23:00"),
        ("America/New_York", "2026-01-31 04:59", "01-30 05:00 .. 01-31 05:00", "01-01 05:00 .. 02-01 05:00"),
    ],
)
def test_days_and_months_are_those_of_the_zone(zone: str, now: str, day: str, month: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)

    assert [told(period) for period in Allowance(zone=ZoneInfo(zone)).periods(at)] == [f"day {day}", f"month {month}"]


def test_a_day_without_a_midnight_begins_when_summer_time_does() -> None:
    beirut = Allowance(zone=ZoneInfo("Asia/Beirut"))  # on 2026-03-29 there is no time from 00:00 to 01:00

    day, _ = beirut.periods(datetime(2026, 3, 29, 9, tzinfo=UTC))

    assert told(day) == "day 03-28 22:00 .. 03-29 21:00"


@given(
    at=st.integers(0, 2**31).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    zone=st.sampled_from([*ZONES, "Asia/Beirut", "America/Havana", "Pacific/Apia"]),
)
def test_every_instant_is_in_one_day_of_one_month(at: datetime, zone: str) -> None:
    allowance = Allowance(zone=ZoneInfo(zone))

    for number, period in enumerate(allowance.periods(at)):
        assert period.since <= at < period.until
        assert allowance.periods(period.since)[number] == period
        assert allowance.periods(period.until)[number].since == period.until


def test_what_is_left_is_never_below_nothing() -> None:
    day, month = Allowance(per_day=Decimal(5)).periods(datetime(2026, 6, 1, tzinfo=UTC))

    assert Standing(day, Decimal(2), Decimal("1.5")).left == Decimal("1.5")
    assert Standing(day, Decimal(5), Decimal(1)).left == 0
    assert Standing(month, Decimal(5), Decimal(1)).left is None


@pytest.mark.parametrize(
    ("money", "text"), [("0E-8", "0"), ("1.20000000", "1.2"), ("100", "100"), ("0.00000001", "0.00000001")]
)
def test_a_sum_is_written_as_people_write_it(money: str, text: str) -> None:
    assert amount(Decimal(money)) == text
