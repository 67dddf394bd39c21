"""Work that goes on beside a block of code and ends with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["alongside"]


@asynccontextmanager
async def alongside(*companions: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``companions`` as tasks while the block runs, and cancel them at its end.

    A companion that fails ends the block. What failed first is raised as it is, not in a group: whoever opens the block
    waits for one thing, and decides by the error's type what to do next.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(companion) for companion in companions]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
