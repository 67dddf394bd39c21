"""Run the benchmarks and write ``docs/performance.md``: ``python -m benchmarks [NAME…]``.

With names, only those are taken anew; the report keeps the others as they were last measured. Every other module in
this package is a benchmark: it has ``run() -> list[Figure]``. Each runs in a process of its own, so that one's garbage
does not weigh on the next one's figures.
"""

import importlib
import json
import os
import pkgutil
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import benchmarks
from benchmarks.figures import Figure

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "performance.md"
STORE = ROOT / "docs" / "performance.json"
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


@dataclass(frozen=True)
class Taken:
    """The figures of one benchmark; ``when`` and ``machine`` in words."""

    when: str
    machine: str
    figures: list[Figure]


def last_taken() -> dict[str, Taken]:
    """Return what the report has now."""
    if not STORE.exists():
        return {}
    stored = json.loads(STORE.read_text())
    return {
        name: Taken(one["when"], one["machine"], [Figure(**figure) for figure in one["figures"]])
        for name, one in stored.items()
    }


def report(results: dict[str, Taken]) -> str:
    parts = [
        "# Performance",
        "",
        "Written by `make bench`. Figures are ratios or counts taken side by side in one run, since machines are",
        "shared and noisy; a limit that is missed fails `make bench`.",
        "",
    ]
    for name, taken in results.items():
        figures = taken.figures
        parts += [f"## {name.replace('_', ' ')}", "", f"{taken.when}, {taken.machine}.", "", table(figures), ""]
        parts += [f"- *{figure.name}*: {figure.how}" for figure in figures if figure.how]
        parts += [""]
    return "\n".join(parts)


def main(wanted: Sequence[str]) -> int:
    known = names()
    if unknown := set(wanted) - set(known):
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    results = {}
    for name in wanted or known:
        figures = measure(name)
        results[name] = Taken(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", machine(), figures)
    for name, taken in results.items():
        print(f"\n{name}\n{table(taken.figures)}")
    everything = dict(sorted((last_taken() | results).items()))
    REPORT.write_text(report(everything))
    STORE.write_text(json.dumps({name: asdict(taken) for name, taken in everything.items()}, indent=1) + "\n")
    return 0 if all(figure.ok for taken in results.values() for figure in taken.figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
