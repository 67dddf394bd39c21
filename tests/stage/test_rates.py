from hypothesis import given
from hypothesis import strategies as st

from debate_caster.clock import ManualClock
from debate_caster.stage import rates as rates_module
from debate_caster.stage.rates import Rates


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    clock = ManualClock()
    rates = Rates(clock, burst=2, per_second=0.5)

    assert [rates.take("a") for _ in range(3)] == [0.0, 0.0, 2.0]
    clock.advance(1)
    assert rates.take("a") == 1.0, "asking too early costs nothing"
    clock.advance(1)
    assert rates.take("a") == 0.0


def test_asking_how_long_takes_nothing() -> None:
    rates = Rates(ManualClock(), burst=1, per_second=1)

    assert [rates.wait_s("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert rates.take("a") == 0.0


@given(waits=st.lists(st.floats(0, 3), max_size=60))
def test_never_more_than_the_burst_and_the_rate_over_any_time(waits: list[float]) -> None:
    clock = ManualClock()
    rates = Rates(clock, burst=3, per_second=0.5)
    taken = 0
    for wait in waits:
        clock.advance(wait)
        taken += rates.take("a") == 0.0

    assert taken <= 3 + 0.5 * clock.monotonic() + 1e-6


def test_names_are_forgotten_in_the_order_they_were_last_seen() -> None:
    rates = Rates(ManualClock(), burst=1, per_second=0.001)
    rates.take("busy")
    for number in range(rates_module.BUCKETS_KEPT + 100):
        rates.take(f"n{number}")
        if number % 100 == 0:
            rates.take("busy")

    assert len(rates) == rates_module.BUCKETS_KEPT
    assert rates.wait_s("busy") > 0, "who keeps knocking is remembered"


def test_who_has_been_away_for_long_takes_no_room_and_everybody_else_is_remembered() -> None:
    clock = ManualClock()
    rates = Rates(clock, burst=2, per_second=0.5)
    for number in range(100):
        rates.take(f"n{number}")
        clock.advance(0.5)

    assert len(rates) == 4, "a bucket of which one was taken is full again after two seconds"
    assert rates.take("n99") == rates.take("n98") == 0.0
    assert rates.take("n99") > 0
