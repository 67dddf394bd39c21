"""A WebSocket by hand: sends what no library would, and tells how the stage ended it."""

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from debate_caster.stage import Stage

__all__ = ["RawSocket", "frame", "raw_socket"]

RESET = 1006
"""What a browser calls a connection that ended without a close frame."""


def frame(opcode: int, payload: bytes, *, fin: bool = True, reserved: int = 0, length: int | None = None) -> bytes:
    """Return a masked frame; ``length`` is what its head says in place of the truth."""
    said = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    if said < 126:
        head += bytes([0x80 | said])
    elif said < 2**16:
        head += b"\xfe" + struct.pack("!H", said)
    else:
        head += b"\xff" + struct.pack("!Q", said)
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


class RawSocket:
    """An upgraded connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *frames: bytes) -> None:
        with suppress(ConnectionError):  # the stage may have hung up at the first of them
            for sent in frames:
                self.writer.write(sent)
                await self.writer.drain()

    async def hear_close(self, *, within_s: float = 60.0) -> int:
        """Read on to the end, and return the code of the close frame."""
        return (await self.hear_all(within_s=within_s))[1]

    async def hear_all(self, *, within_s: float = 60.0) -> tuple[list[dict[str, Any]], int]:
        """Read on to the end, which is to come within so many seconds; return all messages, and the close's code."""
        messages: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(within_s):
                while True:
                    opcode, payload = await self._frame()
                    if opcode == 8:
                        return messages, int.from_bytes(payload[:2]) if payload else 1005
                    if opcode == 1:
                        messages.append(json.loads(payload))
        except (ConnectionError, asyncio.IncompleteReadError):
            return messages, RESET

    async def opcode(self) -> int:
        """Read on, and return what kind of frame came."""
        async with asyncio.timeout(60):
            return (await self._frame())[0]

    async def opcodes_until_closed(self, code: int, *, within_s: float = 60.0) -> list[int]:
        """Read on to the close frame, which must have this code; return what kinds of frames came before it."""
        opcodes: list[int] = []
        async with asyncio.timeout(within_s):
            while True:
                opcode, payload = await self._frame()
                if opcode == 8:
                    assert int.from_bytes(payload[:2]) == code
                    return opcodes
                opcodes.append(opcode)

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2))
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(length)


@asynccontextmanager
async def raw_socket(stage: Stage, path: str, *headers: str) -> AsyncIterator[RawSocket]:
    """Upgrade a connection to ``path``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    try:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade", *headers]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert answer.startswith("HTTP/1.1 101 "), answer
        assert "permessage-deflate" not in answer
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()
