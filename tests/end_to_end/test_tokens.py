import asyncio
import json
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout
from websockets.asyncio.client import connect

from tests.end_to_end.programs import running, speeches_of, watching, write_scenario

PUBLIC = ("--host", "0.0.0.0", "--allow-public", "--port", "0")  # noqa: S104 - what others can reach is the point


async def answer_to(address: str, **register: str) -> str:
    """Register at a stage, and return the type of its answer."""
    async with connect(address, proxy=None) as socket:
        await socket.send(json.dumps({"type": "register", "agentId": "guest-1", "name": "Guest", **register}))
        answer: str = json.loads(await socket.recv())["type"]
        return answer


async def made(tmp_path: Path, *options: str) -> str:
    async with running("token", "create", *options, cwd=tmp_path) as program:
        assert await program.ended() == 0, program.stderr
    (token,) = program.stdout
    return token


async def test_a_public_stage_lets_in_who_has_a_token_of_its_operator(tmp_path: Path) -> None:
    token = await made(tmp_path, "--role", "agent", "--agent", "guest-1", "--expires", "5m")
    async with running("serve", *PUBLIC, cwd=tmp_path) as program:
        address = await program.line("Agents: ")
        address = address.split()[0]
        assert await answer_to(address) == "error"
        assert await answer_to(address, token=f"{token[:-5]}AAAAA") == "error"
        assert await answer_to(address, token=token) == "registered"
    assert token not in "".join(program.stderr + program.stdout)


async def test_an_open_stage_is_open_and_a_closed_one_on_this_machine_is_closed(tmp_path: Path) -> None:
    for options, answer in (((*PUBLIC, "--open-stage"), "registered"), (("--port", "0", "--no-open-stage"), "error")):
        async with running("serve", *options, cwd=tmp_path) as program:
            address = (await program.line("Agents: ")).split()[0]
            assert await answer_to(address) == answer


async def test_a_show_on_its_own_public_stage_has_tokens_and_nobody_joins_it_without(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    async with running("run", scenario, *PUBLIC, "--linger", "20", cwd=tmp_path) as program:
        page = await program.line("Watch: ")
        async with watching(page) as viewer:
            await viewer.until("show_ended")
        assert len(speeches_of(viewer.events)) == 8
        stage = page.partition("/shows/")[0].replace("http", "ws", 1)
        assert await answer_to(f"{stage}/ws") == "error"


async def test_a_show_goes_to_a_guarded_stage_with_the_token_it_was_given(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    token = await made(tmp_path, "--expires", "5m")
    async with running("serve", "--port", "0", "--no-open-stage", cwd=tmp_path) as stage:
        options = (scenario, "--stage", await stage.line("Stage: "), "--data-dir", tmp_path / "of the caster")
        async with running("run", *options, cwd=tmp_path) as refused:
            assert await refused.ended() == 1
        async with running("run", *options, cwd=tmp_path, env={"DEBATE_CASTER_STAGE_TOKEN": token}) as caster:
            assert await caster.ended() == 0, caster.stderr
    assert any("lets in agents that have a token" in line for line in refused.stderr)
    assert token not in "".join(stage.stdout + stage.stderr + caster.stdout + caster.stderr)


async def test_a_stage_with_tickets_is_watched_with_one_and_agents_need_tokens_there(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    ticket = await made(tmp_path, "--role", "viewer", "--expires", "5m")
    async with running("run", scenario, "--port", "0", "--tickets", "--linger", "20", cwd=tmp_path) as program:
        page = await program.line("Watch: ")
        stage = page.partition("/shows/")[0]
        async with running("watch", page, "--json", cwd=tmp_path) as stranger:
            assert await stranger.ended() == 1
        async with running("watch", page, "--json", cwd=tmp_path, env={"DEBATE_CASTER_TICKET": ticket}) as guest:
            assert await guest.ended() == 0, guest.stderr
        assert await answer_to(f"{stage.replace('http', 'ws', 1)}/ws") == "error"
    assert len(speeches_of([json.loads(line) for line in guest.stdout])) == 8
    assert any("ticket" in line for line in stranger.stderr)
    assert stranger.stdout == []
    assert ticket not in "".join(program.stderr + program.stdout + guest.stderr + guest.stdout)


async def test_a_public_stage_answers_to_the_names_that_its_operator_allows(tmp_path: Path) -> None:
    allowed = ("--allow-host", "debates.lan", "--allow-host", "stage.lan")
    async with (
        running("serve", *PUBLIC, *allowed, cwd=tmp_path) as program,
        ClientSession(timeout=ClientTimeout(total=10)) as session,
    ):
        address = (await program.line("Agents: ")).split()[0]
        page = address.replace("ws://", "http://").removesuffix("/ws")
        found = {}
        for host in ("debates.lan", "stage.lan:80", "10.1.2.3", "evil.example"):
            async with session.get(page, headers={"Host": host}) as answer:
                found[host] = answer.status
        async with asyncio.timeout(60), program.news:
            await program.news.wait_for(lambda: any("host_refused" in line for line in program.stderr))
    assert found == {"debates.lan": 200, "stage.lan:80": 200, "10.1.2.3": 200, "evil.example": 421}
    assert sum("host_refused" in line for line in program.stderr) == 1
