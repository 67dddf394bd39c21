"""What is kept from one run to the next: the show log, the air log and the agents' secrets, in one folder.

And, while a show runs, what directs it.
"""

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from debate_caster.errors import SetupError
from debate_caster.log import EventLog, MemoryEventLog, SqliteEventLog

__all__ = ["DataFolder"]


class DataFolder:
    """The folder; made when something is first kept in it. Only its owner may look into it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def show_log(self) -> Path:
        """The caster's private log of every show."""
        return self.path / "show-log.db"

    @property
    def air_log(self) -> Path:
        """The stage's log of what was on air."""
        return self.path / "air-log.db"

    @property
    def agents(self) -> Path:
        """The folder of the agents' ids and secrets on each target."""
        return self.path / "agents"

    @property
    def desks(self) -> Path:
        """The folder of the tokens by which the shows that run are directed."""
        return self.path / "desks"

    @property
    def signing_keys(self) -> Path:
        """The keys that the stage's tokens are signed with."""
        return self.path / "signing-keys"

    @property
    def calendar(self) -> Path:
        """The ledger of recurring shows."""
        return self.path / "calendar.db"

    @property
    def owners(self) -> Path:
        """The folder in which processes that work on the calendar show that they live."""
        return self.path / "calendar-owners"

    @property
    def announcements(self) -> Path:
        """The outbox: what is still to be announced, and what was."""
        return self.path / "announcements.db"

    @property
    def shows(self) -> Path:
        """The folder of what it takes to go on with the shows that have not ended."""
        return self.path / "shows"

    @property
    def seasons(self) -> Path:
        """The folder of what was given in each episode of a series, and what its personas remember."""
        return self.path / "seasons"

    def make(self) -> None:
        """Make the folder.

        Raises:
            SetupError: It can't be made.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise SetupError(
                f"the data folder {self.path} can't be made ({exc.strerror})", "Name another with --data-dir."
            ) from exc

    @contextmanager
    def claim_air_log(self) -> Iterator[bool]:
        """Claim the air log for one stage; False when another process has it. The system frees it when we die.

        A stage takes up shows that the last one left unfinished, so two of them would take each other's.

        Raises:
            SetupError: The folder can't be made or written.
        """
        self.make()
        try:
            lock = os.open(self.air_log.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise SetupError(f"the data folder {self.path} can't be written ({exc.strerror})") from exc
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    @asynccontextmanager
    async def open(self, path: Path) -> AsyncIterator[EventLog]:
        """Open one of the two logs; leaving the block closes it.

        Raises:
            SetupError: The folder can't be made.
            LogError: On the first use, when the file is damaged or can't be written.
        """
        self.make()
        log = SqliteEventLog(path)
        try:
            yield log
        finally:
            await log.close()

    @asynccontextmanager
    async def open_kept(self) -> AsyncIterator[tuple[EventLog, EventLog]]:
        """Open the show log and the air log as far as they are there, else an empty one; makes no file."""
        async with AsyncExitStack() as stack:
            show_log, air_log = [
                await stack.enter_async_context(self.open(path)) if path.is_file() else MemoryEventLog()
                for path in (self.show_log, self.air_log)
            ]
            yield show_log, air_log
