import pytest

from debate_caster.stage.fan_out import AirEvent
from debate_caster.stage.selection import EVERYTHING, SPEECH, Selection

EVENTS = [
    AirEvent(1, "show_started", "", b""),
    AirEvent(2, "chunk_aired", "room-a", b"", "ada"),
    AirEvent(3, "thought_noted", "", b"", "ada"),
    AirEvent(4, "chunk_aired", "room-b", b"", "bob"),
    AirEvent(5, "tool_called", "", b"", "bob"),
    AirEvent(6, "tool_answered", "", b"", "bob"),
    AirEvent(7, "turn_ended", "", b"", "bob"),
]


@pytest.mark.parametrize(
    ("query", "taken"),
    [
        ({}, [1, 2, 4, 7]),
        ({"types": "*"}, [1, 2, 3, 4, 5, 6, 7]),
        ({"types": "chunk_aired,*"}, [1, 2, 3, 4, 5, 6, 7]),
        ({"types": ","}, [1, 2, 4, 7]),
        ({"types": "tool_answered"}, [6]),
        ({"types": "tool_answered,chunk_aired"}, [2, 4, 6]),
        ({"speaker": "ada"}, [1, 2]),
        ({"speaker": "bob"}, [1, 4, 7]),
        ({"speaker": "bob", "types": "*"}, [1, 4, 5, 6, 7]),
        ({"speaker": "nobody"}, [1]),
        ({"room": "room-a"}, [1, 2, 7]),
        ({"room": "room-a", "speaker": "bob"}, [1, 7]),
        ({"room": "room-a", "speaker": "ada", "types": "chunk_aired"}, [2]),
        ({"types": "nope"}, []),
    ],
)
def test_a_query_selects_by_room_speaker_and_type_and_asides_only_where_they_are_asked_for(
    query: dict[str, str], taken: list[int]
) -> None:
    selection = Selection.of(query)

    assert [event.seq for event in EVENTS if selection.takes(event)] == taken


def test_who_asks_for_the_same_is_of_one_channel() -> None:
    assert Selection.of({}) == SPEECH
    assert Selection.of({"types": "*"}) == Selection.of({"types": "a,*"}) == EVERYTHING
    assert Selection.of({"types": "a,b"}) == Selection.of({"types": "b,a,b"})


def test_a_query_can_not_be_made_to_last() -> None:
    selection = Selection.of({"types": ",".join(f"t{number}" for number in range(1000)), "room": "r" * 1000})

    assert (len(selection.types), len(selection.room)) == (40, 64)
