"""A whole show that holds votes: scenario, director, connections and a real stage, with people who vote."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from debate_caster.broadcast import Target
from debate_caster.clock import SystemClock
from debate_caster.log import MemoryEventLog
from debate_caster.runner import ShowOutcome, run_show
from debate_caster.scenario import load_scenario
from debate_caster.show.recounting import export_html, export_markdown
from debate_caster.stage import open_stage
from tests.end_to_end.programs import write_scenario
from tests.pulsar_servers.pulsar_v1 import PulsarV1
from tests.stage.people import viewer_of

Ballots = Mapping[str, Mapping[str, str]]


async def perform_before(people: Ballots, tmp_path: Path) -> tuple[ShowOutcome, list[dict[str, Any]]]:
    """Perform a show; ``people`` say how each votes in which vote. Return how it went, and what was on air."""
    clock, log, air = SystemClock(speed=10), MemoryEventLog(), MemoryEventLog()
    path = write_scenario(tmp_path, audience={"votes": "swing", "vote_s": 10})
    async with open_stage(log=air, clock=clock) as stage, asyncio.TaskGroup() as tasks:

        async def attend(ballots: Mapping[str, str]) -> None:
            async with viewer_of(stage, "?show=s1") as person:
                for _ in ballots:
                    opened = await person.hear("vote_opened")
                    await person.say("vote", choice=ballots[opened["vote"]], vote=opened["vote"])

        async def come_in() -> None:
            async with air.tail("air/s1", 0) as events:
                await anext(events)
            async with asyncio.TaskGroup() as audience:
                for ballots in people.values():
                    audience.create_task(attend(ballots))

        tasks.create_task(come_in())
        target = Target("stage", stage.agents_url)
        scenario = load_scenario(path, env=os.environ)
        outcome = await run_show(scenario, log=log, targets=[target], clock=clock, show_id="s1")
        aired = [json.loads(record.body) for record in await air.read("air/s1", 0, limit=10_000)]
    return outcome, aired


async def test_the_audience_s_swing_decides_and_everybody_is_told(tmp_path: Path) -> None:
    people = {
        "Mia": {"before": "for", "after": "against"},
        "Noor": {"before": "for", "after": "against"},
        "Otto": {"before": "against", "after": "undecided"},
        "Pia": {"before": "undecided", "after": "for"},
    }

    outcome, aired = await perform_before(people, tmp_path)

    told = [event for event in aired if event["type"].startswith(("vote_", "verdict_"))]
    assert [event["type"] for event in told] == [*(["vote_opened", "vote_closed", "vote_counted"] * 2), "verdict_given"]
    assert [event["counts"] for event in told if event["type"] == "vote_counted"] == [
        {"for": 2, "against": 1, "undecided": 1},
        {"for": 1, "against": 2, "undecided": 1},
    ]
    verdict = outcome.transcript.verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.leaders) == ("won", ("against",))
    assert verdict.changes == {"for": -0.25, "against": 0.25}
    assert {name: told[-1][name] for name in ("leaders", "changes")} == {
        "leaders": ["against"], "changes": {"for": -0.25, "against": 0.25}
    }  # fmt: skip
    assert outcome.ended.why == "completed"
    assert "**Against wins the vote by a swing of +25 points.**" in export_markdown(outcome.transcript)
    assert "<strong>Against wins the vote by a swing of +25 points.</strong>" in export_html(outcome.transcript)


async def test_nobody_votes_in_place_of_an_audience_that_does_not(tmp_path: Path) -> None:
    outcome, aired = await perform_before({}, tmp_path)

    verdict = outcome.transcript.verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.why) == ("no_result", "no_votes")
    assert [event["votes"] for event in aired if event["type"] == "vote_counted"] == [0, 0]


async def test_on_a_server_without_votes_there_are_none(tmp_path: Path) -> None:
    clock = SystemClock(speed=20)
    path = write_scenario(tmp_path, audience={"votes": "swing", "vote_s": 600})
    async with PulsarV1(clock) as server:
        outcome = await run_show(
            load_scenario(path, env=os.environ),
            log=MemoryEventLog(),
            targets=[Target("pulsar", server.url)],
            clock=clock,
            show_id="s1",
        )

    assert outcome.ended.why == "completed"
    assert outcome.transcript.polls == ()
    assert outcome.transcript.verdict is None
