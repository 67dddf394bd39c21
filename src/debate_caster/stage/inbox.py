"""What has arrived from one agent and waits for its turn: in order, and never more than so many bytes."""

import asyncio
import sys
from collections import deque

__all__ = ["FRAMES_LIMIT", "WAITING_LIMIT", "Inbox"]

WAITING_LIMIT = 1024 * 1024
"""Bytes of memory that one agent's unhandled messages may take; one message alone may take more."""

FRAMES_LIMIT = 1000
"""As many messages may wait at most: at the pace that agents are held to, 50 s of them."""


class Inbox:
    """Filled by one task and emptied by another. ``put`` waits for room, so that the socket is read no further."""

    def __init__(self) -> None:
        self._messages: deque[tuple[str, int]] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    @property
    def full(self) -> bool:
        return self._bytes >= WAITING_LIMIT or len(self._messages) >= FRAMES_LIMIT

    async def put(self, message: str) -> None:
        """Add a message, then wait until there is room for another; safe to cancel: the message is kept."""
        size = sys.getsizeof(message)  # what it takes here: up to four times what it took on the wire
        self._messages.append((message, size))
        self._bytes += size
        self._changed.set()
        while self.full and not self._closed:
            self._changed.clear()
            await self._changed.wait()

    async def get(self) -> str | None:
        """Wait for the next message; None when there are no more."""
        while not self._messages:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        message, size = self._messages.popleft()
        self._bytes -= size
        self._changed.set()
        return message

    def close(self) -> None:
        """Say that no more comes; what is there stays to be had."""
        self._closed = True
        self._changed.set()
