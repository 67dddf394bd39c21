"""Connections that are opened and not used: each costs a file descriptor for as long as we wait for it."""

import asyncio
import json
from contextlib import AsyncExitStack, suppress

import pytest

from debate_caster.log import EventLog
from debate_caster.stage import Stage, open_stage
from debate_caster.stage import http as http_module
from debate_caster.stage import server as server_module
from tests.stage.people import caster_on, viewer_of

DEADLINE_S = 4.0
HEAD = b"GET /watch?show=show-1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Padding: "


async def connect(stage: Stage, stack: AsyncExitStack) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    stack.callback(writer.transport.abort)
    return reader, writer


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send a handshake that never ends, a byte now and then."""
    for byte in HEAD * 100:
        if writer.transport.is_closing():
            return
        writer.write(bytes([byte]))
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("half_open_at_once", [300, pytest.param(500, marks=pytest.mark.soak)])
async def test_half_open_handshakes_are_cut_at_the_deadline_and_hold_up_nobody(
    half_open_at_once: int, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "IDLE_S", DEADLINE_S)
    asyncio.get_running_loop().set_debug(False)  # which makes each connection ten times as slow
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(open_stage(log=log))
        await stack.enter_async_context(caster_on(stage))
        half_open = [await connect(stage, stack) for _ in range(half_open_at_once)]
        dripping = [asyncio.ensure_future(drip(writer)) for _, writer in half_open[::2]]
        stack.callback(lambda: [task.cancel() for task in dripping])

        viewer = await stack.enter_async_context(viewer_of(stage, "?show=show-1"))
        await viewer.hear("hello")
        assert not any(reader.at_eof() for reader, _ in half_open), "a viewer does not wait for them to be cut"

        async with asyncio.timeout(20):  # what nobody cuts drips for 1,000 s
            for reader, _ in half_open:
                with suppress(ConnectionError):  # where it was writing at that moment
                    assert await reader.read() == b""
        await viewer.say("ping")
        await viewer.hear("pong")


@pytest.mark.parametrize("path", ["hints", "votes", "control"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    log: EventLog, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(http_module, "BODY_S", 0.2)
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(open_stage(log=log))
        await stack.enter_async_context(caster_on(stage))
        reader, writer = await connect(stage, stack)
        head = f"POST /api/shows/show-1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\n"
        writer.write(head.encode() + b'{"text":')
        async with asyncio.timeout(60):
            head_of_answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            body = await reader.readuntil(b"}")
        assert head_of_answer.startswith("HTTP/1.1 408 ")
        assert "Connection: close" in head_of_answer
        assert json.loads(body)["error"] == "request_timeout"


async def test_a_page_that_asks_again_within_the_time_keeps_its_connection(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "IDLE_S", 2.0)
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(open_stage(log=log))
        reader, writer = await connect(stage, stack)
        for _ in range(4):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
            await asyncio.sleep(0.8)
