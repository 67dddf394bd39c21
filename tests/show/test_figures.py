from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from debate_caster.clock import ManualClock
from debate_caster.figures import OTHER, Level
from debate_caster.scenario.script import ModelScript
from debate_caster.show.events import (
    ChunkAired,
    ConnectionDown,
    ConnectionUp,
    HintDeclined,
    HintOffered,
    HintUsed,
    MoneySpent,
    ShowEnded,
    ShowPaused,
    ShowResumed,
)
from debate_caster.show.figures import ON_TIME_S, ShowCount, ShowFigures, provider_of
from debate_caster.show.show_time import ShowTime
from tests.show.stage_props import make_scenario, show_started

AT = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = show_started(AT)
UP = ConnectionUp(at=AT, agent="ada", target="stage", room="r")


def money(speaker: str = "ada", model: str = "m", outcome: str = "completed", cost: str = "0.25") -> MoneySpent:
    return MoneySpent(
        at=AT, turn=0, speaker=speaker, model=model, attempt=1, prompt_tokens=100, completion_tokens=40,
        cost=Decimal(cost), outcome=outcome,
    )  # fmt: skip


def level(figures: ShowFigures, name: str) -> dict[str, float]:
    """What is not nothing of a level, by its state."""
    (found,) = [figure for figure in figures.figures if isinstance(figure, Level) and figure.name.endswith(name)]
    return {state: value for (state,), value in found.values.items() if value}


def down(*, final: bool = False) -> ConnectionDown:
    return ConnectionDown(at=AT, agent="ada", target="stage", reason="gone", final=final)


def test_a_show_is_counted_by_its_state_while_it_is_given() -> None:
    figures, time = ShowFigures(), ShowTime(ManualClock())
    seen = []
    with figures.counting(make_scenario(), time) as count, figures.counting(make_scenario(), time):
        for event in (STARTED, ShowPaused(at=AT), ShowResumed(at=AT), ShowEnded(at=AT, why="producer")):
            count.take([event])
            seen.append(level(figures, "_shows"))

    assert seen == [{state: 1, "preparing": 1} for state in ("on_air", "paused", "on_air", "closing")]
    assert level(figures, "_shows") == {}
    assert {why: number for (why,), number in figures.ended.values.items() if number} == {"producer": 1}


def test_a_chunk_is_on_time_up_to_a_twentieth_of_a_second_after_its_instant_and_pauses_do_not_make_it_late() -> None:
    figures, clock = ShowFigures(), ManualClock()
    time = ShowTime(clock)
    with figures.counting(make_scenario(), time) as count:
        clock.advance(10 + ON_TIME_S - 0.001)
        count.take([chunk(due=10)])
        clock.advance(0.002)
        count.take([chunk(due=10)])
        time.hold()
        clock.advance(60)
        time.release()
        count.take([chunk(due=10.04)])

    assert (figures.chunks.values, figures.chunks_on_time.values) == ({(): 3}, {(): 2})


def chunk(due: float) -> ChunkAired:
    return ChunkAired(at=AT, turn=0, index=0, speaker="ada", text="x", due=due)


def test_tokens_and_money_are_those_of_the_persona_that_speaks_and_of_the_server_that_was_asked() -> None:
    figures = ShowFigures()
    models = {
        "m": ModelScript(name="m"),
        "big": ModelScript(name="big", provider="openai", base_url="https://user:key@llm.example:8443/v1"),
    }
    with figures.counting(make_scenario(models=models), ShowTime(ManualClock())) as count:
        assert figures.money.values == {("rehearsal", "ada"): 0, ("rehearsal", "ben"): 0}, "before the first call"
        count.take([money(), money("ben"), money(outcome="stalled"), money("ada", "big"), money("gone", "gone")])

    rehearsed, asked, unknown = ("rehearsal", "ada"), ("llm.example", "ada"), (OTHER, OTHER)
    assert figures.money.values == {rehearsed: 0.5, ("rehearsal", "ben"): 0.25, asked: 0.25, unknown: 0.25}
    assert figures.tokens_read.values[rehearsed] == 200
    assert figures.tokens_written.values[asked] == 40
    assert figures.calls.values == {
        ("rehearsal", "completed"): 2,
        ("rehearsal", "stalled"): 1,
        ("llm.example", "completed"): 1,
        (OTHER, "completed"): 1,
    }


@pytest.mark.parametrize(
    ("script", "provider"),
    [
        ({}, "rehearsal"),
        ({"provider": "openai"}, "openai"),
        ({"provider": "openai", "base_url": "http://127.0.0.1:11434/v1"}, "127.0.0.1"),
        ({"provider": "openai", "base_url": "https://api.openai.com/v1?key=secret"}, "api.openai.com"),
    ],
)
def test_a_provider_is_called_as_its_server_and_nothing_else_of_its_address(
    script: dict[str, Any], provider: str
) -> None:
    assert provider_of(ModelScript(name="m", **script)) == provider


def test_scenarios_that_name_ever_new_servers_make_no_more_series_than_there_may_be() -> None:
    figures = ShowFigures()
    for number in range(500):
        model = ModelScript(name="m", provider="openai", base_url=f"https://h{number}.example/v1")
        with figures.counting(make_scenario(models={"m": model}), ShowTime(ManualClock())) as count:
            count.take([money()])

    series = sum(len(figure.values) for figure in figures.figures)
    assert series < 1000
    assert sum(figures.money.values.values()) == 125
    assert figures.calls.values[OTHER, OTHER] > 0
    assert figures.money.values[OTHER, OTHER] > 0


def test_hints_are_counted_by_what_became_of_them() -> None:
    figures = ShowFigures()
    with figures.counting(make_scenario(), ShowTime(ManualClock())) as count:
        count.take([
            HintOffered(at=AT, hint="h", viewer="v", text="x", source="stage"),
            HintUsed(at=AT, hint="h", viewer="v", turn=1, speaker="ada"),
            HintDeclined(at=AT, hint="i", viewer="v", reason="empty"),
        ])  # fmt: skip

    assert {fate: number for (fate,), number in figures.hints.values.items() if number} == {
        "offered": 1, "used": 1, "declined": 1,
    }  # fmt: skip


def test_connections_are_counted_by_their_state_and_what_goes_off_the_air_too_early_is_lost() -> None:
    figures = ShowFigures()
    seen = []

    def note(count: ShowCount, *events: ConnectionUp | ConnectionDown) -> None:
        for event in events:
            count.hear(event)
            seen.append(level(figures, "_connections"))

    with figures.counting(make_scenario(), ShowTime(ManualClock())) as count:
        count.expect("ada", "stage")
        seen.append(level(figures, "_connections"))
        note(count, down(), UP, down(), UP, down(final=True))

    assert seen == [{"connecting": 1}, {"off_air": 1}, {"on_air": 1}, {"off_air": 1}, {"on_air": 1}, {}]
    assert figures.losses.values == {(): 1}
