"""A show whose reviewer goes away: what nobody has looked at is not aired."""

import json

import pytest

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.log import MemoryEventLog
from debate_caster.runner import ShowOutcome, run_show
from debate_caster.scenario.script import HookScript, ModelScript, Moderation
from debate_caster.show.apologies import Cause, apology_for
from debate_caster.show.events import ChunkAired, ShowEvent, SpeechHeldBack, TurnEnded, decode, stream_of
from tests.faults.invariants import as_fields, broken_in
from tests.llm.test_reviewing import document, office
from tests.show.stage_props import make_scenario

ALLOWED = 3
"""Texts that the hook looks at before it fails."""


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(document({"error": "overloaded"}, "503 Busy"), id="an-error"),
        pytest.param(document({"allow": "maybe"}), id="no-clear-answer"),
        pytest.param(b"", id="the-connection-ends"),
        pytest.param(None, id="silence"),
    ],
)
def test_once_nobody_looks_nothing_is_aired_and_the_show_ends(failure: bytes | None) -> None:
    async def main(clock: VirtualClock) -> tuple[ShowOutcome, list[ShowEvent], list[str]]:
        async with office(document({"allow": True}), limit=ALLOWED, failure=failure) as desk:
            moderation = Moderation(hook=HookScript(url=desk.url))
            scenario = make_scenario(rounds=5, moderation=moderation, models={"m": ModelScript(name="m")})
            log = MemoryEventLog()
            outcome = await run_show(scenario, log=log, clock=clock, seed=1, show_id="s")
            events = [decode(record) for record in await log.read(stream_of("s"), 0, limit=10_000)]
            return outcome, events, [json.loads(body)["text"] for body in desk.bodies[:ALLOWED]]

    outcome, events, allowed = run_virtual(main)

    assert broken_in(as_fields(events)) == []
    causes: tuple[Cause, ...] = ("held_back", "ending")
    apologies = "".join(apology_for("en", turn, cause) for turn in range(8) for cause in causes)
    aired = [event.text for event in events if isinstance(event, ChunkAired)]
    assert len(allowed) == ALLOWED
    assert [text for text in aired if text.strip() not in apologies] == allowed
    assert {event.reason for event in events if isinstance(event, SpeechHeldBack)} == {"no answer"}
    assert {event.held_back for event in events if isinstance(event, TurnEnded) and event.how == "aborted"} == {True}
    assert (outcome.ended.why, outcome.ended.detail) == ("failed", "3 turns in a row without a word (held back)")
