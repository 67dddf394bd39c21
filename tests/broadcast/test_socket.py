import asyncio
import socket
import ssl

import pytest
from pydantic import SecretStr

from debate_caster import addresses
from debate_caster.broadcast import socket as way
from debate_caster.broadcast.socket import DroppedError, open_socket, receive, transmit
from debate_caster.broadcast.target import ConnectionLimits, Target
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.errors import BroadcastError
from tests.pulsar_servers.pulsar_v2 import PulsarV2
from tests.test_addresses import ELSEWHERE

LIMITS = ConnectionLimits()


class Resolver:
    """Stands in for the machine's: gives each look-up the next answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = list(answers)
        monkeypatch.setattr(addresses, "look_up", self._answer)
        for name in ("ws", "wss", "socks", "http", "https", "all", "no"):
            monkeypatch.delenv(f"{name}_proxy", raising=False)
            monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)

    async def _answer(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self._answers.pop(0)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


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


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_name_that_leads_into_a_private_network_is_not_gone_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(clock: VirtualClock) -> None:
        resolver = Resolver(monkeypatch, ["93.184.216.34", address])
        target = Target("t", "wss://pulsar.example/ws")
        with pytest.raises(BroadcastError, match=r"pulsar\.example is not at a public address. Say `allow_private"):
            async with open_socket(target, clock=clock, limits=LIMITS):
                pass
        assert resolver.asked == [("pulsar.example", 443)]

    monkeypatch.setattr(way, "_open", None)  # nothing is sent
    run_virtual(main)


def test_what_agents_prove_themselves_with_does_not_cross_the_internet_in_the_clear_whoever_named_the_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(clock: VirtualClock) -> None:
        Resolver(monkeypatch, ["10.0.0.1", "93.184.216.34"])
        target = Target("t", "ws://pulsar.example/ws", allow_private=True)
        with pytest.raises(BroadcastError, match="Write wss"):
            async with open_socket(target, clock=clock, limits=LIMITS):
                pass

    monkeypatch.setattr(way, "_open", None)
    run_virtual(main)


@pytest.mark.parametrize(
    ("scheme", "found", "gone_to"),
    [("ws", ["10.0.0.1", "93.184.216.34"], False), ("ws", ["10.0.0.1"], True), ("wss", None, True)],
)
def test_a_proxy_is_shown_no_secret_in_the_clear_for_a_target_on_the_internet(
    scheme: str, found: list[str] | None, gone_to: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(clock: VirtualClock) -> None:
        asked: list[bytes] = []

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readline())
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        resolver = Resolver(monkeypatch, *([found] if found else []))
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
            way_there = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
            for name in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(name, way_there)
            target = Target("t", f"{scheme}://debates.example:8080/ws", allow_private=True)
            target.check()
            with pytest.raises(BroadcastError, match=None if gone_to else "Write wss") as caught:
                async with open_socket(target, clock=clock, limits=LIMITS):
                    pass
        assert asked == ([b"CONNECT debates.example:8080 HTTP/1.1\r\n"] if gone_to else [])
        assert isinstance(caught.value, DroppedError) is gone_to
        assert resolver.asked == ([("debates.example", 8080)] if found else [])  # else the proxy looks it up, alone

    run_virtual(main)


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server:
            port = port_of(server.url)
            resolver = Resolver(monkeypatch, ["127.0.0.1"], ["93.184.216.34"])
            target = Target("t", f"ws://stage.invalid:{port}/ws", allow_private=True)
            async with open_socket(target, clock=clock, limits=LIMITS) as ours:
                assert ours.remote_address == ("127.0.0.1", port)
                assert ours.request is not None
                assert ours.request.headers["Host"] == f"stage.invalid:{port}"
            with pytest.raises(BroadcastError, match="wss"):  # every connection is checked anew
                async with open_socket(target, clock=clock, limits=LIMITS):
                    pass
            assert resolver.asked == [("stage.invalid", port)] * 2

    run_virtual(main)


def test_a_certificate_is_wanted_for_the_name_and_not_for_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(clock: VirtualClock) -> None:
        names: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # it has no certificate: nobody gets further than the name
        context.sni_callback = lambda _socket, name, _context: names.append(name)
        Resolver(monkeypatch, ["127.0.0.1"])
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0, ssl=context)
        async with server:
            target = Target("t", f"wss://stage.invalid:{server.sockets[0].getsockname()[1]}/ws", allow_private=True)
            with pytest.raises(DroppedError):
                async with open_socket(target, clock=clock, limits=LIMITS):
                    pass
        assert names == ["stage.invalid"]

    run_virtual(main)


def test_a_name_with_several_addresses_is_reached_at_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server:
            port = port_of(server.url)
            Resolver(monkeypatch, ["127.0.0.9", "127.0.0.1"], [], ["127.0.0.9", "127.0.0.8"])
            target = Target("t", f"ws://stage.invalid:{port}/ws", allow_private=True)
            async with open_socket(target, clock=clock, limits=LIMITS) as ours:
                assert ours.remote_address == ("127.0.0.1", port)
            for reason in ("has no address", "no connection: .*127.0.0.8"):
                with pytest.raises(DroppedError, match=reason):
                    async with open_socket(target, clock=clock, limits=LIMITS):
                        pass

    run_virtual(main)


def test_addresses_that_are_silent_leave_time_for_the_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(clock: VirtualClock) -> None:
        async with PulsarV2(clock) as server:
            port = port_of(server.url)
            silent = ["127.0.0.9", "127.0.0.8"]
            Resolver(monkeypatch, [*silent, "127.0.0.1"], [silent[0], "127.0.0.7", silent[1]])
            target = Target("t", f"ws://stage.invalid:{port}/ws", allow_private=True)
            with socket.socket() as one, socket.socket() as other:
                for listener, address in zip((one, other), silent, strict=True):
                    listener.bind((address, port))
                    listener.listen()
                began = clock.monotonic()
                async with open_socket(target, clock=clock, limits=LIMITS) as ours:
                    assert ours.remote_address == ("127.0.0.1", port)
                    assert clock.monotonic() - began == pytest.approx(20 / 3)
                began = clock.monotonic()
                with pytest.raises(DroppedError, match="no connection within 10 s"):
                    async with open_socket(target, clock=clock, limits=LIMITS):
                        pass
                assert clock.monotonic() - began == pytest.approx(10.0)  # what a refusal leaves is the next one's

    run_virtual(main)


def test_a_redirect_is_not_followed_with_the_secrets_in_hand() -> None:
    async def main(clock: VirtualClock) -> None:
        asked: list[bytes] = []

        async def send_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            where = f"ws://127.0.0.1:{port}/elsewhere"
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode())
            writer.close()

        async with await asyncio.start_server(send_away, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(DroppedError, match="HTTP status 302"):
                async with open_socket(Target("t", f"ws://127.0.0.1:{port}/"), clock=clock, limits=LIMITS):
                    pass
        assert len(asked) == 1

    run_virtual(main)
