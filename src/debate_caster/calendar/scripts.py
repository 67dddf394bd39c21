"""The scenario files of a calendar: read, watched for edits, and the last good version kept of one that is broken."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from debate_caster.calendar.season import Calendar
from debate_caster.clock import Clock
from debate_caster.errors import DebateCasterError, LogError, Problem, ScenarioError
from debate_caster.scenario.script import Scenario

__all__ = ["Changes", "Scripts", "keep_up"]

logger = structlog.get_logger()

LOOK_EVERY_S = 2.0
"""How often the files are looked at: an author who saves one sees it take effect before doubting it."""

SUFFIX = ".yaml"
SHELVES = ("personas", "formats")

_LONG_AGO = datetime.fromtimestamp(0, UTC)
_Mark = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What one look found: scenarios that are new or changed, with the time of the edit, and names of those gone."""

    admitted: tuple[tuple[Scenario, datetime], ...] = ()
    withdrawn: tuple[str, ...] = ()


@dataclass(slots=True)
class _Script:
    mark: _Mark = ()
    scenario: Scenario | None = None
    edited_at: datetime = _LONG_AGO
    problem: str = ""


@dataclass(slots=True)
class Scripts:
    """The scenarios at ``paths``: files, or folders whose every ``*.yaml`` is one. ``read`` reads one of them."""

    paths: tuple[Path, ...]
    read: Callable[[Path], Scenario]
    _scripts: dict[Path, _Script] = field(default_factory=dict)

    @property
    def scenarios(self) -> list[tuple[Scenario, datetime]]:
        """The good versions, each with the time of its edit."""
        return [(script.scenario, script.edited_at) for script in self._scripts.values() if script.scenario is not None]

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with files just now, by their names without folder and suffix."""
        return {path.stem: script.problem for path, script in self._scripts.items() if script.problem}

    def look(self) -> Changes:
        """Read what is new or has changed since the last look. Reads files: not for the event loop."""
        admitted, withdrawn = [], []
        found = dict.fromkeys(self._files())
        for path in [path for path in self._scripts if path not in found]:
            gone = self._scripts.pop(path)
            if gone.scenario is not None:
                logger.info("scenario_withdrawn", scenario=gone.scenario.key)
                withdrawn.append(gone.scenario.key)
        for path in found:
            script, mark = self._scripts.setdefault(path, _Script()), _mark(path)
            if script.mark == mark:
                continue
            script.mark = mark
            if scenario := self._read(path, script):
                before, script.scenario, script.edited_at = script.scenario, scenario, _edited_at(path)
                if scenario != before:
                    admitted.append((scenario, script.edited_at))
        return Changes(tuple(admitted), tuple(withdrawn))

    def _read(self, path: Path, script: _Script) -> Scenario | None:
        try:
            scenario = self.read(path)
            twins = [other for other, its in self._scripts.items() if its.scenario and its.scenario.key == scenario.key]
            if any(twin != path for twin in twins):
                raise ScenarioError([Problem(path, 0, 0, "", f"{twins[0]} has the same name: rename one")])
        except DebateCasterError as exc:
            script.problem = str(exc)
            kept = "its last good version holds" if script.scenario else "it is not on the calendar"
            logger.warning("scenario_broken", path=str(path), kept=kept, problem=script.problem)
            return None
        if script.problem:
            logger.info("scenario_mended", path=str(path))
        script.problem = ""
        return scenario

    def _files(self) -> Iterable[Path]:
        for path in self.paths:
            if path.is_dir():
                yield from sorted(file for file in path.glob(f"*{SUFFIX}") if not file.name.startswith("."))
            else:
                yield path


async def keep_up(calendar: Calendar, scripts: Scripts, clock: Clock) -> None:
    """Bring edits of the files to the calendar, for ever."""
    admitted: dict[str, tuple[Scenario, datetime]] = {}
    withdrawn: set[str] = set()
    while True:
        await clock.sleep(LOOK_EVERY_S)
        changes = await asyncio.to_thread(scripts.look)
        withdrawn.update(changes.withdrawn)
        admitted.update((scenario.key, (scenario, at)) for scenario, at in changes.admitted)
        withdrawn -= admitted.keys()
        try:
            for name in list(withdrawn):
                await calendar.withdraw(name)
                withdrawn.discard(name)
            for name, (scenario, at) in list(admitted.items()):
                await calendar.admit(scenario, changed_at=at)
                logger.info("scenario_admitted", scenario=name, entries=len(scenario.schedule))
                del admitted[name]
        except LogError as exc:  # what is left is tried again
            logger.warning("calendar_failing", error=str(exc))


def _mark(path: Path) -> _Mark:
    """Return what changes whenever the file is written, or a persona, format or list of topics that it may name."""
    files = [path, *sorted(path.parent.glob("*.txt"))]  # topics of a season, unwanted words
    for shelf in SHELVES:
        files += sorted((path.parent / shelf).glob(f"*{SUFFIX}"))
    marks = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            marks.append((str(file), 0, 0))
        else:
            marks.append((str(file), status.st_ctime_ns, status.st_size))
    return tuple(marks)


def _edited_at(path: Path) -> datetime:
    try:
        status = path.stat()
        # A file that was moved or copied here keeps when it was written: the schedule holds from when it came.
        return datetime.fromtimestamp(max(status.st_mtime, status.st_ctime), UTC)
    except OSError:
        return _LONG_AGO
