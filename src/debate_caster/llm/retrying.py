"""When to ask a model again, and when to leave its provider in peace. Policy only: the loop is the show's.

Nothing may be asked again once a viewer has seen a word of the reply; whoever loops knows that, this module does not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from debate_caster.clock import Clock
from debate_caster.errors import ModelError

__all__ = ["Breakers", "CircuitBreaker", "RetryPolicy"]

FAILURES_TO_OPEN = 5
"""Failures in a row that open a breaker: more than one turn's attempts, so that a single bad prompt never does."""

FORGOTTEN_AFTER_S = 600.0
"""A failure says nothing about a provider that nobody has asked for so long, in seconds."""

PROBE_INTERVAL_S = 30.0
"""While a provider is down it gets one call in this time, from all models that share it."""

_PROVIDER_KINDS = frozenset({"connect", "rate_limited", "refused", "silent", "stalled", "cut", "provider", "malformed"})
"""What speaks against the provider. ``filtered``, ``truncated`` and ``overlong`` speak against one reply only."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter, which spreads callers best (AWS, "Exponential Backoff And Jitter", 2015).

    ``attempts`` counts all calls, the first included; times are seconds. A peer's Retry-After is honoured up to
    ``retry_after_cap_s``: a show does not stand still for longer, it rather asks too early once.
    """

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 8.0
    retry_after_cap_s: float = 15.0

    def delay_s(self, attempt: int, error: ModelError, random: Random) -> float | None:
        """Return how long to wait before the next call, None to give up. ``attempt`` calls (from 1) have failed."""
        if not error.retryable or attempt >= self.attempts:
            return None
        backoff = random.uniform(0.0, min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 32)))
        if error.retry_after_s is None:
            return backoff
        return max(backoff, min(error.retry_after_s, self.retry_after_cap_s))


class CircuitBreaker:
    """Keeps callers from a provider that is down.

    Closed: calls go through. After ``failures_to_open`` failures in a row it opens: calls are refused at once. Each
    ``probe_interval_s``, counted from the last failure, one call goes through as a probe (half-open); its success
    closes the breaker.
    """

    def __init__(
        self, clock: Clock, *, failures_to_open: int = FAILURES_TO_OPEN, probe_interval_s: float = PROBE_INTERVAL_S
    ) -> None:
        self._clock, self._failures_to_open, self._probe_interval_s = clock, failures_to_open, probe_interval_s
        self._failures = 0
        self._failed_at = clock.monotonic()
        self._cause: ModelError | None = None
        self._next_probe: float | None = None
        self._probe: object | None = None

    @property
    def state(self) -> Literal["closed", "open", "half_open"]:
        if self._next_probe is None:
            return "closed"
        return "open" if self._probe is None else "half_open"

    def admit(self, model: str) -> Callable[[ModelError | Literal["success"] | None], None]:
        """Let one call of ``model`` through; the caller reports its verdict, once, by calling what is returned.

        The verdict is the error, ``success``, or None where the call was dropped before it proved anything. Later
        reports for the same call are ignored.

        Raises:
            ModelError: ``unavailable``: the breaker is open. Not to be retried before ``retry_after_s``. Its cause is
                the last failure.
        """
        now = self._clock.monotonic()
        token = object()
        if self._next_probe is not None:
            if self._probe is not None or now < self._next_probe:
                wait = max(self._next_probe - now, 0.0)
                detail = f"{self._failures} calls in a row have failed; next one in {wait:.0f} s at the earliest"
                raise ModelError(model, "unavailable", detail, retryable=False, retry_after_s=wait) from self._cause
            self._probe = token
            self._next_probe = now + self._probe_interval_s
        reported = False

        def report(verdict: ModelError | Literal["success"] | None) -> None:
            nonlocal reported
            if not reported:
                reported = True
                self._judge(token, verdict)

        return report

    def _judge(self, token: object, verdict: ModelError | Literal["success"] | None) -> None:
        probed = self._probe is token
        if probed:
            self._probe = None
        if isinstance(verdict, ModelError) and verdict.kind in _PROVIDER_KINDS:
            now = self._clock.monotonic()
            if self._next_probe is None and now - self._failed_at > FORGOTTEN_AFTER_S:
                self._failures = 0
            self._failures, self._failed_at = self._failures + 1, now
            self._cause = verdict.with_traceback(None)  # frames would keep a whole show in memory
            opens = self._next_probe is None and self._failures >= self._failures_to_open
            if opens or probed:  # a probe may take as long to fail as there is to be between two of them
                self._next_probe = now + self._probe_interval_s
        elif verdict is not None:  # an answer, even one that is of no use to us, shows that the provider lives
            self._failures = 0
            self._next_probe = None


class Breakers:
    """One breaker for each model of each provider, shared by all agents that use it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breakers: dict[tuple[str, str], CircuitBreaker] = {}

    def of(self, address: str, model: str = "") -> CircuitBreaker:
        """Return the breaker of a model of the provider at an address: one of its models may be down alone."""
        return self._breakers.setdefault((address, model), CircuitBreaker(self._clock))
