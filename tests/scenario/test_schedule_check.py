from pathlib import Path

import pytest

from debate_caster.scenario.loading import check, load_scenario
from tests.scenario.files import DUEL, found_in, write

CASES = [
    (
        '{cron: "0 20 * * FRI", timezone: Europe/Pari}',
        "timezone: there is no time zone 'Europe/Pari': did you mean 'Europe/Paris'?",
    ),
    (
        "{cron: 0 20 * * FRI, timezone: UTC}",
        "cron: put the cron in quotes: a line that begins with a star is none in YAML",
    ),
    ('{cron: "* * * * *", timezone: UTC}', "cron: this fires every 60 s at its closest, and 300 s is the least"),
    ('{cron: "0 0 1 1 *", timezone: UTC, until: "2026-02-30"}', "until: a day is wanted, as 'YYYY-MM-DD' in quotes"),
    ('{cron: "0 0 1 1 *", timezone: UTC, overlap: stop}', "overlap: choose from 'skip', 'queue' or 'replace'"),
    ('{cron: "*/10 * * * *", timezone: UTC, jitter_s: 600}', "jitter_s: must be less than the 600 s between two slots"),
    ("{timezone: UTC}", "cron: this key is missing"),
    ('{cron: "0 0 1 1 *", timezone: UTC, grace: 1}', "grace: unknown key 'grace': did you mean 'grace_s'?"),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "problem"), CASES)
def test_what_is_wrong_with_a_schedule_is_said_at_its_place(tmp_path: Path, schedule: str, problem: str) -> None:
    path = write(tmp_path, "show.yaml", f"{DUEL.strip()}\nschedule:\n  - {schedule}\n")
    key = problem.partition(":")[0]
    unknown, missing = key == "grace", f"{key}:" not in schedule
    column = 5 if missing else 5 + schedule.index(f"{key}:") + (0 if unknown else len(f"{key}: "))

    assert found_in(path) == [f"7:{column}: schedule[0].{problem}"]


def test_a_star_without_quotes_is_explained(tmp_path: Path) -> None:
    path = write(tmp_path, "show.yaml", f"{DUEL.strip()}\nschedule: {{cron: * * * * *, timezone: UTC}}\n")

    assert found_in(path) == ["6:19: a text that begins with '*', '&' or '!' must be in quotes"]


def test_one_entry_or_several_are_taken(tmp_path: Path) -> None:
    entry = '{cron: "0 20 * * FRI", timezone: Europe/Paris, blackout: ["2026-12-25"]}'
    one = write(tmp_path, "one.yaml", f"{DUEL.strip()}\nschedule: {entry}\n")
    two = write(tmp_path, "two.yaml", f"{DUEL.strip()}\nschedule:\n  - {entry}\n  - {entry}\n")
    none = write(tmp_path, "none.yaml", DUEL)

    assert [len(load_scenario(path, env={}).schedule) for path in (none, one, two)] == [0, 1, 2]


def test_the_operator_may_lower_the_floor(tmp_path: Path) -> None:
    write(tmp_path, "show.yaml", f'{DUEL.strip()}\nschedule: {{cron: "* * * * *", timezone: UTC}}\n')

    assert check([tmp_path], {}, shortest_period_s=60) == []
