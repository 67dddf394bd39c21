from decimal import Decimal
from functools import partial
from random import Random

import pytest

from debate_caster.errors import BudgetExhaustedError
from debate_caster.llm.conversation import Request, UsageReported
from debate_caster.llm.estimates import estimate_prompt_tokens
from debate_caster.scenario.script import Budget, ModelScript, Price
from debate_caster.show.budget import Treasury, cost_of
from debate_caster.show.events import MoneySpent
from tests.show.stage_props import Reply, make_scenario, outage, perform_evening, words_of

PRICE = Price(input_per_million=Decimal(2), output_per_million=Decimal(10))
MODELS = {"m": ModelScript(name="m", price=PRICE), "free": ModelScript(name="free")}


def treasury(started: float = 0.0, **limits: object) -> Treasury:
    return Treasury(Budget.model_validate(limits), MODELS, started=started)


def test_costs_follow_the_price_and_are_rounded_up() -> None:
    assert cost_of(PRICE, 1000, 100) == Decimal("0.003")
    assert cost_of(Price(input_per_million=Decimal("0.001"), output_per_million=Decimal(0)), 1, 0) == Decimal("1E-8")
    assert cost_of(None, 10**6, 10**6) == 0


def test_what_is_reserved_counts_until_it_is_settled() -> None:
    purse = treasury(max_tokens=1000)
    first = purse.reserve("m", prompt_tokens=500, max_tokens=300)
    with pytest.raises(BudgetExhaustedError, match="tokens"):
        purse.reserve("m", prompt_tokens=200, max_tokens=100)

    purse.settle(first, UsageReported(400, 100), read=0, written=0)

    assert purse.tokens == 500
    purse.reserve("m", prompt_tokens=200, max_tokens=300)


def test_the_exact_limit_may_be_spent_and_not_a_token_more() -> None:
    purse = treasury(max_tokens=1000)
    purse.settle(purse.reserve("m", prompt_tokens=700, max_tokens=300), UsageReported(700, 300), read=0, written=0)

    with pytest.raises(BudgetExhaustedError):
        purse.reserve("m", prompt_tokens=1, max_tokens=0)


def test_money_is_limited_by_the_scenario_s_prices() -> None:
    purse = treasury(max_cost=Decimal("0.01"))
    purse.reserve("free", prompt_tokens=10**9, max_tokens=10**9)
    purse.reserve("m", prompt_tokens=0, max_tokens=1000)

    with pytest.raises(BudgetExhaustedError, match="money"):
        purse.reserve("m", prompt_tokens=1, max_tokens=0)


def test_a_provider_s_own_sum_counts_where_the_scenario_has_no_price() -> None:
    purse = treasury()
    usage = UsageReported(100, 10, cost=0.1)

    assert purse.settle(purse.reserve("free", prompt_tokens=1, max_tokens=1), usage, read=0, written=0).cost == Decimal(
        "0.1"
    )
    assert purse.settle(purse.reserve("m", prompt_tokens=1, max_tokens=1), usage, read=0, written=0).cost == Decimal(
        "0.0003"
    )


def test_without_a_report_the_estimate_is_charged_but_never_more_than_reserved() -> None:
    purse = treasury()
    bill = purse.settle(purse.reserve("m", prompt_tokens=100, max_tokens=50), None, read=90, written=10_000)

    assert (bill.prompt_tokens, bill.completion_tokens, bill.estimated) == (90, 50, True)


def test_after_a_provider_that_overspends_nothing_more_is_lent() -> None:
    purse = treasury(max_tokens=1000)
    purse.settle(purse.reserve("m", prompt_tokens=500, max_tokens=100), UsageReported(500, 9000), read=0, written=0)

    with pytest.raises(BudgetExhaustedError):
        purse.reserve("m", prompt_tokens=1, max_tokens=1)


def test_minutes_count_from_the_start_of_the_show() -> None:
    purse = treasury(started=100.0, max_minutes=2.0)
    purse.check_time(220.0)
    with pytest.raises(BudgetExhaustedError, match="minutes"):
        purse.check_time(220.1)

    assert treasury(max_minutes=None).deadline is None
    treasury(max_minutes=None).check_time(10**9)


def test_what_an_earlier_run_spent_counts() -> None:
    purse = treasury(max_tokens=1000)
    purse.spent_before(900, Decimal(0))

    with pytest.raises(BudgetExhaustedError):
        purse.reserve("m", prompt_tokens=90, max_tokens=20)


def honest(request: Request, _call: int, *, random: Random) -> Reply:
    """Return a reply of any kind whose usage keeps to the limits that the provider was given."""
    read = random.randint(1, estimate_prompt_tokens(request.messages))
    written = random.randint(0, request.max_tokens)
    usage = (read, written) if random.random() < 0.8 else None
    words = random.randint(1, 60)
    kind = random.random()
    if kind < 0.15:
        return Reply(error=outage(random.choice(["connect", "rate_limited", "provider"])), usage=usage)
    if kind < 0.3:
        return Reply(words_of(words), error=outage("cut"), error_after=random.randint(0, words - 1), first_token_s=0.1)
    return Reply(
        words_of(words), usage=usage, words_per_s=random.choice([5, 50]), ends=random.choice(["stop", "length", ""])
    )


@pytest.mark.parametrize("batch", range(10))
def test_500_random_shows_never_spend_more_than_their_budget(batch: int) -> None:
    ended = {"budget": 0, "completed": 0, "failed": 0, "interrupted": 0}
    for seed in range(50 * batch, 50 * (batch + 1)):
        random = Random(seed)
        tokens, cost = random.randint(300, 8000), Decimal(random.randint(1, 40)) / 1000
        scenario = make_scenario(
            rounds=random.randint(1, 2),
            words=20,
            models={"m": MODELS["m"]},
            budget=Budget(max_tokens=tokens, max_cost=cost, max_minutes=random.choice([None, 1.0])),
        )

        evening = perform_evening(scenario, partial(honest, random=random), seed=seed)

        spent = evening.of(MoneySpent)
        assert sum(event.prompt_tokens + event.completion_tokens for event in spent) <= tokens
        assert sum(event.cost for event in spent) <= cost
        assert len(spent) == len(evening.llm.asked)
        ended[evening.ended.why] += 1
    assert ended["budget"] >= 10
    assert ended["completed"] >= 3
