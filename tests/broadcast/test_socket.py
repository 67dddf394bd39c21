import asyncio
import socket
import ssl

import pytest
from pydantic import SecretStr

from debate_caster.broadcast.socket import DroppedError, open_socket, receive, transmit
from debate_caster.broadcast.target import ConnectionLimits, Target
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.errors import BroadcastError
from tests.pulsar_servers.pulsar_v2 import PulsarV2

LIMITS = ConnectionLimits()


def test_the_token_is_shown_at_the_door() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server:
            target = Target("t", server.url, token=SecretStr("tok-1"))
            async with open_socket(target, clock=clock, limits=LIMITS):
                assert server.authorizations == ["Bearer tok-1"]
            async with open_socket(Target("t", server.url), clock=clock, limits=LIMITS):
                assert server.authorizations == ["Bearer tok-1", None]

    run_virtual(main)


def test_a_closed_connection_is_dropped_in_both_directions() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, open_socket(Target("t", server.url), clock=clock, limits=LIMITS) as ours:
            await server.stop()
            with pytest.raises(DroppedError, match="target t: the connection broke"):
                await receive(ours, target="t")
            with pytest.raises(DroppedError):
                await transmit(ours, "{}", target="t")

    run_virtual(main)


def test_a_goodbye_of_the_peer_is_told_with_its_code() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, open_socket(Target("t", server.url), clock=clock, limits=LIMITS) as ours:
            await next(iter(server._sockets)).close(4409, "taken over")
            with pytest.raises(DroppedError, match="closed by the peer with code 4409"):
                await receive(ours, target="t")

    run_virtual(main)


def test_nobody_there_and_nobody_answering_may_change() -> None:
    async def main(clock: VirtualClock) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
            with pytest.raises(DroppedError, match="no connection: "):
                async with open_socket(Target("t", url), clock=clock, limits=LIMITS):
                    pass
            listener.listen()
            began = clock.monotonic()
            with pytest.raises(DroppedError, match="no connection within 10 s"):
                async with open_socket(Target("t", url), clock=clock, limits=LIMITS):
                    pass
            assert clock.monotonic() - began == pytest.approx(10.0)

    run_virtual(main)


@pytest.mark.parametrize(("status", "hopeless"), [(401, True), (403, True), (404, False), (429, False), (503, False)])
def test_a_status_tells_whether_there_is_hope(status: int, hopeless: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server:
            server.faults.status = status
            with pytest.raises(BroadcastError, match=f"HTTP status {status}") as caught:
                async with open_socket(Target("t", server.url), clock=clock, limits=LIMITS):
                    pass
            assert isinstance(caught.value, DroppedError) is not hopeless

    run_virtual(main)


def test_something_that_is_no_websocket_server_is_dropped() -> None:
    async def main(clock: VirtualClock) -> None:
        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            with pytest.raises(DroppedError, match="no connection: "):
                async with open_socket(Target("t", url), clock=clock, limits=LIMITS):
                    pass

    run_virtual(main)


def test_a_server_without_tls_behind_wss_is_an_error_of_ours() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server:
            with pytest.raises(BroadcastError):
                async with open_socket(Target("t", server.url.replace("ws://", "wss://")), clock=clock, limits=LIMITS):
                    pass

    assert ssl.HAS_TLSv1_3
    run_virtual(main)


@pytest.mark.parametrize(("host", "token"), [("x" * 300, None), ("127.0.0.1", "canary\r\nX-Evil: 1")])
def test_what_can_never_be_sent_is_refused_without_showing_it(host: str, token: str | None) -> None:
    async def main(clock: VirtualClock) -> None:
        target = Target("t", f"ws://{host}:9/", token=SecretStr(token) if token else None)
        with pytest.raises(BroadcastError) as caught:
            async with open_socket(target, clock=clock, limits=LIMITS):
                pass
        assert "canary" not in str(caught.value)

    run_virtual(main)


def test_leaving_closes_down_to_the_transport_even_when_the_peer_is_stuck() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server:
            async with open_socket(Target("t", server.url), clock=clock, limits=LIMITS) as ours:
                next(iter(server._sockets)).transport.pause_reading()
                began = clock.monotonic()
            assert clock.monotonic() - began == pytest.approx(2.0)
            assert ours.transport.is_closing()

    run_virtual(main)


def test_frames_of_a_megabyte_arrive() -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server, open_socket(Target("t", server.url), clock=clock, limits=LIMITS) as ours:
            peer = next(iter(server._sockets))
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(peer.send("x" * 1_500_000))
                assert len(await receive(ours, target="t")) == 1_500_000
                await sending

    run_virtual(main)
