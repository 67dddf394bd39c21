"""The text of a file that somebody names: plain files of bounded size, none outside the folder it must be in."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from debate_caster.errors import Problem, ScenarioError

__all__ = ["MAX_BYTES", "listed", "read_text"]

MAX_BYTES = 256 * 1024
"""Longest file; the longest book-length background that helps a debate is a tenth of it."""


def read_text(path: Path, *, within: Path | None = None) -> str:
    """Return the file's text, without a byte order mark.

    Args:
        path: What to read. Symbolic links are followed.
        within: A folder that the file must still be in when links are followed; None for anywhere.

    Raises:
        ScenarioError: It is not there, not a plain file, too big, not UTF-8, or outside. Says nothing of its contents.
    """
    real = _resolved(path)
    if within is not None and not real.is_relative_to(_resolved(within)):
        raise _refused(path, "it leads out of the scenario's folder: put the file itself there")
    try:
        # Not blocking, since opening a pipe would wait for its writer; the path is resolved, so a link is a new one.
        handle = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError as exc:
        raise _refused(path, "there is no such file") from exc
    except OSError as exc:
        raise _refused(path, f"it can't be opened: {exc.strerror}") from exc
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _refused(path, "it is not a plain file")
        with open(handle, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise _refused(path, f"it can't be read: {exc.strerror}") from exc
    finally:
        os.close(handle)
    if len(content) > MAX_BYTES:
        raise _refused(path, f"it is longer than {MAX_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = content[: exc.start]
        line, column = before.count(b"\n") + 1, exc.start - (before.rfind(b"\n") + 1) + 1
        raise _refused(path, "this byte is not UTF-8: save the file as UTF-8", line, column) from exc


def listed(text: str) -> Iterator[tuple[int, str]]:
    """Yield what a list with one entry a line holds, with their lines' numbers; a line that begins with '#' is none."""
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            yield number, entry


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as exc:  # a loop of links, a NUL in the name
        raise _refused(path, "this is not a path to a file") from exc


def _refused(path: Path, message: str, line: int = 0, column: int = 0) -> ScenarioError:
    return ScenarioError([Problem(path, line, column, "", message)])
