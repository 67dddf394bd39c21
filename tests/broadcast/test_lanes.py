from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debate_caster.broadcast.lanes import Lane, Line, Outbox, Piece
from debate_caster.broadcast.rooms import TargetRooms
from debate_caster.broadcast.target import ConnectionLimits
from debate_caster.pulsar.text import starts_alike, utf16_length
from tests.broadcast.performance import cast
from tests.broadcast.scenes import without_lead

LIMITS = ConnectionLimits(text_units=60, chat_units=40)
PIECES = st.lists(
    st.tuples(st.integers(0, 3), st.text(st.sampled_from("ab. 😀é"), min_size=1, max_size=90)), max_size=12
)


def outbox(*others: str, limits: ConnectionLimits = LIMITS) -> tuple[Outbox, TargetRooms]:
    rooms = TargetRooms(cast("ada", *others))
    for agent in ("ada", *others):
        rooms.open(agent, f"bc_{agent}", wire_id=f"{agent}-1")
        rooms.advance(agent, 1000)
        for host in ("ada", *others):
            rooms.advance_mirror(agent, host, 1000)
    return Outbox("ada", others, rooms, limits), rooms


def line(step: Line | float | None) -> Line:
    assert isinstance(step, Line)
    return step


@settings(deadline=None)
@given(PIECES, st.integers(10, 60))
def test_joined_lines_equal_the_chunks_and_every_line_fits(chunks: list[tuple[int, str]], limit: int) -> None:
    lane = Lane("ada", limit=limit)
    for ref, (turn, text) in enumerate(sorted(chunks, key=lambda chunk: chunk[0]), start=1):
        lane.offer(Piece(ref, turn, text))
    said: dict[int, str] = {}
    while (composed := lane.compose()) is not None:
        assert utf16_length(composed.text) <= limit
        said[composed.turn] = said.get(composed.turn, "") + composed.text
        lane.settle(composed)
    expected: dict[int, str] = {}
    for turn, text in sorted(chunks, key=lambda chunk: chunk[0]):
        expected[turn] = expected.get(turn, "") + text
    assert said == expected


def test_what_has_piled_up_goes_in_one_line_but_never_two_turns_in_one() -> None:
    lane = Lane("ada", limit=60)
    for ref, turn, text in ((3, 0, "One. "), (5, 0, "Two. "), (9, 1, "Three. ")):
        lane.offer(Piece(ref, turn, text))
    assert lane.compose() == Line("ada", 0, 3, "One. Two. ", (3, 5))


def test_only_what_is_settled_is_gone() -> None:
    lane = Lane("ada", limit=60)
    lane.offer(Piece(3, 0, "One. "))
    first = lane.compose()
    lane.offer(Piece(4, 0, "Two. "))
    assert lane.position(4) == 2
    assert first is not None
    lane.settle(first)
    assert lane.position(4) == 3
    assert lane.compose() == Line("ada", 0, 4, "Two. ", (4,))


def test_a_bounded_lane_gives_up_its_oldest_and_counts_them() -> None:
    lane = Lane("bob", limit=60, capacity=2)
    for ref in range(1, 6):
        lane.offer(Piece(ref, ref, "x"))
    stale = Line("bob", 1, 1, "x", (1,))
    lane.settle(stale)
    assert (len(lane), lane.given_up) == (2, 3)
    assert lane.compose() == Line("bob", 4, 4, "x", (4,))


def test_lines_in_one_room_keep_their_distance() -> None:
    box, _ = outbox()
    box.offer(1, Piece(1, 0, "One. "))
    first = line(box.next(100.0))
    box.sent(first, 100.0)
    box.settle(first)
    box.offer(2, Piece(2, 0, "Two. "))
    assert box.next(101.0) == pytest.approx(102.0)
    assert line(box.next(102.0)).text == "Two. "


def test_nothing_to_say_is_nothing_to_wait_for() -> None:
    box, _ = outbox()
    assert box.next(0.0) is None


def test_each_other_room_gets_the_line_told_apart_from_the_others() -> None:
    box, _ = outbox("bob", "cat")
    box.offer(1, Piece(1, 0, "Hello. "))
    sent: list[Line] = []
    while isinstance(step := box.next(100.0), Line):
        sent.append(step)
        box.sent(step, 100.0)
        box.settle(step)
    assert [said.host for said in sent] == ["ada", "bob", "cat"]
    assert {without_lead(said.text) for said in sent} == {"Hello. "}
    assert not any(starts_alike(a.text, b.text) for a in sent for b in sent if a is not b)


def test_an_own_line_that_repeats_itself_waits_until_it_may() -> None:
    box, _ = outbox()
    box.offer(1, Piece(1, 0, "No. "))
    first = line(box.next(100.0))
    box.sent(first, 100.0)
    box.settle(first)
    box.offer(2, Piece(2, 1, "No. "))
    assert box.next(102.0) == pytest.approx(105.5)
    assert line(box.next(105.5)).text == "No. "


def test_a_mirrored_line_waits_for_what_its_host_said_before() -> None:
    box, rooms = outbox("bob")
    rooms.advance("bob", 3)
    box.offer(5, Piece(5, 0, "I disagree. "))
    own = line(box.next(100.0))
    box.sent(own, 100.0)
    box.settle(own)
    assert box.next(100.0) is None
    rooms.advance("bob", 4)
    assert line(box.next(100.0)).host == "bob"


def test_an_own_line_waits_a_moment_and_no_longer_for_earlier_lines_of_others() -> None:
    box, rooms = outbox("bob")
    rooms.advance_mirror("bob", "ada", 2)
    box.offer(5, Piece(5, 0, "My turn. "))
    assert box.next(100.0) == pytest.approx(100.8)
    assert line(box.next(100.8)).host == "ada"
    rooms.advance_mirror("bob", "ada", 4)
    assert line(box.next(100.1)).host == "ada"


def test_an_agent_off_air_is_not_waited_for() -> None:
    box, rooms = outbox("bob")
    rooms.advance_mirror("bob", "ada", 2)
    rooms.close("bob")
    box.offer(5, Piece(5, 0, "My turn. "))
    assert line(box.next(100.0)).host == "ada"


def test_lines_for_a_closed_room_wait_for_its_next_one() -> None:
    box, rooms = outbox("bob")
    rooms.close("bob")
    for ref in (1, 2):
        box.offer(ref, Piece(ref, 0, f"Line {ref}. "))
    own = line(box.next(100.0))
    box.sent(own, 100.0)
    box.settle(own)
    assert box.next(200.0) is None
    rooms.open("bob", "bc_new", wire_id="bob-1")
    assert without_lead(line(box.next(200.0)).text) == "Line 1. Line 2. "


def test_a_room_that_refused_us_is_not_asked_again() -> None:
    box, rooms = outbox("bob")
    box.offer(1, Piece(1, 0, "Hello. "))
    own = line(box.next(100.0))
    box.sent(own, 100.0)
    box.settle(own)
    box.room_lost("bc_bob")
    assert box.next(100.0) is None
    rooms.open("bob", "bc_new", wire_id="bob-1")
    assert line(box.next(100.0)).host == "bob"


def test_a_held_room_holds_up_no_other() -> None:
    box, _ = outbox("bob", "cat")
    box.offer(1, Piece(1, 0, "Hello. "))
    box.hold("bob", 110.0)
    hosts = []
    while isinstance(step := box.next(100.0), Line):
        hosts.append(step.host)
        box.sent(step, 100.0)
        box.settle(step)
    assert (hosts, step) == (["ada", "cat"], 110.0)


def test_a_mirrored_line_never_comes_before_itself() -> None:
    box, _ = outbox("bob")
    box.offer(1, Piece(1, 0, "Hello. "))
    box.hold("ada", 110.0)
    assert box.next(100.0) == 110.0


def test_it_is_done_when_all_is_out_in_both_directions() -> None:
    box, rooms = outbox("bob")
    rooms.advance_mirror("bob", "ada", 1)
    box.offer(1, Piece(1, 0, "Hello. "))
    box.offer(2)
    while isinstance(step := box.next(100.0 + box.own_waiting), Line):
        assert not box.is_done(2)
        box.sent(step, 100.0)
        box.settle(step)
    assert not box.is_done(2)
    rooms.advance_mirror("bob", "ada", 2)
    assert box.is_done(2)
    assert not box.is_done(3)


def test_a_room_that_is_gone_does_not_keep_it_from_being_done() -> None:
    box, rooms = outbox("bob")
    rooms.close("bob")
    box.offer(1, Piece(1, 0, "Hello. "))
    own = line(box.next(100.0))
    box.sent(own, 100.0)
    box.settle(own)
    assert box.is_done(1)


def test_it_takes_no_more_than_it_has_room_for() -> None:
    box, _ = outbox(limits=replace(LIMITS, window=3))
    for ref in range(1, 4):
        assert not box.is_full
        box.offer(ref, Piece(ref, 0, "x"))
    assert box.is_full
