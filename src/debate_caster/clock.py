"""Time as a parameter: the only module that reads the machine's clock or sleeps.

``SystemClock`` runs shows, ``ManualClock`` serves tests of one task, and ``run_virtual`` performs any number of tasks
in virtual time: whenever every task waits for time and for nothing else, time jumps to the next timer.
"""

import asyncio
import math
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

__all__ = ["Clock", "ManualClock", "SystemClock", "VirtualClock", "run_virtual", "unhurried"]

T = TypeVar("T")

LOOP_RESOLUTION_S = time.get_clock_info("monotonic").resolution
"""How much before its time an event loop lets a timer go off."""

EPOCH_OF_TESTS = datetime(2026, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What the time is, and how to wait. Seconds are the show's; a speed-up may make them shorter than real ones."""

    def now(self) -> datetime:
        """Return the wall time, UTC: a date, not for measuring how long something takes."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed instant; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 or less yields to other tasks once."""
        ...

    async def sleep_until(self, deadline: float) -> None:
        """Wait until ``monotonic()`` has reached ``deadline``."""
        ...

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        """Return ``asyncio.timeout`` in this clock's seconds; raises ``TimeoutError`` on leaving. None never ends."""
        ...


class SystemClock:
    """The machine's time, optionally ``speed`` times as fast: an hour-long show at speed 60 takes a minute.

    Dates stay true at any speed: what happens is dated when it happens, a minute long in this case.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be above 0, got {speed}")
        self.speed = speed
        self._started = time.monotonic()  # noqa: TID251 - this is the Clock

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the Clock

    def monotonic(self) -> float:
        real = time.monotonic()  # noqa: TID251 - this is the Clock
        return self._started + (real - self._started) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0) / self.speed)  # noqa: TID251 - this is the Clock

    async def sleep_until(self, deadline: float) -> None:
        await self.sleep(deadline - self.monotonic())

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        return asyncio.timeout(None if seconds is None else seconds / self.speed)


def unhurried(clock: Clock) -> Clock:
    """Return the clock for dealings with other machines, which do not run faster for a show that does."""
    return SystemClock() if isinstance(clock, SystemClock) and clock.speed != 1.0 else clock


class ManualClock:
    """For tests of one task: sleeping moves the time at once, ``advance`` moves it by hand. Timeouts never fire."""

    def __init__(self, start: datetime = EPOCH_OF_TESTS) -> None:
        self._start = start
        self._elapsed = 0.0

    def advance(self, seconds: float) -> None:
        self._elapsed += max(seconds, 0.0)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)  # noqa: TID251 - this is the Clock

    async def sleep_until(self, deadline: float) -> None:
        await self.sleep(deadline - self._elapsed)

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        del seconds
        return asyncio.timeout(None)


class VirtualClock:
    """The time of a virtual loop; only to be used inside ``run_virtual``, which makes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime) -> None:
        self._loop, self._start = loop, start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))  # noqa: TID251 - this is the Clock

    async def sleep_until(self, deadline: float) -> None:
        await self.sleep(deadline - self._loop.time())

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        return asyncio.timeout(seconds)


class _JumpingSelector(selectors.DefaultSelector):
    """Reports ready sockets as ever, but instead of waiting for a timer it moves the loop's time to it."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        self.threads_at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or (timeout > 0 and self.threads_at_work):
            return super().select(None)  # only a socket or a thread can wake us: wait for it in real time
        ready = super().select(0)
        if not ready and timeout > 0:
            self.elapsed += timeout
            if math.ulp(self.elapsed) > LOOP_RESOLUTION_S:
                # After 194 days a float is coarser than that, and a timer set for just now would never be due.
                self.elapsed = math.nextafter(self.elapsed, math.inf)
        return ready


class _VirtualEventLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is made up. Work handed to threads holds the time still until it is done."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed

    def run_in_executor(  # type: ignore[override]  # typeshed binds the arguments with a TypeVarTuple
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future = cast("asyncio.Future[T]", super().run_in_executor(executor, func, *args))
        self._jumping.threads_at_work += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: asyncio.Future[Any]) -> None:
        self._jumping.threads_at_work -= 1


def run_virtual(main: Callable[[VirtualClock], Coroutine[Any, Any, T]], *, start: datetime = EPOCH_OF_TESTS) -> T:
    """Run ``main(clock)`` on a loop of its own in virtual time and return its result.

    Everything that waits through asyncio is virtual, ``asyncio.timeout`` included. Sockets within this process work;
    waiting for another process while timers are pending does not, since time would jump past them.
    """
    with asyncio.Runner(loop_factory=_VirtualEventLoop) as runner:
        return runner.run(main(VirtualClock(runner.get_loop(), start)))
