"""Kills the real program while it performs a show, has it go on, and looks at what is left of the show afterwards."""

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.end_to_end.programs import Program, running
from tests.faults.invariants import broken_in

__all__ = [
    "Death",
    "ReturningViewer",
    "Show",
    "broken_invariants",
    "perform_with_deaths",
    "read_log",
    "read_show",
    "speeches",
]

DYING = Path(__file__).parent / "dying_program.py"
KILLED = -9


@dataclass(frozen=True, slots=True)
class Death:
    """How one run of the program dies: on its own ``at`` an append (see ``dying_program``), or else by our hand.

    Ours comes ``after_s`` seconds after the viewer has got ``after_events`` more events.
    """

    at: str = ""
    after_events: int = 0
    after_s: float = 0.0

    @classmethod
    def at_random(cls, random: Random, *, events: int) -> "Death":
        """Return one at a random point of the next ``events`` events."""
        if random.random() < 0.4:
            stream = random.choice(["show/", "air/"])
            return cls(at=f"{stream}:{random.choice(['before', 'after'])}:{random.randint(1, events)}")
        return cls(after_events=random.randint(0, events), after_s=random.random() * 0.1)


@dataclass
class ReturningViewer:
    """A viewer that goes on behind the last event it has got, whenever the stage is there again."""

    events: list[dict[str, Any]] = field(default_factory=list)
    visits: int = 0
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def watch(self, page: str) -> None:
        """Watch the show of a page for ever, as the page does."""
        stage, _, show = page.partition("/shows/")
        while True:
            after = self.events[-1]["seq"] if self.events else 0
            with suppress(OSError, WebSocketException, EOFError):
                async with connect(f"ws{stage.removeprefix('http')}/watch?show={show}&after={after}") as socket:
                    self.visits += 1
                    async for raw in socket:
                        await self._take(json.loads(raw))
            await asyncio.sleep(0.02)

    async def _take(self, frame: dict[str, Any]) -> None:
        if "seq" in frame:
            async with self.news:
                self.events.append(frame)
                self.news.notify_all()

    async def until(self, count: int) -> None:
        async with self.news:
            await self.news.wait_for(lambda: len(self.events) >= count)


@dataclass(frozen=True, slots=True)
class Show:
    """What is left of a show. ``logged`` and ``aired`` are the two logs, ``seen`` what the viewer got."""

    logged: list[dict[str, Any]]
    aired: list[dict[str, Any]]
    seen: list[dict[str, Any]]
    deaths: int
    visits: int
    status: int
    stderr: list[str]


async def perform_with_deaths(scenario: Path, folder: Path, deaths: Sequence[Death]) -> Show:
    """Perform a show whose program dies so many times, and return what is left once it has run to its end."""
    page = ""
    killed, status, stderr = 0, KILLED, list[str]()
    viewer, watching = ReturningViewer(), asyncio.ensure_future(asyncio.sleep(0))
    try:
        for number, death in enumerate((*deaths, None)):
            arguments = (
                ["run", "--resume", "latest"] if number else ["run", str(scenario), "--port", "0", "--seed", "7"]
            )
            env = {"DIE_AT": death.at} if death is not None and death.at else {}
            program: Sequence[str | Path] = (DYING,) if env else ("-m", "debate_caster")
            async with running(*arguments, cwd=folder, env=env, program=program) as run:
                if not page and (page := await _announced(run)):
                    watching = asyncio.create_task(viewer.watch(page))
                status = await _died(run, viewer, death)
                stderr = run.stderr
            killed += status == KILLED
            if status != KILLED:
                break
        with suppress(TimeoutError):  # the last events may still be on their way
            async with asyncio.timeout(30):
                await viewer.until(len(read_show(folder, "air", page.partition("/shows/")[2])))
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    show = page.partition("/shows/")[2]
    logged, aired = (read_show(folder, log, show) for log in ("show", "air"))
    return Show(logged, aired, viewer.events, killed, viewer.visits, status, stderr)


async def _announced(run: Program) -> str:
    """Return the address of the page, empty where the program died before it could say it."""
    line, end = asyncio.ensure_future(run.line("Watch:")), asyncio.ensure_future(run.process.wait())
    await asyncio.wait({line, end}, return_when=asyncio.FIRST_COMPLETED)
    if line.done():
        return line.result()
    await run.ended()
    line.cancel()
    with suppress(asyncio.CancelledError, AssertionError):
        return await line
    return ""


async def _died(run: Program, viewer: ReturningViewer, death: Death | None) -> int:
    """Wait for a run's end, and bring it about where the death is to come by our hand; return its exit status."""
    ended = asyncio.ensure_future(run.ended(timeout_s=60))
    if death is not None and not death.at:
        due = asyncio.ensure_future(viewer.until(len(viewer.events) + death.after_events))
        await asyncio.wait({ended, due}, return_when=asyncio.FIRST_COMPLETED)
        due.cancel()
        await asyncio.wait({ended}, timeout=death.after_s)
        if not ended.done():
            run.process.kill()
    return await ended


def read_show(folder: Path, log: str, show: str) -> list[dict[str, Any]]:
    """Return a show's events as one of the two logs below ``folder`` has them, and check the file."""
    return read_log(folder / "data/debate-caster", log, show)


def read_log(data: Path, log: str, show: str) -> list[dict[str, Any]]:
    """Do the same with the data folder itself."""
    with closing(sqlite3.connect(data / f"{log}-log.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = database.execute(
            "SELECT seq, body FROM events JOIN streams ON id = stream WHERE name = ? ORDER BY seq", (f"{log}/{show}",)
        )
        return [{"seq": seq} | json.loads(body) for seq, body in rows]


def broken_invariants(show: Show) -> list[str]:
    """Return what does not hold of a show that must hold of every one; see docs/reliability.md."""
    logged, aired, seen = show.logged, show.aired, show.seen
    broken: list[str] = []

    def check(what: str, holds: bool) -> None:
        if not holds:
            broken.append(what)

    for name, events in (("show log", logged), ("air log", aired), ("viewer", seen)):
        broken += [f"{name}: {rule}" for rule in broken_in(events)]
    check("the viewer got what the air log has", list(map(_public, aired)) == list(map(_public, seen)))
    check("what was logged was aired, and nothing else", speeches(logged) == speeches(aired))
    held = [e for e in logged if e["type"] == "turn_ended" and not e["again"]]
    check("every turn of the rundown was held", len(held) == logged[0]["turns"])
    check("none was lost", all(e["how"] in {"completed", "clipped"} for e in held))
    check("what was broken off was held again at once", _repetitions_follow(logged))
    return broken


def _public(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in {"via", "ref"}}


def speeches(events: Sequence[dict[str, Any]]) -> dict[int, str]:
    """Return what was said in each turn."""
    said: dict[int, str] = {}
    for event in events:
        if event["type"] == "chunk_aired":
            said[event["turn"]] = said.get(event["turn"], "") + event["text"]
    return said


def _repetitions_follow(logged: Sequence[dict[str, Any]]) -> bool:
    ended = {event["turn"]: event for event in logged if event["type"] == "turn_ended"}
    return all(
        ended[turn + 1]["speaker"] == event["speaker"] and event["how"] == "aborted"
        for turn, event in ended.items()
        if event["again"]
    )
