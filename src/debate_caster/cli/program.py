"""The program ``debate-caster`` as a process: what signals and the garbage collector do until its command is ready.

Imports next to nothing, so that a signal meets us as soon as the interpreter is up.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

__all__ = ["INTERRUPTED", "is_ready", "run_from_shell"]

INTERRUPTED = 130


def run_from_shell() -> None:
    """Be the program; ends the process."""
    gc.disable()  # until everything is imported: none of that is garbage, and looking for some takes a tenth longer
    _meet(signal.SIGINT, _leave)
    _meet(signal.SIGTERM, _leave)
    from debate_caster.cli.command_line import main

    sys.exit(main())


def is_ready() -> None:
    """Say that everything is imported and the command begins: from here on Ctrl-C and SIGTERM are exceptions.

    Does nothing in a process that is not the program.
    """
    if gc.isenabled():
        return
    gc.freeze()  # what is here now is here to stay
    gc.enable()
    _meet(signal.SIGINT, signal.default_int_handler)  # the one that asyncio takes Ctrl-C over from
    _meet(signal.SIGTERM, _interrupt)


def _meet(number: signal.Signals, handler: Callable[[int, FrameType | None], object]) -> None:
    if signal.getsignal(number) != signal.SIG_IGN:  # as it is behind a shell's `&`, or under nohup
        signal.signal(number, handler)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End at once: nothing is open and nothing was said, and an exception would only break off somebody's import."""
    os._exit(INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
