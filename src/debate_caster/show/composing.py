"""Has the next speeches composed just in time: asks each turn's model when its turn is ``lead`` seconds away.

Whoever speaks next is asked once the text of the speech on air is final: then the prompt can have all of it, a model's
thinking time is no dead air, and a hint counts until a few seconds before the turn.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random

import structlog

from debate_caster.errors import BudgetExhaustedError
from debate_caster.llm.conversation import LLM, Request
from debate_caster.llm.estimates import estimate_prompt_tokens
from debate_caster.scenario.rundown import Rundown, Turn
from debate_caster.scenario.script import Scenario
from debate_caster.show.budget import Reservation
from debate_caster.show.bulletins import Bulletins
from debate_caster.show.control_desk import ControlDesk
from debate_caster.show.hints import HintDesk
from debate_caster.show.lead import LeadTimes
from debate_caster.show.pacing import Pacer, longest_speech_s
from debate_caster.show.prompt import Prompt, PromptDesk, reply_tokens
from debate_caster.show.running_order import RunningOrder
from debate_caster.show.speech import LiveSpeech, Studio, Voice
from debate_caster.show.transcript import Speech
from debate_caster.show.vote_desk import VoteDesk

__all__ = ["EPSILON_S", "Composer"]

EPSILON_S = 1e-6
"""An instant this near has come: clocks and timers round differently."""


@dataclass(frozen=True, slots=True)
class _Cue:
    """What the model of a turn is asked."""

    request: Request
    prompt: Prompt
    prompt_tokens: int


class Composer:
    """One show's. It has a speech from ``begin`` until it is ended or withdrawn; between ``open`` and ``close``."""

    def __init__(
        self,
        scenario: Scenario,
        rundown: Rundown,
        llms: Mapping[str, LLM],
        studio: Studio,
        *,
        hints: HintDesk,
        votes: VoteDesk,
        control: ControlDesk,
        pacer: Pacer,
        bulletins: Bulletins,
        random: Random,
    ) -> None:
        self._scenario, self._llms = scenario, llms
        self._hints, self._votes, self._control = hints, votes, control
        self._pacer, self._bulletins = pacer, bulletins
        self._models = {agent.id: agent.model for agent in scenario.agents}
        self._moderators = frozenset(agent.id for agent in scenario.agents if agent.moderator)
        self._random_key = random.getrandbits(128)
        self._prompts = PromptDesk(scenario, rundown, key=random.getrandbits(256).to_bytes(32, "big"))
        self._studio = replace(studio, gate=studio.gate.keeping(self._prompts.canary))
        self._order = RunningOrder(scenario, rundown, studio.writer)
        self._leads = LeadTimes(scenario.pacing)
        self._tasks: asyncio.TaskGroup | None = None
        self._composing: dict[LiveSpeech, asyncio.Task[None]] = {}

    def open(self, tasks: asyncio.TaskGroup) -> None:
        """From here on speeches are composed, in tasks of this group."""
        self._tasks = tasks

    def close(self) -> None:
        """Hang up on every model; from here on nothing is composed."""
        self._tasks = None
        for composing in self._composing.values():
            composing.cancel()

    def begin(self, *, after: LiveSpeech | None) -> LiveSpeech | None:
        """Have the next turn composed when it is time to; None where there is none."""
        if self._tasks is None or (turn := self._order.take(after.turn if after is not None else None)) is None:
            return None
        speech = LiveSpeech(turn, self._studio)
        self._composing[speech] = self._tasks.create_task(self._compose(speech, after))
        return speech

    @property
    def is_open(self) -> bool:
        """Whether there may be another turn."""
        return self._tasks is not None

    def has(self, speech: LiveSpeech) -> bool:
        """Whether the speech is neither ended nor withdrawn."""
        return speech in self._composing

    def end(self, speech: LiveSpeech) -> None:
        """Hang up on the speech's model: its turn is over."""
        self._composing.pop(speech).cancel()

    async def break_off(self, speech: LiveSpeech) -> None:
        """Let a speech end with what is on air, and hang up on its model; return when that is done."""
        speech.close()
        composing = self._composing[speech]
        composing.cancel()
        await asyncio.wait({composing})

    def withdraw(self, speech: LiveSpeech) -> None:
        """Take back a speech that is not on air: its turn comes later, its hints go back into the queue."""
        self._composing.pop(speech).cancel()
        self._hints.give_back(speech.turn)
        self._order.give_back(speech.turn)
        speech.close()

    async def _compose(self, speech: LiveSpeech, after: LiveSpeech | None) -> None:
        """Have a speech composed, when it is time to: its task lives as long as the model speaks."""
        turn = speech.turn
        model = self._models[turn.speaker]
        await self._time_to_ask(turn, model, after)
        with structlog.contextvars.bound_contextvars(turn=turn.index, agent=turn.speaker):
            try:
                cue = self._cue(speech, model, after)
            except BudgetExhaustedError as exc:
                speech.refuse(exc)
                return
            voices = self._voices(turn, model, cue.request)
            stake = self._stake(voices, cue.prompt_tokens)
            await self._studio.writer.append(self._bulletins.turn_prepared(speech, cue.prompt, stake))
            random = Random(f"{self._random_key}/{turn.index}")  # noqa: S311 - jitter, not secrets; one for each turn
            await speech.compose(voices, prompt_tokens=cue.prompt_tokens, random=random)
        if speech.first_sentence_s is not None:
            self._leads.note(speech.model, speech.first_sentence_s)

    def _voices(self, turn: Turn, model: str, request: Request) -> list[Voice]:
        """Return whom to ask: the turn's model, and those that stand in for it, with the same prompt."""
        return [
            Voice(
                script.name, self._llms[script.name], replace(request, max_tokens=reply_tokens(turn.max_words, script))
            )
            for script in self._scenario.models_for(model)
        ]

    def _stake(self, voices: Sequence[Voice], prompt_tokens: int) -> Reservation:
        """Return what the dearest of the calls that a turn may make can cost; they are made one after the other."""
        treasury = self._studio.treasury
        calls = [
            treasury.most(voice.name, prompt_tokens=prompt_tokens, max_tokens=voice.request.max_tokens)
            for voice in voices
        ]
        return max(calls, key=lambda call: (call.cost, call.prompt_tokens + call.completion_tokens))

    async def _time_to_ask(self, turn: Turn, model: str, after: LiveSpeech | None) -> None:
        """Wait until the speech before is final and the turn is ``lead`` seconds away."""
        if after is not None:
            await after.composed.wait()
            if not after.draft.chunks or after.apology or not self._scenario.pacing.read_ahead:
                await after.over.wait()  # a skipped turn gives its hints back first
                return
        lead_s = self._leads.lead_s(model)
        while (wait_s := self._start_after(after, turn) - lead_s - self._control.time.monotonic()) > EPSILON_S:
            with suppress(TimeoutError):  # the speech may be over sooner than planned
                async with self._control.time.timeout(wait_s):
                    await self._control.changes.wait()

    def _cue(self, speech: LiveSpeech, model: str, after: LiveSpeech | None) -> _Cue:
        """Take the hints and build the prompt.

        Raises:
            BudgetExhaustedError: There is not enough time, money or tokens left for the turn.
        """
        turn = speech.turn
        start = max(self._start_after(after, turn), self._control.time.monotonic())
        self._studio.treasury.check_time(start + longest_speech_s(self._scenario.pacing, turn.max_words))
        held = self._studio.writer.transcript.speeches
        # What is held again is heard whole later: nobody answers its beginning, and its speaker does not go on from it.
        # An apology is no argument.
        speeches = [replace(speech, text="") if speech.again or speech.apology else speech for speech in held]
        if after is not None and after.text and not after.over.is_set():
            before = after.turn
            speeches.append(
                Speech(before.index, before.phase, before.speaker, after.text, "completed", kind=before.kind)
            )
        to_say, notes = self._order.notes_for(turn)
        if turn.speaker in self._moderators:
            speech.hints = ()  # who leads the show is led by no viewer
        elif held and held[-1].again and held[-1].turn == turn.index - 1:
            speech.hints = held[-1].hints  # they were given to this turn when it was held first
        else:
            speech.hints = self._hints.take(turn)
        prompt = self._prompts.build(turn, speeches, speech.hints, notes=notes, to_say=to_say)
        max_tokens = reply_tokens(turn.max_words, self._scenario.models[model])
        read = estimate_prompt_tokens(prompt.messages)
        self._studio.treasury.check_call(model, prompt_tokens=read, max_tokens=max_tokens)
        seed = Random(f"{self._random_key}/seed/{turn.index}").getrandbits(31)  # noqa: S311 - varies a show, no secret
        return _Cue(Request(prompt.messages, max_tokens, seed, prompt.cue), prompt, read)

    def start_of(self, turn: Turn) -> float:
        """Return when the turn is to begin by plan, after what has been aired; maybe in the past."""
        planned = self._pacer.planned(turn.speaker, pause_s=self._scenario.pacing.gap_s)
        return max(planned, self._votes.earliest(turn))

    def _start_after(self, speech: LiveSpeech | None, turn: Turn) -> float:
        """Return when ``turn`` is to begin if ``speech``, composed but not over, is aired without a hitch."""
        if speech is None:
            return self.start_of(turn)
        draft, speaker = speech.draft, speech.turn.speaker
        left = draft.chunks[draft.taken :]
        if speech.over.is_set() or not left:
            return max(self.start_of(turn), self._control.time.monotonic())
        begins = None if draft.taken else max(self.start_of(speech.turn), self._control.time.monotonic())
        planned = self._pacer.read_after(speaker, left, start=begins) + self._scenario.pacing.gap_s
        return max(planned, self._votes.earliest(turn))
