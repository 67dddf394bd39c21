"""A server that behaves as Pulsar v1 does: trusting, silent, forgetful."""

import asyncio
import secrets
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.pulsar_servers.loopback import Agent, Line, LoopbackServer, Room

__all__ = ["PulsarV1"]

HEARTBEAT_LIMIT_S = 120.0
HEARTBEAT_CHECK_S = 30.0
DUPLICATE_S = 5.0


class PulsarV1(LoopbackServer):
    """Reads only ``payload``; what it does not like it drops without a word."""

    token_prefix = "tok_"

    async def start(self) -> None:
        self.agents.clear()
        for room in self.live:
            room.ended = "server_restarted"
        await super().start()
        self._eviction = asyncio.create_task(self._evict_for_ever())

    async def stop(self) -> None:
        self._eviction.cancel()
        await asyncio.wait([self._eviction])
        await super().stop()

    async def unreadable(self, socket: ServerConnection) -> None:
        """Swallowed."""

    async def obey(self, socket: ServerConnection, type_: str, payload: dict[str, Any] | None) -> None:
        if payload is None:
            return  # the router throws; the client hears nothing
        agent = self.agents.get(self._identities.get(socket, ""))
        if agent is not None and type_ != "register" and not self.takes_frame(agent):
            await self.reply(
                socket, "warning", {"code": "RATE_LIMIT_EXCEEDED", "message": "Max 10 messages per second"}
            )
            return
        if await self.warned(socket, type_):
            return
        match type_:
            case "register":
                await self._register(socket, payload)
            case "heartbeat":
                await self._heartbeat(socket, payload)
            case "broadcast_start":
                await self._start_broadcast(socket, payload)
            case "stream_text":
                await self._text(payload)
            case "stream_chat":
                await self._chat(payload)
            case "broadcast_end":
                if room := self.rooms.get(payload.get("broadcastId", "")):
                    await self.end_room(room, payload.get("reason") or "ended")
            case _:
                pass

    async def _register(self, socket: ServerConnection, payload: dict[str, Any]) -> None:
        agent_id, name = payload.get("agentId"), payload.get("name")
        if not agent_id or not name:
            await self.reply(socket, "error", {"code": "AUTH_FAILED", "message": "agentId and name are required"})
            return
        if self.faults.silent_register:
            return
        self._identities[socket] = agent_id
        self.agents[agent_id] = Agent(
            agent_id, name, payload.get("emoji") or "🤖", payload.get("color") or "", socket, False,
            self.clock.monotonic(),
        )  # fmt: skip
        rooms = self.active_rooms()
        await self.reply(
            socket,
            "registered",
            {
                "sessionToken": f"tok_{secrets.token_hex(8)}",
                "agentId": agent_id,
                "serverId": "pulsar-v2",
                "agentCount": len(self.agents),
                "activeRooms": rooms,
                "activeBroadcast": rooms[0] if rooms else None,
            },
        )
        for room in self.live:
            if room.host != agent_id:
                await self._context(room, agent_id, your_turn=False)

    async def _heartbeat(self, socket: ServerConnection, payload: dict[str, Any]) -> None:
        agent = self.agents.get(payload.get("agentId", ""))
        if agent is None or self.faults.heartbeats_unanswered:
            return
        agent.heard_at = self.clock.monotonic()
        await self.reply(socket, "heartbeat_ack", {"serverTime": self.now_ms(), "agentCount": len(self.agents)})

    async def _start_broadcast(self, socket: ServerConnection, payload: dict[str, Any]) -> None:
        host = payload.get("agentId") or ""
        if self.faults.deny_reason:
            await self.reply(socket, "broadcast_denied", {"reason": self.faults.deny_reason})
            return
        if host and (room := self.room_hosted_by(host)):
            denied = {"reason": "you_are_already_broadcasting", "broadcastId": room.id}
            await self.reply(socket, "broadcast_denied", denied)
            return
        if self.faults.silent_approve:
            return
        room = self.open_room(host, str(payload.get("title") or "").strip()[:200])
        approved = {"broadcastId": room.id, "streamKey": f"sk_{secrets.token_hex(12)}"}
        await self.reply(socket, "broadcast_approved", approved)
        for agent_id in list(self.agents):
            if agent_id != host:
                await self._context(room, agent_id, your_turn=False)

    async def _text(self, payload: dict[str, Any]) -> None:
        room, text = self.rooms.get(payload.get("broadcastId", "")), payload.get("text")
        if room is None or room.ended or payload.get("agentId") != room.host or not isinstance(text, str):
            return
        agent = self.agents.get(room.host)
        if agent is None or self._is_duplicate(agent, text):
            return
        line = Line("host", agent.name, agent.id, text, self.clock.monotonic(), payload.get("turn"))
        room.lines.append(line)
        entry = {"role": "host", "name": agent.name, "emoji": agent.emoji, "color": agent.color, "text": text}
        await self.fan_out(room, "live_update", {"messages": [entry], "viewerCount": 0}, to=self._viewers(room))
        if isinstance(line.turn, int) and line.turn % 2:
            for agent_id in sorted(self._viewers(room))[:2]:
                await self._context(room, agent_id, your_turn=True)

    async def _chat(self, payload: dict[str, Any]) -> None:
        room, text = self.rooms.get(payload.get("broadcastId", "")), payload.get("text")
        agent = self.agents.get(payload.get("agentId", ""))
        if room is None or room.ended or agent is None or not isinstance(text, str) or self._is_duplicate(agent, text):
            return
        await self.chat_line(room, Line("viewer", agent.name, agent.id, text, self.clock.monotonic()), sender=agent.id)

    async def chat_line(self, room: Room, line: Line, *, sender: str) -> None:
        room.lines.append(line)
        entry = {"role": "viewer", "name": line.name, "emoji": "🤖", "color": "#c44dff", "text": line.text}
        everybody = self._viewers(room) | {room.host}  # the sender gets an echo
        await self.fan_out(room, "live_update", {"messages": [entry], "viewerCount": 0}, to=everybody)

    def _is_duplicate(self, agent: Agent, text: str) -> bool:
        now = self.clock.monotonic()
        if any(text[:100] == said[:100] and now - at < DUPLICATE_S for at, said in agent.recent):
            return True
        agent.recent.append((now, text))
        return False

    def _viewers(self, room: Room) -> set[str]:
        """Everybody watches every room but the own one."""
        return self.agents.keys() - {room.host}

    async def _context(self, room: Room, agent_id: str, *, your_turn: bool) -> None:
        recent = [{"role": line.role, "name": line.name, "text": line.text} for line in room.lines[-10:]]
        context = {
            "broadcastId": room.id,
            "host": {"name": room.host, "emoji": "🤖"},
            "title": room.title,
            "recentMessages": recent,
            "yourTurn": your_turn,
            "instruction": "react_to_host" if your_turn else "watching",
        }
        if agent := self.agents.get(agent_id):
            await self.reply(agent.socket, "viewer_context", context)

    async def end_room(self, room: Room, reason: str) -> None:
        """Tell the viewers; the host hears nothing."""
        if room.ended:
            return
        room.ended = reason
        await self.fan_out(room, "broadcast_ended", {"reason": reason}, to=self._viewers(room))

    async def _evict_for_ever(self) -> None:
        while True:
            await self.clock.sleep(HEARTBEAT_CHECK_S)
            for agent in list(self.agents.values()):
                if self.clock.monotonic() - agent.heard_at > HEARTBEAT_LIMIT_S:
                    await self.evict(agent.id)

    async def evict(self, agent_id: str) -> None:
        """Forget an agent; its socket stays open."""
        self.agents.pop(agent_id, None)
        if room := self.room_hosted_by(agent_id):
            await self.end_room(room, "host_disconnected")

    async def closed(self, socket: ServerConnection, agent_id: str) -> None:
        """Whoever registered last under the id of a socket that closes is gone too, even on a newer socket."""
        del socket
        if agent_id:
            await self.evict(agent_id)
