"""The event log in one SQLite file: durable, safe for several processes, no server to run.

One thread writes, and commits together what waits together, so that many shows share an ``fsync``; other threads read
and never wait for it (WAL). Another process may write the same file: fencing happens inside the transaction, and tails
notice foreign commits by a light poll. Knows nothing about events.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from debate_caster.errors import FencedError, ForgottenError, LogError
from debate_caster.log import removal
from debate_caster.log.database import transaction
from debate_caster.log.event_log import Record, StreamInfo

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "SqliteEventLog", "what_failed"]

T = TypeVar("T")

SCHEMA_VERSION = 1
"""Kept in the file's ``user_version``; a file with a higher one belongs to a newer program and is left alone."""

APPLICATION_ID = 0x64636173
"""Marks the file as ours ("dcas"), so that another program's database named by mistake is not written to."""

BUSY_TIMEOUT_S = 5.0
"""How long another process may hold the write lock: longer than its slowest commit, shorter than an audience waits."""

POLL_INTERVAL_S = 0.5
"""How often tails look for what another process wrote: a ``PRAGMA`` that reads four bytes of shared memory."""

RECENT = 64
"""Records of our own kept for the tails of a stream, so that one that keeps up never reads the disk."""

CHECKPOINT_COMMITS = 256
"""After so many commits the write-ahead log is brought into the database: right after a commit has been answered, so
that nobody's line waits for it. About 1,000 pages, where SQLite would do it within a commit."""

BACKSTOP_PAGES = 8000
"""Where SQLite does it within a commit after all: 32 MB of log, when checkpoints keep meeting readers."""

READERS = 2
"""Threads that read; a long history being read must not hold up the others."""

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE IF NOT EXISTS streams (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL, last_seq INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS events (
  stream INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
"""

_CURES = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_BUSY: "another program holds it locked: end that program",
    sqlite3.SQLITE_LOCKED: "another program holds it locked: end that program",
    sqlite3.SQLITE_READONLY: "it is read-only: give this user the right to write the file and its folder",
    sqlite3.SQLITE_PERM: "it is read-only: give this user the right to write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened: check that its folder exists and may be written",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore a backup, or move the file away to start afresh",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database: name another file",
    sqlite3.SQLITE_IOERR: "the disk failed: check it, and that nobody removed the file",
}

_LASTING = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Of these, what no waiting cures."""


def what_failed(error: sqlite3.Error) -> str:
    """Return what is wrong with a file that SQLite can't use, a colon, and the cure; "" where that is not known."""
    return _CURES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")  # the low byte is the kind, the rest its shade


@dataclass(slots=True, eq=False)
class _Append:
    """One append on its way: filled in by the writer's thread, read again by the task that waits for it."""

    stream: str
    bodies: Sequence[str]
    expect: int
    epoch: int
    last_seq: int | None = None
    error: LogError | None = None


@dataclass(slots=True)
class _Followers:
    """The tails of one stream that wait for it to grow, and what this process appended of late, without a gap."""

    events: set[asyncio.Event] = field(default_factory=set)
    recent: deque[Record] = field(default_factory=lambda: deque(maxlen=RECENT))

    def wake(self) -> None:
        for event in self.events:
            event.set()

    def remember(self, first_seq: int, bodies: Sequence[str]) -> None:
        if self.recent and self.recent[-1].seq != first_seq - 1:
            self.recent.clear()
        self.recent.extend(Record(seq, body) for seq, body in enumerate(bodies, start=first_seq))

    def forget(self) -> None:
        """Somebody else has written, perhaps here: what follows is on the disk."""
        self.recent.clear()

    def since(self, after: int) -> list[Record] | None:
        """Return what follows ``after`` as far as this process knows, None where the disk has to be asked."""
        if not self.recent or self.recent[0].seq > after + 1 or self.recent[-1].seq < after:
            return None
        return [record for record in self.recent if record.seq > after]


class SqliteEventLog:
    """An ``EventLog`` in the file ``path``, which is created, with its folder, when first needed."""

    def __init__(self, path: Path, *, poll_interval_s: float = POLL_INTERVAL_S) -> None:
        self.path = path
        self._poll_interval_s = poll_interval_s
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="log-writer")
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="log-reader")
        self._writer: sqlite3.Connection | None = None
        self._readers = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._pending: deque[_Append] = deque()
        self._lock = threading.Lock()
        self._followers: dict[str, _Followers] = {}
        self._data_version = 0
        self._looking: asyncio.Future[bool] | None = None
        self._commits = 0
        self._closed = False

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        self._check_open(stream)
        request = _Append(stream, tuple(bodies), expect, epoch)
        with self._lock:
            self._pending.append(request)
        try:
            await self._run(self._writing, self._commit_pending)
        except asyncio.CancelledError:
            with self._lock, suppress(ValueError):
                self._pending.remove(request)  # not begun: it must not be written after we have said goodbye
            raise
        if request.error is not None:
            raise request.error
        if request.last_seq is None:  # pragma: no cover - the writer answers every request it takes
            raise LogError(stream, f"{self.path}: the writer gave no answer")
        if bodies and (followers := self._followers.get(stream)):
            followers.remember(expect + 1, request.bodies)
            followers.wake()
        return request.last_seq

    async def read(self, stream: str, after: int, *, limit: int = 500) -> list[Record]:
        self._check_open(stream)
        return await self._run(self._reading, lambda: self._read(stream, after, limit))

    async def last_seq(self, stream: str) -> int:
        self._check_open(stream)
        return await self._run(self._reading, lambda: self._last_seq(stream))

    @asynccontextmanager
    async def tail(self, stream: str, after: int) -> AsyncIterator[AsyncIterator[Record]]:
        grown = asyncio.Event()
        followers = self._followers.setdefault(stream, _Followers())
        followers.events.add(grown)
        try:
            yield self._follow(stream, after, grown, followers)
        finally:
            followers.events.discard(grown)
            if not followers.events and self._followers.get(stream) is followers:
                del self._followers[stream]

    async def streams(self, prefix: str = "") -> list[StreamInfo]:
        self._check_open(prefix)
        return await self._run(self._reading, lambda: self._streams(prefix))

    async def forget(self, streams: Mapping[str, int]) -> None:
        self._check_open("")
        await self._run(self._writing, lambda: self._forget(streams))
        for stream in streams:
            if followers := self._followers.get(stream):
                followers.forget()
                followers.wake()

    async def forgotten(self, prefix: str = "") -> list[str]:
        self._check_open(prefix)
        return await self._run(self._reading, lambda: self._forgotten(prefix))

    async def reclaim(self) -> bool:
        self._check_open("")
        return await self._run(self._writing, self._reclaim)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for followers in self._followers.values():
            followers.wake()
        await self._run(self._writing, self._commit_pending)
        # The last reads must be over before the connections go; both pools are idle or finishing by now.
        await self._run(None, self._let_go)

    # -- in the event loop --------------------------------------------------------------------------------------

    def _check_open(self, stream: str) -> None:
        if self._closed:
            raise LogError(stream, f"{self.path}: the log is closed")

    @staticmethod
    async def _run(executor: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work)

    async def _follow(
        self, stream: str, after: int, grown: asyncio.Event, followers: _Followers
    ) -> AsyncIterator[Record]:
        after = max(after, 0)
        while True:
            grown.clear()
            self._check_open(stream)
            records = followers.since(after)
            if records is None:
                records = await self.read(stream, after)
            for record in records:
                after = record.seq
                yield record
            while not records and not grown.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_interval_s):
                        await grown.wait()
                if not grown.is_set():
                    await self._look_for_others()

    async def _look_for_others(self) -> None:
        """Wake every tail when another process has committed; tails that ask at the same time share one look."""
        self._check_open("")
        if self._looking is None:
            self._looking = asyncio.get_running_loop().run_in_executor(self._writing, self._foreign_commit)
            self._looking.add_done_callback(self._looked)
        await asyncio.shield(self._looking)

    def _looked(self, look: asyncio.Future[bool]) -> None:
        self._looking = None
        # The error is fetched even when nobody is left who asked; those who did get it from the future itself.
        if not look.cancelled() and look.exception() is None and look.result():
            for followers in self._followers.values():
                followers.forget()
                followers.wake()

    # -- in the writer's thread ---------------------------------------------------------------------------------

    def _commit_pending(self) -> None:
        """Store everything that waits in one transaction; each request is answered for itself."""
        with self._lock:
            batch = list(self._pending)
            self._pending.clear()
        if not batch:
            return
        try:
            with self._translated(batch[0].stream):
                with transaction(self._writer_connection()) as connection:
                    for request in batch:
                        self._store(connection, request)
                self._commits += 1
        except LogError as exc:
            for request in batch:
                if not isinstance(request.error, FencedError):
                    request.error = LogError(request.stream, exc.detail, passing=exc.passing)

        if self._commits >= CHECKPOINT_COMMITS:
            self._commits = 0
            self._writing.submit(self._checkpoint)

    def _checkpoint(self) -> None:
        """Bring the write-ahead log into the database, as far as no reader is in the way."""
        if self._writer is not None:
            with suppress(sqlite3.Error):  # the next commit meets what is wrong, and says so
                self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _store(self, connection: sqlite3.Connection, request: _Append) -> None:
        row = connection.execute("SELECT id, last_seq, epoch FROM streams WHERE name = ?", (request.stream,)).fetchone()
        identity, last_seq, epoch = row or (None, 0, 0)
        if epoch == removal.FORGOTTEN:
            request.error = FencedError(request.stream, "it has been removed")
        elif last_seq != request.expect:
            request.error = FencedError(request.stream, f"ends at {last_seq}, expected {request.expect}")
        elif request.epoch < epoch:
            request.error = FencedError(request.stream, f"epoch {request.epoch} is over, {epoch} is writing")
        else:
            request.last_seq = last_seq + len(request.bodies)
        if request.error is not None or not request.bodies:
            return
        try:
            places = [(last_seq + offset, body) for offset, body in enumerate(request.bodies, start=1)]
            for body in request.bodies:
                body.encode()
        except UnicodeEncodeError as exc:
            request.error, request.last_seq = LogError(request.stream, f"not storable as UTF-8: {exc.reason}"), None
            return
        if identity is None:
            insert = "INSERT INTO streams (name, epoch, last_seq) VALUES (?, ?, ?)"
            identity = connection.execute(insert, (request.stream, request.epoch, request.last_seq)).lastrowid
        else:
            update = "UPDATE streams SET epoch = ?, last_seq = ? WHERE id = ?"
            connection.execute(update, (request.epoch, request.last_seq, identity))
        rows = [(identity, seq, body) for seq, body in places]
        connection.executemany("INSERT INTO events (stream, seq, body) VALUES (?, ?, ?)", rows)

    def _forget(self, streams: Mapping[str, int]) -> None:
        if self._writer is None and not self.path.exists():
            return  # nothing was ever written here
        with self._translated(next(iter(streams), "")), transaction(self._writer_connection()) as connection:
            removal.mark(connection, streams)

    def _reclaim(self) -> bool:
        if self._writer is None and not self.path.exists():
            return False
        with self._translated(""):
            with transaction(self._writer_connection()) as connection:
                more = removal.sweep(connection)
            more = more or removal.shrink(connection)
            if more:
                self._checkpoint()
            else:
                removal.cut_journal(connection, BUSY_TIMEOUT_S)
            return more

    def _foreign_commit(self) -> bool:
        """Say whether somebody else has committed since the last look: our own commits leave ``data_version`` alone."""
        if self._writer is None:
            return self.path.exists()  # we have not written: no connection of ours could tell, and reading is cheap
        with self._translated(""):
            seen = self._data_version
            (self._data_version,) = self._writer.execute("PRAGMA data_version").fetchone()
        return self._data_version != seen

    def _writer_connection(self) -> sqlite3.Connection:
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connect()
            try:
                new = self._check_ours(connection)
                if new:  # before anything else is written: only so can the file give room back, piece by piece
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA wal_autocheckpoint = {BACKSTOP_PAGES}")
                if new:
                    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            except BaseException:
                connection.close()
                raise
            self._connections.append(connection)
            self._writer = connection
        return self._writer

    def _check_ours(self, connection: sqlite3.Connection) -> bool:
        """Say whether the file is still empty; refuse it when it is somebody else's."""
        # The tables first: another process may be making the file, and gives it its mark together with them.
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if tables and application != APPLICATION_ID:
            raise LogError("", f"{self.path}: it is another program's database: name another file")
        if version > SCHEMA_VERSION:
            raise LogError("", f"{self.path}: written by a newer debate-caster (format {version}): update this one")
        return not tables

    # -- in the readers' threads --------------------------------------------------------------------------------

    def _read(self, stream: str, after: int, limit: int) -> list[Record]:
        query = (
            "SELECT events.seq, events.body FROM streams JOIN events ON events.stream = streams.id "
            "WHERE streams.name = ? AND events.seq > ? AND streams.epoch < ? ORDER BY events.seq LIMIT ?"
        )
        after = min(max(after, 0), 2**63 - 1)  # what an INTEGER of SQLite holds
        with self._reader(stream) as connection:
            if connection is None:
                return []
            rows = connection.execute(query, (stream, after, removal.FORGOTTEN, max(limit, 0))).fetchall()
            if not rows:
                self._end_of(connection, stream)
            return [Record(seq, body) for seq, body in rows]

    def _last_seq(self, stream: str) -> int:
        with self._reader(stream) as connection:
            return 0 if connection is None else self._end_of(connection, stream)

    @staticmethod
    def _end_of(connection: sqlite3.Connection, stream: str) -> int:
        row = connection.execute("SELECT last_seq, epoch FROM streams WHERE name = ?", (stream,)).fetchone()
        last_seq, epoch = row or (0, 0)
        if epoch == removal.FORGOTTEN:
            raise ForgottenError(stream)
        return int(last_seq)

    def _forgotten(self, prefix: str) -> list[str]:
        with self._reader(prefix) as connection:
            return [] if connection is None else removal.forgotten_names(connection, prefix)

    def _streams(self, prefix: str) -> list[StreamInfo]:
        query = (
            "SELECT streams.name, events.body, streams.last_seq FROM streams "
            "JOIN events ON events.stream = streams.id AND events.seq = 1 "
            "WHERE streams.name >= ?1 AND substr(streams.name, 1, length(?1)) = ?1 AND streams.epoch < ?2 "
            "ORDER BY streams.id DESC"
        )
        with self._reader(prefix) as connection:
            if connection is None:
                return []
            return [
                StreamInfo(name, Record(1, body), last)
                for name, body, last in connection.execute(query, (prefix, removal.FORGOTTEN))
            ]

    @contextmanager
    def _reader(self, stream: str) -> Iterator[sqlite3.Connection | None]:
        """This thread's own connection, or None as long as nobody has written anything: reading creates no file."""
        with self._translated(stream):
            connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
            if connection is None and self.path.exists():
                connection = self._connect()
                (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'events'").fetchone()
                if not tables:  # somebody is making the file just now, or it is not ours: the writer will say which
                    connection.close()
                    connection = None
                else:
                    self._check_ours(connection)
                    self._readers.connection = connection
                    with self._lock:
                        self._connections.append(connection)
            yield connection

    # -- in any thread ------------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        if not self.path.exists():  # what is not aired stays its owner's; SQLite gives its WAL the same rights
            with suppress(OSError):  # SQLite says what is wrong
                self.path.touch(mode=0o600)
        # check_same_thread off: each connection has its thread, but closing is done by another once they are idle.
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
        return connection

    def _let_go(self) -> None:
        self._reading.shutdown(wait=True)
        self._writing.shutdown(wait=True)
        for connection in self._connections:
            connection.close()

    @contextmanager
    def _translated(self, stream: str) -> Iterator[None]:
        """Turn what SQLite and the file system raise into a ``LogError`` that names the file and the cure."""
        try:
            yield
        except sqlite3.Error as exc:
            detail = what_failed(exc)
            passing = bool(detail) and getattr(exc, "sqlite_errorcode", 0) & 0xFF not in _LASTING
            detail = detail or "unexpected: please report it"
            raise LogError(stream, f"{self.path}: {detail} ({exc})", passing=passing) from exc
        except OSError as exc:
            raise LogError(stream, f"{self.path}: its folder can't be used ({exc.strerror}): name another") from exc
