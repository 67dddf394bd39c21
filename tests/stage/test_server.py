import asyncio
import socket
from collections.abc import Awaitable

import pytest

from debate_caster.errors import SetupError
from debate_caster.log import EventLog
from debate_caster.stage import open_stage
from debate_caster.stage.server import SEND_BUFFER, USER_TIMEOUT_MS
from tests.stage.people import browser, caster_on, eventually, viewer_of

EVERYWHERE = "0.0.0.0"  # noqa: S104 - that it is not had unasked is the point


@pytest.mark.parametrize("host", [EVERYWHERE, "", "::", "192.0.2.1", "stage.example"])
async def test_a_stage_is_opened_to_others_only_when_asked_to(log: EventLog, host: str) -> None:
    with pytest.raises(SetupError, match="unasked"):
        async with open_stage(host, log=log):
            raise AssertionError("it was opened")


async def test_a_stage_for_everybody_says_where_it_is(log: EventLog) -> None:
    async with (
        open_stage(EVERYWHERE, log=log, allow_public=True, open_to_agents=True) as stage,
        caster_on(stage),
        viewer_of(stage) as viewer,
    ):
        await viewer.hear("hello")
        assert stage.url == f"http://127.0.0.1:{stage.port}"
        assert stage.agents_url == f"ws://127.0.0.1:{stage.port}/ws"


async def test_a_port_that_is_taken_is_reported_with_the_cure(log: EventLog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"port {port} .* can't be had .*Name another port"):
            async with open_stage(port=port, log=log):
                raise AssertionError("it was opened")


async def test_an_address_of_another_machine_is_reported(log: EventLog) -> None:
    with pytest.raises(SetupError, match="can't be had"):
        async with open_stage("192.0.2.1", log=log, allow_public=True, open_to_agents=True):
            raise AssertionError("it was opened")


async def test_the_callers_own_error_comes_out_as_it_is(log: EventLog) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with open_stage(log=log):
            raise LookupError("mine")


async def test_cancelling_the_caller_closes_the_stage(log: EventLog) -> None:
    opened = asyncio.Event()

    async def run() -> None:
        async with open_stage(log=log):
            opened.set()
            await asyncio.Event().wait()

    running = asyncio.ensure_future(run())
    await opened.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_connections_to_the_dead_end_by_themselves(log: EventLog) -> None:
    async with open_stage(log=log) as stage, caster_on(stage), viewer_of(stage) as viewer:
        await viewer.hear("hello")
        (watching,) = stage._audience.watching
        peer = watching.transport.get_extra_info("socket")
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == USER_TIMEOUT_MS
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER


async def test_a_stage_may_be_opened_again_on_its_port_at_once(log: EventLog) -> None:
    async with open_stage(log=log) as stage, caster_on(stage), viewer_of(stage) as viewer:
        await viewer.hear("hello")
        port = stage.port
    async with open_stage(port=port, log=log) as stage:
        assert stage.port == port


async def test_a_stage_that_winds_down_is_not_ready_and_waits_for_the_shows_that_are_on(log: EventLog) -> None:
    async with (
        open_stage(log=log) as stage,
        browser() as session,
        caster_on(stage) as caster,
        viewer_of(stage) as viewer,
    ):

        async def status(path: str) -> int:
            async with session.get(stage.url + path) as answer:
                return answer.status

        await viewer.hear("hello")
        winding = asyncio.create_task(stage.wind_down())
        await eventually(lambda: is_so(status("/readyz"), 503))
        assert [await status(path) for path in ("/", "/healthz", "/api/shows")] == [200] * 3
        async with caster_on(stage, "show-2", name="ben"):
            await caster.stream("To the end.")
            assert (await viewer.hear("chunk_aired"))["text"] == "To the end."
            assert not winding.done()
            await caster.say("broadcast_end", reason="completed")
            await winding
            assert stage.shows_on == 1, "who comes late is let in, and not waited for"


async def is_so(found: Awaitable[int], wanted: int) -> bool:
    return await found == wanted
