import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from debate_caster.broadcast import Target
from debate_caster.clock import Clock, SystemClock, VirtualClock, run_virtual
from debate_caster.errors import FencedError, LogError
from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.runner import ShowOutcome, new_show_id, run_show, targets_of
from debate_caster.scenario import Scenario, load_scenario
from debate_caster.show.events import ChunkAired, ConnectionDown, ConnectionUp, ShowEvent, decode, stream_of
from debate_caster.stage import Stage, open_stage
from tests.end_to_end.programs import write_scenario
from tests.pulsar_servers.pulsar_v1 import PulsarV1


def scenario_in(folder: Path, **changes: Any) -> Scenario:
    return load_scenario(write_scenario(folder, **changes), env=os.environ)


async def events_of(log: EventLog, show: str) -> list[ShowEvent]:
    return [decode(record) for record in await log.read(stream_of(show), 0, limit=10_000)]


@asynccontextmanager
async def own_stage(clock: Clock) -> AsyncIterator[tuple[Stage, MemoryEventLog]]:
    air = MemoryEventLog()
    async with open_stage(log=air, clock=clock) as stage:
        yield stage, air


def test_the_same_seed_gives_the_same_debate(tmp_path: Path) -> None:
    scenario = scenario_in(tmp_path)

    async def perform(clock: VirtualClock, seed: int) -> list[str]:
        log = MemoryEventLog()
        outcome = await run_show(scenario, log=log, clock=clock, seed=seed, show_id="s1")
        assert outcome.seed == seed
        return [record.body for record in await log.read("show/s1", 0, limit=10_000)]

    first, again, other = (run_virtual(partial(perform, seed=seed)) for seed in (1, 1, 2))

    assert first == again
    assert first != other


async def test_a_show_on_a_stage_is_delivered_whole_and_its_connections_are_in_its_log(tmp_path: Path) -> None:
    scenario, log, clock = scenario_in(tmp_path), MemoryEventLog(), SystemClock(speed=20)
    heard: list[ConnectionUp | ConnectionDown] = []

    async def hear(event: ConnectionUp | ConnectionDown) -> None:
        heard.append(event)

    async with own_stage(clock) as (stage, air):
        target = Target("stage", stage.agents_url)
        outcome = await run_show(scenario, log=log, targets=[target], clock=clock, show_id="s1", on_state=hear)
        aired = [json.loads(record.body) for record in await air.read("air/s1", 0, limit=10_000)]

    events = await events_of(log, "s1")
    chunks = [event for event in events if isinstance(event, ChunkAired)]
    assert outcome.ended.why == "completed"
    assert sum(report.delivered for report in outcome.deliveries) == len(chunks)
    assert sorted(
        (event["turn"], event["index"], event["text"]) for event in aired if event["type"] == "chunk_aired"
    ) == [(chunk.turn, chunk.index, chunk.text) for chunk in chunks]
    ups = [event for event in events if isinstance(event, ConnectionUp)]
    assert {event.agent for event in ups} == {"wren", "otis"}
    assert [event.agent for event in heard if isinstance(event, ConnectionUp)] == [event.agent for event in ups]
    assert max(event.seq for event in ups) < chunks[0].seq, "everybody was on air before the first word"


def test_a_target_that_is_down_delays_the_beginning_only_for_a_while_and_nobody_after_that(tmp_path: Path) -> None:
    scenario, gone = scenario_in(tmp_path), Target("gone", "ws://127.0.0.1:9/")

    async def perform(clock: VirtualClock, *beside: Target) -> tuple[ShowOutcome, float]:
        async with own_stage(clock) as (stage, _):
            started = clock.monotonic()
            targets = [Target("stage", stage.agents_url), *beside]
            outcome = await run_show(scenario, log=MemoryEventLog(), targets=targets, clock=clock, seed=1, show_id="s1")
            return outcome, clock.monotonic() - started

    _, usual_s = run_virtual(perform)
    with capture_logs() as logged:
        outcome, took_s = run_virtual(lambda clock: perform(clock, gone))

    reports = {(report.agent, report.target): report for report in outcome.deliveries}
    assert outcome.ended.why == "completed"
    assert took_s - usual_s == pytest.approx(3.0, abs=0.2)
    assert [line["connections"] for line in logged if line["event"] == "beginning_without"] == [
        ["otis@gone", "wren@gone"]
    ]
    assert reports["wren", "gone"].problem
    assert reports["wren", "gone"].rooms == ()
    assert reports["wren", "stage"].problem == ""


def test_a_viewers_remark_on_any_target_becomes_a_hint_that_is_answered(tmp_path: Path) -> None:
    outcome = run_virtual(partial(perform_with_a_remark, tmp_path))

    used = [hint for speech in outcome.transcript.speeches for hint in speech.hints]
    assert [(hint.name, hint.text) for hint in used] == [("Mia", "What about pupils without a quiet desk?")]
    assert outcome.transcript.hints.used == 1


async def perform_with_a_remark(tmp_path: Path, clock: VirtualClock) -> ShowOutcome:
    log = MemoryEventLog()
    scenario = scenario_in(tmp_path, pacing={"chars_per_second": 40})
    async with PulsarV1(clock) as server, asyncio.TaskGroup() as tasks:
        show = tasks.create_task(
            run_show(scenario, log=log, targets=[Target("pulsar", server.url)], clock=clock, show_id="s1")
        )
        await server.until(lambda: any(room.texts() for room in server.rooms_of("wren")))
        room = server.rooms_of("otis")[0]
        await server.viewer_says(room, "Mia", "What about pupils without a quiet desk?")
    return show.result()


@pytest.mark.parametrize("before_it_begins", [True, False])
async def test_a_show_that_is_stopped_closes_its_rooms(tmp_path: Path, *, before_it_begins: bool) -> None:
    scenario, log, clock, stop = scenario_in(tmp_path), MemoryEventLog(), SystemClock(), asyncio.Event()
    async with own_stage(clock) as (stage, air):
        target = Target("stage", stage.agents_url)
        async with asyncio.TaskGroup() as tasks:
            if before_it_begins:
                stop.set()
            show = tasks.create_task(
                run_show(scenario, log=log, targets=[target], clock=clock, show_id="s1", stop=stop)
            )
            if not before_it_begins:
                async with log.tail("show/s1", 0) as records:
                    async for record in records:
                        if '"chunk_aired"' in record.body:
                            break
                stop.set()
        aired = [json.loads(record.body) for record in await air.read("air/s1", 0)]

    outcome: ShowOutcome = show.result()
    opened = {event["room"] for event in aired if event["type"] == "room_opened"}
    assert outcome.ended.why == "interrupted"
    assert {event["room"] for event in aired if event["type"] == "room_closed"} == opened
    assert before_it_begins or opened


class FailingLog(MemoryEventLog):
    """Takes no append after the first ``limit`` ones."""

    def __init__(self, error: type[LogError], limit: int) -> None:
        super().__init__()
        self._error, self._limit = error, limit

    async def append(self, stream: str, bodies: Any, *, expect: int, epoch: int = 0) -> int:
        self._limit -= 1
        if self._limit < 0:
            raise self._error(stream, "the disk is full: free some space")
        return await super().append(stream, bodies, expect=expect, epoch=epoch)


@pytest.mark.parametrize("error", [LogError, FencedError])
async def test_a_log_that_fails_ends_the_show_and_its_broadcasts(error: type[LogError], tmp_path: Path) -> None:
    scenario, clock = scenario_in(tmp_path), SystemClock(speed=20)
    async with own_stage(clock) as (stage, air):
        with pytest.raises(error):
            await run_show(
                scenario,
                log=FailingLog(error, 8),
                targets=[Target("stage", stage.agents_url)],
                clock=clock,
                show_id="s1",
            )
        await clock.sleep(0.5)
        closed = [record for record in await air.read("air/s1", 0) if '"room_closed"' in record.body]

    assert len(closed) == 2


async def test_the_shows_secret_key_is_in_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("debate_caster.runner.secrets.token_urlsafe", lambda _bytes: "the-key-of-this-show")
    scenario, log, clock = scenario_in(tmp_path), MemoryEventLog(), SystemClock(speed=20)
    async with own_stage(clock) as (stage, air):
        with capture_logs() as logged:
            await run_show(scenario, log=log, targets=[Target("stage", stage.agents_url)], clock=clock, show_id="s1")
        stored = [await air.read(info.name, 0, limit=10_000) for info in await air.streams()]

    stored.append(await log.read("show/s1", 0, limit=10_000))
    assert len(stored) >= 3
    assert "the-key-of-this-show" not in str(stored) + str(logged)


def test_a_show_is_named_after_its_scenario_and_the_time(tmp_path: Path) -> None:
    scenario = scenario_in(tmp_path)

    async def name(clock: VirtualClock) -> tuple[str, str]:
        return new_show_id(scenario, clock), new_show_id(scenario, clock)

    first, second = run_virtual(name)
    assert first.rpartition("-")[0] == second.rpartition("-")[0] == "homework-20260101-000000"
    assert len(first.rpartition("-")[2]) == 4


def test_the_scenarios_targets_are_told_as_they_are(tmp_path: Path) -> None:
    inside = {"name": "inside", "url": "ws://10.0.0.1/ws", "allow_private": True}
    public = {"name": "public", "url": "wss://pulsar.example/ws", "mirror": False}
    scenario = scenario_in(tmp_path, targets=[public, inside])

    assert targets_of(scenario) == (
        Target("public", "wss://pulsar.example/ws", None, mirror=False),
        Target("inside", "ws://10.0.0.1/ws", allow_private=True),
    )
