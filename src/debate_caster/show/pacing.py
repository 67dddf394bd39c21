"""When a chunk is due: reading speed, the least interval of an agent, absolute deadlines."""

from collections.abc import Iterable

from debate_caster.scenario.script import Pacing
from debate_caster.show.chunking import Chunker
from debate_caster.show.measures import CHARS_PER_WORD, reading_s
from debate_caster.show.show_time import Timekeeper

__all__ = ["Pacer", "longest_speech_s"]

SLACK = 1.15
"""How much longer than its words' average a speech may take to read: long words, pauses at chunks that are short."""


class Pacer:
    """Plans the instants of one show's chunks, in seconds of the clock's ``monotonic``; waits for none of them.

    A chunk is due when the one before it has been read, and at least ``min_interval_s`` after that agent's last one was
    really aired, in this turn or an earlier one. Instants follow from planned ones, so that delays do not add up; a
    chunk that is not there in time moves everything behind it, so that nothing is made up for in a burst.
    """

    def __init__(self, pacing: Pacing, clock: Timekeeper) -> None:
        self._pacing, self._clock = pacing, clock
        self._free: dict[str, float] = {}
        self._read = 0.0

    @property
    def read_at(self) -> float:
        """When everything aired so far has been read; 0 before the first chunk."""
        return self._read

    def due(self, agent: str) -> float:
        """Return when the agent's next chunk is to be aired: now, at the earliest."""
        return max(self.planned(agent), self._clock.monotonic())

    def planned(self, agent: str, *, pause_s: float = 0.0) -> float:
        """Return when it could be aired by plan, ``pause_s`` after the last chunk has been read; maybe in the past."""
        return max(self._read + pause_s if self._read else 0.0, self._free.get(agent, 0.0))

    def aired(self, agent: str, text: str, *, due: float) -> None:
        """Take note that ``text``, which was due at ``due``, has just been aired."""
        self._free[agent] = self._clock.monotonic() + self._pacing.min_interval_s
        self._read = due + reading_s(text, self._pacing.chars_per_second)

    def read_after(self, agent: str, chunks: Iterable[str], *, start: float | None = None) -> float:
        """Return when ``chunks``, still to be aired by ``agent``, will have been read if each is there in time."""
        due = self.due(agent) if start is None else start
        read = self._read if start is None else start
        for text in chunks:
            read = due + reading_s(text, self._pacing.chars_per_second)
            due = max(read, due + self._pacing.min_interval_s)
        return read


def longest_speech_s(pacing: Pacing, max_words: int) -> float:
    """Return how long a speech of so many words is on air, in seconds, pauses between its chunks included."""
    chars = max_words * CHARS_PER_WORD
    spoken_s = chars / pacing.chars_per_second
    waited_s = chars / Chunker.of(pacing).least_units * pacing.min_interval_s
    return max(spoken_s, waited_s) * SLACK
