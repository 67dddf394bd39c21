from decimal import Decimal

import pytest

from debate_caster.llm.retrying import RetryPolicy
from debate_caster.scenario import Scenario, plan
from debate_caster.scenario.script import Budget, ModelScript, Price
from debate_caster.show.forecast import Forecast, forecast
from tests.show.stage_props import Reply, make_scenario, outage, perform_evening, words_of

PRICED = {"m": ModelScript(name="m", price=Price(input_per_million=Decimal(2), output_per_million=Decimal(10)))}


def foresee(scenario: Scenario) -> Forecast:
    return forecast(scenario, plan(scenario))


def test_the_worst_case_has_every_retry_of_every_turn() -> None:
    scenario = make_scenario(rounds=3)

    foreseen = foresee(scenario)

    assert (foreseen.turns, foreseen.calls) == (6, 18)
    assert forecast(scenario, plan(scenario), retries=RetryPolicy(attempts=1)).calls == 6


def test_no_show_takes_more_than_was_foreseen() -> None:
    scenario = make_scenario(rounds=3, models=PRICED)
    foreseen = foresee(scenario)

    evening = perform_evening(
        scenario,
        lambda _request, call: Reply(
            words_of(60), error=outage("cut") if call % 3 < 2 else None, error_after=1, usage=None
        ),
    )

    spent = evening.transcript.spent
    assert spent.attempts > 6
    assert spent.prompt_tokens <= foreseen.prompt_tokens
    assert spent.completion_tokens <= foreseen.completion_tokens
    assert 0 < spent.cost <= foreseen.cost
    assert evening.seconds(evening.events[-1]) <= foreseen.longest_s


def test_models_are_told_apart() -> None:
    scenario = make_scenario(models=PRICED | {"n": ModelScript(name="n")})
    ada, ben = scenario.agents
    scenario = scenario.model_copy(update={"agents": (ada, ben.model_copy(update={"model": "n"}))})

    m, n = foresee(scenario).models

    assert (m.model, m.priced, n.priced, n.cost) == ("m", True, False, Decimal(0))
    assert m.turns == n.turns == 2


def test_a_model_that_stands_in_is_counted_as_if_it_always_had_to() -> None:
    spare = ModelScript(name="n", price=Price(input_per_million=Decimal(1), output_per_million=Decimal(1)))
    scenario = make_scenario(models={"m": PRICED["m"].model_copy(update={"fallback": "n"}), "n": spare})
    foreseen = foresee(scenario)

    evening = perform_evening(
        scenario, lambda _request, _call: Reply(words_of(60), error=outage("cut"), error_after=1, usage=None)
    )

    m, n = foreseen.models
    assert (m.calls, n.calls) == (12, 12)
    assert n.cost > 0
    assert evening.transcript.spent.attempts > 12
    assert evening.transcript.spent.cost <= foreseen.cost


@pytest.mark.parametrize(
    ("budget", "limits"),
    [
        (Budget(), ()),
        (Budget(max_tokens=1000), ("tokens",)),
        (Budget(max_cost=Decimal("0.0001")), ("money",)),
        (Budget(max_minutes=0.1), ("minutes",)),
        (Budget(max_tokens=1, max_cost=Decimal("0.0001"), max_minutes=0.1), ("tokens", "money", "minutes")),
    ],
)
def test_limits_that_may_end_the_show_are_named(budget: Budget, limits: tuple[str, ...]) -> None:
    assert foresee(make_scenario(models=PRICED, budget=budget)).limits == limits


def test_the_expected_length_is_reading_time_and_gaps() -> None:
    foreseen = foresee(make_scenario(rounds=2, words=100))

    assert foreseen.expected_s == pytest.approx(400 * 6.8 / 20 + 3 * 1.5)
    assert foreseen.longest_s > foreseen.expected_s
