import pytest

from debate_caster.broadcast.feed import Tally
from debate_caster.broadcast.perseverance import GivenUpError, Perseverance
from debate_caster.broadcast.progress import ShowProgress
from debate_caster.broadcast.target import ConnectionLimits

LIMITS = ConnectionLimits(rooms_in_vain=3)


def perseverance(tally: Tally) -> Perseverance:
    return Perseverance("t", agent="ada", limits=LIMITS, tally=tally, progress=ShowProgress("s1"))


def lose_rooms(ours: Perseverance, count: int, *, has_backlog: bool = True) -> None:
    for _ in range(count):
        ours.check(has_had_rooms=True, resumes=False, position=0)
        ours.note_room(resumed=False)
        ours.note_loss(has_backlog=has_backlog)


def test_so_many_rooms_in_vain_are_the_last() -> None:
    ours = perseverance(Tally())
    lose_rooms(ours, 3)
    with pytest.raises(GivenUpError, match="target t: 3 rooms in a row were lost before a line arrived"):
        ours.check(has_had_rooms=True, resumes=True, position=0)


@pytest.mark.parametrize("kind", ["delivered", "mirrored"])
def test_a_line_that_arrived_makes_up_for_rooms_in_vain(kind: str) -> None:
    tally = Tally()
    ours = perseverance(tally)
    lose_rooms(ours, 2)
    ours.note_room(resumed=False)
    setattr(tally, kind, 1)
    ours.note_loss(has_backlog=True)
    lose_rooms(ours, 3)


def test_what_was_sent_and_never_arrived_makes_up_for_nothing() -> None:
    tally = Tally()
    ours = perseverance(tally)
    for _ in range(3):
        tally.sent += 5
        lose_rooms(ours, 1)
    with pytest.raises(GivenUpError):
        ours.check(has_had_rooms=True, resumes=False, position=0)


def test_a_room_that_goes_on_is_none_in_vain() -> None:
    ours = perseverance(Tally())
    for _ in range(20):
        ours.note_room(resumed=True)
        ours.note_loss(has_backlog=True)
    lose_rooms(ours, 2)


def test_a_room_that_had_nothing_more_to_hear_is_none_in_vain_and_no_new_hope() -> None:
    ours = perseverance(Tally())
    lose_rooms(ours, 2)
    lose_rooms(ours, 20, has_backlog=False)
    lose_rooms(ours, 1)
    with pytest.raises(GivenUpError):
        ours.check(has_had_rooms=True, resumes=False, position=0)
