import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from debate_caster.clock import ManualClock
from debate_caster.errors import FencedError, LogError
from debate_caster.log import MemoryEventLog
from debate_caster.show.events import ChunkAired, Stake, TurnPrepared, TurnStarted, decode, stream_of
from debate_caster.show.log_writer import ShowLogWriter
from tests.show.stage_props import show_started

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
STARTED = show_started(LONG_AGO)
TURN = TurnStarted(at=LONG_AGO, turn=0, phase=0, speaker="ada", max_words=50)


def chunk(index: int) -> ChunkAired:
    return ChunkAired(at=LONG_AGO, turn=0, index=index, speaker="ada", text=f"{index} ")


class SlowLog(MemoryEventLog):
    """Stores only when ``release`` is set; ``error`` instead, where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.release = asyncio.Event()
        self.release.set()
        self.error: LogError | None = None

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        await self.release.wait()
        if self.error is not None:
            raise self.error
        return await super().append(stream, bodies, expect=expect, epoch=epoch)


async def test_events_are_stamped_by_the_clock_and_numbered_in_order() -> None:
    log, clock = MemoryEventLog(), ManualClock()
    writer = await ShowLogWriter.open(log, "s", clock=clock)
    await writer.append(STARTED)
    clock.advance(5)
    await writer.append(TURN, chunk(0))

    events = [decode(record) for record in await log.read(stream_of("s"), 0)]
    assert [event.seq for event in events] == [1, 2, 3]
    assert [(event.at - events[0].at).total_seconds() for event in events] == [0, 5, 5]
    assert writer.transcript.open is not None
    assert writer.transcript.open.chunks == ("0 ",)


async def test_time_never_goes_back_in_a_log() -> None:
    log = MemoryEventLog()
    clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    await (await ShowLogWriter.open(log, "s", clock=clock)).append(STARTED)
    earlier = ManualClock(datetime(2026, 4, 1, tzinfo=UTC))
    await (await ShowLogWriter.open(log, "s", clock=earlier)).append(TURN)

    first, second = [decode(record) for record in await log.read(stream_of("s"), 0)]
    assert second.at == first.at


async def test_an_event_that_cannot_follow_is_not_stored() -> None:
    log = MemoryEventLog()
    writer = await ShowLogWriter.open(log, "s", clock=ManualClock())
    await writer.append(STARTED)

    with pytest.raises(LogError):
        await writer.append(TURN, chunk(7))

    assert await log.last_seq(stream_of("s")) == 1
    await writer.append(TURN)


async def test_tasks_that_write_at_once_are_put_in_order() -> None:
    log = MemoryEventLog()
    writer = await ShowLogWriter.open(log, "s", clock=ManualClock())
    await writer.append(STARTED, TURN)

    async with asyncio.TaskGroup() as tasks:
        for index in range(50):
            tasks.create_task(writer.append(chunk(index)))

    assert writer.transcript.seq == 52
    assert len(await log.read(stream_of("s"), 0)) == 52


async def test_another_writer_fences_this_one() -> None:
    log = MemoryEventLog()
    writer = await ShowLogWriter.open(log, "s", clock=ManualClock())
    other = await ShowLogWriter.open(log, "s", clock=ManualClock())
    await writer.append(STARTED)

    with pytest.raises(FencedError):
        await other.append(STARTED)


async def test_a_cancelled_write_is_waited_for_by_the_next() -> None:
    log = SlowLog()
    writer = await ShowLogWriter.open(log, "s", clock=ManualClock())
    await writer.append(STARTED, TURN)
    log.release.clear()
    writing = asyncio.create_task(writer.append(chunk(0)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    following = asyncio.create_task(writer.append(chunk(1)))
    await asyncio.sleep(0)
    log.release.set()
    await following

    assert writer.transcript.open is not None
    assert writer.transcript.open.chunks == ("0 ", "1 ")
    assert await log.last_seq(stream_of("s")) == 4


async def test_what_became_of_a_cancelled_write_is_known_after_settling() -> None:
    log = SlowLog()
    writer = await ShowLogWriter.open(log, "s", clock=ManualClock())
    await writer.append(STARTED, TURN)
    log.release.clear()
    writing = asyncio.create_task(writer.append(chunk(0)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait({writing})
    log.error = LogError("s", "disk full")
    log.release.set()

    with pytest.raises(LogError, match="disk full"):
        await writer.settle()

    log.error = None
    assert (await writer.append(chunk(0))).seq == 3


async def test_calls_that_died_with_their_process_count_once_with_the_most_they_may_have_cost() -> None:
    log, clock = MemoryEventLog(), ManualClock()
    died = await ShowLogWriter.open(log, "s", clock=clock)
    stake = Stake(model="m", prompt_tokens=100, completion_tokens=50, cost=Decimal(2))
    asked = TurnPrepared(at=LONG_AGO, turn=0, phase=0, speaker="ada", prompt_digest="d", prompt_words=80, stake=stake)
    await died.append(STARTED, asked)

    first = await (await ShowLogWriter.open(log, "s", clock=clock)).take_over()
    second = await (await ShowLogWriter.open(log, "s", clock=clock)).take_over()

    lost = [
        event
        for event in [decode(record) for record in await log.read(stream_of("s"), 0)]
        if event.type == "money_spent"
    ]
    assert [(event.turn, event.speaker, event.outcome, event.estimated) for event in lost] == [(0, "ada", "lost", True)]
    assert (first.spent.cost, first.spent.prompt_tokens, first.at_stake) == (Decimal(2), 100, ())
    assert second.spent == first.spent
