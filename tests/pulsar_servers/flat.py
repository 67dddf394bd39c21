"""A server of the published form: flat, the room lives in the socket; and one that knows this project's extensions."""

import secrets
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.pulsar_servers.loopback import Agent, Line, LoopbackServer, Room

__all__ = ["ExtendedServer", "FlatServer"]


class FlatServer(LoopbackServer):
    """Reads the top level only, answers flat, needs no ids, knows neither heartbeats nor chat."""

    async def reply(self, socket: ServerConnection, type_: str, payload: dict[str, Any]) -> None:
        await self.send(socket, {"type": type_, **payload})

    async def unreadable(self, socket: ServerConnection) -> None:
        await self.reply(socket, "error", {"code": "PARSE_ERROR"})

    async def obey(self, socket: ServerConnection, type_: str, payload: dict[str, Any] | None) -> None:
        body = self.top_level
        agent = self.agents.get(self._identities.get(socket, ""))
        room = self.room_hosted_by(agent.id) if agent else None
        if type_ == "register":
            agent_id = body["agentId"]
            self._identities[socket] = agent_id
            self.agents[agent_id] = Agent(agent_id, body["name"], body["emoji"], "", socket, False, 0.0)
            await self.reply(socket, "registered", {})
        elif agent is None:
            await self.reply(socket, "error", {"code": "AUTH_FAILED"})
        elif type_ == "broadcast_start":
            self.open_room(agent.id, body["topic"])
            await self.reply(socket, "broadcast_approved", {})
        elif type_ == "stream_text" and room:
            room.lines.append(Line("host", agent.name, agent.id, body["text"], self.clock.monotonic()))
        elif type_ == "broadcast_end" and room:
            room.ended = "ended"
            await self.reply(socket, "broadcast_ended", {})
        else:
            await self.reply(socket, "error", {"code": "UNKNOWN_TYPE"})

    async def chat_line(self, room: Room, line: Line, *, sender: str) -> None:
        """Push a viewer's line to the host, without naming the room: there is only one."""
        entry = {"role": "viewer", "name": line.name, "text": line.text}
        await self.reply(self.agents[room.host].socket, "live_update", {"messages": [entry]})

    async def closed(self, socket: ServerConnection, agent_id: str) -> None:
        if room := self.room_hosted_by(agent_id):
            room.ended = "host_disconnected"
        self.agents.pop(agent_id, None)


class ExtendedServer(LoopbackServer):
    """Lists the extensions, acknowledges by ``ref``, keeps a dropped agent's room for it. One show; no viewers.

    ``aired`` is what went on air, in order: chunks and events with their ``ref``. Frames after ``ack_none_after`` of
    them are taken but not acknowledged.
    """

    features = ("debate_show", "text_ack", "resume", "hints")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.aired: list[dict[str, Any]] = []
        self.last_refs: dict[str, int] = {}
        self.claims: list[dict[str, Any]] = []
        self.may_resume = True
        self.ack_none_after: int | None = None
        self.refuse_events: set[str] = set()

    async def unreadable(self, socket: ServerConnection) -> None:
        await self.reply(socket, "error", {"code": "PARSE_ERROR"})

    async def obey(self, socket: ServerConnection, type_: str, payload: dict[str, Any] | None) -> None:
        body = payload or {}
        agent = self.agents.get(self._identities.get(socket, ""))
        room = self.room_hosted_by(agent.id) if agent else None
        match type_:
            case "register":
                await self._register(socket, body)
            case "heartbeat":
                await self.reply(socket, "heartbeat_ack", {})
            case "broadcast_start" if self.faults.deny_reason:
                await self.reply(socket, "broadcast_denied", {"reason": self.faults.deny_reason})
            case "broadcast_start" if agent:
                self.claims.append(body["show"])
                opened = self.open_room(agent.id, body["title"])
                self.last_refs[opened.id] = 0
                await self.reply(socket, "broadcast_approved", {"broadcastId": opened.id})
            case "stream_text" | "show_event" if room:
                await self._air(socket, room, type_, body)
            case "broadcast_end" if room:
                room.ended = body["reason"]
                await self.reply(socket, "broadcast_ended", {"broadcastId": room.id, "reason": room.ended})
            case _:
                await self.reply(socket, "error", {"code": "NOT_YOUR_BROADCAST"})

    async def _register(self, socket: ServerConnection, body: dict[str, Any]) -> None:
        agent_id = body["agentId"]
        self._identities[socket] = agent_id
        self.agents[agent_id] = Agent(agent_id, body["name"], "", "", socket, True, 0.0)
        registered: dict[str, Any] = {"features": list(self.features), "sessionToken": secrets.token_hex(4)}
        wanted = body.get("resume", {}).get("room")
        if wanted and (room := self.rooms.get(wanted)) and not room.ended:
            if self.may_resume:
                registered["resume"] = {"room": room.id, "last_ref": self.last_refs[room.id]}
            else:
                room.ended = "grace_over"
        await self.reply(socket, "registered", registered)

    async def _air(self, socket: ServerConnection, room: Room, type_: str, body: dict[str, Any]) -> None:
        ref = body["ref"]
        if type_ == "show_event" and body["event"]["type"] in self.refuse_events:
            await self.reply(socket, "error", {"code": "BAD_EVENT"})
            return
        if ref > self.last_refs[room.id]:
            self.last_refs[room.id] = ref
            self.aired.append({"agent": room.host, **body})
            if type_ == "stream_text":
                room.lines.append(Line("host", "", room.host, body["text"], self.clock.monotonic(), body["turn"]))
        if self.ack_none_after is None or len(self.aired) <= self.ack_none_after:
            await self.reply(socket, "text_ack", {"broadcastId": room.id, "ref": ref, "seq": len(self.aired)})

    async def chat_line(self, room: Room, line: Line, *, sender: str) -> None:
        """Pass a viewer's line on as a hint; always with the same id for the same text, as a repetition has."""
        hint = {"id": f"h-{line.text}", "viewer": "v-1", "name": line.name, "text": line.text, "to": ""}
        context = {"broadcastId": room.id, "hints": [hint], "viewers": 1}
        await self.reply(self.agents[room.host].socket, "viewer_context", context)

    async def closed(self, socket: ServerConnection, agent_id: str) -> None:
        """The room waits for its agent."""
