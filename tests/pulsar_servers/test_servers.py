"""The imitations do what the real servers were seen to do: a client that is wrong there is wrong here."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from debate_caster.clock import VirtualClock, run_virtual
from tests.pulsar_servers.loopback import LoopbackServer
from tests.pulsar_servers.pulsar_v1 import PulsarV1
from tests.pulsar_servers.pulsar_v2 import PulsarV2

SERVERS = pytest.mark.parametrize("kind", [PulsarV1, PulsarV2], ids=["v1", "v2"])


class Agent:
    """A client that says what it is told and keeps what it hears."""

    def __init__(self, socket: ClientConnection, agent_id: str) -> None:
        self.socket, self.agent_id = socket, agent_id
        self.room = ""

    async def say(self, type_: str, **payload: Any) -> None:
        await self.socket.send(json.dumps({"type": type_, "payload": {"agentId": self.agent_id, **payload}}))

    async def heard(self) -> list[dict[str, Any]]:
        """Return everything that has come until now."""
        await (await self.socket.ping())
        frames = []
        try:
            while True:
                async with asyncio.timeout(0.01):
                    frames.append(json.loads(await self.socket.recv()))
        except TimeoutError:
            return frames

    async def types(self) -> list[str]:
        return [frame["type"] for frame in await self.heard()]

    async def go_live(self, **register: Any) -> None:
        await self.say("register", name=self.agent_id.title(), **register)
        await self.say("broadcast_start", title="Cats")
        approved = next(frame for frame in await self.heard() if frame["type"] == "broadcast_approved")
        self.room = approved["payload"]["broadcastId"]


@asynccontextmanager
async def agent(server: LoopbackServer, agent_id: str) -> AsyncIterator[Agent]:
    async with connect(server.url, ping_interval=None, proxy=None) as socket:
        yield Agent(socket, agent_id)


def test_a_flat_register_gets_silence_from_v1_and_an_error_from_v2() -> None:
    async def main(clock: VirtualClock) -> list[list[str]]:
        heard = []
        for kind in (PulsarV1, PulsarV2):
            async with kind(clock) as server, agent(server, "ada") as ada:
                await ada.socket.send('{"type":"register","agentId":"ada","name":"Ada"}')
                heard.append(await ada.types())
        return heard

    assert run_virtual(main) == [[], ["error"]]


@SERVERS
def test_replies_have_a_payload_and_what_goes_to_a_room_is_flat(kind: type[LoopbackServer]) -> None:
    async def main(clock: VirtualClock) -> None:
        async with kind(clock) as server, agent(server, "ada") as ada, agent(server, "bob") as bob:
            await ada.go_live()
            await bob.say("register", name="Bob")
            await ada.say("stream_text", broadcastId=ada.room, text="Hello", turn=1)
            frames = {frame["type"]: frame for frame in await bob.heard()}
            assert "payload" in frames["registered"]
            assert "payload" in frames["viewer_context"]
            assert "payload" not in frames["live_update"]
            assert frames["live_update"]["messages"][0]["text"] == "Hello"
            assert await ada.types() in ([], ["live_update"])  # v2's system line; never its own

    run_virtual(main)


def test_features_are_listed_by_v2_only() -> None:
    async def main(clock: VirtualClock) -> list[bool]:
        listed = []
        for kind in (PulsarV1, PulsarV2):
            async with kind(clock) as server, agent(server, "ada") as ada:
                await ada.say("register", name="Ada")
                listed.append("features" in (await ada.heard())[0]["payload"])
        return listed

    assert run_virtual(main) == [False, True]


def test_v1_drops_text_without_ids_and_v2_falls_back_to_the_own_room() -> None:
    async def main(clock: VirtualClock) -> list[list[str]]:
        aired = []
        for kind in (PulsarV1, PulsarV2):
            async with kind(clock) as server, agent(server, "ada") as ada:
                await ada.go_live()
                await ada.say("stream_text", text="Hello")
                await ada.heard()
                aired.append(server.rooms[ada.room].texts())
        return aired

    assert run_virtual(main) == [[], ["Hello"]]


@SERVERS
def test_more_than_ten_messages_a_second_are_dropped_with_a_warning(kind: type[LoopbackServer]) -> None:
    async def main(clock: VirtualClock) -> None:
        async with kind(clock) as server, agent(server, "ada") as ada:
            await ada.go_live()
            await clock.sleep(2)
            for number in range(12):
                await ada.say("stream_text", broadcastId=ada.room, text=f"{number}")
            await ada.heard()
            assert server.rooms[ada.room].texts() == [f"{number}" for number in range(10)]
            assert server.warnings == ["RATE_LIMIT_EXCEEDED"] * 2

    run_virtual(main)


def test_repetitions_vanish_on_v1_and_are_warned_of_on_v2() -> None:
    async def main(clock: VirtualClock) -> list[tuple[list[str], list[str]]]:
        seen = []
        for kind in (PulsarV1, PulsarV2):
            async with kind(clock) as server, agent(server, "ada") as ada:
                await ada.go_live()
                for text in ("A", "B", "A", "A"):
                    await ada.say("stream_text", broadcastId=ada.room, text=text)
                await clock.sleep(5)
                await ada.say("stream_text", broadcastId=ada.room, text="A")
                await ada.heard()
                seen.append((server.rooms[ada.room].texts(), server.warnings))
        return seen

    assert run_virtual(main) == [(["A", "B", "A"], []), (["A", "B", "A", "A"], ["DUPLICATE_MESSAGE"])]


def test_v1_forgets_who_sends_no_heartbeat_and_leaves_the_socket_open() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV1(clock) as server, agent(server, "ada") as ada:
            await ada.go_live()
            for number in range(80):
                await ada.say("stream_text", broadcastId=ada.room, text=f"{number}")
                await clock.sleep(2)
            await ada.say("heartbeat")
            assert await ada.types() == []
            assert server.rooms[ada.room].ended == "host_disconnected"
            assert len(server.rooms[ada.room].lines) == 75

    run_virtual(main)


def test_on_v1_an_old_socket_that_closes_takes_the_new_registration_with_it() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV1(clock) as server, agent(server, "ada") as new:
            async with agent(server, "ada") as old:
                await old.go_live()
                await new.say("register", name="Ada")
                await new.heard()
            await clock.sleep(0.1)
            assert server.agents == {}

    run_virtual(main)


def test_v2_wants_the_first_secret_ever_after() -> None:
    async def main(clock: VirtualClock) -> list[str]:
        async with PulsarV2(clock) as server:
            answers = []
            for secret in ("one", "two", "one"):
                async with agent(server, "ada") as ada:
                    await ada.say("register", name="Ada", secret=secret)
                    answers += await ada.types()
            return answers

    assert run_virtual(main) == ["registered", "error", "registered"]


def test_v2_lets_explicit_agents_chat_only_where_they_have_joined() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, agent(server, "ada") as ada, agent(server, "bob") as bob:
            await ada.go_live()
            await bob.say("register", name="Bob", participationMode="explicit")
            assert await bob.types() == ["registered", "room_available"]
            await bob.say("stream_chat", broadcastId=ada.room, text="Hi")
            assert (await bob.heard())[0]["payload"]["code"] == "JOIN_REQUIRED"
            await bob.say("join_room", broadcastId=ada.room)
            await bob.say("stream_chat", broadcastId=ada.room, text="Hi")
            assert await bob.types() == ["room_joined", "chat_ack"]
            assert "live_update" in await ada.types()

    run_virtual(main)


def test_chat_is_echoed_by_v1_only() -> None:
    async def main(clock: VirtualClock) -> list[list[str]]:
        heard = []
        for kind in (PulsarV1, PulsarV2):
            async with kind(clock) as server, agent(server, "ada") as ada, agent(server, "bob") as bob:
                await ada.go_live()
                await bob.say("register", name="Bob")
                await bob.heard()
                await bob.say("stream_chat", broadcastId=ada.room, text="Hi")
                heard.append(await bob.types())
        return heard

    assert run_virtual(main) == [["live_update"], ["chat_ack"]]


def test_the_host_is_told_of_its_end_by_v2_only() -> None:
    async def main(clock: VirtualClock) -> list[list[str]]:
        heard = []
        for kind in (PulsarV1, PulsarV2):
            async with kind(clock) as server, agent(server, "ada") as ada:
                await ada.go_live()
                await ada.say("broadcast_end", broadcastId=ada.room)
                heard.append(await ada.types())
        return heard

    assert run_virtual(main) == [[], ["broadcast_ended"]]


def test_v2_cuts_between_utf16_units_whatever_they_are_part_of() -> None:
    async def main(clock: VirtualClock) -> str:
        async with PulsarV2(clock) as server, agent(server, "ada") as ada:
            await ada.go_live()
            await ada.say("stream_text", text="x" * 3999 + "😀")
            await ada.heard()
            return server.rooms[ada.room].texts()[0]

    assert run_virtual(main) == "x" * 3999 + "\ud83d"


@SERVERS
def test_a_dropped_host_ends_its_room_at_once(kind: type[LoopbackServer]) -> None:
    async def main(clock: VirtualClock) -> None:
        async with kind(clock) as server, agent(server, "ada") as ada:
            await ada.go_live()
            server.drop("Ada")
            await clock.sleep(0.1)
            assert server.rooms[ada.room].ended == "host_disconnected"

    run_virtual(main)


@SERVERS
def test_the_only_denial_is_for_a_second_broadcast(kind: type[LoopbackServer]) -> None:
    async def main(clock: VirtualClock) -> None:
        async with kind(clock) as server, agent(server, "ada") as ada:
            await ada.go_live()
            await ada.say("broadcast_start", title="More cats")
            denied = [frame for frame in await ada.heard() if frame["type"] == "broadcast_denied"]
            assert denied[0]["payload"] == {"reason": "you_are_already_broadcasting", "broadcastId": ada.room}

    run_virtual(main)
