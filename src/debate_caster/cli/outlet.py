"""A stream written by a thread of its own, so that whoever reads it slowly, or has hung up, delays no show."""

import asyncio
import io
import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

__all__ = ["Outlet"]

MOST_WAITING = 10_000
"""Texts of ``put`` that may wait; beyond, the newest are dropped: a log of an hour-long show has some 1,000 lines."""


@dataclass(slots=True)
class _Text:
    text: str
    written: "asyncio.Future[bool] | None" = None


class Outlet:
    """Writes texts in the order they came. ``broken`` is set once the stream takes no more; nothing raises.

    Writes to the stream's file itself, past its buffer: one that is stuck, or has lost its reader, would otherwise hang
    or fail the end of the process, when Python flushes it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.broken = False
        self._waiting: deque[_Text] = deque()
        self._changed = threading.Condition()
        self._closing = False
        # A daemon: a write that hangs for good must not keep the process alive.
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, text: str) -> None:
        """Write ``text`` soon; never waits, drops it when too much waits already."""
        with self._changed:
            if not self._closing and len(self._waiting) < MOST_WAITING:
                self._waiting.append(_Text(text))
                self._changed.notify_all()

    async def write(self, text: str) -> bool:
        """Write ``text`` and wait until the stream has taken it; False when it takes no more."""
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._closing or self.broken:
                return False
            self._waiting.append(_Text(text, written))
            self._changed.notify_all()
        return await written

    def close(self, *, timeout_s: float = 1.0) -> None:
        """Write what waits, for at most ``timeout_s``, and end. Blocks; safe to call twice."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                batch = list(self._waiting)
                self._waiting.clear()
            try:
                self._write("".join(item.text for item in batch))
            except (OSError, ValueError):  # hung up, disk full, closed
                self.broken = True
            for item in batch:
                if item.written is not None:
                    with suppress(RuntimeError):  # its loop has ended: nobody waits any more
                        item.written.get_loop().call_soon_threadsafe(_settle, item.written, not self.broken)

    def _write(self, text: str) -> None:
        try:
            descriptor = self.stream.fileno()
        except io.UnsupportedOperation:  # a stream in memory
            self.stream.write(text)
            return
        rest = memoryview(text.encode(self.stream.encoding, "backslashreplace"))
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _settle(written: "asyncio.Future[bool]", taken: bool) -> None:
    if not written.done():
        written.set_result(taken)
