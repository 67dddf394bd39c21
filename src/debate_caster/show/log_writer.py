"""The one writer of a show's log: orders, stamps and stores events, and keeps the state they amount to."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count

import structlog

from debate_caster.clock import Clock
from debate_caster.errors import FencedError, LogError
from debate_caster.log import EventLog
from debate_caster.show.events import ConnectionDown, EpochBegan, MoneySpent, ShowEvent, encode, stream_of
from debate_caster.show.transcript import Transcript, read_transcript

__all__ = ["ShowLogWriter"]

logger = structlog.get_logger()

RETRY_S = (0.2, 0.5, 1.0, 2.0)
"""Waits between attempts to write a log that fails for the time being; the last one repeats."""


@dataclass(frozen=True, slots=True)
class _Write:
    """A write that has been handed to the log, what it is, and the state once it is stored."""

    stored: asyncio.Task[int]
    events: Sequence[ShowEvent]
    after: Transcript


class ShowLogWriter:
    """Appends to one show's stream, for any number of tasks. Made by ``open``.

    Once the show has begun, a log that can't be written for the time being (a full disk, a lock) makes it wait: nothing
    goes on air before it is stored, so the show stands still until the log takes it, or until ``give_in``.
    """

    def __init__(
        self,
        log: EventLog,
        show: str,
        transcript: Transcript,
        *,
        clock: Clock,
        epoch: int = 0,
        on_stored: Callable[[Sequence[ShowEvent]], None] | None = None,
    ) -> None:
        self.show = show
        self._on_stored = on_stored
        self._log, self._clock, self._epoch = log, clock, epoch
        self._transcript = transcript
        self._lock = asyncio.Lock()
        self._under_way: _Write | None = None
        self._giving_in = asyncio.Event()

    @classmethod
    async def open(
        cls,
        log: EventLog,
        show: str,
        *,
        clock: Clock,
        epoch: int = 0,
        on_stored: Callable[[Sequence[ShowEvent]], None] | None = None,
    ) -> "ShowLogWriter":
        """Return a writer that goes on where the show's log ends, at its beginning where there is none.

        ``on_stored`` is told of all events that this writer has stored, in order, each once.

        Raises:
            LogError: The log can't be read, or is not a show's.
        """
        transcript = await read_transcript(log, show)
        return cls(log, show, transcript, clock=clock, epoch=max(epoch, transcript.epoch), on_stored=on_stored)

    async def take_over(self) -> Transcript:
        """Begin a new epoch of a show that was broken off: whoever wrote it before can add nothing from here on.

        Connections that were up are down, and calls that were under way count with the most that they may have cost:
        their provider bills them, and nobody knows how much. Does nothing where the show has not begun, or has ended.

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
        lost = [
            MoneySpent(
                at=self.now(),
                turn=asked.turn,
                speaker=asked.speaker,
                model=asked.stake.model,
                attempt=1,
                prompt_tokens=asked.stake.prompt_tokens,
                completion_tokens=asked.stake.completion_tokens,
                cost=asked.stake.cost,
                estimated=True,
                outcome="lost",
            )
            for asked in transcript.at_stake
            if asked.stake is not None
        ]
        return await self.append(EpochBegan(at=self.now(), epoch=self._epoch), *gone, *lost)

    @property
    def transcript(self) -> Transcript:
        """The state after the last event known to be stored."""
        return self._transcript

    def now(self) -> datetime:
        """Return the clock's time, for the ``at`` that an event is made with; ``append`` stamps it anew."""
        return self._clock.now()

    def give_in(self) -> None:
        """Wait for the log no more: what can't be stored at once is an error from here on."""
        self._giving_in.set()

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
            after, stored, bodies = before, [], []
            for event in events:
                stamped = event.model_copy(update={"at": at, "seq": after.seq + 1})
                after = after.advance(stamped)
                stored.append(stamped)
                bodies.append(encode(stamped))
            self._under_way = _Write(asyncio.ensure_future(self._store(bodies, before.seq)), stored, after)
            return await self._finish_write()

    async def _store(self, bodies: list[str], expect: int) -> int:
        """Store ``bodies`` behind ``expect``, sooner or later."""
        for attempt in count():
            try:
                last = await self._log.append(stream_of(self.show), bodies, expect=expect, epoch=self._epoch)
            except FencedError:
                if attempt and await self._is_there(bodies, expect):
                    return expect + len(bodies)  # the attempt that failed had stored it
                raise
            except LogError as exc:
                if not exc.passing or not expect or self._giving_in.is_set():
                    raise
                if not attempt:
                    logger.error("show_waits_for_its_log", error=exc.detail)  # noqa: TRY400 - the cause is in the text
                with suppress(TimeoutError):
                    async with self._clock.timeout(RETRY_S[min(attempt, len(RETRY_S) - 1)]):
                        await self._giving_in.wait()
            else:
                if attempt:
                    logger.info("show_goes_on_with_its_log", attempts=attempt)
                return last
        raise AssertionError("counting never ends")

    async def _is_there(self, bodies: list[str], expect: int) -> bool:
        records = await self._log.read(stream_of(self.show), expect, limit=len(bodies))
        return [record.body for record in records] == bodies

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
            if self._on_stored is not None:
                self._on_stored(write.events)
        return self._transcript
