from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debate_caster.cli.aired import AirTranslator
from debate_caster.cli.standing import Standing
from debate_caster.show.events import AgentCast, ChunkAired, ConnectionDown, ShowEvent, ShowStarted, TurnStarted, decode
from debate_caster.show.public import PublicProjection
from tests.cli.stage_play import play

AT = "2026-11-20T19:00:04.120Z"


def translated(*events: dict[str, Any]) -> list[ShowEvent]:
    translator = AirTranslator()
    numbered = [{"seq": seq, "at": AT, **event} for seq, event in enumerate(events, 1)]
    return [decode(record) for event in numbered for record in translator.records(event)]


def aired(event: ShowEvent) -> dict[str, Any] | None:
    """Return a show's event as a stage airs it."""
    body = PublicProjection(air_thoughts=False).body(event)
    if isinstance(event, ChunkAired):
        body = event.model_dump(include={"type", "speaker", "turn", "index", "text"}) | {"room": "r"}
    return body


def test_a_show_of_ours_comes_back_as_what_its_log_says() -> None:
    public = [body for event in play("First. ", "Second.") if (body := aired(event)) is not None]

    events = translated(*(body for body in public if body["type"] != "hint_accepted"))

    assert [event.type for event in events] == [
        "show_started", "phase_started", "turn_prepared", "turn_started", "hint_used", "chunk_aired", "chunk_aired",
        "turn_ended", "turn_ended", "show_ended",
    ]  # fmt: skip
    started = events[0]
    assert isinstance(started, ShowStarted)
    assert (started.motion, started.turns, started.agents[0].name) == ("This house would ban homework", 2, "Ada")
    assert [event.text for event in events if isinstance(event, ChunkAired)] == ["First. ", "Second."]


def test_an_agent_without_turns_speaks_in_speeches_with_its_lines_apart() -> None:
    agent = {"id": "x", "name": "X", "emoji": "", "color": "", "side": ""}
    events = translated(
        {"type": "show_started", "show": "s", "title": "What I learned", "motion": "", "turns": 0, "agents": [agent]},
        {"type": "chunk_aired", "speaker": "x", "room": "r", "index": 0, "text": "Hello."},
        {"type": "chunk_aired", "speaker": "x", "room": "r", "index": 1, "text": "Bye."},
        {"type": "chunk_aired", "speaker": "y", "room": "q", "index": 0, "text": "And I?"},
        {"type": "show_ended", "why": "bored"},
    )

    assert isinstance(events[0], ShowStarted)
    assert events[0].motion == "What I learned"
    assert events[0].agents == (AgentCast(id="x", name="X", emoji="", color="", side=""),)
    assert [(event.turn, event.speaker) for event in events if isinstance(event, TurnStarted)] == [(0, "x"), (1, "y")]
    assert [event.text for event in events if isinstance(event, ChunkAired)] == ["Hello.", " Bye.", "And I?"]
    assert events[-1].model_dump(include={"why", "detail"}) == {"why": "failed", "detail": "bored"}


def test_a_pause_is_said_and_an_interjection_is_one_turn_more() -> None:
    standing = Standing()
    for event in translated(
        {"type": "show_started", "show": "s1", "turns": 3, "agents": []},
        {"type": "turn_started", "turn": 0, "speaker": "mod", "kind": "interjection"},
        {"type": "show_paused"},
    ):
        standing.take(event)

    assert (standing.paused, standing.turn, standing.turns) == (True, 0, 4)
    (resumed,) = translated({"type": "show_resumed"})
    standing.take(resumed)
    assert not standing.paused


def test_a_line_that_is_down_is_said() -> None:
    (down, up) = translated(
        {"type": "room_reconnecting", "room": "r", "agent": "ada"},
        {"type": "room_resumed", "room": "r", "agent": "ada"},
    )

    assert isinstance(down, ConnectionDown)
    assert (down.agent, up.type) == ("ada", "connection_up")


@pytest.mark.parametrize("type_", ["room_opened", "vote_opened", "", "connection_down", "money_spent"])
def test_what_is_not_for_the_terminal_is_passed_over(type_: str) -> None:
    assert translated({"type": type_, "room": "r"}) == []


JSON: st.SearchStrategy[Any] = st.sampled_from([None, True, 3, "x", [], [1], [{}], [{"id": 3}], {}, {"id": "x"}])
NAMES = ["agents", "speaker", "turn", "text", "hints", "why", "agent", "title", "turns", "phase", "hint", "at"]
TYPES = ["show_started", "chunk_aired", "turn_started", "turn_ended", "show_ended", "hint_used", "room_resumed"]
EVENTS = st.fixed_dictionaries({"type": st.sampled_from(TYPES)}, optional=dict.fromkeys(NAMES, JSON))


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=6))
def test_nothing_that_an_agent_airs_is_an_error(events: list[dict[str, Any]]) -> None:
    said = [event.text.strip() for event in translated(*events) if isinstance(event, ChunkAired)]

    aired = iter([str(event.get("text", "")) for event in events if event["type"] == "chunk_aired"])
    assert all(text in aired for text in said), "nothing is said that was not aired, and in its order"
