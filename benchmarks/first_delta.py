"""From a model's first words to a hundred viewers' sockets, when nothing is paced, beside a direct read of the model.

The model and the viewers are processes of their own. The model writes the instant into what it says (the machine's
monotonic clock is one for all processes); whoever reads it says how long ago that was.
"""

import asyncio
import json
import math
import re
import selectors
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figures import Figure
from benchmarks.scripted_show import as_the_program_does, make_scenario
from debate_caster.broadcast import Target
from debate_caster.log import SqliteEventLog
from debate_caster.runner import run_show
from debate_caster.scenario.script import ModelScript, Pacing
from debate_caster.stage import open_stage

__all__ = ["run"]

VIEWERS = 100
TURNS = 246
THINKING_S = 0.25
"""Before the first words: unpaced, but not more than the 20 frames a second that a stage takes from an agent."""

WARM_UP = 5
"""Turns not counted: first use of everything. Of the others one in a hundred has to be several, not one."""

UNPACED = Pacing(chars_per_second=1000, min_interval_s=0, gap_s=0, read_ahead=False, lead_min_s=0, lead_max_s=0)
STAMP = re.compile(rb"stamp (\d+) is when")
LONGEST_S = 180.0


def run() -> list[Figure]:
    as_the_program_does()
    direct, viewers = asyncio.run(measure())
    over = percentile(viewers, 99) - percentile(direct, 99)
    return [
        Figure(
            "first delta to a viewer's socket, p99 over a direct read", 1000 * over, "ms", "<= 5", over <= 0.005,
            f"{len(viewers):,} deliveries: {TURNS - WARM_UP} turns to {VIEWERS} viewers in another process, through "
            "the OpenAI client, both logs on disk, connection and stage; less the p99 of a direct read",
        ),
        Figure(
            "the same, median", 1000 * (percentile(viewers, 50) - percentile(direct, 50)), "ms", "", True, "as above"
        ),
        Figure(
            "direct read of the model's stream, median", 1000 * percentile(direct, 50), "ms", "", True,
            f"{len(direct)} calls by a bare socket in the caster's process",
        ),
    ]  # fmt: skip


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


async def measure() -> tuple[list[float], list[float]]:
    async with asyncio.timeout(LONGEST_S), AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log, air = SqliteEventLog(folder / "show.db"), SqliteEventLog(folder / "air.db")
        for opened in (log, air):
            stack.push_async_callback(opened.close)
        stage = await stack.enter_async_context(open_stage(log=air))
        model = await stack.enter_async_context(child("model"))
        base_url = await answer(model)
        direct = [await read_directly(base_url) for _ in range(TURNS)]
        crowd: list[asyncio.subprocess.Process] = []

        arriving = asyncio.Lock()

        async def bring_viewers(_event: object) -> None:
            async with arriving:
                if crowd:
                    return
                crowd.append(await stack.enter_async_context(child("viewers", stage.url, "first-delta")))
                assert await answer(crowd[0]) == "watching"

        scenario = make_scenario(turns=TURNS, words=60, pacing=UNPACED)
        outcome = await run_show(
            scenario.model_copy(
                update={"models": {"m": ModelScript(name="m", provider="openai", base_url=base_url, model="clock")}}
            ),
            log=log,
            targets=[Target("stage", stage.agents_url)],
            show_id="first-delta",
            on_state=bring_viewers,
        )
        assert outcome.ended.why == "completed", outcome.ended
        late = json.loads(await answer(crowd[0]))
    assert len(late) == TURNS * VIEWERS, len(late)
    return direct[WARM_UP:], late[WARM_UP * VIEWERS :]


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run this module as another process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.first_delta", *arguments, stdout=asyncio.subprocess.PIPE, limit=2**24
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def answer(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def read_directly(base_url: str) -> float:
    """Ask the model over a bare socket; return the seconds from its first words to us."""
    place = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    try:
        while not (found := STAMP.search(await reader.readline())):
            pass
        return age_of(found, time.monotonic_ns())
    finally:
        writer.close()
        await writer.wait_closed()


def age_of(found: re.Match[bytes], now: int) -> float:
    return (now - int(found[1])) / 1e9


# -- the other processes ---------------------------------------------------------------------------------------------


async def serve_model() -> None:
    """Be a model that says at once what time it is, and something more a moment later."""
    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(THINKING_S)
        writer.write(delta(f"This stamp {time.monotonic_ns()} is when I begin. And "))
        await asyncio.sleep(0.02)
        writer.write(delta("here I end.") + delta("", finish="stop") + b"data: [DONE]\n\n")
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def delta(text: str, *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


def watch(stage: str, show: str) -> None:
    """Be a hundred viewers; at the show's end print how old each first chunk was when it came, in order."""
    place = urlsplit(stage)
    selector = selectors.DefaultSelector()
    for _ in range(VIEWERS):
        viewer = socket.create_connection((place.hostname, place.port))
        viewer.sendall(
            f"GET /watch?show={show}&after=0 HTTP/1.1\r\nHost: {place.netloc}\r\n".encode()
            + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        viewer.setblocking(False)
        selector.register(viewer, selectors.EVENT_READ)
    print("watching", flush=True)
    late: list[float] = []
    watching = VIEWERS
    while watching:
        ready = selector.select()
        now = (
            time.monotonic_ns()
        )  # it is here; that a hundred viewers in one process take turns is not the stage's time
        for key, _ in ready:
            data = key.fileobj.recv(65_536)  # type: ignore[union-attr]  # sockets are all there is
            late += [age_of(found, now) for found in STAMP.finditer(data)]
            if not data or b'"show_ended"' in data:
                selector.unregister(key.fileobj)
                watching -= 1
    print(json.dumps(late), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "model":
        asyncio.run(serve_model())
    else:
        watch(*sys.argv[2:])
