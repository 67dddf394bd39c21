"""The program, with a death built in: ``DIE_AT=STREAM-PREFIX:MOMENT:N`` in the environment.

At the Nth append to a stream of that prefix it is killed: ``before`` anything is stored, or ``after`` the events are
stored and before anybody is told. As sudden as ``kill -9``: nothing is flushed, closed or released.
"""

import os
import signal
from collections.abc import Sequence

from debate_caster.cli.command_line import run_from_shell
from debate_caster.log import SqliteEventLog

prefix, moment, number = os.environ["DIE_AT"].split(":")
append = SqliteEventLog.append
left = int(number)


async def deadly(self: SqliteEventLog, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
    global left
    left -= stream.startswith(prefix)
    last = left == 0 and stream.startswith(prefix)
    if last and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    seq = await append(self, stream, bodies, expect=expect, epoch=epoch)
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    return seq


SqliteEventLog.append = deadly  # type: ignore[method-assign]  # nothing in the program itself knows how to die
run_from_shell()
