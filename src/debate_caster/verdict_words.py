"""What came of the audience's votes, in words: the same on a terminal and in a transcript.

Takes a verdict as the public event ``verdict_given`` has it, from whichever log.
"""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["verdict_lines", "verdict_sentence"]

_WHY = {
    "not_taken": "it takes a vote before the debate and one after it, and one is missing",
    "no_votes": "nobody voted for a side",
    "one_sided": "all votes of a poll were for the same side",
}


def verdict_sentence(verdict: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Return who has won, in one sentence without its full stop; ``titles`` are what people call the choices."""
    leaders = " and ".join(titles.get(side, side) for side in _strings(verdict.get("leaders")))
    changes = _numbers(verdict.get("changes"))
    match verdict.get("outcome"):
        case "won" if verdict.get("method") == "single":
            return f"{leaders} wins the vote" + (f" with {_percent(max(changes.values()))}" if changes else "")
        case "won":
            return f"{leaders} wins the vote" + (f" by a swing of {_points(max(changes.values()))}" if changes else "")
        case "tied":
            return f"The vote is a tie between {leaders}"
        case _:
            return f"The vote has no result: {_WHY.get(str(verdict.get('why')), 'it decides nothing')}"


def verdict_lines(verdict: Mapping[str, Any], titles: Mapping[str, str]) -> tuple[str, ...]:
    """Return a line for each choice: its share of every poll that was taken, and what it gained."""
    changes = _numbers(verdict.get("changes"))
    polls = [(name, counts) for name in ("before", "after") if (counts := _numbers(verdict.get(name)))]
    swing = verdict.get("method") == "swing"
    lines = []
    for choice in dict.fromkeys(choice for _, counts in polls for choice in counts):
        parts = [_standing(counts, choice) + (f" {name}" if swing else "") for name, counts in polls]
        if swing and choice in changes:
            parts.append(_points(changes[choice]))
        lines.append(f"{titles.get(choice, choice)}: {', '.join(parts)}")
    return tuple(lines)


def _standing(counts: Mapping[str, float], choice: str) -> str:
    votes, total = counts.get(choice, 0), sum(counts.values())
    return f"{_percent(votes / total if total else 0)} ({votes:.0f} vote{'s' * (votes != 1)})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _points(change: float) -> str:
    """Return a share gained or lost, in percentage points to one place."""
    points = f"{100 * change:+.1f}".removesuffix(".0")
    return f"{'0' if points in {'+0', '-0'} else points} points"


def _strings(value: object) -> Sequence[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _numbers(value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): number for name, number in value.items() if isinstance(number, int | float)}
