from debate_caster.broadcast.remarks import REMEMBERED, RemarkSieve, ViewerRemark
from debate_caster.broadcast.rooms import TargetRooms
from debate_caster.pulsar.replies import HintGiven, LiveUpdate, Other, Reply, RoomLine, ViewerContext
from tests.broadcast.performance import cast


def sieve() -> RemarkSieve:
    rooms = TargetRooms(cast("ada", "bob"))
    rooms.open("bob", "bc_2", wire_id="bob-1")
    return RemarkSieve(agent="ada", target="pulsar", is_ours=rooms.is_ours)


def texts(sieve: RemarkSieve, *replies: Reply) -> list[str]:
    return [remark.text for reply in replies for remark in sieve.sift(reply, room="bc_1")]


def said(text: str, *, name: str = "Zoe", role: str = "viewer", id_: str = "", agent_id: str = "") -> RoomLine:
    return RoomLine(role, name, text, id=id_, agent_id=agent_id)


def test_a_viewers_line_becomes_a_remark() -> None:
    update = LiveUpdate("bc_1", (said("And dogs?", id_="m1", agent_id="zoe-1"),))
    assert sieve().sift(update, room="bc_1") == [
        ViewerRemark("m1", "pulsar:zoe-1", "Zoe", "And dogs?", "", "pulsar", "ada")
    ]


def test_a_hint_keeps_the_ids_by_which_the_stage_knows_it() -> None:
    context = ViewerContext("bc_1", hints=(HintGiven("h1", "v1", "Zoe", "And dogs?", "bob"),))
    assert sieve().sift(context, room="bc_1") == [ViewerRemark("h1", "v1", "Zoe", "And dogs?", "bob", "pulsar", "ada")]


def test_hosts_and_the_system_say_nothing_for_us() -> None:
    lines = (said("I am the host", role="host"), said("Ada started", role="system"), said("  "))
    assert texts(sieve(), LiveUpdate("bc_1", lines), Other("points_granted")) == []


def test_echoes_of_our_own_agents_are_no_remarks() -> None:
    by_name = said("\u2060Dogs are loyal.", name="Bob")
    by_id = said("Dogs are loyal.", name="Bobby", agent_id="bob-1")
    assert texts(sieve(), LiveUpdate("bc_1", (by_name, by_id)), ViewerContext("bc_1", (by_name,))) == []


def test_other_rooms_are_none_of_ours() -> None:
    assert texts(sieve(), LiveUpdate("bc_2", (said("Hi Bob"),)), ViewerContext("bc_9", (said("Hi all"),))) == []


def test_a_room_without_a_name_is_the_own_one() -> None:
    assert texts(sieve(), LiveUpdate("", (said("Hi"),))) == ["Hi"]


def test_repetitions_are_recognised_with_and_without_an_id() -> None:
    with_id, without = said("And dogs?", id_="m1"), said("And dogs?")
    context = ViewerContext("bc_1", (without, without, said("More!")))
    assert texts(sieve(), LiveUpdate("bc_1", (with_id,)), LiveUpdate("bc_1", (with_id,)), context, context) == [
        "And dogs?",
        "More!",
    ]


def test_a_repeated_hint_counts_once_but_two_hints_may_say_the_same() -> None:
    hints = (HintGiven("h1", "v1", "", "More!"), HintGiven("h2", "v2", "", "More!"), HintGiven("h3", "v3", "", " "))
    assert texts(sieve(), ViewerContext("bc_1", hints=hints), ViewerContext("bc_1", hints=hints)) == ["More!", "More!"]


def test_different_viewers_may_say_the_same() -> None:
    assert texts(sieve(), LiveUpdate("bc_1", (said("Yes"), said("Yes", name="Max")))) == ["Yes", "Yes"]


def test_what_is_remembered_is_bounded() -> None:
    sifting = sieve()
    for number in range(REMEMBERED * 2):
        texts(sifting, LiveUpdate("bc_1", (said(str(number), id_=f"m{number}"),)))
    assert len(sifting._seen) == REMEMBERED
