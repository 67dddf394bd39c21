"""The client library and the fold, in Node: against strings of their own, and against a stage that cuts the line."""

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from debate_caster.log import MemoryEventLog
from debate_caster.stage import open_stage
from tests.watching.loopback import broken_line, talking
from tests.web.fake_stage import open_fake_stage, until

pytestmark = [pytest.mark.node, pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")]

HERE = Path(__file__).parent
CUTS = 50


async def run_node(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "node", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.parametrize("module", sorted(path.name for path in HERE.glob("*.test.mjs")))
async def test_the_modules_keep_their_own_rules(module: str) -> None:
    status, output = await run_node("--test", str(HERE / module))

    assert status == 0, output
    assert "# pass 0" not in output


async def test_a_socket_cut_fifty_times_at_random_loses_and_doubles_nothing() -> None:
    chance = random.Random(17)
    async with open_fake_stage() as stage:
        show = stage.show()
        for number in range(20):
            await stage.air(show, "chunk_aired", room="r", speaker="a", turn=0, index=number, text="x ")
        process = await asyncio.create_subprocess_exec(
            "node",
            str(HERE / "follow.mjs"),
            stage.url,
            show.id,
            stdout=asyncio.subprocess.PIPE,
        )
        cuts = 0
        while cuts < CUTS:
            await until(lambda: show.watching, what="the follower is (back) here")
            for _ in range(chance.randrange(4)):
                await stage.air(show, "chunk_aired", room="r", speaker="a", turn=0, index=len(show.events), text="x ")
            cuts += await stage.cut(show)
            await stage.air(show, "chunk_aired", room="r", speaker="a", turn=0, index=len(show.events), text="x ")
        await stage.air(show, "show_ended", why="completed", detail="")
        output, _ = await process.communicate()

    assert [int(line) for line in output.split()] == list(range(1, len(show.events) + 1))
    assert stage.connections > CUTS


async def test_a_live_show_reaches_node_whole_over_a_line_cut_fifty_times_at_random() -> None:
    chance = random.Random(29)

    async def talk() -> None:
        while line.cuts < CUTS:
            await agent.say(f"Line {agent.said} " + "x" * chance.randrange(200))
        await agent.say("That is all.")
        await agent.end()

    def patience() -> int | None:
        """Anything from a piece of the handshake to some events and a part of the next."""
        return chance.randrange(1, 3000) if line.cuts < CUTS else None

    async with (
        open_stage(log=MemoryEventLog()) as stage,
        talking(stage) as agent,
        broken_line(stage.port, patience) as line,
        asyncio.TaskGroup() as tasks,
    ):
        stage_address = f"http://127.0.0.1:{line.port}"
        following = tasks.create_task(run_node(str(HERE / "follow.mjs"), stage_address, agent.show, "20"))
        tasks.create_task(talk())
        status, output = await following

    assert status == 0, output
    assert line.cuts == CUTS
    assert [int(number) for number in output.split()] == list(range(1, agent.said + 5))
