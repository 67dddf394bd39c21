"""The file with the keys that tokens are signed with: made when first needed, and never shown to anybody else."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from debate_caster.cli.data_folder import DataFolder
from debate_caster.errors import SetupError
from debate_caster.settings import Settings

__all__ = ["key_file_of", "signing_keys"]

LONGEST_FILE = 64 * 1024


def key_file_of(settings: Settings) -> Path:
    """Return where this stage's signing keys are."""
    return settings.key_file or DataFolder(settings.data_dir).signing_keys


def signing_keys(path: Path) -> tuple[str, ...]:
    """Return the keys of a file, one a line, the one to sign with first; make the file with a new key if there is none.

    Raises:
        SetupError: It can't be made or read, others may read it, or it holds no key of 32 characters or more.
    """
    try:
        with suppress(FileExistsError):
            _make(path)
        text = _read(path)
    except OSError as exc:
        raise SetupError(
            f"the key file {path} can't be used ({exc.strerror})", "Name another with --key-file."
        ) from exc
    except UnicodeDecodeError as exc:
        raise SetupError(f"the key file {path} is no text", "Name another with --key-file.") from exc
    keys = tuple(line for line in (line.strip() for line in text.splitlines()) if line and not line.startswith("#"))
    if not keys or any(len(key) < 32 for key in keys):
        raise SetupError(
            f"the key file {path} is to have a key of at least 32 characters on each line",
            "Remove it, and a new one is made; tokens of the old key are worth nothing then.",
        )
    return keys


def _make(path: Path) -> None:
    """Write a file that is whole or not there; of two programs that do it at once, the second finds the first's.

    Raises:
        FileExistsError: There is one already.
        OSError: It can't be written.
    """
    if path.exists():
        raise FileExistsError(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_urlsafe(48)}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()


def _read(path: Path) -> str:
    """Read a file that is its owner's alone.

    Raises:
        SetupError: Others may read it.
        OSError: It can't be read.
    """
    # Without O_NONBLOCK, opening a pipe that nobody writes would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise SetupError(f"the key file {path} is no file", "Name another with --key-file.")
        if status.st_mode & 0o077:
            raise SetupError(
                f"others may read the key file {path}, and whoever has read it can make tokens",
                f"Make a new key, and keep it to yourself: rm {path}",
            )
        return file.read(LONGEST_FILE)
