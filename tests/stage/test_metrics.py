"""What ``/metrics`` shows, in what form, and to whom."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.figures import Figure, Level, Spread, Total
from debate_caster.log import MemoryEventLog
from debate_caster.stage import Stage, open_stage
from debate_caster.stage.metrics import LOOK_EVERY_S, Counters, LoopLag, render
from tests.stage.people import browser, caster_on, viewer_of

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what others can reach is the point
TOKEN = "who-may-read-all-figures"
MONEY = Total("money", "Money", ["persona"])
MONEY.add("ada", amount=0.5)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values, as Prometheus reads them."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def shown(figures: Iterable[Figure]) -> dict[tuple[str, ...], float]:
    return samples(render(figures).decode())


async def scrape(stage: Stage, **headers: str) -> tuple[int, dict[tuple[str, ...], float]]:
    async with browser() as session, session.get(f"http://127.0.0.1:{stage.port}/metrics", headers=headers) as answer:
        return answer.status, samples(await answer.text()) if answer.status == 200 else {}


def test_totals_levels_and_spreads_are_counters_gauges_and_histograms() -> None:
    total = Total("t", "", ["by"], known=[('a "quoted"\nname',)])
    level = Level("l", "", ("state",), lambda: {("on",): 2.0})
    spread = Spread("s", "", [0.1, 5.0])
    for value in (0.05, 1.0, 60.0):
        spread.note(value)

    assert shown([total, level, spread]) == {
        ("t_total", 'a "quoted"\nname'): 0,
        ("l", "on"): 2,
        ("s_bucket", "0.1"): 1,
        ("s_bucket", "5.0"): 2,
        ("s_bucket", "+Inf"): 3,
        ("s_count",): 3,
        ("s_sum",): 61.05,
    }


def test_what_a_stage_counts_is_there_before_it_happens() -> None:
    found = shown(Counters().figures())

    assert found["debate_caster_stage_hints_total", "used"] == 0
    assert found["debate_caster_stage_votes_total", "taken"] == 0
    assert found["debate_caster_stage_viewers_cut_total",] == 0


def test_the_event_loops_lag_is_how_late_it_comes_back() -> None:
    class BusyClock(VirtualClock):
        late_s = 0.0

        async def sleep_until(self, deadline: float) -> None:
            await super().sleep_until(deadline + self.late_s)

    async def main(virtual: VirtualClock) -> None:
        clock = BusyClock(asyncio.get_running_loop(), virtual.now())
        lag = LoopLag(clock)
        async with asyncio.TaskGroup() as tasks:
            feeling = tasks.create_task(lag.feel())
            await clock.sleep(10 * LOOK_EVERY_S + 0.001)
            clock.late_s = 0.3
            await clock.sleep(2 * LOOK_EVERY_S + 1)
            feeling.cancel()
        (measured,) = lag.spread.values.values()
        on_time = sum(measured.counts[:2])
        assert on_time in {10, 11}
        assert measured.counts[-1] == 0
        assert measured.sum == pytest.approx(0.3 * (sum(measured.counts) - on_time), abs=0.01)

    run_virtual(main)


async def test_hints_are_counted_by_what_became_of_them_and_a_refused_one_is_one_too() -> None:
    async with (
        open_stage(log=MemoryEventLog()) as stage,
        caster_on(stage),
        viewer_of(stage) as viewer,
    ):
        await viewer.hear_events(1)
        for text in ("What about tea?", "", "x" * 501):
            await viewer.say("hint", text=text)
            await viewer.hear("hint_received" if text == "What about tea?" else "error")
        _, found = await scrape(stage)

    fates = {fate: found["debate_caster_stage_hints_total", fate] for fate in ("received", "refused_empty")}
    assert fates == {"received": 1, "refused_empty": 1}
    assert found["debate_caster_stage_hints_total", "refused_too_long"] == 1


@pytest.mark.parametrize(
    ("options", "money"),
    [
        ({}, True),
        ({"public_url": "https://debates.example"}, False),
        ({"host": EVERYWHERE, "allow_public": True, "open_to_agents": True}, False),
        ({"host": EVERYWHERE, "allow_public": True, "open_to_agents": True, "metrics_token": TOKEN}, True),
    ],
)
async def test_strangers_do_not_read_what_shows_cost(options: dict[str, Any], money: bool) -> None:
    async with open_stage(log=MemoryEventLog(), figures=[MONEY], **options) as stage:
        status, found = await scrape(stage, Authorization=f"Bearer {TOKEN}")

    assert status == 200
    assert ("debate_caster_stage_events_aired_total",) in found
    assert (("money_total", "ada") in found) is money


@pytest.mark.parametrize("header", ["", f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer é"])
async def test_where_there_is_a_token_nobody_reads_figures_without_it(header: str) -> None:
    async with open_stage(log=MemoryEventLog(), figures=[MONEY], metrics_token=TOKEN) as stage:
        refused, _ = await scrape(stage, **({"Authorization": header} if header else {}))
        taken, found = await scrape(stage, authorization=f"bearer {TOKEN}")

    assert (refused, taken) == (401, 200)
    assert found["money_total", "ada"] == 0.5
