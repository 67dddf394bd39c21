"""A calendar given by the real program while somebody watches: what is written down, shown and counted agree."""

import asyncio
import json
import re
import signal
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.async_api import expect

from debate_caster.calendar.ledger import Ledger
from debate_caster.calendar.timetable import show_id_of
from tests.end_to_end.programs import running
from tests.faults.killing import read_show
from tests.scenario.files import DUEL, write
from tests.web.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

PROGRAM = Path(__file__).parents[1] / "end_to_end" / "told_clock.py"
TEA = "Tea is better than coffee."
MINUTE = timedelta(minutes=1)
FIRST = datetime.now(UTC).replace(second=0, microsecond=0) + MINUTE
"""The first slot; the browser has a clock of its own, which should not be far off."""


def plan(folder: Path, name: str, motion: str, *, chars_per_second: int = 1000) -> None:
    write(
        folder,
        f"plans/{name}.yaml",
        f"{DUEL.strip().replace(TEA, motion)}\n"
        f"pacing: {{chars_per_second: {chars_per_second}, min_interval_s: 0, gap_s: 0, lead_min_s: 0}}\n"
        "models: {rehearsal: {provider: rehearsal, first_token_s: 0, words_per_s: 1000}}\n"
        'schedule: {cron: "* * * * *", timezone: UTC}\n',
    )


def tell(folder: Path, now: datetime) -> None:
    fresh = folder / "clock.new"
    fresh.write_text(now.isoformat())
    fresh.replace(folder / "clock")


async def history(folder: Path, number: int) -> list[tuple[str, str, str, str]]:
    """Wait until so many shows have ended, and return what the ledger says: slot, show, outcome and ending."""
    async with aclosing(Ledger(folder / "data/debate-caster/calendar.db")) as ledger, asyncio.timeout(60):
        while sum(row.ended_at is not None for row in await ledger.history()) < number:  # noqa: ASYNC110 - its file
            await asyncio.sleep(0.1)
        return sorted((f"{row.slot:%H:%M}", row.show or "", row.outcome, row.ending) for row in await ledger.history())


async def ask(address: str) -> str:
    def get() -> str:
        with urlopen(address, timeout=10) as answer:  # noqa: S310 - our own stage
            return str(answer.read(), "utf-8")

    return await asyncio.to_thread(get)


async def counted(stage: str) -> dict[str, float]:
    """Return what the stage counts."""
    lines = (line.rpartition(" ") for line in (await ask(f"{stage}/metrics")).splitlines() if line[:1] != "#")
    return {name.removeprefix("debate_caster_stage_"): float(value) for name, _, value in lines}


async def test_history_pages_and_metrics_of_a_calendar_agree_over_an_edit_and_a_stop(
    tmp_path: Path, visit: Visit
) -> None:
    names, env = ("dawn", "dusk", "noon"), {"TOLD_CLOCK": str(tmp_path / "clock")}
    first, second = ([show_id_of(name, slot) for name in names] for slot in (FIRST, FIRST + MINUTE))
    for name in names:
        plan(tmp_path, name, f"{name} beats the rest")
    tell(tmp_path, FIRST - MINUTE / 2)
    async with running(
        "serve", "plans", "--port", "0", cwd=tmp_path, program=(PROGRAM,),
        env=env | {"DEBATE_CASTER_SHORTEST_PERIOD_S": "60", "DEBATE_CASTER_STOP_GRACE_S": "0"},
    ) as program:  # fmt: skip
        stage = await program.line("Stage:")
        page = await visit.go(stage)
        for name in names:
            await expect(page.locator("#coming-shows").get_by_text(f"{name} beats the rest").first).to_be_visible()

        tell(tmp_path, FIRST)
        assert await history(tmp_path, 3) == [(f"{FIRST:%H:%M}", show, "ran", "completed") for show in first]
        await page.reload()
        await expect(page.locator(".past-show a")).to_have_count(3)
        links = await page.locator(".past-show a").evaluate_all("links => links.map((link) => link.pathname)")
        assert sorted(links) == [f"/shows/{show}" for show in first]
        assert await agrees(tmp_path, stage, first)

        (tmp_path / "plans" / "dawn.yaml").write_text("motion: [")
        plan(tmp_path, "dusk", "dusk beats noon")
        plan(tmp_path, "noon", "noon is long", chars_per_second=20)
        await page.reload()
        await expect(page.locator("#coming-shows").get_by_text("noon is long").first).to_be_visible()
        await expect(page.locator("#notices")).to_have_text(
            "The scenario dawn has a mistake: its last good version holds."
        )

        tell(tmp_path, FIRST + MINUTE)
        over = [(f"{FIRST + MINUTE:%H:%M}", show, "ran", "completed") for show in second[:2]]
        assert (await history(tmp_path, 5))[3:5] == over
        page = await visit.go(f"{stage}/shows/{second[2]}")
        await expect(page.locator("h1")).to_contain_text("noon is long")
        await expect(page.locator("#t1 .words")).not_to_be_empty()
        assert (await counted(stage))['shows{state="live"}'] == 1

        visit.expected = "WebSocket|ERR_CONNECTION"  # the program has gone, and the page may have looked for it
        program.signal(signal.SIGTERM)
        assert await program.ended() == 0
        await expect(page.locator("#connection-text")).to_have_text("Ended")
    noon = (f"{FIRST + MINUTE:%H:%M}", second[2], "ran", "interrupted")
    assert (await history(tmp_path, 6))[3:] == [*over, noon]
    aired = [event for show in second for event in read_show(tmp_path, "air", show)]
    assert [event["motion"] for event in aired if event["type"] == "show_started"] == [
        "dawn beats the rest",
        "dusk beats noon",
        "noon is long",
    ]
    assert [event["why"] for event in aired if event["type"] == "show_ended"] == ["completed"] * 2 + ["interrupted"]
    assert [line for line in program.stderr if re.search("Traceback|failed", line)] == []


async def agrees(folder: Path, stage: str, shows: list[str]) -> bool:
    """Check the stage's lists and figures, while nothing is on, against what its log has of these shows."""
    listed: dict[str, Any] = json.loads(await ask(f"{stage}/api/shows"))
    figures = await counted(stage)
    assert sorted(show["id"] for show in listed["shows"]) == shows
    assert {show["state"] for show in listed["shows"]} == {"ended"}
    assert figures["events_aired_total"] == sum(len(read_show(folder, "air", show)) for show in shows)
    assert figures['debate_caster_slots_total{outcome="ran",why=""}'] == len(shows)
    assert figures['debate_caster_start_lateness_seconds_count{outcome="ran"}'] == len(shows)
    assert figures['debate_caster_shows_ended_total{why="completed"}'] == len(shows)
    assert figures['shows{state="live"}'] == figures['rooms{state="live"}'] == figures['agents{state="connected"}'] == 0
    return True
