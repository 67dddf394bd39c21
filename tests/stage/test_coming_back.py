"""The seam between history and the live stream, as ``make bench`` tries it, with fewer viewers."""

from benchmarks.coming_back import join_while_talking, storm


async def test_who_joins_while_events_flow_misses_nothing_and_gets_nothing_twice() -> None:
    assert await join_while_talking(60, at_once=10) == 0


async def test_a_crowd_that_drops_and_comes_back_at_once_misses_nothing_and_is_soon_caught_up() -> None:
    faults, took_s = await storm(100)

    assert faults == 0
    assert took_s < 10
