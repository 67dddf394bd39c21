"""Words the events of a show: what the director logs of its beginning, its turns and its end."""

from collections.abc import Iterable
from typing import Literal

from debate_caster.scenario.rundown import Rundown, Turn
from debate_caster.scenario.script import Scenario
from debate_caster.show.budget import Reservation
from debate_caster.show.cast import cast_of
from debate_caster.show.events import (
    ChunkAired,
    PhaseCast,
    PhaseStarted,
    ShowStarted,
    Stake,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
)
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.measures import count_words
from debate_caster.show.prompt import Prompt
from debate_caster.show.speech import LiveSpeech

__all__ = ["BY_PRODUCER", "Bulletins"]

BY_PRODUCER = "by the producer"
"""Why a turn was skipped that could have gone on."""


class Bulletins:
    """Returns events, logs none. What it looks up in the show's log is as of the moment it is asked."""

    def __init__(self, scenario: Scenario, rundown: Rundown, writer: ShowLogWriter) -> None:
        self._scenario, self._rundown, self._writer = scenario, rundown, writer

    def show_started(self, seed: int) -> ShowStarted:
        scenario, rules = self._scenario, self._scenario.format
        return ShowStarted(
            at=self._writer.now(),
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
                PhaseCast(key=phase.key, title=phase.title, turns=len(phase.turns)) for phase in self._rundown.phases
            ),
            turns=len(self._rundown.turns),
            hints_open=scenario.audience.hints,
            max_hint_chars=scenario.audience.max_hint_chars,
            hint_interval_s=scenario.audience.hint_interval_s,
        )

    def phase_started(self, turn: Turn) -> tuple[PhaseStarted, ...]:
        """Return the event that opens the turn's phase, where the turn is the first of it."""
        current = self._writer.transcript.phase
        if current is not None and current.phase == turn.phase:
            return ()
        phase = self._rundown.phases[turn.phase]
        speaker = self._rundown.turns[phase.turns[0]].speaker
        return (
            PhaseStarted(at=self._writer.now(), phase=phase.index, key=phase.key, title=phase.title, speaker=speaker),
        )

    def turn_prepared(self, speech: LiveSpeech, prompt: Prompt, stake: Reservation) -> TurnPrepared:
        turn = speech.turn
        return TurnPrepared(
            at=self._writer.now(),
            turn=turn.index,
            phase=turn.phase,
            speaker=turn.speaker,
            hints=tuple(hint.id for hint in speech.hints),
            prompt_digest=prompt.digest,
            prompt_words=prompt.words,
            stake=Stake(
                model=stake.model,
                prompt_tokens=stake.prompt_tokens,
                completion_tokens=stake.completion_tokens,
                cost=stake.cost,
            ),
        )

    def turn_started(self, speech: LiveSpeech) -> TurnStarted:
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
            model=speech.model,
        )

    def chunk_aired(self, turn: Turn, index: int, text: str, due: float) -> ChunkAired:
        return ChunkAired(at=self._writer.now(), turn=turn.index, index=index, speaker=turn.speaker, text=text, due=due)

    def turn_ended(
        self,
        speech: LiveSpeech,
        how: Literal["completed", "clipped", "aborted", "skipped"],
        *,
        chunks: Iterable[str] = (),
        detail: str = "",
    ) -> TurnEnded:
        aired = tuple(chunks)
        return TurnEnded(
            at=self._writer.now(),
            turn=speech.turn.index,
            speaker=speech.turn.speaker,
            how=how,
            kind=speech.turn.kind,
            detail=detail or _fault(speech),
            apology=speech.apology,
            held_back=how == "aborted" and speech.held_back is not None,
            chunks=len(aired),
            words=count_words("".join(aired)),
            usage=speech.usage,
            first_token_s=speech.first_token_s,
            first_sentence_s=speech.first_sentence_s,
        )

    def turn_cut_short(self, why: str, *, again: bool = False) -> tuple[TurnEnded, ...]:
        """Return the end of the turn on air, as far as it got, maybe to be held ``again``; nothing where none is.

        A cut of the producer's is no fault.
        """
        on_air = self._writer.transcript.open
        if on_air is None:
            return ()
        return (
            TurnEnded(
                at=self._writer.now(),
                turn=on_air.started.turn,
                speaker=on_air.started.speaker,
                how="skipped" if why == "producer" else "aborted",
                kind=on_air.started.kind,
                detail=BY_PRODUCER if why == "producer" else why,
                again=again,
                chunks=len(on_air.chunks),
                words=count_words(on_air.text),
            ),
        )

    def turns_given_up(self, detail: str) -> tuple[TurnEnded, ...]:
        """Return the ends of the turns that are prepared and will not be held.

        To be logged once the turn on air has ended, and with nothing behind it but the end of the show.
        """
        return tuple(
            TurnEnded(at=self._writer.now(), turn=prepared.turn, speaker=prepared.speaker, how="skipped", detail=detail)
            for prepared in self._writer.transcript.prepared
        )


def _fault(speech: LiveSpeech) -> str:
    """Say what kept a speech from its end, empty where nothing did; never what it would have said."""
    if speech.held_back is not None:
        return f"held back ({speech.held_back})"
    return str(speech.error) if speech.error else ""
