"""Whether the data folder can be worked with: written, with space left, its databases whole, and who uses it.

Makes nothing that stays, and waits for nobody. All of it reads disks, which may hang: not for the event loop.
"""

import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from debate_caster.announce import outbox
from debate_caster.calendar import ledger
from debate_caster.cli.amounts import size
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.findings import Finding, fine
from debate_caster.clock import Clock
from debate_caster.log import sqlite

__all__ = ["databases_of", "look_at_database", "look_at_folder", "look_at_space", "user_of"]

FOLDER: Final = "data folder"

LEAST_FREE: Final = 64 * 1024 * 1024
"""Bytes: what the write-ahead logs of two databases take while checkpoints keep meeting readers."""

LITTLE_FREE: Final = 1024**3
"""Bytes, below which a machine's other programs may fill the disk within a show."""

BUSY_TIMEOUT_S: Final = 5.0
"""As both logs wait for another process that writes."""

LOOK_S: Final = 5.0
"""How long a database is looked through; what is not looked at by then is left to ``backup``."""

STEPS: Final = 10_000
"""Of SQLite's machine between two looks at the clock; some thousandths of a second."""

FOREIGN_DISKS: Final = frozenset({"9p", "cifs", "fuse.sshfs", "nfs", "nfs4", "smb3", "smbfs"})
"""File systems of other machines, on which SQLite's write-ahead log does not work, and locks are a matter of luck."""


def look_at_folder(folder: DataFolder, *, mounts: str = "/proc/self/mounts") -> Iterator[Finding]:
    """Find out whether the folder is there, or can be made, can be written, and is nobody else's."""
    path = folder.path.absolute()
    place = _nearest(path)
    if not place.is_dir():
        yield Finding(FOLDER, "failure", f"{place} is no folder", f"Move it away, or {_ELSEWHERE}")
        return
    if (kind := _file_system(place, mounts)) in FOREIGN_DISKS:
        yield Finding(FOLDER, "warning", f"{path} is on a network disk ({kind}): databases get damaged there", _LOCAL)
    if objection := _objection_to_writing(place):
        cure = f"Give this user the right to write there, or {_ELSEWHERE}"
        yield Finding(FOLDER, "failure", f"{place} can't be written ({objection})", cure)
        return
    if place != path:
        yield fine(FOLDER, f"{path} will be made when something is kept in it")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding(FOLDER, "warning", f"others may look into {path}, which holds secrets", f"chmod 700 {path}")
    else:
        yield fine(FOLDER, f"{path} can be written, and is nobody else's")


def look_at_space(folder: DataFolder, *, free: Callable[[Path], int] | None = None) -> Iterator[Finding]:
    """Find out whether the disk has room."""
    place = _nearest(folder.path)
    left = (free or _free)(place)
    what = f"{size(left)} are left on the disk of {place}"
    if left < LEAST_FREE:
        yield Finding("disk", "failure", f"only {what}", f"Free at least {size(LITTLE_FREE)}, or {_ELSEWHERE}")
    elif left < LITTLE_FREE:
        yield Finding("disk", "warning", f"only {what}", f"Free at least {size(LITTLE_FREE)}, or {_ELSEWHERE}")
    else:
        yield fine("disk", what)


def user_of(folder: DataFolder) -> Iterator[Finding]:
    """Find out which process has its stage on the folder; that is no fault, only worth knowing."""
    lock = folder.air_log.with_suffix(".lock")
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once: who starts just now tries again
    except BlockingIOError:
        process = _holder(os.fstat(descriptor).st_ino)
        yield fine("in use", f"a stage is using {folder.path}{f': process {process}' if process else ''}")
    finally:
        os.close(descriptor)


def databases_of(folder: DataFolder) -> tuple[tuple[Path, int, int], ...]:
    """Return the databases of the folder, each with the mark of our files and the newest format that we know."""
    log = (sqlite.APPLICATION_ID, sqlite.SCHEMA_VERSION)
    return (
        (folder.show_log, *log),
        (folder.air_log, *log),
        (folder.calendar, ledger.APPLICATION_ID, ledger.SCHEMA_VERSION),
        (folder.announcements, outbox.APPLICATION_ID, outbox.SCHEMA_VERSION),
    )


def look_at_database(path: Path, mark: int, form: int, *, clock: Clock, look_s: float = LOOK_S) -> Iterator[Finding]:
    """Find out whether a database is ours, whole and writable; says nothing of one that is not there."""
    if not os.path.lexists(path):
        return
    out_of_time = clock.monotonic() + look_s
    try:
        with closing(
            sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
            )
        ) as database:
            had_mark, had_form, tables = (
                database.execute(query).fetchone()[0]
                for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema")
            )
            if tables and had_mark != mark:
                cure = f"Move it away, or {_ELSEWHERE}"
                yield Finding(FOLDER, "failure", f"{path.name} is another program's database", cure)
                return
            if had_form > form:
                what = f"{path.name} was written by a newer debate-caster (format {had_form})"
                yield Finding(FOLDER, "failure", what, "python -m pip install --upgrade debate-caster")
                return
            database.execute("BEGIN IMMEDIATE")  # which only who may write can
            database.execute("ROLLBACK")
            database.set_progress_handler(lambda: clock.monotonic() > out_of_time, STEPS)
            try:
                verdict = str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                yield fine(
                    FOLDER, f"{path.name} ({size(path.stat().st_size)}) can be written; `backup` tells if it is whole"
                )
                return
            if verdict != "ok":
                yield _damaged(path, verdict.splitlines()[0])
                return
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            yield _damaged(path, str(exc))
        else:
            problem, _, cure = sqlite.what_failed(exc).partition(": ")
            what = f"{path.name}: {problem or 'it fails'} ({exc})"
            yield Finding(FOLDER, "failure", what, _sentence(cure) or f"Move it away, or {_ELSEWHERE}")
    else:
        yield fine(FOLDER, f"{path.name} ({size(path.stat().st_size)}) is whole")


_ELSEWHERE: Final = "name another data folder with --data-dir"
_LOCAL: Final = "Name a folder on a disk of this machine with --data-dir"


def _damaged(path: Path, detail: str) -> Finding:
    cure = f"Restore your last backup, or move {path} away to start afresh"
    return Finding(FOLDER, "failure", f"{path.name} is damaged ({detail})", cure)


def _nearest(path: Path) -> Path:
    """Return the path, or the nearest above it where something is."""
    path = path.absolute()
    return next((place for place in (path, *path.parents) if os.path.lexists(place)), path)


def _objection_to_writing(folder: Path) -> str:
    """Return why nothing can be written in a folder, empty where something can: rights alone do not tell."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        return exc.strerror or type(exc).__name__
    return ""


def _file_system(place: Path, mounts: str) -> str:
    """Return the kind of file system that a place is on, empty where the machine does not say."""
    try:
        lines = [line.split() for line in Path(mounts).read_text("utf-8", "replace").splitlines()]
    except OSError:
        return ""
    # The last of the longest mount points above the place is the one that is seen there.
    points = [(line[1].replace("\\040", " "), line[2]) for line in lines if len(line) > 2]
    above = [(len(point), number, kind) for number, (point, kind) in enumerate(points) if place.is_relative_to(point)]
    return max(above, default=(0, 0, ""))[2]


def _free(place: Path) -> int:
    return shutil.disk_usage(place).free


def _holder(inode: int) -> int | None:
    """Return the process that holds a lock, as far as the kernel tells."""
    try:
        lines = Path("/proc/locks").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].endswith(f":{inode}") and int(fields[4]) > 0:
            return int(fields[4])
    return None


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
