"""When a schedule's cron fires: which lines are taken, and the instants they stand for. Pure; the one user of cronsim.

A time of day that a change to summer time leaves out comes at the end of the gap; one that a change back repeats comes
once, the first time. Lines whose minutes or hours begin with a star count real minutes and hours through both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

__all__ = [
    "SHORTEST_PERIOD_S",
    "CronFields",
    "cron_problem",
    "fields_of",
    "instants",
    "least_distance_s",
    "zone_names",
    "zone_problem",
]

SHORTEST_PERIOD_S = 300
"""Least time between two slots, in seconds, unless the operator says otherwise: the shortest debates take as long."""

_FIELDS = "minute, hour, day of the month, month, day of the week"
_LOOKED_AT = 300
"""Slots whose distances are measured: a day has at most 288 that are far enough apart, so its end is in."""

_MEASURED_FROM = datetime(2026, 1, 1, tzinfo=UTC)
_NO_PLACE = frozenset({"Factory", "localtime", "posixrules", "leapseconds"})


def cron_problem(cron: str, *, shortest_period_s: float = SHORTEST_PERIOD_S) -> str:
    """Return why a line of cron is not taken, empty where it is."""
    if not cron.isascii():
        return "a cron has only ASCII characters"
    if "\n" in cron or len(cron) > 200:
        return "a cron is one line of at most 200 characters"
    if (fields := len(cron.split())) != 5:
        return f"a cron has five fields ({_FIELDS}), here are {fields}"
    try:
        CronSim(cron, _MEASURED_FROM)
    except CronSimError as exc:
        if "day-of-month" in str(exc) and _fit_for_some_month(cron):
            return "this never fires: none of its months has that day"
        return f"{str(exc).lower()}: a cron has {_FIELDS}, such as '0 20 * * FRI'"
    least = least_distance_s(cron)
    if least is None:
        return "this never fires"
    if least < shortest_period_s:
        return f"this fires every {least:g} s at its closest, and {shortest_period_s:g} s is the least"
    return ""


def least_distance_s(cron: str) -> float | None:
    """Return the least time between two slots of a valid line, None where it never fires, infinite where it does once.

    Measured without changes of the clock, which only put two slots of one line together or one apart from another.
    """
    slots = list(islice(instants(cron, ZoneInfo("UTC"), _MEASURED_FROM), _LOOKED_AT))
    if not slots:
        return None
    return min(((later - earlier).total_seconds() for earlier, later in pairwise(slots)), default=float("inf"))


def zone_problem(name: str) -> str:
    """Return why a time zone can't be had, empty where it can; whether this machine knows any is part of it."""
    if name in _NO_PLACE:
        return f"{name} is no place: write an IANA zone such as Europe/Paris"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if not zone_names():
            return "this machine has no time zone data: install the package tzdata"
        return f"there is no time zone {name!r}"
    return ""


@dataclass(frozen=True, slots=True)
class CronFields:
    """What a line of cron names, as numbers; None where it names all. Sunday is 0.

    ``either_day`` says that a day of the month or one of the week is enough, as it is when neither begins with a star.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...] | None
    days: tuple[int, ...] | None
    months: tuple[int, ...] | None
    weekdays: tuple[int, ...] | None
    either_day: bool


def fields_of(cron: str) -> CronFields | None:
    """Return what a valid line names; None for one that uses ``L``, ``LW`` or ``#``, which other schedulers lack."""
    parsed = CronSim(cron, _MEASURED_FROM)
    if any(not isinstance(item, int) or item < 0 for item in [*parsed.days, *parsed.weekdays]):
        return None
    weekdays = {item % 7 for item in parsed.weekdays if isinstance(item, int)}
    return CronFields(
        minutes=tuple(sorted(parsed.minutes)),
        hours=_unless_all(parsed.hours, 24),
        days=_unless_all(parsed.days, 31),
        months=_unless_all(parsed.months, 12),
        weekdays=_unless_all(weekdays, 7),
        either_day=not parsed.day_and,
    )


def _unless_all(numbers: set[int], count: int) -> tuple[int, ...] | None:
    return None if len(numbers) == count else tuple(sorted(numbers))


def _fit_for_some_month(cron: str) -> bool:
    minute, hour, day, _, weekday = cron.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", _MEASURED_FROM)
    except CronSimError:
        return False
    return True


@cache
def zone_names() -> tuple[str, ...]:
    """Return the IANA zones that this machine knows, in order."""
    return tuple(sorted(available_timezones() - _NO_PLACE))


def instants(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the instants of a valid line later than ``after``, in UTC and in order; ends where it never fires again."""
    last = after
    for slot in CronSim(cron, after.astimezone(UTC if zone.key == "UTC" else zone)):
        at = slot.astimezone(UTC)
        if at > last:  # begun in a repeated hour, it first names the hour's first pass
            yield at
            last = at
