"""``serve`` with little money, as the real program: what is left out, what is said of it, and what is counted."""

import json
import signal
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from debate_caster.calendar.ledger import Ledger
from debate_caster.calendar.timetable import as_json
from debate_caster.cli.data_folder import DataFolder
from debate_caster.scenario.loading import load_scenario
from tests.end_to_end.programs import running
from tests.end_to_end.test_serve import ask, data_of, until
from tests.scenario.files import DUEL, write

PLAN = f"""
title: Dear night
{DUEL.strip()}
pacing: {{chars_per_second: 1000, min_interval_s: 0, gap_s: 0, lead_min_s: 0}}
models: {{rehearsal: {{first_token_s: 0, words_per_s: 1000, price: {{input_per_million: 1, output_per_million: 9}}}}}}
schedule: {{cron: "*/5 * * * *", timezone: UTC, grace_s: 300}}
"""


async def down_since(at: datetime, folder: Path, plan: Path) -> None:
    """Leave the ledger of a calendar that nobody has looked at since; so a slot is due as soon as somebody does."""
    data = DataFolder(data_of(folder))
    data.make()
    async with aclosing(Ledger(data.calendar)) as ledger:
        entries = as_json(load_scenario(plan, env={}).schedule)
        await ledger.admit("dear", title="Dear night", path=str(plan), entries=entries, now=at)


@pytest.mark.timeout(90)
async def test_a_serve_leaves_out_what_cannot_be_paid_and_says_so(tmp_path: Path) -> None:
    plan = write(tmp_path, "plans/dear.yaml", PLAN)
    await down_since(datetime.now(UTC) - timedelta(minutes=6), tmp_path, plan)
    async with running(
        "serve", "plans", "--port", "0", cwd=tmp_path, env={"DEBATE_CASTER_MONEY_PER_DAY": "0.01"}
    ) as program:
        stage = await program.line("Stage:")
        ready = await until(stage, "/readyz", lambda now: "problems" in now)
        assert (ready["status"], ready["problems"]) == (
            "ready",
            ["The last show of Dear night was left out: it was not in the budget."],
        )
        assert (await ask(stage, "/api/shows"))["notices"] == ready["problems"]
        async with running("schedule", "run-now", "dear", cwd=tmp_path) as refused:
            await refused.line("debate-caster: 0.01 of the day's 0.01 is left, and the show may cost")
            assert await refused.ended() == 1
        async with running("schedule", "run-now", "dear", "--over-budget", cwd=tmp_path) as asked:
            show = await asked.line("Show:")

        def is_over(listed: Any) -> bool:
            return [(one["id"], one["state"]) for one in listed["shows"]] == [(show, "ended")]

        await until(stage, "/api/shows", is_over)
        program.signal(signal.SIGTERM)
        assert await program.ended() == 0
    async with running("schedule", "money", "--json", cwd=tmp_path) as told:
        await told.ended()
    day = json.loads(told.stdout[0])
    assert (float(day["spent"]) > 0, day["held"]) == (True, "0")
    async with running("schedule", "history", "--json", cwd=tmp_path) as history:
        await history.ended()
    rows = [json.loads(line) for line in history.stdout]
    assert [(row["outcome"], row["ending"]) for row in rows if row["by_hand"]] == [("ran", "completed")]
    assert "budget" in [row["why"] for row in rows]
