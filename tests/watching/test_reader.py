import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.watching.reader import PositionLostError, Reader


def hello(*, after: int = 0, epoch: int = 1, state: str = "live", **show: Any) -> str:
    summary = {"id": "s1", "state": state, "replay": False, "agents": [], **show}
    return json.dumps({"type": "hello", "show": summary, "after": after, "head": 9, "epoch": epoch, "viewer": "v"})


def event(seq: int, type_: str = "chunk_aired", **fields: Any) -> str:
    return json.dumps({"seq": seq, "type": type_, **fields})


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5)), max_size=40))
def test_however_often_the_stage_starts_over_behind_us_every_event_comes_once(runs: list[tuple[int, int]]) -> None:
    reader, seen = Reader(), []

    for back, length in runs:
        start = max(reader.position - back, 0)
        for seq in range(start + 1, start + length + 1):
            seen += [frame["seq"] for frame in reader.receive(event(seq))]

    assert seen == list(range(1, reader.position + 1))


def test_a_gap_is_noticed_and_nothing_behind_it_is_handed_out() -> None:
    reader = Reader()
    reader.receive(event(1))

    with pytest.raises(PositionLostError, match="event 3 came after 1"):
        reader.receive(event(3))

    assert reader.position == 1


def test_with_a_filter_numbers_may_be_missing() -> None:
    reader = Reader(types=["chunk_aired"])

    frames = [*reader.receive(event(4)), *reader.receive(event(7, "room_opened", room="r")), *reader.receive(event(9))]

    assert [frame["seq"] for frame in frames] == [4, 9]


@pytest.mark.parametrize(
    ("types", "handed_out"),
    [((), [1, 4]), (("*",), [1, 2, 3, 4]), (("*", "chunk_aired"), [1, 2, 3, 4]), (("tool_answered",), [3])],
)
def test_thoughts_and_tools_go_to_who_asks_for_them(types: tuple[str, ...], handed_out: list[int]) -> None:
    reader = Reader(types=types)
    raws = (event(1), event(2, "thought_noted"), event(3, "tool_answered"), event(4))

    frames = [frame for raw in raws for frame in reader.receive(raw)]

    assert [frame["seq"] for frame in frames] == handed_out
    assert reader.asked_types == (
        ("tool_answered", "room_closed", "room_opened", "show_ended") if types == ("tool_answered",) else ("*",)
    )


def test_with_one_speaker_numbers_may_be_missing() -> None:
    reader = Reader(speaker="ada")

    assert [frame["seq"] for raw in (event(4), event(9)) for frame in reader.receive(raw)] == [4, 9]


def test_a_show_is_over_when_it_has_ended_and_its_last_room_is_closed() -> None:
    reader = Reader()

    for raw in (event(1, "room_opened", room="a"), event(2, "show_ended", why="completed")):
        reader.receive(raw)
    assert (reader.ended, reader.over) == (True, False)
    reader.receive(event(3, "room_closed", room="a"))

    assert reader.over


def test_rooms_that_were_open_before_our_position_count_as_well() -> None:
    reader = Reader(after=5)
    reader.receive(hello(after=5, agents=[{"id": "a", "room": "a", "state": "live"}, {"id": "b", "room": None}]))

    reader.receive(event(6, "show_ended", why="completed"))
    assert not reader.over
    reader.receive(event(7, "room_closed", room="a"))

    assert reader.over


def test_a_replay_is_over_when_it_has_ended_since_its_rooms_are_nobody_s() -> None:
    reader = Reader()
    reader.receive(hello(state="replay", replay=True))

    for raw in (event(1, "room_opened", room="a"), event(2, "show_ended", why="completed")):
        reader.receive(raw)

    assert reader.over


def test_of_a_show_that_is_over_everything_is_there_with_the_pong() -> None:
    reader = Reader(after=9)
    reader.receive(hello(after=9, state="ended", agents=[{"id": "a", "room": "r", "state": "closed"}]))

    assert reader.greeted_after_the_end
    assert not reader.over
    reader.receive('{"type":"pong"}')

    assert reader.over


def test_a_position_of_another_log_is_given_up() -> None:
    reader = Reader()
    for raw in (hello(epoch=1), event(1), event(2)):
        reader.receive(raw)

    with pytest.raises(PositionLostError) as caught:
        reader.receive(hello(after=2, epoch=2))
    assert caught.value.another_log
    reset = reader.start_over("epoch")

    assert reset == {"type": "reset", "epoch": 2, "reason": "epoch", "show": "s1"}
    assert [frame["seq"] for frame in reader.receive(event(1))] == [1]


def test_a_reset_of_the_stage_s_begins_at_one_again() -> None:
    reader = Reader(after=40)
    reader.receive(hello(after=0))

    frames = [*reader.receive('{"type":"reset","epoch":7,"reason":"position","show":"s1"}'), *reader.receive(event(1))]

    assert [frame["type"] for frame in frames] == ["reset", "chunk_aired"]
    assert reader.epoch == 7


@pytest.mark.parametrize("raw", ["", "null", "[1]", '{"seq":1}', '{"type":3}', "[" * 100_000, b"\xff"])
def test_what_is_no_frame_is_passed_over(raw: str | bytes) -> None:
    assert Reader().receive(raw) == []
