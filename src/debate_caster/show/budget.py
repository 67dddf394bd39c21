"""What a show may spend: reserves the worst case before each call, settles with what it really was."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from debate_caster.errors import BudgetExhaustedError
from debate_caster.llm.conversation import UsageReported
from debate_caster.scenario.script import Budget, ModelScript, Price

__all__ = ["Bill", "Reservation", "Treasury", "cost_of"]

MILLION = Decimal(1_000_000)
CENT_OF_A_MICRO = Decimal("0.00000001")
"""Costs are rounded up to this, so that sums of them stay exact and short."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one call may cost at most; held back until it is settled."""

    model: str
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """What one call did cost."""

    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    estimated: bool


class Treasury:
    """One show's money, tokens and minutes.

    What is settled and what is reserved together never exceed a limit, so that calls under way at the same time, and
    retries, cannot overdraw it. A provider that counts more than was reserved (a limit it was told and ignored) is
    believed: then nothing more is lent.
    """

    def __init__(self, budget: Budget, models: Mapping[str, ModelScript], *, started: float) -> None:
        self._budget = budget
        self._prices = {name: script.price for name, script in models.items()}
        self._started = started
        self._tokens = 0
        self._cost = Decimal(0)
        self._lent: list[Reservation] = []

    @property
    def deadline(self) -> float | None:
        """When the show must be over, on the clock that ``started`` was read from; None where nothing limits it."""
        return None if self._budget.max_minutes is None else self._started + 60.0 * self._budget.max_minutes

    @property
    def tokens(self) -> int:
        """Tokens settled so far, read and written."""
        return self._tokens

    @property
    def cost(self) -> Decimal:
        """Money settled so far."""
        return self._cost

    def spent_before(self, tokens: int, cost: Decimal, seconds: float = 0.0) -> None:
        """Count what the show has spent, money and time, before it was broken off and went on."""
        self._started -= seconds
        self._tokens += tokens
        self._cost += cost

    def check_time(self, ends_at: float) -> None:
        """Refuse a turn that may not be over in time.

        Raises:
            BudgetExhaustedError: ``ends_at`` is past the deadline.
        """
        if self.deadline is not None and ends_at > self.deadline:
            raise BudgetExhaustedError(
                "minutes", f"the next turn could not end within {self._budget.max_minutes:g} min"
            )

    def check_call(self, model: str, *, prompt_tokens: int, max_tokens: int) -> Reservation:
        """Return what a call may cost at most, without holding it back.

        Raises:
            BudgetExhaustedError: What is left does not cover it.
        """
        asked = self.most(model, prompt_tokens=prompt_tokens, max_tokens=max_tokens)
        tokens_gone = self._tokens + sum(entry.prompt_tokens + entry.completion_tokens for entry in self._lent)
        money_gone = self._cost + sum((entry.cost for entry in self._lent), Decimal(0))
        tokens = prompt_tokens + max_tokens
        limit = self._budget.max_tokens
        if limit is not None and tokens_gone + tokens > limit:
            raise BudgetExhaustedError(
                "tokens", f"{tokens_gone:,} of {limit:,} are gone, and the next call may take {tokens:,}"
            )
        cap = self._budget.max_cost
        if cap is not None and money_gone + asked.cost > cap:
            raise BudgetExhaustedError(
                "money", f"{money_gone:f} of {cap:f} are gone, and the next call may cost {asked.cost:f}"
            )
        return asked

    def most(self, model: str, *, prompt_tokens: int, max_tokens: int) -> Reservation:
        """Return what a call may cost at most, whatever is left."""
        return Reservation(
            model, prompt_tokens, max_tokens, cost_of(self._prices.get(model), prompt_tokens, max_tokens)
        )

    def reserve(self, model: str, *, prompt_tokens: int, max_tokens: int) -> Reservation:
        """Hold back what a call may cost at most; every reservation is to be settled, once.

        Raises:
            BudgetExhaustedError: What is left does not cover it.
        """
        reservation = self.check_call(model, prompt_tokens=prompt_tokens, max_tokens=max_tokens)
        self._lent.append(reservation)
        return reservation

    def settle(self, reservation: Reservation, usage: UsageReported | None, *, read: int, written: int) -> Bill:
        """Return what a call cost: as its provider counts, or else by the estimates ``read`` and ``written``.

        The scenario's price counts where there is one, since the budget is in its currency; otherwise the provider's
        own sum.
        """
        self._lent.remove(reservation)
        if usage is None:
            read = min(read, reservation.prompt_tokens)
            written = min(written, reservation.completion_tokens)
            bill = Bill(read, written, cost_of(self._prices.get(reservation.model), read, written), estimated=True)
        else:
            price = self._prices.get(reservation.model)
            cost = cost_of(price, usage.prompt_tokens, usage.completion_tokens)
            if price is None and usage.cost is not None:
                cost = _rounded(Decimal(repr(usage.cost)))
            bill = Bill(usage.prompt_tokens, usage.completion_tokens, cost, estimated=False)
        self._tokens += bill.prompt_tokens + bill.completion_tokens
        self._cost += bill.cost
        return bill


def cost_of(price: Price | None, prompt_tokens: int, completion_tokens: int) -> Decimal:
    """Return the money for so many tokens, rounded up; 0 without a price."""
    if price is None:
        return Decimal(0)
    return _rounded((prompt_tokens * price.input_per_million + completion_tokens * price.output_per_million) / MILLION)


def _rounded(cost: Decimal) -> Decimal:
    return cost.quantize(CENT_OF_A_MICRO, rounding=ROUND_UP)
