"""The program, with a wall clock that stands still until a test moves it: the file ``TOLD_CLOCK`` has the time."""

import os
from datetime import datetime
from pathlib import Path

from debate_caster.cli.command_line import run_from_shell
from debate_caster.clock import SystemClock

file = Path(os.environ["TOLD_CLOCK"])


def now(self: SystemClock) -> datetime:
    del self
    return datetime.fromisoformat(file.read_text())


SystemClock.now = now  # type: ignore[method-assign]  # nothing in the program itself can be told the time
run_from_shell()
