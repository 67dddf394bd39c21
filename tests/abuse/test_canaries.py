"""Secrets of every kind through a whole show, on two stages: none comes out anywhere but in the files that keep it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.end_to_end.programs import Program, running, watching, write_scenario
from tests.llm.faulty_server import FaultyServer, Reply
from tests.stage.people import eventually

MODEL_KEY = "sk-canary-model-0123456789abcdef"
PRODUCER = "canary-producer-0123456789abcdef"
VIEWER = "canary-viewer-0123456789abcdef"
GUARDED = ("--port", "0", "--no-open-stage", "--log-level", "debug")
SPEECH = "Homework eats the evening, and it divides the town. " * 3

KEEPERS = ("agents", "desks", "signing-keys")
"""Where the data folder keeps secrets: files of the owner's alone."""

PATHS = [
    "/", "/shows/{show}", "/overlay/{show}", "/producer/{show}", "/api/shows", "/api/shows/{show}",
    "/api/shows/{show}/events", "/api/shows/{show}/transcript?format=html", "/api/shows/{show}/transcript?format=md",
    "/api/shows/{show}/transcript?format=json", "/api/shows/{show}/oembed", "/feed.json", "/feed.xml", "/calendar.ics",
    "/metrics", "/api/live", "/api/status", "/healthz", "/readyz", "/nothing", "/api/shows/nothing",
    "/api/shows/{show}/hints/nothing",
]  # fmt: skip


async def said_by(*arguments: str | Path, cwd: Path) -> list[str]:
    async with running(*arguments, cwd=cwd) as program:
        assert await program.ended() == 0, program.stderr
    return program.stdout + program.stderr


def kept(folder: Path) -> Iterator[Path]:
    """The files of a data folder that are no place for secrets; that the others are closed is checked."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        if path.relative_to(folder).parts[0] in KEEPERS:
            assert path.stat().st_mode & 0o077 == 0, f"others can read {path}"
        else:
            yield path


def secrets_in(folder: Path) -> dict[str, str]:
    """What the keepers keep."""
    files = folder.glob("agents/*.json")
    secrets = {f"secret of {path.stem}": json.loads(path.read_text())["secret"] for path in files}
    keys = folder / "signing-keys"
    return secrets | ({f"signing key of the {folder.name}": keys.read_text().strip()} if keys.exists() else {})


async def pages_of(stage: str, show: str) -> dict[str, str]:
    """Everything that a stage tells anybody, also when it is asked for what is not there."""
    found = {}
    async with aiohttp.ClientSession() as browser:
        for path in PATHS:
            async with browser.get(stage + path.format(show=show)) as answer:
                found[path] = f"{dict(answer.headers)} {await answer.text()}"
        headers = {"Authorization": f"Bearer {PRODUCER}x"}
        wrong: dict[str, Any] = {"command": "pause", "by": "eve"}
        async with browser.post(f"{stage}/api/shows/{show}/control", json=wrong, headers=headers) as answer:
            assert answer.status in {403, 409}
            found["control"] = f"{dict(answer.headers)} {await answer.text()}"
    return found


@pytest.mark.timeout(120)
async def test_no_secret_comes_out_anywhere(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "caster", tmp_path / "stage"
    (token, *_) = await said_by("token", "create", "--data-dir", elsewhere, "--expires", "10m", cwd=tmp_path)
    outputs: dict[str, str] = {}
    async with (
        FaultyServer(default=Reply(text=SPEECH)) as model,
        running("serve", *GUARDED, "--data-dir", elsewhere, cwd=tmp_path) as stage,
    ):
        model.plan(
            Reply(fault="status", status=429, headers=(("Retry-After", "0"),), body={"error": {"message": MODEL_KEY}}),
            Reply(fault="status", status=500, body={"error": {"message": f"Authorization: Bearer {MODEL_KEY}"}}),
        )
        agents = (await stage.line("Agents: ")).split()[0]
        models = {"m": {"provider": "openai", "base_url": model.base_url, "model": "m", "api_key": "${CANARY_KEY}"}}
        targets = [{"name": "elsewhere", "url": agents, "token": "${CANARY_TOKEN}"}]
        scenario = write_scenario(tmp_path, models=models, targets=targets, audience={"votes": "swing", "vote_s": 5})
        env = {"CANARY_KEY": MODEL_KEY, "CANARY_TOKEN": token, "DEBATE_CASTER_PRODUCER_TOKEN": PRODUCER}
        options = (*GUARDED, "--data-dir", home, "--speed", "20", "--linger", "60")
        async with running("run", scenario, *options, cwd=tmp_path, env=env) as caster:
            await show_through(caster, await stage.line("Stage: "), outputs)
            said = "\n".join(caster.stdout + caster.stderr)
            # Once, to whoever started the show: the producer's address.
            outputs["the program"] = said.replace(f"#token={PRODUCER}", "", 1)
        outputs["the stage"] = "\n".join(stage.stdout + stage.stderr)
    for kind in ("md", "html", "json"):
        outputs[f"export {kind}"] = "\n".join(
            await said_by("export", "latest", "--format", kind, "--data-dir", home, cwd=tmp_path)
        )
    assert model.requests[-1].headers["authorization"] == f"Bearer {MODEL_KEY}"
    outputs["prompts"] = "\n".join(json.dumps(received.body) for received in model.requests)

    canaries = {"model key": MODEL_KEY, "token": token, "producer": PRODUCER, "viewer": VIEWER}
    canaries |= secrets_in(home) | secrets_in(elsewhere)
    assert len(canaries) >= 4 + 4 + 2, "two agents on two targets, and two stages' keys"
    for name, canary in canaries.items():
        for place, text in outputs.items():
            assert canary not in text, f"{name} in {place}"
        for folder in (home, elsewhere):
            for path in kept(folder):
                assert canary.encode() not in path.read_bytes(), f"{name} in {path.name}"


async def show_through(caster: Program, elsewhere: str, outputs: dict[str, str]) -> None:
    """Watch the show on its own stage with a hint and a vote, and take down all that both stages tell."""
    page = await caster.line("Watch: ")
    stage, _, show = page.partition("/shows/")
    async with aiohttp.ClientSession() as browser:

        async def is_there_too() -> bool:
            async with browser.get(f"{elsewhere}/api/shows/{show}") as answer:
                return answer.status == 200

        await eventually(is_there_too)
    async with watching(page) as viewer, watching(f"{elsewhere}/shows/{show}") as other:
        await viewer.socket.send(json.dumps({"type": "viewer", "id": VIEWER, "name": "Vera"}))
        await viewer.socket.send(json.dumps({"type": "hint", "text": "What about reading?"}))
        await viewer.socket.send(json.dumps({"type": "vote", "choice": "for"}))
        await viewer.until("show_ended")
        await other.until("show_ended")
        outputs["a viewer's frames"] = json.dumps([frame for frame in viewer.frames if frame.get("viewer") != VIEWER])
        outputs["another viewer's frames"] = json.dumps(other.frames)
    for where in (stage, elsewhere):
        outputs |= {f"{where}{path}": text for path, text in (await pages_of(where, show)).items()}
