import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from debate_caster.log import MemoryEventLog
from debate_caster.stage import Stage, open_stage
from tests.stage.people import caster_on
from tests.watching.loopback import broken_line, talking


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage(log=MemoryEventLog()) as opened:
        yield opened


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "0")


async def start(*arguments: str) -> Process:
    command = (sys.executable, "-m", "debate_caster", "watch", *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=dict(os.environ))


async def finished(process: Process) -> tuple[int, str, str]:
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode(), stderr.decode()


async def next_line(process: Process, beginning: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            if beginning in line.decode():
                return line.decode()
    raise AssertionError(f"no line with {beginning!r}")


async def test_a_show_of_somebody_else_s_is_printed_as_it_airs(stage: Stage) -> None:
    async with talking(stage) as agent:
        await agent.say("One.\x1b[31m")
        process = await start(stage.show_url(agent.show))
        first = await next_line(process, "talker: One.")
        await agent.say("Two.")
        await next_line(process, "talker: Two.")
        await agent.end()
        status, rest, _ = await finished(process)

    assert "\x1b" not in first
    assert status == 0
    assert "The debate has run to its end" in rest


async def test_events_as_json_lines_are_the_stage_s_own(stage: Stage) -> None:
    async with talking(stage) as agent:
        await agent.say("One.")
        await agent.say("Two.")
        await agent.end()
    await stage.wait_over(agent.show)

    status, everything, _ = await finished(await start(stage.url, agent.show, "--json"))
    _, chunks, _ = await finished(
        await start(stage.url, agent.show, "--json", "--types", "chunk_aired", "--after", "3")
    )

    assert status == 0
    assert [json.loads(line)["seq"] for line in everything.splitlines()] == [1, 2, 3, 4, 5, 6]
    assert [json.loads(line)["text"] for line in chunks.splitlines()] == ["Two."]


async def test_one_speaker_is_watched_alone(stage: Stage) -> None:
    async with caster_on(stage) as ada, caster_on(stage, order=1, name="bob") as bob:
        await ada.stream("Tea.", turn=0, index=0, ref=1)
        await bob.stream("Coffee.", turn=1, index=0, ref=1)
        for agent in (ada, bob):
            await agent.say("broadcast_end")
            await agent.hear("broadcast_ended")
    await stage.wait_over("show-1")

    _, lines, _ = await finished(await start(stage.url, "show-1", "--json", "--speaker", "bob", "--types", "*"))

    events = [json.loads(line) for line in lines.splitlines()]
    assert [event["text"] for event in events if event["type"] == "chunk_aired"] == ["Coffee."]
    assert {event.get("speaker", "bob") for event in events} == {"bob"}


async def test_a_line_that_breaks_is_remarked_and_costs_nothing(stage: Stage) -> None:
    async with talking(stage) as agent, broken_line(stage.port) as line:
        await agent.say("One.")
        process = await start(f"http://127.0.0.1:{line.port}", agent.show)
        await next_line(process, "One.")
        line.cut()
        await agent.say("Two.")
        await next_line(process, "Two.")
        await agent.end()
        status, _, remarks = await finished(process)

    assert status == 0
    assert "the stage is out of reach (the connection broke): trying again\nthe stage is back\n" in remarks


async def test_a_signal_ends_the_watching_and_not_the_show(stage: Stage) -> None:
    async with talking(stage) as agent:
        await agent.say("One.")
        process = await start(stage.url)
        await next_line(process, "One.")
        process.send_signal(signal.SIGINT)
        status, _, _ = await finished(process)
        await agent.say("Two.")
        await agent.end()

    assert status == 130


async def test_a_show_that_broke_off_is_no_success(stage: Stage) -> None:
    async with talking(stage) as agent:
        await agent.say("One.")
    await stage.wait_over(agent.show)

    status, output, _ = await finished(await start(stage.url, agent.show))

    assert status == 1
    assert "The debate was interrupted." in output


async def test_what_does_not_exist_is_bad_input(stage: Stage) -> None:
    status, _, problem = await finished(await start(stage.url, "nobody"))
    assert status == 2
    assert "no such show. The stage's page lists what it has." in problem

    status, _, problem = await finished(await start("127.0.0.1:1"))
    assert status == 2
    assert "is not the address of a stage" in problem
