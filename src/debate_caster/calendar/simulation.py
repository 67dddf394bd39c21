"""What a calendar would do: the real one on a virtual clock, with shows that only last, and processes that die."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from debate_caster.calendar.allowance import Allowance
from debate_caster.calendar.ledger import IN_MEMORY, Ledger, Occurrence
from debate_caster.calendar.purse import Purse, free
from debate_caster.calendar.season import Calendar
from debate_caster.calendar.succession import Remains
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.scenario.script import Scenario
from debate_caster.show.spending import Spending

__all__ = ["simulate"]

FOREVER = 1_000_000_000
DAY_S = 86_400.0
_JUST_BEFORE = timedelta(milliseconds=1)


@dataclass(slots=True)
class _Given:
    """A show, given so far: when it was last on the air, how often it went on after a death, and what is left of it."""

    money: Decimal
    at: datetime
    taken_up: int
    left_s: float
    ending: str = ""


def simulate(
    scenarios: Sequence[Scenario],
    begin: datetime,
    end: datetime,
    *,
    length_s: Callable[[Scenario], float],
    outages: Sequence[tuple[datetime, datetime]] = (),
    shows_at_once: int | None = None,
    allowance: Allowance | None = None,
    most: Callable[[Scenario], Decimal | None] = free,
) -> list[Occurrence]:
    """Return what would become of every slot from ``begin`` to before ``end``, oldest first.

    Args:
        scenarios: What is on the calendar from ``begin`` on.
        begin: When the program is started.
        end: When it is looked at what has been.
        length_s: How long a scenario's show lasts.
        shows_at_once: As for ``Calendar``.
        allowance: What all shows may cost; nothing was spent before ``begin``.
        most: What a scenario's show may cost at most, which each costs; without, nothing.
        outages: When the program is dead, as after kill -9; in order, not overlapping.
    """

    async def main(clock: VirtualClock) -> list[Occurrence]:
        ledger, given = Ledger(IN_MEMORY), dict[str, _Given]()

        async def perform(scenario: Scenario, show: str, stop: asyncio.Event) -> str:
            money = most(scenario) or Decimal(0)
            so_far = given.setdefault(show, _Given(money, clock.now(), -1, length_s(scenario)))
            so_far.taken_up += 1
            began = clock.monotonic()
            try:
                async with clock.timeout(so_far.left_s):
                    await stop.wait()
                so_far.ending = "interrupted"
            except TimeoutError:
                so_far.ending = "completed"
            finally:  # also when we die
                so_far.left_s -= clock.monotonic() - began
                so_far.at = clock.now()
            return so_far.ending

        async def remains(show: str) -> Remains | None:
            so_far = given.get(show)
            return None if so_far is None else Remains(so_far.at, so_far.ending, so_far.taken_up)

        async def spending(show: str) -> Spending:
            so_far = given.get(show)
            return Spending() if so_far is None else Spending(so_far.money, so_far.at)

        purse = Purse(ledger, allowance=allowance, most=most, spending=spending)
        stops = [*outages, (end, end)]
        for number, (down, up) in enumerate(stops):
            calendar = Calendar(
                ledger,
                clock=clock,
                owner=str(number),
                alive=lambda _name: False,
                perform=perform,
                remains=remains,
                new_show_id=lambda scenario: scenario.key,
                shows_at_once=shows_at_once,
                purse=purse,
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
