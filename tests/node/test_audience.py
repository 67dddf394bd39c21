"""Agents written for Pulsar, in Node and in Python, are the audience of a debate, and are heard in it."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.programs import Viewer, running, speeches_of, watching, write_scenario

HERE = Path(__file__).parent
PYTHON = (sys.executable, str(HERE / "audience_agent.py"))
NODE = ("node", str(HERE / "audience_agent.mjs"))
PACING = {"chars_per_second": 120, "min_interval_s": 0.1, "gap_s": 0.2, "lead_min_s": 0.1, "lead_max_s": 0.3}

Frames = list[dict[str, Any]]


@asynccontextmanager
async def guest(client: tuple[str, str], page: str, name: str, mode: str) -> AsyncIterator[Frames]:
    """Let an agent into the stage of a page; all that it gets is in the frames."""
    address = f"ws{page.removeprefix('http').partition('/shows/')[0].rstrip('/')}/ws"
    process = await asyncio.create_subprocess_exec(*client, address, name, mode, stdout=asyncio.subprocess.PIPE)
    stdout = process.stdout
    assert stdout is not None
    frames: Frames = [json.loads(await stdout.readline())]
    assert frames[0]["type"] == "registered"

    async def listen() -> None:
        async for line in stdout:
            frames.append(json.loads(line))

    listening = asyncio.create_task(listen())
    try:
        yield frames
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening


def used(viewer: Viewer, name: str) -> dict[str, Any]:
    (event,) = [event for event in viewer.of("hint_used") if event["name"] == name]
    return event


def check_heard(frames: Frames, viewer: Viewer) -> None:
    """An agent in the audience has heard everything from when it came, each line once and in order."""
    lines = [frame["messages"][0] for frame in frames if frame["type"] == "live_update"]
    spoken = [line["text"] for line in lines if line["agentId"]]
    aired = [event["text"] for event in viewer.of("chunk_aired")]
    assert len(spoken) > 10
    assert spoken == aired[-len(spoken) :]
    assert len({line["agentId"] for line in lines if line["agentId"]}) == 2


def check_used(frames: Frames, viewer: Viewer, name: str) -> None:
    """What an agent said was acknowledged, used in a turn, spoken of there, and then told to the audience."""
    (receipt,) = [frame for frame in frames if frame["type"] == "chat_ack"]
    event = used(viewer, name)
    assert event["hint"] == receipt["messageId"]
    assert event["text"] == f"{name} asks: what of rainy afternoons?"
    speech = {turn: text for turn, _, text in speeches_of(viewer.events)}[event["turn"]]
    assert name in speech
    told = [frame["messages"][0] for frame in frames if frame["type"] == "live_update"]
    assert [line["text"] for line in told if line["name"] == name] == [event["text"]]


@asynccontextmanager
async def guests_of(page: str, clients: dict[str, tuple[str, str]]) -> AsyncIterator[dict[str, Frames]]:
    """Let two agents in: one that gets a seat in every room, and one that chooses."""
    (seated, one), (choosy, other) = clients.items()
    async with guest(one, page, seated, "") as first, guest(other, page, choosy, "explicit") as second:
        yield {seated: first, choosy: second}


async def until(frames: Frames, *types: str) -> None:
    async with asyncio.timeout(60):
        while not any(frame["type"] in types for frame in frames):  # noqa: ASYNC110 - others fill a list
            await asyncio.sleep(0.05)


async def check_audience(guests: dict[str, Frames], viewer: Viewer) -> None:
    await viewer.until("show_ended", timeout_s=90.0)
    for name, frames in guests.items():
        await until(frames, "broadcast_ended")
        check_heard(frames, viewer)
        check_used(frames, viewer, name)
    seated, choosy = ([frame["type"] for frame in frames] for frames in guests.values())
    assert "room_available" not in seated
    assert choosy.count("room_available") == 2, "each room is offered once"
    assert choosy.count("room_joined") == 1


async def test_agents_of_others_are_the_audience_of_a_debate_on_its_own_stage(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, pacing=PACING)
    async with running("run", scenario, "--port", "0", cwd=tmp_path) as program:
        page = await program.line("Watch:")
        async with guests_of(page, {"Paula": PYTHON, "Pedro": PYTHON}) as guests, watching(page) as viewer:
            await check_audience(guests, viewer)
            assert await program.ended() == 0


@pytest.mark.node
@pytest.mark.skipif(
    shutil.which("node") is None or not (HERE / "node_modules" / "ws").is_dir(),
    reason="needs Node.js and its package ws: `make test` gets them",
)
async def test_agents_that_wait_on_a_stage_are_the_audience_of_a_debate_that_comes_to_it(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, pacing=PACING)
    async with running("serve", "--port", "0", "--data-dir", "stage", cwd=tmp_path) as stage:
        page = await stage.line("Stage:")
        async with (
            guests_of(page, {"Nora": NODE, "Paula": PYTHON}) as guests,
            running("run", scenario, "--stage", page, cwd=tmp_path) as program,
        ):
            await until(guests["Nora"], "viewer_context")
            async with watching(page) as viewer:
                await check_audience(guests, viewer)
            assert await program.ended() == 0
