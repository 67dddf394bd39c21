"""What agents say to a server, as typed commands; and how a server's replies are written.

The server's side of the protocol: a stage feeds every frame of an agent's socket to ``decode_agent_frame`` and writes
what ``encode_reply`` returns. Reading is tolerant: unknown fields are ignored, a field of a wrong type counts as
absent, texts are cut to Pulsar's limits at the end of a grapheme. Nothing here knows who is registered or which room
is whose.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from debate_caster.pulsar.frames import MAX_FRAME_BYTES, FrameError, Shape, decode_frame, encode_frame
from debate_caster.pulsar.text import CHAT_LIMIT, NAME_LIMIT, TEXT_LIMIT, TITLE_LIMIT, truncate

__all__ = [
    "AGENT_ID",
    "CONTROL",
    "DEBATE_SHOW",
    "EXPLICIT_PARTICIPATION",
    "FLAT_REPLIES",
    "HINTS",
    "MESSAGE_RECEIPTS",
    "RESUME",
    "TEXT_ACK",
    "VOTES",
    "BroadcastEnd",
    "BroadcastStart",
    "Command",
    "ControlDone",
    "DeskShown",
    "Heartbeat",
    "JoinRoom",
    "LeaveRoom",
    "PauseBroadcast",
    "Register",
    "ShowClaim",
    "ShowEvent",
    "StreamChat",
    "StreamText",
    "Unknown",
    "decode_agent_frame",
    "encode_reply",
]

DEBATE_SHOW = "debate_show"
TEXT_ACK = "text_ack"
RESUME = "resume"
HINTS = "hints"
VOTES = "votes"
CONTROL = "control"
EXPLICIT_PARTICIPATION = "explicit_participation"
MESSAGE_RECEIPTS = "message_receipts"

AGENT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
"""What an agent id fully matches (v2's rule; v1 takes anything)."""

FLAT_REPLIES = frozenset({"live_update", "broadcast_ended", "sponsor_event"})
"""What servers send to a whole room. It is flat for everybody, on the real servers too."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_WORD = 200
"""Longest of the short strings that are kept (emoji, style, category, ids), in UTF-16 units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Anything an agent says. ``shape`` is how it said it: ``FLAT`` or ``PAYLOAD``, and how it wants its answer."""

    shape: Shape = Shape.FLAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Command):
    """Who I am. Optional strings are empty when absent; ``color`` is ``#rrggbb`` or empty.

    ``token`` and ``secret`` are credentials: never to be logged. ``features`` are the extensions the agent understands;
    ``resume_room`` the room it wants to go on in, or ``resume_show`` the show in which it has one.
    """

    agent_id: str
    name: str
    emoji: str = ""
    color: str = ""
    style: str = ""
    avatar_url: str = ""
    secret: str = ""
    token: str = ""
    explicit: bool = False
    features: frozenset[str] = frozenset()
    resume_room: str = ""
    resume_show: str = ""

    def __repr__(self) -> str:
        return f"Register(agent_id={self.agent_id!r}, name={self.name!r}, shape={self.shape!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Command):
    agent_id: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowClaim:
    """``broadcast_start.show``: this room is part of that show. ``key`` is a secret of the caster; 0 is the lead.

    ``agent`` is what the show calls the agent of this room; empty when that is its ``agentId``. ``producer`` is the
    SHA-256 in hex of the token of the show's producer, empty where nobody may direct it from outside.
    """

    id: str
    key: str
    title: str = ""
    motion: str = ""
    language: str = ""
    agent: str = ""
    role: str = ""
    side: str = ""
    order: int = 0
    producer: str = ""

    def __repr__(self) -> str:
        return f"ShowClaim(id={self.id!r}, order={self.order})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastStart(Command):
    """``title`` is what the agent calls ``title`` or ``topic``; empty when it names neither."""

    agent_id: str = ""
    title: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    show: ShowClaim | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamText(Command):
    """A line on air. ``broadcast_id`` may be empty: the room lives in the socket.

    ``ref`` rises within a room, ``turn`` and ``index`` count from 0; each is None when absent. ``text`` may be empty.
    """

    text: str
    agent_id: str = ""
    broadcast_id: str = ""
    turn: int | None = None
    index: int | None = None
    ref: int | None = None
    emotion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChat(Command):
    """A viewer's line in somebody else's room."""

    text: str
    agent_id: str = ""
    broadcast_id: str = ""
    emotion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowEvent(Command):
    """A public event of the show. ``event`` is an object with a string ``type``; its fields are not checked here."""

    event: dict[str, Any]
    broadcast_id: str = ""
    ref: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastEnd(Command):
    agent_id: str = ""
    broadcast_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRoom(Command):
    broadcast_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveRoom(Command):
    broadcast_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseBroadcast(Command):
    """``minutes`` as given; a server answers ``INVALID_PAUSE`` outside 1..15."""

    broadcast_id: str = ""
    minutes: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlDone(Command):
    """What came of the command ``id`` of a show's producer; ``message`` is for people."""

    id: str
    ok: bool
    message: str = ""
    broadcast_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskShown(Command):
    """The state of a show's control desk, for its producers alone; its fields are not checked here."""

    desk: dict[str, Any]
    broadcast_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Command):
    """A type this side does not know: v2 answers ``UNKNOWN_TYPE``, v1 nothing."""

    type: str


def decode_agent_frame(raw: str | bytes, *, max_bytes: int = MAX_FRAME_BYTES) -> Command:
    """Return what the agent said.

    Raises:
        FrameError: Not a message (``PARSE_ERROR``), or a ``register`` that names nobody (``AUTH_FAILED``), or a
            ``show_event`` without an event (``PARSE_ERROR``). ``code`` is for the ``error`` reply.
    """
    frame = decode_frame(raw, max_bytes=max_bytes)
    reader = _READERS.get(frame.type)
    if reader is None:
        return Unknown(shape=frame.shape, type=truncate(frame.type, _WORD))
    return reader(frame.shape, frame.body)


def encode_reply(shape: Shape, type_: str, body: dict[str, Any], *, ts: int | None = None) -> str:
    """Return a server's frame for an agent that speaks ``shape``; ``ts`` in milliseconds since 1970.

    What goes to a whole room is flat in every dialect, as on the real servers.
    """
    return encode_frame(Shape.FLAT if type_ in FLAT_REPLIES else shape, type_, body, ts=ts)


def _register(shape: Shape, body: dict[str, Any]) -> Register:
    agent_id, name = _text(body, "agentId"), _text(body, "name").strip()
    if not AGENT_ID.fullmatch(agent_id):
        raise FrameError("AUTH_FAILED", "agentId must be 1 to 128 of A-Z a-z 0-9 _ . : -")
    if not name:
        raise FrameError("AUTH_FAILED", "name is missing")
    color = _word(body, "color")
    resume = body.get("resume")
    return Register(
        shape=shape,
        agent_id=agent_id,
        name=truncate(name, NAME_LIMIT),
        emoji=_word(body, "emoji"),
        color=color if _COLOR.fullmatch(color) else "",
        style=truncate(_text(body, "style"), CHAT_LIMIT),
        avatar_url=truncate(_text(body, "avatarUrl"), CHAT_LIMIT),
        secret=truncate(_text(body, "secret"), CHAT_LIMIT),
        token=_text(body, "token"),
        explicit=body.get("participationMode") == "explicit",
        features=frozenset(_strings(body, "features")),
        resume_room=_word(resume, "room") if isinstance(resume, dict) else "",
        resume_show=_word(resume, "show") if isinstance(resume, dict) else "",
    )


def _heartbeat(shape: Shape, body: dict[str, Any]) -> Heartbeat:
    return Heartbeat(shape=shape, agent_id=_word(body, "agentId"), state=_word(body, "state"))


def _broadcast_start(shape: Shape, body: dict[str, Any]) -> BroadcastStart:
    show = body.get("show")
    return BroadcastStart(
        shape=shape,
        agent_id=_word(body, "agentId"),
        title=truncate((_text(body, "title") or _text(body, "topic")).strip(), TITLE_LIMIT),
        category=_word(body, "category"),
        tags=_strings(body, "tags")[:5],
        show=_show_claim(show) if isinstance(show, dict) else None,
    )


def _show_claim(show: dict[str, Any]) -> ShowClaim | None:
    if not (identity := _word(show, "id")):
        return None
    return ShowClaim(
        id=identity,
        key=_word(show, "key"),
        title=truncate(_text(show, "title"), TITLE_LIMIT),
        motion=truncate(_text(show, "motion"), CHAT_LIMIT),
        language=_word(show, "language"),
        agent=_word(show, "agent"),
        role=_word(show, "role"),
        side=_word(show, "side"),
        order=_count(show, "order") or 0,
        producer=producer if _SHA256.fullmatch(producer := _word(show, "producer")) else "",
    )


def _stream_text(shape: Shape, body: dict[str, Any]) -> StreamText:
    return StreamText(
        shape=shape,
        text=truncate(_text(body, "text"), TEXT_LIMIT),
        agent_id=_word(body, "agentId"),
        broadcast_id=_word(body, "broadcastId"),
        turn=_count(body, "turn"),
        index=_count(body, "index"),
        ref=_count(body, "ref"),
        emotion=_word(body, "emotion"),
    )


def _stream_chat(shape: Shape, body: dict[str, Any]) -> StreamChat:
    return StreamChat(
        shape=shape,
        text=truncate(_text(body, "text"), CHAT_LIMIT),
        agent_id=_word(body, "agentId"),
        broadcast_id=_word(body, "broadcastId"),
        emotion=_word(body, "emotion"),
    )


def _show_event(shape: Shape, body: dict[str, Any]) -> ShowEvent:
    event = body.get("event")
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise FrameError("PARSE_ERROR", "show_event without an event that has a type")
    return ShowEvent(shape=shape, event=event, broadcast_id=_word(body, "broadcastId"), ref=_count(body, "ref"))


def _broadcast_end(shape: Shape, body: dict[str, Any]) -> BroadcastEnd:
    return BroadcastEnd(
        shape=shape,
        agent_id=_word(body, "agentId"),
        broadcast_id=_word(body, "broadcastId"),
        reason=_word(body, "reason"),
    )


def _join_room(shape: Shape, body: dict[str, Any]) -> JoinRoom:
    return JoinRoom(shape=shape, broadcast_id=_word(body, "broadcastId"))


def _leave_room(shape: Shape, body: dict[str, Any]) -> LeaveRoom:
    return LeaveRoom(shape=shape, broadcast_id=_word(body, "broadcastId"))


def _pause_broadcast(shape: Shape, body: dict[str, Any]) -> PauseBroadcast:
    minutes = body.get("minutes", 5)
    valid = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    return PauseBroadcast(
        shape=shape, broadcast_id=_word(body, "broadcastId"), minutes=float(minutes) if valid else 0.0
    )


def _control_done(shape: Shape, body: dict[str, Any]) -> ControlDone:
    return ControlDone(
        shape=shape,
        id=_word(body, "id"),
        ok=body.get("ok") is True,
        message=truncate(_text(body, "message"), CHAT_LIMIT),
        broadcast_id=_word(body, "broadcastId"),
    )


def _desk_shown(shape: Shape, body: dict[str, Any]) -> DeskShown:
    desk = body.get("desk")
    if not isinstance(desk, dict):
        raise FrameError("PARSE_ERROR", "desk without a desk")
    return DeskShown(shape=shape, desk=desk, broadcast_id=_word(body, "broadcastId"))


_READERS: dict[str, Callable[[Shape, dict[str, Any]], Command]] = {
    "register": _register,
    "heartbeat": _heartbeat,
    "broadcast_start": _broadcast_start,
    "stream_text": _stream_text,
    "stream_chat": _stream_chat,
    "show_event": _show_event,
    "broadcast_end": _broadcast_end,
    "join_room": _join_room,
    "leave_room": _leave_room,
    "pause_broadcast": _pause_broadcast,
    "control_done": _control_done,
    "desk": _desk_shown,
}


def _text(body: dict[str, Any], key: str) -> str:
    """Return a string; numbers are written out, as v2 does; anything else counts as absent."""
    value = body.get(key)
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def _word(body: dict[str, Any], key: str) -> str:
    return truncate(_text(body, key), _WORD)


def _strings(body: dict[str, Any], key: str) -> tuple[str, ...]:
    value = body.get(key)
    if not isinstance(value, list):
        return ()
    return tuple(truncate(item, _WORD) for item in value[:50] if isinstance(item, str))


def _count(body: dict[str, Any], key: str) -> int | None:
    """Return a whole number from 0 to 2**53 (what JavaScript holds exactly), or None."""
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if 0 <= value <= 2**53 else None
