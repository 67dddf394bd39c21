"""Performs a show: walks the rundown, asks the next speaker's model just in time, airs what is said, writes the log.

Nobody is called from here but models and the log. One task delivers the speech on air; one more reads ahead: it waits
until the text of the current speech is final and its end on air is ``lead`` seconds and the gap away, takes the hints,
builds the next prompt and has the next speech composed. So a model's thinking time is no dead air, and a hint counts
until a few seconds before the turn.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Literal

import structlog

from debate_caster.clock import Clock
from debate_caster.errors import BudgetExhaustedError, FencedError, LogError, ModelError
from debate_caster.llm.conversation import LLM, Request
from debate_caster.llm.estimates import estimate_prompt_tokens
from debate_caster.llm.retrying import RetryPolicy
from debate_caster.scenario.rundown import Rundown, Turn
from debate_caster.scenario.script import Scenario
from debate_caster.show.boundaries import ends_sentence
from debate_caster.show.budget import Treasury
from debate_caster.show.cast import cast_of
from debate_caster.show.events import (
    ChunkAired,
    PhaseCast,
    PhaseStarted,
    ShowEnded,
    ShowEvent,
    ShowStarted,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
)
from debate_caster.show.hints import HintDesk
from debate_caster.show.lead import LeadTimes
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.measures import count_words, reading_s
from debate_caster.show.pacing import Pacer, longest_speech_s
from debate_caster.show.prompt import Prompt, PromptDesk, reply_tokens
from debate_caster.show.speech import LiveSpeech, Studio
from debate_caster.show.transcript import Speech
from debate_caster.show.vote_desk import VoteDesk

__all__ = ["perform"]

MUTE_TURNS = 3
"""So many turns in a row without a word, and one more for each agent beyond two, end the show as failed: one bad turn
of everybody is bad luck, a second one of somebody is an outage."""

logger = structlog.get_logger()

Ending = tuple[Literal["completed", "budget", "interrupted", "failed"], str]


async def perform(
    scenario: Scenario,
    rundown: Rundown,
    llms: Mapping[str, LLM],
    writer: ShowLogWriter,
    desk: HintDesk,
    *,
    clock: Clock,
    random: Random,
    stop: asyncio.Event,
    seed: int = 0,
    retries: RetryPolicy | None = None,
    votes: VoteDesk | None = None,
) -> ShowEnded:
    """Perform the show and return its last event; ``llms`` are the scenario's models by name, and stay open.

    Setting ``stop``, or cancelling, ends it at once: the chunk on air stands, the turn is aborted. Whatever happens,
    the log ends with exactly one ``show_ended``, unless another writer has taken the log over. ``seed`` is only told in
    the log; ``random`` is what varies a show. Without ``votes`` the audience has none. A log that has a beginning goes
    on with its next turn.

    Raises:
        FencedError: Another writer is at work on this show.
        LogError: The log can't be written; what is in it stands.
    """
    votes = votes or VoteDesk(scenario, rundown, writer, clock=clock)
    director = _Director(scenario, rundown, llms, writer, desk, votes, clock=clock, random=random, retries=retries)
    return await director.perform(stop, seed)


@dataclass(frozen=True, slots=True)
class _Cue:
    """What the model of a turn is asked."""

    request: Request
    prompt: Prompt
    prompt_tokens: int


class _Director:
    def __init__(
        self,
        scenario: Scenario,
        rundown: Rundown,
        llms: Mapping[str, LLM],
        writer: ShowLogWriter,
        desk: HintDesk,
        votes: VoteDesk,
        *,
        clock: Clock,
        random: Random,
        retries: RetryPolicy | None,
    ) -> None:
        self._scenario, self._rundown, self._llms = scenario, rundown, llms
        self._writer, self._desk, self._votes, self._clock = writer, desk, votes, clock
        self._models = {agent.id: agent.model for agent in scenario.agents}
        self._random_key = random.getrandbits(128)
        self._prompts = PromptDesk(scenario, rundown, key=random.getrandbits(256).to_bytes(32, "big"))
        self._pacer = Pacer(scenario.pacing, clock)
        self._leads = LeadTimes(scenario.pacing)
        self._treasury = Treasury(scenario.budget, scenario.models, started=clock.monotonic())
        self._studio = Studio(writer, self._treasury, retries or RetryPolicy(), clock, scenario.pacing)
        self._mute_in_a_row = 0
        self._composing: dict[int, asyncio.Task[None]] = {}

    # -- from the first event to the last ---------------------------------------------------------------------------

    async def perform(self, stop: asyncio.Event, seed: int) -> ShowEnded:
        try:
            await self._begin(seed)
            why, detail = await self._until_stopped(stop)
        except FencedError:
            raise
        except LogError:
            with suppress(LogError):
                await self._end("failed", "the show log could not be written")
            raise
        except asyncio.CancelledError:
            with suppress(LogError):
                await self._end("interrupted", "cancelled")
            raise
        except BaseException:
            with suppress(LogError):
                await self._end("failed", "an error in the program")
            raise
        return await self._end(why, detail)

    async def _begin(self, seed: int) -> None:
        transcript = await self._writer.settle()
        at = self._writer.now()
        if transcript.started is None:
            scenario, rules = self._scenario, self._scenario.format
            started = ShowStarted(
                at=at,
                show=self._writer.show,
                scenario=scenario.key,
                motion=scenario.motion,
                title=scenario.title,
                language=scenario.language,
                format=rules.key,
                format_title=rules.title,
                seed=seed,
                agents=cast_of(scenario),
                phases=tuple(
                    PhaseCast(key=phase.key, title=phase.title, turns=len(phase.turns))
                    for phase in self._rundown.phases
                ),
                turns=len(self._rundown.turns),
                hints_open=scenario.audience.hints,
                max_hint_chars=scenario.audience.max_hint_chars,
                hint_interval_s=scenario.audience.hint_interval_s,
            )
            await self._writer.append(started)
            return
        spent = transcript.spent
        self._treasury.spent_before(spent.prompt_tokens + spent.completion_tokens, spent.cost)
        if transcript.open is not None:
            await self._writer.append(self._aborted("the show was broken off here"))

    async def _until_stopped(self, stop: asyncio.Event) -> Ending:
        try:
            async with asyncio.TaskGroup() as tasks:
                walk = tasks.create_task(self._walk())
                halt = tasks.create_task(stop.wait())
                await asyncio.wait({walk, halt}, return_when=asyncio.FIRST_COMPLETED)
                walk.cancel()
                halt.cancel()
        except BaseExceptionGroup as group:
            raise _first_of(group) from group
        return ("interrupted", "") if walk.cancelled() else walk.result()

    async def _end(self, why: Literal["completed", "budget", "interrupted", "failed"], detail: str) -> ShowEnded:
        """Close what is open and log the end; ``detail`` is public, so that it names no peer and no file."""
        transcript = await self._writer.settle()
        if transcript.ended is not None:
            return transcript.ended
        at = self._writer.now()
        events: list[ShowEvent] = []
        if transcript.open is not None:
            events.append(self._aborted(why))
        events += [
            TurnEnded(at=at, turn=prepared.turn, speaker=prepared.speaker, how="skipped", detail=why)
            for prepared in transcript.prepared
        ]
        events += [*await self._desk.close(), *self._votes.break_off()]
        ended = ShowEnded(at=at, why=why, detail=detail)
        if transcript.started is not None:
            final = await self._writer.append(*events, ended)
            ended = final.ended or ended
        logger.info("show_ended", why=why, detail=detail)
        return ended

    def _aborted(self, detail: str) -> TurnEnded:
        """Return the end of the turn on air, as far as it got."""
        on_air = self._writer.transcript.open
        if on_air is None:
            raise ValueError("no turn is on air")
        return TurnEnded(
            at=self._writer.now(),
            turn=on_air.started.turn,
            speaker=on_air.started.speaker,
            how="aborted",
            detail=detail,
            chunks=len(on_air.chunks),
            words=count_words(on_air.text),
        )

    # -- turn by turn -----------------------------------------------------------------------------------------------

    async def _walk(self) -> Ending:
        """Deliver every turn in order; the next one is composed meanwhile."""
        turns = self._rundown.turns[self._writer.transcript.next_turn :]
        await self._votes.open_first()
        async with asyncio.TaskGroup() as tasks:
            try:
                upcoming = self._begin_speech(tasks, turns[0], after=None) if turns else None
                for place, turn in enumerate(turns):
                    speech = upcoming or self._begin_speech(tasks, turn, after=None)
                    more = place + 1 < len(turns)
                    upcoming = self._begin_speech(tasks, turns[place + 1], after=speech) if more else None
                    with structlog.contextvars.bound_contextvars(turn=turn.index, agent=turn.speaker):
                        await self._deliver(speech)
                    if self._mute_in_a_row >= MUTE_TURNS + max(len(self._scenario.agents) - 2, 0):
                        return "failed", f"{self._mute_in_a_row} turns in a row without a word ({_cause(speech.error)})"
            except BudgetExhaustedError as exc:
                return "budget", str(exc)
            finally:
                for composing in self._composing.values():
                    composing.cancel()
        if not any(speech.text for speech in self._writer.transcript.speeches):
            return "failed", "nobody said a word"
        await self._votes.take_last(self._seconds_to(self._treasury.deadline))
        return "completed", ""

    def _begin_speech(self, tasks: asyncio.TaskGroup, turn: Turn, *, after: LiveSpeech | None) -> LiveSpeech:
        speech = LiveSpeech(turn, self._studio)
        self._composing[turn.index] = tasks.create_task(self._compose(speech, after))
        return speech

    async def _deliver(self, speech: LiveSpeech) -> None:
        """Air one speech and log its end.

        Raises:
            BudgetExhaustedError: It was refused; nothing of it is in the log.
        """
        if not await self._open(speech):
            await self._skip(speech)
        else:
            await self._go_on(speech)
            await self._clock.sleep_until(self._pacer.read_at)
            await self._close(speech)
        speech.over.set()
        self._composing.pop(speech.turn.index).cancel()
        if expired := self._desk.expired():
            await self._writer.append(*expired)

    async def _open(self, speech: LiveSpeech) -> bool:
        """Wait for the first chunk and its instant, and air it; return whether there was one.

        Raises:
            BudgetExhaustedError: It was refused, or its model was still silent when the show's time was over.
        """
        turn = speech.turn
        while await self._has_more(speech):
            due = max(self._start_of(turn), self._clock.monotonic())
            await self._clock.sleep_until(due)
            text = speech.take()
            if text is None:
                continue  # a repeated attempt has taken it away
            used = self._desk.use(turn)
            await self._writer.append(
                *self._votes.closing(turn),
                *self._phase_of(turn),
                self._started(speech),
                *used,
                self._chunk(turn, 0, text, due),
            )
            self._pacer.aired(turn.speaker, text, due=due)
            return True
        return False

    async def _go_on(self, speech: LiveSpeech) -> None:
        """Air the other chunks, each at its instant, while the show has time."""
        turn, deadline = speech.turn, self._treasury.deadline
        last = speech.draft.chunks[0]
        try:
            while await self._has_more(speech):
                due = self._pacer.due(turn.speaker)
                if deadline is not None and ends_sentence(last) and self._sentence_end(speech, due) > deadline:
                    await self._break_off(speech)
                    return
                await self._clock.sleep_until(due)
                text = speech.take()
                if text is not None:
                    await self._writer.append(self._chunk(turn, speech.draft.taken - 1, text, due))
                    self._pacer.aired(turn.speaker, text, due=due)
                    last = text
        except BudgetExhaustedError:
            await self._break_off(speech)

    async def _has_more(self, speech: LiveSpeech) -> bool:
        """Wait for a chunk, as long as the show has time.

        Raises:
            BudgetExhaustedError: The time is over, or the speech was refused.
        """
        try:
            async with self._clock.timeout(self._seconds_to(self._treasury.deadline)):
                return await speech.wait()
        except TimeoutError as exc:
            raise BudgetExhaustedError("minutes", "the time was over while a model was silent") from exc

    async def _break_off(self, speech: LiveSpeech) -> None:
        """End a speech with what is on air, and hang up on its model."""
        speech.close()
        composing = self._composing[speech.turn.index]
        composing.cancel()
        await asyncio.wait({composing})

    async def _skip(self, speech: LiveSpeech) -> None:
        turn = speech.turn
        self._desk.give_back(turn)
        self._mute_in_a_row += 1
        skipped = self._ended(speech, "skipped", chunks=(), text="")
        await self._writer.append(*self._votes.closing(turn), *self._phase_of(turn), skipped)

    async def _close(self, speech: LiveSpeech) -> None:
        on_air = self._writer.transcript.open
        chunks = on_air.chunks if on_air else ()
        self._mute_in_a_row = 0
        await self._writer.append(
            self._ended(speech, speech.draft.how or "aborted", chunks=chunks, text="".join(chunks))
        )

    # -- reading ahead ----------------------------------------------------------------------------------------------

    async def _compose(self, speech: LiveSpeech, after: LiveSpeech | None) -> None:
        """Have a speech composed, when it is time to: its task lives as long as the model speaks."""
        turn = speech.turn
        model = self._models[turn.speaker]
        if after is not None:
            await self._time_to_ask(turn, model, after)
        else:
            await self._clock.sleep_until(self._votes.earliest(turn) - self._leads.lead_s(model))
        with structlog.contextvars.bound_contextvars(turn=turn.index, agent=turn.speaker):
            try:
                cue = self._cue(speech, model, after)
            except BudgetExhaustedError as exc:
                speech.refuse(exc)
                return
            await self._writer.append(
                TurnPrepared(
                    at=self._writer.now(),
                    turn=turn.index,
                    phase=turn.phase,
                    speaker=turn.speaker,
                    hints=tuple(hint.id for hint in speech.hints),
                    prompt_digest=cue.prompt.digest,
                    prompt_words=cue.prompt.words,
                )
            )
            random = Random(f"{self._random_key}/{turn.index}")  # noqa: S311 - jitter, not secrets; one for each turn
            await speech.compose(self._llms[model], model, cue.request, prompt_tokens=cue.prompt_tokens, random=random)
        if speech.first_sentence_s is not None:
            self._leads.note(model, speech.first_sentence_s)

    async def _time_to_ask(self, turn: Turn, model: str, after: LiveSpeech) -> None:
        """Wait until the speech before is final and the turn is ``lead`` seconds away."""
        await after.composed.wait()
        if not after.draft.chunks or not self._scenario.pacing.read_ahead:  # a skipped turn gives its hints back first
            await after.over.wait()
            return
        while (wait_s := self._start_after(after, turn) - self._leads.lead_s(model) - self._clock.monotonic()) > 0:
            if after.over.is_set():
                await self._clock.sleep(wait_s)
                return
            with suppress(TimeoutError):  # the speech may be over sooner than planned
                async with self._clock.timeout(wait_s):
                    await after.over.wait()

    def _cue(self, speech: LiveSpeech, model: str, after: LiveSpeech | None) -> _Cue:
        """Take the hints and build the prompt.

        Raises:
            BudgetExhaustedError: There is not enough time, money or tokens left for the turn.
        """
        turn = speech.turn
        start = self._start_of(turn) if after is None else self._start_after(after, turn)
        self._treasury.check_time(
            max(start, self._clock.monotonic()) + longest_speech_s(self._scenario.pacing, turn.max_words)
        )
        speeches = list(self._writer.transcript.speeches)
        if after is not None and after.text and not after.over.is_set():
            speeches.append(Speech(after.turn.index, after.turn.phase, after.turn.speaker, after.text, "completed"))
        speech.hints = self._desk.take(turn)
        prompt = self._prompts.build(turn, speeches, speech.hints)
        max_tokens = reply_tokens(turn.max_words, self._scenario.models[model])
        read = estimate_prompt_tokens(prompt.messages)
        self._treasury.check_call(model, prompt_tokens=read, max_tokens=max_tokens)
        seed = Random(f"{self._random_key}/seed/{turn.index}").getrandbits(31)  # noqa: S311 - varies a show, no secret
        return _Cue(Request(prompt.messages, max_tokens, seed, prompt.cue), prompt, read)

    def _start_of(self, turn: Turn) -> float:
        """Return when the turn is to begin by plan, after what has been aired; maybe in the past."""
        planned = self._pacer.planned(turn.speaker, pause_s=self._scenario.pacing.gap_s)
        return max(planned, self._votes.earliest(turn))

    def _start_after(self, speech: LiveSpeech, turn: Turn) -> float:
        """Return when ``turn`` is to begin if ``speech``, composed but not over, is aired without a hitch."""
        draft, speaker = speech.draft, speech.turn.speaker
        left = draft.chunks[draft.taken :]
        if speech.over.is_set() or not left:
            return max(self._start_of(turn), self._clock.monotonic())
        begins = None if draft.taken else max(self._start_of(speech.turn), self._clock.monotonic())
        planned = self._pacer.read_after(speaker, left, start=begins) + self._scenario.pacing.gap_s
        return max(planned, self._votes.earliest(turn))

    # -- small things -----------------------------------------------------------------------------------------------

    def _seconds_to(self, deadline: float | None) -> float | None:
        return None if deadline is None else max(deadline - self._clock.monotonic(), 0.0)

    def _sentence_end(self, speech: LiveSpeech, due: float) -> float:
        """Return when the sentence that begins at ``due`` will have been read, as far as its text is known."""
        pacing, read = self._scenario.pacing, due
        for text in speech.draft.chunks[speech.draft.taken :]:
            read = due + reading_s(text, pacing.chars_per_second)
            due = max(read, due + pacing.min_interval_s)
            if ends_sentence(text):
                break
        return read

    def _phase_of(self, turn: Turn) -> tuple[PhaseStarted, ...]:
        """Return the event that opens the turn's phase, where the turn is the first of it."""
        current = self._writer.transcript.phase
        if current is not None and current.phase == turn.phase:
            return ()
        phase = self._rundown.phases[turn.phase]
        speaker = self._rundown.turns[phase.turns[0]].speaker
        return (
            PhaseStarted(at=self._writer.now(), phase=phase.index, key=phase.key, title=phase.title, speaker=speaker),
        )

    def _started(self, speech: LiveSpeech) -> TurnStarted:
        turn = speech.turn
        digests = {prepared.turn: prepared.prompt_digest for prepared in self._writer.transcript.prepared}
        return TurnStarted(
            at=self._writer.now(),
            turn=turn.index,
            phase=turn.phase,
            speaker=turn.speaker,
            side=turn.side,
            role=turn.role,
            kind=turn.kind,
            addresses=turn.addresses,
            max_words=turn.max_words,
            hints=speech.hints,
            prompt_digest=digests.get(turn.index, ""),
        )

    def _chunk(self, turn: Turn, index: int, text: str, due: float) -> ChunkAired:
        return ChunkAired(at=self._writer.now(), turn=turn.index, index=index, speaker=turn.speaker, text=text, due=due)

    def _ended(
        self,
        speech: LiveSpeech,
        how: Literal["completed", "clipped", "aborted", "skipped"],
        *,
        chunks: tuple[str, ...],
        text: str,
    ) -> TurnEnded:
        detail = str(speech.error) if speech.error else ("the model said nothing" if how == "skipped" else "")
        return TurnEnded(
            at=self._writer.now(),
            turn=speech.turn.index,
            speaker=speech.turn.speaker,
            how=how,
            detail=detail,
            chunks=len(chunks),
            words=count_words(text),
            usage=speech.usage,
            first_token_s=speech.first_token_s,
            first_sentence_s=speech.first_sentence_s,
        )


def _cause(error: ModelError | None) -> str:
    """Say in a word why a turn stayed without one: what brought the provider down, where it was not even asked."""
    if error is not None and error.kind == "unavailable" and isinstance(error.__cause__, ModelError):
        error = error.__cause__
    return error.kind if error else "silent"


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the exception that matters most of those that ended the show together."""
    leaves: list[BaseException] = []
    rest: list[BaseException] = [group]
    while rest:
        exc = rest.pop()
        if isinstance(exc, BaseExceptionGroup):
            rest.extend(exc.exceptions)
        else:
            leaves.append(exc)
    for kind in (FencedError, LogError):
        for exc in leaves:
            if isinstance(exc, kind):
                return exc
    return leaves[0]
