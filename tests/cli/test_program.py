"""The program as a process of its own, from its first moment."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SLOW_IMPORT = """\
import os, signal, sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.{signal})

sys.meta_path.insert(0, Interrupted())
sys.argv = ["debate-caster", *{arguments!r}]
from debate_caster.cli.program import run_from_shell
run_from_shell()
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    "name", ["argparse", "pydantic", "debate_caster.cli.session", "debate_caster.cli.serving", "aiohttp.web"]
)
def test_a_signal_while_the_program_starts_ends_it_without_a_word(name: str, number: str, tmp_path: Path) -> None:
    program = SLOW_IMPORT.format(name=name, signal=number, arguments=["serve", "--port", "0", "--data-dir", "data"])

    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, timeout=60)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 130)])
def test_a_stage_that_is_told_to_stop_has_done_its_duty_and_one_that_is_interrupted_has_not(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    with program_in(tmp_path, "serve", "--port", "0") as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith(b"Stage: ")
        assert program.stdout.readline().startswith(b"Agents: ")
        program.send_signal(number)
        _, remarks = program.communicate(timeout=60)

    assert program.returncode == status
    assert b"closing the stage" in remarks
    assert b"Traceback" not in remarks


def test_signals_that_a_shell_has_turned_off_stay_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as behind the `&` of a script; a child inherits it
    try:
        starting = program_in(tmp_path, "serve", "--port", "0")
    finally:
        signal.signal(signal.SIGINT, before)
    with starting as program:
        program.send_signal(signal.SIGINT)
        assert program.stdout is not None
        assert program.stdout.readline().startswith(b"Stage: ")
        program.send_signal(signal.SIGINT)
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=60)

    assert program.returncode == 0


def program_in(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    environ = dict(os.environ) | {"XDG_DATA_HOME": str(folder / "data")}
    return subprocess.Popen(
        [sys.executable, "-m", "debate_caster", *arguments],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
