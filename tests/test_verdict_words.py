from typing import Any

import pytest

from debate_caster.verdict_words import verdict_lines, verdict_sentence

TITLES = {"for": "Proposition", "against": "Opposition", "undecided": "Undecided"}
BEFORE, AFTER = {"for": 4, "against": 5, "undecided": 1}, {"for": 6, "against": 4, "undecided": 0}


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (
            {"method": "swing", "outcome": "won", "leaders": ["for"], "changes": {"for": 0.2, "against": -0.1}},
            "Proposition wins the vote by a swing of +20 points",
        ),
        (
            {"method": "single", "outcome": "won", "leaders": ("against",), "changes": {"for": 0.4, "against": 0.555}},
            "Opposition wins the vote with 56 %",
        ),
        ({"outcome": "won", "leaders": ["blue"]}, "blue wins the vote"),
        ({"outcome": "tied", "leaders": ["for", "against"]}, "The vote is a tie between Proposition and Opposition"),
        ({"outcome": "no_result", "why": "no_votes"}, "The vote has no result: nobody voted for a side"),
        ({"outcome": "no_result", "why": "rain"}, "The vote has no result: it decides nothing"),
        ({}, "The vote has no result: it decides nothing"),
        ({"outcome": "won", "leaders": 7, "changes": [1]}, " wins the vote"),
    ],
)
def test_a_verdict_is_one_sentence(verdict: dict[str, Any], words: str) -> None:
    assert verdict_sentence(verdict, TITLES) == words


def test_each_choice_has_a_line_with_its_shares_and_its_swing() -> None:
    verdict = {"method": "swing", "before": BEFORE, "after": AFTER, "changes": {"for": 0.2, "against": -0.1}}

    assert verdict_lines(verdict, TITLES) == (
        "Proposition: 40 % (4 votes) before, 60 % (6 votes) after, +20 points",
        "Opposition: 50 % (5 votes) before, 40 % (4 votes) after, -10 points",
        "Undecided: 10 % (1 vote) before, 0 % (0 votes) after",
    )


def test_a_single_vote_has_shares_alone() -> None:
    lines = verdict_lines({"method": "single", "after": AFTER, "changes": {"for": 0.6}, "before": None}, {})

    assert lines == ("for: 60 % (6 votes)", "against: 40 % (4 votes)", "undecided: 0 % (0 votes)")


def test_small_swings_are_told_to_a_tenth_of_a_point() -> None:
    verdict = {"method": "swing", "before": BEFORE, "after": AFTER, "changes": {"for": 1 / 300, "against": 0.0}}

    lines = verdict_lines(verdict, {})

    assert lines[0].endswith("+0.3 points")
    assert lines[1].endswith(", 0 points")
