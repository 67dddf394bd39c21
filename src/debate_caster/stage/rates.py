"""How often somebody may do something: token buckets by name, bounded in number."""

from collections import OrderedDict
from dataclasses import dataclass, field

from debate_caster.clock import Clock

__all__ = ["Bucket", "Rates"]

BUCKETS_KEPT = 10_000
"""Names remembered; the one unseen for longest is forgotten first, and starts with a full bucket should it return.

Whoever has been away for long enough to have a full bucket again is forgotten anyway: it makes no difference.
"""


@dataclass(slots=True)
class Bucket:
    """``burst`` at once, refilled at ``per_second``."""

    burst: float
    per_second: float
    tokens: float = field(init=False)
    filled_at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def tokens_at(self, now: float) -> float:
        """Return how many there are then."""
        return min(self.burst, self.tokens + max(now - self.filled_at, 0.0) * self.per_second)

    def wait_s(self, now: float) -> float:
        """Return how many seconds to wait until one more is allowed; 0 when it is now."""
        self.tokens = self.tokens_at(now)
        self.filled_at = now
        return 0.0 if self.tokens >= 1.0 else (1.0 - self.tokens) / self.per_second

    def take(self, now: float) -> float:
        """Take one if allowed; return the seconds to wait otherwise, and 0 when it was taken."""
        wait_s = self.wait_s(now)
        if not wait_s:
            self.tokens -= 1.0
        return wait_s


class Rates:
    """One bucket for each name."""

    def __init__(self, clock: Clock, *, burst: float, per_second: float) -> None:
        self._clock, self._burst, self._per_second = clock, burst, per_second
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, name: str) -> float:
        """Return how long ``name`` has to wait, in seconds, without taking anything."""
        return self._bucket(name).wait_s(self._clock.monotonic())

    def take(self, name: str) -> float:
        """Count one for ``name``; return 0, or the seconds to wait when it is too early."""
        return self._bucket(name).take(self._clock.monotonic())

    def _bucket(self, name: str) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            self._forget()
            bucket = self._buckets[name] = Bucket(self._burst, self._per_second)
        self._buckets.move_to_end(name)
        return bucket

    def _forget(self) -> None:
        """Make room for one more name."""
        now = self._clock.monotonic()
        while self._buckets:
            unseen = next(iter(self._buckets.values()))
            if len(self._buckets) < BUCKETS_KEPT and unseen.tokens_at(now) < self._burst:
                return
            self._buckets.popitem(last=False)
