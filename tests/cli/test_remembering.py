"""``persona`` as a user types it; and the episodes that ``run``, ``rehearse`` and ``simulate`` make."""

import asyncio
import json
from pathlib import Path

import pytest

from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.resumption import Keepsake, debate_digest, kept_on_file
from debate_caster.clock import SystemClock
from debate_caster.episodes.annals import Archive
from debate_caster.episodes.series import Series
from debate_caster.scenario import Scenario, load_scenario
from debate_caster.settings import Settings
from tests.cli.test_commands import Say, at_home, say
from tests.episodes.seasons import duel
from tests.scenario.files import write

__all__ = ["at_home", "say"]

SERIES = """
title: The Tea Hour
format: duel
agents:
  - {persona: ada, side: for}
  - {persona: otis, side: against}
pacing: {chars_per_second: 900, min_interval_s: 0, gap_s: 0, lead_min_s: 0, lead_max_s: 0}
models: {rehearsal: {first_token_s: 0, words_per_s: 9000}}
budget: {max_minutes: null}
season: {topics: [Tea is best., Milk goes first., Sugar is a sin.], swap_sides: true, memory: {words: 80}}
schedule: {cron: "0 20 * * *", timezone: UTC}
"""


TOPIC_FROM = "topic_from: {llm: rehearsal, about: Tea}"


def leave_broken_off(path: Path, show: str) -> None:
    """Leave what a process leaves that dies before its show's first word."""

    async def stage() -> Scenario:
        folder = DataFolder(Settings().data_dir)
        async with folder.open(folder.show_log) as log:
            series = Series(Archive(folder.seasons), log, clock=SystemClock())
            return await series.stage(load_scenario(path, env={}), show)

    staged = asyncio.run(stage())
    keepsake = Keepsake(
        show=show, scenario=str(path), digest=debate_digest(staged), seed=2, speed=1.0, stage="none",
        host="127.0.0.1", port=0, allow_public=False, key="k" * 32, producer_token="t" * 32,
    )  # fmt: skip
    with kept_on_file(DataFolder(Settings().data_dir), keepsake):
        pass


@pytest.fixture
def archive() -> Archive:
    """Return the annals of a series in which Ada has won against Ben and lost against Cleo."""
    archive = Archive(DataFolder(Settings().data_dir).seasons)
    won, lost = duel(1, result="won", said="Facts count."), duel(2, result="lost", against="cleo")
    archive.change("trams", lambda annals: annals.with_episode(won).with_episode(lost))
    return archive


def test_a_persona_has_a_record_rivals_and_episodes(say: Say, archive: Archive) -> None:
    said = say("persona", "ada")

    assert said.status == 0
    assert [" ".join(line.split()) for line in said.out.splitlines()] == [
        "Ada · trams · 2 episodes · won 1, lost 1",
        "met Ben once: won 1",
        "met Cleo once: lost 1",
        "EPISODE DATE SIDE RESULT MOTION",
        "2 2026-01-16 Proposition lost (swing) Motion 2.",
        "1 2026-01-09 Proposition won (swing) Motion 1.",
    ]


def test_programs_get_it_as_json(say: Say, archive: Archive) -> None:
    facts = json.loads(say("persona", "ben", "--json").out)

    assert facts["record"] == {"episodes": 1, "won": 0, "lost": 1, "tied": 0}
    assert facts["met"] == {"ada": 1}
    assert [episode["motion"] for episode in facts["episodes"]] == ["Motion 1."]


def test_what_was_forgotten_is_on_disk_no_more(say: Say, archive: Archive) -> None:
    said = say("persona", "ada", "--forget")

    assert (said.status, said.err) == (0, "ada has forgotten 2 episodes\n")
    assert all("Facts count" not in path.read_text() for path in DataFolder(Settings().data_dir).seasons.iterdir())
    again = say("persona", "ada")
    assert again.status == 2
    assert "nothing is remembered of 'ada'" in again.err
    assert "There is memory of: ben, cleo." in again.err


def test_every_run_is_the_next_episode(say: Say, tmp_path: Path) -> None:
    path = write(tmp_path, "tea.yaml", SERIES)

    first = say("run", path, "--stage", "none", "--seed", "1", "--speed", "1000")
    second = say("run", path, "--stage", "none", "--seed", "2", "--speed", "1000")

    assert (first.status, second.status) == (0, 0), second.err
    assert "Tea is best. · Duel · " in first.out
    assert "Milk goes first. · Duel · " in second.out
    assert "“Tea is best”" in second.out
    assert "2 episodes" in say("persona", "otis").out


def test_a_show_that_is_resumed_is_the_episode_that_it_was(say: Say, tmp_path: Path) -> None:
    path = write(tmp_path, "tea.yaml", SERIES)
    say("run", path, "--stage", "none", "--seed", "1", "--speed", "1000")
    leave_broken_off(path, "tea-second")
    say("run", path, "--stage", "none", "--seed", "3", "--speed", "1000")

    said = say("run", "--resume", "tea-second", "--speed", "1000")

    assert said.status == 0, said.err
    assert "Milk goes first. · Duel · " in said.out
    assert "“Tea is best”" in said.out
    assert "3 episodes" in say("persona", "ada").out


def test_the_show_of_a_slot_is_the_next_episode_and_a_model_without_a_motion_is_told(say: Say, tmp_path: Path) -> None:
    often = SERIES.replace("0 20 * * *", "*/5 * * * *").replace("timezone: UTC", "timezone: UTC, grace_s: 86400")
    path = write(tmp_path, "tea.yaml", often)
    asking = often.replace("rehearsal: {", "rehearsal: {faults: [refused], ")
    asking = asking.replace("topics: [Tea is best., Milk goes first., Sugar is a sin.]", TOPIC_FROM)
    silent = write(tmp_path, "silent.yaml", asking)

    given = say("run", path, "--slot", "due", "--stage", "none", "--speed", "1000")
    failed = say("run", silent, "--slot", "due", "--stage", "none", "--speed", "1000")

    assert given.status == 0, given.err
    assert "Tea is best. · Duel · " in given.out
    assert failed.status == 1
    assert "debate-caster: model 'rehearsal': refused" in failed.err
    assert "no topic" in say("schedule", "history", "silent").out
    assert "broken off" not in say("run", path, "--stage", "none", "--speed", "1000").err


def test_rehearse_performs_the_episodes_up_to_one_and_says_what_follows(say: Say, tmp_path: Path) -> None:
    path = write(tmp_path, "tea.yaml", SERIES)

    said = say("rehearse", path, "--episode", "2")

    assert said.status == 0
    assert said.out.startswith("Milk goes first.\n")
    assert (
        "\nAda Brandt remembers: You have been on this show once before. You have met Otis Bell here once." in said.out
    )
    assert said.out.split("The episodes after this one:\n")[1].splitlines()[:2] == [
        "  3  Sugar is a sin.",
        "  4  Tea is best.",
    ]
    assert not DataFolder(Settings().data_dir).seasons.exists()


def test_only_a_series_has_a_second_episode(say: Say, tmp_path: Path) -> None:
    path = write(tmp_path, "tea.yaml", SERIES.replace("title:", "motion: Tea.\ntitle:").replace("season:", "#"))

    said = say("rehearse", path, "--episode", "2")

    assert said.status == 2
    assert "tea has no season, so it has no episode 2" in said.err


def test_simulate_says_which_motion_each_slot_gets(say: Say, tmp_path: Path) -> None:
    path = write(tmp_path, "tea.yaml", SERIES)
    span = ("--from", "2026-10-01", "--to", "2026-10-04", "--timezone", "UTC")

    shown = say("schedule", "simulate", path, *span)
    told = [json.loads(line) for line in say("schedule", "simulate", path, *span, "--json").out.splitlines()]

    assert shown.status == 0
    assert [line.split("  ")[-1] for line in shown.out.splitlines()[1:]] == [
        "1: Tea is best.", "2: Milk goes first.", "3: Sugar is a sin.",
    ]  # fmt: skip
    assert [(row["episode"], row["motion"]) for row in told] == [
        (1, "Tea is best."), (2, "Milk goes first."), (3, "Sugar is a sin."),
    ]  # fmt: skip
