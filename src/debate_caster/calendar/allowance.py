"""How much money all shows together may take in a day and in a month, and when those begin. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Literal

__all__ = ["Allowance", "Period", "Standing", "amount"]


@dataclass(frozen=True, slots=True)
class Period:
    """The day or the month that it is: from ``since`` to before ``until``, and what may be spent; None is no limit."""

    name: Literal["day", "month"]
    since: datetime
    until: datetime
    limit: Decimal | None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the operator allows, in the currency of the models' prices; days and months are those of ``zone``."""

    per_day: Decimal | None = None
    per_month: Decimal | None = None
    zone: tzinfo = UTC

    @property
    def is_limited(self) -> bool:
        return self.per_day is not None or self.per_month is not None

    def periods(self, now: datetime) -> tuple[Period, Period]:
        """Return the day and the month that ``now`` is in."""
        today = now.astimezone(self.zone).date()
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
        return (
            Period("day", self._begin(today), self._begin(today + timedelta(days=1)), self.per_day),
            Period("month", self._begin(first), self._begin(following), self.per_month),
        )

    def _begin(self, day: date) -> datetime:
        """Return a day's first instant; where summer time leaves midnight out, the one at which it does so."""
        return datetime.combine(day, time(), tzinfo=self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a period stands: what was ``spent`` in it, and what the shows that are on the air may spend, ``held``."""

    period: Period
    spent: Decimal
    held: Decimal

    @property
    def left(self) -> Decimal | None:
        """What another show may cost, None where nothing limits it."""
        if self.period.limit is None:
            return None
        return max(self.period.limit - self.spent - self.held, Decimal(0))


def amount(money: Decimal) -> str:
    """Return a sum of money as people write it: without an exponent, and without zeros that say nothing."""
    text = f"{money:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
