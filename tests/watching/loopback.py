"""A line that breaks, and an agent that talks: what tests of whoever watches need beside a real stage."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from debate_caster.stage import Stage

__all__ = ["Line", "Talker", "broken_line", "talking"]


class Line:
    """Passes a TCP port on to another. ``patience()`` says after how many bytes towards the viewer a line breaks."""

    def __init__(self, port: int, patience: Callable[[], int | None]) -> None:
        self.port = 0
        self.cuts = 0
        self.connections = 0
        self._to, self._patience = port, patience
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = self._patience()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as tasks:
                there = tasks.create_task(_pass_on(reader, far_writer, None))
                back = tasks.create_task(_pass_on(far_reader, writer, left))
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
                self.cuts += back.done() and back.result()
                there.cancel()
                back.cancel()
        finally:
            for side in (writer, far_writer):
                side.transport.abort()
                self._open.discard(side)

    def cut(self) -> int:
        """Break whatever is connected, without a goodbye; return how many ends there were."""
        for side in list(self._open):
            side.transport.abort()
        return len(self._open)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None) -> bool:
    """Pass bytes on until there are none; True if ``left`` were enough and the line is to break."""
    try:
        while data := await reader.read(65536):
            if left is not None:
                data, left = data[:left], left - len(data)
            writer.write(data)
            await writer.drain()
            if left is not None and left <= 0:
                return True
    except ConnectionError:
        pass
    return False


@asynccontextmanager
async def broken_line(port: int, patience: Callable[[], int | None] = lambda: None) -> AsyncIterator[Line]:
    """Open a line to ``port``; ``patience`` None means that it holds."""
    line = Line(port, patience)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.cut()
        await server.wait_closed()


class Talker:
    """An agent on a stage."""

    def __init__(self, socket: ClientConnection, show: str, room: str) -> None:
        self.socket, self.show, self.room = socket, show, room
        self.said = 0

    async def say(self, text: str) -> None:
        """Say a line and wait until it is in the air log."""
        self.said += 1
        await self.socket.send(json.dumps({"type": "stream_text", "text": text, "ref": self.said, "turn": self.said}))
        await answer(self.socket, "text_ack")

    async def end(self) -> None:
        await self.socket.send(json.dumps({"type": "broadcast_end"}))
        await answer(self.socket, "broadcast_ended")


@asynccontextmanager
async def talking(stage: Stage, name: str = "talker", show: dict[str, Any] | None = None) -> AsyncIterator[Talker]:
    """Bring an agent on air that has acknowledgements, and so loses nothing; in a show of its own without ``show``."""
    async with connect(stage.agents_url) as socket:
        register = {
            "type": "register",
            "agentId": f"{name}-1a2b3c4d",
            "name": name,
            "features": ["text_ack", "debate_show"],
        }
        await socket.send(json.dumps(register))
        await answer(socket, "registered")
        claim = {} if show is None else {"show": show}
        await socket.send(json.dumps({"type": "broadcast_start", "topic": f"What {name} thinks", **claim}))
        approved = await answer(socket, "broadcast_approved")
        yield Talker(socket, approved["show"], approved["broadcastId"])


async def answer(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next frame of a kind; others are none of the test's business."""
    while True:
        frame: dict[str, Any] = json.loads(await socket.recv())
        if frame["type"] == kind:
            return frame
