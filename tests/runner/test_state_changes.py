"""What changes its state says so, in one line: shows and connections, at the caster and on the stage."""

import asyncio
from pathlib import Path
from typing import Any

from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from debate_caster.broadcast import Target
from debate_caster.clock import SystemClock
from debate_caster.figures import Level, Total
from debate_caster.log import MemoryEventLog
from debate_caster.runner import ShowOutcome, run_show
from debate_caster.show.events import ChunkAired, HintUsed, MoneySpent
from debate_caster.show.figures import ShowFigures
from debate_caster.stage import open_stage
from tests.runner.test_direction import PACING, TOKEN, Producer, until_live
from tests.runner.test_runner import events_of, scenario_in
from tests.stage.people import EXTENSIONS, agent_on, caster_on, eventually, viewer_of

AT_THE_CASTER = (
    "show_prepared", "show_started", "show_paused", "show_resumed", "show_ended", "show_performed",
)  # fmt: skip
ON_THE_STAGE = ("show_opened", "show_over")


def of(lines: list[Any], **fields: str) -> list[str]:
    """The events of the lines with these fields, in order."""
    return [line["event"] for line in lines if fields.items() <= line.items()]


async def test_each_change_of_a_show_and_of_a_connection_is_one_line_and_is_counted(tmp_path: Path) -> None:
    scenario, log, figures = scenario_in(tmp_path, pacing=PACING), MemoryEventLog(), ShowFigures()
    with capture_logs([merge_contextvars]) as lines:
        async with open_stage(log=MemoryEventLog()) as stage, asyncio.TaskGroup() as tasks:
            target = Target("stage", stage.agents_url)
            show = tasks.create_task(
                run_show(
                    scenario,
                    log=log,
                    targets=[target],
                    clock=SystemClock(),
                    show_id="s1",
                    producer_token=TOKEN,
                    figures=figures,
                )
            )
            await until_live(stage)
            async with viewer_of(stage, "?show=s1") as seat:
                producer = Producer(stage, seat)
                await seat.hear("chunk_aired")
                await producer.order("pause")
                await seat.hear("show_paused")
                paused = levels(figures)
                await producer.order("resume")
                await seat.hear("show_resumed")
                await producer.order("end")
                await seat.hear("show_ended")
            outcome: ShowOutcome = await show

            async def over() -> bool:
                return "show_over" in of(lines)

            await eventually(over)

    (agent, _) = agents = sorted({line["agent"] for line in lines if line["event"] == "connecting"})
    assert agents == ["otis", "wren"]
    assert tuple(event for event in of(lines) if event in AT_THE_CASTER) == AT_THE_CASTER
    assert tuple(event for event in of(lines) if event in ON_THE_STAGE) == ON_THE_STAGE
    assert [event for event in of(lines, agent=agent, target="stage") if event != "producer_acted"] == [
        "connecting", "on_air", "off_air",
    ]  # fmt: skip
    wires = {line["agent"] for line in lines if line["event"] == "agent_registered"}
    for wire in wires:
        assert of(lines, agent=wire) == ["agent_registered", "room_opened", "room_closed", "agent_gone"]
    assert (len(wires), of(lines).count("agent_connected")) == (2, 2)
    assert all({"show", "room", "agent", "reason"} <= line.keys() for line in lines if line["event"] == "room_closed")

    assert paused == {"shows": {"paused": 1}, "connections": {"on_air": 2}}
    assert levels(figures) == {"shows": {}, "connections": {}}
    events = await events_of(log, "s1")
    spent = [event for event in events if isinstance(event, MoneySpent)]
    assert outcome.ended.why == "producer"
    assert total(figures.ended, "producer") == 1
    assert total(figures.chunks) == sum(isinstance(event, ChunkAired) for event in events) > 0
    assert total(figures.tokens_written, "rehearsal", "wren") == sum(
        event.completion_tokens for event in spent if event.speaker == "wren"
    )
    assert total(figures.hints, "used") == sum(isinstance(event, HintUsed) for event in events)


def levels(figures: ShowFigures) -> dict[str, dict[str, float]]:
    return {
        figure.name.removeprefix("debate_caster_"): {state: value for (state,), value in figure.values.items() if value}
        for figure in figures.figures
        if isinstance(figure, Level)
    }


def total(figure: Total, *labels: str) -> float:
    return figure.values[labels]


async def test_a_room_whose_agent_goes_and_comes_back_says_each_of_it_once() -> None:
    with capture_logs() as lines:
        async with (
            open_stage(log=MemoryEventLog()) as stage,
            caster_on(stage) as ada,
            viewer_of(stage) as viewer,
        ):
            await viewer.hear("room_opened")
            ada.socket.transport.abort()
            await viewer.hear("room_reconnecting")
            async with agent_on(stage) as again:
                who: dict[str, Any] = {"secret": "secret of ada", "features": EXTENSIONS}
                await again.register("ada-0001", **who, resume={"room": ada.room})
                await viewer.hear("room_resumed")
                await again.say("broadcast_end", broadcastId=ada.room)
                await viewer.hear("show_ended")

    assert of(lines, room=ada.room) == ["room_opened", "room_reconnecting", "room_resumed", "room_closed"]
    assert of(lines, agent="ada-0001").count("agent_registered") == 2
    assert of(lines).count("agent_connected") == of(lines).count("agent_gone") == 2
    assert of(lines, by="websocket", log_level="debug") == ["viewer_came", "viewer_went"]
