import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debate_caster.errors import ProtocolError
from debate_caster.pulsar.client import ClientMachine, Dialect, Identity, State, room_title
from debate_caster.pulsar.messages import ShowClaim
from debate_caster.pulsar.replies import ErrorReported
from debate_caster.pulsar.text import utf16_length
from tests.pulsar.vectors import VECTORS

ADA = Identity("ada-1", "Ada", emoji="🦉", color="#aabbcc", style="dry", secret="s", token="t")
CLAIM = ShowClaim(
    id="s1", key="k", title="Cats", motion="Cats rule", language="en", agent="ada", role="debater", side="for"
)


def payload(type_: str, **body: Any) -> str:
    return json.dumps({"type": type_, "payload": body})


def registered(**body: Any) -> ClientMachine:
    machine = ClientMachine(ADA)
    machine.register()
    machine.receive(payload("registered", **body))
    return machine


def live(**body: Any) -> ClientMachine:
    machine = registered(**body)
    machine.start("Cats")
    machine.receive(payload("broadcast_approved", broadcastId="bc_1"))
    return machine


@pytest.mark.parametrize("vector", VECTORS["client"], ids=lambda vector: vector["dialect"])
def test_after_registering_the_peers_dialect_is_spoken(vector: dict[str, Any]) -> None:
    machine = ClientMachine(ADA)
    approved = {"type": "broadcast_approved"}
    said: dict[str, str | None] = {"register": machine.register()}
    machine.receive(json.dumps(vector["registered"]))
    if machine.state is State.REGISTERED:
        said["start"] = machine.start("Cats", show=CLAIM)
        machine.receive(
            json.dumps(approved if vector["dialect"] == "flat" else approved | {"payload": {"broadcastId": "bc_1"}})
        )
    said["heartbeat"] = machine.heartbeat()
    said["text"] = machine.text("Hi", turn=0, index=0, ref=17)
    if machine.dialect is Dialect.STAGE:
        said["event"] = machine.event({"type": "turn_ended", "turn": 0}, ref=18)
    said["chat"] = machine.chat("bc_2", "Well")
    said["join"] = machine.join("bc_2")
    said["end"] = machine.end("completed")

    assert machine.dialect == vector["dialect"]
    assert {name: json.loads(frame) for name, frame in said.items() if frame} == {
        entry["said"]: entry["frame"] for entry in vector["frames"]
    }


@pytest.mark.parametrize(
    ("reply", "dialect"),
    [
        ({"payload": {"sessionToken": "tok_1"}}, Dialect.V1),
        ({"payload": {"sessionToken": "st_1"}}, Dialect.V2),
        ({"payload": {"features": ["explicit_participation"]}}, Dialect.V2),
        ({"payload": {"serverId": "pulsar-v2"}}, Dialect.V1),
        ({}, Dialect.FLAT),
        ({"features": ["activity_status"]}, Dialect.FLAT),
        ({"features": ["debate_show"]}, Dialect.STAGE),
        ({"payload": {"features": ["debate_show", "text_ack"]}}, Dialect.STAGE),
    ],
)
def test_the_answer_to_register_tells_the_dialect(reply: dict[str, Any], dialect: Dialect) -> None:
    machine = ClientMachine(ADA)
    machine.register()
    machine.receive(json.dumps({"type": "registered", **reply}))
    assert machine.dialect is dialect


def test_only_an_approved_agent_is_live() -> None:
    machine = ClientMachine(ADA)
    states = [machine.state]
    machine.register()
    states.append(machine.state)
    machine.receive(payload("registered"))
    states.append(machine.state)
    machine.start("Cats")
    states.append(machine.state)
    machine.receive(payload("broadcast_approved", broadcastId="bc_1"))
    states.append(machine.state)
    machine.end("completed")
    states.append(machine.state)
    machine.receive(json.dumps({"type": "broadcast_ended", "broadcastId": "bc_1"}))
    states.append(machine.state)

    assert states == list(State)


def test_what_a_server_says_out_of_turn_changes_nothing() -> None:
    machine = ClientMachine(ADA)
    for out_of_turn in (payload("registered"), payload("broadcast_approved", broadcastId="bc_9")):
        machine.receive(out_of_turn)
        assert machine.state is State.OPEN
    machine = live()
    machine.receive(payload("broadcast_approved", broadcastId="bc_9"))
    machine.receive(payload("registered", features=["debate_show"]))
    assert (machine.state, machine.room, machine.dialect) == (State.LIVE, "bc_1", Dialect.V1)


def test_what_we_say_out_of_turn_is_a_bug() -> None:
    machine = ClientMachine(ADA)
    for say in (lambda: machine.start("Cats"), lambda: machine.end("x"), machine.forget):
        with pytest.raises(RuntimeError, match="makes no sense when open"):
            say()
    machine.register()
    with pytest.raises(RuntimeError, match="'register' makes no sense"):
        machine.register()


def test_nothing_is_chatted_into_the_own_room() -> None:
    with pytest.raises(RuntimeError, match="own room"):
        live().chat("bc_1", "I agree with myself")


def test_extensions_are_never_sent_to_a_peer_that_does_not_list_them() -> None:
    machine = live(features=["explicit_participation"])
    assert "ref" not in machine.text("Hi", index=0, ref=1)
    with pytest.raises(RuntimeError, match="does not know shows"):
        machine.event({"type": "turn_ended"}, ref=1)
    assert '"show"' not in registered().start("Cats", show=CLAIM)


def test_a_resumed_agent_is_live_in_its_room_at_once() -> None:
    machine = ClientMachine(ADA)
    assert json.loads(machine.register(resume_room="bc_7"))["payload"]["resume"] == {"room": "bc_7"}
    machine.receive(payload("registered", features=["debate_show", "resume"], resume={"room": "bc_7", "last_ref": 40}))
    assert (machine.state, machine.room, machine.resumed_ref) == (State.LIVE, "bc_7", 40)


def test_a_refused_agent_may_register_again_on_the_same_socket() -> None:
    machine = ClientMachine(ADA)
    machine.register()
    reply = machine.receive(payload("error", code="AUTH_FAILED", message="no"))
    assert reply == ErrorReported("AUTH_FAILED", "no")
    assert machine.state is State.OPEN
    machine.register()


def test_a_denied_agent_may_start_again() -> None:
    machine = registered()
    machine.start("Cats")
    machine.receive(payload("broadcast_denied", reason="you_are_already_broadcasting", broadcastId="bc_0"))
    assert machine.state is State.REGISTERED
    assert json.loads(machine.end_room("bc_0"))["payload"]["broadcastId"] == "bc_0"
    machine.start("Cats")


@pytest.mark.parametrize(
    "lost",
    [
        json.dumps({"type": "broadcast_ended", "broadcastId": "bc_1", "reason": "duration_limit"}),
        payload("error", code="NOT_YOUR_BROADCAST"),
    ],
)
def test_a_room_may_be_lost_and_another_opened(lost: str) -> None:
    machine = live()
    machine.receive(lost)
    assert machine.state is State.REGISTERED
    machine.start("Cats")


def test_the_end_of_somebody_elses_room_is_not_ours() -> None:
    machine = live()
    machine.receive(json.dumps({"type": "broadcast_ended", "broadcastId": "bc_2"}))
    assert machine.state is State.LIVE


def test_a_forgotten_agent_registers_again_in_the_shape_that_all_understand() -> None:
    machine = live()
    machine.forget()
    frame = json.loads(machine.register())
    assert frame["name"] == frame["payload"]["name"] == "Ada"
    assert machine.room == ""


@settings(deadline=None)
@given(st.lists(st.sampled_from([vector["frame"] for vector in VECTORS["server"]]) | st.text(max_size=10), max_size=12))
def test_no_sequence_of_frames_puts_an_agent_on_air_that_did_not_ask(frames: list[Any]) -> None:
    machine = ClientMachine(ADA)
    for frame in frames:
        try:
            machine.receive(json.dumps(frame))
        except ProtocolError:
            continue
    assert machine.state is State.OPEN


def test_a_part_is_numbered_within_the_limit_of_a_title() -> None:
    assert room_title("Cats", 1) == "Cats"
    assert room_title("Cats", 2) == "Cats (part 2)"
    assert room_title("x" * 300, 12).endswith("x (part 12)")
    assert utf16_length(room_title("😀" * 300, 12)) <= 200


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(Identity("a", "A", secret="secret", token="secret"))


@pytest.mark.parametrize(
    ("features", "told"), [([], False), (["debate_show"], False), (["debate_show", "control"], True)]
)
def test_only_a_peer_that_passes_orders_on_learns_of_the_producer(features: list[str], told: bool) -> None:
    machine = registered(features=features)
    start = machine.start("Cats", show=dataclasses.replace(CLAIM, producer="ab" * 32))
    assert ("ab" * 32 in start) == told


def test_what_is_said_to_producers_names_its_room() -> None:
    machine = live(features=["debate_show", "control"])
    done = json.loads(machine.control_done("c_1", ok=False, message="no"))
    desk = json.loads(machine.desk({"paused": True}))
    assert done["payload"] | {"agentId": ""} == {
        "agentId": "", "broadcastId": "bc_1", "id": "c_1", "ok": False, "message": "no"
    }  # fmt: skip
    assert (desk["type"], desk["payload"]["desk"]) == ("desk", {"paused": True})
