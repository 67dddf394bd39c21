"""A show's air log: what was on air, in order, first on disk and only then with anybody.

One task for each live show writes; everything that waits goes into one append. Events of late are kept in memory, so
that a crowd coming back does not read the disk. Knows bytes and sequence numbers; what events mean is for others.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from debate_caster.clock import Clock
from debate_caster.errors import FencedError, LogError
from debate_caster.log import EventLog, Record
from debate_caster.stage.fan_out import AirEvent, websocket_frame
from debate_caster.stage.metrics import Counters
from debate_caster.stage.vocabulary import encode_event

__all__ = ["Air", "air_event", "event_of", "stream_of"]

logger = structlog.get_logger()

RECENT_BYTES = 1024 * 1024
"""How much of a live show is kept in memory: an hour-long debate has some 2,000 events of 300 bytes."""

QUEUE_LIMIT = 2000
"""Events that may wait while the log can't be written; a minute of the busiest show."""

PAGE = 500
"""Events read from the log at a time."""

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between attempts to write a log that fails; the last one repeats. A full disk pauses the show, no more."""


def stream_of(show: str) -> str:
    """Return the name of the show's stream in the event log."""
    return f"air/{show}"


def event_of(record: Record) -> dict[str, Any]:
    """Return a stored event as a mapping.

    Raises:
        LogError: The record is not an event of an air log.
    """
    try:
        event = json.loads(record.body)
    except ValueError as exc:
        raise LogError("air", f"record {record.seq} is not JSON: {exc}") from exc
    if not isinstance(event, dict):
        raise LogError("air", f"record {record.seq} is not an event")
    return event


def air_event(record: Record, event: Mapping[str, Any]) -> AirEvent:
    """Return a stored event as viewers get it: its sequence number put in front, its frame built once and for all."""
    payload = f'{{"seq":{record.seq},{record.body[1:]}'.encode()
    kind, room, speaker = (str(event.get(name) or "") for name in ("type", "room", "speaker"))
    return AirEvent(record.seq, kind, room, websocket_frame(payload), speaker)


@dataclass(slots=True)
class _Waiting:
    event: Mapping[str, Any]
    body: str
    aired: asyncio.Future[int]


class Air:
    """One show's stream.

    ``on_aired`` is called with each batch as soon as it is stored, in order, before its futures are done; ``on_lost``
    when somebody else writes the stream, after which nothing more is aired.
    """

    def __init__(
        self,
        log: EventLog,
        show: str,
        *,
        clock: Clock,
        counters: Counters,
        on_aired: Callable[[Sequence[tuple[AirEvent, Mapping[str, Any]]]], None],
        on_lost: Callable[[LogError], None],
    ) -> None:
        self.head = 0
        self.epoch = 0
        self.failure: LogError | None = None
        self._log, self._stream, self._clock, self._counters = log, stream_of(show), clock, counters
        self._on_aired, self._on_lost = on_aired, on_lost
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._recent: deque[AirEvent] = deque()
        self._recent_bytes = 0

    def air(self, event: Mapping[str, Any]) -> "asyncio.Future[int]":
        """Queue an event; the future gives its sequence number once it is stored. Cancelling it changes nothing.

        Raises:
            LogError: Too much waits already for a log that can't be written, or the stream is somebody else's.
            ProtocolError: The event can't be written as JSON.
        """
        if self.failure is not None and (isinstance(self.failure, FencedError) or len(self._waiting) >= QUEUE_LIMIT):
            raise self.failure
        at = self._clock.now()
        body = encode_event(event, at)
        if not self.epoch:
            self.epoch = epoch_of(at)
        waiting = _Waiting({"at": body[7:31], **event}, body, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._idle.clear()
        self._wake.set()
        return waiting.aired

    @property
    def pending(self) -> int:
        """How many events wait to be stored."""
        return len(self._waiting)

    async def settled(self) -> None:
        """Wait until nothing waits to be stored any more."""
        await self._idle.wait()

    async def run(self) -> None:
        """Store what waits, for ever; tries again, and keeps the order, for as long as the log can't be written."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._store(list(self._waiting))
            self._idle.set()

    async def history(self, after: int, upto: int, *, limit: int = PAGE) -> list[AirEvent]:
        """Return up to ``limit`` events above ``after`` and not above ``upto``, from memory where they are there.

        Raises:
            LogError: The log can't be read.
        """
        limit = max(min(limit, upto - after), 0)
        if self._recent and self._recent[0].seq <= after + 1:
            first = after + 1 - self._recent[0].seq
            return [self._recent[place] for place in range(first, min(first + limit, len(self._recent)))]
        records = await self._log.read(self._stream, after, limit=limit)
        return [air_event(record, event_of(record)) for record in records]

    async def replay_into(self, take: Callable[[Mapping[str, Any], int], None]) -> None:
        """Read the stream from its start, page by page, and take over writing at its end.

        Raises:
            LogError: The log can't be read, or holds what no stage has written.
        """
        while records := await self._log.read(self._stream, self.head, limit=PAGE):
            for record in records:
                event = event_of(record)
                if record.seq == 1:
                    self.epoch = epoch_of_text(str(event.get("at", "")))
                take(event, record.seq)
                self.head = record.seq

    async def _store(self, batch: list[_Waiting]) -> None:
        bodies = [waiting.body for waiting in batch]
        for attempt in range(10**9):
            try:
                await self._log.append(self._stream, bodies, expect=self.head)
                break
            except FencedError as exc:
                self._give_up(exc)
                return
            except LogError as exc:
                self._counters.log_failures += 1
                logger.warning("air_log_failed", stream=self._stream, error=str(exc), waiting=len(self._waiting))
                self.failure = exc
                await self._clock.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
        if self.failure is not None:
            logger.info("air_log_recovered", stream=self._stream)
            self.failure = None
        aired = []
        for waiting in batch:
            self.head += 1
            record = Record(self.head, waiting.body)
            aired.append((air_event(record, waiting.event), waiting.event))
            self._waiting.popleft()
        self._remember(aired)
        self._counters.events_aired += len(aired)
        self._on_aired(aired)
        for waiting, (event, _) in zip(batch, aired, strict=True):
            if not waiting.aired.done():
                waiting.aired.set_result(event.seq)

    def _give_up(self, error: FencedError) -> None:
        logger.error("air_log_lost", stream=self._stream, error=str(error))
        self.failure = error
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.aired.done():
                waiting.aired.set_exception(error)
                waiting.aired.exception()  # whoever waits gets it; where nobody does, it has been logged above
        self._on_lost(error)

    def _remember(self, aired: Sequence[tuple[AirEvent, Mapping[str, Any]]]) -> None:
        for event, _ in aired:
            self._recent.append(event)
            self._recent_bytes += len(event.frame)
        while self._recent_bytes > RECENT_BYTES and len(self._recent) > 1:
            self._recent_bytes -= len(self._recent.popleft().frame)


def epoch_of(at: datetime) -> int:
    """Return the epoch of a stream that begins then: milliseconds since 1970. A stream made anew gets another one."""
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def epoch_of_text(at: str) -> int:
    """Return the epoch of a stream whose first event says ``at``; 0 when that is no instant."""
    try:
        return epoch_of(datetime.fromisoformat(at))
    except ValueError:
        return 0
