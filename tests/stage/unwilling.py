"""A log that can be told to refuse to be written, as a full disk does."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from debate_caster.errors import LogError
from debate_caster.log import EventLog, Record, StreamInfo


class UnwillingLog:
    """Another log, which takes nothing while ``unwilling``. Acquiring ``refusals`` waits for the next refusal."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.unwilling = False
        self.refusals = asyncio.Semaphore(0)

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        if self.unwilling:
            self.refusals.release()
            raise LogError(stream, "the disk is full: free some space", passing=True)
        return await self._log.append(stream, bodies, expect=expect, epoch=epoch)

    async def read(self, stream: str, after: int, *, limit: int = 500) -> list[Record]:
        return await self._log.read(stream, after, limit=limit)

    async def last_seq(self, stream: str) -> int:
        return await self._log.last_seq(stream)

    def tail(self, stream: str, after: int) -> AbstractAsyncContextManager[AsyncIterator[Record]]:
        return self._log.tail(stream, after)

    async def streams(self, prefix: str = "") -> list[StreamInfo]:
        return await self._log.streams(prefix)

    async def forget(self, streams: Mapping[str, int]) -> None:
        if self.unwilling:
            self.refusals.release()
            raise LogError(next(iter(streams), ""), "the disk is full: free some space")
        await self._log.forget(streams)

    async def forgotten(self, prefix: str = "") -> list[str]:
        return await self._log.forgotten(prefix)

    async def reclaim(self) -> bool:
        return await self._log.reclaim()

    async def close(self) -> None:
        await self._log.close()
