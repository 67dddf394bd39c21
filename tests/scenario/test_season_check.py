"""What ``check`` says of a season: each mistake with its place and its cure."""

from pathlib import Path

import pytest

from debate_caster.scenario.loading import load_scenario
from tests.scenario.files import DUEL, found_in, write

SERIES = """
title: The Tea Hour
format: duel
agents:
  - {persona: ada, side: for}
  - {id: guest, persona: otis, side: against}
season:
"""
FREE = """
motion: Tea is better than coffee.
format: roundtable
agents: [ada, otis, wren]
season:
"""


def season(folder: Path, *lines: str, head: str = SERIES) -> Path:
    return write(folder, "tea.yaml", head.lstrip("\n") + "".join(f"  {line}\n" for line in lines))


def test_a_whole_season_is_read(tmp_path: Path) -> None:
    path = season(
        tmp_path, "topics: [Tea is best., Milk goes first.]", "order: shuffled", "seed: 4", "swap_sides: true",
        "guests: [{seat: guest, pool: [wren, rosa]}]", "memory: {}",
    )  # fmt: skip

    scenario = load_scenario(path, env={})

    assert scenario.season is not None
    assert scenario.season.topics == ("Tea is best.", "Milk goes first.")
    assert [guest.key for guest in scenario.season.guests[0].pool] == ["wren", "rosa"]
    assert scenario.season.memory is not None
    assert (scenario.motion, scenario.title) == ("Tea is best.", "The Tea Hour")


def test_topics_may_stand_in_a_file_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "tea.txt", "# motions\n\nTea is best.\n  Milk goes first.  \n")

    scenario = load_scenario(season(tmp_path, "topics: tea.txt"), env={})

    assert scenario.season is not None
    assert scenario.season.topics == ("Tea is best.", "Milk goes first.")


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["topics: [A is b., a is B.]"], "7:21: season.topics[1]: this topic stands above already: remove it"),
        (["topics: []"], "7:11: season.topics: at least 1 are needed, here are 0"),
        (["topics: none.txt"], "7:11: season.topics: none.txt: there is no such file"),
        (
            ["topics: ../tea.txt"],
            "7:11: season.topics: name a .txt file beside the scenario, or write a list: lines that begin with '- '",
        ),
        (["topics: empty.txt"], "7:11: season.topics: empty.txt: no topic stands in it: write one a line"),
        (["topics: twice.txt"], "7:11: season.topics: twice.txt, line 2: this topic stands above already: remove it"),
        (["topics: long.txt"], "7:11: season.topics: long.txt, line 1: longer than 400 characters"),
        (
            ["topics: strange.txt"],
            "7:11: season.topics: strange.txt, line 1: it holds characters that can't be shown: remove them",
        ),
        (["topics: [A.]", "oder: shuffled"], "8:3: season.oder: unknown key 'oder': did you mean 'order'?"),
        (["topics: [A.]", "seed: 3"], "8:3: season.seed: only 'order: shuffled' has this: remove it"),
        (
            ["topic_from: {llm: gpt, about: Tea}"],
            "7:21: season.topic_from.llm: there is no model 'gpt': write it under 'models'",
        ),
        (["topic_from: {llm: rehearsal}"], "7:15: season.topic_from.about: this key is missing"),
        (
            ["topics: [A.]", "guests: [{seat: gust, pool: [wren]}]"],
            "8:19: season.guests[0].seat: no agent has the id 'gust': did you mean 'guest'?",
        ),
        (
            ["topics: [A.]", "guests: [{seat: guest, pool: [wren]}, {seat: guest, pool: [rosa]}]"],
            "8:48: season.guests[1].seat: this seat has a pool above: write one",
        ),
        (
            ["topics: [A.]", "guests: [{seat: guest, pool: [wern]}]"],
            "8:33: season.guests[0].pool[0]: there is no persona 'wern': did you mean 'wren'? "
            "(or write personas/wern.yaml)",
        ),
        (
            ["topics: [A.]", "guests: [{seat: guest, pool: [ada]}]"],
            "8:33: season.guests[0].pool[0]: 'Ada Brandt' is in the show already, or in a pool: nobody can sit in two "
            "seats",
        ),
        (["topics: [A.]", "memory: {words: 5}"], "8:19: season.memory.words: must be 40 or more"),
    ],
)
def test_each_mistake_has_its_place_and_its_cure(tmp_path: Path, lines: list[str], complaint: str) -> None:
    write(tmp_path, "empty.txt", "# nothing\n")
    write(tmp_path, "twice.txt", "A is b.\nA is B.\n")
    write(tmp_path, "long.txt", "x" * 401 + "\n")
    write(tmp_path, "strange.txt", "A \u202e is b.\n")

    assert found_in(season(tmp_path, *lines)) == [complaint]


def test_sides_are_swapped_only_where_there_are_any(tmp_path: Path) -> None:
    path = season(tmp_path, "swap_sides: true", head=FREE)

    assert found_in(path) == ["5:15: season.swap_sides: format roundtable has no sides: remove this key"]


def test_an_order_of_nothing_is_refused(tmp_path: Path) -> None:
    path = season(tmp_path, "order: rotating", head=FREE)

    assert found_in(path) == ["5:3: season.order: there are no topics to put in order: remove this key"]


def test_a_motion_is_needed_where_the_season_has_none_and_refused_where_it_has(tmp_path: Path) -> None:
    without = season(tmp_path, "memory: {}")
    assert found_in(without) == ["1:1: motion: this key is missing"]

    both = write(tmp_path, "both.yaml", f"{DUEL.strip()}\ntitle: Tea\nseason: {{topics: [A is b.]}}\n")
    assert found_in(both) == ["1:1: motion: every episode has a motion of its season: remove this key"]

    untitled = write(tmp_path, "untitled.yaml", SERIES.replace("title: The Tea Hour\n", "") + "  topics: [A is b.]\n")
    assert found_in(untitled) == ["1:1: title: a season with topics needs it: write what the series is called"]
