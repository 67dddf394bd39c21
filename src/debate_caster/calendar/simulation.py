"""What a calendar would do: the real one on a virtual clock, with shows that only last, and processes that die."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from debate_caster.calendar.ledger import IN_MEMORY, Ledger, Occurrence
from debate_caster.calendar.season import Calendar
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.scenario.script import Scenario

__all__ = ["simulate"]

FOREVER = 1_000_000_000
DAY_S = 86_400.0
_JUST_BEFORE = timedelta(milliseconds=1)


def simulate(
    scenarios: Sequence[Scenario],
    begin: datetime,
    end: datetime,
    *,
    length_s: Callable[[Scenario], float],
    outages: Sequence[tuple[datetime, datetime]] = (),
) -> list[Occurrence]:
    """Return what would become of every slot from ``begin`` to before ``end``, oldest first.

    Args:
        scenarios: What is on the calendar from ``begin`` on.
        begin: When the program is started.
        end: When it is looked at what has been.
        length_s: How long a scenario's show lasts.
        outages: When the program is dead, as after kill -9; in order, not overlapping.
    """

    async def main(clock: VirtualClock) -> list[Occurrence]:
        ledger, begun = Ledger(IN_MEMORY), set[str]()

        async def perform(scenario: Scenario, show: str, stop: asyncio.Event) -> str:
            begun.add(show)
            try:
                async with clock.timeout(length_s(scenario)):
                    await stop.wait()
            except TimeoutError:
                return "completed"
            return "interrupted"

        async def has_begun(show: str) -> bool:
            return show in begun

        stops = [*outages, (end, end)]
        for number, (down, up) in enumerate(stops):
            calendar = Calendar(
                ledger,
                clock=clock,
                owner=str(number),
                alive=lambda _name: False,
                perform=perform,
                begun=has_begun,
                new_show_id=lambda scenario: scenario.key,
                step_s=DAY_S,  # a virtual clock is never set, and there are no other processes
            )
            for scenario in scenarios:
                await calendar.admit(scenario)
            process = asyncio.create_task(calendar.run(asyncio.Event()))
            await clock.sleep((down - _JUST_BEFORE - clock.now()).total_seconds())
            process.cancel()
            await asyncio.wait([process])
            await clock.sleep((up - clock.now()).total_seconds())
        history = await ledger.history(limit=FOREVER)
        await ledger.aclose()
        return history[::-1]

    return run_virtual(main, start=begin - _JUST_BEFORE)
