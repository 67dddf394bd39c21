import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from debate_caster.clock import ManualClock, SystemClock, VirtualClock, run_virtual, unhurried

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_virtual_time_jumps_over_an_hour_of_sleep() -> None:
    async def main(clock: VirtualClock) -> datetime:
        await clock.sleep(3600)
        return clock.now()

    assert run_virtual(main, start=START) == START + timedelta(hours=1)


def test_virtual_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    async def main(clock: VirtualClock) -> list[tuple[str, float]]:
        woken: list[tuple[str, float]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append((name, clock.monotonic()))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sleeper("late", 90))
            tasks.create_task(sleeper("early", 2.5))
            tasks.create_task(sleeper("middle", 30))
        return woken

    assert run_virtual(main) == [("early", 2.5), ("middle", 30), ("late", 90)]


def test_a_virtual_timeout_fires_at_its_instant() -> None:
    async def main(clock: VirtualClock) -> float:
        with pytest.raises(TimeoutError):
            async with clock.timeout(20):
                await asyncio.Event().wait()
        return clock.monotonic()

    assert run_virtual(main) == 20


def test_virtual_time_stands_still_while_a_thread_works() -> None:
    async def main(clock: VirtualClock) -> float:
        gate = asyncio.Event()

        async def timer() -> None:
            await clock.sleep(1000)
            gate.set()

        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(timer())
            for _ in range(50):
                await asyncio.to_thread(sum, range(1000))
            instant = clock.monotonic()
            waiting.cancel()
        return instant

    assert run_virtual(main) == 0


def test_sockets_of_this_process_work_in_virtual_time() -> None:
    async def main(clock: VirtualClock) -> bytes:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            async with clock.timeout(5):
                line = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return line

    assert run_virtual(main) == b"hello\n"


async def test_a_manual_clock_moves_only_when_told_or_slept_on() -> None:
    clock = ManualClock(START)
    assert clock.now() == START

    clock.advance(5)
    await clock.sleep_until(12)
    clock.advance(-3)

    assert clock.monotonic() == 12
    assert clock.now() == START + timedelta(seconds=12)
    async with clock.timeout(0):
        await asyncio.sleep(0.01)


async def test_a_fast_system_clock_sleeps_less_and_counts_more() -> None:
    clock = SystemClock(speed=200)
    before = clock.monotonic()

    await clock.sleep_until(before + 4)

    assert clock.monotonic() >= before + 4
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=2), "dates stay true"
    with pytest.raises(TimeoutError):
        async with clock.timeout(2):
            await asyncio.sleep(5)


async def test_a_system_clock_at_speed_one_tells_the_time() -> None:
    clock = SystemClock()

    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    async with clock.timeout(None):
        await clock.sleep(-1)


def test_a_clock_cannot_stand_still_or_go_back() -> None:
    with pytest.raises(ValueError, match="above 0"):
        SystemClock(speed=0)


def test_other_machines_are_not_hurried() -> None:
    fast, slow, made_up = unhurried(SystemClock(speed=30)), SystemClock(), ManualClock()

    assert isinstance(fast, SystemClock)
    assert fast.speed == 1.0
    assert unhurried(slow) is slow
    assert unhurried(made_up) is made_up


def test_timers_go_off_after_194_days_when_floats_are_coarser_than_the_loops_resolution() -> None:
    async def main(clock: VirtualClock) -> float:
        await clock.sleep(200 * 86_400.0)
        for _ in range(50):
            await clock.sleep(0.1)
        return clock.monotonic()

    assert run_virtual(main) == pytest.approx(200 * 86_400.0 + 5.0, abs=1e-5)
