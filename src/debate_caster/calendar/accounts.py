"""The accounts in the ledger's file: what each show may cost at most, and once it is over, what it did cost.

A show is held to cost the most that it may until it is settled. It counts, as a whole, for every period in which it may
have spent: from ``Period.since`` on. So what is spent in a period is never more than what is counted for it, and a show
over midnight counts for both days. Sums are integers, hundred-millionths of the currency: exact, however many.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Decimal

from debate_caster.calendar.allowance import Period, Standing, amount
from debate_caster.log.database import in_ms
from debate_caster.show.budget import CENT_OF_A_MICRO

__all__ = ["SCHEMA", "Books", "Shortage", "drop", "move", "settle", "standing", "unknown", "unsettled"]

LARGEST = Decimal(10**9)
"""More than this no show is held to cost; no limit is as high, and a hundred such sums still are an integer."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
  show TEXT PRIMARY KEY, owner TEXT NOT NULL, opened INTEGER NOT NULL, held INTEGER NOT NULL, spent INTEGER,
  last INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS accounts_by_last ON accounts (last);
"""
"""``spent`` is NULL, and so is ``last``, until the account is settled; ``last`` is when the show last spent money."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a show may not start: ``standing`` has not enough left for what it may cost, None where nobody knows that."""

    standing: Standing
    money: Decimal | None

    def __str__(self) -> str:
        period = self.standing.period
        left, limit = amount(self.standing.left or Decimal(0)), amount(period.limit or Decimal(0))
        needed = "nobody knows what the show costs" if self.money is None else f"the show may cost {amount(self.money)}"
        return f"{left} of the {period.name}'s {limit} is left, and {needed}"


class Books:
    """The accounts within one transaction that has the write lock: what it reads stays true as long as that lasts."""

    def __init__(self, db: sqlite3.Connection, periods: Sequence[Period]) -> None:
        self._db = db
        self._limited = [period for period in periods if period.limit is not None]
        self._counted: dict[Period, int] = {}

    def shortage(self, money: Decimal | None) -> Shortage | None:
        """Say why a show that may cost ``money`` at most may not start, None where it may. One that is free may."""
        if money == 0:
            return None
        for period in self._limited:
            counted = self._counted.setdefault(period, _total(self._db, period.since))
            if money is None or counted + _units(money) > _units(period.limit or Decimal(0)):
                return Shortage(standing(self._db, period), money)
        return None

    def is_open(self, show: str) -> bool:
        """Say whether a show has an account that is not settled."""
        return bool(self._db.execute("SELECT 1 FROM accounts WHERE show = ? AND spent IS NULL", (show,)).fetchone())

    def hold(self, show: str, money: Decimal | None, *, owner: str, now: datetime) -> None:
        """Hold back what a show may cost at most; one that goes on, as much as before."""
        held = _units(money or Decimal(0))
        self._db.execute(
            "INSERT INTO accounts (show, owner, opened, held) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "owner = excluded.owner, held = max(held, excluded.held), spent = NULL, last = NULL",
            (show, owner, in_ms(now), held),
        )
        for period in self._counted:
            self._counted[period] += held


def settle(db: sqlite3.Connection, show: str, spent: Decimal, last: datetime) -> None:
    """Say what a show has cost that is over, and when it last spent."""
    db.execute(
        "INSERT INTO accounts (show, owner, opened, held, spent, last) VALUES (?1, '', ?3, 0, ?2, ?3) "
        "ON CONFLICT DO UPDATE SET spent = excluded.spent, last = excluded.last",
        (show, _units(spent), in_ms(last)),
    )


def drop(db: sqlite3.Connection, show: str) -> None:
    """Let go of what was held for a show that never began."""
    db.execute("DELETE FROM accounts WHERE show = ? AND spent IS NULL", (show,))


def move(db: sqlite3.Connection, show: str, owner: str) -> None:
    """Have a show's account belong to another process, which goes on with it."""
    db.execute("UPDATE accounts SET owner = ? WHERE show = ?", (owner, show))


def unsettled(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return each show, with its owner, whose account is open although the calendar knows of no such show on the air.

    It was asked for outside the calendar, or has ended and could not be settled.
    """
    return [
        (str(show), str(owner))
        for show, owner in db.execute(
            "SELECT show, owner FROM accounts WHERE last IS NULL AND show NOT IN "
            "(SELECT show FROM occurrences WHERE show IS NOT NULL AND ended IS NULL)"
        )
    ]


def unknown(db: sqlite3.Connection, shows: Sequence[str]) -> list[str]:
    """Return those of the shows that have no account."""
    rows = db.execute(
        "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT show FROM accounts)", (json.dumps(shows),)
    )
    return [str(show) for (show,) in rows]


def standing(db: sqlite3.Connection, period: Period) -> Standing:
    """Return how a period stands."""
    spent, held = db.execute(
        "SELECT coalesce(sum(spent), 0), coalesce(sum(CASE WHEN spent IS NULL THEN held END), 0) FROM accounts "
        "WHERE last IS NULL OR last >= ?",
        (in_ms(period.since),),
    ).fetchone()
    return Standing(period, _money(spent), _money(held))


def _total(db: sqlite3.Connection, since: datetime) -> int:
    counted = db.execute(
        "SELECT coalesce(sum(coalesce(spent, held)), 0) FROM accounts WHERE last IS NULL OR last >= ?", (in_ms(since),)
    ).fetchone()[0]
    return int(counted)


def _units(money: Decimal) -> int:
    return int((min(money, LARGEST) / CENT_OF_A_MICRO).to_integral_value(ROUND_UP))


def _money(units: int) -> Decimal:
    return units * CENT_OF_A_MICRO
