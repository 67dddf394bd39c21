"""The cast of a show: its agents as events and viewers name them."""

from debate_caster.scenario.script import Scenario, Voice
from debate_caster.show.events import AgentCast

__all__ = ["cast_of"]


def cast_of(scenario: Scenario) -> tuple[AgentCast, ...]:
    """Return the agents in the scenario's order, with what viewers may know of them."""
    rules = scenario.format
    return tuple(
        AgentCast(
            id=agent.id,
            name=agent.name,
            emoji=agent.persona.emoji,
            color=agent.persona.color,
            side=agent.side,
            side_title=rules.side_titles.get(agent.side, agent.side) if agent.side is not None else "",
            stance=rules.stances.get(agent.side, "neutral") if agent.side is not None else "neutral",
            moderator=agent.moderator,
            style=agent.persona.style,
            voice=_told(agent.persona.voice),
            model=agent.model,
        )
        for agent in scenario.agents
    )


def _told(voice: Voice) -> dict[str, str | float]:
    """Return what differs from the listener's own default voice."""
    return voice.model_dump(exclude_defaults=True)
