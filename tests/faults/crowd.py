"""Viewers by the hundred, by hand: cheap ones within the test's process, and ones in a process that can be stopped."""

import asyncio
import ctypes
import json
import re
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from debate_caster.log import EventLog
from debate_caster.stage import Stage
from tests.abuse.raw_socket import frame

__all__ = [
    "SENT",
    "SHOW",
    "Talker",
    "Watcher",
    "aired_on",
    "flooded",
    "lose_every_packet",
    "upgrade",
    "viewers_elsewhere",
]

SHOW = "show-1"
SENT = re.compile(rb'"text":"(\d+\.\d+) ')
"""The time at which a ``Talker`` has said a line."""

SEQ = re.compile(rb'\{"seq":(\d+),')
TEXT = 1
ELSEWHERE = Path(__file__).parent / "audience_program.py"
FLOODING = Path(__file__).parent / "flooding_program.py"


SO_ATTACH_FILTER = 26
"""Linux: a packet filter on one socket. The socket module does not name it."""


def lose_every_packet(connection: socket.socket) -> None:
    """From now on the kernel drops whatever comes to this end, acknowledgements and all: a cable that is cut.

    The filter is a classic BPF program of one instruction: return 0, keep no byte.
    """
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(drop)))


def upgrade(port: int, path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class Watcher(asyncio.Protocol):
    """A viewer that keeps what it has got of the air log, and when, and comes back behind that.

    ``reads`` false makes it one that never reads. Viewers with one ``shared`` keep what they have all got only once.
    """

    def __init__(
        self, stage: Stage, show: str = SHOW, *, reads: bool = True, shared: dict[bytes, bytes] | None = None
    ) -> None:
        self.port, self.show = stage.port, show
        self.events: list[bytes] = []
        self.times: list[float] = []
        self.cut = asyncio.Event()
        self.status = 0
        self.reads = reads
        self._shared = {} if shared is None else shared
        self._unread = b""
        self._transport: asyncio.Transport | None = None
        self._news = asyncio.Event()

    @property
    def seqs(self) -> list[int]:
        return [int(found[1]) for event in self.events if (found := SEQ.match(event))]

    async def join(self, *, local_address: str = "127.0.0.1") -> "Watcher":
        """Come, or come back; return once the stage has answered."""
        self.cut.clear()
        self._unread, self.status = b"", 0
        after = self.seqs[-1] if self.events else 0
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(
            lambda: self, "127.0.0.1", self.port, local_addr=(local_address, 0)
        )
        self._transport.write(upgrade(self.port, f"/watch?show={self.show}&after={after}"))
        while not self.status and not self.cut.is_set():
            await self._hear()
        if not self.reads:
            self._transport.pause_reading()
        return self

    async def until(self, number: int) -> None:
        """Wait for so many events."""
        async with asyncio.timeout(60):
            while len(self.events) < number:
                await self._hear()

    def say(self, type_: str, **fields: str) -> None:
        """Send the stage a message; lost where the line is down."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(TEXT, json.dumps({"type": type_, **fields}).encode()))

    def go_dead(self) -> None:
        """Be cut off without a word: nothing that is sent arrives any more, and nothing goes out."""
        assert self._transport is not None
        lose_every_packet(self._transport.get_extra_info("socket"))

    def wake(self) -> None:
        """Read, after all."""
        if self._transport is not None:
            self._transport.resume_reading()

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _hear(self) -> None:
        self._news.clear()
        await self._news.wait()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self.status:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if not end:
                return
            self.status, self._unread = int(head.split(b" ", 2)[1]), rest
        if self.status == 101:
            now = asyncio.get_running_loop().time()
            for message in self._frames():
                if SEQ.match(message):
                    self.events.append(self._shared.setdefault(message, message))
                    self.times.append(now)
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.cut.set()
        self._news.set()

    def _frames(self) -> Iterator[bytes]:
        """Take whole frames out of what has come: a stage's are unmasked and whole messages."""
        while len(self._unread) >= 2:
            length, start = self._unread[1], 2
            if length > 125:
                start += 2 if length == 126 else 8
                length = int.from_bytes(self._unread[2:start])
            if len(self._unread) < start + length:
                return
            yield self._unread[start : start + length]
            self._unread = self._unread[start + length :]


class Talker:
    """Has the room of an agent say lines, each with the time at which it was said."""

    def __init__(self, stage: Stage, room: str) -> None:
        self._show = stage._programme.live[SHOW]
        self._room = self._show.rooms[room]
        self._said = 0

    async def say(self, length: int = 40) -> int:
        """Say a line and return its place once it is on air."""
        self._said += 1
        text = f"{asyncio.get_running_loop().time():.6f} " + "x" * length
        return await self._show.air_text(self._room, text, turn=0, index=self._said, ref=self._said)


async def aired_on(log: EventLog, show: str = SHOW) -> list[bytes]:
    """Return the events of the air log as viewers get them."""
    records = await log.read(f"air/{show}", 0, limit=1_000_000)
    return [f'{{"seq":{record.seq},{record.body[1:]}'.encode() for record in records]


@asynccontextmanager
async def viewers_elsewhere(stage: Stage, number: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Have a process of its own watch with so many connections; ends when all of them have."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", ELSEWHERE, str(stage.port), SHOW, str(number), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"here\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def flooded(stage: Stage, clients: int, per_s: int, seconds: int) -> AsyncIterator[dict[str, int]]:
    """Have another process flood the show with hints; what was answered is there once the block is left."""
    arguments = [str(argument) for argument in (stage.port, SHOW, clients, per_s, seconds)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", FLOODING, *arguments, stdout=asyncio.subprocess.PIPE
    )
    answered: dict[str, int] = {}
    try:
        yield answered
        said, _ = await process.communicate()
        answered.update(json.loads(said))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
