"""Connections against servers on loopback that behave as each dialect does; sockets are real, time is not."""

import asyncio
import itertools
import json
import socket
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection

from debate_caster import addresses as resolution
from debate_caster.broadcast import ConnectionLimits, EarlierRun, Target
from debate_caster.broadcast import socket as way
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.show.events import ConnectionDown
from tests.broadcast.performance import SHOW, Performance, cast
from tests.broadcast.scenes import (
    ALL,
    GOES_ON,
    PULSAR,
    Kind,
    debate,
    gaps,
    own_lines,
    own_text,
    without_repetitions,
)
from tests.pulsar_servers.flat import ExtendedServer
from tests.pulsar_servers.loopback import Room
from tests.pulsar_servers.pulsar_v1 import PulsarV1
from tests.pulsar_servers.pulsar_v2 import PulsarV2

# -- every dialect -----------------------------------------------------------------------------------------------------


@ALL
def test_a_show_goes_live_on_every_dialect_without_being_told_which(kind: Kind, dialect: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await debate(show)
                await show.end()
            for agent in ("ada", "bob"):
                report = show.reports[agent, "t"]
                assert own_text(server, agent) == show.text_of(agent)
                assert (report.dialect, report.sent, report.delivered, report.problem) == (dialect, 6, 6, "")
                assert [room.ended for room in server.rooms_of(agent)] == [
                    "ended" if dialect == "flat" else "completed"
                ]
            assert show.remarks == []
            assert server.warnings == []

    run_virtual(main)


@ALL
def test_an_agent_registers_once_for_each_socket_and_waits_for_approval(kind: Kind, dialect: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await debate(show, turns=1)
                server.drop("Ada")
                await debate(show, turns=1)
                await show.end()
            types = [frame.type for frame in server.received if frame.type != "heartbeat"]
            assert types.count("register") == len(server.handshakes) == 2
            assert types[:3] == ["register", "broadcast_start", "show_event" if dialect == "stage" else "stream_text"]

    run_virtual(main)


@ALL
def test_twenty_drops_repeat_no_line_and_lose_none(kind: Kind, dialect: str) -> None:
    async def main(clock: VirtualClock) -> None:
        random = Random(7)
        show = Performance(clock, cast("ada", "bob"))
        drops = 0
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in itertools.count():
                    if drops == 20:
                        break
                    speaker = ("ada", "bob")[number // 6 % 2]
                    await server.until(lambda: len(server.agents) == 2 and len(server.live) == 2)
                    if random.random() < 0.4:
                        if random.random() < 0.5:
                            server.faults.drop_after_texts = 1  # taken, and nothing said about it
                            drops += 1
                        else:
                            drops += server.drop(speaker.title())
                    await show.say(speaker, f"{speaker} makes point {number}. ", turn=number // 6)
                server.faults.drop_after_texts = 0
                await clock.sleep(10)
                await show.end()
            for agent in ("ada", "bob"):
                lines = [text for room in server.rooms_of(agent) for text in own_lines(room)]
                if dialect == "flat":  # nobody else is there who could have seen what arrived
                    assert show.text_of(agent) in without_repetitions(lines)
                else:
                    assert "".join(lines) == show.text_of(agent)
                assert show.reports[agent, "t"].delivered == len(show.said[agent])
            assert len(server.handshakes) > 20

    run_virtual(main)


@PULSAR
def test_a_room_opened_anew_says_which_part_it_is_and_keeps_the_identity(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                for _ in range(2):
                    await debate(show, turns=1)
                    server.drop("Ada")
                await debate(show, turns=1)
                await show.end()
            rooms = server.rooms_of("ada")
            assert [room.title for room in rooms] == [SHOW.title, f"{SHOW.title} (part 2)", f"{SHOW.title} (part 3)"]
            assert (
                len({(frame.agent_id, frame.body["secret"]) for frame in server.received if frame.type == "register"})
                == 1
            )
            assert show.reports["ada", "t"].rooms == tuple(room.id for room in rooms)

    run_virtual(main)


# -- names that lead elsewhere -----------------------------------------------------------------------------------------


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Have names lead to these addresses, one for each look-up; return those that are left."""
    left = list(addresses)

    async def answer(_host: str, _port: int) -> list[str]:
        return [left.pop(0)]

    monkeypatch.setattr(resolution, "look_up", answer)
    monkeypatch.setattr(way, "get_proxy", lambda _uri: None)
    return left


@ALL
def test_a_name_that_leads_elsewhere_for_once_during_the_show_is_asked_again(
    kind: Kind, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del dialect

    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            left = answers(monkeypatch, "127.0.0.1", "93.184.216.34", "127.0.0.1")
            url = server.url.replace("127.0.0.1", "stage.invalid")
            async with show.on(Target("t", url, allow_private=True)):
                await debate(show, turns=1)
                server.drop("Ada")
                await debate(show, turns=1)
                await show.end()
            reasons = [state.reason for state in show.states if isinstance(state, ConnectionDown)]
            assert [reason.partition(":")[0] for reason in reasons] == ["the connection broke", "with ws", "ended"]
            assert left == []
            assert own_text(server, "ada") == show.text_of("ada")
            assert show.reports["ada", "t"].problem == ""

    run_virtual(main)


def test_a_name_that_leads_elsewhere_from_the_start_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        left = answers(monkeypatch, "93.184.216.34", "127.0.0.1")
        async with show.on(Target("t", "ws://stage.invalid:9/ws", allow_private=True), until_live=False):
            await debate(show, turns=1)
            await show.end()
        assert "Write wss" in show.reports["ada", "t"].problem
        assert left == ["127.0.0.1"]

    run_virtual(main)


# -- others down -------------------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@PULSAR
def test_a_dead_and_a_silent_target_delay_nobody(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server, PulsarV2(clock) as silent:
            silent.faults.silent_register = True
            dead = Target("dead", f"ws://127.0.0.1:{closed_port()}/")
            targets = [Target("t", server.url), dead, Target("silent", silent.url)]
            async with show.on(*targets, until_live=False):
                await show.connections["ada", "t"].live.wait()
                await show.connections["bob", "t"].live.wait()
                began = clock.monotonic()
                await debate(show)
                await show.end()
                ended = clock.monotonic()
            assert clock.monotonic() - ended < 0.1
            for place, line in enumerate(server.rooms_of("ada")[0].lines):
                assert line.at - began - 2.0 * place < 0.1
            for agent in ("ada", "bob"):
                assert own_text(server, agent) == show.text_of(agent)
                assert "no connection" in show.reports[agent, "dead"].problem
                assert show.reports[agent, "silent"].problem == "no answer to `register` within 10 s"
                assert not show.connections[agent, "silent"].live.is_set()

    run_virtual(main)


@PULSAR
def test_an_agent_is_not_held_up_by_another_whose_socket_is_down(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.say("bob", "I begin. ")
                server.faults.status = 503
                server.drop("Bob")
                began = clock.monotonic()
                for number in range(8):
                    await show.say(("bob", "ada")[number % 2], f"Point {number}. ", turn=number)
                assert [round(frame.at - began) for frame in server.sent_texts("ada")] == [2, 6, 10, 14]
                server.faults.status = 0
                await clock.sleep(60)
                await show.end()
            assert own_text(server, "bob") == show.text_of("bob")

    run_virtual(main)


@PULSAR
def test_a_server_that_restarts_gets_the_rest(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await debate(show, turns=2)
                await server.stop()
                await debate(show, turns=2)
                await server.start()
                await clock.sleep(60)
                await debate(show, turns=2)
                await show.end()
            for agent in ("ada", "bob"):
                assert own_text(server, agent) == show.text_of(agent)

    run_virtual(main)


def test_a_half_open_connection_is_noticed() -> None:
    async def main(clock: VirtualClock) -> None:
        """The server's process is stopped: its kernel takes everything, nobody answers."""
        show = Performance(clock, cast("ada"))
        async with PulsarV2(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                server.named("Ada").socket.transport.pause_reading()
                await clock.sleep(45)
                await show.end()
            downs = [state for state in show.states if isinstance(state, ConnectionDown)]
            assert downs[0].reason == "no pong within 10 s"
            assert (downs[0].at - show.states[0].at).total_seconds() <= 45

    run_virtual(main)


# -- rooms that go on --------------------------------------------------------------------------------------------------


@PULSAR
def test_a_room_that_goes_on_from_an_earlier_one_says_first_what_it_is_about_and_how_far_it_is(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.begin(0, "ada")
                await show.say("ada", "I begin. ")
                server.faults.status = 503
                server.drop("Ada")
                await show.say("ada", "And I go on. ")
                await show.finish(0, "ada")
                await show.say("bob", "I object. ", turn=1)
                server.faults.status = 0
                await clock.sleep(10)
                await show.end()
            first, second = server.rooms_of("ada")
            assert first.texts() == ["I begin. "]
            assert second.texts() == [
                f"{GOES_ON} The motion: {SHOW.motion}. Speaking: Ada, Bob. Turn 1 of 2.",
                "And I go on. ",
            ]
            assert second.lines[0].role == "host"  # before anything that the others have said meanwhile
            assert not any(GOES_ON in line.text for room in server.rooms_of("bob") for line in room.lines)
            assert min(gaps(server.sent_texts("ada"))) > 1.9999999
            report = show.reports["ada", "t"]
            assert (report.sent, report.delivered, report.problem) == (2, 2, "")

    run_virtual(main)


@PULSAR
def test_nobody_speaks_in_a_room_that_goes_on_before_it_has_said_so(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                server.faults.status = 503
                server.drop("Ada")
                await clock.sleep(1)
                await show.say("bob", "I begin. ", pause_s=5)
                server.faults.status, server.faults.warn = 0, "RATE_LIMIT_EXCEEDED"
                await clock.sleep(20)
                await show.end()
            assert server.warnings == ["RATE_LIMIT_EXCEEDED"]
            said, mirrored = server.rooms_of("ada")[1].lines
            assert (said.role, mirrored.role) == ("host", "viewer")
            assert said.text.startswith(GOES_ON)
            assert show.reports["ada", "t"].refused == 0

    run_virtual(main)


@PULSAR
def test_a_room_of_a_show_that_was_broken_off_says_so_as_well(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        await show.start()
        await show.begin(0, "ada")
        sent = await show.say("ada", "I begin. ")
        await show.finish(0, "ada")
        show.earlier = EarlierRun(sent=sent, parts=1)
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.begin(1, "ada")
                await show.say("ada", "I end. ", turn=1)
                await show.end()
            (room,) = server.rooms_of("ada")
            assert room.title.endswith(" (part 2)")
            assert room.texts() == [
                f"{GOES_ON} The motion: {SHOW.motion}. Speaking: Ada. Turn 1 of 2.",
                "I end. ",
            ]

    run_virtual(main)


@PULSAR
def test_a_debate_that_has_ended_is_said_to_have_where_a_room_still_goes_on(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.say("ada", "I begin. ")
                server.drop("Ada")
                await show.say("ada", "And I end. ", pause_s=0)
                await show.end()
            assert "The debate has ended; here follows what was left to say." in server.rooms_of("ada")[1].texts()[0]
            assert own_text(server, "ada") == show.text_of("ada")

    run_virtual(main)


class PatientV2(PulsarV2):
    """Keeps a dropped agent's room for it, as our stage does, but knows no shows."""

    features = (*PulsarV2.features, "resume")

    async def end_room(self, room: Room, reason: str, *, tell_host: bool) -> None:
        if reason != "host_disconnected":
            await super().end_room(room, reason, tell_host=tell_host)

    async def reply(self, socket: ServerConnection, type_: str, payload: dict[str, Any]) -> None:
        if type_ == "registered" and (room := self.room_hosted_by(payload["agentId"])):
            payload = {**payload, "resume": {"room": room.id, "last_ref": 0}}
        await super().reply(socket, type_, payload)


def test_a_room_says_once_what_it_goes_on_from_however_often_it_is_taken_up_again() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with PatientV2(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.begin(0, "ada")
                for part in range(3):
                    if part:
                        await server.end_room(server.rooms_of("ada")[-1], "duration_limit", tell_host=True)
                        await clock.sleep(8)
                    for number in range(3):
                        server.drop("Ada")
                        await show.say("ada", f"Point {part}.{number}. ", pause_s=8)
                await show.finish(0, "ada")
                await show.end()
            rooms = server.rooms_of("ada")
            assert [room.title for room in rooms] == [SHOW.title, f"{SHOW.title} (part 2)", f"{SHOW.title} (part 3)"]
            assert [[text.startswith(GOES_ON) for text in room.texts()] for room in rooms] == [
                [False] * 3,
                [True] + [False] * 3,
                [True] + [False] * 3,
            ]
            assert own_text(server, "ada") == show.text_of("ada")

    run_virtual(main)


def test_a_room_of_our_own_stage_goes_on_without_a_word() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with ExtendedServer(clock) as server:
            async with show.on(Target("t", server.url)):
                for _ in range(15):
                    server.drop("Ada")
                    await clock.sleep(5)
                await debate(show, turns=1)
                await show.end()
            (room,) = server.rooms_of("ada")
            assert "".join(room.texts()) == show.text_of("ada")
            assert show.reports["ada", "t"].problem == ""

    run_virtual(main)


@PULSAR
def test_a_target_that_takes_rooms_and_no_lines_is_given_up_and_nobody_else_is(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server, kind(clock) as other:
            with capture_logs() as logs:
                async with show.on(Target("bad", server.url, mirror=False), Target("good", other.url)):
                    await show.start()
                    for number in range(60):
                        server.drop("Ada")
                        await show.say(("ada", "bob")[number // 5 % 2], f"Point {number}. ", turn=number // 5)
                    await show.end()
            assert len(server.rooms_of("ada")) == show.limits.rooms_in_vain
            assert show.reports["ada", "bad"].problem == "10 rooms in a row were lost before a line arrived"
            assert [log["reason"] for log in logs if log["event"] == "target_given_up"] == [
                "10 rooms in a row were lost before a line arrived"
            ]
            for agent, target, where in (("bob", "bad", server), ("ada", "good", other), ("bob", "good", other)):
                assert own_text(where, agent) == show.text_of(agent)
                assert show.reports[agent, target].problem == ""

    run_virtual(main)


@PULSAR
def test_who_has_nothing_to_say_yet_outlives_any_number_of_rooms_and_is_heard(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.begin(0, "bob")
                for number in range(48):
                    if number % 4 == 0:
                        assert server.drop("Ada")
                    await show.say("bob", f"Point {number}. ", pause_s=5)
                await show.finish(0, "bob")
                await show.begin(1, "ada")
                await show.say("ada", "At last. ", turn=1, pause_s=10)
                await show.finish(1, "ada")
                await show.end()
            assert len(server.rooms_of("ada")) == 13 > show.limits.rooms_in_vain
            for agent in ("ada", "bob"):
                assert own_text(server, agent) == show.text_of(agent)
                assert show.reports[agent, "t"].problem == ""

    run_virtual(main)


@PULSAR
def test_rooms_that_die_before_they_say_what_they_are_come_to_an_end_also_for_who_says_nothing(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for _ in range(120):
                    server.faults.warn = "RATE_LIMIT_EXCEEDED"  # the room's first line is not taken
                    server.drop("Ada")
                    await clock.sleep(1)
                await show.end()
            assert len(server.rooms_of("ada")) == 1 + show.limits.rooms_in_vain  # the first one says nothing of itself
            assert show.reports["ada", "t"].problem == "10 rooms in a row were lost before a line arrived"

    run_virtual(main)


@PULSAR
def test_lines_that_arrive_in_between_are_new_hope_for_a_target(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(25):
                    server.drop("Ada")
                    await show.say("ada", f"Point {number}. ", pause_s=12 if number % 5 == 4 else 2.5)
                await show.end()
            assert len(server.rooms_of("ada")) > 2 * show.limits.rooms_in_vain
            assert own_text(server, "ada") == show.text_of("ada")
            assert show.reports["ada", "t"].problem == ""

    run_virtual(main)


@PULSAR
def test_no_room_is_opened_for_less_than_a_turn(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.begin(0, "bob")
                server.drop("Ada")  # of the first of two turns: what is left is more than a turn
                await show.say("bob", "I begin. ", pause_s=10)
                await show.finish(0, "bob")
                await show.begin(1, "ada")
                await show.say("ada", "I answer. ", turn=1, pause_s=10)
                server.drop("Ada")
                server.drop("Bob")
                await show.say("ada", "And I go on. ", turn=1, pause_s=30)
                await show.finish(1, "ada")
                await clock.sleep(5)
                server.drop("Ada")
                await clock.sleep(30)
                await show.end()
            assert [len(server.rooms_of(agent)) for agent in ("ada", "bob")] == [3, 1]
            assert own_text(server, "ada") == show.text_of("ada")
            for agent in ("ada", "bob"):
                assert show.reports[agent, "t"].problem.startswith("the last room was lost within the last turn")

    run_virtual(main)


@PULSAR
def test_who_speaks_in_the_last_turn_loses_no_word_of_it_also_where_it_is_the_only_one(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"), turns=1)
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.begin(0, "ada")
                for number in range(12):
                    if number % 4 == 1:
                        server.drop("Ada")
                    await show.say("ada", f"Point {number}. ", pause_s=5)
                server.drop("Ada")
                await show.say("ada", "The last word. ", pause_s=0)
                await show.finish(0, "ada")
                await clock.sleep(30)
                await show.end()
            assert own_text(server, "ada") == show.text_of("ada")
            assert [len(server.rooms_of(agent)) for agent in ("ada", "bob")] == [5, 1]
            for agent in ("ada", "bob"):
                assert show.reports[agent, "t"].problem == ""

    run_virtual(main)


@PULSAR
def test_who_was_away_before_the_last_turn_gets_a_room_in_it(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.begin(0, "ada")
                server.faults.status = 503
                server.drop("Ada")
                await show.say("ada", "I begin. ")
                await show.finish(0, "ada")
                await show.begin(1, "ada")
                server.faults.status = 0
                await show.say("ada", "I end. ", turn=1, pause_s=20)
                await show.finish(1, "ada")
                await show.end()
            assert own_text(server, "ada") == "I begin. I end. "
            assert show.reports["ada", "t"].problem == ""

    run_virtual(main)


# -- servers that lose us ----------------------------------------------------------------------------------------------


def test_an_agent_that_v1_forgot_registers_again_on_its_socket_and_loses_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with PulsarV1(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(20):
                    if number in {3, 11}:
                        await server.evict(server.named("Ada").id)
                    await show.say(("ada", "bob")[number // 5 % 2], f"Point {number}. ", turn=number // 5)
                await clock.sleep(20)
                await show.end()
            assert own_text(server, "ada") == show.text_of("ada")
            assert len(server.rooms_of("ada")) == 3
            assert len(server.handshakes) == 2
            reasons = {state.reason for state in show.states if isinstance(state, ConnectionDown) and not state.final}
            assert reasons == {"the server has forgotten the agent"}

    run_virtual(main)


def test_v1_does_not_forget_an_agent_that_listens_for_ten_minutes() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with PulsarV1(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await clock.sleep(600)
                await show.say("bob", "At last. ")
                await show.end()
            beats = [
                frame for frame in server.received if frame.type == "heartbeat" and frame.agent_id.startswith("ada")
            ]
            assert all(25 <= gap <= 30 for gap in gaps(beats))
            assert [len(server.rooms_of(agent)) for agent in ("ada", "bob")] == [1, 1]

    run_virtual(main)


def test_a_room_at_v2s_limit_of_length_is_followed_by_another() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with PulsarV2(clock, room_length_s=31.0) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(40):
                    await show.say(("ada", "bob")[number // 5 % 2], f"Point {number}. ", turn=number // 5)
                await clock.sleep(10)
                await show.end()
            for agent in ("ada", "bob"):
                assert own_text(server, agent) == show.text_of(agent)
                assert [room.ended for room in server.rooms_of(agent)][:2] == ["duration_limit"] * 2
            assert len(server.handshakes) == 2

    run_virtual(main)


def test_a_room_left_behind_by_an_earlier_connection_is_ended() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with PulsarV1(clock) as server:
            with show.credentials.lend("t", "ada") as credential:
                pass
            old = server.open_room(credential.agent_id, "Yesterday's")
            async with show.on(Target("t", server.url)):
                await debate(show, turns=1)
                await show.end()
            assert old.ended == "reconnected"
            assert own_text(server, "ada") == show.text_of("ada")

    run_virtual(main)


# -- viewers -----------------------------------------------------------------------------------------------------------


@ALL
def test_what_viewers_say_arrives_once_with_whose_room_it_was(kind: Kind, dialect: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                room = server.rooms_of("bob")[0]
                for text in ("And birds?", "And fish?"):
                    await server.viewer_says(room, "Zoe", text)
                    await show.say("ada", f"Somebody asks: {text} ")
                if dialect == "stage":
                    await server.viewer_says(room, "Zoe", "And birds?")
                await show.end()
            assert [(remark.text, remark.name, remark.agent, remark.target) for remark in show.remarks] == [
                ("And birds?", "Zoe", "bob", "t"),
                ("And fish?", "Zoe", "bob", "t"),
            ]
            assert len({remark.viewer for remark in show.remarks}) == 1

    run_virtual(main)


@PULSAR
def test_a_flood_of_remarks_is_bounded_and_harms_nobody(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                entries = [{"role": "viewer", "name": f"v{number}", "text": "x" * 500} for number in range(50)]
                for number in range(100):
                    for entry in entries:
                        entry["text"] = f"{number} again"
                    await server.fan_out(
                        server.rooms_of("ada")[0], "live_update", {"messages": entries}, to={server.named("Ada").id}
                    )
                await show.say("ada", "Calm down. ")
                await show.end()
            assert own_text(server, "ada") == "Calm down. "
            assert 256 <= len(show.remarks) <= 5000

    run_virtual(main)


HOSTILE = [
    "{", "[]", "null", '"x"', "{}", '{"type":5}', '{"type":"teleport","payload":7}', "[" * 50_000,
    '{"type":"live_update","messages":[1,null,{"role":"viewer"},{"role":"viewer","text":{"a":1}}]}',
    '{"type":"registered","payload":{"features":["debate_show"]}}',
    '{"type":"broadcast_approved","payload":{"broadcastId":"bc_evil"}}',
    '{"type":"text_ack","payload":{"ref":999999}}', '{"type":"room_joined"}', '{"type":"heartbeat_ack"}',
    '{"type":"error","payload":{"code":"' + "X" * 5000 + '"}}', '{"type":"warning"}',
    '{"type":"x","n":' + "9" * 9000 + "}",
    json.dumps({"type": "viewer_context", "payload": {"recentMessages": [{"role": "viewer", "text": "x"}] * 9000}}),
    json.dumps({"type": "viewer_context", "payload": {"hints": [{"id": "h" * 900, "text": "y" * 1_040_000}]}}),
]  # fmt: skip


@ALL
def test_a_hostile_server_is_survived_and_complained_of_once(kind: Kind, dialect: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            with capture_logs() as logs:
                async with show.on(Target("t", server.url)):
                    await show.start()
                    for number in range(4):
                        for frame in HOSTILE:
                            await server.named("Ada").socket.send(frame)
                        await server.named("Ada").socket.send(b"\xff\x00")
                        await show.say("ada", f"I go on {number}. ", pause_s=15)
                    await show.end()
            (room,) = server.rooms_of("ada")  # an error that it makes up may get it a line twice, and nothing more
            assert without_repetitions(room.texts()) == show.text_of("ada")
            assert show.reports["ada", "t"].problem == ""
            bad = [log["detail"] for log in logs if log["event"] == "bad_frame_received"]
            assert 1 <= len(bad) == len(set(bad)) <= 20
            assert all(len(str(log)) < 1000 for log in logs)
            assert all(len(remark.text) <= 1000 for remark in show.remarks)

    run_virtual(main)


# -- the end -----------------------------------------------------------------------------------------------------------


@ALL
def test_cancelling_ends_every_broadcast_politely_and_soon(kind: Kind, dialect: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:

            async def run() -> None:
                async with show.on(Target("t", server.url)):
                    await debate(show, turns=1)
                    await asyncio.Event().wait()

            task = asyncio.create_task(run())
            await clock.sleep(30)
            began = clock.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert clock.monotonic() - began <= 2.0
            await clock.sleep(0.1)
            assert [room.ended for room in server.rooms.values()] == [
                "ended" if dialect == "flat" else "interrupted"
            ] * 2

    run_virtual(main)


def test_cancelling_does_not_wait_for_a_server_that_is_stuck() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with PulsarV2(clock) as server:
            connection = show.connection(show.agents[0], Target("t", server.url))
            task = asyncio.create_task(connection.run())
            await connection.live.wait()
            server.named("Ada").socket.transport.pause_reading()
            began = clock.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert clock.monotonic() - began <= 4.1

    run_virtual(main)


@PULSAR
def test_the_end_of_the_show_waits_for_a_backlog_but_not_for_ever(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"), limits=ConnectionLimits(text_units=30))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(100):
                    await show.say("ada", f"A line of its own, {number:3}. ", pause_s=0.0)
                await show.end()
                ended = clock.monotonic()
            report = show.reports["ada", "t"]
            assert clock.monotonic() - ended == pytest.approx(20.0, abs=2.1)
            assert 9 <= report.delivered <= 12
            assert report.problem == "the show ended before everything was delivered"
            assert server.rooms_of("ada")[0].ended == "interrupted"

    run_virtual(main)


@ALL
def test_who_comes_late_says_everything_from_the_beginning(kind: Kind, dialect: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            await debate(show, turns=2)
            async with show.on(Target("t", server.url)):
                await clock.sleep(20)
                await show.end()
            for agent in ("ada", "bob"):
                assert own_text(server, agent) == show.text_of(agent)

    run_virtual(main)


@ALL
def test_a_drop_after_the_last_word_opens_no_room_for_nothing(kind: Kind, dialect: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await debate(show, turns=2)
                await show.end()
                await clock.sleep(0.01)
                server.drop("Ada")
            assert len(server.rooms_of("ada")) == 1
            assert show.reports["ada", "t"].delivered == 3

    run_virtual(main)


@PULSAR
def test_a_connection_that_drops_just_before_the_end_has_as_long_as_one_that_holds(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await debate(show, turns=2)
                await server.stop()
                await debate(show, turns=1)
                await show.end()
                await clock.sleep(6)
                await server.start()
            assert (show.reports["ada", "t"].delivered, show.reports["ada", "t"].problem) == (6, "")

    run_virtual(main)


@PULSAR
def test_a_target_that_went_away_for_good_holds_up_the_end_for_a_moment_only(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await debate(show, turns=2)
                await server.stop()
                await debate(show, turns=2)
                await clock.sleep(30)
                await show.end()
                ended = clock.monotonic()
            assert clock.monotonic() - ended == pytest.approx(5.0)
            assert "no connection" in show.reports["ada", "t"].problem
            assert (show.reports["ada", "t"].sent, show.reports["ada", "t"].delivered) == (3, 3)

    run_virtual(main)
