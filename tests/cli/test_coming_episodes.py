"""What is told of the shows to come of a series."""

from itertools import islice
from pathlib import Path

import structlog

from debate_caster.cli.coming_episodes import ComingEpisodes
from debate_caster.episodes.annals import Archive
from debate_caster.episodes.staging import coming_motions
from tests.episodes.seasons import TOPICS, episode, series_of
from tests.show.stage_props import make_scenario


def test_a_series_tells_its_motions_in_the_order_in_which_they_will_come(tmp_path: Path) -> None:
    archive, scenario = Archive(tmp_path), series_of(topics=TOPICS, order="shuffled", seed=3)
    coming = ComingEpisodes(archive)
    foretold = list(islice(coming.motions(scenario), 3))

    given = episode(1).model_copy(update={"motion": foretold[0]})
    archive.change(scenario.key, lambda annals: annals.with_episode(given))

    assert list(islice(coming.motions(scenario), 2)) == foretold[1:], "the first has been"


def test_annals_that_have_not_changed_are_not_read_again(tmp_path: Path) -> None:
    reads: list[str] = []

    class Counting(Archive):
        def read(self, series: str):  # type: ignore[no-untyped-def]  # as the one above it
            reads.append(series)
            return super().read(series)

    archive, scenario = Counting(tmp_path), series_of(topics=TOPICS)
    coming = ComingEpisodes(archive)
    for _ in range(3):
        assert next(coming.motions(scenario)) == TOPICS[0]
    assert len(reads) == 1

    changed = scenario.model_copy(update={"season": series_of(topics=TOPICS[3:]).season})
    assert next(coming.motions(changed)) == TOPICS[3], "an edit takes effect"


def test_what_only_a_model_knows_is_the_scenarios_own_motion() -> None:
    season = {"topic_from": {"llm": "rehearsal", "about": "trams"}}
    scenario = series_of(**season)

    assert next(coming_motions(scenario, Archive(None).read(scenario.key))) == (1, None)
    assert next(ComingEpisodes(Archive(None)).motions(scenario)) == scenario.motion


def test_a_scenario_without_a_season_has_nothing_to_tell() -> None:
    assert list(ComingEpisodes(Archive(None)).motions(make_scenario())) == []


def test_annals_that_can_not_be_read_stop_no_lobby(tmp_path: Path) -> None:
    scenario = series_of(topics=TOPICS)
    (tmp_path / f"{scenario.key}.json").write_text("{")

    with structlog.testing.capture_logs() as logs:
        assert list(ComingEpisodes(Archive(tmp_path)).motions(scenario)) == []

    assert [log["event"] for log in logs] == ["episodes_not_foretold"]
