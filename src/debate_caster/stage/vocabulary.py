"""The public events: which there are, who may put them on air, and what a caster's must look like.

The contract is docs/protocol.md, section 3; a test compares the two. Knows nothing about logs or sockets.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from debate_caster.errors import ProtocolError
from debate_caster.pulsar.text import without_surrogates

__all__ = [
    "CASTER_EVENTS",
    "HINT_FATES",
    "STAGE_EVENTS",
    "check_caster_event",
    "encode_event",
    "json_bytes",
    "show_time",
]

_Turn = Field(ge=0, le=100_000)


class _Part(BaseModel):
    """Strict about what it knows, open to what a newer caster adds."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class _Agent(_Part):
    id: str
    name: str = ""
    emoji: str = ""
    color: str = ""
    side: str | None = None
    side_title: str = ""
    stance: Literal["for", "against", "neutral"] = "neutral"
    moderator: bool = False
    style: str = ""
    voice: dict[str, Any] = {}


class _Phase(_Part):
    key: str
    title: str = ""
    turns: int = Field(default=0, ge=0)


class _Hint(_Part):
    id: str
    name: str = ""
    text: str = ""


class _ShowStarted(_Part):
    title: str = ""
    motion: str = ""
    language: str = "en"
    format: str = ""
    format_title: str = ""
    agents: list[_Agent] = []
    phases: list[_Phase] = []
    turns: int = Field(default=0, ge=0)
    hints_open: bool = True
    max_hint_chars: int | None = Field(default=None, ge=1)
    hint_interval_s: float | None = Field(default=None, ge=0)


class _PhaseStarted(_Part):
    phase: int = Field(ge=0)
    key: str = ""
    title: str = ""
    speaker: str = ""


class _TurnPrepared(_Part):
    turn: int = _Turn
    phase: int = 0
    speaker: str


class _TurnStarted(_Part):
    turn: int = _Turn
    phase: int = 0
    speaker: str
    side: str | None = None
    role: str = ""
    kind: str = ""
    addresses: str | None = None
    max_words: int = 0
    hints: list[_Hint] = []


class _TurnEnded(_Part):
    turn: int = _Turn
    speaker: str
    how: str
    words: int = 0
    again: bool = False
    apology: bool = False
    held_back: bool = False


class _TurnNote(_Part):
    turn: int = _Turn
    speaker: str


class _HintUsed(_Part):
    hint: str
    name: str = ""
    text: str = ""
    turn: int = _Turn
    speaker: str


class _HintAccepted(_Part):
    hint: str
    to: str | None = None


class _HintRefused(_Part):
    hint: str
    reason: str = ""


_VoteId = Annotated[str, Field(min_length=1, max_length=64)]
_Votes = dict[_VoteId, Annotated[int, Field(ge=0, le=2**53)]]


class _Choice(_Part):
    id: _VoteId
    title: str = Field(default="", max_length=200)


class _VoteOpened(_Part):
    vote: _VoteId
    method: str = ""
    choices: list[_Choice] = Field(min_length=2, max_length=13)
    seconds: float = Field(default=0.0, ge=0, le=86_400)


class _VoteClosed(_Part):
    vote: _VoteId


class _VerdictGiven(_Part):
    method: str = ""
    outcome: Literal["won", "tied", "no_result"]
    leaders: list[str] = []
    changes: dict[str, float] = {}
    before: _Votes | None = None
    after: _Votes | None = None
    why: str = ""


class _ShowPaused(_Part):
    why: str = ""


class _ShowResumed(_Part):
    pass


class _ShowEnded(_Part):
    why: str
    detail: str = ""


CASTER_EVENTS: Mapping[str, type[BaseModel]] = {
    "show_started": _ShowStarted,
    "phase_started": _PhaseStarted,
    "turn_prepared": _TurnPrepared,
    "turn_started": _TurnStarted,
    "turn_ended": _TurnEnded,
    "thought_noted": _TurnNote,
    "tool_called": _TurnNote,
    "tool_answered": _TurnNote,
    "hint_used": _HintUsed,
    "vote_opened": _VoteOpened,
    "vote_closed": _VoteClosed,
    "verdict_given": _VerdictGiven,
    "show_paused": _ShowPaused,
    "show_resumed": _ShowResumed,
    "show_ended": _ShowEnded,
}
"""What a caster may put on air with ``show_event``. Anything else it sends stays off the air."""

HINT_FATES: Mapping[str, type[BaseModel]] = {
    "hint_held": _HintAccepted,
    "hint_accepted": _HintAccepted,
    "hint_declined": _HintRefused,
    "hint_expired": _HintRefused,
}
"""What a caster says about a hint to its author alone."""

STAGE_EVENTS = frozenset(
    {"room_opened", "room_reconnecting", "room_resumed", "room_closed", "chunk_aired", "vote_counted"}
)
"""What only the stage itself says; ``show_started`` and ``show_ended`` may come from either."""

_ENVELOPE = frozenset({"seq", "at", "type", "via", "ref"})
"""Fields that the stage fills in; a caster's own are dropped."""


def check_caster_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a caster's event as it may be aired or told: known type, right fields, no envelope but its ``type``.

    Raises:
        ProtocolError: It is not a public event, nor the fate of a hint.
    """
    kind = event.get("type")
    model = (CASTER_EVENTS.get(kind) or HINT_FATES.get(kind)) if isinstance(kind, str) else None
    if model is None:
        raise ProtocolError("stage", f"not a public event: {str(kind)[:60]!r}")
    fields = {key: value for key, value in event.items() if key not in _ENVELOPE}
    try:
        model.model_validate(fields)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ProtocolError("stage", f"{kind}: {where}: {first['msg']}") from exc
    return {"type": kind, **fields}


def encode_event(event: Mapping[str, Any], at: datetime) -> str:
    """Return the event as the air log stores it: one line of JSON without ``seq``, lone surrogates replaced.

    Raises:
        ProtocolError: It holds what JSON has no word for (NaN, infinity), or nests too deep.
    """
    try:
        body = json.dumps({"at": show_time(at), **event}, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError) as exc:
        raise ProtocolError("stage", f"{event.get('type')}: not JSON: {exc}") from exc
    return without_surrogates(body)


def show_time(at: datetime) -> str:
    """Return an instant as events carry it: ISO 8601, UTC, milliseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def json_bytes(message: Mapping[str, Any]) -> bytes:
    """Return a message to a viewer as JSON in UTF-8."""
    return without_surrogates(json.dumps(message, ensure_ascii=False, separators=(",", ":"))).encode()
