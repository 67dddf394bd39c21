"""The one writer of a show's log: orders, stamps and stores events, and keeps the state they amount to."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from debate_caster.clock import Clock
from debate_caster.log import EventLog
from debate_caster.show.events import ConnectionDown, EpochBegan, ShowEvent, encode, stream_of
from debate_caster.show.transcript import Transcript, read_transcript

__all__ = ["ShowLogWriter"]


@dataclass(frozen=True, slots=True)
class _Write:
    """A write that has been handed to the log, and the state once it is stored."""

    stored: asyncio.Task[int]
    after: Transcript


class ShowLogWriter:
    """Appends to one show's stream, for any number of tasks. Made by ``open``."""

    def __init__(self, log: EventLog, show: str, transcript: Transcript, *, clock: Clock, epoch: int = 0) -> None:
        self.show = show
        self._log, self._clock, self._epoch = log, clock, epoch
        self._transcript = transcript
        self._lock = asyncio.Lock()
        self._under_way: _Write | None = None

    @classmethod
    async def open(cls, log: EventLog, show: str, *, clock: Clock, epoch: int = 0) -> "ShowLogWriter":
        """Return a writer that goes on where the show's log ends, at its beginning where there is none.

        Raises:
            LogError: The log can't be read, or is not a show's.
        """
        transcript = await read_transcript(log, show)
        return cls(log, show, transcript, clock=clock, epoch=max(epoch, transcript.epoch))

    async def take_over(self) -> Transcript:
        """Begin a new epoch of a show that was broken off: whoever wrote it before can add nothing from here on.

        Connections that were up are down. Does nothing where the show has not begun, or has ended.

        Raises:
            FencedError: Somebody is writing it, or has taken it over at the same time.
            LogError: The events could not be stored.
        """
        transcript = self._transcript
        if transcript.started is None or transcript.ended is not None:
            return transcript
        self._epoch += 1
        gone = [
            ConnectionDown(at=self.now(), agent=agent, target=target, reason="the show was broken off")
            for agent, target in sorted(transcript.connected)
        ]
        return await self.append(EpochBegan(at=self.now(), epoch=self._epoch), *gone)

    @property
    def transcript(self) -> Transcript:
        """The state after the last event known to be stored."""
        return self._transcript

    def now(self) -> datetime:
        """Return the clock's time, for the ``at`` that an event is made with; ``append`` stamps it anew."""
        return self._clock.now()

    async def append(self, *events: ShowEvent) -> Transcript:
        """Store ``events``, all or none, stamped with the time of storing; return the state after them.

        A cancelled call gives up waiting, not the write: whatever comes of it, the next call knows.

        Raises:
            FencedError: Another writer is at work on this show: this one must stop.
            LogError: The events could not be stored, or cannot follow what is there.
        """
        async with self._lock:
            await self._finish_write()
            before = self._transcript
            at = max(self._clock.now(), before.at) if before.at is not None else self._clock.now()
            after, bodies = before, []
            for event in events:
                stamped = event.model_copy(update={"at": at, "seq": after.seq + 1})
                after = after.advance(stamped)
                bodies.append(encode(stamped))
            append = self._log.append(stream_of(self.show), bodies, expect=before.seq, epoch=self._epoch)
            self._under_way = _Write(asyncio.ensure_future(append), after)
            return await self._finish_write()

    async def settle(self) -> Transcript:
        """Wait for a write that its caller has given up waiting for; return the state, which is then certain.

        Raises:
            FencedError: That write met another writer.
            LogError: It could not be stored.
        """
        async with self._lock:
            return await self._finish_write()

    async def _finish_write(self) -> Transcript:
        if (write := self._under_way) is not None:
            try:
                await asyncio.shield(write.stored)
            except asyncio.CancelledError:
                raise  # we were: the write goes on, and whoever comes next waits for it
            except BaseException:
                self._under_way = None
                raise
            self._under_way = None
            self._transcript = write.after
        return self._transcript
