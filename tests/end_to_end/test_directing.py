"""A producer at work: the real program on air, and ``control`` as another process."""

import asyncio
import json
import re
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from tests.end_to_end.programs import Program, Viewer, running, watching, write_scenario

SLOW = {"chars_per_second": 15, "min_interval_s": 0.5, "gap_s": 0.3, "lead_min_s": 0.2, "lead_max_s": 0.5}


async def control(*arguments: str, cwd: Path, **env: str) -> tuple[int, str]:
    """Run ``control`` and return its status and what it says."""
    async with running("control", *arguments, cwd=cwd, env=env) as program:
        status = await program.ended()
    return status, "\n".join(program.stdout + program.stderr)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def quiet_for(viewer: Viewer, seconds: float) -> list[str]:
    """Return the types of what goes on air within so many seconds."""
    before = len(viewer.events)
    with suppress(TimeoutError):
        await viewer.until("nothing of the kind", timeout_s=seconds)
    return [event["type"] for event in viewer.events[before:]]


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    return write_scenario(tmp_path, pacing=SLOW, moderator="vera", audience={"approval": True})


async def test_a_producer_directs_a_show_from_another_terminal(scenario: Path, tmp_path: Path) -> None:
    async with running("run", scenario, "--port", "0", cwd=tmp_path) as program:
        async with watching(await program.line("Watch:")) as viewer:
            await viewer.until("chunk_aired")
            paused = await control("latest", "pause", cwd=tmp_path)
            await viewer.until("show_paused")
            aired_meanwhile = await quiet_for(viewer, 5.0)
            again = await control("latest", "pause", cwd=tmp_path)
            injected = await control("latest", "inject", "Two minutes", "to the vote.", "--by", "Kim", cwd=tmp_path)
            wrong = await control("latest", "resume", "--token", "not-the-token-of-this-show", cwd=tmp_path)
            aired_meanwhile += await quiet_for(viewer, 0.5)
            resumed = await control("latest", "resume", cwd=tmp_path)
            await viewer.until("show_resumed")
            skipped = await control("latest", "skip", cwd=tmp_path)
            turn = await viewer.until("turn_ended", how="skipped")
            interjection = await viewer.until("turn_started", kind="interjection")
            spoken = await viewer.until("chunk_aired", turn=interjection["turn"])
            async with asyncio.TaskGroup() as tasks:  # a viewer who does not read is not waited for at the end
                ending = tasks.create_task(control("latest", "end", cwd=tmp_path))
                over = await viewer.until("show_ended")
        status = await program.ended()

    obeyed = (paused, injected, resumed, skipped, ending.result())
    assert [answer[0] for answer in obeyed] == [0] * 5, obeyed
    assert again == (1, "debate-caster: the show is paused already")
    assert wrong == (2, "debate-caster: This is not the token of the show's producer.")
    assert aired_meanwhile == []
    assert interjection["turn"] == turn["turn"] + 1
    assert spoken["text"] == "Two minutes to the vote."
    assert (over["why"], status) == ("producer", 0)
    assert program.stdout[-1].endswith("The debate was ended by its producer.")


async def test_what_an_agent_of_the_audience_says_waits_for_the_producer(tmp_path: Path) -> None:
    pacing = SLOW | {"chars_per_second": 150, "min_interval_s": 0.1}
    scenario = write_scenario(tmp_path, pacing=pacing, audience={"approval": True})
    async with running("run", scenario, "--port", "0", cwd=tmp_path) as program:
        page = await program.line("Watch:")
        async with watching(page) as viewer, connect(f"ws{page[4:].partition('/shows/')[0]}/ws") as guest:
            opened = await viewer.until("room_opened", order=0)
            await control("latest", "pause", cwd=tmp_path)  # so that the show can't be over first on a slow machine
            await guest.send(json.dumps({"type": "register", "agentId": "guest-1a2b", "name": "Gwen"}))
            chat = {"type": "stream_chat", "broadcastId": opened["room"], "text": "@Otis what of rainy afternoons?"}
            await guest.send(json.dumps(chat))
            while (frame := json.loads(await guest.recv()))["type"] != "chat_ack":
                assert "rainy" not in json.dumps(frame)
            approved = await control("latest", "approve", frame["messageId"], cwd=tmp_path)
            await control("latest", "resume", cwd=tmp_path)
            used = await viewer.until("hint_used", timeout_s=60.0)
            await control("latest", "end", cwd=tmp_path)
        await program.ended()

    assert approved[0] == 0, approved
    assert (used["hint"], used["name"], used["speaker"]) == (frame["messageId"], "Gwen", "otis")
    assert used["text"] == "what of rainy afternoons?"


async def test_the_token_is_in_nobodys_log_and_gone_with_the_show(scenario: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    async with running(
        "run", scenario, "--port", "0", "--events", str(events), "--log-level", "debug", cwd=tmp_path
    ) as program:
        producer = await program.line("Producer:")
        async with watching(await program.line("Watch:")) as viewer:
            await viewer.until("chunk_aired")
            (desk,) = (tmp_path / "data" / "debate-caster" / "desks").iterdir()
            mode = stat.S_IMODE(desk.stat().st_mode)
            assert (await control("latest", "end", cwd=tmp_path))[0] == 0
        await program.ended()

    parts = urlsplit(producer)
    token = parts.fragment.removeprefix("token=")
    assert re.fullmatch(r"[\w-]{32}", token)
    assert not parts.query
    assert mode == 0o600
    assert not desk.exists()
    said = program.stdout + [line for line in program.stderr if not line.startswith("Producer:")]
    assert not [line for line in said if token in line]
    assert not [path for path in files_below(tmp_path) if token.encode() in path.read_bytes()]
    status, message = await control("latest", "pause", cwd=tmp_path)
    assert status == 2
    assert "no show 'latest' runs on this machine" in message


async def test_a_show_elsewhere_needs_its_address_and_its_token(scenario: Path, tmp_path: Path) -> None:
    chosen = "a-token-of-my-own-choice-4711"
    async with running(
        "run", scenario, "--port", "0", cwd=tmp_path, env={"DEBATE_CASTER_PRODUCER_TOKEN": chosen}
    ) as program:
        page = await program.line("Producer:")
        await program.line("Watch:")
        stage, _, show = page.partition("#")[0].rpartition("/producer/")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        bare = await control(show, "pause", "--url", stage, cwd=elsewhere)
        wrong = await control(show, "pause", "--url", stage, "--token", "wrong" * 6, cwd=elsewhere)
        by_page = await control(show, "approval_off", "--url", page, cwd=elsewhere)
        right = await control(show, "end", "--url", stage, cwd=elsewhere, DEBATE_CASTER_PRODUCER_TOKEN=chosen)
        status = await program.ended()

    assert page.endswith(f"#token={chosen}")
    assert bare[0] == 2
    assert "token is missing" in bare[1]
    assert (wrong[0], "not the token" in wrong[1]) == (2, True)
    assert by_page == (0, "hints do not wait for you any more")
    assert (right[0], status) == (0, 0)


async def test_a_resumed_show_keeps_its_producer_when_the_stage_is_killed(scenario: Path, tmp_path: Path) -> None:
    serve = ("serve", "--data-dir", str(tmp_path / "stage"))
    async with running(*serve, "--port", "0", cwd=tmp_path) as stage:
        address = await _address(stage)
        async with running("run", scenario, "--stage", address, cwd=tmp_path) as program:
            await program.line("Producer:")
            assert (await control("latest", "pause", cwd=tmp_path))[0] == 0
            stage.process.kill()
            await stage.ended()
            status, message = await control("latest", "resume", cwd=tmp_path)
            assert (status, "can't be reached" in message) == (2, True)
            async with running(*serve, "--port", address.rpartition(":")[2], cwd=tmp_path) as second:
                await _address(second)
                async with asyncio.timeout(60):
                    while (await control("latest", "resume", cwd=tmp_path))[0] != 0:
                        pass
                assert (await control("latest", "end", cwd=tmp_path))[0] == 0
                assert await program.ended() == 0


async def _address(stage: Program) -> str:
    async with asyncio.timeout(60), stage.news:
        await stage.news.wait_for(lambda: any("http://127.0.0.1:" in line for line in stage.stdout + stage.stderr))
    found = re.search(r"http://127\.0\.0\.1:\d+", "\n".join(stage.stdout + stage.stderr))
    assert found
    return found[0]
