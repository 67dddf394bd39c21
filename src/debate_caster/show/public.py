"""What the audience may know of a show's events, and whose connection says it.

Prompts, thoughts (unless the scenario airs them), models, costs and viewers' ids stay in the show log. The bodies are
those of docs/protocol.md, section 3.
"""

from collections import OrderedDict
from typing import Any, assert_never

from debate_caster.show.events import (
    AgentCast,
    ChunkAired,
    ConnectionDown,
    ConnectionUp,
    EpochBegan,
    HintAccepted,
    HintDeclined,
    HintExpired,
    HintHeld,
    HintOffered,
    HintUsed,
    MoneySpent,
    PhaseStarted,
    ProducerActed,
    ShowEnded,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    ShowStarted,
    SpeechHeldBack,
    ThoughtNoted,
    ToolAnswered,
    ToolCalled,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
    VerdictGiven,
    VoteClosed,
    VoteCounted,
    VoteOpened,
)

__all__ = ["PublicProjection", "public_body", "sender_of"]

_HINTS_REMEMBERED = 2000


def sender_of(event: ShowEvent, lead: str) -> str:
    """Return the agent whose connection airs the event: its speaker, and the lead for what is nobody's own."""
    match event:
        case (
            PhaseStarted()
            | TurnPrepared()
            | TurnStarted()
            | ThoughtNoted()
            | ToolCalled()
            | ToolAnswered()
            | ChunkAired()
            | SpeechHeldBack()
            | TurnEnded()
            | HintUsed()
        ):
            return event.speaker or lead
        case ConnectionUp() | ConnectionDown():
            return event.agent
        case (
            ShowStarted()
            | EpochBegan()
            | HintOffered()
            | HintHeld()
            | HintAccepted()
            | HintDeclined()
            | HintExpired()
            | VoteOpened()
            | VoteClosed()
            | VoteCounted()
            | VerdictGiven()
            | ProducerActed()
            | ShowPaused()
            | ShowResumed()
            | MoneySpent()
            | ShowEnded()
        ):
            return lead
        case _:
            assert_never(event)


def public_body(event: ShowEvent, *, air_thoughts: bool) -> dict[str, Any] | None:
    """Return the event as the audience gets it, None where it gets nothing.

    Chunks are not among them: they travel as text. A used hint's ``name`` and ``text`` are not in its event; see
    ``PublicProjection``.
    """
    match event:
        case ShowStarted():
            return _body(
                event,
                "show",
                "title",
                "motion",
                "language",
                "format",
                "format_title",
                "turns",
                "hints_open",
                "max_hint_chars",
                "hint_interval_s",
            ) | {
                "agents": [_agent(agent) for agent in event.agents],
                "phases": [{"key": phase.key, "title": phase.title, "turns": phase.turns} for phase in event.phases],
            }
        case PhaseStarted():
            return _body(event, "phase", "key", "title", "speaker")
        case TurnPrepared():
            return _body(event, "turn", "phase", "speaker")
        case TurnStarted():
            hints = [{"id": hint.id, "name": hint.name, "text": hint.text} for hint in event.hints]
            names = ("turn", "phase", "speaker", "side", "role", "kind", "addresses", "max_words")
            return _body(event, *names) | {"hints": hints}
        case TurnEnded():
            odd = [name for name in ("again", "apology", "held_back") if getattr(event, name)]
            return _body(event, "turn", "speaker", "how", "words", *odd)
        case ThoughtNoted():
            return _body(event, "turn", "speaker", "text") if air_thoughts else None
        case ToolCalled():
            return _body(event, "turn", "speaker", "call", "name", "arguments") if air_thoughts else None
        case ToolAnswered():
            return _body(event, "turn", "speaker", "call", "text") if air_thoughts else None
        case HintAccepted():
            return _body(event, "hint", "to")
        case HintHeld():
            return _body(event, "hint", "to")
        case ShowPaused():
            return _body(event, "why")
        case ShowResumed():
            return _body(event)
        case HintDeclined() | HintExpired():
            return _body(event, "hint", "reason")
        case HintUsed():
            return _body(event, "hint", "turn", "speaker")
        case VoteOpened():
            choices = [{"id": choice.id, "title": choice.title} for choice in event.choices]
            return _body(event, "vote", "method", "seconds") | {"choices": choices}
        case VoteClosed():
            return _body(event, "vote")
        case VerdictGiven():
            return _body(event, "method", "outcome", "leaders", "changes", "before", "after", "why")
        case ShowEnded():
            return _body(event, "why", "detail")
        case ChunkAired() | HintOffered() | VoteCounted() | MoneySpent() | ProducerActed():
            return None
        case EpochBegan() | ConnectionUp() | ConnectionDown() | SpeechHeldBack():
            return None
        case _:
            assert_never(event)


class PublicProjection:
    """``public_body`` for a log read in order: remembers what hints say, for when they are used.

    An event may be given again (a connection that resumes reads some twice).
    """

    def __init__(self, *, air_thoughts: bool) -> None:
        self._air_thoughts = air_thoughts
        self._hints: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def body(self, event: ShowEvent) -> dict[str, Any] | None:
        """Return the event as the audience gets it, None where it gets nothing."""
        match event:
            case HintAccepted() | HintHeld():
                self._remember(event.hint, event.name, event.text)
            case TurnStarted():
                for hint in event.hints:
                    self._remember(hint.id, hint.name, hint.text)
            case _:
                pass
        body = public_body(event, air_thoughts=self._air_thoughts)
        if isinstance(event, HintUsed) and body is not None:
            name, text = self._hints.get(event.hint, ("", ""))
            body |= {"name": name, "text": text}
        return body

    def _remember(self, hint: str, name: str, text: str) -> None:
        self._hints[hint] = (name, text)
        if len(self._hints) > _HINTS_REMEMBERED:
            self._hints.popitem(last=False)


def _agent(agent: AgentCast) -> dict[str, Any]:
    names = ("id", "name", "emoji", "color", "side", "side_title", "stance", "moderator", "style", "voice")
    return {name: getattr(agent, name) for name in names}


def _body(event: ShowEvent, *names: str) -> dict[str, Any]:
    return {"type": event.type} | {name: getattr(event, name) for name in names}
