"""One turn's speech on its way from the model: attempts, thoughts, money, and the chunks that wait for their instant.

Nothing is on air from here: whoever delivers the speech takes its chunks one by one. Until the first one is taken a
failed attempt may be repeated, since no viewer has seen a word of it.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Literal

import regex  # type: ignore[import-untyped]  # comes without types
import structlog

from debate_caster.clock import Clock, unhurried
from debate_caster.errors import BudgetExhaustedError, ModelError
from debate_caster.llm.conversation import LLM, Delta, Finished, ReasoningDelta, Request, TextDelta, UsageReported
from debate_caster.llm.estimates import estimate_tokens
from debate_caster.llm.retrying import RetryPolicy
from debate_caster.scenario.rundown import Turn
from debate_caster.scenario.script import Pacing
from debate_caster.show.budget import Bill, Treasury
from debate_caster.show.draft import Draft
from debate_caster.show.events import HintTaken, MoneySpent, SpeechHeldBack, ThoughtNoted, Usage
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.measures import count_words
from debate_caster.show.moderation import Gate, Objection

__all__ = ["LiveSpeech", "Studio", "Voice"]

THOUGHT_CHARS = 600
"""A thought is logged in pieces of about this length, so that one that is aired appears while it is being thought."""

THOUGHTS_CHARS = 20_000
"""Of one turn's thinking no more than this is kept."""

CHARS_PER_TOKEN = 12
"""No model's tokens are longer on average; one that sends more than this for each token allowed ignores its limit."""

UNBILLED = frozenset({"connect", "refused", "rate_limited", "unavailable"})
"""Failures by which a provider has not even begun."""

ASK_AGAIN_S = 1.0
"""Least time between two rounds of asking models that are out; who is not to be asked so soon says so at once."""

_PARAGRAPH = regex.compile(r"\n\s*\n")

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Studio:
    """What every speech of a show shares."""

    writer: ShowLogWriter
    treasury: Treasury
    retries: RetryPolicy
    clock: Clock
    pacing: Pacing
    gate: Gate


@dataclass(frozen=True, slots=True)
class Voice:
    """A model that may write a speech: its name, and what it is asked."""

    name: str
    llm: LLM
    request: Request


class LiveSpeech:
    """One turn, from the call of the model to its last chunk. ``compose`` fills it, ``wait`` and ``take`` empty it."""

    def __init__(self, turn: Turn, studio: Studio) -> None:
        self.turn = turn
        self._studio = studio
        self._draft = Draft(turn.max_words, studio.pacing)
        self._spare: tuple[Draft, str] | None = None
        self._news = asyncio.Event()
        self.composed = asyncio.Event()
        """Set once the text is final: nothing will be added to it."""
        self.over = asyncio.Event()
        """Set by whoever delivers the speech, when its turn has ended."""
        self.hints: tuple[HintTaken, ...] = ()
        self.error: ModelError | None = None
        self.refusal: BudgetExhaustedError | None = None
        self.model = ""
        """The model that is at work on the speech, or whose words it is; nobody's where it is an apology."""
        self.apology = False
        self.held_back: Objection | None = None
        self._passed: list[str] = []
        self._outage = False
        self._out_for_s: list[float] = []
        self.usage = Usage()
        self.first_token_s: float | None = None
        self.first_sentence_s: float | None = None

    @property
    def draft(self) -> Draft:
        return self._draft

    @property
    def text(self) -> str:
        """The speech, final once ``composed`` is set."""
        return self._draft.text

    @property
    def out(self) -> bool:
        """Whether no model that may write the speech answers at present, and nothing of it is there to be taken."""
        return self._outage and not (self.composed.is_set() or self._draft.taken or self._cleared)

    async def back(self) -> None:
        """Wait until the speech is not ``out`` any more."""
        while self.out:
            self._news.clear()
            await self._news.wait()

    async def wait(self) -> bool:
        """Wait for a chunk that has not been taken; return whether there is one, False where none will come for now.

        For now is for ever, unless the speech is ``out``.

        Raises:
            BudgetExhaustedError: The speech was refused before its first word.
        """
        while True:
            if self.refusal is not None:
                raise self.refusal
            if self._draft.taken < self._cleared:
                return True
            if self.composed.is_set() or self.out:
                return False
            self._news.clear()
            await self._news.wait()

    def take(self) -> str | None:
        """Return the next chunk, to be aired at once; None where a repeated attempt or a clip has taken it away."""
        return self._draft.take() if self._draft.taken < self._cleared else None

    def close(self) -> None:
        """End the speech with the last chunk that was taken, whatever its model does."""
        self._draft.cut()
        self._finish()

    def refuse(self, refusal: BudgetExhaustedError) -> None:
        """Say that the show can't afford this speech."""
        self.refusal = refusal
        self._finish()

    def apologise(self, text: str) -> None:
        """Put the program's own words where no model has said any, so that viewers hear why."""
        self._draft = Draft(max(self.turn.max_words, count_words(text)), self._studio.pacing)
        self._draft.feed(text)
        self._draft.finish()
        self._passed = list(self._draft.chunks)
        self.apology, self.model, self.hints = True, "", ()
        self._finish()

    async def compose(self, voices: Sequence[Voice], *, prompt_tokens: int, random: Random) -> None:
        """Fill the speech: ask one model after the other, in as many attempts as the policy allows each.

        The next one is asked only while no word of the speech has been taken. Where all fail, the last error is in
        ``error``, and the best that any of them began stands; but where all are out, and nothing is begun, they are
        asked again for as long as this is let run. ``prompt_tokens`` is an upper bound of the prompt's.

        Raises:
            LogError: The log could not be written.
        """
        while (wait_s := await self._ask_all(voices, prompt_tokens, random)) is not None:
            self._outage = True
            self._news.set()
            await unhurried(self._studio.clock).sleep(wait_s)
        if self.refusal is not None:
            return
        if self.error is not None:
            if self._spare is not None and not self._draft.chunks:
                self._draft, self.model = self._spare
            self._draft.abort()
            await self._screen()
        self._finish()

    async def _ask_all(self, voices: Sequence[Voice], prompt_tokens: int, random: Random) -> float | None:
        """Ask one model after the other; return when to do so again, in seconds, None where there is no sense in it."""
        self._out_for_s = []
        for place, voice in enumerate(voices):
            if place:
                logger.warning("fallback_asked", turn=self.turn.index, model=voice.name)
            if not await self._ask(voice, prompt_tokens, random):
                return None
        begun = self._spare is not None and bool(self._spare[0].chunks)
        if begun or self.composed.is_set() or len(self._out_for_s) < len(voices):
            return None
        return max(min(self._out_for_s), ASK_AGAIN_S)

    @property
    def _cleared(self) -> int:
        """How many chunks, from the first one on, may be aired: a clip may have changed one that might."""
        count = 0
        for chunk, passed in zip(self._draft.chunks, self._passed, strict=False):
            if chunk != passed:
                break
            count += 1
        return count

    async def _screen(self) -> bool:
        """Have every chunk looked at before it may be taken; return whether all of them may."""
        while self.held_back is None and (place := self._cleared) < len(self._draft.chunks):
            draft, text = self._draft, self._draft.chunks[place]
            objection = await self._studio.gate.review(text, "".join(draft.chunks[:place]))
            if draft is not self._draft or draft.chunks[place : place + 1] != (text,):
                continue  # it was clipped meanwhile
            if objection is None:
                self._passed[place:] = [text]
                self._news.set()
                continue
            self.held_back = objection
            draft.drop(place)
            await self._note_objection(objection, text, "speech")
        return self.held_back is None

    async def _note_objection(self, objection: Objection, text: str, what: Literal["speech", "thought"]) -> None:
        writer, turn = self._studio.writer, self.turn
        logger.warning("speech_held_back", turn=turn.index, by=objection.by, reason=objection.reason, what=what)
        await writer.append(
            SpeechHeldBack(
                at=writer.now(),
                turn=turn.index,
                speaker=turn.speaker,
                model=self.model,
                by=objection.by,
                reason=objection.reason,
                chars=len(text),
                what=what,
            )
        )

    async def _ask(self, voice: Voice, prompt_tokens: int, random: Random) -> bool:
        """Have one model write the speech; return whether another one may."""
        for attempt in itertools.count(1):
            try:
                await self._attempt(voice, prompt_tokens)
            except BudgetExhaustedError as exc:
                if self.error is None:
                    self.refuse(exc)
                    return False
                logger.warning("retry_not_affordable", turn=self.turn.index, model=voice.name, limit=exc.limit)
                return True
            except ModelError as exc:
                self.error = exc
                logger.warning(
                    "model_failed",
                    turn=self.turn.index,
                    model=voice.name,
                    kind=exc.kind,
                    detail=exc.detail,
                    attempt=attempt,
                )
                if self._draft.taken:
                    return False
                # From here on nothing of the failed attempt can be taken: viewers get a whole speech, not half of one.
                self._set_apart()
                if (delay_s := self._studio.retries.delay_s(attempt, exc, random)) is None:
                    if _may_pass(exc):
                        self._out_for_s.append(exc.retry_after_s or 0.0)
                    return True
                await self._studio.clock.sleep(delay_s)
            else:
                self.error = None
                return False
        raise AssertionError("counting has no end")

    def _set_apart(self) -> None:
        """Begin a new draft; the old one is kept, for when there is no better one."""
        if self._draft.chunks or self._spare is None:
            self._spare = self._draft, self.model
        self._draft = Draft(self.turn.max_words, self._studio.pacing)

    def _finish(self) -> None:
        self.composed.set()
        self._news.set()

    async def _attempt(self, voice: Voice, read: int) -> None:
        """Make one call.

        Raises:
            ModelError: It failed.
            BudgetExhaustedError: It can't be afforded.
        """
        request, model, attempt = voice.request, voice.name, self.usage.attempts + 1
        reservation = self._studio.treasury.reserve(model, prompt_tokens=read, max_tokens=request.max_tokens)
        self.model = model
        reply = _Reply(self, self._studio.clock, request.max_tokens)
        outcome = "cancelled"
        try:
            await reply.read(voice.llm.stream(request), model)
            outcome = "held_back" if self.held_back else self._draft.how or "completed"
        except ModelError as exc:
            outcome = exc.kind
            raise
        finally:
            begun = reply.began or outcome not in UNBILLED
            bill = self._studio.treasury.settle(
                reservation,
                reply.usage,
                read=read if begun else 0,
                written=estimate_tokens("".join(reply.written)) if begun else 0,
            )
            self._count(bill)
            await self._studio.writer.append(
                MoneySpent(
                    at=self._studio.writer.now(),
                    turn=self.turn.index,
                    speaker=self.turn.speaker,
                    model=model,
                    attempt=attempt,
                    prompt_tokens=bill.prompt_tokens,
                    completion_tokens=bill.completion_tokens,
                    cost=bill.cost,
                    estimated=bill.estimated,
                    outcome=outcome,
                )
            )

    def _count(self, bill: Bill) -> None:
        self.usage = Usage(
            prompt_tokens=self.usage.prompt_tokens + bill.prompt_tokens,
            completion_tokens=self.usage.completion_tokens + bill.completion_tokens,
            cost=self.usage.cost + bill.cost,
            estimated=self.usage.estimated or bill.estimated,
            attempts=self.usage.attempts + 1,
        )

    async def note_thought(self, text: str) -> None:
        """Log a piece of thinking; it never becomes speech."""
        if (objection := await self._studio.gate.review_thought(text)) is not None:
            await self._note_objection(objection, text, "thought")
            return
        writer = self._studio.writer
        await writer.append(ThoughtNoted(at=writer.now(), turn=self.turn.index, speaker=self.turn.speaker, text=text))

    async def hear(self, text: str) -> bool:
        """Take visible text of the current attempt; return whether more may come."""
        more = self._draft.feed(text)
        return await self._screen() and more

    async def end(self, reason: Literal["stop", "length"]) -> None:
        """The model has ended the reply by itself, or at its limit."""
        if reason == "stop":
            self._draft.finish()
        else:
            self._draft.truncate()
        await self._screen()


def _may_pass(error: ModelError) -> bool:
    """Whether a model is out for now: its provider was not even asked, because of what may be over the next time."""
    cause = error.__cause__
    return error.kind == "unavailable" and isinstance(cause, ModelError) and cause.retryable


@dataclass(slots=True)
class _Reply:
    """One attempt's reply while it is read."""

    speech: LiveSpeech
    clock: Clock
    max_tokens: int
    usage: UsageReported | None = None
    began: bool = False
    written: list[str] = field(default_factory=list)
    _chars: int = 0
    _thought: str = ""
    _thought_room: int = THOUGHTS_CHARS

    async def read(self, stream: AbstractAsyncContextManager[AsyncIterator[Delta]], model: str) -> None:
        called = self.clock.monotonic()
        speech, finished = self.speech, False
        speech.first_token_s = speech.first_sentence_s = None
        async with stream as deltas:
            async for delta in deltas:
                self.began = True
                match delta:
                    case TextDelta(text):
                        if speech.first_token_s is None:
                            speech.first_token_s = self.clock.monotonic() - called
                            await self._note_thoughts()
                        self._count(model, text)
                        more = await speech.hear(text)
                        if speech.first_sentence_s is None and speech.draft.chunks:
                            speech.first_sentence_s = self.clock.monotonic() - called
                        if not more:
                            return  # clipped, or held back: leaving the block hangs up
                    case ReasoningDelta(text):
                        self._count(model, text)
                        await self._think(text)
                    case UsageReported():
                        self.usage = delta
                    case Finished(reason):
                        finished = True
                        await speech.end(reason)
                    case _:
                        pass  # an agent has no tools: a call of one says nothing
        await self._note_thoughts()
        if not finished:
            raise ModelError(model, "truncated", "the reply ended without a word about its end", retryable=True)
        if speech.first_sentence_s is None and speech.draft.chunks:
            speech.first_sentence_s = self.clock.monotonic() - called

    def _count(self, model: str, text: str) -> None:
        self.written.append(text)
        self._chars += len(text)
        if self._chars > CHARS_PER_TOKEN * self.max_tokens:
            raise ModelError(model, "overlong", f"over {self.max_tokens} tokens, as was asked for", retryable=False)

    async def _think(self, text: str) -> None:
        text = text[: self._thought_room]
        self._thought_room -= len(text)
        self._thought += text
        parts = _PARAGRAPH.split(self._thought)
        if len(parts) > 1 or len(self._thought) > THOUGHT_CHARS:
            whole = parts[:-1] if len(parts) > 1 else parts
            self._thought = parts[-1] if len(parts) > 1 else ""
            for thought in whole:
                await self._note(thought)

    async def _note_thoughts(self) -> None:
        thought, self._thought = self._thought, ""
        await self._note(thought)

    async def _note(self, thought: str) -> None:
        if thought.strip():
            await self.speech.note_thought(thought.strip())
