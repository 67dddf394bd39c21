from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from debate_caster.calendar.allowance import Allowance
from debate_caster.calendar.ledger import IN_MEMORY, Entry, Ledger
from debate_caster.calendar.purse import Purse, most_money
from debate_caster.errors import LogError
from debate_caster.scenario.rundown import plan
from debate_caster.scenario.script import (
    GuestSeat,
    Memory,
    ModelScript,
    Price,
    Scenario,
    Season,
    TopicSource,
)
from debate_caster.show.forecast import forecast
from debate_caster.show.spending import Spending
from tests.calendar.plans import at, scenario, stands

NOW = at("06-01 20:00")
PRICE = Price(input_per_million=Decimal(1), output_per_million=Decimal(4))


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    ledger = Ledger(IN_MEMORY)
    yield ledger
    await ledger.aclose()


def with_model(plan: Scenario, *, price: Price | None, max_cost: str | None = None, fallback: bool = False) -> Scenario:
    """Return the scenario with a model that costs so much; or that stands in for one that is free."""
    dear = ModelScript(name="dear", provider="openai", base_url="https://models.example/v1", model="m", price=price)
    free = ModelScript(name="free", fallback="dear") if fallback else ModelScript(name="free")
    agents = tuple(agent.model_copy(update={"model": "free" if fallback else "dear"}) for agent in plan.agents)
    cap = None if max_cost is None else Decimal(max_cost)
    budget = plan.budget.model_copy(update={"max_cost": cap})
    return plan.model_copy(update={"models": {"dear": dear, "free": free}, "agents": agents, "budget": budget})


def test_a_show_may_cost_its_worst_case_or_its_budget_where_that_is_less(tmp_path: Path) -> None:
    priced = with_model(scenario(tmp_path, "friday"), price=PRICE)
    worst = forecast(priced, plan(priced)).cost

    assert worst > 0
    assert most_money(priced) == worst
    assert most_money(with_model(priced, price=PRICE, max_cost="0.0001")) == Decimal("0.0001")
    assert most_money(with_model(priced, price=PRICE, max_cost="99")) == worst


def test_an_episode_may_cost_what_the_one_with_the_longest_prompts_costs(tmp_path: Path) -> None:
    priced = with_model(scenario(tmp_path, "friday"), price=PRICE)
    ada = priced.agents[0]
    talker = ada.persona.model_copy(update={"key": "talker", "style": "says everything twice, " * 40})
    plain = most_money(priced)
    assert plain is not None

    for season in (
        Season(topics=("Tea.", "Tea is better than coffee, " * 20)),
        Season(topic_from=TopicSource(llm="dear", about="tea")),
        Season(guests=(GuestSeat(seat=ada.id, pool=(talker,)),)),
        Season(memory=Memory(words=300)),
    ):
        assert (most_money(priced.model_copy(update={"season": season})) or 0) > plain
    assert most_money(priced.model_copy(update={"season": Season(swap_sides=True)})) == plain


def test_without_a_price_only_the_budget_says_what_a_show_may_cost(tmp_path: Path) -> None:
    friday = scenario(tmp_path, "friday")

    assert most_money(friday) == 0
    assert most_money(with_model(friday, price=None)) is None
    assert most_money(with_model(friday, price=None, fallback=True)) is None
    assert most_money(with_model(friday, price=None, max_cost="2")) == 2
    assert most_money(with_model(friday, price=Price(input_per_million=Decimal(0), output_per_million=Decimal(0)))) == 0


async def test_what_cannot_be_read_counts_as_much_as_it_may_be_until_it_can(ledger: Ledger) -> None:
    readable = False

    async def spending(show: str) -> Spending:
        if not readable:
            raise LogError(show, "locked", passing=True)
        return Spending(Decimal("1.5"), NOW)

    purse = Purse(ledger, allowance=Allowance(per_day=Decimal(6)), spending=spending)
    await ledger.record([Entry("friday", NOW, NOW, "", "ran", "", "show", Decimal(5))], owner="us", now=NOW)
    await ledger.finish("show", "completed", NOW)
    await purse.settle("show", NOW)
    assert [stands(one) for one in await purse.standings(NOW)] == ["0 spent, 5 held"] * 2

    readable = True
    await purse.settle_what_is_over("us", alive=lambda _: True, now=NOW)

    assert [stands(one) for one in await purse.standings(NOW)] == ["1.5 spent, 0 held"] * 2


async def test_shows_of_the_dead_are_settled_unless_they_may_go_on(ledger: Ledger) -> None:
    async def spending(_show: str) -> Spending:
        return Spending(Decimal(1), NOW)

    purse = Purse(ledger, allowance=Allowance(per_day=Decimal(100)), spending=spending)
    await ledger.record([Entry("friday", NOW, NOW, "", "ran", "", "scheduled", Decimal(5))], owner="dead", now=NOW)
    for show, owner in [("by hand", "dead"), ("on the air", "living")]:
        assert await purse.hold(show, Decimal(5), owner=owner, now=NOW) is None
    await purse.settle_what_is_over("us", alive=lambda owner: owner != "dead", now=NOW)

    day, _ = await purse.standings(NOW)
    assert stands(day) == "1 spent, 10 held"


async def test_a_show_that_goes_on_is_never_refused(ledger: Ledger) -> None:
    purse = Purse(ledger, allowance=Allowance(per_day=Decimal(1)))

    assert await purse.hold("new", Decimal(5), owner="us", now=NOW) is not None
    assert await purse.hold("broken off", Decimal(5), owner="us", now=NOW, goes_on=True) is None
    assert await purse.hold("new", Decimal("0.1"), owner="us", now=NOW) is not None
