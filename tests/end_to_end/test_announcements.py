"""The real program and who is told of its shows: `run` to its end, and `serve` killed with something to deliver."""

import asyncio
import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.announce.receivers import OK, Receiver, receiver
from tests.end_to_end.programs import running, write_scenario
from tests.end_to_end.test_serve import begun_by_hand, data_of
from tests.scenario.files import DUEL, write

SECRETS = {"HOOK_SECRET": "canary-secret"}


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process has to tell."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


def told(target: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body) for body in target.bodies]


@pytest.mark.timeout(90)
async def test_run_tells_whoever_listens_and_ends_whoever_does_not(tmp_path: Path) -> None:
    async with receiver() as well, receiver("301 Moved\r\nLocation: http://127.0.0.1:9/") as elsewhere:
        env = SECRETS | {"HOOK": f"{well.url}/canary-address", "CHAT": f"{elsewhere.url}/canary-chat"}
        announce = [
            {"url": "${HOOK}", "secret": "${HOOK_SECRET}"},
            {"url": "${CHAT}", "format": "discord"},
        ]
        path = write_scenario(tmp_path, announce=announce)
        async with running("run", path, "--port", "0", cwd=tmp_path, env=env) as program:
            page = await program.line("Watch:")
            assert await program.ended() == 0

    live, ended = told(well)
    assert (live["type"], ended["type"]) == ("live", "ended")
    assert live["show"]["url"] == page
    assert ended["result"]["why"] == "completed"
    assert well.header("Debate-Caster-Signature")
    assert [message["content"] for message in told(elsewhere)] == ["🔴 Live now", "🏁 Ended"], "once each: not followed"
    assert "canary" not in "\n".join(program.stdout + program.stderr)
    assert b"canary" not in (data_of(tmp_path) / "announcements.db").read_bytes()


@pytest.mark.timeout(180)
async def test_what_serve_had_still_to_tell_when_it_was_killed_is_told_by_the_next(tmp_path: Path) -> None:
    pacing = "pacing: {chars_per_second: 1000, min_interval_s: 0, gap_s: 0, lead_min_s: 0}\n"
    pacing += "models: {rehearsal: {provider: rehearsal, first_token_s: 0, words_per_s: 1000}}\n"
    weekday = f"{datetime.now(UTC) + timedelta(days=3):%a}".upper()  # so that no slot comes while we look
    schedule = f'schedule: {{cron: "0 20 * * {weekday}", timezone: Europe/Paris}}\n'
    announce = 'announce: [{url: "${HOOK}", on: [scheduled, starting_soon, live, ended], before_s: 604800}]\n'
    write(tmp_path, "plans/friday.yaml", DUEL + pacing + schedule + announce)
    async with receiver("503 Not yet") as target:
        env = {"HOOK": f"{target.url}/canary"}
        async with running("serve", "plans", "--port", "0", cwd=tmp_path, env=env) as first:
            await first.line("Stage:")
            [show] = await begun_by_hand(tmp_path, ["friday"])
            await until(lambda: f"{show}.live" in target.ids)
            first.signal(signal.SIGKILL)
            await first.ended()
        with closing(sqlite3.connect(data_of(tmp_path) / "announcements.db")) as outbox:
            [(left,)] = outbox.execute("SELECT count(*) FROM announcements WHERE fate = ''").fetchall()
        target.statuses = [OK]
        attempts = len(target.ids)
        async with running("serve", "plans", "--port", "0", cwd=tmp_path, env=env) as second:
            await until(lambda: len(target.ids) >= attempts + 4)
            ids = target.ids[attempts:]
            second.signal(signal.SIGTERM)
            assert await second.ended() == 0

    assert left >= 3
    assert [one.rpartition(".")[2] for one in ids if one.startswith(f"{show}.")] == ["live", "ended"]
    [planned] = {one.rpartition(".")[0] for one in ids} - {show}
    assert sorted(ids) == sorted(
        [f"{show}.live", f"{show}.ended", f"{planned}.scheduled", f"{planned}.starting_soon"]
    ), "each once, and those of one show in order"
    assert "canary" not in "\n".join(second.stdout + second.stderr)
