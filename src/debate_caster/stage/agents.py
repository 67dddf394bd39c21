"""Agents' connections: what an agent says becomes a room, a line on air, a hint; what it is told back is Pulsar.

Each connection's frames are handled in order by a task of its own, which outlives the socket until everything that
arrived has been dealt with: a client may say its whole show and hang up.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from aiohttp import WSMsgType, web

from debate_caster.clock import Clock
from debate_caster.errors import LogError, ProtocolError
from debate_caster.pulsar.frames import FrameError, Shape, decode_frame
from debate_caster.pulsar.messages import (
    DEBATE_SHOW,
    EXPLICIT_PARTICIPATION,
    HINTS,
    RESUME,
    TEXT_ACK,
    BroadcastEnd,
    BroadcastStart,
    Command,
    Heartbeat,
    JoinRoom,
    LeaveRoom,
    PauseBroadcast,
    Register,
    ShowEvent,
    StreamChat,
    StreamText,
    Unknown,
    decode_agent_frame,
    encode_reply,
)
from debate_caster.stage.archive import Archive
from debate_caster.stage.fan_out import BUFFER_LIMIT, abort, websocket_frame
from debate_caster.stage.hints import HintRefusedError
from debate_caster.stage.metrics import Counters
from debate_caster.stage.programme import DeniedError, Programme
from debate_caster.stage.rates import Bucket
from debate_caster.stage.rooms import Host, Room
from debate_caster.stage.shows import Show
from debate_caster.stage.vocabulary import show_time

__all__ = ["FEATURES", "AgentConnection", "Agents"]

logger = structlog.get_logger()

FEATURES = (DEBATE_SHOW, TEXT_ACK, RESUME, HINTS, EXPLICIT_PARTICIPATION)

MAX_FRAME = 256 * 1024
"""Bytes of one message. A line has at most 4,000 characters; a show's first event lists its agents and phases."""

QUEUED_FRAMES = 1000
"""Frames that may wait for their turn before the socket is read no further."""

FRAME_BURST, FRAMES_PER_S = 40, 20.0
"""How many messages an agent may send. Twice what Pulsar allows, which nobody who paces for people comes near."""

REFUSALS_LIMIT = 50
"""Frames that are no messages of the protocol, after which the connection is closed."""

HEARTBEAT_S = 20.0
"""How often the socket is pinged; half as long without an answer and it is closed."""

LAST_FRAMES_S = 2.0
"""How long the frames that have arrived may take to be dealt with when the stage closes."""

IDENTITY_TAKEN = 4409
SHUTTING_DOWN = 1001
POLICY = 1008


class Agents:
    """All agents that are connected, by id."""

    def __init__(
        self,
        programme: Programme,
        *,
        clock: Clock,
        counters: Counters,
        tasks: asyncio.TaskGroup,
        max_agents: int,
    ) -> None:
        self.programme, self.clock, self.counters = programme, clock, counters
        self.connections: set[AgentConnection] = set()
        self.registered: dict[str, AgentConnection] = {}
        self._tasks, self._max_agents = tasks, max_agents
        self._handling: set[asyncio.Task[None]] = set()

    @property
    def archive(self) -> Archive:
        return self.programme.archive

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Take an agent's WebSocket until it closes."""
        if len(self.connections) >= self._max_agents:
            raise web.HTTPServiceUnavailable(text="too many agents", headers={"Retry-After": "30"})
        socket = web.WebSocketResponse(
            compress=False, autoclose=False, heartbeat=HEARTBEAT_S, max_msg_size=MAX_FRAME, timeout=2.0
        )
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        connection = AgentConnection(self, socket, transport, request.remote or "")
        self.connections.add(connection)
        frames: asyncio.Queue[str | None] = asyncio.Queue(QUEUED_FRAMES)
        handling = self._tasks.create_task(connection.handle_all(frames))
        self._handling.add(handling)
        handling.add_done_callback(self._handling.discard)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await frames.put(message.data)
        finally:
            # The task that handles frames finishes what has arrived; at worst it waits for room in its own queue.
            connection.gone = True
            self._tasks.create_task(_finish(frames, handling))
        await socket.close()
        return socket

    def forget(self, connection: "AgentConnection") -> None:
        self.connections.discard(connection)
        if connection.agent and self.registered.get(connection.agent.agent_id) is connection:
            del self.registered[connection.agent.agent_id]

    def announce(self, room: Room, *, but: "AgentConnection") -> None:
        """Tell agents that choose for themselves that there is something to listen to."""
        for connection in self.registered.values():
            if connection is not but and connection.agent and connection.agent.explicit:
                connection.send("room_available", {"room": room.as_active(0)})

    def active_rooms(self) -> list[dict[str, Any]]:
        return [room.as_active(len(show.fan_out)) for show, room in self.programme.open_rooms()]

    def dismiss(self, connection: "AgentConnection", code: int, reason: str) -> None:
        """Close a connection without waiting for it."""
        self._tasks.create_task(connection.hang_up(code, reason))

    async def close(self) -> None:
        """Say goodbye to every agent, and deal with what they have said until now."""
        async with asyncio.TaskGroup() as tasks:
            for connection in list(self.connections):
                tasks.create_task(connection.hang_up(SHUTTING_DOWN, "the stage is shutting down"))
        if self._handling:
            await asyncio.wait(self._handling, timeout=LAST_FRAMES_S)


async def _finish(frames: "asyncio.Queue[str | None]", handling: "asyncio.Task[None]") -> None:
    await frames.put(None)
    await handling


class AgentConnection:
    """One agent's socket. ``agent`` is who it says it is, once that was believed; ``room`` what it has on air."""

    def __init__(
        self, agents: Agents, socket: web.WebSocketResponse, transport: asyncio.Transport, address: str
    ) -> None:
        self.agent: Register | None = None
        self.show: Show | None = None
        self.room: Room | None = None
        self.features: frozenset[str] = frozenset()
        self.gone = False
        self._agents, self._socket, self._transport, self._address = agents, socket, transport, address
        self._shape = Shape.FLAT
        self._clock = agents.clock
        self._bucket = Bucket(FRAME_BURST, FRAMES_PER_S)
        self._refusals = 0
        self._joined: set[Room] = set()

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, type_: str, body: dict[str, Any]) -> None:
        if self.gone or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > BUFFER_LIMIT:
            logger.warning("agent_cut", agent=self.agent and self.agent.agent_id, reason="too slow a reader")
            self.gone = True
            abort(self._transport)
            return
        ts = int(self._clock.now().timestamp() * 1000)
        self._transport.write(websocket_frame(encode_reply(self._shape, type_, body, ts=ts).encode()))

    def error(self, code: str, message: str) -> None:
        self._agents.counters.agent_frames_refused += 1
        self.send("error", {"code": code, "message": message})

    async def hang_up(self, code: int, reason: str) -> None:
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(2.0):
                await self._socket.close(code=code, message=reason.encode())
            return
        abort(self._transport)

    # -- receiving -----------------------------------------------------------------------------------------------

    async def handle_all(self, frames: "asyncio.Queue[str | None]") -> None:
        """Handle frames in order until None; then leave the room as somebody does who was cut off."""
        try:
            while (raw := await frames.get()) is not None:
                await self._handle_one(raw)
        finally:
            self._leave_everything()
            self._agents.forget(self)

    async def _handle_one(self, raw: str) -> None:
        try:
            command = self._decode(raw)
            if command is not None and await self._may_go_on(command):
                await self._obey(command)
        except ProtocolError as exc:
            self.error("BAD_EVENT", exc.detail)
        except DeniedError as exc:
            self.send("broadcast_denied", {"reason": exc.reason})
        except LogError as exc:
            logger.warning("agent_frame_not_logged", agent=self.agent and self.agent.agent_id, error=str(exc))
            self.error("LOG_UNAVAILABLE", "The stage can't keep its log just now, so nothing goes on air.")
        except Exception:  # one agent's frame must not end the stage; the log has the whole story
            logger.exception("agent_frame_failed", agent=self.agent and self.agent.agent_id)
            self.error("INTERNAL", "The stage failed on this message.")

    def _decode(self, raw: str) -> Command | None:
        try:
            return decode_agent_frame(raw, max_bytes=MAX_FRAME)
        except FrameError as exc:
            with suppress(FrameError):
                self._shape = decode_frame(raw, max_bytes=MAX_FRAME).shape
            self.error(exc.code, exc.detail)
            self._refusals += 1
            if self._refusals == REFUSALS_LIMIT:
                self._agents.dismiss(self, POLICY, "too many frames that are no messages")
            return None

    async def _may_go_on(self, command: Command) -> bool:
        """Hold back who sends too fast: those who wait for acknowledgements are slowed down, others lose the line."""
        if isinstance(command, Heartbeat):
            return True
        wait_s = self._bucket.take(self._clock.monotonic())
        if wait_s and TEXT_ACK in self.features:
            await self._clock.sleep(wait_s)
            self._bucket.take(self._clock.monotonic())
        elif wait_s:
            self._agents.counters.agent_frames_refused += 1
            message = f"More than {FRAMES_PER_S:.0f} messages a second: this one was dropped."
            self.send("warning", {"code": "RATE_LIMIT_EXCEEDED", "message": message})
            return False
        return True

    async def _obey(self, command: Command) -> None:
        if isinstance(command, Register):
            await self._register(command)
            return
        if self.agent is None:
            self._shape = command.shape
            self.error("AUTH_FAILED", "Say who you are first: register with agentId and name.")
            return
        match command:
            case Heartbeat():
                self._heartbeat(command)
            case BroadcastStart():
                await self._start(self.agent, command)
            case StreamText():
                self._text(command)
            case ShowEvent():
                self._event(command)
            case BroadcastEnd():
                self._end(command)
            case StreamChat():
                self._chat(self.agent, command)
            case JoinRoom():
                self._join(command)
            case LeaveRoom():
                self._leave(command)
            case PauseBroadcast():
                self._pause(command)
            case Unknown():
                self.error("UNKNOWN_TYPE", f"{command.type!r} is not a message of this protocol.")
            case _:
                self.error("UNKNOWN_TYPE", "This stage does not take that message.")

    # -- who it is -----------------------------------------------------------------------------------------------

    async def _register(self, register: Register) -> None:
        self._shape = register.shape
        if self.agent is not None and self.agent.agent_id != register.agent_id:
            self.error("AUTH_FAILED", "This connection has registered as somebody else.")
            return
        if not await self._agents.archive.admits(register.agent_id, register.secret or None):
            self.error("AUTH_FAILED", "This agentId is bound to another secret.")
            return
        other = self._agents.registered.get(register.agent_id)
        if other is not None and other is not self:
            if not register.secret:
                self.error("AUTH_FAILED", "This agentId is in use; with a secret you could take it over.")
                return
            other.yield_to_successor(keep_room=bool(register.resume_room and RESUME in register.features))
            self._agents.dismiss(other, IDENTITY_TAKEN, "this agent has another connection now")
        self.agent = register
        self.features = register.features & frozenset(FEATURES)
        self._agents.registered[register.agent_id] = self
        resumed = await self._resume(register)
        rooms = self._agents.active_rooms()
        body: dict[str, Any] = {
            "sessionToken": "",
            "agentId": register.agent_id,
            "serverId": "debate-caster",
            "agentCount": len(self._agents.registered),
            "activeRooms": rooms,
            "activeBroadcast": {"hostId": rooms[0]["hostId"], "title": rooms[0]["title"]} if rooms else None,
            "features": list(FEATURES),
        }
        self.send("registered", body | ({"resume": resumed} if resumed else {}))
        logger.info("agent_registered", agent=register.agent_id, resumed=bool(resumed))
        if resumed and self.show is not None and self.room is not None:
            self._agents.programme.welcome_back(self.show, self.room)
        if register.explicit:
            for room in rooms:
                if room["hostId"] != register.agent_id:
                    self.send("room_available", {"room": room})

    async def _resume(self, register: Register) -> dict[str, Any] | None:
        """Go on in the room that the agent had; only a secret proves that it is the same agent."""
        found = self._agents.programme.room(register.resume_room) if register.resume_room else None
        if found is None or self.room is not None or not register.secret or RESUME not in self.features:
            return None
        show, room = found
        if room.host.id != register.agent_id:
            return None
        await room.settle()
        if room.state == "closed":
            return None
        self.show, self.room, room.link = show, room, self
        return {"room": room.id, "last_ref": room.last_ref}

    def yield_to_successor(self, *, keep_room: bool) -> None:
        """Another connection of the same agent has taken over: this one speaks no more."""
        self.gone = True
        if self.room is not None and self.show is not None:
            if keep_room:
                self.show.suspend_room(self.room)
                self._agents.programme.await_return(self.show, self.room)
            else:
                self.show.close_room(self.room, "replaced")
        self.room = self.show = None

    def _heartbeat(self, heartbeat: Heartbeat) -> None:
        if self.agent and heartbeat.agent_id and heartbeat.agent_id != self.agent.agent_id:
            self.error("AUTH_FAILED", "heartbeat identity mismatch")
            return
        rooms = self._agents.active_rooms()
        body = {
            "serverTime": int(self._clock.now().timestamp() * 1000),
            "agentCount": len(self._agents.registered),
            "activeRooms": rooms,
            "activeBroadcast": {"hostId": rooms[0]["hostId"], "title": rooms[0]["title"]} if rooms else None,
        }
        self.send("heartbeat_ack", body)

    # -- its own room --------------------------------------------------------------------------------------------

    async def _start(self, agent: Register, start: BroadcastStart) -> None:
        if self.room is not None:
            body = {"reason": "you_are_already_broadcasting", "broadcastId": self.room.id}
            self.send("broadcast_denied", body)
            return
        claim = start.show if DEBATE_SHOW in self.features else None
        host = Host(
            agent.agent_id,
            (claim.agent if claim else "") or agent.agent_id,
            agent.name,
            agent.emoji or "🤖",
            agent.color or "#c44dff",
            claim.side if claim else "",
        )
        room = await self._agents.programme.open_room(host, start.title, claim, category=start.category)
        show = self._agents.programme.live[room.show]
        self.show, self.room, room.link = show, room, self
        body = {"broadcastId": room.id, "streamKey": f"sk_{room.id[3:]}", "show": show.id}
        self.send("broadcast_approved", body)
        logger.info("room_opened", agent=agent.agent_id, room=room.id, show=show.id)
        if HINTS in self.features:
            room.tell_viewers(len(show.fan_out))
        self._agents.announce(room, but=self)

    def _own_room(self, broadcast_id: str) -> tuple[Show, Room] | None:
        """Return the agent's room, which need not be named; anything else that is named is an error."""
        if self.show is None or self.room is None or (broadcast_id and broadcast_id != self.room.id):
            self.error("NOT_YOUR_BROADCAST", "You have no such broadcast: start one with broadcast_start.")
            return None
        return self.show, self.room

    def _text(self, line: StreamText) -> None:
        if (own := self._own_room(line.broadcast_id)) is None:
            return
        show, room = own
        if room.is_repetition(line.ref):
            self._acknowledge_again(room, line.ref, line.turn, line.index)
        elif not line.text:
            self.error("EMPTY_MESSAGE", "There is no text in this line.")
        else:
            aired = show.air_text(room, line.text, turn=line.turn, index=line.index, ref=line.ref)
            self._acknowledge_when(aired, room, line.ref, line.turn, line.index)

    def _event(self, event: ShowEvent) -> None:
        if (own := self._own_room(event.broadcast_id)) is None:
            return
        show, room = own
        if DEBATE_SHOW not in self.features:
            self.error("UNKNOWN_TYPE", "show_event is for agents that registered with the feature debate_show.")
        elif room.is_repetition(event.ref):
            self._acknowledge_again(room, event.ref)
        else:
            aired = show.take_event(room, event.event, event.ref)
            self._acknowledge_when(aired, room, event.ref)

    def _end(self, end: BroadcastEnd) -> None:
        if end.broadcast_id and (self.room is None or end.broadcast_id != self.room.id):
            self.error("NOT_YOUR_BROADCAST", "Only its host ends a broadcast.")
            return
        if self.show is None or self.room is None:
            return
        show, room = self.show, self.room
        self.show = self.room = None
        reason = end.reason or "ended"
        told = {"reason": reason, "title": room.title, "broadcastId": room.id}
        if (aired := show.close_room(room, reason)) is not None:
            aired.add_done_callback(_unless_failed(lambda _seq: self.send("broadcast_ended", told)))

    def _acknowledge_when(
        self,
        aired: "asyncio.Future[int]",
        room: Room,
        ref: int | None,
        turn: int | None = None,
        index: int | None = None,
    ) -> None:
        """Acknowledge a frame once it is in the air log, to agents that asked for it."""
        if ref is None or TEXT_ACK not in self.features:
            return
        place = {"turn": turn, "index": index}
        known = {key: value for key, value in place.items() if value is not None}
        body = {"broadcastId": room.id, "ref": ref, **known}
        aired.add_done_callback(_unless_failed(lambda seq: self.send("text_ack", {**body, "seq": seq})))

    def _acknowledge_again(
        self, room: Room, ref: int | None, turn: int | None = None, index: int | None = None
    ) -> None:
        if ref is None:
            return
        aired = room.aired(ref)
        if aired is None:  # long ago, or before this stage was started: aired, at a place nobody remembers
            aired = asyncio.get_running_loop().create_future()
            aired.set_result(0)
        self._acknowledge_when(aired, room, ref, turn, index)

    def _pause(self, pause: PauseBroadcast) -> None:
        if self._own_room(pause.broadcast_id) is not None and not 1 <= pause.minutes <= 15:
            self.error("INVALID_PAUSE", "A pause has 1 to 15 minutes.")

    # -- others' rooms -------------------------------------------------------------------------------------------

    def _chat(self, agent: Register, chat: StreamChat) -> None:
        """An agent in the audience: what it says counts as a hint."""
        if (found := self._found(chat.broadcast_id)) is None:
            return
        show, room = found
        if not chat.text.strip():
            self.error("EMPTY_MESSAGE", "There is no text in this line.")
        elif room is self.room:
            self.error("OWN_ROOM", "This is your own room: speak with stream_text.")
        elif agent.explicit and room not in self._joined:
            self.error("JOIN_REQUIRED", "Join the room first.")
        else:
            try:
                hint = show.take_hint(
                    viewer=f"agent:{agent.agent_id}", address=f"agent:{agent.agent_id}", text=chat.text,
                    name=agent.name[:40], to=room.host.agent,
                )  # fmt: skip
            except HintRefusedError as exc:
                code = {"too_fast": "RATE_LIMIT_EXCEEDED", "too_long": "MESSAGE_TOO_LONG"}.get(exc.code, "CHAT_CLOSED")
                self._agents.counters.agent_frames_refused += 1
                self.send("warning", {"code": code, "message": exc.message})
                return
            ts = show_time(self._clock.now())
            self.send("chat_ack", {"messageId": hint.id, "broadcastId": room.id, "at": ts})

    def _join(self, join: JoinRoom) -> None:
        if (found := self._found(join.broadcast_id)) is None:
            return
        show, room = found
        if room is self.room:
            self.error("OWN_ROOM", "This is your own room.")
            return
        room.members.add(self)
        self._joined.add(room)
        active = room.as_active(len(show.fan_out))
        self.send("room_joined", {"room": active, "broadcastId": room.id, "recentMessages": list(room.recent)})

    def _leave(self, leave: LeaveRoom) -> None:
        for room in [room for room in self._joined if room.id == leave.broadcast_id]:
            room.members.discard(self)
            self._joined.discard(room)
        self.send("room_left", {"broadcastId": leave.broadcast_id, "left": True})

    def _found(self, broadcast_id: str) -> tuple[Show, Room] | None:
        found = self._agents.programme.room(broadcast_id)
        if found is None:
            self.error("ROOM_NOT_FOUND", "There is no such broadcast.")
        return found

    # -- leaving -------------------------------------------------------------------------------------------------

    def _leave_everything(self) -> None:
        self.gone = True
        for joined in self._joined:
            joined.members.discard(self)
        self._joined.clear()
        show, room = self.show, self.room
        self.show = self.room = None
        if show is None or room is None or room.link is not self:
            return
        logger.info("agent_lost", agent=room.host.id, room=room.id)
        if RESUME in self.features and self.agent is not None and self.agent.secret:
            show.suspend_room(room)
            self._agents.programme.await_return(show, room)
        else:
            room.link = None
            show.close_room(room, "host_disconnected")


def _unless_failed(tell: Callable[[int], None]) -> "Callable[[asyncio.Future[int]], None]":
    def told(aired: "asyncio.Future[int]") -> None:
        if not aired.cancelled() and aired.exception() is None:
            tell(aired.result())

    return told
