"""The money of all shows: what the next one may cost at most, whether the day and the month have it, what it did cost.

What a show may cost is held back before it starts, in the ledger, and settled by its log once it is over; so limits
hold over any number of processes, and what died with its process counts as the log has it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal

import structlog

from debate_caster.calendar.accounts import Shortage
from debate_caster.calendar.allowance import Allowance, Period, Standing
from debate_caster.calendar.ledger import Ledger
from debate_caster.errors import LogError
from debate_caster.scenario.rundown import plan
from debate_caster.scenario.script import Recollection, Scenario
from debate_caster.show.forecast import FILLER, forecast
from debate_caster.show.spending import Spending

__all__ = ["Purse", "free", "most_money"]

logger = structlog.get_logger()

LONGEST_MOTION_WORDS = 30
"""Of a model's motion; a longer one is not taken."""


def most_money(scenario: Scenario) -> Decimal | None:
    """Return what a show may cost at most: its worst case, or its budget where that is less; None when unknown.

    Unknown it is where a model has no price, and the budget no ``max_cost``. The rehearsal model costs nothing unless
    it is given a price. Takes some 20 ms of computing where there are prices.
    """
    asked = [model for agent in scenario.agents for model in scenario.models_for(agent.model)]
    prices = [model.price for model in asked if model.price is not None]
    cap = scenario.budget.max_cost
    if any(model.price is None and model.provider != "rehearsal" for model in asked):
        return cap
    if not any(price.input_per_million or price.output_per_million for price in prices):
        return Decimal(0)
    episode = _fullest(scenario)
    worst = forecast(episode, plan(episode)).cost
    return worst if cap is None else min(worst, cap)


def _fullest(scenario: Scenario) -> Scenario:
    """Return the episode of a series whose prompts are the longest: motion, guests, and all that may be remembered."""
    season = scenario.season
    if season is None:
        return scenario
    motions = (scenario.motion, *season.topics, *([FILLER * LONGEST_MOTION_WORDS] if season.topic_from else []))
    recollection = Recollection(text=FILLER * season.memory.words) if season.memory else None
    pools = {seat.seat: seat.pool for seat in season.guests}
    agents = []
    for agent in scenario.agents:
        guests = (agent.persona, *pools.get(agent.id, ()))
        talker = max(guests, key=lambda persona: len(persona.model_dump_json()))
        agents.append(agent.model_copy(update={"persona": talker, "recollection": recollection}))
    return scenario.model_copy(update={"motion": max(motions, key=len), "agents": tuple(agents), "season": None})


async def _nothing(_show: str) -> Spending:
    return Spending()


def free(_scenario: Scenario) -> Decimal | None:
    """Return nothing, whatever the scenario."""
    return Decimal(0)


class Purse:
    """What is allowed, and what is held and spent of it.

    Args:
        ledger: Has the accounts.
        allowance: The limits.
        most: What a scenario's show may cost; ``most_money`` but for tests and simulations.
        spending: What a show has spent. Raises ``LogError`` while that can't be read.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        allowance: Allowance | None = None,
        most: Callable[[Scenario], Decimal | None] = free,
        spending: Callable[[str], Awaitable[Spending]] = _nothing,
    ) -> None:
        self.allowance = allowance or Allowance()
        self._ledger, self._most, self._spending = ledger, most, spending

    async def most(self, scenario: Scenario) -> Decimal | None:
        """Return what a show of a scenario may cost at most, None when unknown."""
        return await asyncio.to_thread(self._most, scenario)  # shows are on the air meanwhile

    def periods(self, now: datetime) -> tuple[Period, ...]:
        """Return the day and the month that limits are looked at for."""
        return self.allowance.periods(now) if self.allowance.is_limited else ()

    async def standings(self, now: datetime) -> list[Standing]:
        """Return how the day and the month stand, limited or not.

        Raises:
            LogError: The ledger failed.
        """
        return await self._ledger.standings(self.allowance.periods(now))

    async def hold(
        self, show: str, money: Decimal | None, *, owner: str, now: datetime, goes_on: bool = False
    ) -> Shortage | None:
        """Hold back what a show may cost, unless that is held already; or say why it may not start.

        One that ``goes_on`` may: it has been held back before, and a show is never cut for money.

        Raises:
            LogError: The ledger failed; nothing is held.
        """
        return await self._ledger.hold(show, money, owner=owner, now=now, periods=() if goes_on else self.periods(now))

    async def settle(self, show: str, now: datetime) -> None:
        """Write down what a show has cost that is over; as long as nobody can read it, all that it may cost counts."""
        try:
            spent = await self._spending(show)
            await self._ledger.settle(show, spent.cost, spent.last or now)
        except LogError as exc:
            logger.warning("show_not_settled", show=show, error=str(exc))

    async def count_earlier(self, shows: Sequence[str], now: datetime) -> None:
        """Count shows that are over and that nobody has counted: they were given when no money was limited.

        Raises:
            LogError: The ledger failed.
        """
        for show in await self._ledger.without_account(shows):
            await self.settle(show, now)

    async def settle_what_is_over(self, owner: str, *, alive: Callable[[str], bool], now: datetime) -> None:
        """Settle shows of processes that have died, and those of ``owner``, our own, that could not be settled.

        Raises:
            LogError: The ledger failed.
        """
        for show, whose in await self._ledger.unsettled():
            if whose == owner or not alive(whose):
                await self.settle(show, now)
