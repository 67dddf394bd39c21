"""A SQLite file that several processes may share, used from one thread so that nobody waits for the disk but who asked.

Times are kept as milliseconds since 1970, UTC. What is acknowledged is on the disk: WAL, ``synchronous=FULL``.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from debate_caster.errors import LogError

__all__ = ["IN_MEMORY", "Database", "from_ms", "in_ms", "transaction"]

T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0
"""How long another process may hold the write lock."""

IN_MEMORY = ":memory:"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Database:
    """The file ``path``, made when first needed; ``IN_MEMORY`` keeps it in this process.

    Args:
        path: Where it is.
        name: What errors call it.
        application_id: Marks the file as ours, so that another program's, named by mistake, is not written to.
        version: Of the schema; a file with a higher one is of a newer program and is left alone.
        schema: Makes what a file of an older version lacks, or a new one. No statement of it holds a semicolon.
        steps: By version what a file of it needs before, to become one of the next.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        name: str,
        application_id: int,
        version: int,
        schema: str,
        steps: Mapping[int, str] | None = None,
    ) -> None:
        self.path = path
        self._name, self._application_id, self._version = name, application_id, version
        self._schema = f"PRAGMA application_id = {application_id}; PRAGMA user_version = {version}; {schema}"
        self._steps = dict(steps or {})
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: sqlite3.Connection | None = None

    @property
    def is_made(self) -> bool:
        """Whether there is a file yet; asks the disk."""
        return self._connection is not None or (self.path != IN_MEMORY and os.path.lexists(self.path))

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``work`` does with the connection.

        Raises:
            LogError: The file can't be read or written.
        """
        return await self._in_thread(lambda: work(self._open()))

    async def aclose(self) -> None:
        """Let go of the file."""
        await self._in_thread(self._close)
        self._thread.shutdown(wait=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            if self.path == IN_MEMORY:  # no disk to wait for
                return work()
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as exc:
            raise LogError(self._name, f"{self.path}: {exc}") from exc
        except OSError as exc:
            raise LogError(self._name, f"{self.path}: its folder can't be used ({exc.strerror})") from exc

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            if isinstance(self.path, Path):
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        mark, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if mark not in (0, self._application_id):
            raise LogError(self._name, f"{self.path} is another program's file")
        if version > self._version:
            raise LogError(self._name, f"{self.path} was written by a newer debate-caster")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if version < self._version:
            self._bring_up_to_date(connection)

    def _bring_up_to_date(self, db: sqlite3.Connection) -> None:
        with transaction(db):
            version = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been quicker
            steps = [self._steps.get(older, "") for older in range(max(version, 1), self._version) if version]
            for statement in "".join([*steps, self._schema]).split(";"):  # not a script: that would commit half way
                db.execute(statement)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write as long as the block runs; what it wrote is stored at its end, all of it or, on an error, nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # of some errors SQLite has rolled it back by itself
            db.execute("ROLLBACK")
        raise


def in_ms(at: datetime) -> int:
    """Return an instant as files have it."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """Return the instant that stands in a file, UTC."""
    return EPOCH + timedelta(milliseconds=ms)
