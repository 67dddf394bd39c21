"""The real program as a process, scenarios for it, and a viewer of its shows."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

__all__ = ["Program", "Viewer", "running", "speeches_of", "watching", "write_scenario"]

LEFT_OUT = ("DEBATE_CASTER_", "NO_COLOR", "PYTHONASYNCIODEBUG")
PERSONAS = {"wren": "for", "otis": "against"}


def write_scenario(folder: Path, **changes: Any) -> Path:
    """Write a scenario that runs as fast as it can into ``folder`` and return its file; ``changes`` replace keys."""
    scenario: dict[str, Any] = {
        "motion": "This house would ban homework",
        "format": "duel",
        "agents": [{"persona": persona, "side": side} for persona, side in PERSONAS.items()],
        "models": {"rehearsal": {"provider": "rehearsal", "first_token_s": 0, "words_per_s": 1000}},
        "pacing": {"chars_per_second": 1000, "min_interval_s": 0, "gap_s": 0, "lead_min_s": 0},
    } | changes
    path = folder / "homework.yaml"
    path.write_text(json.dumps(scenario, indent=1), encoding="utf-8")  # JSON is YAML
    return path


@dataclass
class Program:
    """``debate-caster`` as it runs. ``stdout`` and ``stderr`` are the lines so far."""

    process: asyncio.subprocess.Process
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def line(self, beginning: str, *, timeout_s: float = 60.0) -> str:
        """Wait for a line of stdout or stderr that starts like this, and return the rest of it."""

        def found() -> list[str]:
            return [line for line in (*self.stdout, *self.stderr) if line.startswith(beginning)]

        async with asyncio.timeout(timeout_s), self.news:
            await self.news.wait_for(lambda: found() or self.process.returncode is not None)
        assert found(), f"no line {beginning!r} in {self.stdout + self.stderr}"
        return found()[0].removeprefix(beginning).strip()

    async def ended(self, *, timeout_s: float = 60.0) -> int:
        """Wait for the end of the process and return its exit status."""
        async with asyncio.timeout(timeout_s):
            status = await self.process.wait()
            async with self.news:
                await self.news.wait_for(lambda: self._drained == 2)
        return status

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    _drained: int = 0

    async def collect(self, stream: asyncio.StreamReader, lines: list[str]) -> None:
        async for line in stream:
            async with self.news:
                lines.append(line.decode().rstrip("\n"))
                self.news.notify_all()
        async with self.news:
            self._drained += 1
            self.news.notify_all()


@asynccontextmanager
async def running(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    program: Sequence[str | Path] = ("-m", "debate_caster"),
) -> AsyncIterator[Program]:
    """Run the program in ``cwd``, where it keeps its data as well; leaving the block kills it if it still runs.

    ``program`` is what Python is given to run.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    environ |= {"XDG_DATA_HOME": str(cwd / "data")} | dict(env or {})
    process = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, (*program, *arguments)), cwd=cwd, env=environ, limit=2**22,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    started = Program(process)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(started.collect(process.stdout, started.stdout))
        tasks.create_task(started.collect(process.stderr, started.stderr))
        try:
            yield started
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclass
class Viewer:
    """A viewer of one show; ``events`` are those with a place in the air log, ``frames`` all that came."""

    socket: ClientConnection
    events: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def until(self, type_: str, *, timeout_s: float = 60.0, **fields: Any) -> dict[str, Any]:
        """Read on to a frame of this type with these fields, and return it; one that came before counts as well."""
        seen = 0
        async with asyncio.timeout(timeout_s):
            while True:
                for frame in self.frames[seen:]:
                    if frame["type"] == type_ and all(frame.get(name) == value for name, value in fields.items()):
                        return frame
                seen = len(self.frames)
                frame = json.loads(await self.socket.recv())
                self.frames.append(frame)
                self.times.append(asyncio.get_running_loop().time())
                if "seq" in frame:
                    self.events.append(frame)

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type_]


@asynccontextmanager
async def watching(page: str, *, after: int = 0) -> AsyncIterator[Viewer]:
    """Watch the show of a page's address from its beginning, as the page does."""
    stage, _, show = page.partition("/shows/")
    address = f"ws{stage.removeprefix('http')}/watch?after={after}" + (f"&show={show}" if show else "")
    async with connect(address) as socket:
        yield Viewer(socket)


def speeches_of(events: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """Return (turn, speaker, text) of each speech in order of turns, whatever the order the chunks came in."""
    chunks = sorted(
        (event["turn"], event["index"], event["speaker"], event["text"])
        for event in events
        if event["type"] == "chunk_aired"
    )
    turns = sorted({(turn, speaker) for turn, _, speaker, _ in chunks})
    return [(turn, who, "".join(text for t, _, _, text in chunks if t == turn)) for turn, who in turns]
