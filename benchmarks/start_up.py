"""How long it takes to start: the version on the screen, and the first words on the stage.

Each time is taken several times and the best is reported: what others do on the machine only ever adds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path

from benchmarks.figures import Figure

__all__ = ["run"]

ROUNDS = 7
SHOWS = 8
SCENARIO = {
    "motion": "This house would ban homework",
    "format": "duel",
    "agents": [{"persona": "wren", "side": "for"}, {"persona": "otis", "side": "against"}],
    "models": {"rehearsal": {"provider": "rehearsal", "first_token_s": 0.05, "words_per_s": 60}},
}
PROGRAM = Path(sys.executable).with_name("debate-caster")


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        environ = as_installed(Path(folder))
        version = min(seconds_of([str(PROGRAM), "--version"], environ) for _ in range(ROUNDS))
        bare = min(seconds_of([sys.executable, "-c", "import asyncio, argparse"], environ) for _ in range(ROUNDS))
        first = min(first_chunk_s(Path(folder), environ) for _ in range(SHOWS))
    return [
        Figure(
            "`debate-caster --version`", version / bare, "x bare Python", "<= 3", version <= 3 * bare,
            f"best of {ROUNDS} processes each: {version * 1000:.0f} ms, against {bare * 1000:.0f} ms for "
            '`python -c "import asyncio, argparse"`',
        ),
        Figure(
            "`run` to the first chunk on the stage", first, "s", "< 1", first < 1,
            f"best of {SHOWS}: from starting the process to the instant at which the stage has the first chunk in its "
            "air log, model and stage of its own, without what only developers install, 50 ms to the model's first "
            "token and 60 words a second",
        ),
    ]  # fmt: skip


def as_installed(folder: Path) -> dict[str, str]:
    """Return an environment as an installed program has it: with compiled modules, and without rich.

    That is here for the developers' tools only, and structlog imports it wherever it is.
    """
    absent = folder / "absent"
    absent.mkdir(exist_ok=True)
    (absent / "sitecustomize.py").write_text('import sys\nsys.modules["rich"] = None\n')
    environ = os.environ | {
        "XDG_DATA_HOME": str(folder / "data"),
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(absent), os.environ.get("PYTHONPATH", "")])),
    }
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return environ


def seconds_of(command: list[str], environ: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environ)
    return time.perf_counter() - started


def first_chunk_s(folder: Path, environ: dict[str, str]) -> float:
    """Start a show and return the seconds from there to its first chunk on the stage, by the machine's one clock."""
    scenario = folder / "homework.yaml"
    scenario.write_text(json.dumps(SCENARIO))
    started = time.time()
    with subprocess.Popen(
        [str(PROGRAM), "run", str(scenario), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ, cwd=folder,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        page = program.stdout.readline().removeprefix("Watch: ").strip()
        stage, _, show = page.partition("/shows/")
        try:
            return aired_at(f"{stage}/api/shows/{show}/events") - started
        finally:
            program.terminate()
            program.stdout.read()


def aired_at(address: str) -> float:
    """Return when the show's first chunk was aired, as its event says, in seconds since 1970."""
    for _ in range(200):
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - loopback
            events = json.load(answer)["events"]
        for event in events:
            if event["type"] == "chunk_aired":
                return datetime.fromisoformat(event["at"]).timestamp()
        time.sleep(0.05)
    raise TimeoutError("no chunk was aired within 10 s")
