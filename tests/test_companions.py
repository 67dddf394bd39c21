import asyncio

import pytest

from debate_caster.companions import alongside


async def forever(seen: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        seen.append("ended")


async def failing() -> None:
    raise ConnectionError("lost")


async def test_companions_end_with_the_block() -> None:
    seen: list[str] = []
    async with alongside(forever(seen), forever(seen)):
        await asyncio.sleep(0)
    assert seen == ["ended", "ended"]


async def test_a_failing_companion_ends_the_block_with_its_error_bare() -> None:
    seen: list[str] = []
    with pytest.raises(ConnectionError, match="lost"):
        async with alongside(failing(), forever(seen)):
            await asyncio.Event().wait()
    assert seen == ["ended"]


async def test_an_error_of_the_block_is_raised_bare_through_any_depth() -> None:
    seen: list[str] = []

    async def work() -> None:
        async with alongside(forever(seen)), alongside(forever(seen)):
            await asyncio.sleep(0)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await work()
    assert len(seen) == 2


async def test_cancelling_from_outside_stays_a_cancellation() -> None:
    seen: list[str] = []

    async def work() -> None:
        async with alongside(forever(seen)):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["ended"]


async def test_a_companion_may_end_before_the_block() -> None:
    events: list[str] = []

    async def brief() -> None:
        events.append("companion")

    async with alongside(brief()):
        await asyncio.sleep(0.01)
        events.append("block")

    assert events == ["companion", "block"]
