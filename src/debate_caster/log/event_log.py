"""What an event log is, and the reference implementation in memory.

A log knows nothing about events: it keeps lines of JSON text under sequence numbers. Who writes a stream owns the
meaning; see ``show.events`` and ``stage.air``.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from debate_caster.errors import FencedError, ForgottenError, LogError

__all__ = ["EventLog", "MemoryEventLog", "Record", "StreamInfo"]


@dataclass(frozen=True, slots=True)
class Record:
    """One event as stored: ``seq`` counts from 1 without a gap; ``body`` is a JSON object without its ``seq``."""

    seq: int
    body: str


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream at a glance: its name, its first event and its last sequence number."""

    name: str
    first: Record
    last_seq: int


class EventLog(Protocol):
    """Append-only streams. Safe for any number of readers; ``expect`` lets exactly one writer win each place.

    A stream that was forgotten is gone for good: its name is never given to another one, so that nobody takes two
    streams for one.
    """

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        """Store ``bodies`` behind sequence number ``expect`` (0 for a new stream), all or none; return the last one's.

        On return the events survive the death of the process (and, where the back-end says so, of the machine). When
        cancelled while the write is under way, the events may or may not be stored: read before trying again.

        Raises:
            FencedError: The stream does not end at ``expect``, has seen an ``epoch`` above this one, or was forgotten.
            LogError: The events could not be stored (a lone surrogate has no UTF-8, either); none of them is.
        """
        ...

    async def read(self, stream: str, after: int, *, limit: int = 500) -> list[Record]:
        """Return up to ``limit`` records above ``after`` in order; empty at the end and for an unknown stream.

        Raises:
            ForgottenError: The stream was forgotten, maybe since it was last read.
            LogError: The log can't be read.
        """
        ...

    async def last_seq(self, stream: str) -> int:
        """Return the last sequence number, 0 for an unknown stream.

        Raises:
            ForgottenError: The stream was forgotten.
            LogError: The log can't be read.
        """
        ...

    def tail(self, stream: str, after: int) -> AbstractAsyncContextManager[AsyncIterator[Record]]:
        """Iterate over the records above ``after``: history, then live, no gap and no double; never ends by itself.

        Where the stream is forgotten the iterator raises ``ForgottenError``, also while it waits.
        """
        ...

    async def streams(self, prefix: str = "") -> list[StreamInfo]:
        """Return the streams whose names start with ``prefix``, newest first by creation; not the forgotten ones."""
        ...

    async def forget(self, streams: Mapping[str, int]) -> None:
        """Remove streams that end at the sequence numbers given, all or none, but for those that are not there.

        On return they are gone for every reader and writer, in other processes too, and stay so when the process dies.

        Raises:
            FencedError: One of them has grown: somebody writes it. None is removed.
            LogError: The log could not be written; none is removed.
        """
        ...

    async def forgotten(self, prefix: str = "") -> list[str]:
        """Return the names of the streams that were forgotten and start with ``prefix``.

        Raises:
            LogError: The log can't be read.
        """
        ...

    async def reclaim(self) -> bool:
        """Give back some of the room that forgotten streams took; say whether there may be more.

        One call holds up other writers about as long as an append does. Whoever calls it again and again is to pause
        in between: another process that waits for its turn looks for it now and then only.

        Raises:
            LogError: The log could not be written.
        """
        ...

    async def close(self) -> None:
        """Wait for writes under way and let go of the files. Appending afterwards raises ``LogError``."""
        ...


class MemoryEventLog:
    """Keeps everything in this process's memory; for rehearsals and tests, and the oracle for the others."""

    def __init__(self) -> None:
        self._streams: dict[str, list[Record]] = {}
        self._epochs: dict[str, int] = {}
        self._forgotten: dict[str, None] = {}
        self._grown = asyncio.Condition()
        self._closed = False

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        if self._closed:
            raise LogError(stream, "the log is closed")
        if stream in self._forgotten:
            raise FencedError(stream, "it has been removed")
        records = self._streams.get(stream, [])
        if len(records) != expect:
            raise FencedError(stream, f"ends at {len(records)}, expected {expect}")
        if epoch < self._epochs.get(stream, 0):
            raise FencedError(stream, f"epoch {epoch} is over, {self._epochs[stream]} is writing")
        if not bodies:
            return expect
        try:
            for body in bodies:
                body.encode()
        except UnicodeEncodeError as exc:
            raise LogError(stream, f"not storable as UTF-8: {exc.reason}") from exc
        self._epochs[stream] = epoch
        self._streams[stream] = records
        records.extend(Record(expect + offset, body) for offset, body in enumerate(bodies, start=1))
        async with self._grown:
            self._grown.notify_all()
        return expect + len(bodies)

    async def read(self, stream: str, after: int, *, limit: int = 500) -> list[Record]:
        self._check_kept(stream)
        after = max(after, 0)
        return self._streams.get(stream, [])[after : after + max(limit, 0)]

    async def last_seq(self, stream: str) -> int:
        self._check_kept(stream)
        return len(self._streams.get(stream, []))

    @asynccontextmanager
    async def tail(self, stream: str, after: int) -> AsyncIterator[AsyncIterator[Record]]:
        yield self._follow(stream, after)

    async def _follow(self, stream: str, after: int) -> AsyncIterator[Record]:
        while True:
            for record in await self.read(stream, after):
                after = record.seq
                yield record
            async with self._grown:
                await self._grown.wait_for(lambda: self._has_news(stream, after))  # noqa: B023 - read now

    async def streams(self, prefix: str = "") -> list[StreamInfo]:
        return [
            StreamInfo(name, records[0], len(records))
            for name, records in reversed(self._streams.items())
            if name.startswith(prefix)
        ]

    async def forget(self, streams: Mapping[str, int]) -> None:
        if self._closed:
            raise LogError("", "the log is closed")
        for stream, expect in streams.items():
            last = len(self._streams.get(stream, ()))
            if stream in self._streams and last != expect:
                raise FencedError(stream, f"ends at {last}, expected {expect}")
        for stream in streams:
            if self._streams.pop(stream, None) is not None:
                self._epochs.pop(stream, None)
                self._forgotten[stream] = None
        async with self._grown:
            self._grown.notify_all()

    async def forgotten(self, prefix: str = "") -> list[str]:
        return [name for name in self._forgotten if name.startswith(prefix)]

    async def reclaim(self) -> bool:
        return False

    async def close(self) -> None:
        self._closed = True

    def _has_news(self, stream: str, after: int) -> bool:
        return stream in self._forgotten or len(self._streams.get(stream, ())) > after

    def _check_kept(self, stream: str) -> None:
        if stream in self._forgotten:
            raise ForgottenError(stream)
