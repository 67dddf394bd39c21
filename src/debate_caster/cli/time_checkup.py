"""Whether this machine knows what time it is, and where."""

from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Final

from debate_caster.cli.findings import Finding, fine
from debate_caster.clock import Clock
from debate_caster.scenario.recurrence import zone_names

__all__ = ["look_at_clock", "look_at_time_zones"]

TOLERATED_S: Final = 5.0
"""How far a clock may be off: a `Date` header has whole seconds, and an answer may be under way for some."""

HARMFUL_S: Final = 300.0
"""From here on tokens and certificates are refused that are good, and scheduled shows miss their audience."""

_CURE: Final = "Have the machine keep its clock by NTP: timedatectl set-ntp true"


def look_at_clock(clock: Clock, seen: Sequence[tuple[str, float]]) -> Iterator[Finding]:
    """Compare our clock with others'. ``seen`` says of servers by how many seconds theirs are ahead of ours.

    The one that agrees best counts: that one clock of another machine is wrong says nothing about ours.
    """
    now = f"{clock.now():%Y-%m-%d %H:%M:%S} UTC"
    if not seen:
        yield fine("clock", f"{now}; no server was asked that could confirm it")
        return
    server, ahead_s = min(seen, key=lambda pair: abs(pair[1]))
    if abs(ahead_s) <= TOLERATED_S:
        yield fine("clock", f"{now}, as {server} has it")
        return
    what = f"{now} is {abs(ahead_s):.0f} s {'behind' if ahead_s > 0 else 'ahead of'} the clock of {server}"
    yield Finding("clock", "failure" if abs(ahead_s) > HARMFUL_S else "warning", what, _CURE)


def look_at_time_zones(names: Sequence[str] | None = None) -> Iterator[Finding]:
    """Find out whether there is time zone data. Reads files."""
    known = zone_names() if names is None else names
    if not known:
        what = "this machine has no time zone data, so no schedule can be read"
        yield Finding("time zones", "failure", what, "python -m pip install tzdata")
        return
    try:
        own = f", and those of tzdata {metadata.version('tzdata')}"
    except metadata.PackageNotFoundError:
        own = ""
    yield fine("time zones", f"{len(known)} are known{own}")
