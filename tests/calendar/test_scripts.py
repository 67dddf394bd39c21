import os
from pathlib import Path

import pytest

from debate_caster.calendar.scripts import Scripts
from debate_caster.scenario.loading import load_scenario
from debate_caster.scenario.script import Scenario
from tests.scenario.files import DUEL, write


def scripts(*paths: Path) -> Scripts:
    def read(path: Path) -> Scenario:
        return load_scenario(path, env={})

    return Scripts(paths, read)


def test_a_folder_holds_scenarios_and_a_file_is_one(tmp_path: Path) -> None:
    write(tmp_path, "one.yaml", DUEL)
    write(tmp_path, "two.yaml", DUEL)
    write(tmp_path, "personas/p.yaml", "name: Pia\nstyle: Short.\n")
    write(tmp_path, ".hidden.yaml", "no: scenario")

    assert [scenario.key for scenario, _ in scripts(tmp_path).look().admitted] == ["one", "two"]
    assert [scenario.key for scenario, _ in scripts(tmp_path / "two.yaml").look().admitted] == ["two"]


def test_the_good_versions_stay_at_hand(tmp_path: Path) -> None:
    one, watched = write(tmp_path, "one.yaml", DUEL), scripts(tmp_path)
    before = one.stat().st_ctime
    watched.look()
    one.write_text("format: duel\n")
    watched.look()

    ((scenario, at),) = watched.scenarios
    assert scenario.key == "one"
    assert at.timestamp() == pytest.approx(before, abs=1e-3)


def test_only_what_has_changed_is_read_again(tmp_path: Path) -> None:
    one, watched = write(tmp_path, "one.yaml", DUEL), scripts(tmp_path)
    watched.look()
    os.utime(one, (1, 1))
    touched = watched.look()
    write(tmp_path, "one.yaml", f"title: New\n{DUEL}")
    ((edited, at),) = watched.look().admitted

    assert touched.admitted == watched.look().admitted == ()
    assert edited.title == "New"
    assert at.timestamp() == pytest.approx(one.stat().st_mtime, abs=1e-3)


def test_a_file_that_was_moved_here_holds_from_when_it_came(tmp_path: Path) -> None:
    """``mv``, ``cp -p`` and ``rsync -a`` keep when a file was written, which may be before slots that are over."""
    one, watched = write(tmp_path, "one.yaml", DUEL), scripts(tmp_path)
    watched.look()
    draft = write(tmp_path, "draft/one.yaml", f"title: New\n{DUEL}")
    os.utime(draft, (5, 5))
    draft.replace(one)

    ((_, at),) = watched.look().admitted
    assert at.timestamp() == pytest.approx(one.stat().st_ctime, abs=1e-3)


def test_an_edit_of_a_persona_is_an_edit_of_who_casts_it(tmp_path: Path) -> None:
    write(tmp_path, "one.yaml", DUEL.replace("persona: ada", "persona: pia"))
    persona = write(tmp_path, "personas/pia.yaml", "name: Pia\nstyle: Short.\n")
    watched = scripts(tmp_path)
    watched.look()
    persona.write_text("name: Pia Novak\nstyle: Short.\n")

    ((edited, _),) = watched.look().admitted
    assert edited.agents[0].name == "Pia Novak"


def test_an_edit_of_a_list_of_topics_is_an_edit_of_its_season(tmp_path: Path) -> None:
    series = DUEL.replace("motion: Tea is better than coffee.", "title: Tea\nseason: {topics: tea.txt}")
    write(tmp_path, "one.yaml", series)
    topics = write(tmp_path, "tea.txt", "Tea is best.\n")
    watched = scripts(tmp_path)
    watched.look()
    topics.write_text("Tea is best.\nMilk goes first.\n")

    ((edited, _),) = watched.look().admitted
    assert edited.season is not None
    assert len(edited.season.topics) == 2


def test_a_mistake_keeps_the_last_good_version_and_is_told_until_it_is_mended(tmp_path: Path) -> None:
    one, watched = write(tmp_path, "one.yaml", DUEL), scripts(tmp_path)
    watched.look()
    one.write_text("format: duel\n")
    broken = watched.look()

    assert (broken.admitted, broken.withdrawn) == ((), ())
    assert [scenario.key for scenario, _ in watched.scenarios] == ["one"]
    assert "motion: this key is missing" in watched.problems["one"]
    write(tmp_path, "one.yaml", f"title: Mended\n{DUEL}")
    assert [scenario.title for scenario, _ in watched.look().admitted] == ["Mended"]
    assert watched.problems == {}


def test_a_file_that_is_gone_takes_its_scenario_off(tmp_path: Path) -> None:
    one, watched = write(tmp_path, "one.yaml", DUEL), scripts(tmp_path)
    watched.look()
    one.unlink()

    assert watched.look().withdrawn == ("one",)
    assert watched.look().withdrawn == ()


def test_two_files_of_one_name_are_not_both_on_the_calendar(tmp_path: Path) -> None:
    here, there = write(tmp_path, "a/one.yaml", DUEL), write(tmp_path, "b/one.yaml", DUEL)
    watched = scripts(here, there)

    assert [scenario.path for scenario, _ in watched.look().admitted] == [here]
    assert "the same name" in watched.problems["one"]
