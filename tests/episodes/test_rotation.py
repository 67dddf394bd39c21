"""Whose turn it is: rules that hold for any choices, however they change."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.episodes.rotation import next_choice

CHOICES = st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=9, unique=True)
SEEDS = st.none() | st.integers(0, 99)


def chosen(choices: list[str], count: int, *, past: list[str] | None = None, seed: int | None = None) -> list[str]:
    past = list(past or ())
    before = len(past)
    for _ in range(count):
        past.append(next_choice(choices, past, seed=seed))
    return past[before:]


@given(CHOICES, SEEDS)
def test_none_comes_twice_before_all_have_come(choices: list[str], seed: int | None) -> None:
    found = chosen(choices, 4 * len(choices), seed=seed)

    rounds = [found[start : start + len(choices)] for start in range(0, len(found), len(choices))]
    assert [sorted(one) for one in rounds] == [sorted(choices)] * 4


@given(CHOICES, SEEDS)
def test_none_follows_itself(choices: list[str], seed: int | None) -> None:
    found = chosen(choices, 3 * len(choices), seed=seed)

    assert len(choices) == 1 or all(one != other for one, other in itertools.pairwise(found))


@given(CHOICES, st.lists(st.text(min_size=1, max_size=3), max_size=30), SEEDS)
def test_whatever_the_past_was_each_comes_within_two_rounds(
    choices: list[str], past: list[str], seed: int | None
) -> None:
    found = chosen(choices, 2 * len(choices), past=past, seed=seed)

    assert set(found) == set(choices)
    assert max(map(found.count, choices)) <= 3


def test_without_a_seed_they_come_as_they_stand() -> None:
    assert chosen(["a", "b", "c"], 7) == ["a", "b", "c", "a", "b", "c", "a"]


def test_a_seed_shuffles_each_round_anew_and_always_alike() -> None:
    choices = [str(number) for number in range(20)]

    first, second = chosen(choices, 20, seed=5), chosen(choices, 40, seed=5)

    assert first == second[:20] != choices
    assert second[20:] != first
    assert chosen(choices, 20, seed=6) != first


@pytest.mark.parametrize(
    ("choices", "past", "expected"),
    [
        pytest.param(["a", "b", "new"], ["a", "b", "a", "b"], "new", id="one-that-was-added-comes-in-its-round"),
        pytest.param(["a", "c"], ["a", "b"], "c", id="one-that-was-taken-out-does-not-count"),
        pytest.param(["a", "b", "new"], ["a", "b", "a", "new", "b"], "a", id="and-has-no-more-turns-than-the-others"),
    ],
)
def test_choices_may_change_in_mid_season(choices: list[str], past: list[str], expected: str) -> None:
    assert next_choice(choices, past) == expected
