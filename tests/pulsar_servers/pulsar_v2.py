"""A server that behaves as Pulsar v2 does: knows its sockets, answers back, asks for secrets."""

import asyncio
import hashlib
import re
import secrets
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.pulsar_servers.loopback import Agent, Line, LoopbackServer, Room

__all__ = ["PulsarV2"]

DUPLICATE_S = 5.0
AGENT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class PulsarV2(LoopbackServer):
    """Reads only ``payload``; the socket says who speaks."""

    token_prefix = "st_"
    ping_interval_s = 15.0
    features: tuple[str, ...] = ("explicit_participation", "activity_status", "message_receipts")

    def __init__(self, *args: Any, room_length_s: float = 7200.0, **more: Any) -> None:
        super().__init__(*args, **more)
        self.secrets: dict[str, str] = {}
        self.room_length_s = room_length_s
        self._timers: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.agents.clear()
        for room in self.live:
            room.ended = "server_restarted"
        await super().start()

    async def stop(self) -> None:
        for timer in list(self._timers):
            timer.cancel()
        if self._timers:
            await asyncio.wait(self._timers)
        await super().stop()

    async def unreadable(self, socket: ServerConnection) -> None:
        await self._error(socket, "PARSE_ERROR")

    async def _error(self, socket: ServerConnection, code: str) -> None:
        await self.reply(socket, "error", {"code": code, "message": code.lower()})

    async def obey(self, socket: ServerConnection, type_: str, payload: dict[str, Any] | None) -> None:
        if type_ == "register":
            await self._register(socket, payload or {})
            return
        agent = self.agents.get(self._identities.get(socket, ""))
        if agent is None or agent.socket is not socket or payload is None:
            await self._error(socket, "AUTH_FAILED")
            return
        if await self.warned(socket, type_):
            return
        match type_:
            case "heartbeat":
                if payload.get("agentId") not in {None, agent.id}:
                    await self._error(socket, "AUTH_FAILED")
                elif not self.faults.heartbeats_unanswered:
                    await self.reply(socket, "heartbeat_ack", {"serverTime": self.now_ms(), "agentCount": 1})
            case "broadcast_start":
                await self._start_broadcast(agent, payload)
            case "stream_text":
                await self._text(agent, payload)
            case "stream_chat":
                await self._chat(agent, payload)
            case "broadcast_end":
                await self._end(agent, payload)
            case "join_room":
                await self._join(agent, payload)
            case "leave_room":
                if room := self.rooms.get(payload.get("broadcastId", "")):
                    room.members.discard(agent.id)
                left = {"broadcastId": payload.get("broadcastId"), "left": True}
                await self.reply(socket, "room_left", left)
            case _:
                await self._error(socket, "UNKNOWN_TYPE")

    async def _register(self, socket: ServerConnection, payload: dict[str, Any]) -> None:
        agent_id, name = payload.get("agentId"), payload.get("name")
        if not isinstance(agent_id, str) or not AGENT_ID.fullmatch(agent_id) or not isinstance(name, str):
            await self._error(socket, "AUTH_FAILED")
            return
        secret = payload.get("secret")
        digest = hashlib.sha256(secret.encode()).hexdigest() if isinstance(secret, str) and secret else ""
        known = self.secrets.get(agent_id, "")
        if (known and digest != known) or self._identities.get(socket, agent_id) != agent_id:
            await self._error(socket, "AUTH_FAILED")
            return
        if self.faults.silent_register:
            return
        if digest:
            self.secrets[agent_id] = digest
        if room := self.room_hosted_by(agent_id):  # registered again: the old room is over, without a word
            await self.end_room(room, "host_disconnected", tell_host=False)
        old = self.agents.get(agent_id)
        self._identities[socket] = agent_id
        agent = Agent(
            agent_id, _cut(name, 60), payload.get("emoji") or "🤖", payload.get("color") or "#c44dff", socket,
            payload.get("participationMode") == "explicit", self.clock.monotonic(),
        )  # fmt: skip
        self.agents[agent_id] = agent
        if old is not None and old.socket is not socket:
            self._identities.pop(old.socket, None)
            self._later(old.socket.close())
        rooms = self.active_rooms()
        await self.reply(
            socket,
            "registered",
            {
                "sessionToken": f"st_{secrets.token_hex(8)}",
                "agentId": agent_id,
                "serverId": "pulsar-v2",
                "agentCount": len(self.agents),
                "activeRooms": rooms,
                "activeBroadcast": rooms[0] if rooms else None,
                "pointsGranted": 0,
                "features": list(self.features),
            },
        )
        for room in self.live:
            if room.host != agent_id:
                await self._offer(room, agent)

    async def _offer(self, room: Room, agent: Agent) -> None:
        """Explicit agents are told of a room, the others are in it."""
        if agent.explicit:
            await self.reply(agent.socket, "room_available", {"room": {"broadcastId": room.id, "title": room.title}})
            return
        room.members.add(agent.id)
        recent = [{"role": line.role, "name": line.name, "text": line.text} for line in room.lines[-10:]]
        await self.reply(
            agent.socket, "viewer_context", {"broadcastId": room.id, "recentMessages": recent, "yourTurn": False}
        )

    async def _start_broadcast(self, agent: Agent, payload: dict[str, Any]) -> None:
        if self.faults.deny_reason:
            await self.reply(agent.socket, "broadcast_denied", {"reason": self.faults.deny_reason})
            return
        if room := self.room_hosted_by(agent.id):
            denied = {"reason": "you_are_already_broadcasting", "broadcastId": room.id}
            await self.reply(agent.socket, "broadcast_denied", denied)
            return
        if self.faults.silent_approve:
            return
        room = self.open_room(agent.id, _cut(str(payload.get("title") or "Untitled broadcast"), 200))
        approved = {"broadcastId": room.id, "streamKey": f"sk_{secrets.token_hex(12)}"}
        await self.reply(agent.socket, "broadcast_approved", approved)
        system = {"role": "system", "text": f"{agent.name} started broadcasting!"}
        await self.fan_out(room, "live_update", {"messages": [system], "viewerCount": 0}, to={agent.id})
        for other in list(self.agents.values()):
            if other is not agent:
                await self._offer(room, other)
        self._later(self._limit_length(room))

    async def _limit_length(self, room: Room) -> None:
        await self.clock.sleep(self.room_length_s)
        await self.end_room(room, "duration_limit", tell_host=True)

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)

    async def _text(self, agent: Agent, payload: dict[str, Any]) -> None:
        named = self.rooms.get(payload.get("broadcastId") or "")
        room = named or self.room_hosted_by(agent.id)
        if room is None or room.ended or room.host != agent.id:
            await self._error(agent.socket, "NOT_YOUR_BROADCAST")
            return
        text = _cut(str(payload.get("text") or ""), 4000)
        if not await self._accepts(agent, text):
            return
        turn = payload.get("turn")
        room.lines.append(Line("host", agent.name, agent.id, text, self.clock.monotonic(), turn))
        await self.fan_out(room, "live_update", self._update(room, "host", agent, text), to=room.members)

    async def _chat(self, agent: Agent, payload: dict[str, Any]) -> None:
        room = self.rooms.get(payload.get("broadcastId") or "")
        if room is None or room.ended:
            await self._error(agent.socket, "ROOM_NOT_FOUND")
            return
        if agent.explicit and agent.id not in room.members:
            await self._error(agent.socket, "JOIN_REQUIRED")
            return
        text = _cut(str(payload.get("text") or ""), 1000)
        if not await self._accepts(agent, text):
            return
        if room.host == agent.id:
            room.members.add(agent.id)  # from now on it is its own audience
        await self.chat_line(room, Line("viewer", agent.name, agent.id, text, self.clock.monotonic()), sender=agent.id)
        await self.reply(agent.socket, "chat_ack", {"messageId": secrets.token_hex(4), "broadcastId": room.id})

    async def chat_line(self, room: Room, line: Line, *, sender: str) -> None:
        room.lines.append(line)
        entry = {
            "id": secrets.token_hex(4), "role": "viewer", "agentId": line.agent_id or None, "name": line.name,
            "text": line.text,
        }  # fmt: skip
        everybody = (room.members | {room.host}) - {sender}
        await self.fan_out(room, "live_update", {"messages": [entry], "viewerCount": 1}, to=everybody)

    async def _accepts(self, agent: Agent, text: str) -> bool:
        if not self.takes_frame(agent):
            await self.reply(agent.socket, "warning", {"code": "RATE_LIMIT_EXCEEDED"})
            return False
        if not text.strip():
            await self._error(agent.socket, "EMPTY_MESSAGE")
            return False
        now = self.clock.monotonic()
        if agent.recent and agent.recent[-1][1][:100] == text[:100] and now - agent.recent[-1][0] < DUPLICATE_S:
            await self.reply(agent.socket, "warning", {"code": "DUPLICATE_MESSAGE"})
            return False
        agent.recent.append((now, text))
        return True

    def _update(self, room: Room, role: str, agent: Agent, text: str) -> dict[str, Any]:
        entry = {
            "id": secrets.token_hex(4), "role": role, "agentId": agent.id, "name": agent.name, "text": text,
        }  # fmt: skip
        return {"messages": [entry], "viewerCount": len(room.members)}

    async def _join(self, agent: Agent, payload: dict[str, Any]) -> None:
        room = self.rooms.get(payload.get("broadcastId") or "")
        if room is None or room.ended:
            await self._error(agent.socket, "ROOM_NOT_FOUND")
        elif room.host == agent.id:
            await self._error(agent.socket, "OWN_ROOM")
        else:
            room.members.add(agent.id)
            recent = [{"role": line.role, "name": line.name, "text": line.text} for line in room.lines[-20:]]
            await self.reply(agent.socket, "room_joined", {"broadcastId": room.id, "recentMessages": recent})

    async def _end(self, agent: Agent, payload: dict[str, Any]) -> None:
        room = self.rooms.get(payload.get("broadcastId") or "") or self.room_hosted_by(agent.id)
        if room is None or room.ended:
            return
        if room.host != agent.id:
            await self._error(agent.socket, "NOT_YOUR_BROADCAST")
            return
        await self.end_room(room, payload.get("reason") or "ended", tell_host=True)

    async def end_room(self, room: Room, reason: str, *, tell_host: bool) -> None:
        if room.ended:
            return
        room.ended = reason
        everybody = room.members | {room.host} if tell_host else room.members - {room.host}
        await self.fan_out(room, "broadcast_ended", {"reason": reason, "title": room.title}, to=everybody)

    async def closed(self, socket: ServerConnection, agent_id: str) -> None:
        agent = self.agents.get(agent_id)
        if agent is None or agent.socket is not socket:
            return
        del self.agents[agent_id]
        for room in self.rooms.values():
            room.members.discard(agent_id)
        if room_of := self.room_hosted_by(agent_id):
            await self.end_room(room_of, "host_disconnected", tell_host=False)


def _cut(text: str, units: int) -> str:
    """Cut as JavaScript does: between UTF-16 units, even within a character."""
    return text.encode("utf-16-le", "surrogatepass")[: units * 2].decode("utf-16-le", "surrogatepass")
