from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.clock import ManualClock
from debate_caster.errors import ModelError
from debate_caster.llm import Breakers, CircuitBreaker, RetryPolicy

POLICY = RetryPolicy(attempts=4, base_s=0.5, cap_s=8.0, retry_after_cap_s=15.0)


def failed(kind: str = "cut", *, retryable: bool = True, wait: float | None = None) -> ModelError:
    return ModelError("m", kind, "why", retryable=retryable, retry_after_s=wait)


@given(st.integers(1, 3), st.integers())
def test_delays_are_spread_over_a_doubling_range(attempt: int, seed: int) -> None:
    delay = POLICY.delay_s(attempt, failed(), Random(seed))

    assert delay is not None
    assert 0.0 <= delay <= 0.5 * 2 ** (attempt - 1)


def test_jitter_reaches_all_of_the_range() -> None:
    random = Random(1)
    delays = [delay for _ in range(200) if (delay := POLICY.delay_s(3, failed(), random)) is not None]

    assert min(delays) < 0.2
    assert max(delays) > 1.8


def test_no_delay_is_above_the_cap_however_often_it_failed() -> None:
    patient = RetryPolicy(attempts=10_000)

    assert all((patient.delay_s(attempt, failed(), Random(attempt)) or 0) <= 8.0 for attempt in (5, 50, 5_000))


@pytest.mark.parametrize(("asked", "least", "most"), [(0.0, 0.0, 0.5), (1.0, 1.0, 1.0), (120.0, 15.0, 15.0)])
def test_what_the_peer_asks_for_is_honoured_up_to_the_cap(asked: float, least: float, most: float) -> None:
    delay = POLICY.delay_s(1, failed("rate_limited", wait=asked), Random(0))

    assert delay is not None
    assert least <= delay <= most


def test_it_gives_up_after_the_last_attempt_and_where_nothing_may_help() -> None:
    assert POLICY.delay_s(3, failed(), Random(0)) is not None
    assert POLICY.delay_s(4, failed(), Random(0)) is None
    assert POLICY.delay_s(1, failed("refused", retryable=False), Random(0)) is None


def state_of(breaker: CircuitBreaker) -> str:
    return breaker.state


def fail(breaker: CircuitBreaker, times: int, kind: str = "connect") -> None:
    for _ in range(times):
        breaker.admit("m")(failed(kind))


def test_failures_that_lie_long_back_do_not_open_a_breaker() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(clock, failures_to_open=3)

    fail(breaker, 2)
    clock.advance(601)
    fail(breaker, 2)
    assert state_of(breaker) == "closed"
    fail(breaker, 1)
    assert state_of(breaker) == "open"


def test_one_model_of_a_provider_may_be_down_alone() -> None:
    breakers = Breakers(ManualClock())

    fail(breakers.of("https://models.example/v1", "big"), 5)

    assert state_of(breakers.of("https://models.example/v1", "big")) == "open"
    assert state_of(breakers.of("https://models.example/v1", "small")) == "closed"
    assert state_of(breakers.of("https://others.example/v1", "big")) == "closed"


def test_a_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = CircuitBreaker(ManualClock(), failures_to_open=3)

    fail(breaker, 2)
    breaker.admit("m")("success")
    fail(breaker, 2)
    assert state_of(breaker) == "closed"
    fail(breaker, 1)

    assert state_of(breaker) == "open"
    with pytest.raises(ModelError, match="3 calls in a row") as caught:
        breaker.admit("m")
    assert (caught.value.kind, caught.value.retryable, caught.value.retry_after_s) == ("unavailable", False, 30.0)
    assert isinstance(caught.value.__cause__, ModelError)
    assert caught.value.__cause__.kind == "connect"


def test_an_open_breaker_lets_one_probe_through_at_a_time() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(clock, failures_to_open=1)
    fail(breaker, 1)
    clock.advance(30.0)

    probe = breaker.admit("m")
    assert state_of(breaker) == "half_open"
    with pytest.raises(ModelError):
        breaker.admit("m")
    probe(failed())
    assert state_of(breaker) == "open"
    clock.advance(30.0)
    breaker.admit("m")("success")

    assert state_of(breaker) == "closed"


def test_a_provider_has_its_peace_after_a_probe_that_took_long_to_fail() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(clock, failures_to_open=1)
    fail(breaker, 1)
    clock.advance(30.0)
    probe = breaker.admit("m")
    clock.advance(40.0)
    probe(failed("silent"))

    with pytest.raises(ModelError) as caught:
        breaker.admit("m")
    assert caught.value.retry_after_s == 30.0


def test_errors_that_speak_of_one_reply_open_nothing() -> None:
    breaker = CircuitBreaker(ManualClock(), failures_to_open=1)

    for kind in ("filtered", "truncated", "overlong"):
        fail(breaker, 1, kind)

    assert state_of(breaker) == "closed"


def test_a_verdict_counts_once_and_one_of_before_opening_does_not_close() -> None:
    breaker = CircuitBreaker(ManualClock(), failures_to_open=2)
    report = breaker.admit("m")
    report(failed())
    report(failed())
    assert state_of(breaker) == "closed"
    dropped = breaker.admit("m")
    fail(breaker, 1)

    dropped(None)

    assert state_of(breaker) == "open"


def test_models_at_one_address_share_a_breaker() -> None:
    breakers = Breakers(ManualClock())

    assert breakers.of("http://a/v1") is breakers.of("http://a/v1")
    assert breakers.of("http://a/v1") is not breakers.of("http://b/v1")
