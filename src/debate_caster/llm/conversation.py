"""What a show needs of a model, messages in, deltas out, and of who looks at its words. No network, no vendor."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = [
    "LLM",
    "Cue",
    "Delta",
    "Finished",
    "HeardHint",
    "Message",
    "ReasoningDelta",
    "Request",
    "Reviewer",
    "TextDelta",
    "ToolCallDelta",
    "UsageReported",
]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class HeardHint:
    """A hint of the audience as the speaker sees it."""

    viewer: str
    text: str


@dataclass(frozen=True, slots=True)
class Cue:
    """The facts behind a prompt, for models that do not read prose (the rehearsal model); others ignore them.

    ``opponent`` and ``opponent_said`` are the last speech of another agent, empty for the opener; ``to_say`` is what
    the producer wants said, empty but for an interjection. ``rival`` is an opponent of today whom the speaker has met
    before, about ``rival_motion``, and ``rival_result`` how that ended for the speaker, empty where nobody voted.
    """

    speaker: str
    emoji: str
    style: str
    beliefs: tuple[str, ...]
    manner: str
    motion: str
    language: str
    side: str
    stance: Literal["for", "against", "neutral"]
    role: str
    kind: str
    turn: int
    max_words: int
    opponent: str = ""
    opponent_said: str = ""
    hints: tuple[HeardHint, ...] = ()
    thanks_viewers: bool = True
    addresses: str = ""
    to_say: str = ""
    rival: str = ""
    rival_motion: str = ""
    rival_result: Literal["won", "lost", "tied", ""] = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One call: the prompt, the hard limit of the reply in tokens, a seed where the model takes one, and its cue."""

    messages: tuple[Message, ...]
    max_tokens: int
    seed: int = 0
    cue: Cue | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Visible text, as the model made it; may be part of a word or of a grapheme."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """Thinking; never aired as speech."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call; ``arguments`` is a fragment of JSON."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Tokens of this call as the provider counts them; ``cost`` in the provider's own money where it says so."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The reply is whole (``stop``) or ran into ``max_tokens`` (``length``). Always the last delta, at most once."""

    reason: Literal["stop", "length"]


Delta = TextDelta | ReasoningDelta | ToolCallDelta | UsageReported | Finished


class LLM(Protocol):
    """A model under one name. One ``stream`` is one attempt: an implementation never retries by itself."""

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Open a reply; iterate over its deltas; leaving the block hangs up, whether or not it has ended.

        A reply without ``Finished`` at its end is not a reply: iteration raises instead of ending quietly.

        Raises:
            ModelError: On entering or while iterating; ``retryable`` says whether another attempt may help.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        ...


class Reviewer(Protocol):
    """Somebody who is asked about each text. ``by`` is a constant word for logs."""

    @property
    def by(self) -> str: ...

    async def review(self, text: str, before: str) -> str:
        """Return why ``text`` may not be aired behind ``before``, empty where it may.

        Raises:
            ReviewError: There was no clear answer.
        """
        ...
