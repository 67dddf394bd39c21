import socket
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError
from structlog.testing import capture_logs

from debate_caster.errors import SetupError
from debate_caster.log import EventLog
from debate_caster.stage import open_stage
from debate_caster.stage.host_policy import CURE, HostPolicy, host_names, own_names
from debate_caster.stage.http import HOSTS_NOTED
from tests.stage.people import browser

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what others can reach is the point
ADDRESSES = ["10.1.2.3", "10.1.2.3:8765", "127.0.0.1", "[::1]:8765", "[fe80::1%25eth0]", "[2001:db8::1]"]
STRANGERS = ["evil.example", "10.1.2.3.evil.example", "evil.local", "127.0.0.1.evil.example", "[", ":1"]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Box.Home.Example")


async def statuses(log: EventLog, hosts: list[str], path: str = "/api/shows", **options: Any) -> dict[str, int]:
    """Return what a stage that others reach answers, by what it is asked as."""
    options = {"allow_public": True, "open_to_agents": True} | options
    async with open_stage(EVERYWHERE, log=log, **options) as stage, browser() as session:
        found = {}
        for host in hosts:
            async with session.get(stage.url + path, headers={"Host": host}) as answer:
                found[host] = answer.status
        return found


async def test_a_stage_for_others_answers_to_addresses_and_its_own_names_and_to_no_others(
    log: EventLog, named: None
) -> None:
    ours = [*ADDRESSES, "localhost", "demo.localhost", "box", "BOX.local:8765", "box.home.example", "box.home.example."]
    assert set((await statuses(log, ours)).values()) == {200}
    assert set((await statuses(log, STRANGERS)).values()) == {421}


async def test_a_stage_with_a_public_address_answers_to_that_and_to_addresses_alone(log: EventLog, named: None) -> None:
    public = {"public_url": "https://debates.example"}
    ours = [*ADDRESSES, "localhost", "debates.example", "Debates.Example:443"]
    assert set((await statuses(log, ours, **public)).values()) == {200}
    strangers = [*STRANGERS, "box", "box.local", "www.debates.example"]
    assert set((await statuses(log, strangers, **public)).values()) == {421}


@pytest.mark.parametrize("public_url", ["", "https://debates.example"])
async def test_names_that_the_operator_allows_are_answered(log: EventLog, public_url: str) -> None:
    allowed = frozenset({"Stage.lan", "other.lan."})
    hosts = ["stage.lan:8765", "other.lan", "x.stage.lan"]
    found = await statuses(log, hosts, allowed_hosts=allowed, public_url=public_url)
    assert list(found.values()) == [200, 200, 421]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_probes_by_address_are_answered_and_those_by_a_strangers_name_are_not(log: EventLog, path: str) -> None:
    assert await statuses(log, ["10.1.2.3:8765", "", "evil.example"], path) == {
        "10.1.2.3:8765": 200, "": 200, "evil.example": 421,
    }  # fmt: skip


async def test_who_rebinds_a_name_to_a_stage_for_others_opens_no_websocket(log: EventLog) -> None:
    async with open_stage(EVERYWHERE, log=log, allow_public=True, open_to_agents=True) as stage:
        for path in ("/ws", "/watch"):
            origin = f"http://evil.example:{stage.port}"
            headers = {"Host": f"evil.example:{stage.port}", "Origin": origin}
            async with browser() as session:
                with pytest.raises(WSServerHandshakeError, match="421"):
                    await session.ws_connect(stage.url + path, headers=headers)


async def test_a_refusal_names_its_cure_to_who_asked_and_once_in_the_log(log: EventLog) -> None:
    with capture_logs() as lines:
        async with (
            open_stage(EVERYWHERE, log=log, allow_public=True, open_to_agents=True) as stage,
            browser() as session,
        ):
            for number in range(HOSTS_NOTED + 20):
                for _ in range(2):
                    async with session.get(stage.url, headers={"Host": f"evil-{number}.example"}) as answer:
                        told = await answer.json()
                        assert told["error"] == "wrong_host"
                        assert "--allow-host" in told["message"]
    noted = [line for line in lines if line["event"] == "host_refused"]
    assert [line["host"] for line in noted] == [f"evil-{number}.example" for number in range(HOSTS_NOTED)]
    assert noted[0]["cure"] == CURE


def test_a_name_that_is_allowed_is_a_name() -> None:
    assert host_names(["Debates.Example.", "a", "my_stage", "127.0.0.1"]) == {
        "debates.example", "a", "my_stage", "127.0.0.1",
    }  # fmt: skip
    for wrong in ("https://debates.example", "debates.example:8765", "*.example", "", "a..b", "-a", "a/b", "é"):
        with pytest.raises(SetupError, match="no name of a host"):
            host_names([wrong])


def test_a_machine_that_listens_by_a_name_goes_by_it(named: None) -> None:
    assert own_names("Stage.LAN") == {"box", "box.local", "box.home.example", "stage.lan"}
    assert own_names("") == own_names("::") == {"box", "box.local", "box.home.example"}


def test_an_origin_is_ours_where_it_is_what_was_asked_for() -> None:
    ours = "127.0.0.1:8765"
    policy = HostPolicy()

    assert policy.admits_origin(f"http://{ours}", ours)
    assert not policy.admits_origin(f"http://{ours}.evil.example", ours)
    assert not policy.admits_origin(f"http://{ours}@evil.example", ours)
    assert not policy.admits_origin("https://stage.example:8443", "stage.example")
