"""Scenarios in memory for tests of the rundown: any format with any number of debaters."""

from collections.abc import Iterator
from pathlib import Path

from debate_caster.scenario.library import Library
from debate_caster.scenario.script import AgentScript, Format, ModelScript, Persona, Scenario

NAMES = ("Ann", "Bob", "Cyd", "Dee", "Eli", "Fay", "Gus", "Hal", "Ivy", "Jan", "Kit", "Lou")

SHIPPED_FORMATS = ("british-parliamentary", "duel", "lincoln-douglas", "oxford", "public-forum", "roundtable")


def shipped_format(name: str) -> Format:
    found = Library(Path("/nowhere")).format(name)
    assert found is not None
    assert found.value is not None, found.problems
    return found.value


def company(rules: Format, debaters: int, *, moderated: bool) -> Scenario:
    """Return a scenario whose debaters are dealt to the sides in turn."""
    agents = [
        agent(NAMES[index], side=rules.sides[index % len(rules.sides)] if rules.sides else None)
        for index in range(debaters)
    ]
    if moderated:
        agents.append(agent("Mod", moderator=True))
    return Scenario(
        key="test",
        path=Path("test.yaml"),
        motion="Tests tell the truth.",
        title="Tests",
        format=rules,
        agents=tuple(agents),
        models={"rehearsal": ModelScript(name="rehearsal")},
    )


def agent(name: str, *, side: str | None = None, moderator: bool = False) -> AgentScript:
    persona = Persona(key=name.lower(), name=name, style="plain")
    return AgentScript(id=name.lower(), persona=persona, name=name, side=side, model="rehearsal", moderator=moderator)


def every_company(rules: Format) -> Iterator[Scenario]:
    for moderated in {"none": [False], "optional": [False, True], "required": [True]}[rules.moderator]:
        for debaters in range(rules.min_agents, rules.max_agents + 1):
            yield company(rules, debaters, moderated=moderated)
