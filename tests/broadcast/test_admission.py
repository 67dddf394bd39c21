"""Being let in, or not, over whole connections."""

from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from debate_caster.broadcast import Target
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.show.events import ConnectionDown, ConnectionUp
from tests.broadcast.performance import Performance, cast
from tests.broadcast.scenes import PULSAR, Kind, debate, own_text
from tests.pulsar_servers.pulsar_v2 import PulsarV2


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
