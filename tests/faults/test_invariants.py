from typing import Any

import pytest

from tests.faults.invariants import as_fields, broken_in
from tests.show.stage_props import make_scenario, perform_evening


def whole() -> list[dict[str, Any]]:
    return [fields | {"seq": seq} for seq, fields in enumerate(as_fields(perform_evening(make_scenario()).events), 1)]


def without(kind: str) -> list[dict[str, Any]]:
    """A show without its first event of a kind, numbered as if it had never been there."""
    place = next(place for place, event in enumerate(whole()) if event["type"] == kind)
    return [event | {"seq": seq} for seq, event in enumerate(whole()[:place] + whole()[place + 1 :], 1)]


def test_a_sound_show_breaks_nothing() -> None:
    assert broken_in(whole()) == []


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("show_started", "one show_started"),
        ("turn_started", "each turn begins and ends once"),
        ("turn_ended", "each turn begins and ends once"),
        ("chunk_aired", "each chunk once, in its place"),
        ("show_ended", "one show_ended"),
    ],
)
def test_what_is_missing_is_found(kind: str, rule: str) -> None:
    assert rule in broken_in(without(kind))


def test_what_is_doubled_or_out_of_order_is_found() -> None:
    show = whole()
    epochs = [{"seq": len(show) + place, "type": "epoch_began", "epoch": epoch} for place, epoch in ((1, 1), (2, 1))]
    hints = [
        {"seq": len(show) + 1, "type": "hint_used", "hint": "h"},
        {"seq": len(show) + 2, "type": "hint_expired", "hint": "h"},
    ]

    assert broken_in([*show, *epochs]) == ["epochs count up by one"]
    assert broken_in([*show, *hints]) == ["each hint decided once"]
    assert "numbered from 1 without a gap" in broken_in([*show, show[-1]])


def test_who_was_off_the_air_may_be_late_with_its_turns_and_not_leave_one_out_or_open() -> None:
    show = whole()
    second = [event for event in show if event.get("turn") == 1]
    others = [event for event in show if event.get("turn") != 1]
    place = next(place for place, event in enumerate(others) if event["type"] == "turn_ended" and event["turn"] == 2)
    late = [event | {"seq": seq} for seq, event in enumerate(others[:place] + second + others[place:], 1)]
    unclosed = [event for event in late if (event["type"], event.get("turn")) != ("turn_ended", 1)]

    assert broken_in(late) == ["each turn begins and ends once"]
    assert broken_in(late, late=True) == []
    assert "each turn begins and ends once" in broken_in(unclosed, late=True)
    assert "each turn begins and ends once" in broken_in([*late, second[-1]], late=True)
