"""Takes every guard away, one at a time and in a copy of the tree, and checks that a test fails: ``make mutate``.

    python -m tests.mutation                  all guards, the table of docs/reliability.md written anew
    python -m tests.mutation token fence      only the guards whose line holds one of the words, the page left alone

A guard is *held* where its tests pass with it and fail without it. That the tests cannot even be collected without it
proves nothing, and counts as a failure of the run. A mutant that makes a test hang is cut, and is held: the test fails.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.mutation.guards import GUARDS, ROOT, Guard
from tests.mutation.page import PAGE, Outcome, rewritten, untried

LEFT_BEHIND = (".*", "__pycache__", "node_modules", "data", "build", "dist")

TEST_S = 30
"""Seconds for one test, with and without its guard, unless it gives itself more."""

FAILED = 1
"""What pytest ends with when tests ran and some failed; other numbers say that something else went wrong."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("word", nargs="*", help="only guards whose line holds one of these words")
    words = parser.parse_args(arguments).word
    chosen = [guard for guard in GUARDS if not words or any(word in f"{guard.what} {guard.file}" for word in words)]
    if not chosen:
        print(f"no guard holds {' or '.join(words)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder)
        copy_tree(copy)
        if not all_pass(copy, chosen):
            return 2
        outcomes = [try_without(copy, guard, place, len(chosen)) for place, guard in enumerate(chosen, 1)]
    lost = [outcome for outcome in outcomes if outcome.failed_test is None]
    print(f"{len(outcomes) - len(lost)} of {len(outcomes)} guards are held by a test")
    if not words:
        page = ROOT / PAGE
        page.write_text(rewritten(page.read_text("utf-8"), outcomes, datetime.now(UTC)), "utf-8")
    missing = [row for page in (PAGE, "SECURITY.md") for row in untried((ROOT / page).read_text("utf-8"), GUARDS)]
    for row in missing:
        print(f"no guard is taken away for {row}")
    return bool(lost)


def copy_tree(copy: Path) -> None:
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_BEHIND), dirs_exist_ok=True)


def all_pass(copy: Path, guards: Sequence[Guard]) -> bool:
    """Say whether the tests of the guards pass while nothing is taken away: otherwise their failing means nothing."""
    wanted = list(dict.fromkeys(node_id for guard in guards for node_id in guard.node_ids))
    whole = {node_id for node_id in wanted if "::" not in node_id}
    wanted = [node_id for node_id in wanted if node_id in whole or node_id.partition("::")[0] not in whole]
    done = run_tests(copy, wanted)
    if done.returncode:
        print(f"the tests do not pass as it is:\n{done.stdout[-4000:]}{done.stderr[-2000:]}", file=sys.stderr)
    return done.returncode == 0


def try_without(copy: Path, guard: Guard, place: int, of: int) -> Outcome:
    """Take the guard away in the copy, run its tests there, and put it back."""
    file = copy / guard.path
    source = file.read_text("utf-8")
    file.write_text(guard.mutate(source), "utf-8")
    started = time.monotonic()
    try:
        done = run_tests(copy, guard.node_ids)
    finally:
        file.write_text(source, "utf-8")
    failed = first_failure(done.stdout) if done.returncode == FAILED else None
    seen = f"{time.monotonic() - started:5.1f} s  {failed or f'NOT HELD (pytest ended with {done.returncode})'}"
    print(f"{place:3} of {of}  {guard.what}\n           {seen}", flush=True)
    if failed is None and done.returncode:
        print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
    return Outcome(guard, failed)


def first_failure(output: str) -> str | None:
    """Return the node id of the first test that pytest's summary says has failed, without its parameters."""
    for line in output.splitlines():
        kind, _, rest = line.partition(" ")
        if kind in {"FAILED", "ERROR"} and "::" in rest:
            return rest.partition(" ")[0].partition("[")[0]
    return None


def run_tests(copy: Path, node_ids: Sequence[str]) -> subprocess.CompletedProcess[str]:
    options = ("-q", "-x", "--no-header", "-p", "no:cacheprovider", "-p", "no:randomly", f"--timeout={TEST_S}")
    environ = os.environ | {"PYTHONPATH": f"{copy / 'src'}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *node_ids],
        cwd=copy, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
