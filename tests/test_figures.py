from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.figures import OTHER, Level, Measured, Spread, Total

NAMES = st.text(max_size=3)


def test_what_is_known_is_there_before_it_happens() -> None:
    total = Total("t", "", ("fate",), known=[("used",), ("declined",)])

    total.add("used", amount=2)

    assert total.values == {("used",): 2, ("declined",): 0}
    assert Total("t", "").values == {(): 0}


@given(st.lists(st.tuples(NAMES, NAMES, st.floats(0, 1e6)), max_size=60))
def test_no_total_ever_falls_and_whatever_comes_there_are_only_so_many(counted: list[tuple[str, str, float]]) -> None:
    total, seen = Total("t", "", ("provider", "persona"), most=5), [dict[tuple[str, ...], float]()]
    for provider, persona, amount in counted:
        total.add(provider, persona, amount=amount)
        seen.append(dict(total.values))

    assert len(total.values) <= 6
    assert all(value <= after[labels] for before, after in pairwise(seen) for labels, value in before.items())
    assert sum(total.values.values()) == pytest.approx(sum(amount for _, _, amount in counted))


def test_what_finds_no_place_counts_as_others() -> None:
    total, spread = Total("t", "", ("a", "b"), most=1), Spread("s", "", [1], ["a"], most=1)
    for name in "abca":
        total.add(name, "x")
        spread.note(0, name)

    assert total.values == {("a", "x"): 2, (OTHER, OTHER): 2}
    assert {labels: sum(measured.counts) for labels, measured in spread.values.items()} == {("a",): 2, (OTHER,): 2}


def test_a_value_lies_within_the_first_bound_that_is_not_below_it() -> None:
    spread = Spread("s", "", [0.1, 1.0])
    for value in (0.0, 0.1, 0.5, 1.0, 7.0):
        spread.note(value)

    assert spread.values == {(): Measured([2, 2, 1], 8.6)}


def test_a_level_is_read_when_somebody_looks() -> None:
    now = [1.0]
    level = Level("l", "", (), lambda: {(): now[0]})
    before = level.values
    now[0] = 3.0

    assert (before, level.values) == ({(): 1.0}, {(): 3.0})


def test_labels_that_are_not_a_figures_own_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="labels"):
        Total("t", "", ("fate",)).add("used", "twice")
