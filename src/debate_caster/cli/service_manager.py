"""What a service manager that started us is told: that we are ready, that we live, that we stop (``sd_notify(3)``).

Nothing is told, and nothing costs anything, where nobody listens: ``NOTIFY_SOCKET`` is not set outside systemd.
"""

import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from debate_caster.clock import Clock
from debate_caster.companions import alongside

__all__ = ["ServiceManager"]

logger = structlog.get_logger()

BEATS = 3
"""Signs of life within the time after which the manager takes us for dead: two may be late."""

PATIENCE_S = 30.0
"""How long it may take from the last word on stopping to the end: as the unit's TimeoutStopSec."""


class ServiceManager:
    """The manager that ``environment`` names, or nobody."""

    def __init__(self, environment: Mapping[str, str], *, clock: Clock) -> None:
        self._clock = clock
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._every_s = _beat_s(environment)

    def tell(self, *assignments: str) -> None:
        """Send assignments such as ``READY=1``; a manager that can't be reached is no reason to stop a show."""
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.setblocking(False)
                wire.sendto("\n".join(assignments).encode(), self._address)
        except OSError as exc:
            logger.warning("service_manager_not_told", told=assignments[0], error=exc.strerror)

    @asynccontextmanager
    async def patient(self) -> AsyncIterator[None]:
        """Have it wait for our end while the block runs and the event loop does, and ``PATIENCE_S`` more."""
        if self._address is None:
            yield
            return
        async with alongside(self._ask_for_patience()):
            yield

    @asynccontextmanager
    async def fed(self, lives: Callable[[], bool]) -> AsyncIterator[None]:
        """Give signs of life while the block runs, as often as the manager wants, and only while ``lives`` says so.

        The event loop gives them, so one that hangs gives none.
        """
        if self._address is None or self._every_s is None:
            yield
            return
        async with alongside(self._feed(self._every_s, lives)):
            yield

    async def _feed(self, every_s: float, lives: Callable[[], bool]) -> None:
        while True:
            if lives():
                self.tell("WATCHDOG=1")
            await self._clock.sleep(every_s)

    async def _ask_for_patience(self) -> None:
        while True:
            self.tell(f"EXTEND_TIMEOUT_USEC={PATIENCE_S * 1e6:.0f}")
            await self._clock.sleep(PATIENCE_S / BEATS)


def _address(named: str) -> str | None:
    """Return the socket's address; one that begins with ``@`` is in Linux's abstract name space."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else None


def _beat_s(environment: Mapping[str, str]) -> float | None:
    """Return how often a sign of life is wanted; None where none is, or where it is wanted of another process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        wanted_us = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return wanted_us / 1e6 / BEATS if wanted_us > 0 else None
