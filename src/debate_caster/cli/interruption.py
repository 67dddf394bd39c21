"""Ctrl-C, SIGTERM and a closed terminal: each asks for more than the one before, and the last ends at once."""

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
    *asked: asyncio.Event, at_once: Callable[[], None], exit_at_once: Callable[[int], object] = os._exit
) -> Iterator[Interruption]:
    """Set one event of ``asked`` for each signal, in their order; then call ``at_once`` and end with status 130.

    A signal that was ignored when we came (SIGHUP under nohup) stays ignored. To be entered in the main thread, in a
    running loop.
    """
    loop, interruption, still = asyncio.get_running_loop(), Interruption(), list(asked)

    def interrupt(number: signal.Signals) -> None:
        interruption.number = interruption.number or number
        if still:
            still.pop(0).set()
            return
        try:
            at_once()
        finally:
            exit_at_once(INTERRUPTED)

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
