"""One episode of a series: its motion, its sides, its guests."""

from itertools import islice

import pytest

from debate_caster.episodes.annals import Annals
from debate_caster.episodes.staging import coming_motions, new_episode, next_motion, staged
from debate_caster.errors import SetupError
from debate_caster.scenario.script import Memory, Scenario, TopicSource
from tests.episodes.seasons import BEGIN, TOPICS, duel, pool, series_of


def episodes(scenario: Scenario, count: int) -> list[Scenario]:
    annals, found = Annals(), []
    for number in range(count):
        motion = next_motion(scenario, annals) or ""
        episode = new_episode(scenario, annals, show=f"show-{number}", at=BEGIN, motion=motion)
        annals = annals.with_episode(episode)
        found.append(staged(scenario, episode))
    return found


def test_each_episode_has_its_motion_and_its_number() -> None:
    found = episodes(series_of(topics=TOPICS[:2]), 3)

    assert [one.motion for one in found] == [TOPICS[0], TOPICS[1], TOPICS[0]]
    assert [one.title for one in found] == ["The Tram Hour · 1", "The Tram Hour · 2", "The Tram Hour · 3"]
    assert all(one.season is None for one in found)


def test_without_topics_the_motion_stays() -> None:
    assert {one.motion for one in episodes(series_of(swap_sides=True), 3)} == {"Trams should be free."}


@pytest.mark.parametrize(
    ("swap", "sides"), [(True, ["for", "against", "for", "against"]), (False, ["for", "for", "for", "for"])]
)
def test_sides_alternate_where_they_are_to(swap: bool, sides: list[str]) -> None:
    found = episodes(series_of(swap_sides=swap), 4)

    assert [one.agents[0].side for one in found] == sides
    assert all({agent.side for agent in one.agents} == {"for", "against"} for one in found)


def test_guests_sit_in_turns_beginning_with_the_scenarios_own() -> None:
    found = episodes(series_of(guests=(pool("ben", "cleo", "dan"),), swap_sides=True), 5)

    assert [one.agents[1].name for one in found] == ["Ben", "Cleo", "Dan", "Ben", "Cleo"]
    assert {one.agents[1].id for one in found} == {"ben"}
    assert [one.agents[1].persona.key for one in found] == ["ben", "cleo", "dan", "ben", "cleo"]


def test_a_guest_who_has_left_the_pool_is_not_replaced_in_a_show_that_goes_on() -> None:
    scenario = series_of(guests=(pool("ben", "cleo"),))
    episode = new_episode(scenario, Annals(), show="s", at=BEGIN, motion="M.").model_copy(
        update={"cast": {"ada": "ada", "ben": "dan"}}
    )

    with pytest.raises(SetupError, match="'dan' of s is not in the pool of 'ben'"):
        staged(scenario, episode)


def test_only_with_memory_anybody_remembers() -> None:
    annals = Annals(episodes=(duel(1, result="won"),))
    with_memory, without = series_of(memory=Memory(words=60)), series_of(swap_sides=True)

    remembered = staged(with_memory, new_episode(with_memory, annals, show="s", at=BEGIN, motion="M."))
    forgotten = staged(without, new_episode(without, annals, show="s", at=BEGIN, motion="M."))

    assert [agent.recollection is not None for agent in remembered.agents] == [True, True]
    assert [agent.recollection for agent in forgotten.agents] == [None, None]


def test_what_comes_is_told_as_it_will_come() -> None:
    scenario = series_of(topics=TOPICS, order="shuffled", seed=3)

    ahead = list(islice(coming_motions(scenario, Annals()), 10))

    assert ahead == [(number, one.motion) for number, one in enumerate(episodes(scenario, 10), start=1)]


def test_what_only_a_model_can_say_is_not_told() -> None:
    scenario = series_of(topics=TOPICS, topic_from=TopicSource(llm="m", about="Trams"))

    assert list(islice(coming_motions(scenario, Annals()), 2)) == [(1, None), (2, None)]


def test_a_year_of_episodes_to_come_are_told_at_once() -> None:
    """What each takes does not grow with those before."""
    scenario = series_of(topics=TOPICS, order="shuffled")

    *_, (number, motion) = islice(coming_motions(scenario, Annals()), 20_000)

    assert (number, motion in TOPICS) == (20_000, True)
