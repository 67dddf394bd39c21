"""The show's own time: it stands still while the show is paused, and goes on as if there had been no pause."""

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol

from debate_caster.clock import Clock

__all__ = ["ShowTime", "Timekeeper"]


class Timekeeper(Protocol):
    """The part of a clock by which a show's own doings are planned."""

    def monotonic(self) -> float:
        """Return seconds since some fixed instant; never goes back."""
        ...

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """Return what raises ``TimeoutError`` on leaving when so much time has gone by; None never does."""
        ...


class ShowTime:
    """A timekeeper made of a clock: it stands still from ``hold`` to ``release``.

    Whatever is planned by it (instants of chunks, the minutes of a budget, the end of a vote) shifts by itself: nothing
    is due during a pause, and nothing is made up for after it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lost = 0.0
        self._held_at: float | None = None
        self._timeouts: set[_Timeout] = set()

    @property
    def held(self) -> bool:
        return self._held_at is not None

    def hold(self) -> None:
        """Let the time stand still."""
        if self._held_at is None:
            self._held_at = self._clock.monotonic()
            for timeout in self._timeouts:
                timeout.follow()

    def release(self) -> None:
        """Let the time go on."""
        if self._held_at is not None:
            self._lost += self._clock.monotonic() - self._held_at
            self._held_at = None
            for timeout in self._timeouts:
                timeout.follow()

    def monotonic(self) -> float:
        return (self._clock.monotonic() if self._held_at is None else self._held_at) - self._lost

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        if seconds is None:
            return self._clock.timeout(None)
        return _Timeout(self, self._clock, self._timeouts, self.monotonic() + seconds)


class _Timeout:
    """``asyncio.timeout`` that takes part in the standstill."""

    def __init__(self, time: ShowTime, clock: Clock, entered: "set[_Timeout]", deadline: float) -> None:
        self._time, self._clock, self._entered, self._deadline = time, clock, entered, deadline
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> object:
        await self._timeout.__aenter__()
        self._entered.add(self)
        self.follow()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered.discard(self)
        await self._timeout.__aexit__(kind, error, traceback)

    def follow(self) -> None:
        """Have the timeout fire when the show's time will reach its deadline; never, while that is held."""
        if self._timeout.expired():
            return
        left = None if self._time.held else max(self._deadline - self._time.monotonic(), 0.0)
        self._timeout.reschedule(_loop_time_in(self._clock, left))


def _loop_time_in(clock: Clock, seconds: float | None) -> float | None:
    """Return what the event loop's time will be when so many of the clock's seconds have gone by."""
    timeout = clock.timeout(seconds)
    return timeout.when() if isinstance(timeout, asyncio.Timeout) else None
