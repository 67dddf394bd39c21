"""Ctrl-C, SIGTERM and a closed terminal: the first asks for a polite end, the second ends at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from debate_caster.cli.program import INTERRUPTED

__all__ = ["Interruption", "stop_on_signals"]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interruption:
    """Which signal has come first; ``number`` is None while none has."""

    number: signal.Signals | None = None


@contextmanager
def stop_on_signals(
    stop: asyncio.Event, *, at_once: Callable[[], None], exit_at_once: Callable[[int], object] = os._exit
) -> Iterator[Interruption]:
    """Set ``stop`` on the first signal; on the second call ``at_once`` and end the process with status 130.

    A signal that was ignored when we came (SIGHUP under nohup) stays ignored. To be entered in the main thread, in a
    running loop.
    """
    loop, interruption = asyncio.get_running_loop(), Interruption()

    def interrupt(number: signal.Signals) -> None:
        if stop.is_set():
            try:
                at_once()
            finally:
                exit_at_once(INTERRUPTED)
        interruption.number = interruption.number or number
        stop.set()

    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in ours:
        loop.add_signal_handler(number, interrupt, number)
    try:
        yield interruption
    finally:
        for number in ours:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
