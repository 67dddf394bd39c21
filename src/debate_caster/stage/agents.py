"""Agents' connections: what an agent says becomes a room, a line on air, a hint; what it is told back is Pulsar.

Each connection's frames are handled in order by a task of its own, which outlives the socket until everything that
arrived has been dealt with: a client may say its whole show and hang up.
"""

import asyncio
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from aiohttp import WSMsgType, web

from debate_caster.clock import Clock
from debate_caster.errors import LogError, ProtocolError
from debate_caster.pulsar.frames import FrameError, Shape, decode_frame
from debate_caster.pulsar.messages import (
    CONTROL,
    DEBATE_SHOW,
    EXPLICIT_PARTICIPATION,
    HINTS,
    MESSAGE_RECEIPTS,
    RESUME,
    TEXT_ACK,
    VOTES,
    BroadcastEnd,
    BroadcastStart,
    Command,
    ControlDone,
    DeskShown,
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
from debate_caster.stage.attendance import Attendance
from debate_caster.stage.broadcasts import Broadcast
from debate_caster.stage.close_codes import AgentClose
from debate_caster.stage.fan_out import BUFFER_LIMIT, CLOSE, PONG, abort, control_frame, websocket_frame
from debate_caster.stage.hints import network_of
from debate_caster.stage.inbox import Inbox
from debate_caster.stage.metrics import Counters
from debate_caster.stage.passports import Passport, token_of_handshake
from debate_caster.stage.patience import Patience
from debate_caster.stage.programme import DeniedError, Programme
from debate_caster.stage.rooms import Room
from debate_caster.stage.shows import Show
from debate_caster.stage.tokens import Token, TokenDesk, TokenRefusedError

__all__ = ["FEATURES", "AgentConnection", "Agents"]

logger = structlog.get_logger()

FEATURES = (DEBATE_SHOW, TEXT_ACK, RESUME, HINTS, VOTES, CONTROL, EXPLICIT_PARTICIPATION, MESSAGE_RECEIPTS)

MAX_FRAME = 64 * 1024
"""Bytes of one message: 1009 closes the connection of who sends more. A line has at most 4,000 characters."""

MAX_CASTER_FRAME = 256 * 1024
"""Bytes of one message of a caster, whose shows begin with all their agents and phases, and who may have a desk with
hundreds of hints on it."""

REGISTER_S = 10.0
"""How long somebody may be connected without saying who it is."""

FRAMES_A_TURN = 4
"""Messages of one agent that are dealt with before everybody else's are looked at: some hundreds of microseconds."""

HARMLESS = frozenset({"accept_watch", "agent_pong", "pong"})
"""What older clients of Pulsar say unasked: that they watch, which they do anyway, and that they are still there."""

HEARTBEAT_S = 20.0
"""How often the socket is pinged; half as long without an answer and it is closed."""

READ_AHEAD = 16 * 1024
"""Half the bytes that aiohttp reads of messages that nobody took. With 64 KiB, which is usual, one who is slowed down
could have its answer to a ping lie there unread until it is taken for dead."""

GOODBYE_S = 2.0
"""How long one who was thrown out may take to close; then the connection is reset."""

DISREGARDED_AT_ONCE, DISREGARD_INTERVAL_S = 100, 0.02
"""How fast what it still sends is read meanwhile: not read at all it would never be seen to close."""

LAST_FRAMES_S = 2.0
"""How long the frames that have arrived may take to be dealt with when the stage closes."""


class Agents:
    """All agents that are connected, by id. ``private`` says that shows are for those who have a ticket."""

    def __init__(
        self,
        programme: Programme,
        *,
        clock: Clock,
        counters: Counters,
        tasks: asyncio.TaskGroup,
        max_agents: int,
        max_agents_per_address: int,
        tokens_of_agents: TokenDesk | None = None,
        private: bool = False,
    ) -> None:
        self.programme, self.clock, self.counters = programme, clock, counters
        self.connections: set[AgentConnection] = set()
        self.registered: dict[str, AgentConnection] = {}
        self._tasks, self._max_agents, self._max_per_address = tasks, max_agents, max_agents_per_address
        self._addresses: Counter[str] = Counter()
        self._tokens, self._private = tokens_of_agents, private
        self._handling: set[asyncio.Task[None]] = set()

    @property
    def archive(self) -> Archive:
        return self.programme.archive

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Take an agent's WebSocket until it closes."""
        place = network_of(request.remote or "")
        if len(self.connections) >= self._max_agents or self._addresses[place] >= self._max_per_address:
            raise web.HTTPServiceUnavailable(text="too many agents", headers={"Retry-After": "30"})
        token = self._token_of(request)
        socket = web.WebSocketResponse(
            compress=False,
            autoclose=False,
            autoping=False,
            heartbeat=HEARTBEAT_S,
            max_msg_size=MAX_CASTER_FRAME,
            timeout=2.0,
            writer_limit=READ_AHEAD,
        )
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        connection = AgentConnection(self, socket, transport, request.remote or "", token)
        self.connections.add(connection)
        self._addresses[place] += 1
        logger.info("agent_connected", address=connection.address)
        inbox = Inbox()
        handling = self._tasks.create_task(connection.handle_all(inbox))
        self._handling.add(handling)
        handling.add_done_callback(self._handling.discard)
        waiting = self._tasks.create_task(self._wait_for_name(connection))
        try:
            await connection.read_all(inbox)
        finally:
            # The task that handles messages goes on until it has dealt with all that has arrived.
            waiting.cancel()
            if connection.parting is not None:
                connection.parting.cancel()
            connection.gone = True
            inbox.close()
        await socket.close()
        return socket

    async def _wait_for_name(self, connection: "AgentConnection") -> None:
        """Close a connection whose agent does not register in time."""
        await self.clock.sleep(REGISTER_S)
        if connection.agent is None:
            await connection.hang_up(AgentClose.NOT_REGISTERED, f"nobody registered within {REGISTER_S:g} s")

    def _token_of(self, request: web.Request) -> Token | None:
        """Return the token of the handshake; None where there is none, since ``register`` may bring it."""
        try:
            return token_of_handshake(request.headers.get("Authorization", ""), self._tokens)
        except TokenRefusedError as exc:
            logger.info("agent_refused", address=request.remote, reason=str(exc))
            raise web.HTTPUnauthorized(text=str(exc), headers={"WWW-Authenticate": "Bearer"}) from exc

    def passport(self, token: Token | None, on_end: Callable[[Token], Awaitable[None]]) -> Passport:
        """Return a new connection's passport; ``token`` is that of its handshake."""
        return Passport(
            self._tokens, private=self._private, clock=self.clock, tasks=self._tasks, token=token, on_end=on_end
        )

    def forget(self, connection: "AgentConnection") -> None:
        self.connections.discard(connection)
        place = network_of(connection.address)
        self._addresses[place] -= 1
        if not self._addresses[place]:
            del self._addresses[place]
        if connection.agent and self.registered.get(connection.agent.agent_id) is connection:
            del self.registered[connection.agent.agent_id]

    def announce(self, room: Room) -> None:
        """Tell all agents that there is something to listen to."""
        if (found := self.programme.room(room.id)) is not None:
            for connection in list(self.registered.values()):
                connection.invite(*found)

    def active_rooms(self, guest: "AgentConnection | None" = None) -> list[dict[str, Any]]:
        """Return what is open, or what of it an agent may know of."""
        return [
            room.as_active(len(show.fan_out))
            for show, room in self.programme.open_rooms()
            if guest is None or guest.may_hear(show.id)
        ]

    def dismiss(self, connection: "AgentConnection", code: int, reason: str) -> None:
        """Close a connection without waiting for it."""
        self._tasks.create_task(connection.hang_up(code, reason))

    def see_off(self, connection: "AgentConnection") -> asyncio.Task[None]:
        """Reset a connection that has been told to go, should it not do so in time."""
        return self._tasks.create_task(self._reset_later(connection))

    async def _reset_later(self, connection: "AgentConnection") -> None:
        await self.clock.sleep(GOODBYE_S)
        connection.reset()

    async def close(self) -> None:
        """Say goodbye to every agent, and deal with what they have said until now."""
        async with asyncio.TaskGroup() as tasks:
            for connection in list(self.connections):
                tasks.create_task(connection.hang_up(AgentClose.SHUTTING_DOWN, "the stage is shutting down"))
        if self._handling:
            await asyncio.wait(self._handling, timeout=LAST_FRAMES_S)


class AgentConnection:
    """One agent's socket. ``agent`` is who it says it is, once that was believed."""

    def __init__(
        self,
        agents: Agents,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        address: str,
        token: Token | None,
    ) -> None:
        self.agent: Register | None = None
        self.features: frozenset[str] = frozenset()
        self.gone = False
        self.parting: asyncio.Task[None] | None = None
        self.address = address
        self._passport = agents.passport(token, self._show_out)
        self._agents, self._socket, self._transport = agents, socket, transport
        self._shape = Shape.FLAT
        self._clock = agents.clock
        self._patience = Patience(agents.clock)
        self._thrown_out = False
        self._broadcast = Broadcast(agents.programme, self)
        self._attendance = Attendance(agents.programme, self, agents.clock)

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, type_: str, body: dict[str, Any]) -> None:
        if self._may_write():
            ts = int(self._clock.now().timestamp() * 1000)
            self._transport.write(websocket_frame(encode_reply(self._shape, type_, body, ts=ts).encode()))

    def deliver(self, frame: bytes) -> None:
        if self._may_write():
            self._transport.write(frame)

    def _may_write(self) -> bool:
        """Say whether the agent is there; one who leaves too much unread is cut."""
        if self.gone or self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > BUFFER_LIMIT:
            logger.warning("agent_cut", agent=self.agent and self.agent.agent_id, reason="too slow a reader")
            self.gone = True
            abort(self._transport)
            return False
        return True

    def error(self, code: str, message: str) -> None:
        self._agents.counters.agent_frames_refused += 1
        self.send("error", {"code": code, "message": message})

    def warn(self, code: str, message: str) -> None:
        self._agents.counters.agent_frames_refused += 1
        self.send("warning", {"code": code, "message": message})

    async def hang_up(self, code: int, reason: str) -> None:
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(2.0):
                await self._socket.close(code=code, message=reason.encode())
            return
        abort(self._transport)

    def _turn_down(self, code: str, message: str) -> None:
        """Answer with an error, of which an agent that has not registered gets so many."""
        self.error(code, message)
        if self.agent is None:
            self._count_refusal()

    def _count_refusal(self) -> None:
        if not self._patience.bears_refusal():
            self._throw_out("too many frames that are no messages, or of nobody who registered")

    def _throw_out(self, reason: str) -> None:
        """Close the connection for what it sends; nothing of it is dealt with any more."""
        if not self._thrown_out:
            self._thrown_out = True
            who = self.agent and self.agent.agent_id
            logger.warning("agent_thrown_out", address=self.address, agent=who, reason=reason)
            self.deliver(control_frame(CLOSE, struct.pack("!H", AgentClose.POLICY) + reason.encode()))
            self.gone = True
            self.parting = self._agents.see_off(self)

    def reset(self) -> None:
        abort(self._transport)

    # -- receiving -----------------------------------------------------------------------------------------------

    async def read_all(self, inbox: Inbox) -> None:
        """Read messages until the socket closes, no faster than there is room for them."""
        disregarded = 0
        async for message in self._socket:
            if self._thrown_out:  # what is still waited for is its goodbye; whatever else it says costs us little
                disregarded += 1
                if disregarded % DISREGARDED_AT_ONCE == 0:
                    await self._clock.sleep(DISREGARD_INTERVAL_S)
            elif message.type is WSMsgType.TEXT:
                if DEBATE_SHOW not in self.features and _longer(message.data, MAX_FRAME):
                    await self.hang_up(AgentClose.TOO_BIG, f"more than {MAX_FRAME} bytes")
                    return
                await inbox.put(message.data)
            elif not self._patience.bears_idle():
                self._throw_out("too many frames that say nothing")
            elif message.type is WSMsgType.PING:
                self.deliver(control_frame(PONG, message.data))

    async def handle_all(self, inbox: Inbox) -> None:
        """Handle messages in order until there are no more; then leave the room as somebody does who was cut off."""
        handled = 0
        try:
            while (raw := await inbox.get()) is not None:
                if not (self._passport.over or self._thrown_out):  # what is still here came too late
                    await self._handle_one(raw)
                handled += 1
                if handled % FRAMES_A_TURN == 0:  # an inbox that is never empty would keep the loop to itself
                    await self._clock.sleep(0)
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
            return decode_agent_frame(raw, max_bytes=MAX_CASTER_FRAME)
        except FrameError as exc:
            with suppress(FrameError):
                self._shape = decode_frame(raw, max_bytes=MAX_CASTER_FRAME).shape
            self.error(exc.code, exc.detail)
            self._count_refusal()
            return None

    async def _may_go_on(self, command: Command) -> bool:
        """Hold back who sends too fast: those who wait for acknowledgements are slowed down, others lose the line."""
        if self.agent is None:
            return True  # whatever it is but a register is refused, and so many refusals are the end
        wait_s = self._patience.take(command)
        if wait_s and TEXT_ACK in self.features:
            await self._clock.sleep(wait_s)
            self._patience.take(command)
        elif wait_s:
            self._drop(command)
            return False
        return True

    def _drop(self, command: Command) -> None:
        """Leave a message alone that came too fast; a heartbeat without a word, since its answer is what is spared."""
        self._agents.counters.agent_frames_dropped += 1
        if not self._patience.bears_drop():
            self._throw_out("too many messages too fast")
        elif not isinstance(command, Heartbeat) and (warning := self._patience.warning()):
            self.warn("RATE_LIMIT_EXCEEDED", warning)

    async def _obey(self, command: Command) -> None:
        if isinstance(command, Register):
            await self._register(command)
            return
        if self.agent is None:
            self._shape = command.shape
            self._turn_down("AUTH_FAILED", "Say who you are first: register with agentId and name.")
            return
        match command:
            case Heartbeat():
                self._heartbeat(command)
            case BroadcastStart():
                claimed = command.show.id if command.show is not None and DEBATE_SHOW in self.features else ""
                if not self._passport.covers(claimed):
                    raise DeniedError("token_show")
                if (room := await self._broadcast.start(self.agent, command)) is not None:
                    self._agents.announce(room)
            case StreamText():
                self._broadcast.text(command)
            case ShowEvent():
                self._broadcast.event(command)
            case BroadcastEnd():
                self._broadcast.end(command)
            case ControlDone() | DeskShown():
                self._broadcast.tell_producers(command)
            case PauseBroadcast():
                self._broadcast.pause(command)
            case StreamChat():
                self._attendance.chat(self.agent, command, self._broadcast.room)
            case JoinRoom():
                self._attendance.join(command, self._broadcast.room)
            case LeaveRoom():
                self._attendance.leave(command)
            case Unknown() if command.type in HARMLESS:
                pass
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
        try:
            on_air = self._broadcast.show.id if self._broadcast.show is not None else ""
            token = self._passport.admit(register, on_air=on_air)
        except TokenRefusedError as exc:
            logger.info("agent_refused", address=self.address, agent=register.agent_id, reason=str(exc))
            self._turn_down("AUTH_FAILED", f"This stage lets in agents that have a token of it: {exc}.")
            return
        if not await self._agents.archive.admits(register.agent_id, register.secret or None):
            self._turn_down("AUTH_FAILED", "This agentId is bound to another secret.")
            return
        other = self._agents.registered.get(register.agent_id)
        if other is not None and other is not self:
            if not register.secret:
                self._turn_down("AUTH_FAILED", "This agentId is in use; with a secret you could take it over.")
                return
            other.yield_to_successor(
                keep_room=bool((register.resume_room or register.resume_show) and RESUME in register.features)
            )
            self._agents.dismiss(other, AgentClose.IDENTITY_TAKEN, "this agent has another connection now")
        self.agent = register
        self._passport.rely_on(token)
        self._attendance.leave_what_is_closed_to_it()
        self.features = register.features & frozenset(FEATURES)
        self._agents.registered[register.agent_id] = self
        resumed = await self._broadcast.resume(register) if self._may_resume(register) else None
        rooms = self._agents.active_rooms(self)
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
        logger.info("agent_registered", address=self.address, agent=register.agent_id, resumed=bool(resumed))
        if resumed:
            self._broadcast.welcome_back()
        for show, room in self._agents.programme.open_rooms():
            self.invite(show, room)

    def invite(self, show: Show, room: Room) -> None:
        """Offer the agent another one's room, or give it a seat there, as it chose when it registered."""
        if self.agent is not None and not self.gone:
            self._attendance.invite(self.agent, show, room)

    async def _show_out(self, token: Token) -> None:
        logger.info("agent_token_expired", agent=self.agent and self.agent.agent_id, token=token.id)
        await self.hang_up(AgentClose.TOKEN_EXPIRED, "the token has expired")

    def may_hear(self, show: str) -> bool:
        """Say whether the agent may know of that show: its own, or one that its token lets it listen to."""
        own = self._broadcast.show
        return (own is not None and own.id == show) or self._passport.may_hear(show)

    def _may_resume(self, register: Register) -> bool:
        found = self._agents.programme.room(register.resume_room) if register.resume_room else None
        return self._passport.covers(found[0].id if found is not None else register.resume_show)

    def yield_to_successor(self, *, keep_room: bool) -> None:
        """Another connection of the same agent has taken over: this one speaks no more."""
        self.gone = True
        self._attendance.leave_all()
        self._broadcast.drop(comes_back=keep_room, reason="replaced")

    def _heartbeat(self, heartbeat: Heartbeat) -> None:
        if self.agent and heartbeat.agent_id and heartbeat.agent_id != self.agent.agent_id:
            self.error("AUTH_FAILED", "heartbeat identity mismatch")
            return
        rooms = self._agents.active_rooms(self)
        body = {
            "serverTime": int(self._clock.now().timestamp() * 1000),
            "agentCount": len(self._agents.registered),
            "activeRooms": rooms,
            "activeBroadcast": {"hostId": rooms[0]["hostId"], "title": rooms[0]["title"]} if rooms else None,
        }
        self.send("heartbeat_ack", body)

    def _leave_everything(self) -> None:
        self.gone = True
        self._passport.close()
        self._attendance.leave_all()
        comes_back = RESUME in self.features and self.agent is not None and bool(self.agent.secret)
        self._broadcast.drop(comes_back=comes_back, reason="host_disconnected")
        logger.info("agent_gone", address=self.address, agent=self.agent and self.agent.agent_id)


def _longer(text: str, limit: int) -> bool:
    """Say whether text has more than ``limit`` bytes in UTF-8."""
    return len(text) > limit or (len(text) * 4 > limit and len(text.encode("utf-8", "surrogatepass")) > limit)
