"""Limits on money as an operator sets them, and shows by hand that keep to them."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from debate_caster.cli.money import allowance_of, machine_zone
from debate_caster.errors import SetupError
from debate_caster.settings import Settings
from tests.cli.test_commands import Say, at_home, say
from tests.end_to_end.programs import write_scenario

__all__ = ["at_home", "say"]

PRICED = {"rehearsal": {"provider": "rehearsal", "first_token_s": 0, "words_per_s": 1000, "price": {
    "input_per_million": 1, "output_per_million": 10}}}  # fmt: skip
UNPRICED = {"rehearsal": {"provider": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}}
UNSEEN = ("--speed", "100", "--stage", "none", "--quiet")

SUMMER = datetime(2026, 7, 1, tzinfo=UTC)


def today(say: Say) -> dict[str, Any]:
    """Return how the day stands."""
    day, _ = map(json.loads, say("schedule", "money", "--json").out.splitlines())
    assert isinstance(day, dict)
    return day


def test_a_show_by_hand_counts_and_is_refused_where_it_may_cost_too_much(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = write_scenario(tmp_path, models=PRICED, budget={"max_cost": 2})
    monkeypatch.setenv("DEBATE_CASTER_MONEY_PER_DAY", "0.001")

    refused = say("run", plan, *UNSEEN)
    assert refused.status == 2
    assert refused.err.startswith(
        "debate-caster: homework is not given: 0.001 of the day's 0.001 is left, and the show"
    )
    assert refused.err.endswith("`--over-budget` gives it all the same.\n")
    assert today(say)["spent"] == "0"

    assert say("run", plan, "--over-budget", *UNSEEN).status == 0
    spent = today(say)
    assert float(spent["spent"]) > 0.001
    assert (spent["held"], spent["left"]) == ("0", "0")


def test_a_show_within_the_limit_is_given_and_what_it_did_not_cost_is_left(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBATE_CASTER_MONEY_PER_MONTH", "2.5")
    plan = write_scenario(tmp_path, models=PRICED, budget={"max_cost": 2})

    assert [say("run", plan, *UNSEEN).status for _ in range(2)] == [0, 0]

    heads, day, month = say("schedule", "money").out.splitlines()
    assert heads.split() == ["PERIOD", "SPENT", "HELD", "LIMIT", "LEFT", "UNTIL"]
    assert day.split()[0:4:3] == ["day", "none"]
    assert month.split()[0:4:3] == ["month", "2.5"]
    assert 2 < float(month.split()[4]) < 2.5


def test_where_money_is_limited_a_show_without_prices_is_not_given(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = write_scenario(tmp_path, models=UNPRICED)
    monkeypatch.setenv("DEBATE_CASTER_MONEY_PER_DAY", "5")

    said = say("run", plan, *UNSEEN)

    assert (said.status, "nobody knows what the show costs" in said.err) == (2, True)


def test_without_limits_and_calendar_a_show_by_hand_makes_no_ledger(say: Say, tmp_path: Path) -> None:
    assert say("run", write_scenario(tmp_path, models=PRICED), *UNSEEN).status == 0
    assert not (tmp_path / "data" / "debate-caster" / "calendar.db").exists()


def test_shows_given_before_money_was_limited_count_once_it_is(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = write_scenario(tmp_path, models=PRICED)
    assert [say("run", plan, *UNSEEN).status for _ in range(2)] == [0, 0]
    assert today(say)["spent"] == "0"  # nobody has counted yet
    monkeypatch.setenv("DEBATE_CASTER_MONEY_PER_DAY", "0.001")

    assert say("run", plan, *UNSEEN).status == 2

    (before,) = {today(say)["spent"] for _ in range(2)}
    shows = [json.loads(line)["id"] for line in say("shows", "--json").out.splitlines()]
    costs = [json.loads(say("export", show, "--format", "json").out)["spent"]["cost"] for show in shows]
    assert len(costs) == 2
    assert Decimal(before) == sum(map(Decimal, costs)) > 0


def test_simulate_skips_what_would_cost_too_much(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = {"cron": "0 */8 * * *", "timezone": "UTC"}
    plan = write_scenario(tmp_path, models=PRICED, budget={"max_cost": "0.01"}, schedule=schedule)
    monkeypatch.setenv("DEBATE_CASTER_MONEY_PER_DAY", "0.025")
    monkeypatch.setenv("DEBATE_CASTER_TIMEZONE", "Europe/Paris")

    lines = say("schedule", "simulate", plan, "--from", "2026-10-24", "--to", "2026-10-27", "--json").out.splitlines()

    # The days of Paris begin at 22:00 UTC, and after the 25th at 23:00: each has 00:00, 08:00 and 16:00.
    found = [json.loads(line) for line in lines]
    assert [f"{one['slot'][8:13]} {one['why'] or one['outcome']}" for one in found] == [
        f"{day}T{hour:02} {what}" for day in (24, 25, 26) for hour, what in ((0, "ran"), (8, "ran"), (16, "budget"))
    ]


@pytest.mark.parametrize(("name", "offset_h"), [("Europe/Paris", 2), (":America/New_York", -4), ("UTC", 0)])
def test_the_machine_s_zone_is_what_tz_names(name: str, offset_h: int) -> None:
    zone = machine_zone({"TZ": name}, required=True)

    assert SUMMER.astimezone(zone).utcoffset() == timedelta(hours=offset_h)


def test_a_setting_names_the_zone_and_must_name_one() -> None:
    assert str(allowance_of(Settings(timezone="Asia/Kolkata")).zone) == "Asia/Kolkata"
    with pytest.raises(SetupError, match="DEBATE_CASTER_TIMEZONE: there is no time zone 'Mars/Base'"):
        allowance_of(Settings(timezone="Mars/Base"))


def test_without_tz_the_machine_s_file_has_the_zone_with_its_summer_time(tmp_path: Path) -> None:
    file = tmp_path / "localtime"
    file.write_bytes(files("tzdata").joinpath("zoneinfo", "Europe", "Paris").read_bytes())

    zone = machine_zone({}, required=True, file=file)

    hours = [at.astimezone(zone).utcoffset() for at in (SUMMER, SUMMER.replace(month=1))]
    assert hours == [timedelta(hours=2), timedelta(hours=1)]
    assert machine_zone({}, required=True, file=tmp_path / "none") is UTC


def test_a_zone_that_cannot_be_made_out_matters_only_where_money_is_limited(tmp_path: Path) -> None:
    damaged = tmp_path / "localtime"
    damaged.write_text("no zone")
    for environ in ({"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, {}):
        assert machine_zone(environ, required=False, file=damaged) is UTC
        with pytest.raises(SetupError, match="Set DEBATE_CASTER_TIMEZONE"):
            machine_zone(environ, required=True, file=damaged)
