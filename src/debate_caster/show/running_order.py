"""The running order: which turn comes next, the rundown's or one that the producer has put in.

Turns are numbered as they are held, without a gap: an interjection takes a number, and the rundown's turns behind it
move up by one.
"""

from dataclasses import replace

from debate_caster.scenario.rundown import Rundown, Turn
from debate_caster.scenario.script import Scenario
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.transcript import INTERJECTION

__all__ = ["RunningOrder"]

INTERJECTION_WORDS = 80
"""Where an interjection is clipped: a line of 500 characters has some 75 words."""

INSTRUCTION = "Tell the audience so now, in your own words and in a sentence or two; then the debate goes on."


class RunningOrder:
    """What is left of one show. A turn that was taken may be given back, the last one first."""

    def __init__(self, scenario: Scenario, rundown: Rundown, writer: ShowLogWriter) -> None:
        self._rundown, self._writer = rundown, writer
        self._moderator = next((agent.id for agent in scenario.agents if agent.moderator), None)
        self._place: int | None = None
        self._taken: dict[int, int] = {}

    def take(self, after: Turn | None) -> Turn | None:
        """Return the turn behind ``after``, or the first one that the log has not; None where there are no more."""
        transcript = self._writer.transcript
        if self._place is None:
            self._place = transcript.next_place
        number = transcript.next_turn if after is None else after.index + 1
        waiting = [note for note in transcript.notes if note.seq not in self._taken.values()]
        if waiting and self._moderator is not None:
            self._taken[number] = waiting[0].seq
            return Turn(
                index=number,
                phase=self._phase(after),
                speaker=self._moderator,
                side=None,
                stance="neutral",
                role="",
                kind=INTERJECTION,
                max_words=INTERJECTION_WORDS,
                instruction=INSTRUCTION,
            )
        if self._place >= len(self._rundown.turns):
            return None
        self._place += 1
        return replace(self._rundown.turns[self._place - 1], index=number)

    def give_back(self, turn: Turn) -> None:
        """Let a turn that was taken come later."""
        if turn.kind == INTERJECTION:
            del self._taken[turn.index]
        elif self._place:
            self._place -= 1

    def notes_for(self, turn: Turn) -> tuple[str, tuple[str, ...]]:
        """Return what the turn is to tell the audience, and the producer's notes for its prompt."""
        transcript = self._writer.transcript
        context = (transcript.context,) if transcript.context else ()
        if self._moderator is None:
            return "", (*context, *(note.text for note in transcript.notes))
        wanted = self._taken.get(turn.index)
        return next((note.text for note in transcript.notes if note.seq == wanted), ""), context

    def _phase(self, after: Turn | None) -> int:
        if after is not None:
            return after.phase
        if (current := self._writer.transcript.phase) is not None:
            return current.phase
        return self._rundown.turns[min(self._place or 0, len(self._rundown.turns) - 1)].phase
