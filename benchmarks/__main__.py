"""Run the benchmarks and write ``docs/performance.md``: ``python -m benchmarks [NAME…]``.

Every other module in this package is a benchmark: it has ``run() -> list[Figure]``. Each runs in a process of its own,
so that one's garbage does not weigh on the next one's figures.
"""

import importlib
import json
import os
import pkgutil
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import benchmarks
from benchmarks.figures import Figure

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "performance.md"
NOT_BENCHMARKS = {"__main__", "figures"}
LONGEST_S = 600


def names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(
        name
        for name in found
        if name not in NOT_BENCHMARKS and hasattr(importlib.import_module(f"benchmarks.{name}"), "run")
    )


def measure(name: str) -> list[Figure]:
    """Run one benchmark in a process of its own and return its figures."""
    print(f"… {name}", file=sys.stderr, flush=True)
    source = (
        "import json, sys; from dataclasses import asdict; "
        f"from benchmarks.{name} import run; figures = [asdict(figure) for figure in run()]; "
        "sys.stdout.write('\\n' + json.dumps(figures) + '\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LONGEST_S, check=True
    )
    return [Figure(**figure) for figure in json.loads(done.stdout.strip().splitlines()[-1])]


def table(figures: Sequence[Figure]) -> str:
    rows = [
        f"| {figure.name} | {figure.value:,.4g} {figure.unit} | {figure.limit or '(for comparison)'} "
        f"| {'yes' if figure.ok else '**no**'} |"
        for figure in figures
    ]
    return "\n".join(["| what | measured | must be | kept |", "|---|---|---|---|", *rows])


def machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor() or "unknown processor",
    )
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {system}"


def report(results: dict[str, list[Figure]]) -> str:
    parts = [
        "# Performance",
        "",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, on {machine()}.",
        "Figures are ratios or counts taken side by side in one run, since machines are shared and noisy; a limit that",
        "is missed fails `make bench`.",
        "",
    ]
    for name, figures in results.items():
        parts += [f"## {name.replace('_', ' ')}", "", table(figures), ""]
        parts += [f"- *{figure.name}*: {figure.how}" for figure in figures if figure.how]
        parts += [""]
    return "\n".join(parts)


def main(wanted: Sequence[str]) -> int:
    known = names()
    if unknown := set(wanted) - set(known):
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    results = {name: measure(name) for name in (wanted or known)}
    for name, figures in results.items():
        print(f"\n{name}\n{table(figures)}")
    if not wanted:
        REPORT.write_text(report(results))
        (REPORT.parent / "performance.json").write_text(
            json.dumps({name: [asdict(figure) for figure in figures] for name, figures in results.items()}, indent=1)
            + "\n"
        )
    return 0 if all(figure.ok for figures in results.values() for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
