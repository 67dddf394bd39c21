"""The program in a real terminal: the live view, Ctrl-C, and the terminal as it was afterwards."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte
import pytest

from tests.end_to_end.programs import write_scenario

SLOW = {"chars_per_second": 100, "min_interval_s": 0.3, "gap_s": 0.2}


LEFT_OUT = {"NO_COLOR", "COLUMNS", "LINES", "PYTHONASYNCIODEBUG"}


class Session:
    """A terminal of some size with the program in it."""

    def __init__(self, leader: int, process: subprocess.Popen[bytes], columns: int, lines: int) -> None:
        self.process = process
        self.raw = b""
        self._leader = leader
        self._columns = columns
        self.screen = pyte.HistoryScreen(columns, lines, history=5000)
        self._stream = pyte.ByteStream(self.screen)

    def read(self) -> None:
        """Take in what has been written so far."""
        with suppress(BlockingIOError, OSError):  # nothing there; or the program has gone
            while data := os.read(self._leader, 65_536):
                self.raw += data
                self._stream.feed(data)

    @property
    def lines(self) -> list[str]:
        above = ["".join(row[at].data for at in range(self._columns)).rstrip() for row in self.screen.history.top]
        return above + [line.rstrip() for line in self.screen.display]

    async def until(self, text: str, timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not any(text in line for line in self.lines):
                assert self.process.poll() is None or text in "\n".join(self.lines), "\n".join(self.lines)
                await asyncio.sleep(0.02)
                self.read()

    async def ended(self, timeout_s: float = 60.0) -> int:
        async with asyncio.timeout(timeout_s):
            while self.process.poll() is None:
                self.read()
                await asyncio.sleep(0.02)
        self.read()
        return self.process.returncode

    def type(self, keys: bytes) -> None:
        os.write(self._leader, keys)


@contextmanager
def terminal(folder: Path, *arguments: str, columns: int = 80, lines: int = 24, **env: str) -> Iterator[Session]:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    os.set_blocking(leader, False)
    environ = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    environ |= {"TERM": "xterm-256color", "XDG_DATA_HOME": str(folder / "data")} | env
    process = subprocess.Popen(
        [sys.executable, "-m", "debate_caster", "run", str(write_scenario(folder, pacing=SLOW)), *arguments],
        cwd=folder, env=environ, stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # makes Ctrl-C what it is at a desk
    )  # fmt: skip
    os.close(follower)
    try:
        yield Session(leader, process, columns, lines)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(leader)


@pytest.mark.parametrize("columns", [80, 40])
async def test_the_debate_is_shown_live_and_ctrl_c_ends_it_politely(columns: int, tmp_path: Path) -> None:
    with terminal(tmp_path, "--port", "0", columns=columns) as session:
        await session.until("── Openings")
        await session.until("Wren Okafor speaks" if columns == 80 else "turn 1/8")
        await session.until("0 viewers" if columns == 80 else "●")
        session.type(b"\x03")
        await session.until("The debate was interrupted.")
        status = await session.ended()

    lines = session.lines
    assert status == 130
    top = [line for line in lines[:8] if "http://127.0.0.1:" in line]
    assert sorted(line.partition(":")[0] for line in top) == ["Producer", "Watch"], "stderr and stdout race"
    assert any("🦊" in line or "Wren Okafor" in line for line in lines)
    assert not any(line.startswith("●") for line in lines), "the live line has gone"
    assert b"\x1b[1;36m" in session.raw
    assert b"Traceback" not in session.raw


async def test_no_color_is_honoured(tmp_path: Path) -> None:
    with terminal(tmp_path, "--port", "0", NO_COLOR="1") as session:
        await session.until("speaks")
        session.type(b"\x03")
        await session.ended()

    assert b"m" not in {code[-1:] for code in session.raw.split(b"\x1b[")[1:] if code[:1].isdigit() and len(code) < 8}
    assert b"\x1b[1;" not in session.raw


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with terminal(tmp_path, "--stage", "ws://127.0.0.1:9/") as session:
        await session.until("speaks")
        session.process.send_signal(signal.SIGTERM)
        session.process.send_signal(signal.SIGINT)
        status = await session.ended(timeout_s=20)

    assert status == 130


async def test_a_terminal_that_closes_ends_the_show_politely(tmp_path: Path) -> None:
    with terminal(tmp_path, "--port", "0") as session:
        await session.until("speaks")
        session.process.send_signal(signal.SIGHUP)
        status = await session.ended()

    assert status == 130
    assert any("The debate was interrupted." in line for line in session.lines)
