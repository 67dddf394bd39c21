"""Old shows removed from a full log, and their room given back, while another show is written."""

import asyncio
import math
import tempfile
from pathlib import Path

from benchmarks.figures import Figure
from debate_caster.cli.retention import PAUSE_S
from debate_caster.clock import SystemClock
from debate_caster.log import EventLog, SqliteEventLog

__all__ = ["run"]

SHOWS, EVENTS, EVENT = 120, 2000, "x" * 300
"""An hour of debate has some 2,000 events of 300 bytes."""

KEPT = 20
BEFORE_S = 5.0
BETWEEN_APPENDS_S = 0.01
"""As often as twenty shows at once append."""


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measure(Path(folder) / "air-log.db"))


async def measure(path: Path) -> list[Figure]:
    clock, log, other = SystemClock(), SqliteEventLog(path), SqliteEventLog(path)
    for show in range(SHOWS):
        await log.append(f"air/{show}", [EVENT] * EVENTS, expect=0)
    while await log.reclaim():
        pass
    full = size_of(path)
    ours, theirs = Writer(log, "air/ours", clock), Writer(other, "air/theirs", clock)
    async with asyncio.TaskGroup() as tasks:
        writing = [tasks.create_task(writer.write()) for writer in (ours, theirs)]
        await clock.sleep(BEFORE_S)
        before = [writer.take() for writer in (ours, theirs)]
        begun = clock.monotonic()
        await log.forget({f"air/{show}": EVENTS for show in range(SHOWS - KEPT)})
        while await log.reclaim():
            await clock.sleep(PAUSE_S)
        took_s = clock.monotonic() - begun
        during = [writer.take() for writer in (ours, theirs)]
        for task in writing:
            task.cancel()
    left = 100 * size_of(path) / full
    for each in (log, other):
        await each.close()
    how = f"{SHOWS - KEPT} of {SHOWS} shows of {EVENTS} events removed from {full / 2**20:.0f} MiB; two shows written"
    added = []
    for place in range(2):
        quiet, late = (1000 * percentile(took[place], 0.99) for took in (before, during))
        added.append((max(late - quiet, 0.0), f"{late:.1f} ms, {quiet:.1f} ms in the seconds before"))
    (ours_ms, told), (theirs_ms, foreign) = added
    return [
        Figure("what an append meanwhile takes longer, p99", ours_ms, "ms", "<= 50", ours_ms <= 50, f"{how}; {told}"),
        Figure(
            "one of another process, p99", theirs_ms, "ms", "<= 150", theirs_ms <= 150,
            f"SQLite has who waits for the lock look again after 1, 2, 5, … 100 ms; {foreign}",
        ),
        Figure("the file afterwards", left, "% of what it was", "<= 25", left <= 25, "with its write-ahead log"),
        Figure("until all room is given back", took_s, "s", "", True, "with a pause after each piece"),
    ]  # fmt: skip


class Writer:
    """``write`` appends for ever; ``take`` gives how long each append has taken since, in seconds."""

    def __init__(self, log: EventLog, stream: str, clock: SystemClock) -> None:
        self._log, self._stream, self._clock = log, stream, clock
        self._took: list[float] = []

    async def write(self) -> None:
        last = 0
        while True:
            begun = self._clock.monotonic()
            last = await self._log.append(self._stream, [EVENT], expect=last)
            self._took.append(self._clock.monotonic() - begun)
            await self._clock.sleep(BETWEEN_APPENDS_S)

    def take(self) -> list[float]:
        taken, self._took = self._took, []
        return taken


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if not file.name.endswith("-shm"))


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]
