"""What a show of the scenarios at hand will need: files without a problem, and the secrets that they name."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from debate_caster.calendar.purse import most_money
from debate_caster.cli.findings import Finding, fine
from debate_caster.cli.scenario_remarks import remarks_on
from debate_caster.errors import ScenarioError
from debate_caster.scenario import Scenario, check, load_scenario
from debate_caster.scenario.loading import scenario_files, secret_variables

__all__ = ["ReadScenario", "ScenarioReading", "read_scenarios"]


@dataclass(frozen=True, slots=True)
class ReadScenario:
    """A scenario that is sound but for its secrets.

    ``variables`` are those that they come from, by their places; ``unset`` those of them that have no value.
    """

    scenario: Scenario
    variables: Mapping[tuple[str | int, ...], str]
    unset: frozenset[str]

    @property
    def first_asked(self) -> list[str]:
        """The models that are asked first, by name; others stand in for them."""
        season = self.scenario.season
        source = season.topic_from if season is not None else None
        return [agent.model for agent in self.scenario.agents] + ([source.llm] if source is not None else [])

    def variable(self, *place: str | int) -> str:
        """Return the variable of the secret at a place, empty where none is written there."""
        return self.variables.get(place, "")

    def lacks(self, *place: str | int) -> bool:
        """Say whether a secret is written there that has no value."""
        return self.variable(*place) in self.unset


@dataclass(frozen=True, slots=True)
class ScenarioReading:
    """The scenarios that can be performed, and what was found while they were read."""

    scenarios: tuple[ReadScenario, ...] = ()
    findings: tuple[Finding, ...] = ()


def read_scenarios(
    paths: Iterable[Path], env: Mapping[str, str], *, shortest_period_s: float, money_is_limited: bool
) -> ScenarioReading:
    """Read every scenario that the paths name. Reads files, and opens nothing else.

    ``money_is_limited``: shows of a schedule are given only where it is known what they cost at most.
    """
    named = list(paths)
    problems = check(named, env, shortest_period_s=shortest_period_s)
    findings = [
        Finding("scenario", "failure", str(problem), f"Mend it there; `debate-caster check {problem.path}` looks again")
        for problem in problems
    ]
    wanted: dict[str, list[Path]] = {}
    scenarios = []
    for path in dict.fromkeys(file for name in named for file in scenario_files(name)):
        variables = secret_variables(path)
        for variable in dict.fromkeys(variables.values()):
            wanted.setdefault(variable, []).append(path)
        try:
            scenario = load_scenario(path, env=env, secrets_required=False, shortest_period_s=shortest_period_s)
        except ScenarioError:
            continue  # `check` has told
        unset = frozenset(variable for variable in variables.values() if not env.get(variable))
        scenarios.append(ReadScenario(scenario, variables, unset))
        findings += _sound(scenario, money_is_limited=money_is_limited)
    findings += [_secret(variable, files, env) for variable, files in wanted.items()]
    return ScenarioReading(tuple(scenarios), tuple(findings))


def _sound(scenario: Scenario, *, money_is_limited: bool) -> Iterator[Finding]:
    if money_is_limited and scenario.schedule and most_money(scenario) is None:
        what = f"{scenario.path}: money is limited and nobody knows what a show costs, so none is given"
        yield Finding("scenario", "failure", what, "Give each model a `price`, 0 where it costs nothing")
    remarks = list(remarks_on(scenario))
    for remark in remarks:
        cure = "Take a real model, or a language that it speaks"
        yield Finding("scenario", "warning", f"{scenario.path}: {remark}", cure)
    if not remarks:
        agents = f"{len(scenario.agents)} agents"
        yield fine("scenario", f"{scenario.path}: {agents}, {'on a schedule' if scenario.schedule else 'no schedule'}")


def _secret(variable: str, files: Iterable[Path], env: Mapping[str, str]) -> Finding:
    names = ", ".join(map(str, files))
    if env.get(variable):
        return fine("secret", f"{variable} is set, for {names}")
    cure = f"Set it in the environment, or with a line {variable}=… in .env"
    return Finding("secret", "failure", f"{variable} is not set, and {names} needs it", cure)
