"""Delivery of a show's events to everybody who watches: built once, written to each, never waiting for anybody.

A viewer in a channel is *live*: it has had everything up to ``position`` and gets every later batch. Who does not read
is cut at a bounded buffer. Knows transports and bytes; nothing of HTTP handlers, rooms or the log.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from debate_caster.clock import Clock
from debate_caster.stage.metrics import Counters
from debate_caster.stage.selection import SPEECH, Selection

__all__ = [
    "PING",
    "PONG",
    "AirEvent",
    "Encoding",
    "FanOut",
    "Viewer",
    "abort",
    "control_frame",
    "encode",
    "json_frame",
    "websocket_frame",
]

logger = structlog.get_logger()

BUFFER_LIMIT = 768 * 1024
"""Bytes that may wait for one viewer; one who leaves more unread is cut. Some 2,500 events: minutes of a show. A buffer
that grows takes up to a third more memory than it holds, and 1.2 MB is what one viewer may cost."""

SLICE = 500
"""Viewers written to before other tasks get their turn: about 4 ms of work."""

BUSY_S_PER_VIEWER = 50e-6
LONGEST_PAUSE_S = 0.05
"""What a batch is charged: 50 µs for each viewer, five times what writing to it costs, so that at most a fifth of the
loop goes to one show; never above 50 ms, which 1,000 viewers reach and no reader notices."""

CREDIT_S = 0.025
"""How much of that may stay unpaid before the next batch waits. A turn's first words come right behind the event that
opens it: up to 500 viewers get both at once."""

CLOSE, PING, PONG = 0x8, 0x9, 0xA
"""Opcodes of control frames, RFC 6455 section 5.5."""

COUNT_INTERVAL_S = 2.0
"""How often viewers are told how many they are, at most."""


@dataclass(frozen=True, slots=True)
class AirEvent:
    """An event on air: its place, what viewers select by, and its WebSocket frame, which holds the JSON."""

    seq: int
    type: str
    room: str
    frame: bytes
    speaker: str = ""

    @property
    def json(self) -> bytes:
        first = self.frame[1]
        return self.frame[2 if first < 126 else 4 if first == 126 else 10 :]


Encoding = str
"""``websocket``, ``chunked`` (SSE over HTTP/1.1) or ``plain`` (SSE over HTTP/1.0)."""


@dataclass(slots=True, eq=False)
class Viewer:
    """One connection that watches a show. While it is open, everything that is sent to it is sent here.

    ``identity`` is the viewer's own secret, ``address`` its network address; ``silent`` says that nothing has been
    heard since it was last pinged. ``channel`` is where it is live. ``peer`` is its socket, to be sent to only while it
    is not ``buffered``: then nothing waits in the transport that this would overtake. A socket that was closed
    meanwhile raises ``OSError``.
    """

    transport: asyncio.Transport
    encoding: Encoding = "websocket"
    selection: Selection = SPEECH
    identity: str = ""
    address: str = ""
    open: bool = True
    silent: bool = False
    buffered: bool = True
    channel: "Channel | None" = None
    peer: socket.socket | None = field(init=False)

    def __post_init__(self) -> None:
        # asyncio wraps the socket so that nobody sends around the transport, as we do, knowing when that is safe.
        # Over TLS, or where another loop wraps it in another way, everything goes through the transport.
        plain = self.transport.get_extra_info("sslcontext") is None
        peer = getattr(self.transport.get_extra_info("socket"), "_sock", None) if plain else None
        self.peer = peer if isinstance(peer, socket.socket) else None

    def write(self, data: bytes) -> bool:
        """Write without waiting; False when the viewer was cut instead, or had gone."""
        if not self.open or self.transport.is_closing():
            return False
        if self.transport.get_write_buffer_size() > BUFFER_LIMIT:
            self.cut()
            return False
        self.transport.write(data)
        self.look_at_buffer()
        return True

    def look_at_buffer(self) -> None:
        """Note whether something waits in the transport."""
        buffered = self.peer is None or self.transport.get_write_buffer_size() > 0
        if buffered != self.buffered:
            self.buffered = buffered
            self._leave_row()

    def shut(self) -> None:
        """Send nothing more to it: a close frame is the last that it may get."""
        self.open = False
        self._leave_row()

    def cut(self) -> None:
        """Hang up at once and drop what is unread, in the kernel too: a polite close would wait for the reader."""
        self.shut()
        abort(self.transport)

    def _leave_row(self) -> None:
        if self.channel is not None:
            self.channel.row = None


def abort(transport: asyncio.Transport) -> None:
    """Reset the connection: nothing that waits to be sent is kept, here or in the kernel."""
    peer = transport.get_extra_info("socket")
    if peer is not None:
        with suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def websocket_frame(payload: bytes) -> bytes:
    """Return a whole, unmasked text message, RFC 6455 section 5.2."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", 0x81, 126, length) + payload
    return struct.pack("!BBQ", 0x81, 127, length) + payload


def control_frame(opcode: int, payload: bytes = b"") -> bytes:
    """Return a close, ping or pong; the payload has at most 125 bytes, as a peer's ping has."""
    return bytes((0x80 | opcode, len(payload))) + payload


def json_frame(encoding: Encoding, payload: bytes) -> bytes:
    """Return a message that is no event of the air log, for one viewer's connection."""
    if encoding == "websocket":
        return websocket_frame(payload)
    return _chunk(encoding, b"data: " + payload + b"\n\n")


def encode(encoding: Encoding, events: Sequence[AirEvent]) -> bytes:
    """Return the events as one piece of a viewer's stream."""
    if encoding == "websocket":
        return b"".join([event.frame for event in events])
    # JSON escapes CR and LF inside strings, so an event is one line, and one line is all that SSE cares about.
    return _chunk(encoding, b"".join([b"id: %d\ndata: %b\n\n" % (event.seq, event.json) for event in events]))


def _chunk(encoding: Encoding, data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if encoding == "chunked" and data else data


class Row(NamedTuple):
    """The viewers of a channel, and the socket of each that can be sent to directly."""

    viewers: Sequence[Viewer]
    peers: Sequence[socket.socket | None]


@dataclass(slots=True, eq=False)
class Channel:
    """Viewers who get the same bytes.

    ``wrote_at`` is when they were last sent an event, in seconds of the clock. ``row`` is how they stand: made anew
    when one has come or gone, or has something waiting, and never changed. Several things in one object for each of
    thousands would be what the processor's cache has forgotten since the last event; sockets side by side cost a tenth
    less.
    """

    # A dict for its order: viewers who came one after the other lie so in memory, which saves a microsecond for each.
    viewers: dict[Viewer, None] = field(default_factory=dict)
    wrote_at: float = float("-inf")
    row: Row | None = None

    def line_up(self) -> Row:
        """Return the row as it is now."""
        if self.row is None:
            viewers = [viewer for viewer in self.viewers if viewer.open]
            self.row = Row(viewers, [None if viewer.buffered else viewer.peer for viewer in viewers])
        return self.row


@dataclass(slots=True)
class FanOut:
    """The live viewers of one show. ``run`` delivers what ``publish`` was given; whoever holds it owns that task."""

    clock: Clock
    counters: Counters
    on_count: Callable[[int], None] | None = None
    position: int = 0
    paid_at: float = float("-inf")
    channels: dict[tuple[Encoding, Selection], Channel] = field(default_factory=dict)
    _pending: list[AirEvent] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _told: int = 0
    _told_at: float = float("-inf")

    def __len__(self) -> int:
        return sum(len(channel.viewers) for channel in self.channels.values())

    def publish(self, events: Iterable[AirEvent]) -> None:
        """Queue events for delivery; they directly follow those given before."""
        self._pending.extend(events)
        self._wake.set()

    def join(self, viewer: Viewer) -> None:
        """Make a viewer live who has been sent everything up to ``position``."""
        viewer.look_at_buffer()
        viewer.channel = self.channels.setdefault((viewer.encoding, viewer.selection), Channel())
        viewer.channel.viewers[viewer] = None
        viewer.channel.row = None
        self._wake.set()

    def leave(self, viewer: Viewer) -> None:
        """Stop delivering to a viewer; harmless when it is not live. Nothing is written to it afterwards."""
        viewer.shut()
        channel, viewer.channel = viewer.channel, None
        if channel is not None:
            del channel.viewers[viewer]
            if not channel.viewers:
                del self.channels[viewer.encoding, viewer.selection]
            self._wake.set()

    async def run(self) -> None:
        """Deliver for ever. One batch at a time, so that everybody gets everything in order."""
        while True:
            await self._wait_for_news()
            if self._pending and self.paid_at - CREDIT_S > self.clock.monotonic():
                # The wait comes before a batch, not after it: most events come alone, and then nobody waits.
                await self.clock.sleep_until(self.paid_at - CREDIT_S)
            self._wake.clear()
            events, self._pending = self._pending, []
            await self.deliver(events)
            now = self.clock.monotonic()
            if len(self) != self._told and now >= self._told_at + COUNT_INTERVAL_S:
                await self._tell_count(now)

    async def drain(self) -> None:
        """Deliver what is still queued, once ``run`` has been stopped."""
        events, self._pending = self._pending, []
        await self.deliver(events)

    async def deliver(self, events: Sequence[AirEvent]) -> None:
        """Write a batch to every viewer who is live now; those who join meanwhile have read it as history."""
        if not events:
            return
        self.position = events[-1].seq
        now = self.clock.monotonic()
        self.paid_at = max(self.paid_at, now) + min(len(self) * BUSY_S_PER_VIEWER, LONGEST_PAUSE_S)
        # All rows before the first write: other tasks have their turn between, and let viewers in.
        rows = [(*key, channel, channel.line_up()) for key, channel in self.channels.items()]
        for encoding, selection, channel, row in rows:
            taken = [event for event in events if selection.takes(event)]
            if taken:
                channel.wrote_at = now
                sent = await self._write_all(channel, row, encode(encoding, taken))
                self.counters.deliveries += sent * len(taken)

    async def _write_all(self, channel: Channel, row: Row, data: bytes) -> int:
        """Write to each of a row who is still there, cutting who does not read; return how many got it.

        Other tasks have their turn between slices.
        """
        refused = 0
        for start in range(0, len(row.viewers), SLICE):
            if start:
                await self.clock.sleep(0)
            stop = start + SLICE
            if channel.row is row:
                refused += self._write_slice(row.viewers, row.peers[start:stop], start, data)
                continue
            still = [viewer for viewer in row.viewers[start:stop] if viewer.open]
            refused += len(row.viewers[start:stop]) - len(still)
            refused += self._write_slice(still, [None if one.buffered else one.peer for one in still], 0, data)
        return len(row.viewers) - refused

    def _write_slice(
        self, viewers: Sequence[Viewer], peers: Sequence[socket.socket | None], first: int, data: bytes
    ) -> int:
        """Write to ``peers``, which are those of ``viewers`` from ``first`` on; return how many could not be."""
        refused, length = 0, len(data)
        for place, peer in enumerate(peers, first):
            # The usual case spelled out, with nothing between it and send(2).
            if peer is None:
                refused += not self._write_buffered(viewers[place], data)
                continue
            try:
                taken = peer.send(data)
            except OSError:  # full, or gone: the transport knows what to do in either case
                refused += not self._write_buffered(viewers[place], data)
            else:
                if taken != length:
                    viewers[place].transport.write(data[taken:])
                    viewers[place].look_at_buffer()
        return refused

    def _write_buffered(self, viewer: Viewer, data: bytes) -> bool:
        if viewer.write(data):
            return True
        if viewer.channel is not None:
            self.leave(viewer)
            self.counters.viewers_cut += 1
            logger.warning("viewer_cut", address=viewer.address, reason="too slow a reader")
        return False

    async def _wait_for_news(self) -> None:
        """Wait for events, or until a changed number of viewers may be told."""
        until_count = self._told_at + COUNT_INTERVAL_S - self.clock.monotonic() if len(self) != self._told else None
        with suppress(TimeoutError):
            async with self.clock.timeout(until_count if until_count is None else max(until_count, 0.0)):
                await self._wake.wait()

    async def _tell_count(self, now: float) -> None:
        self._told, self._told_at = len(self), now
        if self.on_count is not None:
            self.on_count(self._told)
        await self.tell(b'{"type":"viewers","count":%d}' % self._told)

    async def tell(self, payload: bytes) -> None:
        """Write a message that is no event to everybody who is live over a WebSocket."""
        frame = websocket_frame(payload)
        for (encoding, _), channel in list(self.channels.items()):
            if encoding == "websocket":
                await self._write_all(channel, channel.line_up(), frame)
