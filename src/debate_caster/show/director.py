"""Performs a show: walks through its turns, airs what is said at the instant it is due, writes the log.

Nobody is called from here but models and the log. One task delivers the speech on air; the next one is composed
meanwhile (``composing``). The producer may pause, cut and rearrange (``control_desk``): before each step that viewers
notice the director looks whether it still holds.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import Random

import structlog

from debate_caster.clock import Clock, unhurried
from debate_caster.errors import BudgetExhaustedError, FencedError, LogError, ModelError, matters_most
from debate_caster.llm.conversation import LLM, Reviewer
from debate_caster.llm.retrying import RetryPolicy
from debate_caster.scenario.rundown import Rundown, Turn
from debate_caster.scenario.script import Scenario
from debate_caster.show.apologies import Cause, apology_for
from debate_caster.show.boundaries import ends_sentence
from debate_caster.show.budget import Treasury
from debate_caster.show.bulletins import BY_PRODUCER, Bulletins
from debate_caster.show.composing import EPSILON_S, Composer
from debate_caster.show.control_desk import ControlDesk
from debate_caster.show.events import ShowEnded, ShowEnding
from debate_caster.show.hints import HintDesk
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.measures import reading_s
from debate_caster.show.moderation import Gate
from debate_caster.show.outages import Outages
from debate_caster.show.pacing import Pacer
from debate_caster.show.show_time import ShowTime
from debate_caster.show.speech import LiveSpeech, Studio
from debate_caster.show.transcript import INTERJECTION
from debate_caster.show.vote_desk import VoteDesk

__all__ = ["perform"]

MUTE_TURNS = 3
"""So many turns in a row without a word, and one more for each agent beyond two, end the show as failed: one bad turn
of everybody is bad luck, a second one of somebody is an outage."""

logger = structlog.get_logger()

Ending = tuple[ShowEnding, str]


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
    control: ControlDesk | None = None,
    reviewers: Sequence[Reviewer] = (),
) -> ShowEnded:
    """Perform the show and return its last event; ``llms`` are the scenario's models by name, and stay open.

    Setting ``stop``, or cancelling, ends it at once: the chunk on air stands, the turn is aborted. Whatever happens,
    the log ends with exactly one ``show_ended``, unless another writer has taken the log over. ``seed`` is only told in
    the log; ``random`` is what varies a show. Without ``votes`` the audience has none, without ``control`` the show
    has no producer. A show whose log breaks off goes on: with the turn that was on air, held again from its start, or
    else with the next one. One that has ended stays so. ``reviewers`` are asked besides the scenario's list of words
    before anything is aired.

    Raises:
        FencedError: Another writer is at work on this show.
        LogError: The log can't be written; what is in it stands.
        SetupError: The scenario wants somebody asked who is not among the reviewers.
    """
    time = control.time if control is not None else ShowTime(clock)
    votes = votes or VoteDesk(scenario, rundown, writer, clock=time)
    control = control or ControlDesk(scenario, rundown, writer, desk, votes, time=time, clock=clock)
    director = _Director(
        scenario,
        rundown,
        llms,
        writer,
        desk,
        votes,
        control,
        clock=clock,
        random=random,
        retries=retries,
        gate=Gate.of(scenario, reviewers),
    )
    return await director.perform(stop, seed)


class _Director:
    def __init__(
        self,
        scenario: Scenario,
        rundown: Rundown,
        llms: Mapping[str, LLM],
        writer: ShowLogWriter,
        desk: HintDesk,
        votes: VoteDesk,
        control: ControlDesk,
        *,
        clock: Clock,
        random: Random,
        retries: RetryPolicy | None,
        gate: Gate,
    ) -> None:
        self._scenario = scenario
        self._writer, self._desk, self._votes, self._control = writer, desk, votes, control
        self._time = control.time
        self._bulletins = Bulletins(scenario, rundown, writer)
        self._pacer = Pacer(scenario.pacing, self._time)
        self._treasury = Treasury(scenario.budget, scenario.models, started=self._time.monotonic())
        self._composer = Composer(
            scenario,
            rundown,
            llms,
            Studio(writer, self._treasury, retries or RetryPolicy(), clock, scenario.pacing, gate),
            hints=desk,
            votes=votes,
            control=control,
            pacer=self._pacer,
            bulletins=self._bulletins,
            random=random,
        )
        self._outages = Outages(scenario.budget, writer, control, clock=unhurried(clock))
        self._mute_in_a_row = 0
        self._current: LiveSpeech | None = None
        self._upcoming: LiveSpeech | None = None
        control.on_skip, control.on_inject = self._cut, self._rearrange

    # -- from the first event to the last ---------------------------------------------------------------------------

    async def perform(self, stop: asyncio.Event, seed: int) -> ShowEnded:
        try:
            if (ended := await self._begin(seed)) is not None:
                return ended
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

    async def _begin(self, seed: int) -> ShowEnded | None:
        """Log the beginning, or go on; return the end where there is one already."""
        transcript = await self._writer.settle()
        if transcript.started is None:
            await self._writer.append(self._bulletins.show_started(seed))
            logger.info("show_started", seed=seed)
            return None
        if transcript.ended is not None:
            return transcript.ended
        spent = transcript.spent
        self._treasury.spent_before(spent.prompt_tokens + spent.completion_tokens, spent.cost, transcript.on_air_s)
        if broken_off := self._bulletins.turn_cut_short("the show was broken off here", again=True):
            await self._writer.append(*broken_off)
        await self._control.go_on()
        self._control.restore()
        return None

    async def _until_stopped(self, stop: asyncio.Event) -> Ending:
        try:
            async with asyncio.TaskGroup() as tasks:
                walk = tasks.create_task(self._walk())
                halt = tasks.create_task(stop.wait())
                last_order = tasks.create_task(self._control.ending.wait())
                watching = tasks.create_task(self._control.end_forgotten_pause())
                await asyncio.wait({walk, halt, last_order}, return_when=asyncio.FIRST_COMPLETED)
                for task in (walk, halt, last_order, watching):
                    task.cancel()
        except BaseExceptionGroup as group:
            raise matters_most(group) from group
        if not walk.cancelled():
            return walk.result()
        return ("interrupted", "") if stop.is_set() else ("producer", self._control.ending_detail)

    async def _end(self, why: ShowEnding, detail: str) -> ShowEnded:
        """Close what is open and log the end; ``detail`` is public, so that it names no peer and no file."""
        if why in ("interrupted", "failed"):
            self._writer.give_in()
        await self._control.close()
        transcript = await self._writer.settle()
        if transcript.ended is not None:
            return transcript.ended
        events = [*self._bulletins.turn_cut_short(why), *self._bulletins.turns_given_up(why)]
        ended = ShowEnded(at=self._writer.now(), why=why, detail=detail)
        expired = await self._desk.close()
        if transcript.started is not None:
            final = await self._writer.append(*events, *expired, *self._votes.last_closing(), ended)
            ended = final.ended or ended
        logger.info("show_ended", why=why, detail=detail)
        return ended

    # -- turn by turn -----------------------------------------------------------------------------------------------

    async def _walk(self) -> Ending:
        """Deliver every turn in order; the next one is composed meanwhile."""
        await self._votes.open_first()
        async with asyncio.TaskGroup() as tasks:
            try:
                self._composer.open(tasks)
                self._upcoming = self._composer.begin(after=None)
                while (speech := self._upcoming) is not None:
                    self._current = speech
                    self._upcoming = self._composer.begin(after=speech)
                    self._tell_plan()
                    with structlog.contextvars.bound_contextvars(turn=speech.turn.index, agent=speech.turn.speaker):
                        await self._deliver(speech)
                    if self._outages.lasted_too_long:
                        return "failed", "no model answered for too long"
                    if self._mute_in_a_row >= self._mute_turns:
                        return "failed", f"{self._mute_in_a_row} turns in a row without a word ({_cause(speech)})"
            except BudgetExhaustedError as exc:
                return "budget", str(exc)
            finally:
                self._control.plan(None, None)
                self._composer.close()
        if not any(speech.text and not speech.apology for speech in self._writer.transcript.speeches):
            return "failed", "nobody said a word"
        await self._votes.take_last(self._seconds_to(self._treasury.deadline))
        return "completed", ""

    async def _deliver(self, speech: LiveSpeech) -> None:
        """Air one speech and log its end; nothing of one that another is put before.

        Raises:
            BudgetExhaustedError: It was refused; nothing of it is in the log.
        """
        if await self._open(speech) or (self._apologises(speech) and await self._open(speech)):
            await self._go_on(speech)
            await self._reach(speech, lambda: self._pacer.read_at)
            self._composer.end(speech)
            await self._close(speech)
        elif self._composer.has(speech):
            self._composer.end(speech)
            await self._skip(speech)
        speech.over.set()
        self._control.changes.tell()
        if expired := self._desk.expired():
            await self._writer.append(*expired)

    async def _reach(self, speech: LiveSpeech, instant: Callable[[], float]) -> float | None:
        """Wait for an instant, which the producer may move; return it, or None where the speech is not to go on."""
        earliest = self._time.monotonic()
        while self._composer.has(speech) and not self._control.cuts(speech.turn):
            due = max(instant(), earliest)
            wait_s = due - self._time.monotonic()
            if wait_s <= EPSILON_S and not self._time.held:
                return due
            with suppress(TimeoutError):
                async with self._time.timeout(wait_s):
                    await self._control.changes.wait()
                earliest = self._time.monotonic()
        return None

    async def _open(self, speech: LiveSpeech) -> bool:
        """Wait for the first chunk and its instant, and air it; return whether there was one.

        Raises:
            BudgetExhaustedError: It was refused, or its model was still silent when the show's time was over.
        """
        turn = speech.turn
        while await self._has_more(speech) or speech.out:
            due = await self._reach(speech, lambda: self._composer.start_of(turn))
            if due is None:
                return False
            if speech.out:
                if not await self._outages.sit_out(speech):
                    await self._composer.break_off(speech)
                continue
            text = speech.take()
            if text is None:
                continue  # a repeated attempt has taken it away
            used = self._desk.use(turn)
            await self._writer.append(
                *self._votes.closing(turn),
                *self._bulletins.phase_started(turn),
                self._bulletins.turn_started(speech),
                *used,
                self._bulletins.chunk_aired(turn, 0, text, due),
            )
            self._pacer.aired(turn.speaker, text, due=due)
            return True
        return False

    async def _go_on(self, speech: LiveSpeech) -> None:
        """Air the other chunks, each at its instant, while the show has time and the producer lets them."""
        turn, deadline = speech.turn, self._treasury.deadline
        last = speech.draft.chunks[0]
        try:
            while await self._has_more(speech):
                planned = self._pacer.due(turn.speaker)
                if deadline is not None and ends_sentence(last) and self._sentence_end(speech, planned) > deadline:
                    await self._composer.break_off(speech)
                    return
                due = await self._reach(speech, lambda: self._pacer.planned(turn.speaker))
                if due is None:
                    return
                text = speech.take()
                if text is not None:
                    await self._writer.append(self._bulletins.chunk_aired(turn, speech.draft.taken - 1, text, due))
                    self._pacer.aired(turn.speaker, text, due=due)
                    last = text
        except BudgetExhaustedError:
            await self._composer.break_off(speech)

    async def _has_more(self, speech: LiveSpeech) -> bool:
        """Wait for a chunk, as long as the show has time.

        Raises:
            BudgetExhaustedError: The time is over, or the speech was refused.
        """
        try:
            async with self._time.timeout(self._seconds_to(self._treasury.deadline)):
                return await speech.wait()
        except TimeoutError as exc:
            raise BudgetExhaustedError("minutes", "the time was over while a model was silent") from exc

    def _apologises(self, speech: LiveSpeech) -> bool:
        """Have a speaker who has no speech say so; return whether there is a turn for it."""
        if not self._composer.has(speech) or self._control.cuts(speech.turn):
            return False
        self._desk.give_back(speech.turn)
        because: Cause = "failed" if speech.held_back is None else "held_back"
        if self._outages.lasted_too_long or self._mute_in_a_row + 1 >= self._mute_turns:
            because = "ending"
        speech.apologise(apology_for(self._scenario.language, speech.turn.index, because))
        return True

    @property
    def _mute_turns(self) -> int:
        return MUTE_TURNS + max(len(self._scenario.agents) - 2, 0)

    async def _skip(self, speech: LiveSpeech) -> None:
        """Log the end of a turn that the producer has cut before its first word."""
        turn = speech.turn
        self._desk.give_back(turn)
        skipped = self._bulletins.turn_ended(speech, "skipped", detail=BY_PRODUCER)
        await self._writer.append(*self._votes.closing(turn), *self._bulletins.phase_started(turn), skipped)

    async def _close(self, speech: LiveSpeech) -> None:
        on_air = self._writer.transcript.open
        chunks = on_air.chunks if on_air else ()
        self._mute_in_a_row = self._mute_in_a_row + 1 if speech.apology else 0
        if self._control.cuts(speech.turn):
            ended = self._bulletins.turn_ended(speech, "skipped", chunks=chunks, detail=BY_PRODUCER)
        elif speech.apology:
            detail = "" if speech.error or speech.held_back else "the model said nothing"
            ended = self._bulletins.turn_ended(speech, "aborted", chunks=chunks, detail=detail)
        else:
            ended = self._bulletins.turn_ended(speech, speech.draft.how or "aborted", chunks=chunks)
        await self._writer.append(ended)

    # -- what the producer does ----------------------------------------------------------------------------------

    def _cut(self, turn: Turn) -> None:
        """Let a speech end with what is on air, whatever its model does."""
        for speech in (self._current, self._upcoming):
            if speech is not None and speech.turn is turn:
                speech.close()

    def _rearrange(self) -> bool:
        """Put a line of the producer's before the turns that are not on air yet; say whether there can be any."""
        if not self._composer.is_open:  # the last turn ended while the order was being logged
            return False
        current, after = self._current, self._current
        if self._upcoming is not None:
            self._composer.withdraw(self._upcoming)
        if current is not None and self._may_wait(current):
            self._composer.withdraw(current)
            after = None
        self._upcoming = self._composer.begin(after=after)
        self._tell_plan()
        return self._upcoming is not None

    def _may_wait(self, speech: LiveSpeech) -> bool:
        """Whether another turn may be put before this one; one line of the producer's comes after the other."""
        begun = speech.draft.taken or not self._composer.has(speech) or self._control.cuts(speech.turn)
        return not begun and speech.turn.kind != INTERJECTION

    def _tell_plan(self) -> None:
        """Let the producer know which turn is on, from the pause before it until its end, and which one follows."""
        on = self._current if self._current is not None and self._composer.has(self._current) else None
        following = self._upcoming.turn if self._upcoming is not None else None
        self._control.plan(on.turn if on is not None else following, following if on is not None else None)

    # -- small things -----------------------------------------------------------------------------------------------

    def _seconds_to(self, deadline: float | None) -> float | None:
        return None if deadline is None else max(deadline - self._time.monotonic(), 0.0)

    def _sentence_end(self, speech: LiveSpeech, due: float) -> float:
        """Return when the sentence that begins at ``due`` will have been read, as far as its text is known."""
        pacing, read = self._scenario.pacing, due
        for text in speech.draft.chunks[speech.draft.taken :]:
            read = due + reading_s(text, pacing.chars_per_second)
            due = max(read, due + pacing.min_interval_s)
            if ends_sentence(text):
                break
        return read


def _cause(speech: LiveSpeech) -> str:
    """Say in a word why a turn stayed without one: what brought the provider down, where it was not even asked."""
    if speech.held_back is not None:
        return "held back"
    error = speech.error
    if error is not None and error.kind == "unavailable" and isinstance(error.__cause__, ModelError):
        error = error.__cause__
    return error.kind if error else "silent"
