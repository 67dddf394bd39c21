"""Connections against servers on loopback that behave as each dialect does; sockets are real, time is not."""

import asyncio
import itertools
import json
import socket
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from debate_caster.broadcast import ConnectionLimits, Target
from debate_caster.broadcast.rooms import without_lead
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.pulsar.text import starts_alike, utf16_length
from debate_caster.show.events import ConnectionDown, ConnectionUp
from tests.broadcast.performance import SHOW, Performance, cast
from tests.pulsar_servers.flat import ExtendedServer, FlatServer
from tests.pulsar_servers.loopback import LoopbackServer, Received
from tests.pulsar_servers.pulsar_v1 import PulsarV1
from tests.pulsar_servers.pulsar_v2 import PulsarV2

Kind = Callable[[VirtualClock], LoopbackServer]
PULSAR = pytest.mark.parametrize("kind", [PulsarV1, PulsarV2], ids=["v1", "v2"])
ALL = pytest.mark.parametrize(
    ("kind", "dialect"), [(PulsarV1, "v1"), (PulsarV2, "v2"), (FlatServer, "flat"), (ExtendedServer, "stage")]
)


async def debate(show: Performance, *, turns: int = 4, lines: int = 3, pause_s: float = 2.0) -> None:
    """Speak in turns, each line a different one."""
    await show.start()
    for turn in range(turns):
        speaker = show.agents[turn % len(show.agents)].id
        for line in range(lines):
            await show.say(speaker, f"{speaker} makes point {line} of turn {turn}. ", turn=turn, pause_s=pause_s)


def own_text(server: LoopbackServer, agent: str) -> str:
    """Return what viewers read of the agent in all rooms it had."""
    return "".join(text for room in server.rooms_of(agent) for text in room.texts())


def mirrored_text(server: LoopbackServer, host: str, speaker: str) -> str:
    return "".join(
        without_lead(line.text)
        for room in server.rooms_of(host)
        for line in room.lines
        if line.role == "viewer" and line.name == speaker.title()
    )


def gaps(frames: list[Received]) -> list[float]:
    return [later.at - earlier.at for earlier, later in itertools.pairwise(frames)]


def most_within_a_second(frames: list[Received]) -> int:
    return max(sum(frame.at <= other.at < frame.at + 1.0 for other in frames) for frame in frames)


# -- every dialect -------------------------------------------------------------------------------------------------


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
                lines = [text for room in server.rooms_of(agent) for text in room.texts()]
                if dialect == "flat":  # nobody else is there who could have seen what arrived
                    assert show.text_of(agent) in _without_repetitions(lines)
                else:
                    assert "".join(lines) == show.text_of(agent)
                assert show.reports[agent, "t"].delivered == len(show.said[agent])
            assert len(server.handshakes) > 20

    run_virtual(main)


def _without_repetitions(lines: list[str]) -> str:
    return "".join(line for index, line in enumerate(lines) if index == 0 or lines[index - 1] != line)


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


# -- pacing --------------------------------------------------------------------------------------------------------


@PULSAR
def test_lines_are_two_seconds_apart_whatever_the_log_does_and_also_after_a_drop(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob", "cat"))
        random = Random(5)
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(300):
                    if number % 60 == 59:
                        server.drop(random.choice(["Ada", "Bob", "Cat"]))
                    speaker = ("ada", "bob", "cat")[number // 5 % 3]
                    pause_s = random.choice([0.0, 0.1, 2.0, 3.0])
                    await show.say(speaker, f"Point {number}, at some length. ", turn=number // 5, pause_s=pause_s)
                await clock.sleep(30)
                await show.end()
            for agent in ("ada", "bob", "cat"):
                assert own_text(server, agent) == show.text_of(agent)
                assert min(gaps(server.sent_texts(agent))) > 1.9999999
                mine = [frame for frame in server.received if frame.agent_id.startswith(agent)]
                assert most_within_a_second(mine) <= 10
            assert server.warnings == []

    run_virtual(main)


@PULSAR
def test_a_backlog_is_joined_into_few_lines_within_the_limit(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            await server.stop()
            async with show.on(Target("t", server.url), until_live=False):
                await show.start()
                for number in range(60):
                    await show.say("ada", f"{number} " + "long speech 😀 " * 15, pause_s=0.5)
                await server.start()
                await clock.sleep(90)
                await show.end()
            texts = server.rooms_of("ada")[0].texts()
            assert "".join(texts) == show.text_of("ada")
            assert len(texts) <= 6
            assert max(utf16_length(text) for text in texts) <= 3500

    run_virtual(main)


@PULSAR
def test_lines_that_start_alike_are_never_within_five_seconds(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(12):
                    await show.say(("ada", "bob")[number % 2], "No. ", turn=number)
                await clock.sleep(60)
                await show.end()
            for agent in ("ada", "bob"):
                assert own_text(server, agent) == show.text_of(agent)
                said = [
                    frame
                    for frame in server.received
                    if frame.type.startswith("stream") and frame.agent_id.startswith(agent)
                ]
                for first, second in itertools.combinations(said, 2):
                    assert not starts_alike(first.body["text"], second.body["text"]) or second.at - first.at > 5.0
            assert server.warnings == []

    run_virtual(main)


@PULSAR
@pytest.mark.parametrize("code", ["RATE_LIMIT_EXCEEDED", "DUPLICATE_MESSAGE", "SOMETHING_NEW"])
def test_a_line_that_the_server_dropped_is_said_again(kind: Kind, code: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                for number in range(4):
                    server.faults.warn = code
                    await show.say("ada", f"Point {number}. ", pause_s=8.0)
                await show.end()
            assert own_text(server, "ada") == show.text_of("ada")
            assert mirrored_text(server, "bob", "ada") == show.text_of("ada")
            assert server.warnings == [code] * 4

    run_virtual(main)


# -- mirroring -----------------------------------------------------------------------------------------------------


@PULSAR
@pytest.mark.parametrize("names", [("ada", "bob"), ("ada", "bob", "cat")], ids=["two rooms", "three rooms"])
def test_every_room_shows_the_whole_debate_in_order(kind: Kind, names: tuple[str, ...]) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast(*names))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await debate(show, turns=6)
                await show.end()
            debated = [
                f"{names[turn % len(names)]} makes point {line} of turn {turn}. "
                for turn in range(6)
                for line in range(3)
            ]
            for name in names:
                (room,) = server.rooms_of(name)
                assert [without_lead(line.text) for line in room.lines] == debated
                assert all((line.role == "host") == (line.name == name.title()) for line in room.lines)
                assert max(abs(line.at - 2.0 * place) for place, line in enumerate(room.lines)) < 0.5
            assert show.remarks == []
            assert server.warnings == []

    run_virtual(main)


@PULSAR
def test_a_room_opened_anew_gets_what_the_others_said_meanwhile(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.say("ada", "I begin. ")
                server.faults.status = 503
                server.drop("Ada")
                for number in range(5):
                    await show.say("bob", f"Answer {number}. ", turn=1)
                server.faults.status = 0
                await clock.sleep(40)
                await show.say("ada", "I am back. ", turn=2)
                await show.end()
            assert [room.ended for room in server.rooms_of("ada")] == ["host_disconnected", "completed"]
            assert mirrored_text(server, "ada", "bob") == show.text_of("bob")
            assert mirrored_text(server, "bob", "ada") == show.text_of("ada")

    run_virtual(main)


@PULSAR
def test_long_lines_are_mirrored_in_pieces_that_no_server_cuts(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url)):
                await show.start()
                await show.say("ada", "A sentence with 👨‍👩‍👧‍👦 in it. " * 100, pause_s=20)
                await show.say("ada", "👨‍👩‍👧‍👦" * 400, turn=2, pause_s=20)
                await show.end()
            assert own_text(server, "ada") == show.text_of("ada")
            assert mirrored_text(server, "bob", "ada") == show.text_of("ada")
            chats = [frame.body["text"] for frame in server.received if frame.type == "stream_chat"]
            assert max(utf16_length(text) for text in chats) <= 1000

    run_virtual(main)


@PULSAR
def test_without_mirroring_nobody_chats(kind: Kind) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada", "bob"))
        async with kind(clock) as server:
            async with show.on(Target("t", server.url, mirror=False)):
                await debate(show)
                await show.end()
            assert {frame.type for frame in server.received} <= {
                "register", "broadcast_start", "stream_text", "heartbeat", "broadcast_end"
            }  # fmt: skip

    run_virtual(main)


# -- others down ---------------------------------------------------------------------------------------------------


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


# -- servers that lose us ------------------------------------------------------------------------------------------


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


# -- being refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_not_let_in_does_not_try_again(status: int) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with PulsarV2(clock) as server:
            server.faults.status = status
            async with show.on(Target("t", server.url), until_live=False):
                await clock.sleep(300)
            assert show.reports["ada", "t"].problem == f"answered with HTTP status {status}"
            assert len(server.handshakes) == 1
            assert [state for state in show.states if isinstance(state, ConnectionDown) and state.final] == show.states

    run_virtual(main)


def test_a_wrong_secret_is_said_and_not_repeated() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with PulsarV2(clock) as server:
            with show.credentials.lend("t", "ada") as credential:
                server.secrets[credential.agent_id] = "somebody else's"
            async with show.on(Target("t", server.url), until_live=False):
                await clock.sleep(300)
            assert show.reports["ada", "t"].problem == "the server does not let us in: AUTH_FAILED: auth_failed"
            assert len(server.handshakes) == 1

    run_virtual(main)


def test_an_address_that_is_none_ends_only_its_connection() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with PulsarV2(clock) as server:
            async with show.on(Target("t", server.url), Target("bad", "http://nowhere"), until_live=False):
                await show.connections["ada", "t"].live.wait()
                await debate(show, turns=1)
                await show.end()
            assert "must be ws://" in show.reports["ada", "bad"].problem
            assert own_text(server, "ada") == show.text_of("ada")

    run_virtual(main)


@PULSAR
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"silent_register": True}, "no answer to `register` within 10 s"),
        ({"silent_approve": True}, "no answer to `broadcast_start` within 10 s"),
        ({"deny_reason": "another_broadcast_active"}, "the broadcast was denied: another_broadcast_active"),
        ({"status": 503}, "answered with HTTP status 503"),
    ],
)
def test_who_may_be_let_in_later_tries_again_ever_more_slowly(kind: Kind, fault: dict[str, Any], reason: str) -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with kind(clock) as server:
            vars(server.faults).update(fault)
            with capture_logs() as logs:
                async with show.on(Target("t", server.url), until_live=False):
                    await clock.sleep(600)
                    assert not show.connections["ada", "t"].live.is_set()
                    tries = len(server.handshakes)
                    server.faults = type(server.faults)()
                    await show.connections["ada", "t"].live.wait()
                    await debate(show, turns=1)
                    await show.end()
            assert 8 <= tries <= 18
            assert own_text(server, "ada") == show.text_of("ada")
            assert [log["reason"] for log in logs if log["event"] == "off_air"] == [reason, "ended"]
            assert isinstance(show.states[0], ConnectionDown)
            assert isinstance(show.states[1], ConnectionUp)

    run_virtual(main)


def test_a_redirect_is_not_followed_with_our_secrets() -> None:
    async def main(clock: VirtualClock) -> None:
        show = Performance(clock, cast("ada"))
        async with PulsarV2(clock) as thief, PulsarV2(clock) as server:
            server.faults.status, server.location = 302, thief.url
            async with show.on(Target("t", server.url, token=SecretStr("canary")), until_live=False):
                await clock.sleep(30)
                await show.end()
            assert len(server.handshakes) > 1
            assert thief.handshakes == []
            assert show.reports["ada", "t"].problem == "answered with HTTP status 302"

    run_virtual(main)


# -- viewers -------------------------------------------------------------------------------------------------------


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
            assert _without_repetitions(room.texts()) == show.text_of("ada")
            assert show.reports["ada", "t"].problem == ""
            bad = [log["detail"] for log in logs if log["event"] == "bad_frame_received"]
            assert 1 <= len(bad) == len(set(bad)) <= 20
            assert all(len(str(log)) < 1000 for log in logs)
            assert all(len(remark.text) <= 1000 for remark in show.remarks)

    run_virtual(main)


# -- the end -------------------------------------------------------------------------------------------------------


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
