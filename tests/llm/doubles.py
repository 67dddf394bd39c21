"""Models made of lists, for tests of what is wrapped around a model."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field

from debate_caster.errors import ModelError
from debate_caster.llm import LLM, Delta, Message, ReasoningDelta, Request, TextDelta

REQUEST = Request((Message("system", "You debate."), Message("user", "Speak.")), max_tokens=300)


@dataclass(slots=True)
class ListedLLM:
    """Replays steps: a delta is passed on, a number is a pause in seconds of the loop, an error is raised."""

    steps: Sequence[Delta | float | ModelError]
    opening_s: float = 0.0
    opened: int = 0
    left: int = 0
    closed: int = 0
    asked: list[Request] = field(default_factory=list)

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self._replayed(request)

    async def close(self) -> None:
        self.closed += 1

    @asynccontextmanager
    async def _replayed(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta]]:
        self.asked.append(request)
        await asyncio.sleep(self.opening_s)
        self.opened += 1
        try:
            async with aclosing(self._deltas()) as deltas:
                yield deltas
        finally:
            self.left += 1

    async def _deltas(self) -> AsyncGenerator[Delta]:
        for step in self.steps:
            if isinstance(step, ModelError):
                raise step
            if isinstance(step, int | float):
                await asyncio.sleep(step)
            else:
                yield step


async def take(llm: LLM, request: Request = REQUEST) -> list[Delta]:
    """Return all deltas of one reply."""
    async with llm.stream(request) as deltas:
        return [delta async for delta in deltas]


async def take_until_error(llm: LLM, request: Request = REQUEST) -> tuple[list[Delta], ModelError | None]:
    """Return the deltas up to the end, and the error that was the end, if one was."""
    taken: list[Delta] = []
    try:
        async with llm.stream(request) as deltas:
            async for delta in deltas:
                taken.append(delta)  # noqa: PERF401 - what came before the error counts
    except ModelError as exc:
        return taken, exc
    return taken, None


def visible(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def thoughts(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
