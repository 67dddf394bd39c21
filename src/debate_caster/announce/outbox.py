"""The outbox: what is to be announced to whom, in a SQLite file that several processes may share.

An announcement is written here before anybody is told, once for each receiver, and stays until it has been delivered
or given up; so it survives whoever wrote it. No address and no secret is kept: a receiver is known by a digest.
"""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from debate_caster.announce.notices import Notice
from debate_caster.log.database import Database, in_ms, transaction

__all__ = ["APPLICATION_ID", "LEASE", "SCHEMA_VERSION", "Addressee", "Outbox", "Parcel"]

APPLICATION_ID = 0x6463616E
SCHEMA_VERSION = 1

LEASE = timedelta(seconds=30)
"""How long who delivers something has it for itself: longer than an attempt may take. After that who had it is dead."""

KEPT = timedelta(days=30)
"""How long it is remembered what was announced, so that it is not announced again; a show that goes on is younger."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS announcements (
  id INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, notice_id TEXT NOT NULL, show TEXT NOT NULL,
  notice TEXT NOT NULL, made INTEGER NOT NULL, expires INTEGER NOT NULL, due INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, leased INTEGER NOT NULL DEFAULT 0, fate TEXT NOT NULL DEFAULT '',
  UNIQUE (receiver, notice_id)
) STRICT;
CREATE INDEX IF NOT EXISTS waiting ON announcements (due) WHERE fate = '';
"""

_TO_THESE = (
    "(receiver, coalesce(json_extract(notice, '$.show.scenario'), '')) IN "
    "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
)

Addressee = tuple[str, str]
"""A receiver, and the key of the scenario that tells it: another one may tell it with another secret."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """An announcement on its way to a receiver; ``attempts`` were made before."""

    id: int
    receiver: str
    notice: Notice
    attempts: int

    @property
    def addressee(self) -> Addressee:
        return self.receiver, self.notice.show.scenario


class Outbox:
    """The outbox in the file ``path``, made when first needed. Every method raises ``LogError`` where it fails."""

    def __init__(self, path: Path | str) -> None:
        self._file = Database(
            path, name="announcements", application_id=APPLICATION_ID, version=SCHEMA_VERSION, schema=_SCHEMA
        )

    async def aclose(self) -> None:
        """Let go of the file."""
        await self._file.aclose()

    async def put(self, receivers: Collection[str], notice: Notice, now: datetime) -> int:
        """Write down that these are to be told; return how many had not been."""
        values = [
            (receiver, notice.id, notice.show.id, notice.model_dump_json(), *map(in_ms, (now, notice.expires_at, now)))
            for receiver in sorted(receivers)
        ]

        def work(db: sqlite3.Connection) -> int:
            before = db.total_changes
            with transaction(db):
                db.executemany(
                    "INSERT OR IGNORE INTO announcements (receiver, notice_id, show, notice, made, expires, due) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    values,
                )
            return db.total_changes - before

        return await self._file.run(work)

    async def take(self, addressees: Collection[Addressee], now: datetime, *, limit: int) -> list[Parcel]:
        """Return what is due for these, one for each receiver at most, and have it for ourselves for ``LEASE``.

        Whom nothing has failed for comes first, so that many who are dead do not hold up who is well. What was said of
        a show first is delivered first. A lease that ends later than any could is none: the clock was set back.
        """

        def work(db: sqlite3.Connection) -> list[Parcel]:
            with transaction(db):
                rows = db.execute(
                    "WITH tried AS (SELECT receiver, max(attempts) AS most FROM announcements "  # noqa: S608 - a constant
                    "WHERE fate = '' GROUP BY receiver) SELECT min(id), receiver, notice, attempts FROM announcements "
                    "AS this JOIN tried USING (receiver) WHERE fate = '' AND due <= ? AND leased NOT BETWEEN ? AND ? "
                    f"AND {_TO_THESE} AND NOT EXISTS (SELECT 1 FROM announcements AS other WHERE "
                    "other.receiver = this.receiver AND other.show = this.show AND other.id < this.id "
                    "AND other.fate = '') GROUP BY receiver ORDER BY most, 1 LIMIT ?",
                    (in_ms(now), *_leased(now), _listed(addressees), limit),
                ).fetchall()
                parcels = [parcel for row in rows if (parcel := _parcel(db, *row)) is not None]
                db.executemany(
                    "UPDATE announcements SET leased = ? WHERE id = ?",
                    [(in_ms(now + LEASE), parcel.id) for parcel in parcels],
                )
            return parcels

        return await self._file.run(work)

    async def close_case(self, parcel: Parcel, fate: str) -> None:
        """Say what has become of it for good."""
        await self._write("UPDATE announcements SET fate = ?, attempts = attempts + 1 WHERE id = ?", fate, parcel.id)

    async def put_off(self, parcel: Parcel, until: datetime) -> None:
        """Say that it could not be delivered, and when to try again."""
        await self._write(
            "UPDATE announcements SET due = ?, leased = 0, attempts = attempts + 1 WHERE id = ?",
            in_ms(until), parcel.id,
        )  # fmt: skip

    async def let_go(self, parcel: Parcel) -> None:
        """Let others have it: we stop before we know what became of it."""
        await self._write("UPDATE announcements SET leased = 0 WHERE id = ?", parcel.id)

    async def expire(self, now: datetime) -> list[tuple[str, str]]:
        """Give up what nobody needs to hear any more, and forget what is long done; return kind and show of the former.

        What is being delivered just now is left alone, and a file that nobody has needed yet is not made for it.
        """

        def work(db: sqlite3.Connection) -> list[tuple[str, str]]:
            with transaction(db):
                rows = db.execute(
                    "UPDATE announcements SET fate = 'expired' WHERE fate = '' AND expires <= ? "
                    "AND leased NOT BETWEEN ? AND ? RETURNING notice_id, show",
                    (in_ms(now), *_leased(now)),
                ).fetchall()
                db.execute("DELETE FROM announcements WHERE fate != '' AND made < ?", (in_ms(now - KEPT),))
            return [(str(notice).rpartition(".")[2], str(show)) for notice, show in rows]

        return await self._file.run(work) if self._file.is_made else []

    async def waiting(self, addressees: Collection[Addressee]) -> int:
        """Return how many announcements are still to be delivered to these."""
        rows = await self._file.run(
            lambda db: db.execute(
                f"SELECT count(*) FROM announcements WHERE fate = '' AND {_TO_THESE}",  # noqa: S608 - a constant
                (_listed(addressees),),
            ).fetchall()
        )
        return int(rows[0][0])

    async def _write(self, statement: str, *values: object) -> None:
        await self._file.run(lambda db: db.execute(statement, values))


def _listed(addressees: Collection[Addressee]) -> str:
    """Return them as ``_TO_THESE`` takes them, and for each receiver what names no scenario: nobody can read that."""
    return json.dumps(sorted({*addressees, *((receiver, "") for receiver, _ in addressees)}))


def _leased(now: datetime) -> tuple[int, int]:
    """Return between which ends a lease holds. Who took one may have looked at the clock after us: twice its length."""
    return in_ms(now) + 1, in_ms(now + 2 * LEASE)


def _parcel(db: sqlite3.Connection, id_: int, receiver: str, notice: str, attempts: int) -> Parcel | None:
    """Return what a row holds; one that a newer program wrote otherwise is closed, so that it holds up nothing."""
    try:
        return Parcel(id_, receiver, Notice.model_validate_json(notice), attempts)
    except ValidationError:
        db.execute("UPDATE announcements SET fate = 'unreadable' WHERE id = ?", (id_,))
        return None
