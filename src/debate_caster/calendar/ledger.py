"""The ledger: what became of every slot, one row each, in a SQLite file that several processes may share.

A row is written before its show starts, and the first to write it is the one to start it. Times are kept as
milliseconds since 1970, UTC.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from debate_caster.calendar import accounts
from debate_caster.calendar.accounts import Books, Shortage
from debate_caster.calendar.allowance import Period, Standing
from debate_caster.calendar.docket import Outcome, Reason
from debate_caster.log.database import IN_MEMORY, Database, from_ms, in_ms, transaction

__all__ = ["APPLICATION_ID", "IN_MEMORY", "SCHEMA_VERSION", "CalendarRow", "Entry", "Ledger", "Occurrence", "Request"]

SCHEMA_VERSION = 2
APPLICATION_ID = 0x64636361
"""Marks the file as ours ("dcca"), so that another program's database named by mistake is not written to."""

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS calendars (
  scenario TEXT PRIMARY KEY, title TEXT NOT NULL, path TEXT NOT NULL, entries TEXT NOT NULL, handled INTEGER NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS occurrences (
  id INTEGER PRIMARY KEY AUTOINCREMENT, scenario TEXT NOT NULL, slot INTEGER, due INTEGER, rule TEXT NOT NULL,
  outcome TEXT NOT NULL, why TEXT NOT NULL, show TEXT UNIQUE, owner TEXT NOT NULL, decided INTEGER NOT NULL,
  ended INTEGER, ending TEXT NOT NULL DEFAULT '', UNIQUE (scenario, slot)
) STRICT;
CREATE INDEX IF NOT EXISTS unfinished ON occurrences (scenario) WHERE show IS NOT NULL AND ended IS NULL;
CREATE TABLE IF NOT EXISTS requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT, scenario TEXT NOT NULL, asked INTEGER NOT NULL, answer TEXT,
  over_budget INTEGER NOT NULL DEFAULT 0
) STRICT;
{accounts.SCHEMA}
"""

_FROM_VERSION = {1: "ALTER TABLE requests ADD COLUMN over_budget INTEGER NOT NULL DEFAULT 0;"}
"""What a file of an older version lacks that ``_SCHEMA`` does not make."""

_OCCURRENCES = (
    "SELECT id, scenario, slot, due, rule, outcome, why, show, owner, decided, ended, ending FROM occurrences"
)


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """A scenario that the calendar knows. ``entries`` is its schedule as JSON, as it was when last read."""

    scenario: str
    title: str
    path: str
    entries: str
    handled_until: datetime
    paused: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be written of one slot. Without ``slot`` it is a show that somebody asked for by hand.

    ``money`` is the most that the show may cost, None where nobody knows.
    """

    scenario: str
    slot: datetime | None
    due: datetime | None
    rule: str
    outcome: Outcome
    why: Reason
    show: str | None
    money: Decimal | None = Decimal(0)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A row of the ledger. ``ending`` says how the show ended, empty while it has not."""

    id: int
    scenario: str
    slot: datetime | None
    due: datetime | None
    rule: str
    outcome: Outcome
    why: Reason
    show: str | None
    owner: str
    decided_at: datetime
    ended_at: datetime | None
    ending: str


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody's wish for a show of a scenario, now; one ``over_budget`` may cost more than is left."""

    id: int
    scenario: str
    asked_at: datetime
    over_budget: bool


class Ledger:
    """The ledger in the file ``path``, made when first needed; ``IN_MEMORY`` keeps it in this process.

    Every method raises ``LogError`` where the file can't be read or written. One thread does the work, so that nobody
    waits for the disk but who asked.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self._file = Database(
            path, name="calendar", application_id=APPLICATION_ID, version=SCHEMA_VERSION, schema=_SCHEMA,
            steps=_FROM_VERSION,
        )  # fmt: skip

    async def aclose(self) -> None:
        """Let go of the file."""
        await self._file.aclose()

    async def calendars(self) -> list[CalendarRow]:
        """Return the scenarios that are or were on this calendar, by name."""
        rows = await self._select("SELECT scenario, title, path, entries, handled, paused FROM calendars ORDER BY 1")
        return [_calendar(row) for row in rows]

    async def admit(self, scenario: str, *, title: str, path: str, entries: str, now: datetime) -> CalendarRow:
        """Put a scenario on the calendar from ``now`` on; one that is there keeps its schedule and its place in time.

        Returns the row as it is then: whoever sees other ``entries`` in it calls ``change`` once those are handled.
        """

        def work(db: sqlite3.Connection) -> CalendarRow:
            with transaction(db):
                db.execute(
                    "INSERT INTO calendars VALUES (?, ?, ?, ?, ?, 0) "
                    "ON CONFLICT DO UPDATE SET title = excluded.title, path = excluded.path",
                    (scenario, title, path, entries, in_ms(now)),
                )
                row = db.execute(
                    "SELECT scenario, title, path, entries, handled, paused FROM calendars WHERE scenario = ?",
                    (scenario,),
                ).fetchone()
            return _calendar(row)

        return await self._file.run(work)

    async def change(self, scenario: str, entries: str, since: datetime) -> None:
        """Take a new schedule, which holds after ``since``."""
        await self._write(
            "UPDATE calendars SET entries = ?, handled = max(handled, ?) WHERE scenario = ?",
            (entries, in_ms(since), scenario),
        )

    async def pause(self, scenario: str, *, paused: bool) -> bool:
        """Pause a scenario's slots, or have them start shows again; False where it is not on the calendar."""
        changed = await self._write("UPDATE calendars SET paused = ? WHERE scenario = ?", (int(paused), scenario))
        return changed > 0

    async def record(
        self,
        entries: Sequence[Entry],
        *,
        owner: str,
        now: datetime,
        handled_until: Mapping[str, datetime] | None = None,
        shows_at_once: int | None = None,
        dead: Collection[str] = (),
        over: Collection[str] = (),
        periods: Sequence[Period] = (),
    ) -> list[Entry]:
        """Write what becomes of slots, all or none; return those that nobody had written before.

        Only they are the caller's: the shows of the others somebody else has started, or has decided not to.
        ``handled_until`` says of scenarios up to which slot they are done with.

        Where ``shows_at_once`` shows of other scenarios are on the air, a show that would start now is skipped instead,
        and comes back as such: however many processes write at the same moment, no more start. Those of the owners
        named in ``dead`` do not count, nor do shows that are ``over``, though the ledger does not say so yet. In the
        same way one is skipped whose money one of the ``periods`` does not have; what the others may cost is held back.
        """

        def work(db: sqlite3.Connection) -> list[Entry]:
            with transaction(db):
                ours, books = [], Books(db, periods)
                for entry in entries:
                    placed = entry
                    if _starts(entry):
                        if not _has_place(db, entry.scenario, shows_at_once, dead, over):
                            placed = replace(entry, outcome="skipped", why="limit", show=None)
                        elif books.shortage(entry.money):
                            placed = replace(entry, outcome="skipped", why="budget", show=None)
                    if _insert(db, placed, owner, now):
                        ours.append(placed)
                        if placed.show is not None and _starts(placed):
                            books.hold(placed.show, placed.money, owner=owner, now=now)
                for scenario, handled in (handled_until or {}).items():
                    db.execute(
                        "UPDATE calendars SET handled = max(handled, ?) WHERE scenario = ?", (in_ms(handled), scenario)
                    )
            return ours

        return await self._file.run(work)

    async def has_place(self, scenario: str, shows_at_once: int | None, *, over: Collection[str] = ()) -> bool:
        """Say whether a show of a scenario may be on the air beside those of the others, as for ``record``."""
        return await self._file.run(lambda db: _has_place(db, scenario, shows_at_once, over=over))

    async def revise(self, show: str, outcome: Outcome, why: Reason, now: datetime) -> None:
        """Say anew what became of a slot whose show waited, or never began."""

        def work(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute(
                    "UPDATE occurrences SET outcome = ?, why = ?, decided = ?, "
                    "show = CASE ? WHEN 'skipped' THEN NULL ELSE show END WHERE show = ?",
                    (outcome, why, in_ms(now), outcome, show),
                )
                if outcome == "skipped":
                    accounts.drop(db, show)

        await self._file.run(work)

    async def finish(self, show: str, ending: str, now: datetime) -> None:
        """Say that a show has ended, and how."""
        await self._write(
            "UPDATE occurrences SET ended = ?, ending = ? WHERE show = ? AND ended IS NULL", (in_ms(now), ending, show)
        )

    async def take_over(self, show: str, *, from_owner: str, owner: str) -> bool:
        """Make another's unfinished show ours; False where somebody was quicker."""

        def work(db: sqlite3.Connection) -> bool:
            with transaction(db):
                done = db.execute(
                    "UPDATE occurrences SET owner = ? WHERE show = ? AND owner = ? AND ended IS NULL",
                    (owner, show, from_owner),
                )
                if done.rowcount:
                    accounts.move(db, show, owner)
                return done.rowcount > 0

        return await self._file.run(work)

    async def unfinished(self) -> list[Occurrence]:
        """Return the occurrences whose shows run, or wait, or died with their process; oldest first."""
        # Asked every few seconds: without the hint SQLite reads a history of months, which comes in the order of ids.
        return await self._occurrences("INDEXED BY unfinished WHERE show IS NOT NULL AND ended IS NULL ORDER BY id", ())

    async def started(self, scenario: str) -> Counter[str]:
        """Return how many shows each rule of a scenario has had."""
        rows = await self._select(
            "SELECT rule, count(*) FROM occurrences WHERE scenario = ? AND slot IS NOT NULL AND outcome != 'skipped' "
            "GROUP BY rule",
            (scenario,),
        )
        return Counter({str(rule): int(number) for rule, number in rows})

    async def history(self, scenario: str | None = None, *, limit: int = 50) -> list[Occurrence]:
        """Return the last occurrences, newest first."""
        return await self._occurrences(
            "WHERE ? IS NULL OR scenario = ? ORDER BY coalesce(slot, decided) DESC, id DESC LIMIT ?",
            (scenario, scenario, limit),
        )

    async def ask(self, scenario: str, now: datetime, *, over_budget: bool = False) -> int:
        """Ask for a show by hand, maybe whatever it costs; return the request's number."""

        def work(db: sqlite3.Connection) -> int:
            done = db.execute(
                "INSERT INTO requests (scenario, asked, over_budget) VALUES (?, ?, ?)",
                (scenario, in_ms(now), int(over_budget)),
            )
            return int(done.lastrowid or 0)

        return await self._file.run(work)

    async def asked(self) -> list[Request]:
        """Return the requests that nobody has answered, oldest first."""
        rows = await self._select(
            "SELECT id, scenario, asked, over_budget FROM requests WHERE answer IS NULL ORDER BY id"
        )
        return [Request(int(id_), str(scenario), from_ms(asked), bool(over)) for id_, scenario, asked, over in rows]

    async def answer(self, request: int, answer: str) -> bool:
        """Answer a request; False where somebody else has."""
        return await self._file.run(lambda db: _answer(db, request, answer))

    async def grant(
        self,
        request: int,
        entry: Entry,
        *,
        owner: str,
        now: datetime,
        shows_at_once: int | None = None,
        over: Collection[str] = (),
        periods: Sequence[Period] = (),
    ) -> bool:
        """Answer a request with a show, and write the show down, both or neither; False where there is nothing to do.

        That is where somebody has answered, or where it is refused: ``shows_at_once`` of other scenarios are on the
        air, those that are ``over`` aside, or one of the ``periods`` does not have the money.
        """

        def work(db: sqlite3.Connection) -> bool:
            with transaction(db):
                if not _has_place(db, entry.scenario, shows_at_once, over=over):
                    _answer(db, request, f"refused: only {shows_at_once} may be on the air at once")
                    return False
                books = Books(db, periods)
                if shortage := books.shortage(entry.money):
                    _answer(db, request, f"refused: {shortage}; --over-budget gives it all the same")
                    return False
                if not _answer(db, request, f"show {entry.show}") or not _insert(db, entry, owner, now):
                    return False
                books.hold(str(entry.show), entry.money, owner=owner, now=now)
                return True

        return await self._file.run(work)

    # -- money ---------------------------------------------------------------------------------------------------

    async def hold(
        self, show: str, money: Decimal | None, *, owner: str, now: datetime, periods: Sequence[Period]
    ) -> Shortage | None:
        """Hold back what a show may cost, unless that is done, or say which of the ``periods`` does not have it."""

        def work(db: sqlite3.Connection) -> Shortage | None:
            with transaction(db):
                books = Books(db, periods)
                if not books.is_open(show) and (shortage := books.shortage(money)):
                    return shortage
                books.hold(show, money, owner=owner, now=now)
                return None

        return await self._file.run(work)

    async def settle(self, show: str, spent: Decimal, last: datetime) -> None:
        """Say what a show has cost that is over, and when it last spent."""
        await self._file.run(lambda db: accounts.settle(db, show, spent, last))

    async def unsettled(self) -> list[tuple[str, str]]:
        """Return the shows, each with its owner, that are not on the calendar any more, and are not settled."""
        return await self._file.run(accounts.unsettled)

    async def without_account(self, shows: Sequence[str]) -> list[str]:
        """Return those of the shows of which the ledger does not know what they cost."""
        return await self._file.run(lambda db: accounts.unknown(db, shows))

    async def standings(self, periods: Sequence[Period]) -> list[Standing]:
        """Return how the periods stand."""
        return await self._file.run(lambda db: [accounts.standing(db, period) for period in periods])

    # -- news ----------------------------------------------------------------------------------------------------

    async def answer_to(self, request: int) -> str | None:
        """Return the answer to a request, None as long as there is none."""
        rows = await self._select("SELECT answer FROM requests WHERE id = ?", (request,))
        return None if not rows or rows[0][0] is None else str(rows[0][0])

    async def version(self) -> int:
        """Return a number that changes whenever another process has written."""
        return int((await self._select("PRAGMA data_version"))[0][0])

    # -- the file ------------------------------------------------------------------------------------------------

    async def _occurrences(self, where: str, values: Sequence[object]) -> list[Occurrence]:
        rows = await self._select(f"{_OCCURRENCES} {where}", values)
        return [
            Occurrence(
                id_, scenario, _maybe_time(slot), _maybe_time(due), rule, outcome, why, show, owner, from_ms(decided),
                _maybe_time(ended), ending,
            )
            for id_, scenario, slot, due, rule, outcome, why, show, owner, decided, ended, ending in rows
        ]  # fmt: skip

    async def _select(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return await self._file.run(lambda db: db.execute(statement, values).fetchall())

    async def _write(self, statement: str, values: Sequence[object]) -> int:
        return await self._file.run(lambda db: db.execute(statement, values).rowcount)


def _starts(entry: Entry) -> bool:
    return entry.show is not None and entry.outcome != "queued"


def _has_place(
    db: sqlite3.Connection,
    scenario: str,
    shows_at_once: int | None,
    dead: Collection[str] = (),
    over: Collection[str] = (),
) -> bool:
    if shows_at_once is None:
        return True
    on_air = db.execute(
        "SELECT count(DISTINCT scenario) FROM occurrences WHERE show IS NOT NULL AND ended IS NULL "
        "AND outcome != 'queued' AND scenario != ? AND owner NOT IN (SELECT value FROM json_each(?)) "
        "AND show NOT IN (SELECT value FROM json_each(?))",
        (scenario, json.dumps(sorted(dead)), json.dumps(sorted(over))),
    ).fetchone()[0]
    return int(on_air) < shows_at_once


def _insert(db: sqlite3.Connection, entry: Entry, owner: str, now: datetime) -> bool:
    done = db.execute(
        "INSERT OR IGNORE INTO occurrences (scenario, slot, due, rule, outcome, why, show, owner, decided) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entry.scenario, _maybe_ms(entry.slot), _maybe_ms(entry.due), entry.rule, entry.outcome,
            entry.why, entry.show, owner, in_ms(now),
        ),
    )  # fmt: skip
    return done.rowcount > 0


def _answer(db: sqlite3.Connection, request: int, answer: str) -> bool:
    done = db.execute("UPDATE requests SET answer = ? WHERE id = ? AND answer IS NULL", (answer, request))
    return done.rowcount > 0


def _calendar(row: tuple[str, str, str, str, int, int]) -> CalendarRow:
    scenario, title, path, entries, handled, paused = row
    return CalendarRow(scenario, title, path, entries, from_ms(handled), bool(paused))


def _maybe_ms(at: datetime | None) -> int | None:
    return None if at is None else in_ms(at)


def _maybe_time(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
