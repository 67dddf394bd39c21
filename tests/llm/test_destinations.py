import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from debate_caster import addresses
from debate_caster.clock import SystemClock
from debate_caster.errors import ModelError, SetupError
from debate_caster.llm import destinations
from debate_caster.llm.destinations import ForbiddenAddressError, PublicTransport, goes_through_proxy
from debate_caster.llm.openai import OpenAILLM
from tests.llm.doubles import take
from tests.llm.faulty_server import FaultyServer
from tests.test_addresses import ELSEWHERE, UNSPECIFIED

SPELLINGS = [
    "169.254.169.254", "169.254.169.254.", "2852039166", "0xA9FEA9FE", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376",
    "169.254.43518", "169.16689662", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]", "[fd00:ec2::254]", "[fe80::1]", "[fc00::1]", "[::]", "0", UNSPECIFIED, "10.1", "10.0.0.1",
    "167772161", "0x0a.1", "192.168.0.1", "172.31.255.255", "100.100.100.200", "224.0.0.1",
]  # fmt: skip


class Net:
    """A resolver and the network behind it: remembers what was looked up and where it was gone to."""

    def __init__(self, *answers: list[str], unreachable: frozenset[str] = frozenset()) -> None:
        self._answers, self._unreachable = list(answers), unreachable
        self.looked_up: list[tuple[str, int]] = []
        self.asked: list[httpx2.Request] = []
        self.tried: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.looked_up.append((host, port))
        return self._answers.pop(0)

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.tried.append(request.url.host)
        if request.url.host in self._unreachable:
            raise httpx2.ConnectError("nobody there", request=request)
        self.asked.append(request)
        return httpx2.Response(302, headers={"Location": "http://169.254.169.254/latest/meta-data"})

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        transport = PublicTransport(httpx2.MockTransport(self.answer), connect_timeout_s=1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(addresses, "look_up", self.resolve)
            async with httpx2.AsyncClient(transport=transport) as client:
                yield client


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_a_private_address_makes_a_model(host: str, scheme: str) -> None:
    with pytest.raises(SetupError, match="allow_private: true"):
        OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url=f"{scheme}://{host}/v1")


@pytest.mark.parametrize("base_url", ["https://10.0.0.1:8000/v1", "http://10.0.0.1:8000/v1", "http://vllm.internal/v1"])
async def test_a_private_address_with_a_key_is_for_those_who_say_so(base_url: str) -> None:
    def model(*, allow_private: bool) -> OpenAILLM:
        return OpenAILLM(
            name="m",
            model="tiny",
            clock=SystemClock(),
            base_url=base_url,
            allow_private=allow_private,
            api_key=SecretStr("k"),
        )

    with pytest.raises(SetupError, match=r"allow_private: true|everybody on the way"):
        model(allow_private=False)
    llm = model(allow_private=True)
    await llm.close()
    assert llm.name == "m"


async def test_a_name_that_leads_into_a_private_network_is_gone_to_for_those_who_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look_up = socket.getaddrinfo

    def internal(host: str | bytes, *args: Any, **options: Any) -> Any:
        return look_up("127.0.0.1" if host in ("vllm.internal", b"vllm.internal") else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", internal)
    async with FaultyServer() as server:
        base_url = server.base_url.replace("127.0.0.1", "vllm.internal")
        for allow_private, goes_there in (
            (False, pytest.raises(ModelError, match="not at a public")),
            (True, nullcontext()),
        ):
            llm = OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url=base_url, allow_private=allow_private)
            with goes_there:
                assert await take(llm)
            await llm.close()
            assert bool(server.requests) == allow_private


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_a_model_on_this_machine_needs_no_leave(name: str) -> None:
    async with FaultyServer() as server:
        base_url = server.base_url.replace("127.0.0.1", name)
        llm = OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url=base_url, api_key=SecretStr("a key"))
        assert await take(llm)
        await llm.close()


@pytest.mark.parametrize("address", ELSEWHERE)
async def test_a_name_that_leads_into_a_private_network_is_not_gone_to(address: str) -> None:
    net = Net([address])
    async with net.client() as client:
        with pytest.raises(ForbiddenAddressError, match=r"models\.example is not at a public address"):
            await client.get("https://models.example/v1")
    assert not net.tried


async def test_one_private_address_among_others_is_enough_to_stay_away() -> None:
    net = Net(["93.184.216.34", "10.0.0.1"])
    async with net.client() as client:
        with pytest.raises(ForbiddenAddressError):
            await client.get("https://models.example/v1")
    assert not net.tried


async def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    net = Net(["93.184.216.34"], ["169.254.169.254"])
    async with net.client() as client:
        await client.get("https://models.example:8443/v1")
        with pytest.raises(ForbiddenAddressError):  # every connection is checked anew
            await client.get("https://models.example:8443/v1")

    (asked,) = net.asked
    assert net.looked_up == [("models.example", 8443)] * 2
    assert (asked.url.host, asked.url.port, asked.url.path) == ("93.184.216.34", 8443, "/v1")
    assert asked.headers["Host"] == "models.example:8443"
    assert asked.extensions["sni_hostname"] == "models.example"


async def test_a_name_with_several_addresses_is_reached_at_one_that_answers() -> None:
    net = Net(["2606:4700::1111", "93.184.216.34"], unreachable=frozenset({"2606:4700::1111"}))
    async with net.client() as client:
        await client.get("https://models.example/v1")
    assert net.tried == ["2606:4700::1111", "93.184.216.34"]

    nobody = Net(["93.184.216.34"], [], unreachable=frozenset({"93.184.216.34"}))
    async with nobody.client() as client:
        for reason in ("nobody there", "has no address"):
            with pytest.raises(httpx2.ConnectError, match=reason):
                await client.get("https://models.example/v1")


async def test_a_redirect_into_a_private_network_is_not_followed() -> None:
    net = Net(["93.184.216.34"])
    async with net.client() as client:
        answer = await client.get("https://models.example/v1")
    assert answer.status_code == 302
    assert net.tried == ["93.184.216.34"]


async def test_a_model_that_may_not_be_gone_to_is_an_error_no_retry_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def inside(_host: str, _port: int) -> list[str]:
        return ["192.168.0.7"]

    async def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    for look_up, retryable, reason in ((inside, False, "not at a public"), (nowhere, True, "can't be looked up")):
        monkeypatch.setattr(addresses, "look_up", look_up)
        llm = OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url="https://models.example/v1")
        with pytest.raises(ModelError, match=reason) as failed:
            await take(llm)
        await llm.close()
        assert (failed.value.kind, failed.value.retryable) == ("connect", retryable)


def test_a_key_does_not_cross_the_internet_in_the_clear() -> None:
    with pytest.raises(SetupError, match="https"):
        OpenAILLM(name="m", model="t", clock=SystemClock(), base_url="http://models.example/v1", api_key=SecretStr("k"))


def test_a_proxy_of_the_user_is_the_users_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert not goes_through_proxy("https", "models.example")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert goes_through_proxy("https", "models.example")
    assert not goes_through_proxy("http", "models.example")
    monkeypatch.setenv("no_proxy", "models.example")
    assert not goes_through_proxy("https", "models.example")


async def test_a_models_server_that_sends_us_elsewhere_is_not_followed() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 307 X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        llm = OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url=f"http://127.0.0.1:{port}/v1")
        with pytest.raises(ModelError):
            await take(llm)
        await llm.close()

    assert len(asked) == 1


def test_certificates_are_checked_by_those_that_the_machine_trusts_which_are_read_once() -> None:
    trusted = destinations.trust_in("https", "models.example")

    assert (trusted.verify_mode, trusted.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert destinations.trust_in("https", "127.0.0.1") is destinations.trust_in("http", "models.example") is trusted
    assert len(trusted.get_ca_certs()) == 1  # the tests' own authority


def test_a_server_is_asked_with_the_machines_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    class Noting(httpx2.AsyncHTTPTransport):
        def __init__(self, verify: ssl.SSLContext | bool = True, **options: Any) -> None:
            given.append(verify)
            super().__init__(verify, **options)

    monkeypatch.setattr(httpx2, "AsyncHTTPTransport", Noting)
    OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url="https://models.example/v1")
    destinations.checked_client("https://hook.example/x", name="hook", timeout_s=1, allow_private=False)

    assert given == [destinations.trust_in("https", "models.example")] * 2


def test_certificates_that_cannot_be_read_are_said_and_keep_no_model_on_this_machine_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    destinations._certificates.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url="http://127.0.0.1:11434/v1")
    for make in (
        lambda: OpenAILLM(name="m", model="tiny", clock=SystemClock(), base_url="https://models.example/v1"),
        lambda: destinations.checked_client("https://h.example", name="hook", timeout_s=1, allow_private=True),
    ):
        with pytest.raises(
            SetupError, match=r"trusts can't be read: .+\. Mend what the environment says: SSL_CERT_FILE="
        ):
            make()
