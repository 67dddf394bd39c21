"""What a command prints of a show as it airs: plain lines for pipes, JSON Lines for programs.

A view follows the show log like everybody else does: one that is slow falls behind, and delays nothing.
"""

import json
from typing import Protocol

from debate_caster.cli.amounts import counted
from debate_caster.cli.outlet import Outlet
from debate_caster.cli.printable import json_line, printable_line
from debate_caster.cli.standing import Standing, clock_time
from debate_caster.log import EventLog, Record
from debate_caster.show.events import (
    ChunkAired,
    ConnectionDown,
    ConnectionUp,
    HintAccepted,
    HintDeclined,
    PhaseStarted,
    ShowEnded,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    ShowStarted,
    SpeechHeldBack,
    TurnEnded,
    TurnStarted,
    VerdictGiven,
    VoteCounted,
    VoteOpened,
    decode,
    stream_of,
)
from debate_caster.verdict_words import verdict_sentence

__all__ = ["Follower", "JsonLinesView", "PlainView", "View", "ending", "notice", "speaker_label"]


class View(Protocol):
    """Shows events somewhere. Nothing that goes wrong there may raise."""

    async def show(self, record: Record) -> None:
        """Show a record of the show log."""
        ...


class JsonLinesView:
    """Each record of the show log as one line of JSON, ``seq`` first, safe to look at in a terminal."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    async def show(self, record: Record) -> None:
        await self._outlet.write(json_line({"seq": record.seq, **json.loads(record.body)}) + "\n")


class PlainView:
    """One line for each thing that matters, with the show's clock in front."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._standing = Standing()

    async def show(self, record: Record) -> None:
        event = decode(record)
        self._standing.take(event)
        line = self._line(event)
        if line:
            at = clock_time(self._standing.elapsed(event.at))
            await self._outlet.write(f"[{at}] {printable_line(line)}\n")

    def _line(self, event: ShowEvent) -> str:
        match event:
            case ShowStarted():
                cast = ", ".join(speaker_label(self._standing, agent.id) for agent in event.agents)
                return f"{event.motion} · {event.format_title or event.format} · {cast}"
            case PhaseStarted():
                return f"-- {event.title}"
            case ChunkAired():
                return f"{speaker_label(self._standing, event.speaker)}: {event.text}"
            case ShowEnded():
                return ending(event)
            case _:
                return notice(self._standing, event)


def speaker_label(standing: Standing, agent: str) -> str:
    """Return an agent's name, with its side where it has one."""
    cast = standing.cast.get(agent)
    side = (cast.side_title or cast.side or ("moderator" if cast.moderator else "")) if cast else ""
    return f"{standing.name(agent)} ({side})" if side else standing.name(agent)


def notice(standing: Standing, event: ShowEvent) -> str:
    """Return what there is to say about an event beside the speeches, empty for most."""
    match event:
        case HintAccepted():
            to = f" to {standing.name(event.to)}" if event.to else ""
            return f"hint from {event.name or 'a viewer'}{to}: {event.text}"
        case HintDeclined():
            return f"hint declined: {event.reason.replace('_', ' ')}"
        case TurnStarted() if event.hints:
            return f"{standing.name(event.speaker)} answers {counted(len(event.hints), 'hint')}"
        case TurnEnded() if event.how in ("aborted", "skipped"):
            reason = f": {event.detail}" if event.detail else ""
            return f"{standing.name(event.speaker)}'s turn was {event.how}{reason}"
        case SpeechHeldBack():
            return f"{standing.name(event.speaker)}'s {event.what} is held back ({event.by}: {event.reason})"
        case VoteOpened():
            choices = ", ".join(choice.title for choice in event.choices)
            return f"the audience votes {event.vote} the debate, for {event.seconds:.0f} s: {choices}"
        case VoteCounted():
            counts = ", ".join(f"{standing.choices.get(choice, choice)} {n}" for choice, n in event.counts.items())
            return f"votes {event.vote} the debate: {counts}"
        case VerdictGiven():
            return verdict_sentence(event.model_dump(), standing.choices)
        case ShowPaused():
            return "the show waits: no model answers" if event.why == "models" else "the show is paused"
        case ShowResumed():
            return "the show goes on"
        case ConnectionUp() if event.part > 1:
            return f"{standing.name(event.agent)} is back on {event.target}, part {event.part}"
        case ConnectionDown() if not event.final:
            return f"{standing.name(event.agent)} lost {event.target}: {event.reason}"
        case _:
            return ""


def ending(event: ShowEnded) -> str:
    """Return in words how a show ended."""
    words = {
        "completed": "The debate has run to its end",
        "budget": "The debate was closed: its budget is used up",
        "producer": "The debate was ended by its producer",
        "interrupted": "The debate was interrupted",
        "failed": "The debate has failed",
    }
    return words[event.why] + (f": {event.detail}" if event.detail else ".")


class Follower:
    """Shows one show on some views, from its first event on."""

    def __init__(self, log: EventLog, show: str, views: tuple[View, ...]) -> None:
        self._log, self._stream, self._views = log, stream_of(show), views
        self._seen = 0
        self.ended: ShowEnded | None = None

    async def run(self) -> None:
        """Show events as they come, until the show has ended."""
        async with self._log.tail(self._stream, 0) as records:
            async for record in records:
                await self._show(record)
                if self.ended:
                    return

    async def finish(self) -> None:
        """Show what was logged since; to be called once ``run`` has ended."""
        while records := await self._log.read(self._stream, self._seen):
            for record in records:
                await self._show(record)

    async def _show(self, record: Record) -> None:
        self._seen = record.seq
        for view in self._views:
            await view.show(record)
        if '"show_ended"' in record.body and isinstance(event := decode(record), ShowEnded):
            self.ended = event
