"""Series, and shows of them that have been: built in code, without performing them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from debate_caster.clock import ManualClock
from debate_caster.episodes.annals import Archive, Episode, Part
from debate_caster.episodes.series import Series
from debate_caster.log import MemoryEventLog
from debate_caster.scenario.script import GuestSeat, Persona, Scenario, Season
from debate_caster.show.cast import cast_of
from debate_caster.show.events import (
    ChunkAired,
    HintTaken,
    ProducerActed,
    ShowEnded,
    ShowEvent,
    ShowStarted,
    TurnEnded,
    TurnStarted,
    VerdictGiven,
    encode,
    stream_of,
)
from tests.show.stage_props import make_scenario

BEGIN = datetime(2026, 1, 2, 20, tzinfo=UTC)
TOPICS = tuple(f"Motion number {number} is right." for number in range(1, 8))


def persona(key: str) -> Persona:
    return Persona(key=key, name=key.capitalize(), style=f"{key} is calm.")


def series_of(**season: Any) -> Scenario:
    """Ada against Ben about trams, with a season."""
    return make_scenario(title="The Tram Hour", season=Season(**season))


def pool(seat: str, *keys: str) -> GuestSeat:
    return GuestSeat(seat=seat, pool=tuple(map(persona, keys)))


def episode(number: int, *parts: Part, **rest: Any) -> Episode:
    """Return an episode that has been."""
    return Episode(
        number=number, show=f"show-{number}", motion=f"Motion {number}.", at=BEGIN + timedelta(weeks=number),
        cast={part.persona: part.persona for part in parts}, parts=parts, ended=True, **rest,
    )  # fmt: skip


def duel(number: int, *, result: Any = "", against: str = "ben", said: str = "") -> Episode:
    """Return an episode of Ada and another, with what came of it for Ada."""
    theirs = {"won": "lost", "lost": "won"}.get(result, result)
    return episode(
        number,
        Part(persona="ada", name="Ada", side="for", side_title="Proposition", result=result, said=said),
        Part(persona=against, name=against.capitalize(), side="against", side_title="Opposition", result=theirs),
        method="swing" if result else "",
    )


class Company:
    """Gives shows that take no time: each agent says one sentence, then the audience's verdict comes."""

    def __init__(self, archive: Archive | None = None) -> None:
        self.clock = ManualClock(start=BEGIN)
        self.archive = archive or Archive(None)
        self.log = MemoryEventLog()
        self.series = Series(self.archive, self.log, clock=self.clock)

    async def give(self, scenario: Scenario, show: str, *, hint: HintTaken | None = None, **ending: Any) -> Scenario:
        """Stage a show, log it and conclude it; return what was on stage."""
        staged = await self.series.stage(scenario, show)
        await self.write(staged, show, hint=hint, **ending)
        await self.series.conclude(scenario, show)
        self.clock.advance(7 * 86_400)
        return staged

    async def write(
        self,
        staged: Scenario,
        show: str,
        *,
        hint: HintTaken | None = None,
        winner: str = "",
        silent: bool = False,
        note: str = "",
        text: str = "",
        why: Any = "completed",
    ) -> None:
        """Log a show, with a hint in its first turn's prompt, and a producer's note before it; all say ``text``."""
        at = self.clock.now()
        events: list[ShowEvent] = [
            ShowStarted(
                at=at, show=show, scenario=staged.key, motion=staged.motion, title=staged.title, format="test",
                seed=1, agents=cast_of(staged), phases=(), turns=len(staged.agents),
            )
        ]  # fmt: skip
        if note:
            events.append(ProducerActed(at=at, command="context", text=note))
        for turn, agent in enumerate([] if silent else staged.agents):
            hints = (hint,) if hint is not None and turn == 0 else ()
            said = text or f"{agent.name} speaks of {staged.motion}" + (f" You said: {hint.text}" if hint else "")
            events += [
                TurnStarted(at=at, turn=turn, phase=0, speaker=agent.id, max_words=50, hints=hints),
                ChunkAired(at=at, turn=turn, index=0, speaker=agent.id, text=said),
                TurnEnded(at=at, turn=turn, speaker=agent.id, how="completed", chunks=1),
            ]
        if winner:
            leaders = tuple(agent.side for agent in staged.agents if agent.persona.key == winner and agent.side)
            events.append(VerdictGiven(at=at, method="swing", outcome="won", leaders=leaders))
        events.append(ShowEnded(at=at, why=why))
        await self.log.append(stream_of(show), [encode(event) for event in events], expect=0)
