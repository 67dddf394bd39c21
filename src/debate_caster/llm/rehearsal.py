"""A model that needs no network: speaks in persona about the motion, at a settable speed, with faults on demand.

It reads the request's cue and not its prose; what it says follows from its seed and the request alone, so a retry says
the same again. Its words come from ``speechwriter``; here is only how they arrive.
"""

import itertools
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

from debate_caster.clock import Clock
from debate_caster.errors import ModelError, SetupError
from debate_caster.llm.conversation import (
    Cue,
    Delta,
    Finished,
    Message,
    ReasoningDelta,
    Request,
    TextDelta,
    UsageReported,
)
from debate_caster.llm.estimates import estimate_prompt_tokens
from debate_caster.llm.speechwriter import write_speech
from debate_caster.llm.wording import count_words, sentences

__all__ = ["REHEARSAL_FAULTS", "RehearsalLLM"]

REHEARSAL_FAULTS = {
    "connect": "no connection; may be tried again",
    "rate_limited": "refused for now; ``rate_limited:5`` asks to wait 5 s",
    "refused": "refused for good",
    "provider": "the provider fails; may be tried again",
    "silent": "not a word, for ever",
    "stalled": "falls silent in mid-speech, for ever",
    "cut": "the connection breaks in mid-speech",
    "truncated": "stops in mid-speech without saying that it has finished",
    "malformed": "sends nonsense in mid-speech",
    "filtered": "a content filter cuts the speech",
    "length": "runs into max_tokens in mid-speech",
    "overlong": "never stops talking",
    "empty": "finishes without a word",
    "slow": "first word after ten times as long",
}
"""Faults by name. One that strikes in mid-speech takes a number of words, as in ``cut:3``; otherwise half of them."""

_ERRORS = {
    "connect": ("connect", "no connection: rehearsed fault", True),
    "rate_limited": ("rate_limited", "too many requests: rehearsed fault", True),
    "refused": ("refused", "status 400: rehearsed fault", False),
    "provider": ("provider", "status 503: rehearsed fault", True),
    "cut": ("cut", "the connection broke: rehearsed fault", True),
    "truncated": ("truncated", "the reply ended without a finish_reason: rehearsed fault", True),
    "malformed": ("malformed", "the answer is not JSON: rehearsed fault", True),
    "filtered": ("filtered", "the provider's content filter cut the reply: rehearsed fault", False),
}
_BEFORE_FIRST_WORD = frozenset({"connect", "rate_limited", "refused", "provider"})

TOKENS_PER_WORD = 4 / 3
"""OpenAI's rule of thumb for English prose: 75 words are 100 tokens."""

DELTAS_PER_S = 25.0
"""Faster than this, words come several at once, as they do from fast servers; the loop has other things to do."""

INSTRUCTION_CHARS = 1000
"""How much of a prompt's end is taken for the turn's instruction."""

FOREVER_S = 86_400.0
"""How long a silent model stays silent, should nobody hang up."""


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: str
    number: int | None

    @classmethod
    def read(cls, model: str, text: str) -> "_Fault":
        kind, _, number = text.partition(":")
        if (text and kind not in REHEARSAL_FAULTS) or (number and not re.fullmatch(r"\d{1,4}", number)):
            known = ", ".join(REHEARSAL_FAULTS)
            raise SetupError(f"model {model!r}: no fault {text!r} to rehearse", f"There are: {known}.")
        return cls(kind, int(number) if number else None)

    def words_before(self, words: int) -> int:
        return min(words // 2 if self.number is None else self.number, words)


class RehearsalLLM:
    """See the module. ``faults`` strike call by call, ``""`` being none; calls beyond them go well."""

    def __init__(
        self,
        *,
        clock: Clock,
        random_seed: int = 0,
        first_token_s: float = 0.5,
        words_per_s: float = 12.0,
        faults: Sequence[str] = (),
        name: str = "rehearsal",
    ) -> None:
        """Prepare a model; times are seconds of the clock.

        Raises:
            SetupError: A fault's name is unknown.
        """
        self.name = name
        self._clock, self._seed = clock, random_seed
        self._first_token_s, self._words_per_s = first_token_s, words_per_s
        self._faults = iter([_Fault.read(name, fault) for fault in faults])

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self._performed(request)

    async def close(self) -> None:
        """There is nothing to close."""

    @asynccontextmanager
    async def _performed(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta]]:
        fault = next(self._faults, _Fault("", None))
        if fault.kind in _BEFORE_FIRST_WORD:
            raise self._error(fault)
        async with aclosing(self._deltas(request, fault)) as deltas:
            yield deltas

    async def _deltas(self, request: Request, fault: _Fault) -> AsyncGenerator[Delta]:
        due = self._clock.monotonic() + self._first_token_s * (10.0 if fault.kind == "slow" else 1.0)
        speech = write_speech(
            request.cue or _improvised_cue(request),
            seed=str(self._seed),
            heard="\n".join(message.content for message in request.messages),
            instruction=request.messages[-1].content[-INSTRUCTION_CHARS:] if request.messages else "",
        )
        words = re.findall(r"\S+\s*", speech.text)
        affordable = max(int(request.max_tokens / TOKENS_PER_WORD), 0)
        sent = 0
        if fault.kind == "silent":
            await self._clock.sleep(FOREVER_S)
            raise self._error(fault)
        stops_after = fault.words_before(len(words)) if fault.kind in {*_ERRORS, "stalled", "length"} else len(words)
        if fault.kind == "empty":
            stops_after = 0
        await self._clock.sleep_until(due)
        if speech.thought:
            yield ReasoningDelta(speech.thought)
        talk: Iterator[str] = itertools.islice(words, min(stops_after, affordable))
        if fault.kind == "overlong":
            talk = itertools.cycle([*words[:-1], words[-1] + " "])
        for delta, count in self._grouped(talk):
            await self._clock.sleep_until(due)
            yield TextDelta(delta)
            sent += count
            due += count / self._words_per_s
        if fault.kind == "stalled":
            await self._clock.sleep(FOREVER_S)
        if fault.kind in {*_ERRORS, "stalled"}:
            raise self._error(fault)
        yield _usage(request.messages, sent)
        yield Finished("length" if fault.kind == "length" or affordable < len(words) else "stop")

    def _grouped(self, words: Iterator[str]) -> Iterator[tuple[str, int]]:
        """Yield pieces and their numbers of words, at most ``DELTAS_PER_S`` of them."""
        size = max(math.ceil(self._words_per_s / DELTAS_PER_S), 1)
        while group := list(itertools.islice(words, size)):
            yield "".join(group), len(group)

    def _error(self, fault: _Fault) -> ModelError:
        silence = (fault.kind, f"not a word for {FOREVER_S:g} s: rehearsed fault", True)
        kind, detail, retryable = _ERRORS.get(fault.kind, silence)
        wait = float(fault.number or 0) if kind == "rate_limited" and fault.number is not None else None
        return ModelError(self.name, kind, detail, retryable=retryable, retry_after_s=wait)


def _usage(messages: Sequence[Message], words: int) -> UsageReported:
    """Count by words, but never a prompt above the bound that budgets are reserved by."""
    prompt = sum(math.ceil(count_words(message.content) * TOKENS_PER_WORD) + 4 for message in messages)
    return UsageReported(
        prompt_tokens=min(prompt, estimate_prompt_tokens(messages)),
        completion_tokens=math.ceil(words * TOKENS_PER_WORD),
    )


def _improvised_cue(request: Request) -> Cue:
    """Make a cue for a bare prompt: the last user message is what is spoken about, and what is answered."""
    asked = next((message.content for message in reversed(request.messages) if message.role == "user"), "")
    about = next(iter(sentences(asked[:2000])), "")
    return Cue(
        speaker="",
        emoji="",
        style="",
        beliefs=(),
        manner="",
        motion=about[:200],
        language="en",
        side="",
        stance="neutral",
        role="",
        kind="speech",
        turn=sum(message.role == "assistant" for message in request.messages),
        max_words=min(max(int(request.max_tokens / TOKENS_PER_WORD), 1), 120),
        opponent_said=asked[-2000:],
    )
