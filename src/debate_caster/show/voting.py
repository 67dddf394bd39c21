"""Who has won a vote: from two tallies, or one, to a verdict. Pure; exact fractions, so that a tie is a tie.

By *swing*, the Oxford way, the side wins whose share of the audience has grown most between the vote before the first
argument and the one after the last; where a side stood at first does not count. In a *single* vote the side with most
votes wins. The undecided are part of the audience, and cannot win.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

__all__ = ["UNDECIDED", "NoResult", "Outcome", "Verdict", "VoteMethod", "add_counts", "decide", "shares_of"]

UNDECIDED = "undecided"
"""The choice of those who are for no side (yet). No format may call a side so."""

VoteMethod = Literal["swing", "single"]

NoResult = Literal["not_taken", "no_votes", "one_sided"]
"""Why a vote decides nothing: a vote that was to be taken was not, nobody voted for any side, or only one side has any
votes to show and nobody else said anything: such a poll measures who came, not who convinced."""

Outcome = Literal["won", "tied", "no_result"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it. ``leaders`` are the sides in front, in the order of the sides: one where ``won``, more in a tie.

    ``changes`` are the sides' swings, from -1 to 1 (0.1 is ten percentage points); of a single vote, their shares.
    Empty where there is no result, and then ``why`` says why.
    """

    method: VoteMethod
    outcome: Outcome
    leaders: tuple[str, ...] = ()
    changes: tuple[tuple[str, Fraction], ...] = ()
    why: NoResult | None = None


def decide(
    method: VoteMethod,
    sides: Iterable[str],
    *,
    before: Mapping[str, int] | None = None,
    after: Mapping[str, int] | None = None,
) -> Verdict:
    """Return the verdict on ``after``, measured against ``before`` where the method is swing.

    Tallies count votes by choice: a side, or ``UNDECIDED``. What they do not name has no votes, and choices that are
    neither are ignored. None is a vote that was not taken.
    """
    sides = tuple(dict.fromkeys(sides))
    polls = (before, after) if method == "swing" else (after,)
    for poll in polls:
        if (why := _fault(sides, poll, may_be_undecided=poll is before)) is not None:
            return Verdict(method, "no_result", why=why)
    shares = shares_of(sides, after or {})
    base = shares_of(sides, before or {}) if method == "swing" else {}
    changes = tuple((side, shares[side] - base.get(side, Fraction(0))) for side in sides)
    most = max(change for _, change in changes)
    leaders = tuple(side for side, change in changes if change == most)
    return Verdict(method, "won" if len(leaders) == 1 else "tied", leaders, changes)


def shares_of(sides: Iterable[str], tally: Mapping[str, int]) -> dict[str, Fraction]:
    """Return each side's share of all votes, the undecided ones counted; 0 where there are none."""
    sides = tuple(sides)
    total = sum(tally.get(choice, 0) for choice in (*sides, UNDECIDED))
    return {side: Fraction(tally.get(side, 0), total or 1) for side in sides}


def add_counts(tallies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the votes of several places together."""
    total: dict[str, int] = {}
    for tally in tallies:
        for choice, votes in tally.items():
            total[choice] = total.get(choice, 0) + votes
    return total


def _fault(sides: tuple[str, ...], poll: Mapping[str, int] | None, *, may_be_undecided: bool) -> NoResult | None:
    """Return why nothing follows from a poll. Before a debate, all may be undecided: so they should be."""
    if poll is None:
        return "not_taken"
    for_sides = [poll.get(side, 0) for side in sides]
    undecided = poll.get(UNDECIDED, 0)
    if not any(for_sides):
        return None if undecided and may_be_undecided else "no_votes"
    return "one_sided" if max(for_sides) == sum(for_sides) + undecided else None
