"""What servers say to an agent, as typed values.

The agent's side of reading. Servers mix shapes (replies in ``payload``, what goes to a whole room flat), leave fields
out and send types that nobody documents: a field of a wrong type counts as absent, an unknown type is ``Other``. All
texts are bounded here, so that nobody behind this border has to fear what a server relays.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from debate_caster.pulsar.frames import MAX_FRAME_BYTES, Frame, Shape, decode_frame
from debate_caster.pulsar.text import CHAT_LIMIT, NAME_LIMIT, TEXT_LIMIT, truncate

__all__ = [
    "BroadcastApproved",
    "BroadcastDenied",
    "BroadcastEnded",
    "ControlOrdered",
    "DeskWanted",
    "ErrorReported",
    "HeartbeatAcked",
    "HintGiven",
    "LiveUpdate",
    "Other",
    "Registered",
    "Reply",
    "RoomJoined",
    "RoomLine",
    "TextAcked",
    "ViewerContext",
    "VoteCounted",
    "WarningGiven",
    "decode_server_frame",
]

_WORD = 200
_LINES_KEPT = 50
"""Lines or hints taken from one frame; real servers send at most 10."""


@dataclass(frozen=True, slots=True)
class Registered:
    """``resumed_room`` is the room that goes on, ``resumed_ref`` the last number it holds; None where nothing does."""

    shape: Shape
    features: frozenset[str] = frozenset()
    session_token: str = ""
    resumed_room: str = ""
    resumed_ref: int | None = None

    def __repr__(self) -> str:
        return f"Registered(shape={self.shape!r}, features={sorted(self.features)}, resumed_room={self.resumed_room!r})"


@dataclass(frozen=True, slots=True)
class HeartbeatAcked:
    pass


@dataclass(frozen=True, slots=True)
class BroadcastApproved:
    """``room`` is empty where the room lives in the socket and has no name."""

    room: str


@dataclass(frozen=True, slots=True)
class BroadcastDenied:
    """``room`` is the one that is in the way, where the server says so."""

    reason: str
    room: str


@dataclass(frozen=True, slots=True)
class BroadcastEnded:
    room: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoomJoined:
    room: str


@dataclass(frozen=True, slots=True)
class TextAcked:
    """The frame ``ref`` is in the air log at ``seq``; 0 for what has no place there."""

    room: str
    ref: int
    seq: int


@dataclass(frozen=True, slots=True)
class RoomLine:
    """A line in a room. ``role`` is host, viewer or system; ``id`` and ``agent_id`` are empty on v1."""

    role: str
    name: str
    text: str
    id: str = ""
    agent_id: str = ""


@dataclass(frozen=True, slots=True)
class LiveUpdate:
    room: str
    lines: tuple[RoomLine, ...]
    viewers: int | None = None


@dataclass(frozen=True, slots=True)
class HintGiven:
    """A viewer's hint as our stage passes it on."""

    id: str
    viewer: str
    name: str
    text: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class ViewerContext:
    room: str
    lines: tuple[RoomLine, ...] = ()
    hints: tuple[HintGiven, ...] = ()
    viewers: int | None = None


@dataclass(frozen=True, slots=True)
class VoteCounted:
    """What our stage counted in a vote that is closed: votes by choice."""

    room: str
    vote: str
    counts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ControlOrdered:
    """A command of the show's producer. ``token`` is its credential: never to be logged."""

    room: str
    id: str
    command: str
    token: str
    text: str = ""
    hint: str = ""
    viewer: str = ""
    by: str = ""
    turn: int | None = None

    def __repr__(self) -> str:
        return f"ControlOrdered(id={self.id!r}, command={self.command!r})"


@dataclass(frozen=True, slots=True)
class DeskWanted:
    """Whether somebody there wants to see the show's control desk, and the producer's token as proof."""

    room: str
    wanted: bool
    token: str

    def __repr__(self) -> str:
        return f"DeskWanted(wanted={self.wanted!r})"


@dataclass(frozen=True, slots=True)
class WarningGiven:
    """A frame was dropped, the socket stays open. Codes of the real servers: RATE_LIMIT_EXCEEDED, DUPLICATE_MESSAGE."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class ErrorReported:
    """A frame was refused, the socket stays open; no server says which frame it was."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else: of no use to a broadcaster."""

    type: str
    fields: dict[str, Any] = field(default_factory=dict)


Reply = (
    Registered
    | HeartbeatAcked
    | BroadcastApproved
    | BroadcastDenied
    | BroadcastEnded
    | RoomJoined
    | TextAcked
    | LiveUpdate
    | ViewerContext
    | VoteCounted
    | ControlOrdered
    | DeskWanted
    | WarningGiven
    | ErrorReported
    | Other
)


def decode_server_frame(raw: str | bytes, *, max_bytes: int = MAX_FRAME_BYTES) -> Reply:
    """Return what the server said.

    Raises:
        FrameError: Not a message.
    """
    frame = decode_frame(raw, max_bytes=max_bytes)
    reader = _READERS.get(frame.type)
    return reader(frame) if reader else Other(truncate(frame.type, _WORD), frame.body)


def _registered(frame: Frame) -> Registered:
    resume = frame.body.get("resume")
    resume = resume if isinstance(resume, dict) else {}
    features = frame.body.get("features")
    return Registered(
        shape=frame.shape,
        features=frozenset(name for name in features if isinstance(name, str))
        if isinstance(features, list)
        else frozenset(),
        session_token=_word(frame.body, "sessionToken"),
        resumed_room=_word(resume, "room"),
        resumed_ref=_number(resume, "last_ref"),
    )


def _approved(frame: Frame) -> BroadcastApproved:
    return BroadcastApproved(_word(frame.body, "broadcastId"))


def _denied(frame: Frame) -> BroadcastDenied:
    return BroadcastDenied(_word(frame.body, "reason"), _word(frame.body, "broadcastId"))


def _ended(frame: Frame) -> BroadcastEnded:
    return BroadcastEnded(_word(frame.body, "broadcastId"), _word(frame.body, "reason"))


def _joined(frame: Frame) -> RoomJoined:
    return RoomJoined(_word(frame.body, "broadcastId"))


def _text_acked(frame: Frame) -> Reply:
    ref = _number(frame.body, "ref")
    if ref is None:
        return Other(frame.type, frame.body)
    return TextAcked(_word(frame.body, "broadcastId"), ref, _number(frame.body, "seq") or 0)


def _live_update(frame: Frame) -> LiveUpdate:
    return LiveUpdate(
        _word(frame.body, "broadcastId"), _lines(frame.body, "messages"), _number(frame.body, "viewerCount")
    )


def _viewer_context(frame: Frame) -> ViewerContext:
    given = frame.body.get("hints")
    hints = [hint for item in given[:_LINES_KEPT] if (hint := _hint(item))] if isinstance(given, list) else []
    return ViewerContext(
        room=_word(frame.body, "broadcastId"),
        lines=_lines(frame.body, "recentMessages"),
        hints=tuple(hints),
        viewers=_number(frame.body, "viewers"),
    )


def _hint(item: Any) -> HintGiven | None:
    if not isinstance(item, dict) or not (identity := _word(item, "id")):
        return None
    return HintGiven(
        id=identity,
        viewer=_word(item, "viewer"),
        name=truncate(_string(item, "name"), NAME_LIMIT),
        text=truncate(_string(item, "text"), CHAT_LIMIT),
        to=_word(item, "to") or _word(item, "target"),
    )


def _lines(body: dict[str, Any], key: str) -> tuple[RoomLine, ...]:
    items = body.get(key)
    if not isinstance(items, list):
        return ()
    return tuple(
        RoomLine(
            role=_word(item, "role"),
            name=truncate(_string(item, "name"), NAME_LIMIT),
            text=truncate(_string(item, "text"), TEXT_LIMIT),
            id=_word(item, "id"),
            agent_id=_word(item, "agentId"),
        )
        for item in items[-_LINES_KEPT:]
        if isinstance(item, dict)
    )


def _vote_counted(frame: Frame) -> Reply:
    vote, given = _word(frame.body, "vote"), frame.body.get("counts")
    if not vote or not isinstance(given, dict):
        return Other(frame.type, frame.body)
    names = [name for name in list(given)[:_LINES_KEPT] if isinstance(name, str) and len(name) <= _WORD]
    counts = tuple((name, votes) for name in names if (votes := _number(given, name)) is not None)
    return VoteCounted(_word(frame.body, "broadcastId"), vote, counts)


def _control(frame: Frame) -> Reply:
    fields = {name: _word(frame.body, name) for name in ("id", "command", "hint", "viewer", "by")}
    if not fields["id"]:
        return Other(frame.type, frame.body)
    return ControlOrdered(
        room=_word(frame.body, "broadcastId"),
        token=truncate(_string(frame.body, "token"), CHAT_LIMIT),
        text=truncate(_string(frame.body, "text"), TEXT_LIMIT),
        turn=_turn(frame.body),
        **fields,
    )


def _desk_wanted(frame: Frame) -> DeskWanted:
    token = truncate(_string(frame.body, "token"), CHAT_LIMIT)
    return DeskWanted(_word(frame.body, "broadcastId"), frame.body.get("wanted") is True, token)


def _warning(frame: Frame) -> WarningGiven:
    return WarningGiven(_word(frame.body, "code"), truncate(_string(frame.body, "message"), CHAT_LIMIT))


def _error(frame: Frame) -> ErrorReported:
    return ErrorReported(_word(frame.body, "code"), truncate(_string(frame.body, "message"), CHAT_LIMIT))


_READERS: dict[str, Callable[[Frame], Reply]] = {
    "registered": _registered,
    "heartbeat_ack": lambda _frame: HeartbeatAcked(),
    "broadcast_approved": _approved,
    "broadcast_denied": _denied,
    "broadcast_ended": _ended,
    "room_joined": _joined,
    "text_ack": _text_acked,
    "live_update": _live_update,
    "viewer_context": _viewer_context,
    "vote_counted": _vote_counted,
    "control": _control,
    "desk_wanted": _desk_wanted,
    "warning": _warning,
    "error": _error,
}


def _string(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""


def _word(body: dict[str, Any], key: str) -> str:
    return truncate(_string(body, key), _WORD)


def _number(body: dict[str, Any], key: str) -> int | None:
    value = body.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**53 else None


def _turn(body: dict[str, Any]) -> int | None:
    """Return the turn that is named; one that is named in a wrong way is none that there is, not any that is on."""
    if body.get("turn") is None:
        return None
    turn = _number(body, "turn")
    return -1 if turn is None else turn
