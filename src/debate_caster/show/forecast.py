"""What a scenario may take at worst, before anybody is asked: calls, tokens, money, minutes."""

from dataclasses import dataclass
from decimal import Decimal

from debate_caster.llm.estimates import estimate_prompt_tokens
from debate_caster.llm.retrying import RetryPolicy
from debate_caster.scenario.rundown import Rundown
from debate_caster.scenario.script import Scenario
from debate_caster.show.budget import cost_of
from debate_caster.show.events import HintTaken
from debate_caster.show.hints import NAME_CHARS
from debate_caster.show.measures import CHARS_PER_WORD
from debate_caster.show.pacing import longest_speech_s
from debate_caster.show.prompt import PromptDesk, reply_tokens
from debate_caster.show.transcript import Speech

__all__ = ["FILLER", "Forecast", "ModelForecast", "forecast"]

FILLER = "fillers "
"""A word of eight characters, which the estimate takes for as many tokens as a word of a reply may have."""


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """One model's part at worst: every attempt of every turn used up to its limit."""

    model: str
    turns: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    priced: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """A whole show at worst. ``expected_s`` is its length when each speech has its full number of words.

    ``limits`` are those of the scenario's budget that the worst case would pass: there the show would close early.
    """

    turns: int
    models: tuple[ModelForecast, ...]
    longest_prompt_words: int
    expected_s: float
    longest_s: float
    limits: tuple[str, ...]

    @property
    def calls(self) -> int:
        return sum(model.calls for model in self.models)

    @property
    def prompt_tokens(self) -> int:
        return sum(model.prompt_tokens for model in self.models)

    @property
    def completion_tokens(self) -> int:
        return sum(model.completion_tokens for model in self.models)

    @property
    def cost(self) -> Decimal:
        return sum((model.cost for model in self.models), Decimal(0))


def forecast(scenario: Scenario, rundown: Rundown, *, retries: RetryPolicy | None = None) -> Forecast:
    """Return the worst case of a show: full speeches, full prompts with all the hints they take, every retry.

    A turn counts for each model that may have to stand in, as if all the others had failed.
    """
    attempts = (retries or RetryPolicy()).attempts
    desk = PromptDesk(scenario, rundown, key=b"forecast")
    models = {agent.id: agent.model for agent in scenario.agents}
    tally: dict[str, list[int]] = {name: [0, 0, 0] for name in scenario.models}
    speeches: list[Speech] = []
    hints = _fullest_hints(scenario)
    longest_prompt = 0
    for turn in rundown.turns:
        prompt = desk.build(turn, speeches, hints)
        longest_prompt = max(longest_prompt, prompt.words)
        for script in scenario.models_for(models[turn.speaker]):
            entry = tally[script.name]
            entry[0] += 1
            entry[1] += attempts * estimate_prompt_tokens(prompt.messages)
            entry[2] += attempts * reply_tokens(turn.max_words, script)
        text = (FILLER * turn.max_words).rstrip()
        speeches.append(Speech(turn.index, turn.phase, turn.speaker, text, "completed"))
    return _summed(scenario, rundown, tally, attempts, longest_prompt)


def _summed(
    scenario: Scenario, rundown: Rundown, tally: dict[str, list[int]], attempts: int, longest_prompt: int
) -> Forecast:
    parts = tuple(
        ModelForecast(
            model=name,
            turns=turns,
            calls=attempts * turns,
            prompt_tokens=read,
            completion_tokens=written,
            cost=cost_of(scenario.models[name].price, read, written),
            priced=scenario.models[name].price is not None,
        )
        for name, (turns, read, written) in tally.items()
        if turns
    )
    votes = {"off": 0, "single": 1, "swing": 2}[scenario.audience.votes]
    gaps = scenario.pacing.gap_s * max(len(rundown.turns) - 1, 0) + scenario.audience.vote_s * votes
    spoken = rundown.max_words * CHARS_PER_WORD / scenario.pacing.chars_per_second
    longest = sum(longest_speech_s(scenario.pacing, turn.max_words) for turn in rundown.turns)
    worst = Forecast(len(rundown.turns), parts, longest_prompt, spoken + gaps, longest + gaps, ())
    budget = scenario.budget
    passed = {
        "tokens": budget.max_tokens is not None and worst.prompt_tokens + worst.completion_tokens > budget.max_tokens,
        "money": budget.max_cost is not None and worst.cost > budget.max_cost,
        "minutes": budget.max_minutes is not None and worst.longest_s > 60 * budget.max_minutes,
    }
    limits = tuple(limit for limit, bites in passed.items() if bites)
    return Forecast(worst.turns, parts, longest_prompt, worst.expected_s, worst.longest_s, limits)


def _fullest_hints(scenario: Scenario) -> tuple[HintTaken, ...]:
    audience = scenario.audience
    if not audience.hints:
        return ()
    text = "é" * audience.max_hint_chars
    return tuple(
        HintTaken(id=str(number), viewer="", name="é" * NAME_CHARS, text=text)
        for number in range(audience.max_hints_per_turn)
    )
