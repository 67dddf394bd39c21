"""Work that goes on beside a block of code and ends with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from debate_caster.errors import matters_most

__all__ = ["alongside"]


@asynccontextmanager
async def alongside(*companions: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``companions`` as tasks while the block runs, and cancel them at its end.

    A companion that fails ends the block. What matters most is raised as it is, not in a group: whoever opens the block
    waits for one thing, and decides by the error's type what to do next.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(companion) for companion in companions]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as errors:
        raise matters_most(errors) from None
