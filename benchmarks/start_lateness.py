"""How late the shows of a full calendar start: 200 scenarios, all due at one instant."""

import math
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.idle_serve import serving, write_plan

__all__ = ["run"]

SHOWS = 200
LEAD_S = 20.0
"""How long before the slot ``serve`` is started at least: it reads the scenarios first."""

LONGEST_S = 60.0
"""How long the last show may take to begin, from when it is due."""


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slot = (datetime.now(UTC) + timedelta(seconds=60 + LEAD_S)).replace(second=0, microsecond=0)
        for number in range(SHOWS):
            write_plan(folder, f"show-{number}", cron=f"{slot:%M %H} * * *", timezone="UTC")
        with serving(folder):
            time.sleep((slot - datetime.now(UTC)).total_seconds())
            begun = first_events(folder, slot)
        decided = decisions(folder, slot)
    assert len(decided) == len(begun) == SHOWS
    how = f"the real program, {SHOWS} scenarios due at one instant, rehearsal models, two agents each on its own stage"
    late, heard = p99(decided), p99(begun)
    return [
        Figure(
            "lateness of a start, p99", late, "s", "<= 1", late <= 1,
            f"{how}; from the slot to the calendar's decision to start its show",
        ),
        Figure(
            "until `show_started`, p99", heard, "s", "", True,
            f"{how}; from the slot to the first event of a show's log, once its agents are on the air or 3 s have "
            f"passed: {SHOWS} shows and {2 * SHOWS} connections are set up at once, on one core",
        ),
    ]  # fmt: skip


def p99(lateness: Sequence[float]) -> float:
    return sorted(lateness)[math.ceil(0.99 * len(lateness)) - 1]


def decisions(folder: Path, slot: datetime) -> list[float]:
    """Return how many seconds after the slot each show was decided on."""
    with closing(sqlite3.connect(folder / "data/debate-caster/calendar.db")) as ledger:
        rows = ledger.execute("SELECT decided FROM occurrences WHERE outcome IN ('ran', 'caught_up')").fetchall()
    return [decided / 1000 - slot.timestamp() for (decided,) in rows]


def first_events(folder: Path, slot: datetime) -> list[float]:
    """Wait until all shows have begun, and return how many seconds after the slot each did."""
    begun: list[float] = []
    give_up = time.monotonic() + LONGEST_S
    with closing(sqlite3.connect(folder / "data/debate-caster/show-log.db")) as log:
        while len(begun) < SHOWS and time.monotonic() < give_up:
            time.sleep(2)
            if not log.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
                continue  # nothing has been written yet
            rows = log.execute("SELECT body ->> 'at' FROM events WHERE seq = 1").fetchall()
            begun = [(datetime.fromisoformat(at) - slot).total_seconds() for (at,) in rows]
    return begun
