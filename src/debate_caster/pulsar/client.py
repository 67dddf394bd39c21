"""The agent's side of the protocol as a machine: which frames to send, what those that come mean. No I/O, no clock.

Register in the shape that everybody understands; the answer tells the dialect, and from then on its shape is spoken.
The machine is for one socket, from its opening to its end. Timeouts are its owner's business.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from debate_caster.pulsar.frames import MAX_FRAME_BYTES, Shape, encode_frame
from debate_caster.pulsar.messages import (
    CONTROL,
    DEBATE_SHOW,
    EXPLICIT_PARTICIPATION,
    HINTS,
    RESUME,
    TEXT_ACK,
    VOTES,
    ShowClaim,
)
from debate_caster.pulsar.replies import (
    BroadcastApproved,
    BroadcastDenied,
    BroadcastEnded,
    ErrorReported,
    Registered,
    Reply,
    decode_server_frame,
)
from debate_caster.pulsar.text import NAME_LIMIT, TITLE_LIMIT, truncate, utf16_length

__all__ = ["ClientMachine", "Dialect", "Identity", "State", "dialect_of", "room_title"]


class State(StrEnum):
    """Where a socket's agent is. Only ``LIVE`` is on air."""

    OPEN = "open"
    REGISTERING = "registering"
    REGISTERED = "registered"
    STARTING = "starting"
    LIVE = "live"
    ENDING = "ending"
    ENDED = "ended"


class Dialect(StrEnum):
    """Who is at the other end.

    ``V1``: never acknowledges ``broadcast_end``, forgets an agent without heartbeats and says nothing. ``V2``: explicit
    participation, 4000 units of text. ``FLAT``: a server of the published form. ``STAGE``: ours, with extensions.
    """

    V1 = "v1"
    V2 = "v2"
    FLAT = "flat"
    STAGE = "stage"


_TRANSITIONS: dict[tuple[State, str], State] = {
    (State.OPEN, "register"): State.REGISTERING,
    (State.REGISTERING, "registered"): State.REGISTERED,
    (State.REGISTERING, "resumed"): State.LIVE,
    (State.REGISTERING, "refused"): State.OPEN,
    (State.REGISTERED, "start"): State.STARTING,
    (State.REGISTERED, "forget"): State.OPEN,
    (State.STARTING, "approved"): State.LIVE,
    (State.STARTING, "denied"): State.REGISTERED,
    (State.LIVE, "end"): State.ENDING,
    (State.LIVE, "ended"): State.REGISTERED,
    (State.LIVE, "forget"): State.OPEN,
    (State.ENDING, "ended"): State.ENDED,
}
"""What may follow what. What a server says out of turn changes nothing; what we would say out of turn is a bug."""

_REFUSALS = frozenset({"AUTH_FAILED", "INTERNAL", "PARSE_ERROR"})
_FEATURES = (DEBATE_SHOW, TEXT_ACK, RESUME, HINTS, VOTES, CONTROL)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an agent is on one target. ``secret`` proves it next time, ``token`` lets it in; never to be logged."""

    agent_id: str
    name: str
    emoji: str = ""
    color: str = ""
    style: str = ""
    secret: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"Identity(agent_id={self.agent_id!r}, name={self.name!r})"


class ClientMachine:
    """One agent on one socket: ``register``, ``start``, lines, ``end``; every frame that comes goes to ``receive``."""

    def __init__(self, identity: Identity, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self.identity = identity
        self.state = State.OPEN
        self.dialect: Dialect | None = None
        self.features: frozenset[str] = frozenset()
        self.room = ""
        self.resumed_ref: int | None = None
        self._shape = Shape.HYBRID
        self._max_frame_bytes = max_frame_bytes

    # -- what comes ----------------------------------------------------------------------------------------------

    def receive(self, raw: str | bytes) -> Reply:
        """Take in a frame and return what it says; the state follows it.

        Raises:
            FrameError: Not a message. The socket is fine, the frame is to be ignored.
        """
        reply = decode_server_frame(raw, max_bytes=self._max_frame_bytes)
        match reply:
            case Registered() if self.state is State.REGISTERING:
                self._meet(reply)
            case BroadcastApproved() if self._go("approved"):
                self.room, self.resumed_ref = reply.room, None
            case BroadcastDenied():
                self._go("denied")
            case BroadcastEnded() if reply.room in {"", self.room}:
                self._go("ended")
            case ErrorReported() if reply.code in _REFUSALS and self.state is State.REGISTERING:
                self._go("refused")
            case ErrorReported(code="NOT_YOUR_BROADCAST") if self.state is State.LIVE:
                self._go("ended")
            case _:
                pass
        return reply

    def _meet(self, registered: Registered) -> None:
        self.dialect = dialect_of(registered)
        self.features = registered.features
        self._shape = registered.shape
        if registered.resumed_room:
            self.room, self.resumed_ref = registered.resumed_room, registered.resumed_ref or 0
            self._go("resumed")
        else:
            self._go("registered")

    # -- what goes -----------------------------------------------------------------------------------------------

    def register(self, *, resume_room: str = "", resume_show: str = "") -> str:
        """Return the first frame; hybrid, with everything a dialect may want.

        It asks to go on in ``resume_room``, or else in the room that the agent has in ``resume_show``.

        Explicit participation is asked for, so that a v2 server does not send every other room's talk.
        """
        self._must("register")
        self._shape = Shape.HYBRID
        body: dict[str, Any] = {
            "agentId": self.identity.agent_id,
            "name": truncate(self.identity.name, NAME_LIMIT),
            "participationMode": "explicit",
            "features": list(_FEATURES),
        }
        for key in ("emoji", "color", "style", "secret", "token"):
            if value := getattr(self.identity, key):
                body[key] = value
        if resume_room:
            body["resume"] = {"room": resume_room}
        elif resume_show:
            body["resume"] = {"show": resume_show}
        return self._frame("register", body)

    def start(self, title: str, *, show: ShowClaim | None = None) -> str:
        """Return ``broadcast_start``. ``show`` goes only to a peer that knows shows."""
        self._must("start")
        title = truncate(title, TITLE_LIMIT)
        body: dict[str, Any] = {"title": title, "topic": title}
        if show is not None and DEBATE_SHOW in self.features:
            body["show"] = {
                name: getattr(show, name)
                for name in ("id", "key", "title", "motion", "language", "agent", "role", "side", "order")
            }
            if show.producer and CONTROL in self.features:
                body["show"]["producer"] = show.producer
        return self._frame("broadcast_start", self._signed(body))

    def text(self, text: str, *, turn: int | None = None, index: int | None = None, ref: int | None = None) -> str:
        """Return a line of this agent for its own room. ``index`` and ``ref`` go only to a peer that acknowledges."""
        body: dict[str, Any] = {"text": text}
        if turn is not None:
            body["turn"] = turn
        if TEXT_ACK in self.features:
            body |= {key: value for key, value in (("index", index), ("ref", ref)) if value is not None}
        return self._frame("stream_text", self._in_room(body))

    def chat(self, room: str, text: str) -> str:
        """Return a line for somebody else's room; never for the own one (v2 would make the host its own viewer)."""
        if room == self.room:
            raise RuntimeError("an agent does not chat in its own room")
        return self._frame("stream_chat", self._signed({"broadcastId": room, "text": text}))

    def event(self, event: dict[str, Any], *, ref: int) -> str:
        """Return a public event of the show, for a peer that knows shows."""
        if DEBATE_SHOW not in self.features:
            raise RuntimeError("the peer does not know shows")
        return self._frame("show_event", self._in_room({"ref": ref, "event": event}))

    def control_done(self, order: str, *, ok: bool, message: str) -> str:
        """Return what came of a producer's command, for a peer that passes them on."""
        return self._frame("control_done", self._in_room({"id": order, "ok": ok, "message": message}))

    def desk(self, state: dict[str, Any]) -> str:
        """Return the state of the show's control desk, for a peer where its producer watches."""
        return self._frame("desk", self._in_room({"desk": state}))

    def heartbeat(self) -> str:
        state = "broadcasting" if self.state is State.LIVE else "idle"
        return self._frame("heartbeat", self._signed({"state": state}))

    def join(self, room: str) -> str | None:
        """Return what makes the agent a member of ``room``, None where chatting needs no membership."""
        if EXPLICIT_PARTICIPATION not in self.features:
            return None
        return self._frame("join_room", self._signed({"broadcastId": room}))

    def end(self, reason: str) -> str:
        self._must("end")
        return self._frame("broadcast_end", self._in_room({"reason": reason}))

    def end_room(self, room: str) -> str:
        """Return what ends a room of ours that an earlier connection has left behind."""
        return self._frame("broadcast_end", self._signed({"broadcastId": room, "reason": "reconnected"}))

    def forget(self) -> None:
        """Note that the server has forgotten us although the socket is open: ``register`` is next."""
        self._must("forget")
        self.room = ""

    # -- how it is done ------------------------------------------------------------------------------------------

    def _signed(self, body: dict[str, Any]) -> dict[str, Any]:
        """Name the speaker in every message: v1 takes an agent's word for who it is, and needs it."""
        return {"agentId": self.identity.agent_id, **body}

    def _in_room(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._signed({"broadcastId": self.room, **body} if self.room else body)

    def _frame(self, type_: str, body: dict[str, Any]) -> str:
        return encode_frame(self._shape, type_, body)

    def _go(self, trigger: str) -> bool:
        """Follow the table; False and nothing else where it knows no way."""
        following = _TRANSITIONS.get((self.state, trigger))
        if following is None:
            return False
        self.state = following
        return True

    def _must(self, trigger: str) -> None:
        if not self._go(trigger):
            raise RuntimeError(f"{trigger!r} makes no sense when {self.state.value}")


def dialect_of(registered: Registered) -> Dialect:
    """Return what the peer speaks. ``serverId`` is of no help: v1 and v2 give the same one.

    A stranger that answers in ``payload`` and offers nothing is taken for v1, the dialect that needs most care.
    """
    if DEBATE_SHOW in registered.features:
        return Dialect.STAGE
    if registered.shape is Shape.FLAT:
        return Dialect.FLAT
    if registered.features or registered.session_token.startswith("st_"):
        return Dialect.V2
    return Dialect.V1


def room_title(title: str, part: int) -> str:
    """Return a room's title; a room that goes on from an earlier one says which part it is."""
    suffix = f" (part {part})" if part > 1 else ""
    return truncate(title, TITLE_LIMIT - utf16_length(suffix)) + suffix
