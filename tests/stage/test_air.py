import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from debate_caster.clock import ManualClock, SystemClock
from debate_caster.errors import FencedError, LogError, ProtocolError
from debate_caster.log import MemoryEventLog
from debate_caster.stage import air as air_module
from debate_caster.stage import open_stage
from debate_caster.stage.air import Air
from debate_caster.stage.fan_out import AirEvent
from debate_caster.stage.metrics import Counters
from tests.stage.people import caster_on, viewer_of
from tests.stage.unwilling import UnwillingLog


@asynccontextmanager
async def air_on(log: Any) -> AsyncIterator[tuple[Air, list[AirEvent], list[LogError]]]:
    aired: list[AirEvent] = []
    lost: list[LogError] = []

    def take(batch: Sequence[tuple[AirEvent, Mapping[str, Any]]]) -> None:
        aired.extend(event for event, _ in batch)

    clock = SystemClock(speed=1000)
    air = Air(log, "s", clock=clock, counters=Counters(), on_aired=take, on_lost=lost.append)
    writing = asyncio.ensure_future(air.run())
    try:
        yield air, aired, lost
    finally:
        writing.cancel()


async def test_events_are_numbered_stored_and_shown_in_order() -> None:
    log = MemoryEventLog()
    async with air_on(log) as (air, aired, _):
        seqs = await asyncio.gather(*(air.air({"type": "x", "number": number}) for number in range(10)))

    assert seqs == list(range(1, 11))
    assert [event.seq for event in aired] == seqs
    assert [record.seq for record in await log.read("air/s", 0)] == seqs
    assert aired[0].json.startswith(b'{"seq":1,"at":"')


async def test_nothing_is_shown_that_is_not_in_the_log_and_all_of_it_once_that_can_be_written() -> None:
    log = UnwillingLog(MemoryEventLog())
    async with air_on(log) as (air, aired, _):
        await air.air({"type": "x"})
        log.unwilling = True
        waiting = [air.air({"type": "y"}) for _ in range(5)]
        for _ in range(3):
            await log.refusals.acquire()
        assert [event.seq for event in aired] == [1]
        assert air.failure is not None
        log.unwilling = False
        await asyncio.wait_for(air.settled(), 60)

        assert [await future for future in waiting] == [2, 3, 4, 5, 6]
        assert air.failure is None
    assert [event.seq for event in aired] == [1, 2, 3, 4, 5, 6]


async def test_a_log_that_stays_unwilling_takes_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(air_module, "QUEUE_LIMIT", 10)
    log = UnwillingLog(MemoryEventLog())
    log.unwilling = True
    async with air_on(log) as (air, _, _lost):
        for _ in range(10):
            air.air({"type": "x"})
        await log.refusals.acquire()
        with pytest.raises(LogError, match="free some space"):
            air.air({"type": "x"})


async def test_who_has_lost_the_stream_to_another_writer_airs_nothing_more() -> None:
    log = MemoryEventLog()
    async with air_on(log) as (air, aired, lost):
        await air.air({"type": "x"})
        await log.append("air/s", ["{}"], expect=1)
        with pytest.raises(FencedError):
            await air.air({"type": "y"})
        with pytest.raises(FencedError):
            air.air({"type": "z"})

    assert len(aired) == 1
    assert len(lost) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
async def test_what_json_has_no_word_for_is_refused(value: object) -> None:
    air = Air(MemoryEventLog(), "s", clock=ManualClock(), counters=Counters(), on_aired=print, on_lost=lambda _: None)
    with pytest.raises(ProtocolError):
        air.air({"type": "x", "value": value})
    assert air.pending == 0


async def test_history_comes_from_memory_or_from_the_log_and_never_from_beyond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(air_module, "RECENT_BYTES", 300)
    log = MemoryEventLog()
    async with air_on(log) as (air, _, _lost):
        for number in range(20):
            await air.air({"type": "x", "number": number})
        assert len(air._recent) < 10
        for after in range(21):
            for upto in (after, min(after + 3, 20), 20):
                events = await air.history(after, upto)
                assert [event.seq for event in events] == list(range(after + 1, upto + 1))


async def test_an_agent_hears_nothing_until_its_line_is_stored_and_then_everything() -> None:
    log = UnwillingLog(MemoryEventLog())
    async with open_stage(log=log) as stage, caster_on(stage) as ada, viewer_of(stage) as viewer:
        await viewer.hear_events(1)
        log.unwilling = True
        await ada.stream("in between", ref=1)
        await log.refusals.acquire()
        log.unwilling = False
        assert (await ada.hear("text_ack"))["ref"] == 1
        assert (await viewer.hear_events(1))[0]["text"] == "in between"


async def test_a_show_taken_over_by_another_stage_is_over_here() -> None:
    log = MemoryEventLog()
    async with open_stage(log=log) as stage, caster_on(stage) as ada, viewer_of(stage) as viewer:
        await viewer.hear_events(1)
        await log.append("air/show-1", ["{}"], expect=1)
        await ada.stream("lost", ref=1)
        await asyncio.wait_for(stage.wait_over("show-1"), 60)
        assert await viewer.hear_close() == 4503
        await ada.stream("lost, too", ref=2)
        assert (await ada.hear("error"))["code"] == "LOG_UNAVAILABLE"
        assert not [frame for frame in ada.frames if frame["type"] == "text_ack"]
