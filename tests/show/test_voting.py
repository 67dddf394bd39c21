"""Twelve tables worked out by hand, and what holds for all of them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.show.voting import UNDECIDED, NoResult, Outcome, Verdict, add_counts, decide, shares_of

SIDES = ("for", "against")
PARTIES = ("og", "oo", "cg", "co")


def poll(*votes: int, sides: tuple[str, ...] = SIDES) -> dict[str, int]:
    """Return a tally: votes for each side in order, then the undecided."""
    return dict(zip((*sides, UNDECIDED), votes, strict=True))


def points(*percent: int | str) -> tuple[Fraction, ...]:
    return tuple(Fraction(value) / 100 for value in percent)


SWINGS = [
    # (before, after, who is in front, changes in percentage points)
    pytest.param(poll(20, 60, 20), poll(35, 60, 5), ("for",), points(15, 0), id="1-the-smaller-side-wins-by-swing"),
    pytest.param(poll(60, 20, 20), poll(70, 25, 5), ("for",), points(10, 5), id="2-the-larger-side-wins-by-swing"),
    pytest.param(poll(80, 10, 10), poll(78, 15, 7), ("against",), points(-2, 5), id="3-losing-in-share-yet-winning"),
    pytest.param(poll(30, 30, 40), poll(50, 50, 0), SIDES, points(20, 20), id="4-equal-gains-are-a-tie"),
    pytest.param(poll(40, 50, 10), poll(40, 50, 10), SIDES, points(0, 0), id="5-nobody-moved-is-a-tie"),
    pytest.param(poll(50, 40, 10), poll(35, 35, 30), ("against",), points(-15, -5), id="6-both-lose-the-smaller-loss"),
    pytest.param(poll(3, 3, 0), poll(2, 1, 0), ("for",), points("50/3", "-50/3"), id="7-shares-not-numbers-of-votes"),
    pytest.param(poll(1, 2, 0), poll(10, 20, 0), SIDES, points(0, 0), id="8-ten-times-the-votes-is-no-swing"),
    pytest.param(poll(0, 0, 10), poll(6, 4, 0), ("for",), points(60, 40), id="9-all-undecided-before"),
]


@pytest.mark.parametrize(("before", "after", "leaders", "changes"), SWINGS)
def test_the_side_whose_share_has_grown_most_wins(
    before: dict[str, int], after: dict[str, int], leaders: tuple[str, ...], changes: tuple[Fraction, ...]
) -> None:
    verdict = decide("swing", SIDES, before=before, after=after)

    outcome: Outcome = "won" if len(leaders) == 1 else "tied"
    assert verdict == Verdict("swing", outcome, leaders, tuple(zip(SIDES, changes, strict=True)))


def test_10_of_four_parties_the_largest_swing_wins() -> None:
    before, after = poll(10, 20, 30, 30, 10, sides=PARTIES), poll(18, 26, 31, 24, 1, sides=PARTIES)

    verdict = decide("swing", PARTIES, before=before, after=after)

    assert (verdict.outcome, verdict.leaders) == ("won", ("og",))
    assert dict(verdict.changes) == dict(zip(PARTIES, points(8, 6, 1, -6), strict=True))


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        pytest.param(poll(0, 0, 0), poll(5, 3, 1), "no_votes", id="11a-nobody-voted-before"),
        pytest.param(poll(5, 3, 1), poll(0, 0, 0), "no_votes", id="11b-nobody-voted-after"),
        pytest.param(poll(5, 3, 1), poll(0, 0, 7), "no_votes", id="11c-all-undecided-after"),
        pytest.param(None, poll(5, 3, 1), "not_taken", id="11d-no-vote-was-taken-before"),
        pytest.param(poll(5, 3, 1), None, "not_taken", id="11e-no-vote-was-taken-after"),
        pytest.param(poll(9, 0, 0), poll(5, 4, 0), "one_sided", id="12a-one-side-alone-before"),
        pytest.param(poll(5, 4, 0), poll(0, 9, 0), "one_sided", id="12b-one-side-alone-after"),
        pytest.param(poll(1, 0, 0), poll(0, 1, 0), "one_sided", id="12c-a-single-viewer-who-changes-sides"),
    ],
)
def test_zero_and_one_sided_polls_have_no_result(
    before: dict[str, int] | None, after: dict[str, int] | None, why: NoResult
) -> None:
    verdict = decide("swing", SIDES, before=before, after=after)

    assert verdict == Verdict("swing", "no_result", why=why)


def test_undecided_voters_keep_a_poll_from_being_one_sided() -> None:
    verdict = decide("swing", SIDES, before=poll(5, 0, 5), after=poll(7, 2, 1))

    assert (verdict.outcome, verdict.changes) == ("tied", tuple(zip(SIDES, points(20, 20), strict=True)))


@pytest.mark.parametrize(
    ("after", "outcome", "leaders"),
    [
        (poll(6, 4, 90), "won", ("for",)),
        (poll(4, 4, 1), "tied", SIDES),
        (poll(0, 0, 3), "no_result", ()),
        (poll(3, 0, 0), "no_result", ()),
        (None, "no_result", ()),
    ],
)
def test_a_single_vote_goes_to_the_side_with_most_votes(
    after: dict[str, int] | None, outcome: str, leaders: tuple[str, ...]
) -> None:
    verdict = decide("single", SIDES, after=after, before=poll(100, 0, 0))

    assert (verdict.outcome, verdict.leaders) == (outcome, leaders)


TALLIES = st.fixed_dictionaries({choice: st.integers(0, 10**6) for choice in (*SIDES, UNDECIDED)})


@given(TALLIES, TALLIES)
def test_swapping_the_sides_swaps_the_verdict(before: dict[str, int], after: dict[str, int]) -> None:
    def swapped(tally: dict[str, int]) -> dict[str, int]:
        return {"for": tally["against"], "against": tally["for"], UNDECIDED: tally[UNDECIDED]}

    there = decide("swing", SIDES, before=before, after=after)
    back = decide("swing", SIDES, before=swapped(before), after=swapped(after))

    assert there.outcome == back.outcome
    assert {SIDES[1 - SIDES.index(side)] for side in there.leaders} == set(back.leaders)


@given(TALLIES, TALLIES, st.integers(1, 1000))
def test_a_larger_audience_of_the_same_mind_gives_the_same_verdict(
    before: dict[str, int], after: dict[str, int], times: int
) -> None:
    larger = {choice: votes * times for choice, votes in after.items()}

    assert decide("swing", SIDES, before=before, after=larger) == decide("swing", SIDES, before=before, after=after)


def test_votes_for_nothing_that_could_be_chosen_are_ignored() -> None:
    assert shares_of(SIDES, {**poll(1, 1, 2), "a-stranger": 96}) == {"for": Fraction(1, 4), "against": Fraction(1, 4)}


def test_tallies_of_several_places_add_up() -> None:
    assert add_counts([poll(1, 2, 3), {}, {"for": 4}]) == poll(5, 2, 3)
