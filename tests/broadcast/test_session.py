import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from debate_caster.broadcast.session import Session, UnknownAgentError
from debate_caster.broadcast.socket import DroppedError, open_socket
from debate_caster.broadcast.target import ConnectionLimits, Target
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.companions import alongside
from debate_caster.pulsar.client import ClientMachine, Identity, State
from debate_caster.pulsar.replies import ErrorReported, Reply, WarningGiven
from tests.pulsar_servers.flat import FlatServer
from tests.pulsar_servers.loopback import LoopbackServer, Room
from tests.pulsar_servers.pulsar_v1 import PulsarV1
from tests.pulsar_servers.pulsar_v2 import PulsarV2

LIMITS = ConnectionLimits()
DIALECTS = pytest.mark.parametrize("kind", [PulsarV1, PulsarV2, FlatServer])


@asynccontextmanager
async def live(
    server: LoopbackServer, clock: VirtualClock, heard: list[Reply] | None = None, *, goodbye: str = ""
) -> AsyncIterator[Session]:
    """Open a session that is on air, its reader running; say ``goodbye`` at the end of the block."""
    machine = ClientMachine(Identity("ada-1", "Ada", emoji="🦊"))
    async with open_socket(Target("t", server.url), clock=clock, limits=LIMITS) as socket:
        session = Session(
            socket, machine, target="t", clock=clock, limits=LIMITS,
            on_reply=lambda reply, _machine: None if heard is None else heard.append(reply),
        )  # fmt: skip
        async with alongside(session.read()):
            await session.send(machine.register())
            await session.until(lambda: machine.state is State.REGISTERED, "registered")
            await session.send(machine.start("Cats"))
            await session.until(lambda: machine.state is State.LIVE, "approved")
            yield session
        if goodbye:
            await session.say_goodbye(goodbye)


@DIALECTS
def test_a_delivered_line_has_arrived_when_deliver_returns(kind: type[LoopbackServer]) -> None:
    async def main(clock: VirtualClock) -> None:
        async with kind(clock) as server, live(server, clock) as session:
            assert await session.deliver(session.machine.text("Hello")) == ()
            assert next(iter(server.rooms.values())).texts() == ["Hello"]

    run_virtual(main)


def test_what_the_server_has_against_a_line_is_known_when_deliver_returns() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, live(server, clock) as session:
            assert await session.deliver(session.machine.text("Hello")) == ()
            assert await session.deliver(session.machine.text("Hello")) == (WarningGiven("DUPLICATE_MESSAGE"),)
            assert await session.deliver(session.machine.text(" ")) == (
                ErrorReported("EMPTY_MESSAGE", "empty_message"),
            )
            assert await session.deliver(session.machine.text("Bye")) == ()

    run_virtual(main)


def test_many_complaints_are_each_told_of_their_own_line() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, live(server, clock) as session:
            for number in range(30):
                server.faults.warn = "RATE_LIMIT_EXCEEDED" if number % 3 == 0 else ""
                complaints = await session.deliver(session.machine.text(f"{number}"))
                assert bool(complaints) == (number % 3 == 0)

    run_virtual(main)


def test_a_line_that_v1_did_not_take_because_it_forgot_us_is_not_delivered() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV1(clock) as server, live(server, clock) as session:
            await server.evict("ada-1")
            began = clock.monotonic()
            with pytest.raises(UnknownAgentError, match="forgotten"):
                await session.deliver(session.machine.text("Hello"))
            assert clock.monotonic() - began == pytest.approx(2.0)

    run_virtual(main)


@pytest.mark.parametrize(("kind", "forgets"), [(PulsarV1, True), (PulsarV2, False), (FlatServer, False)])
def test_only_a_server_that_answers_heartbeats_can_be_seen_to_forget(kind: type[LoopbackServer], forgets: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        async with kind(clock) as server, live(server, clock) as session:
            server.faults.heartbeats_unanswered = True
            beating = asyncio.create_task(session.beat())
            await clock.sleep(100)
            assert beating.done() is forgets
            beating.cancel()
            with pytest.raises(UnknownAgentError if forgets else asyncio.CancelledError):
                await beating

    run_virtual(main)


def test_a_v2_server_that_stops_answering_heartbeats_has_forgotten_us_too() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, live(server, clock) as session:
            beating = asyncio.create_task(session.beat())
            await clock.sleep(40)
            server.faults.heartbeats_unanswered = True
            with pytest.raises(UnknownAgentError):
                await beating

    run_virtual(main)


def test_never_more_than_eight_frames_in_a_second_and_in_order() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, live(server, clock) as session:
            async with asyncio.TaskGroup() as tasks:
                for number in range(40):
                    tasks.create_task(session.send(session.machine.text(f"{number}")))
            await session.deliver(session.machine.text("last"))
            texts = next(iter(server.rooms.values())).lines
            assert [line.text for line in texts] == [f"{number}" for number in range(40)] + ["last"]
            for line in texts:
                assert sum(line.at <= other.at < line.at + 1 for other in texts) <= 8
            assert server.warnings == []

    run_virtual(main)


def test_what_does_not_come_is_named() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, live(server, clock) as session:
            with pytest.raises(DroppedError, match="no blessing within 10 s"):
                await session.until(lambda: False, "blessing")

    run_virtual(main)


def test_a_peer_that_reads_nothing_does_not_hold_us_for_ever() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, live(server, clock) as session:
            server.named("Ada").socket.transport.pause_reading()

            async def shout() -> None:
                while True:
                    await session.send(session.machine.text("x" * 4000))

            with pytest.raises(DroppedError, match="the peer takes nothing"):
                await shout()

    run_virtual(main)


def test_a_frame_that_is_none_is_logged_once_and_skipped() -> None:
    async def main(clock: VirtualClock) -> None:
        heard: list[Reply] = []
        async with PulsarV2(clock) as server, live(server, clock, heard) as session:
            count = len(heard)
            with capture_logs() as logs:
                for frame in ("{", "[]", "{"):
                    await server.named("Ada").socket.send(frame)
                await session.deliver(session.machine.text("Hello"))
            assert [log["detail"] for log in logs] == ["not JSON: JSONDecodeError", "not a JSON object"]
            assert len(heard) == count

    run_virtual(main)


@pytest.mark.parametrize(
    ("kind", "state", "reason"),
    [(PulsarV1, State.ENDING, "bye"), (PulsarV2, State.ENDED, "bye"), (FlatServer, State.ENDED, "ended")],
)
def test_a_goodbye_ends_the_room_and_waits_only_for_who_answers(
    kind: type[LoopbackServer], state: State, reason: str
) -> None:
    async def main(clock: VirtualClock) -> None:
        async with kind(clock) as server:
            async with live(server, clock, goodbye="bye") as session:
                began = clock.monotonic()
            assert clock.monotonic() == began
            assert session.machine.state is state
            assert [room.ended for room in server.rooms.values()] == [reason]

    run_virtual(main)


def test_a_goodbye_that_is_not_answered_is_over_within_a_second() -> None:
    class Deaf(PulsarV2):
        async def end_room(self, room: Room, reason: str, *, tell_host: bool) -> None:
            await super().end_room(room, reason, tell_host=False)

    async def main(clock: VirtualClock) -> None:
        async with Deaf(clock) as server:
            async with live(server, clock, goodbye="bye"):
                began = clock.monotonic()
            assert clock.monotonic() - began == pytest.approx(1.0)

    run_virtual(main)


def test_a_goodbye_to_nobody_is_none() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, live(server, clock, goodbye="bye") as session:
            session.machine.receive('{"type":"broadcast_ended"}')
        assert [frame.type for frame in server.received] == ["register", "broadcast_start"]

    run_virtual(main)
