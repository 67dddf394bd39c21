"""Which processes are alive that work on one calendar: each holds a lock that the system frees when it dies.

No heartbeat, no lease and no clock: a process that is killed is known to be dead at once, and one that is merely slow
is never taken for dead. Holds on one machine, like the data folder's other locks.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from debate_caster.errors import SetupError

__all__ = ["Owners"]


class Owners:
    """The living, each with a file in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def join(self) -> Iterator[str]:
        """Be alive under a new name for as long as the block lasts.

        Raises:
            SetupError: The folder can't be written.
        """
        name = secrets.token_hex(8)
        draft = self.folder / f".{name}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mark = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            # Locked before it has its name: nobody may find it without its lock, and take us for dead.
            fcntl.flock(mark, fcntl.LOCK_EX)
            draft.rename(self.folder / name)
        except OSError as exc:
            raise SetupError(f"the folder {self.folder} can't be written ({exc.strerror})") from exc
        try:
            self._bury_the_dead()
            yield name
        finally:
            (self.folder / name).unlink(missing_ok=True)
            os.close(mark)

    def alive(self, name: str) -> bool:
        """Say whether the process of that name still runs."""
        try:
            mark = os.open(self.folder / name, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(mark)
        return False

    def _bury_the_dead(self) -> None:
        with suppress(OSError):
            for file in self.folder.iterdir():
                if not file.name.startswith(".") and not self.alive(file.name):
                    file.unlink(missing_ok=True)
