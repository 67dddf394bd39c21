"""``backup`` and ``restore``: the data folder as one that can be put away, taken while shows run.

Each database is copied as it is at one moment, by SQLite's own backup, while others write it. What is copied when keeps
the whole consistent, see ``ORDER``. A backup is whole or not there, and says of each file what it is to hold.
"""

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, field_validator

from debate_caster.cli.amounts import counted
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.printable import printable
from debate_caster.cli.session import RAN, Session
from debate_caster.clock import Clock, SystemClock
from debate_caster.errors import SetupError
from debate_caster.version import __version__

__all__ = ["backup", "make_backup", "restore", "take_back"]

MANIFEST: Final = "backup.json"

FORM: Final = 1
"""Of the manifest; a backup with a higher one is of a newer program and is left alone."""

LONGEST_MANIFEST: Final = 16 * 1024 * 1024

BUSY_TIMEOUT_S: Final = 5.0

ORDER: Final = (
    "shows/*.json",
    "air-log.db",
    "show-log.db",
    "calendar.db",
    "seasons/*.json",
    "agents/*.json",
    "signing-keys",
    "announcements.db",
)
"""In which order what is kept is copied. Left out is what only processes that live need: locks, drafts, desks, owners.

The air log before the show log: a show can go on when its log is ahead of the stage's, not the other way round. What a
show needs to go on before both: a file without its show does no harm. The calendar and the annals after: they know of a
show before its first event, so that no show of the copy is unknown to them and given a second time. Last what
was announced: it knows of all that the copy has, so that none of it is announced a second time.
"""


class Manifest(BaseModel):
    """What a backup holds: the SHA-256 of each file by its path in the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: int
    program: str
    made: AwareDatetime
    files: dict[str, str]

    @field_validator("files")
    @classmethod
    def _only_ours(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            path = PurePosixPath(name)
            if "\0" in name or not any(_fits(path, PurePosixPath(pattern)) for pattern in ORDER):
                raise ValueError(f"{name!r} is no file of a data folder")
        return files


def backup(session: Session) -> int:
    """Copy the data folder to a new folder.

    Raises:
        SetupError: There is nothing to copy, a database is damaged, or the folder exists or can't be written.
    """
    destination = session.options.destination
    manifest = make_backup(DataFolder(session.settings.data_dir), destination, clock=SystemClock())
    session.say(printable(f"{destination}: {counted(len(manifest.files), 'file')}"))
    return RAN


def restore(session: Session) -> int:
    """Make the data folder from a backup.

    Raises:
        SetupError: The data folder is in use, the backup is none or damaged, or the folder can't be written.
    """
    folder = DataFolder(session.settings.data_dir)
    manifest = take_back(session.options.source, folder)
    session.say(
        printable(f"{folder.path}: {counted(len(manifest.files), 'file')}, as of {manifest.made:%Y-%m-%d %H:%M:%S} UTC")
    )
    return RAN


def make_backup(folder: DataFolder, destination: Path, *, clock: Clock) -> Manifest:
    """Copy ``folder`` to ``destination``, which must not exist or be empty. Reads and writes files; others may write.

    Raises:
        SetupError: As ``backup`` says.
    """
    if not any(_kept(folder.path)):
        raise SetupError(f"nothing is kept in {folder.path}", "Name the data folder with --data-dir.")
    with _made_whole(destination, "Name another folder.") as draft:
        made, files = clock.now(), {}
        for pattern in ORDER:
            for path in sorted(folder.path.glob(pattern)):
                name = path.relative_to(folder.path).as_posix()
                if _copied(path, draft / name):
                    files[name] = _digest(draft / name)
        manifest = Manifest(form=FORM, program=__version__, made=made, files=files)
        _write(draft / MANIFEST, manifest.model_dump_json(indent=1).encode())
    return manifest


def take_back(source: Path, folder: DataFolder) -> Manifest:
    """Make ``folder``, which must not exist or be empty, from the backup ``source``.

    Raises:
        SetupError: As ``restore`` says.
    """
    manifest = _manifest(source)
    with _made_whole(folder.path, "Move it away first, or name another with --data-dir.") as draft:
        for name, digest in manifest.files.items():
            try:
                _copy_file(source / name, draft / name)
            except FileNotFoundError:
                raise _damaged(source, f"{name} is missing") from None
            if _digest(draft / name) != digest:
                raise _damaged(source, f"{name} is not what was put there")
    return manifest


def _fits(path: PurePosixPath, pattern: PurePosixPath) -> bool:
    return path.name != ".." and path.parent == pattern.parent and path.match(pattern.name)


def _kept(path: Path) -> Iterator[Path]:
    for pattern in ORDER:
        yield from path.glob(pattern)


@contextmanager
def _made_whole(destination: Path, cure: str) -> Iterator[Path]:
    """Give a folder to fill that becomes ``destination`` when the block is left without an error.

    Raises:
        SetupError: There is something at ``destination``, or the disk takes nothing.
    """
    try:
        if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
            raise SetupError(f"{destination} is in use: nothing is overwritten", cure)
        parent = destination.absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", suffix=".draft", dir=parent))
        try:
            yield draft
            for path in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
                _sync(path)
            draft.rename(destination)  # onto an empty folder, or nothing; anything else that came meanwhile is refused
            _sync(parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as exc:
        raise SetupError(f"{exc.filename or destination} can't be used ({exc.strerror})", cure) from exc


def _copied(path: Path, copy: Path) -> bool:
    """Copy one file; False when it is gone by now: a show that has ended needs its file no more."""
    try:
        if path.suffix == ".db":
            _copy_database(path, copy)
        else:
            _copy_file(path, copy)  # each of them is replaced as a whole, never written in place
    except FileNotFoundError:
        return False
    return True


def _copy_database(path: Path, copy: Path) -> None:
    """Copy a database as it is at one moment; who writes it does not wait.

    Raises:
        SetupError: It is damaged, or can't be read.
    """
    _write(copy, b"")
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file that lies still; who opens it makes it WAL again
            (verdict,) = target.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as exc:
        raise SetupError(
            f"{path} can't be copied ({exc})", "Stop what writes it, and look whether it is whole."
        ) from exc
    if verdict != "ok":
        raise SetupError(f"{path} is damaged ({verdict})", "Keep your last backup: this would be no good one.")
    _sync(copy)


def _write(path: Path, content: bytes) -> None:
    """Write a new file for its owner's eyes only, with its folder."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _copy_file(path: Path, copy: Path) -> None:
    """Copy a file as it is.

    Raises:
        FileNotFoundError: There is none.
    """
    with path.open("rb") as source:
        _write(copy, b"")
        with copy.open("wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(source: Path) -> Manifest:
    try:
        with (source / MANIFEST).open("rb") as file:
            manifest = Manifest.model_validate_json(file.read(LONGEST_MANIFEST))
    except OSError as exc:
        raise SetupError(
            f"{source} is no backup: its {MANIFEST} can't be read ({exc.strerror})", "Name a folder that `backup` made."
        ) from exc
    except ValidationError as exc:
        raise _damaged(source, f"{MANIFEST} does not say what is in it") from exc
    if manifest.form > FORM:
        raise SetupError(f"{source} was made by debate-caster {manifest.program}", "Restore it with that version.")
    return manifest


def _damaged(source: Path, detail: str) -> SetupError:
    return SetupError(f"the backup {source} is damaged: {detail}", "Nothing was restored: take another backup.")
