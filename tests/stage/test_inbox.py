import asyncio
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from debate_caster.stage.inbox import FRAMES_LIMIT, WAITING_LIMIT, Inbox


@given(sizes=st.lists(st.integers(0, 400_000), max_size=30))
@example(sizes=[300_000] * 10)  # more than there is room for, whatever chance brings
async def test_messages_come_out_in_order_and_never_wait_by_more_than_the_limit_and_one(sizes: list[int]) -> None:
    inbox, most, taken = Inbox(), 0, []

    async def fill() -> None:
        for number, size in enumerate(sizes):
            await inbox.put(f"{number} " + "x" * size)
        inbox.close()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fill())
        while (message := await inbox.get()) is not None:
            most = max(most, inbox.waiting_bytes)
            taken.append(int(message.split()[0]))
    assert taken == list(range(len(sizes)))
    assert most < WAITING_LIMIT + 400_100
    assert (len(inbox), inbox.waiting_bytes) == (0, 0)


async def test_small_messages_are_bounded_in_number() -> None:
    inbox = Inbox()

    async def fill() -> None:
        while True:
            await inbox.put("x")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fill(), 0.2)
    assert len(inbox) == FRAMES_LIMIT


async def test_what_counts_is_the_memory_that_a_message_takes() -> None:
    inbox = Inbox()
    tea = "\U0001f375" * 1000
    await inbox.put(tea)
    assert inbox.waiting_bytes == sys.getsizeof(tea) > 4000


async def test_one_who_waits_for_room_goes_on_when_the_inbox_is_closed_and_nothing_is_lost() -> None:
    inbox = Inbox()
    putting = asyncio.create_task(inbox.put("x" * WAITING_LIMIT))
    await asyncio.sleep(0)
    assert not putting.done()
    inbox.close()
    await putting
    assert await inbox.get() == "x" * WAITING_LIMIT
    assert await inbox.get() is None
