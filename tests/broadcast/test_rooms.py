from debate_caster.broadcast.rooms import TargetRooms
from debate_caster.pulsar.replies import RoomLine
from tests.broadcast.performance import cast


def rooms() -> TargetRooms:
    shared = TargetRooms(cast("ada", "bob", "cat"))
    shared.open("ada", "bc_a", wire_id="ada-1")
    shared.open("bob", "bc_b", wire_id="bob-1")
    return shared


def test_a_closed_room_is_nowhere_to_go() -> None:
    shared = rooms()
    assert shared.others("cat") == {"ada": "bc_a", "bob": "bc_b"}
    shared.close("ada")
    assert shared.others("cat") == {"bob": "bc_b"}
    assert shared.room_of("ada") is None


def test_laggards_are_those_on_air_with_something_left_from_before() -> None:
    shared = rooms()
    shared.advance("bob", 6)
    assert shared.laggards("ada", 8) == {("bob", 6)}
    assert shared.laggards("ada", 7) == frozenset()
    shared.close("bob")
    assert shared.laggards("ada", 8) == frozenset()


def test_the_slowest_mirror_counts_and_those_off_air_do_not() -> None:
    shared = rooms()
    shared.open("cat", "bc_c", wire_id="cat-1")
    shared.advance_mirror("bob", "ada", 4)
    shared.advance_mirror("cat", "ada", 2)
    assert shared.mirrored_position("ada") == 2
    shared.close("cat")
    assert shared.mirrored_position("ada") == 4
    shared.close("bob")
    assert shared.mirrored_position("ada") is None


def test_listeners_hear_of_changes_and_of_nothing_else() -> None:
    shared = rooms()
    heard: list[int] = []
    shared.listen(lambda: heard.append(1))
    for _ in range(2):
        shared.advance("ada", 3)
        shared.advance_mirror("bob", "ada", 3)
        shared.close("ada")
    assert len(heard) == 3


def test_only_what_our_agents_said_in_our_rooms_is_witnessed() -> None:
    shared = rooms()
    shared.witness("bc_a", RoomLine("host", "Ada", "I begin."))
    shared.witness("bc_a", RoomLine("viewer", "Zoe", "Go on!"))
    shared.witness("bc_z", RoomLine("host", "Ada", "Elsewhere."))
    assert shared.witnessed("bc_a", "I begin.")
    assert not shared.witnessed("bc_b", "I begin.")
    assert not shared.witnessed("bc_a", "Go on!")
    assert not shared.witnessed("bc_z", "Elsewhere.")


def test_our_agents_are_known_by_id_or_name() -> None:
    shared = rooms()
    assert shared.is_ours(RoomLine("viewer", "Somebody", "Hi", agent_id="ada-1"))
    assert shared.is_ours(RoomLine("viewer", "Cat", "Hi"))
    assert not shared.is_ours(RoomLine("viewer", "Zoe", "Hi", agent_id="zoe-1"))
