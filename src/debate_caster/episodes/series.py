"""A series at work: stages each show as its next episode, and writes down what became of it."""

import asyncio
import functools
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import structlog

from debate_caster.clock import Clock, unhurried
from debate_caster.episodes.annals import Annals, Archive, Episode, Part, Result
from debate_caster.episodes.staging import new_episode, next_motion, next_topic, staged
from debate_caster.episodes.topic_writer import think_of_motion
from debate_caster.errors import DebateCasterError, ForgottenError, ModelError
from debate_caster.llm.conversation import LLM
from debate_caster.llm.workshop import open_llm, open_reviewers
from debate_caster.log import EventLog
from debate_caster.scenario.script import ModelScript, Scenario
from debate_caster.show.boundaries import Strength, boundaries
from debate_caster.show.events import VerdictGiven
from debate_caster.show.measures import count_words
from debate_caster.show.moderation import Gate
from debate_caster.show.recap import LINE_WORDS, shortened
from debate_caster.show.transcript import Transcript, read_transcript

__all__ = ["NO_TOPIC", "Series", "parts_of"]

logger = structlog.get_logger()

NO_TOPIC = "no topic"
"""How a show ended that could not begin: its model had no motion, and the season no topics to stand in."""


_QUOTES = frozenset('“”„«»"')


class Series:
    """Stages shows of scenarios that have a season; others it hands back as they are.

    Args:
        archive: The annals.
        log: The show log, from which it is known how an episode went.
        clock: When episodes are; models of another machine are asked at its pace, whatever the show's speed.
        llm: Asked for topics in the place of the scenario's own model.
        metered: Wraps the scenario's own model, so that its calls are counted.
    """

    def __init__(
        self,
        archive: Archive,
        log: EventLog,
        *,
        clock: Clock,
        llm: LLM | None = None,
        metered: Callable[[LLM, ModelScript], LLM] | None = None,
    ) -> None:
        self._archive, self._log, self._clock, self._llm = archive, log, clock, llm
        self._metered = metered

    async def stage(self, scenario: Scenario, show: str) -> Scenario:
        """Return the scenario of the episode that ``show`` is; asked again, the same one.

        Raises:
            ModelError: The season's motions are a model's, it has none, and there are no topics to stand in.
            SetupError: The annals can't be used, or a persona of the episode is gone.
        """
        if scenario.season is None:
            return scenario
        annals = await asyncio.to_thread(self._archive.read, scenario.key)
        for episode in annals.episodes:
            if not episode.ended and episode.show != show:
                annals = await self._settle(scenario.key, episode, annals)
        episode = annals.of(show) or await self._begin(scenario, show, annals)
        logger.info("episode_staged", series=scenario.key, number=episode.number, show=show)
        return staged(scenario, episode)

    async def conclude(self, scenario: Scenario, show: str) -> None:
        """Write down how an episode ended, if it has. Nothing is raised: the show is over and was given."""
        if scenario.season is None:
            return
        try:
            annals = await asyncio.to_thread(self._archive.read, scenario.key)
            if (episode := annals.of(show)) is not None and not episode.ended:
                await self._settle(scenario.key, episode, annals)
        except DebateCasterError as exc:  # the next episode tries again
            logger.warning("episode_not_written_down", show=show, error=str(exc))

    async def _begin(self, scenario: Scenario, show: str, annals: Annals) -> Episode:
        while True:
            motion = next_motion(scenario, annals) or await self._motion_of_model(scenario, annals)
            begun = functools.partial(_with_next, scenario, annals, show, self._clock.now(), motion)
            annals = await asyncio.to_thread(self._archive.change, scenario.key, begun)
            if (episode := annals.of(show)) is not None:
                return episode

    async def _motion_of_model(self, scenario: Scenario, annals: Annals) -> str:
        season = scenario.season
        if season is None or season.topic_from is None:
            raise ValueError("only a season with topic_from has a model to ask")
        script = scenario.models[season.topic_from.llm]
        clock = self._clock if script.provider == "rehearsal" else unhurried(self._clock)
        llm = self._llm or open_llm(script, clock=clock, seed=season.seed)
        if self._metered is not None:
            llm = self._metered(llm, script)
        past = [episode.motion for episode in annals.episodes]
        try:
            async with open_reviewers(scenario.moderation, scenario.models, clock=unhurried(self._clock)) as reviewers:
                return await think_of_motion(
                    llm,
                    season.topic_from,
                    past,
                    language=scenario.language,
                    clock=clock,
                    number=annals.next_number,
                    gate=Gate.of(scenario, reviewers),
                )
        except ModelError as exc:
            if (topic := next_topic(season, annals)) is None:
                raise
            logger.warning("topic_stands_in", series=scenario.key, topic=topic, error=str(exc))
            return topic
        finally:
            if self._llm is None:
                await llm.close()

    async def _settle(self, series: str, episode: Episode, annals: Annals) -> Annals:
        """Write down how an episode ended; what ended without a word was none, and its motion is free again."""
        try:
            transcript = await read_transcript(self._log, episode.show)
        except ForgottenError:
            return annals  # it was cut off, and is kept no longer
        if transcript.ended is None:
            return annals
        if not any(speech.text and not speech.apology for speech in transcript.speeches):
            return await asyncio.to_thread(
                self._archive.change, series, lambda current: current.without_show(episode.show)
            )
        method = transcript.verdict.method if transcript.verdict else ""
        ended = episode.model_copy(
            update={"ended": True, "method": method, "recollections": {}, "parts": parts_of(transcript, episode)}
        )
        return await asyncio.to_thread(self._archive.change, series, lambda current: current.with_episode(ended))


def _with_next(scenario: Scenario, expected: Annals, show: str, at: datetime, motion: str, current: Annals) -> Annals:
    """Return the annals with the next episode; as they are where another process was quicker than ``expected``."""
    if current.of(show) is not None or _shows(current) != _shows(expected):
        return current
    episode = new_episode(scenario, current, show=show, at=at, motion=motion)
    return current.model_copy(update={"title": scenario.title}).with_episode(episode)


def _shows(annals: Annals) -> list[str]:
    return [episode.show for episode in annals.episodes]


def parts_of(transcript: Transcript, episode: Episode) -> tuple[Part, ...]:
    """Return how a show was for each persona in it."""
    return tuple(
        Part(
            persona=episode.cast[agent.id],
            name=agent.name,
            side=agent.side,
            side_title=agent.side_title,
            moderator=agent.moderator,
            result=_result(transcript.verdict, agent.side),
            said="" if agent.moderator else _said(transcript, agent.id),
        )
        for agent in transcript.agents
        if agent.id in episode.cast
    )


def _result(verdict: VerdictGiven | None, side: str | None) -> Result:
    if verdict is None or verdict.outcome == "no_result" or side is None:
        return ""
    if side not in verdict.leaders:
        return "lost"
    return "won" if verdict.outcome == "won" else "tied"


def _said(transcript: Transcript, agent: str) -> str:
    """Return a line of an agent's first speech; empty where a viewer's words may have got into it, through anybody."""
    if any(act.command in ("inject", "context") for act in transcript.acts):
        return ""  # the producer may have quoted a viewer
    for speech in transcript.speeches:
        if speech.hints:
            return ""  # from here on everybody has read them, or read who answered them
        if speech.speaker == agent and speech.text and not speech.apology:
            return _telling_line(speech.text)
    return ""


def _telling_line(text: str) -> str:
    """Return the longest sentence that is short enough to be remembered and quotes nobody; greetings are short."""
    line = " ".join(text.split())
    ends = [boundary.place for boundary in boundaries(line) if boundary.strength is Strength.SENTENCE]
    sentences = [line[start:end].strip() for start, end in pairwise([0, *ends, len(line)])]
    fitting = [one for one in sentences if count_words(one) <= LINE_WORDS and not _QUOTES & set(one)]
    return max(fitting, key=count_words, default="") or shortened(line)
