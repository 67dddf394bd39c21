"""What is announced: that a show is scheduled, starts soon, is live or has ended, as others may know of it.

A notice says the same thing once: its id is made of the show and of what is said of it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from debate_caster.scenario.script import NoticeKind, Scenario
from debate_caster.show.cast import cast_of
from debate_caster.show.events import AgentCast, VerdictGiven
from debate_caster.show.transcript import Transcript
from debate_caster.verdict_words import verdict_sentence

__all__ = ["AgentFacts", "Notice", "Result", "ShowFacts", "Vote", "about_ended", "about_live", "about_planned"]

LIVE_KEEPS = timedelta(hours=1)
"""After that nobody needs to hear that a show has begun: few are longer."""

ENDED_KEEPS = timedelta(hours=24)
"""How long a result is news: a receiver that is down over a night still gets it."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AgentFacts(_Facts):
    """Who speaks. ``side`` and its title are empty where the format has no sides."""

    id: str
    name: str
    emoji: str = ""
    side: str = ""
    side_title: str = ""
    moderator: bool = False


class ShowFacts(_Facts):
    """The show. ``motion`` is empty while nobody knows it, ``url`` where there is no page of ours."""

    id: str
    scenario: str
    title: str
    motion: str = ""
    language: str = "en"
    format: str = ""
    starts_at: AwareDatetime
    url: str = ""
    agents: tuple[AgentFacts, ...] = ()


class Vote(_Facts):
    """What came of the audience's votes; ``sentence`` says it in English, the rest is as in ``verdict_given``."""

    sentence: str
    method: str
    outcome: str
    leaders: tuple[str, ...] = ()
    changes: dict[str, float] = {}
    before: dict[str, int] | None = None
    after: dict[str, int] | None = None
    why: str = ""


class Result(_Facts):
    """How a show ended: ``why`` is as in ``show_ended``; without ``vote`` there was none."""

    why: str
    on_air_s: float
    turns: int
    vote: Vote | None = None


class Notice(_Facts):
    """One announcement. ``at`` is when it became true, ``result`` is there where ``type`` is ``ended``."""

    id: str
    type: NoticeKind
    at: AwareDatetime
    show: ShowFacts
    result: Result | None = None

    @property
    def expires_at(self) -> datetime:
        """When nobody needs to hear it any more."""
        match self.type:
            case "scheduled" | "starting_soon":
                return self.show.starts_at
            case "live":
                return self.at + LIVE_KEEPS
            case "ended":
                return self.at + ENDED_KEEPS


def about_planned(
    kind: NoticeKind, scenario: Scenario, *, show: str, starts_at: datetime, at: datetime, url: str
) -> Notice:
    """Return the notice of a show to come. What it is about is said where no season chooses it later."""
    chosen_later = scenario.season is not None and scenario.season.has_topics
    facts = ShowFacts(
        id=show,
        scenario=scenario.key,
        title=scenario.title,
        motion="" if chosen_later else scenario.motion,
        language=scenario.language,
        format=scenario.format.key,
        starts_at=starts_at,
        url=url,
        agents=_agents(cast_of(scenario)) if scenario.season is None else (),
    )
    return _notice(kind, at, facts)


def about_live(transcript: Transcript, *, scenario: str, url: str) -> Notice:
    """Return the notice that a show has begun.

    Raises:
        ValueError: It has not.
    """
    facts = _facts(transcript, scenario, url)
    return _notice("live", facts.starts_at, facts)


def about_ended(transcript: Transcript, *, scenario: str, url: str) -> Notice:
    """Return the notice that a show has ended, and how.

    Raises:
        ValueError: It has not.
    """
    if transcript.ended is None:
        raise ValueError("the show has not ended")
    result = Result(
        why=transcript.ended.why,
        on_air_s=round(transcript.on_air_s, 1),
        turns=sum(bool(speech.text) for speech in transcript.speeches),
        vote=_vote(transcript.verdict, transcript.agents),
    )
    return _notice("ended", transcript.ended.at, _facts(transcript, scenario, url), result)


def _notice(kind: NoticeKind, at: datetime, show: ShowFacts, result: Result | None = None) -> Notice:
    return Notice(id=f"{show.id}.{kind}", type=kind, at=at, show=show, result=result)


def _facts(transcript: Transcript, scenario: str, url: str) -> ShowFacts:
    started = transcript.started
    if started is None:
        raise ValueError("the show has not begun")
    return ShowFacts(
        id=started.show,
        scenario=scenario,
        title=started.title,
        motion=started.motion,
        language=started.language,
        format=started.format,
        starts_at=started.at,
        url=url,
        agents=_agents(started.agents),
    )


def _agents(cast: Sequence[AgentCast]) -> tuple[AgentFacts, ...]:
    return tuple(
        AgentFacts(
            id=agent.id,
            name=agent.name,
            emoji=agent.emoji,
            side=agent.side or "",
            side_title=agent.side_title,
            moderator=agent.moderator,
        )
        for agent in cast
    )


def _vote(verdict: VerdictGiven | None, cast: Sequence[AgentCast]) -> Vote | None:
    if verdict is None:
        return None
    said: dict[str, Any] = verdict.model_dump(mode="json")
    titles = {agent.side: agent.side_title for agent in cast if agent.side is not None}
    return Vote.model_validate({**said, "sentence": verdict_sentence(said, titles)})
