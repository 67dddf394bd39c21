"""How a show stands, in the few facts that a person at a terminal wants: a fold of show events."""

from dataclasses import dataclass, field
from datetime import datetime

from debate_caster.show.events import (
    AgentCast,
    ChunkAired,
    ConnectionDown,
    ConnectionUp,
    HintAccepted,
    HintExpired,
    HintUsed,
    PhaseStarted,
    ShowEnded,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    ShowStarted,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
    VoteOpened,
)
from debate_caster.show.transcript import INTERJECTION

__all__ = ["Standing", "clock_time"]


def clock_time(seconds: float) -> str:
    """Return a duration as ``mm:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


@dataclass(slots=True)
class Standing:
    """``take`` the events of one show in order. ``speaking`` and ``thinking`` are agent ids, maybe both set."""

    show: str = ""
    motion: str = ""
    started_at: datetime | None = None
    last_at: datetime | None = None
    cast: dict[str, AgentCast] = field(default_factory=dict)
    phase: str = ""
    turn: int = -1
    turns: int = 0
    speaking: str = ""
    thinking: str = ""
    hints_waiting: set[str] = field(default_factory=set)
    hints_used: int = 0
    choices: dict[str, str] = field(default_factory=dict)
    viewers: int | None = None
    paused: bool = False
    down: set[tuple[str, str]] = field(default_factory=set)
    ended: ShowEnded | None = None

    def take(self, event: ShowEvent) -> None:
        self.last_at = event.at
        match event:
            case ShowStarted():
                self.show, self.motion, self.started_at = event.show, event.motion, event.at
                self.cast = {agent.id: agent for agent in event.agents}
                self.turns = event.turns
            case PhaseStarted():
                self.phase = event.title
            case TurnPrepared():
                self.thinking = event.speaker
            case TurnStarted():
                self.turn, self.speaking, self.thinking = event.turn, event.speaker, ""
                self.turns += event.kind == INTERJECTION and self.turns > 0
            case ChunkAired():
                self.speaking = event.speaker
            case TurnEnded():
                self.speaking = ""
                self.thinking = "" if event.how == "skipped" and self.thinking == event.speaker else self.thinking
            case HintAccepted():
                self.hints_waiting.add(event.hint)
            case HintUsed():
                self.hints_waiting.discard(event.hint)
                self.hints_used += 1
            case HintExpired():
                self.hints_waiting.discard(event.hint)
            case ShowPaused() | ShowResumed():
                self.paused = isinstance(event, ShowPaused)
            case VoteOpened():
                self.choices = {choice.id: choice.title for choice in event.choices}
            case ConnectionUp():
                self.down.discard((event.agent, event.target))
            case ConnectionDown() if not event.final:
                self.down.add((event.agent, event.target))
            case ShowEnded():
                self.ended, self.speaking, self.thinking = event, "", ""
            case _:
                pass

    def elapsed(self, now: datetime) -> float:
        """Return how long the show has been on, in the show's seconds."""
        return (now - self.started_at).total_seconds() if self.started_at else 0.0

    def name(self, agent: str) -> str:
        return self.cast[agent].name if agent in self.cast else agent
