"""``schedule`` as a user types it, without a ``serve`` beside it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from debate_caster.calendar.ledger import Entry, Ledger
from debate_caster.cli.data_folder import DataFolder
from debate_caster.settings import Settings
from tests.cli.test_commands import Say, at_home, say
from tests.scenario.files import DUEL, write

__all__ = ["at_home", "say"]

FRIDAY = f'title: Friday night\n{DUEL.strip()}\nschedule: {{cron: "0 20 * * FRI", timezone: Europe/Paris}}\n'
DAILY = f'title: Every day\n{DUEL.strip()}\nschedule: {{cron: "0 9 * * *", timezone: Asia/Kolkata, count: 3}}\n'


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    write(tmp_path, "plans/friday.yaml", FRIDAY)
    write(tmp_path, "plans/daily.yaml", DAILY)
    write(tmp_path, "plans/once.yaml", DUEL)
    return tmp_path / "plans"


def keep_a_calendar() -> None:
    """Write what a ``serve`` of long ago has left."""

    async def write_ledger() -> None:
        folder = DataFolder(Settings().data_dir)
        folder.make()
        ledger, now = Ledger(folder.calendar), datetime(2026, 6, 1, tzinfo=UTC)
        entries = '[{"cron": "0 20 * * FRI", "timezone": "Europe/Paris"}]'
        await ledger.admit("friday", title="Friday night", path="friday.yaml", entries=entries, now=now)
        slots = [datetime(2026, 6, 5, 18, tzinfo=UTC) + timedelta(weeks=week) for week in range(2)]
        rows = [
            Entry("friday", slots[0], slots[0], "0 20 * * FRI Europe/Paris", "ran", "", "friday-20260605-180000z"),
            Entry("friday", slots[1], slots[1], "0 20 * * FRI Europe/Paris", "skipped", "missed", None),
        ]
        await ledger.record(rows, handled_until={"friday": slots[1]}, owner="us", now=slots[1])
        await ledger.finish("friday-20260605-180000z", "completed", slots[0])
        await ledger.aclose()

    asyncio.run(write_ledger())


def test_list_and_next_say_what_comes_in_the_shows_own_zone(say: Say, scenarios: Path) -> None:
    listed = say("schedule", "list", scenarios)
    coming = say("schedule", "next", "--count", "4", scenarios)

    assert (listed.status, coming.status) == (0, 0)
    heads, *rows = listed.out.splitlines()
    assert heads.split() == ["NAME", "STATE", "NEXT", "SCHEDULE"]
    assert [row.split()[:2] for row in rows] == [["daily", "on"], ["friday", "on"], ["once", "by"]]
    assert "20:00 CE" in rows[1]
    assert "0 20 * * FRI Europe/Paris" in rows[1]
    assert len([line for line in coming.out.splitlines() if "Every day" in line and "09:00 IST" in line]) == 3


def test_json_has_slot_and_show_of_what_comes(say: Say, scenarios: Path) -> None:
    first, *_ = map(json.loads, say("schedule", "next", "--json", scenarios / "friday.yaml").out.splitlines())

    assert first["show"].startswith("friday-")
    assert first["local"].endswith(("20:00:00+01:00", "20:00:00+02:00"))
    assert datetime.fromisoformat(first["slot"]).weekday() == 4


def test_history_accounts_for_every_slot(say: Say) -> None:
    keep_a_calendar()
    lines = say("schedule", "history").out.splitlines()
    (newest, oldest) = map(json.loads, say("schedule", "history", "friday", "--json").out.splitlines())

    assert [line.split()[2:] for line in lines[1:]] == [
        ["friday", "skipped", "missed"], ["friday", "ran", "completed", "friday-20260605-180000z"],
    ]  # fmt: skip
    assert (newest["outcome"], newest["why"], oldest["ending"]) == ("skipped", "missed", "completed")


def test_what_serve_knew_is_listed_without_the_files(say: Say) -> None:
    keep_a_calendar()

    assert "Friday night" in say("schedule", "next").out


def test_pause_holds_until_resume(say: Say) -> None:
    keep_a_calendar()

    assert say("schedule", "pause", "friday").err == "friday is paused: its slots are skipped\n"
    assert "paused" in say("schedule", "list").out
    assert say("schedule", "next").out == "no show is coming\n"
    assert say("schedule", "resume", "friday").status == 0
    assert "Friday night" in say("schedule", "next").out


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_an_unknown_name_is_told_what_there_is(say: Say, action: str) -> None:
    assert (
        say("schedule", action, "monday").err == "debate-caster: 'monday' is not on the calendar. There is: nothing.\n"
    )
    keep_a_calendar()
    said = say("schedule", action, "monday")

    assert (said.status, "There is: friday." in said.err) == (2, True)


def test_a_scenario_whose_last_show_was_too_dear_is_listed_as_over_budget(say: Say) -> None:
    keep_a_calendar()

    async def skip_the_next() -> None:
        ledger, slot = Ledger(DataFolder(Settings().data_dir).calendar), datetime(2026, 6, 19, 18, tzinfo=UTC)
        skipped = Entry("friday", slot, slot, "0 20 * * FRI Europe/Paris", "skipped", "budget", None)
        await ledger.record([skipped], owner="us", now=slot)
        await ledger.aclose()

    asyncio.run(skip_the_next())

    assert "friday  over budget  Fri " in say("schedule", "list").out
    assert json.loads(say("schedule", "list", "--json").out)["state"] == "over budget"
    assert "friday  skipped  budget" in say("schedule", "history").out
    assert "Friday night" in say("schedule", "next").out


def test_run_now_needs_a_serve(say: Say) -> None:
    keep_a_calendar()
    said = say("schedule", "run-now", "friday")

    assert said.status == 2
    assert "no `serve` is using the data folder" in said.err


def test_without_a_calendar_there_is_nothing_and_no_file_is_made(say: Say) -> None:
    assert say("schedule", "list").out == "nothing is on the calendar\n"
    assert say("schedule", "history").out == "no slot has been\n"
    assert not DataFolder(Settings().data_dir).calendar.exists()


def test_simulate_says_what_would_become_of_every_slot(say: Say, scenarios: Path) -> None:
    said = say(
        "schedule", "simulate", scenarios / "friday.yaml", "--from", "2026-10-16", "--to", "2026-11-01",
        "--timezone", "Europe/Paris", "--outage", "2026-10-23..2026-10-23T20:04",
    )  # fmt: skip

    assert said.err == ""
    assert [line.split() for line in said.out.splitlines()[1:]] == [
        ["Fri", "2026-10-16", "20:00", "CEST", "friday", "ran", "completed"],
        ["Fri", "2026-10-23", "20:00", "CEST", "friday", "caught_up", "completed"],
        ["Fri", "2026-10-30", "20:00", "CET", "friday", "ran", "completed"],
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "soon", "--to", "2026-11-01"], "'soon' is no time"),
        (["--from", "2026-11-02", "--to", "2026-11-01"], "must follow each other"),
        (["--from", "2026-10-01", "--to", "2026-11-01", "--timezone", "Mars"], "no time zone 'Mars'"),
        (["--from", "2026-10-01", "--to", "2026-11-01", "--outage", "2026-10-02"], "no span of time"),
    ],
)
def test_simulate_refuses_times_that_are_none(say: Say, scenarios: Path, arguments: list[str], said: str) -> None:
    found = say("schedule", "simulate", scenarios, *arguments)

    assert (found.status, said in found.err) == (2, True)


def test_export_names_this_program_wherever_the_path_leads(
    say: Say, scenarios: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "venv" / "bin" / "debate-caster"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", "/usr/bin")

    assert f" {program} run " in say("schedule", "export", scenarios, "--format", "crontab").out


def test_export_writes_what_a_shell_can_take(say: Say, scenarios: Path) -> None:
    said = say("schedule", "export", scenarios, "--format", "crontab")

    assert said.status == 0
    assert f"run {scenarios / 'friday.yaml'} --slot due --data-dir " in said.out
    assert say("schedule", "export", scenarios / "once.yaml").out == "\n"


def test_a_slot_that_is_not_due_is_no_error(say: Say, tmp_path: Path) -> None:
    path = write(
        tmp_path, "leap.yaml", f'{DUEL.strip()}\nschedule: {{cron: "0 0 29 2 *", timezone: UTC, grace_s: 0}}\n'
    )
    said = say("run", path, "--slot", "due", "--stage", "none")

    assert (said.status, said.out) == (0, "")
    assert "leap: no slot is due" in said.err
