"""Agents and viewers for tests of the stage: real clients on real loopback sockets, that say what they got."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from debate_caster.stage import Stage

Frame = dict[str, Any]
PATIENCE_S = 5.0


class Person:
    """One WebSocket, and everything that came over it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Frame] = []

    async def say(self, type_: str, /, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type_, **fields}))

    async def hear(self, type_: str | None = None) -> Frame:
        """Return the next frame, or the next one of that type."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame: Frame = json.loads(await self.socket.recv())
                self.frames.append(frame)
                if type_ is None or frame["type"] == type_:
                    return frame

    async def hear_close(self) -> int:
        """Return the code with which the stage closes, past all other frames; 1006 for a reset connection."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                async for raw in self.socket:
                    self.frames.append(json.loads(raw))
            except ConnectionClosed:
                pass
        return self.socket.close_code or 1006

    async def hear_events(self, number: int) -> list[Frame]:
        """Return the next events of the air log, past all other frames."""
        events: list[Frame] = []
        while len(events) < number:
            frame = await self.hear()
            events += [frame] if "seq" in frame else []
        return events

    async def hear_until(self, type_: str) -> list[Frame]:
        """Return all frames up to and with the next one of that type."""
        first = len(self.frames)
        await self.hear(type_)
        return self.frames[first:]


class Agent(Person):
    """Speaks the payload shape, with our extensions if asked to."""

    room = ""

    async def say(self, type_: str, /, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type_, "payload": fields}))

    async def hear(self, type_: str | None = None) -> Frame:
        frame = await super().hear(type_)
        payload: Frame = frame.get("payload", frame)
        return payload

    async def register(self, agent: str, **fields: Any) -> Self:
        await self.say("register", agentId=agent, name=agent.title(), **fields)
        self.registered = await self.hear("registered")
        return self

    async def start(self, **fields: Any) -> Self:
        await self.say("broadcast_start", **fields)
        approved = await self.hear("broadcast_approved")
        self.room, self.show = approved["broadcastId"], approved["show"]
        return self

    async def stream(self, text: str, **fields: Any) -> None:
        await self.say("stream_text", broadcastId=self.room, text=text, **fields)


EXTENSIONS = ["debate_show", "text_ack", "resume", "hints"]


@asynccontextmanager
async def agent_on(stage: Stage, path: str = "/ws") -> AsyncIterator[Agent]:
    async with connect(f"ws://127.0.0.1:{stage.port}{path}", proxy=None, max_queue=None) as socket:
        yield Agent(socket)


@asynccontextmanager
async def viewer_of(stage: Stage, query: str = "", **options: Any) -> AsyncIterator[Person]:
    options.setdefault("max_queue", None)  # what nobody reads in a test must not hold up its end
    async with connect(f"ws://127.0.0.1:{stage.port}/watch{query}", proxy=None, **options) as socket:
        yield Person(socket)


@asynccontextmanager
async def caster_on(stage: Stage, show: str = "show-1", *, order: int = 0, name: str = "ada") -> AsyncIterator[Agent]:
    """An agent like our own: its room is part of a show, and it knows all extensions."""
    async with agent_on(stage) as agent:
        await agent.register(f"{name}-0001", secret=f"secret of {name}", features=EXTENSIONS)
        claim = {"id": show, "key": "the caster's key", "title": "A show", "motion": "Tea beats coffee"}
        await agent.start(title="A show", show=claim | {"agent": name, "side": f"side of {name}", "order": order})
        yield agent


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds that nobody announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110 - there is nothing to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
        yield session


def cast(*names: str) -> Frame:
    """A show's first event, as its caster says it."""
    return {
        "type": "show_started",
        "show": "show-1",
        "title": "A show",
        "motion": "Tea beats coffee",
        "language": "en",
        "format": "duel",
        "format_title": "Duel",
        "agents": [{"id": name, "name": name.title(), "side": f"side of {name}"} for name in names],
        "phases": [{"key": "opening", "title": "Opening", "turns": len(names)}],
        "turns": len(names),
        "hints_open": True,
    }
