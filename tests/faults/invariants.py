"""What holds of every show's events, whatever befell it: asked after every test of a fault."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

__all__ = ["as_fields", "broken_in"]

Fields = dict[str, Any]

ENDS_OF_A_HINT = frozenset({"hint_used", "hint_declined", "hint_expired"})


def as_fields(events: Iterable[BaseModel]) -> list[Fields]:
    """Return a show log's events as the fields that they are stored with."""
    return [event.model_dump(mode="json") for event in events]


def broken_in(events: Sequence[Fields], *, ended: bool = True, late: bool = False) -> list[str]:
    """Return what does not hold of a show's events that must; ``ended`` says that the show has come to its end.

    ``late`` says that agents were off the air while others went on: each has its own turns in order, and may be late.
    """
    rules = {
        "numbered from 1 without a gap": [event["seq"] for event in events] == [*range(1, len(events) + 1)],
        "one show_started": _count(events, "show_started") == 1,
        "one show_ended": _count(events, "show_ended") == int(ended),
        "each turn begins and ends once": _turns_are_closed(events, ended=ended, late=late),
        "each chunk once, in its place": _chunks_are_whole(events),
        "epochs count up by one": _epochs_count_up(events),
        "each hint decided once": _hints_are_decided_once(events),
    }
    return [rule for rule, holds in rules.items() if not holds]


def _count(events: Sequence[Fields], kind: str) -> int:
    return sum(event["type"] == kind for event in events)


def _turns_are_closed(events: Sequence[Fields], *, ended: bool, late: bool) -> bool:
    if late:
        speakers = {event["speaker"] for event in events if event["type"] in {"turn_started", "turn_ended"}}
        parts = [[event for event in events if event.get("speaker") == speaker] for speaker in speakers]
        return all(_turns_are_closed(part, ended=ended, late=False) for part in parts)
    began = [event["turn"] for event in events if event["type"] == "turn_started"]
    over = [event["turn"] for event in events if event["type"] == "turn_ended"]
    return began == sorted(set(began)) and over == (began if ended else began[: len(over)])


def _chunks_are_whole(events: Sequence[Fields]) -> bool:
    places: dict[int, list[int]] = {}
    for event in events:
        if event["type"] == "chunk_aired":
            places.setdefault(event["turn"], []).append(event["index"])
    return all(indexes == [*range(len(indexes))] for indexes in places.values())


def _epochs_count_up(events: Sequence[Fields]) -> bool:
    epochs = [event["epoch"] for event in events if event["type"] == "epoch_began"]
    return epochs == [*range(1, len(epochs) + 1)]


def _hints_are_decided_once(events: Sequence[Fields]) -> bool:
    ends = Counter(event["hint"] for event in events if event["type"] in ENDS_OF_A_HINT)
    taken = Counter(event["hint"] for event in events if event["type"] == "hint_accepted")
    return all(number == 1 for counts in (ends, taken) for number in counts.values())
