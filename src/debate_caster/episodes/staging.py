"""From a series to one of its episodes: which motion, who on which side, who sits in the guests' seats. Pure."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count

from debate_caster.episodes.annals import Annals, Episode
from debate_caster.episodes.memories import recollection
from debate_caster.episodes.rotation import Rotation, next_choice
from debate_caster.errors import SetupError
from debate_caster.scenario.script import AgentScript, Persona, Scenario, Season

__all__ = ["coming_motions", "new_episode", "next_motion", "staged"]


def next_motion(scenario: Scenario, annals: Annals) -> str | None:
    """Return the motion of the next episode; None where only a model can say."""
    season = scenario.season
    if season is None or not season.has_topics:
        return scenario.motion
    if season.topic_from is not None:
        return None
    return next_topic(season, annals)


def next_topic(season: Season, annals: Annals) -> str | None:
    """Return the next one of the season's own topics; None where it has none."""
    if not season.topics:
        return None
    return _rotation(season, annals).next


def new_episode(scenario: Scenario, annals: Annals, *, show: str, at: datetime, motion: str) -> Episode:
    """Return the next episode of a series, as it is when it begins."""
    cast = {agent.id: _persona_key(scenario, agent, annals) for agent in scenario.agents}
    episode = Episode(number=annals.next_number, show=show, motion=motion, at=at, cast=cast)
    memory = scenario.season.memory if scenario.season else None
    if memory is None:
        return episode
    remembered = {
        agent: found
        for agent, persona in cast.items()
        if (found := recollection(annals, persona, company=tuple(cast.values()), words=memory.words)) is not None
    }
    return episode.model_copy(update={"recollections": remembered})


def staged(scenario: Scenario, episode: Episode) -> Scenario:
    """Return the scenario of one episode.

    Raises:
        SetupError: A persona that was in it is no longer in the scenario.
    """
    season = scenario.season or Season()
    agents = tuple(_recast(scenario, season, agent, episode) for agent in scenario.agents)
    title = f"{scenario.title} · {episode.number}"
    return scenario.model_copy(update={"motion": episode.motion, "title": title, "agents": agents, "season": None})


def coming_motions(scenario: Scenario, annals: Annals) -> Iterator[tuple[int, str | None]]:
    """Yield the number and motion of the episodes to come, if each is given; for ever. None as in ``next_motion``."""
    season = scenario.season
    if season is None or season.topic_from is not None or not season.topics:
        motion = next_motion(scenario, annals)
        yield from ((number, motion) for number in count(annals.next_number))
        return
    rotation = _rotation(season, annals)
    for number in count(annals.next_number):
        topic = rotation.next
        yield number, topic
        rotation.take(topic)


def _rotation(season: Season, annals: Annals) -> Rotation:
    rotation = Rotation(season.topics, seed=season.seed if season.order == "shuffled" else None)
    for episode in annals.episodes:
        rotation.take(episode.motion)
    return rotation


def _recast(scenario: Scenario, season: Season, agent: AgentScript, episode: Episode) -> AgentScript:
    key = episode.cast.get(agent.id, agent.persona.key)
    persona = _pool(season, agent).get(key)
    if persona is None:
        raise SetupError(
            f"{scenario.path}: the persona {key!r} of {episode.show} is not in the pool of {agent.id!r} any more",
            "Put it back, or start a new show.",
        )
    name = agent.name if persona == agent.persona else persona.name
    side = agent.side
    if season.swap_sides and side is not None:
        sides = scenario.format.sides
        side = sides[(sides.index(side) + episode.number - 1) % len(sides)]
    recollection = episode.recollections.get(agent.id)
    return agent.model_copy(update={"persona": persona, "name": name, "side": side, "recollection": recollection})


def _persona_key(scenario: Scenario, agent: AgentScript, annals: Annals) -> str:
    pool = list(_pool(scenario.season or Season(), agent))
    past = (episode.cast[agent.id] for episode in annals.episodes if agent.id in episode.cast)
    return next_choice(pool, past)


def _pool(season: Season, agent: AgentScript) -> dict[str, Persona]:
    """Return who may sit in an agent's seat, by key, in order."""
    guests = [persona for seat in season.guests if seat.seat == agent.id for persona in seat.pool]
    return {persona.key: persona for persona in (agent.persona, *guests)}
