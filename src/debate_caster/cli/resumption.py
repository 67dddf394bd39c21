"""What it takes to go on with a show whose process has died: one file for each show, for its owner's eyes only.

It holds what the show's log must not: the key of its rooms and its producer's token; and what the log does not know:
the scenario's file and where the page was. Who performs the show holds the file locked, and the system lets go of the
lock when the process dies, so that nobody takes up a show that is running.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from debate_caster.cli.data_folder import DataFolder
from debate_caster.errors import SetupError
from debate_caster.scenario import Scenario

__all__ = [
    "LATEST",
    "Keepsake",
    "Resumption",
    "broken_off",
    "debate_digest",
    "is_kept",
    "is_running",
    "kept_on_file",
    "retired",
    "taken_up",
]

LATEST = "latest"

LIST_THEM = "`debate-caster shows` lists them."


@dataclass(frozen=True, slots=True)
class Keepsake:
    """A show as its performer needs it. ``scenario`` is a path; ``digest`` says which debate it was."""

    show: str
    scenario: str
    digest: str
    seed: int
    speed: float
    stage: str
    host: str
    port: int
    allow_public: bool
    key: str = field(repr=False)
    producer_token: str = field(repr=False)


class Resumption:
    """A show's file while it is locked. ``forget`` it when the show is over."""

    def __init__(self, path: Path, keepsake: Keepsake) -> None:
        self.keepsake = keepsake
        self._path = path

    def forget(self) -> None:
        """Remove the file: the show has ended and everybody has been told, as far as that is possible."""
        with suppress(OSError):
            self._path.unlink()

    def check(self, scenario: Scenario) -> None:
        """Refuse a scenario that is not the debate that was on air.

        Raises:
            SetupError: Its motion, format, agents or audience are others than they were.
        """
        if debate_digest(scenario) != self.keepsake.digest:
            raise SetupError(
                f"{scenario.path} is not the debate that {self.keepsake.show} was: its motion, format, agents or "
                "audience have changed",
                "Undo that (models, pacing, budget and targets may change), or start a new show without --resume.",
            )


def debate_digest(scenario: Scenario) -> str:
    """Return a digest of what a show can't go on without: motion, format, agents and audience; not models or memory."""
    parts: list[Any] = [scenario.motion, scenario.language, scenario.format.model_dump(mode="json")]
    parts += [agent.model_dump(mode="json", exclude={"model", "recollection"}) for agent in scenario.agents]
    parts.append(scenario.audience.model_dump(mode="json"))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@contextmanager
def kept_on_file(folder: DataFolder, keepsake: Keepsake) -> Iterator[Resumption]:
    """Keep a new show's file, locked as long as the block runs; it stays behind unless it is forgotten.

    Raises:
        SetupError: The folder can't be written.
    """
    path = _path(folder, keepsake.show)
    draft = path.with_suffix(".draft")
    with ExitStack() as held:
        try:
            folder.make()
            folder.shows.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, json.dumps(asdict(keepsake)).encode())
            os.fsync(descriptor)
            draft.replace(path)
        except OSError as exc:
            raise SetupError(f"the data folder {folder.path} can't be written ({exc.strerror})") from exc
        yield Resumption(path, keepsake)


@contextmanager
def taken_up(folder: DataFolder, wanted: str) -> Iterator[Resumption]:
    """Take up a show that was broken off: ``wanted`` is its id, the beginning of it, or ``latest``.

    Raises:
        SetupError: There is no such show, or several, it is running, or its file is damaged.
    """
    path = _found(folder, wanted)
    with ExitStack() as held:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            held.callback(os.close, descriptor)
            content = _locked_content(descriptor)
        except OSError as exc:
            raise SetupError(f"{path} can't be read ({exc.strerror})", "Give this user the right to read it.") from exc
        if content is None:
            raise SetupError(f"the show {path.stem} is running", "End its process first, or watch it.")
        yield Resumption(path, _decoded(path, content))


@contextmanager
def retired(folder: DataFolder, show: str) -> Iterator[bool]:
    """Keep the file of a show, if it has one, from everybody while the block removes the show, and then remove it too.

    Gives False where somebody performs the show: then nothing is to be removed.

    Raises:
        SetupError: The file can't be read.
    """
    path = _path(folder, show)
    with ExitStack() as held:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield True
            return
        except OSError as exc:
            raise SetupError(f"{path} can't be read ({exc.strerror})", "Give this user the right to read it.") from exc
        held.callback(os.close, descriptor)
        if _locked_content(descriptor) is None:
            yield False
            return
        yield True
        with suppress(OSError):
            path.unlink()
            path.with_suffix(".draft").unlink(missing_ok=True)


def broken_off(folder: DataFolder) -> list[str]:
    """Return the shows that nobody performs any more and that have not ended, newest first."""
    return [path.stem for path in _files(folder) if not _is_running(path)]


def is_kept(folder: DataFolder, show: str) -> bool:
    """Say whether a show of exactly this id has its file: it runs, or was broken off."""
    return _path(folder, show).exists()


def is_running(folder: DataFolder, show: str) -> bool:
    """Say whether somebody performs the show of exactly this id."""
    return _is_running(_path(folder, show))


def _path(folder: DataFolder, show: str) -> Path:
    return folder.shows / f"{show}.json"


def _files(folder: DataFolder) -> list[Path]:
    """Return the files of shows, newest first."""
    with suppress(OSError):
        return sorted(folder.shows.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return []


def _found(folder: DataFolder, wanted: str) -> Path:
    files = _files(folder)
    if wanted == LATEST:
        found = [path for path in files if not _is_running(path)][:1]
    else:
        found = [path for path in files if path.stem == wanted] or [
            path for path in files if wanted and path.stem.startswith(wanted)
        ]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.stem for path in found[:3])
        raise SetupError(f"{len(found)} shows begin with {wanted!r}: {names}", "Name one in full.")
    problem = "no show was broken off" if wanted == LATEST else f"no show {wanted!r} was broken off"
    raise SetupError(f"{problem} in {folder.path}: one that has ended can't go on", LIST_THEM)


def _is_running(path: Path) -> bool:
    with ExitStack() as held, suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        held.callback(os.close, descriptor)
        return _locked_content(descriptor) is None
    return False


def _locked_content(descriptor: int) -> bytes | None:
    """Lock a show's file and return what is in it, None where somebody else has it locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _decoded(path: Path, content: bytes) -> Keepsake:
    try:
        stored = json.loads(content)
        return Keepsake(**{entry.name: stored[entry.name] for entry in fields(Keepsake)})
    except (ValueError, KeyError, TypeError) as exc:
        raise SetupError(f"{path} is damaged: the show can't go on", "Remove the file and start a new show.") from exc
