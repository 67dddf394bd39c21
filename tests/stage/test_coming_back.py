"""The seam between history and the live stream, as ``make bench`` tries it, with fewer viewers and with all of them."""

import sys

import pytest
from benchmarks.coming_back import join_while_talking, storm
from benchmarks.fan_out import raise_file_limit

FULL = [pytest.mark.soak, pytest.mark.timeout(240)]


@pytest.mark.parametrize(("joins", "at_once"), [(60, 10), pytest.param(500, 20, marks=FULL)])
async def test_who_joins_while_events_flow_misses_nothing_and_gets_nothing_twice(joins: int, at_once: int) -> None:
    assert await join_while_talking(joins, at_once=at_once) == 0


@pytest.mark.parametrize("viewers", [100, pytest.param(1000, marks=FULL)])
async def test_a_crowd_that_drops_and_comes_back_at_once_misses_nothing_and_is_soon_caught_up(viewers: int) -> None:
    raise_file_limit(8_000)
    faults, took_s = await storm(viewers)

    sys.stdout.write(f"{viewers} came back within a second: caught up after {took_s:.1f} s\n")
    assert faults == 0
    assert took_s < 10
