"""A model whose calls are counted though no show makes them: a season's motion is thought of before its show."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from debate_caster.errors import ModelError
from debate_caster.llm.conversation import LLM, Delta, Request, TextDelta, UsageReported
from debate_caster.llm.estimates import estimate_prompt_tokens, estimate_tokens
from debate_caster.scenario.script import Budget, ModelScript
from debate_caster.show.budget import Bill, Treasury

__all__ = ["MeteredLLM"]


class MeteredLLM:
    """Hands on what a model says, and tells ``on_call`` of each call: how it ended, and what it cost.

    One that failed before a word came has cost nothing.
    """

    def __init__(self, llm: LLM, script: ModelScript, on_call: Callable[[str, Bill], None]) -> None:
        self._llm, self._script, self._on_call = llm, script, on_call

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta]]:
        treasury = Treasury(Budget(), {self._script.name: self._script}, started=0.0)
        read = estimate_prompt_tokens(request.messages)
        reservation = treasury.reserve(self._script.name, prompt_tokens=read, max_tokens=request.max_tokens)
        heard: list[Delta] = []
        outcome = "cancelled"
        try:
            async with self._llm.stream(request) as deltas, aclosing(_overheard(deltas, heard)) as overheard:
                yield overheard
            outcome = "completed"
        except ModelError as exc:
            outcome = exc.kind
            raise
        finally:
            usage = next((delta for delta in reversed(heard) if isinstance(delta, UsageReported)), None)
            written = estimate_tokens("".join(delta.text for delta in heard if isinstance(delta, TextDelta)))
            bill = treasury.settle(reservation, usage, read=read if heard else 0, written=written)
            self._on_call(outcome, bill)

    async def close(self) -> None:
        await self._llm.close()


async def _overheard(deltas: AsyncIterator[Delta], heard: list[Delta]) -> AsyncGenerator[Delta]:
    async for delta in deltas:
        heard.append(delta)
        yield delta
