"""How streams leave the SQLite file: marked in one transaction, and so gone for everybody; swept out in small ones.

Whoever dies in between has removed what is marked: the next one who looks for room finds the rest and sweeps it out.
The functions work on a writer's connection, and none of them holds the file much longer than an append does.
"""

import sqlite3
from collections.abc import Mapping

from debate_caster.errors import FencedError

__all__ = ["FORGOTTEN", "cut_journal", "forgotten_names", "mark", "shrink", "sweep"]

FORGOTTEN = 2**63 - 1
"""The epoch of a forgotten stream, the highest that SQLite holds: so no writer of any version adds to it."""

SWEPT_EVENTS = 500
"""Events swept out in one transaction, some 150 KB of an ordinary show: measured, twice as many hold others up twice as
long, and half as many take twice the time."""

SWEPT_STREAMS = 50
"""Streams looked at for that; small ones go together."""

SHRUNK_PAGES = 256
"""Pages given back in one transaction: a megabyte, each page of it moved at most once."""


def mark(connection: sqlite3.Connection, streams: Mapping[str, int]) -> None:
    """Mark streams that end where they are said to as forgotten, within the transaction that is open.

    Raises:
        FencedError: One has grown.
    """
    for name, expect in streams.items():
        row = connection.execute("SELECT id, last_seq, epoch FROM streams WHERE name = ?", (name,)).fetchone()
        if row is None or row[2] == FORGOTTEN:
            continue
        identity, last_seq, _ = row
        if last_seq != expect:
            raise FencedError(name, f"ends at {last_seq}, expected {expect}")
        connection.execute("UPDATE streams SET epoch = ? WHERE id = ?", (FORGOTTEN, identity))


def forgotten_names(connection: sqlite3.Connection, prefix: str) -> list[str]:
    query = "SELECT name FROM streams WHERE epoch = ?1 AND name >= ?2 AND substr(name, 1, length(?2)) = ?2 ORDER BY id"
    return [name for (name,) in connection.execute(query, (FORGOTTEN, prefix))]


def sweep(connection: sqlite3.Connection) -> bool:
    """Delete some events of forgotten streams, within the transaction that is open; say whether there may be more."""
    query = (
        "SELECT id, (SELECT min(seq) FROM events WHERE stream = id) AS first FROM streams "
        "WHERE epoch = ? AND first IS NOT NULL LIMIT ?"
    )
    left = SWEPT_EVENTS
    found = connection.execute(query, (FORGOTTEN, SWEPT_STREAMS)).fetchall()
    for identity, first in found:
        delete = "DELETE FROM events WHERE stream = ? AND seq < ?"
        left -= connection.execute(delete, (identity, first + left)).rowcount
        if left <= 0:
            break
    return bool(found)


def shrink(connection: sqlite3.Connection) -> bool:
    """Give some of the file's free pages back to the disk; say whether there are more.

    A file that was made without the means for it keeps its size: new events fill the room first.
    """
    (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    if mode != 2:
        return False
    # As a script: each step of the statement moves one page, and of one without columns the driver takes one step only.
    connection.executescript(f"PRAGMA incremental_vacuum({SHRUNK_PAGES})")
    (left,) = connection.execute("PRAGMA freelist_count").fetchone()
    return bool(left)


def cut_journal(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Bring the write-ahead log into the database and cut it to nothing, unless somebody reads or writes just now."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_s * 1000)}")
