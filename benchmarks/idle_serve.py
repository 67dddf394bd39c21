"""What ``serve`` takes while nothing is on: processor and memory, with a calendar to look after."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from benchmarks.start_up import PROGRAM, as_installed

__all__ = ["run", "serving", "write_plan"]

SCENARIOS = 20
SETTLING_S, WATCHED_S = 10.0, 60.0
MEBIBYTE = 1024 * 1024


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(SCENARIOS):
            write_plan(folder, f"friday-{number}", cron=f"{number} 20 * * FRI", timezone="Europe/Paris")
        with serving(folder) as (program, _):
            process = psutil.Process(program.pid)
            time.sleep(SETTLING_S)
            before = processor_s(process)
            time.sleep(WATCHED_S)
            share = (processor_s(process) - before) / WATCHED_S
            memory = process.memory_info().rss / MEBIBYTE
    how = f"the real program with {SCENARIOS} weekly scenarios, nobody watching"
    return [
        Figure(
            "processor of an idle `serve`", 100 * share, "% of a core", "<= 1", share <= 0.01,
            f"{how}; over {WATCHED_S:.0f} s, {SETTLING_S:.0f} s after its start",
        ),
        Figure("memory of an idle `serve`", memory, "MiB", "<= 120", memory <= 120, f"{how}; resident"),
    ]  # fmt: skip


def processor_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def write_plan(folder: Path, name: str, *, cron: str, timezone: str) -> None:
    """Write a scenario with a schedule into ``plans/`` of the folder."""
    path = folder / "plans" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "motion: This house would ban homework\nformat: duel\n"
        "agents: [{persona: wren, side: for}, {persona: otis, side: against}]\n"
        f'schedule: {{cron: "{cron}", timezone: {timezone}}}\n'
    )


@contextmanager
def serving(folder: Path) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """Run ``serve`` over the folder's plans for the block, which gets it and its stage's address once it is open."""
    environ = as_installed(folder) | {"DEBATE_CASTER_SHORTEST_PERIOD_S": "60"}
    command = [PROGRAM if PROGRAM.exists() else sys.executable, *([] if PROGRAM.exists() else ["-m", "debate_caster"])]
    with subprocess.Popen(
        [*map(str, command), "serve", "plans", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ, cwd=folder,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        try:
            yield program, program.stdout.readline().removeprefix("Stage: ").strip()
        finally:
            program.kill()
