"""What stands between any model and the show: text made clean, thoughts kept apart, clocks, and the circuit breaker."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import structlog

from debate_caster.clock import Clock
from debate_caster.errors import ModelError
from debate_caster.llm.cleaning import TextCleaner, pieces
from debate_caster.llm.conversation import (
    LLM,
    Delta,
    Finished,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from debate_caster.llm.deadlines import DeadlineLLM, Deadlines
from debate_caster.llm.retrying import CircuitBreaker
from debate_caster.llm.thinking import ThoughtFilter

__all__ = ["MAX_REPLY_CHARS", "guarded"]

logger = structlog.get_logger()

MAX_REPLY_CHARS = 400_000
"""Longest reply that we read, thinking included: twenty times what the longest turn and its reasoning need. A server
that ignores ``max_tokens`` fills neither our memory nor the log."""


def guarded(
    llm: LLM,
    *,
    clock: Clock,
    name: str = "model",
    deadlines: Deadlines | None = None,
    breaker: CircuitBreaker | None = None,
    thinks: bool = False,
) -> LLM:
    """Return ``llm`` as the show may use it; ``name`` is what errors call it.

    ``thinks`` says that its replies begin in thought, with no tag but the one at the thought's end. Where nobody says
    so, the first such reply ends as an error, and later ones are known for what they are.

    Only visible text comes out as ``TextDelta``, never empty and at most 8 KiB each; a reply without a visible word
    ends as an error, and so does one past its ``deadlines``. Closing the result closes ``llm``.
    """
    guard: LLM = DeadlineLLM(_CleanLLM(llm, name, thinks), name=name, clock=clock, deadlines=deadlines or Deadlines())
    return guard if breaker is None else _BreakingLLM(guard, name, breaker)


class _CleanLLM:
    def __init__(self, llm: LLM, name: str, thinks: bool) -> None:
        self._llm, self._name = llm, name
        self._told = self._thinks = self._found_out = thinks

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self._cleaned(request)

    async def close(self) -> None:
        await self._llm.close()

    @asynccontextmanager
    async def _cleaned(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta]]:
        sieve = _Sieve(self._name, self._thinks, self._think)
        async with self._llm.stream(request) as deltas, aclosing(sieve.sift(deltas)) as cleaned:
            yield cleaned

    def _think(self, thinks: bool) -> None:
        """Take note of how replies begin, and stop the reply that says so too late: its thoughts went out as speech.

        Only once: a debater who says a tag in a speech, because a viewer asked for it, must not lose turn after turn.
        """
        self._thinks = thinks or self._told
        if thinks and not self._found_out:
            self._found_out = True
            logger.warning("model_thinks_aloud", model=self._name, cure="give the model `thinks: true`")
            detail = "the reply's first part turned out to be thinking without a tag at its beginning; `thinks: true`"
            raise ModelError(self._name, "malformed", detail, retryable=True)


class _Sieve:
    """One reply on its way through the filters. Cleaning comes first, so that no control character can hide a tag."""

    def __init__(self, name: str, thinks: bool, found_to_think: Callable[[bool], None]) -> None:
        self._name, self._thinks, self._found_to_think = name, thinks, found_to_think
        self._text, self._reasoning, self._thoughts = TextCleaner(), TextCleaner(), ThoughtFilter(thinking=thinks)
        self._room = MAX_REPLY_CHARS
        self._answered = False

    async def sift(self, deltas: AsyncIterator[Delta]) -> AsyncGenerator[Delta]:
        async for delta in deltas:
            for clean in self._clean(delta):
                yield clean

    def _clean(self, delta: Delta) -> Iterator[Delta]:
        match delta:
            case TextDelta(text):
                parts = self._thoughts.feed(self._text.feed(text[: self._room]))
                if self._thoughts.unannounced:
                    self._found_to_think(True)
                for part in parts:
                    yield from self._cut(part)
                self._take(len(text))
            case ReasoningDelta(text):
                self._thoughts.begins_with_speech()
                yield from self._cut(ReasoningDelta(self._reasoning.feed(text[: self._room])))
                self._take(len(text))
            case ToolCallDelta(_, _, arguments):
                self._take(len(arguments))
                self._answered = True
                yield delta
            case Finished():
                whole = delta.reason == "stop"
                if self._thinks and self._thoughts.assuming and whole:
                    self._found_to_think(False)
                for part in (*self._thoughts.feed(self._text.flush()), *self._thoughts.flush(whole=whole)):
                    yield from self._cut(part)
                self._end(delta)
                yield delta
            case UsageReported():
                yield delta

    def _cut(self, delta: TextDelta | ReasoningDelta) -> Iterator[Delta]:
        if isinstance(delta, TextDelta):
            for piece in pieces(delta.text):
                self._answered = True
                yield TextDelta(piece)
        else:
            for piece in pieces(delta.text):
                yield ReasoningDelta(piece)

    def _take(self, chars: int) -> None:
        self._room -= chars
        if self._room < 0:
            detail = f"the reply has over {MAX_REPLY_CHARS} characters"
            raise ModelError(self._name, "overlong", detail, retryable=False)

    def _end(self, finished: Finished) -> None:
        if self._answered:
            return
        if finished.reason == "length":
            detail = "max_tokens ran out before the first visible word"
            raise ModelError(self._name, "truncated", detail, retryable=True)
        raise ModelError(self._name, "malformed", "the reply holds no visible word", retryable=True)


class _BreakingLLM:
    def __init__(self, llm: LLM, name: str, breaker: CircuitBreaker) -> None:
        self._llm, self._name, self._breaker = llm, name, breaker

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self._admitted(request)

    async def close(self) -> None:
        await self._llm.close()

    @asynccontextmanager
    async def _admitted(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta]]:
        report = self._breaker.admit(self._name)

        async def reported(deltas: AsyncIterator[Delta]) -> AsyncGenerator[Delta]:
            try:
                async for delta in deltas:
                    if isinstance(delta, Finished):
                        report("success")
                    yield delta
            except ModelError as exc:  # here, since the reader may well deal with it inside the block
                report(exc)
                raise

        try:
            async with self._llm.stream(request) as deltas, aclosing(reported(deltas)) as watched:
                yield watched
        except ModelError as exc:
            report(exc)
            raise
        finally:
            report(None)
