"""``python dying_prunes.py FOLDER POINT...``: prune copies of a data folder, each killed at a point ``STEP:N``.

The Nth time that a step is done the process that does it is killed, before it can do anything more: what ``mark`` has
written is not committed then. Prints of each point the signal that ended its process. The folder FOLDER/whole is copied
to FOLDER/POINT. One interpreter starts, and forks before it has a thread.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import debate_caster.cli.retention  # noqa: F401 - here once, and not in each child
from debate_caster.cli.command_line import main
from debate_caster.log import removal


def deadly(step: Callable[..., Any], number: int) -> Callable[..., Any]:
    left = number

    def die_after(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        done = step(*arguments)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return die_after


folder = Path(sys.argv[1])
for point in sys.argv[2:]:
    shutil.copytree(folder / "whole", folder / point)
    child = os.fork()
    if child == 0:
        step, _, nth = point.partition(":")
        setattr(removal, step, deadly(getattr(removal, step), int(nth)))
        os._exit(main(["prune", "--keep-shows", "1", "--data-dir", str(folder / point)]))
    status = os.waitpid(child, 0)[1]
    print(os.WTERMSIG(status), flush=True)  # noqa: T201 - what the test reads
