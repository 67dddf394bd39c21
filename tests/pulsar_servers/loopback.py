"""What the two imitated Pulsar servers have in common: sockets on loopback, rooms, what was seen, faults to switch on.

They follow the descriptions of the real servers' behaviour fact by fact, quirks included, and check nothing that those
do not check: what a client gets wrong goes wrong here as it would there.
"""

import contextlib
import json
import secrets
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from debate_caster.clock import Clock

__all__ = ["Agent", "Faults", "Line", "LoopbackServer", "Received", "Room"]


@dataclass
class Faults:
    """Switches; all off. ``status`` answers every handshake with that HTTP status."""

    status: int = 0
    silent_register: bool = False
    silent_approve: bool = False
    deny_reason: str = ""
    drop_after_texts: int = 0
    """Cut an agent's socket right after this many of its lines were taken, before anything is answered; then off."""
    heartbeats_unanswered: bool = False
    warn: str = ""
    """Drop the next line, text or chat, with this warning; then off."""


@dataclass(frozen=True)
class Line:
    """A line as a room's viewers saw it; ``at`` in seconds of the clock."""

    role: str
    name: str
    agent_id: str
    text: str
    at: float
    turn: Any = None


@dataclass(frozen=True)
class Received:
    """A frame as it came from an agent, before anything was made of it."""

    at: float
    agent_id: str
    type: str
    body: dict[str, Any]


@dataclass
class Room:
    id: str
    host: str
    title: str
    lines: list[Line] = field(default_factory=list)
    ended: str = ""
    members: set[str] = field(default_factory=set)

    def texts(self, role: str = "host") -> list[str]:
        return [line.text for line in self.lines if line.role == role]


@dataclass(eq=False)
class Agent:
    id: str
    name: str
    emoji: str
    color: str
    socket: ServerConnection
    explicit: bool
    heard_at: float
    recent: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=10))
    window_started_at: float = 0.0
    window_count: int = 0


class LoopbackServer(ABC):
    """``async with`` it; ``url`` is where it listens."""

    features: tuple[str, ...] = ()
    token_prefix = ""
    ping_interval_s: float | None = None

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.faults = Faults()
        self.location = ""
        self.agents: dict[str, Agent] = {}
        self.rooms: dict[str, Room] = {}
        self.received: list[Received] = []
        self.warnings: list[str] = []
        self.handshakes: list[float] = []
        self.authorizations: list[str | None] = []
        self.most_at_once: dict[str, int] = {}
        self.top_level: dict[str, Any] = {}
        self._sockets: set[ServerConnection] = set()
        self._identities: dict[ServerConnection, str] = {}
        self._server: Server | None = None
        self._port = 0

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after ``stop`` on the same port again, as a restarted server does, with nothing remembered."""
        self._server = await serve(
            self._handle, "127.0.0.1", self._port, process_request=self._admit, compression=None, max_size=2**21,
            ping_interval=self.ping_interval_s, ping_timeout=None, open_timeout=None, close_timeout=1,
        )  # fmt: skip
        self._port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Vanish as a killed process does: no close frames."""
        if self._server is None:
            return
        self._server.close(close_connections=False)
        for socket in list(self._sockets):
            socket.transport.abort()
        await self._server.wait_closed()
        self._server = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/"

    def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        self.handshakes.append(self.clock.monotonic())
        self.authorizations.append(request.headers.get("Authorization"))
        if not self.faults.status:
            return None
        response = socket.respond(HTTPStatus(self.faults.status), "no\n")
        if self.location:
            response.headers["Location"] = self.location
        return response

    async def _handle(self, socket: ServerConnection) -> None:
        self._sockets.add(socket)
        try:
            async for raw in socket:
                if isinstance(raw, str):  # binary frames are ignored on both
                    await self._take(socket, raw)
        except ConnectionClosed:
            pass
        finally:
            self._sockets.discard(socket)
            await self.closed(socket, self._identities.pop(socket, ""))

    async def _take(self, socket: ServerConnection, raw: str) -> None:
        try:
            message = json.loads(raw)
        except ValueError:
            await self.unreadable(socket)
            return
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            await self.unreadable(socket)
            return
        self.top_level = message
        payload = message.get("payload")
        self.received.append(
            Received(
                self.clock.monotonic(),
                self.identity(socket, message),
                message["type"],
                payload if isinstance(payload, dict) else message,
            )
        )
        await self.obey(socket, message["type"], payload if isinstance(payload, dict) else None)
        self._drop_if_told(socket, message["type"])

    def identity(self, socket: ServerConnection, message: dict[str, Any]) -> str:
        payload = message.get("payload")
        named = payload.get("agentId") if isinstance(payload, dict) else None
        return str(named or self._identities.get(socket, ""))

    def _drop_if_told(self, socket: ServerConnection, type_: str) -> None:
        if type_ != "stream_text" or not self.faults.drop_after_texts:
            return
        self.faults.drop_after_texts -= 1
        if not self.faults.drop_after_texts:
            socket.transport.abort()

    async def warned(self, socket: ServerConnection, type_: str) -> bool:
        """Say whether this line is dropped with the warning that was asked for."""
        if type_ not in {"stream_text", "stream_chat"} or not self.faults.warn:
            return False
        code, self.faults.warn = self.faults.warn, ""
        await self.reply(socket, "warning", {"code": code})
        return True

    # -- what the dialects do ------------------------------------------------------------------------------------

    @abstractmethod
    async def unreadable(self, socket: ServerConnection) -> None: ...

    @abstractmethod
    async def obey(self, socket: ServerConnection, type_: str, payload: dict[str, Any] | None) -> None: ...

    @abstractmethod
    async def closed(self, socket: ServerConnection, agent_id: str) -> None: ...

    # -- sending -------------------------------------------------------------------------------------------------

    async def send(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionClosed):
            await socket.send(json.dumps(message))

    async def reply(self, socket: ServerConnection, type_: str, payload: dict[str, Any]) -> None:
        """Unicast replies have their fields in ``payload``."""
        if type_ == "warning":
            self.warnings.append(payload["code"])
        await self.send(socket, {"type": type_, "ts": self.now_ms(), "payload": payload})

    async def fan_out(self, room: Room, type_: str, body: dict[str, Any], *, to: set[str]) -> None:
        """What goes to a room is flat."""
        for agent_id in sorted(to):
            if agent := self.agents.get(agent_id):
                await self.send(agent.socket, {"type": type_, **body, "broadcastId": room.id, "ts": self.now_ms()})

    def now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    # -- rooms ---------------------------------------------------------------------------------------------------

    def open_room(self, host: str, title: str) -> Room:
        room = Room(f"bc_{secrets.token_hex(8)}", host, title)
        self.rooms[room.id] = room
        return room

    @property
    def live(self) -> list[Room]:
        return [room for room in self.rooms.values() if not room.ended]

    def room_hosted_by(self, agent_id: str) -> Room | None:
        return next((room for room in self.live if room.host == agent_id), None)

    def active_rooms(self) -> list[dict[str, Any]]:
        return [
            {"broadcastId": room.id, "hostId": room.host, "title": room.title, "viewerCount": len(room.members)}
            for room in self.live
        ]

    def takes_frame(self, agent: Agent) -> bool:
        """Count a frame in the current fixed window of one second; False when there were 10 already."""
        window = float(int(self.clock.monotonic()))
        if window != agent.window_started_at:
            agent.window_started_at, agent.window_count = window, 0
        agent.window_count += 1
        self.most_at_once[agent.id] = max(self.most_at_once.get(agent.id, 0), agent.window_count)
        return agent.window_count <= 10

    # -- for tests -----------------------------------------------------------------------------------------------

    def named(self, name: str) -> Agent:
        """Return the registered agent of that name."""
        return next(agent for agent in self.agents.values() if agent.name == name)

    def rooms_of(self, name: str) -> list[Room]:
        """Return all rooms that an agent of this name has had, in order: the host's id starts with the cast's."""
        return [room for room in self.rooms.values() if room.host.rsplit("-", 1)[0] == name]

    def drop(self, name: str) -> bool:
        """Cut the agent's socket without a word; False when it has none."""
        found = [agent for agent in self.agents.values() if agent.name == name]
        for agent in found:
            agent.socket.transport.abort()
        return bool(found)

    async def viewer_says(self, room: Room, name: str, text: str) -> None:
        """Let somebody in the audience chat in ``room``."""
        await self.chat_line(room, Line("viewer", name, "", text, self.clock.monotonic()), sender="")

    @abstractmethod
    async def chat_line(self, room: Room, line: Line, *, sender: str) -> None: ...

    async def until(self, condition: Any, timeout_s: float = 60.0) -> None:
        """Wait until ``condition()`` holds, looking often."""
        async with self.clock.timeout(timeout_s):
            while not condition():
                await self.clock.sleep(0.05)

    def sent_texts(self, name: str) -> list[Received]:
        return [
            frame for frame in self.received
            if frame.type == "stream_text" and frame.agent_id.rsplit("-", 1)[0] == name
        ]  # fmt: skip
