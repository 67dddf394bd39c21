"""The clocks over a model's reply: first content, between contents, thinking, and the reply as a whole.

Time counts only while we wait for the model, never while the reader of the deltas is busy airing them.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from debate_caster.clock import Clock
from debate_caster.errors import ModelError
from debate_caster.llm.conversation import LLM, Delta, ReasoningDelta, Request, TextDelta, ToolCallDelta

__all__ = ["DeadlineLLM", "Deadlines"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds a model may take. Comments, empty deltas and reasoning do not reset the content clocks.

    A model that visibly thinks has ``reasoning_s`` for its first content instead of ``first_content_s``, and may pause
    for ``between_content_s`` in its thinking. The numbers suit a live audience: half a minute of silence is the longest
    a viewer may be asked to bear, and hosted models, once warm, begin within a tenth of it.
    """

    first_content_s: float = 30.0
    between_content_s: float = 20.0
    reasoning_s: float = 60.0
    reply_s: float = 120.0


class DeadlineLLM:
    """A model whose silence ends as an error: kinds ``silent``, ``stalled`` and ``overlong``."""

    def __init__(self, llm: LLM, *, name: str, clock: Clock, deadlines: Deadlines) -> None:
        self._llm, self._name, self._clock, self._deadlines = llm, name, clock, deadlines

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self._watched(request)

    async def close(self) -> None:
        await self._llm.close()

    @asynccontextmanager
    async def _watched(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta]]:
        watch = _Watch(self._name, self._clock, self._deadlines)
        async with AsyncExitStack() as stack:
            deltas = await watch.wait_for(stack.enter_async_context(self._llm.stream(request)))
            async with aclosing(_pass_on(deltas, watch)) as watched:
                yield watched


class _Watch:
    """How long one reply has kept us waiting."""

    def __init__(self, name: str, clock: Clock, deadlines: Deadlines) -> None:
        self._name, self._clock, self._deadlines = name, clock, deadlines
        self._waited_s = 0.0
        self._since_delta_s = 0.0
        self._thinking = self._speaking = False

    def note(self, delta: Delta) -> None:
        match delta:
            case TextDelta() | ToolCallDelta():
                self._speaking = True
                self._since_delta_s = 0.0
            case ReasoningDelta() if not self._speaking:
                self._thinking = True
                self._since_delta_s = 0.0
            case _:
                pass

    async def wait_for(self, coming: Awaitable[T]) -> T:
        left_s, kind, detail = min(self._limits())
        since = self._clock.monotonic()
        timeout = self._clock.timeout(left_s)
        try:
            async with timeout:
                return await coming
        except TimeoutError as exc:
            if not timeout.expired():
                raise
            raise ModelError(self._name, kind, detail, retryable=kind != "overlong") from exc
        finally:
            spent = self._clock.monotonic() - since
            self._waited_s += spent
            self._since_delta_s += spent

    def _limits(self) -> list[tuple[float, str, str]]:
        """Return every clock that is running: seconds left, kind, and what is said when it strikes."""
        limits = self._deadlines
        running = [(limits.reply_s - self._waited_s, "overlong", f"the reply took over {limits.reply_s:g} s")]
        pause_s = limits.between_content_s - self._since_delta_s
        if self._speaking:
            running.append((pause_s, "stalled", f"nothing more came for {limits.between_content_s:g} s"))
        elif self._thinking:
            thought = limits.reasoning_s - self._waited_s
            running.append((thought, "overlong", f"thought for over {limits.reasoning_s:g} s without a word"))
            running.append((pause_s, "silent", f"nothing more came for {limits.between_content_s:g} s while thinking"))
        else:
            first = limits.first_content_s - self._waited_s
            running.append((first, "silent", f"not a word for {limits.first_content_s:g} s"))
        return running


async def _pass_on(deltas: AsyncIterator[Delta], watch: _Watch) -> AsyncGenerator[Delta]:
    while (delta := await watch.wait_for(anext(deltas, None))) is not None:
        watch.note(delta)
        yield delta
