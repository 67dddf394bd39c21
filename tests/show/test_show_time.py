import asyncio

import pytest

from debate_caster.clock import ManualClock, VirtualClock, run_virtual
from debate_caster.show.show_time import ShowTime


def test_the_time_stands_still_while_it_is_held() -> None:
    clock = ManualClock()
    time = ShowTime(clock)
    clock.advance(5)
    time.hold()
    clock.advance(100)
    assert (time.monotonic(), time.held) == (5, True)
    time.release()
    clock.advance(2)
    assert (time.monotonic(), time.held) == (7, False)


def test_holding_twice_and_releasing_twice_is_once() -> None:
    clock = ManualClock()
    time = ShowTime(clock)
    time.hold()
    clock.advance(1)
    time.hold()
    clock.advance(1)
    time.release()
    time.release()
    assert time.monotonic() == 0


@pytest.mark.parametrize("held_at", [0.0, 3.0, 9.9])
def test_a_timeout_fires_as_much_later_as_the_time_was_held(held_at: float) -> None:
    async def main(clock: VirtualClock) -> float:
        time = ShowTime(clock)

        async def hold() -> None:
            await clock.sleep(held_at)
            time.hold()
            await clock.sleep(60)
            time.release()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(hold())
            with pytest.raises(TimeoutError):
                async with time.timeout(10):
                    await asyncio.Event().wait()
            return clock.monotonic()

    assert run_virtual(main) == pytest.approx(70)


def test_a_timeout_that_begins_while_the_time_is_held_waits_for_its_release() -> None:
    async def main(clock: VirtualClock) -> float:
        time = ShowTime(clock)
        time.hold()
        asyncio.get_running_loop().call_later(30, time.release)
        with pytest.raises(TimeoutError):
            async with time.timeout(5):
                await asyncio.Event().wait()
        return clock.monotonic()

    assert run_virtual(main) == pytest.approx(35)


def test_a_timeout_that_is_left_in_time_does_nothing_more() -> None:
    async def main(clock: VirtualClock) -> None:
        time = ShowTime(clock)
        async with time.timeout(5):
            await clock.sleep(1)
        time.hold()
        await clock.sleep(60)
        time.release()
        await clock.sleep(60)

    run_virtual(main)


def test_no_seconds_are_no_limit() -> None:
    async def main(clock: VirtualClock) -> None:
        async with ShowTime(clock).timeout(None):
            await clock.sleep(1000)

    run_virtual(main)
