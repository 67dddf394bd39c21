import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.clock import ManualClock, VirtualClock, run_virtual
from debate_caster.stage import fan_out as fan_out_module
from debate_caster.stage.fan_out import (
    AirEvent,
    FanOut,
    Viewer,
    encode,
    json_frame,
    websocket_frame,
)
from debate_caster.stage.metrics import Counters
from debate_caster.stage.selection import SPEECH, Selection


class PaperTransport(asyncio.Transport):
    """Keeps what is written; ``stuck`` leaves it in the buffer."""

    def __init__(self, *, stuck: bool = False) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.stuck, self.aborted = stuck, False
        self.on_write: Callable[[bytes], None] = lambda _data: None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self.on_write(bytes(data))

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written)) if self.stuck else 0

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


def event(seq: int, *, room: str = "", type_: str = "chunk_aired", size: int = 20) -> AirEvent:
    payload = f'{{"seq":{seq},"text":"'.encode().ljust(size, b"x") + b'"}'
    return AirEvent(seq, type_, room, websocket_frame(payload))


@given(size=st.sampled_from([0, 1, 125, 126, 127, 65535, 65536, 70000]))
def test_a_frame_is_what_rfc_6455_says(size: int) -> None:
    payload = bytes(size)
    frame = websocket_frame(payload)

    assert frame[0] == 0x81
    assert not frame[1] & 0x80, "a server does not mask"
    length, start = frame[1], 2
    if length == 126:
        length, start = int.from_bytes(frame[2:4], "big"), 4
    elif length == 127:
        length, start = int.from_bytes(frame[2:10], "big"), 10
    assert (length, frame[start:]) == (size, payload)
    assert AirEvent(1, "x", "", frame).json == payload


def test_sse_pieces_are_the_same_json_under_its_number() -> None:
    events = [event(7), event(8)]
    plain = encode("plain", events)

    assert plain == b"id: 7\ndata: %b\n\nid: 8\ndata: %b\n\n" % (events[0].json, events[1].json)
    assert encode("chunked", events) == b"%x\r\n%b\r\n" % (len(plain), plain)
    assert json_frame("plain", b"{}") == b"data: {}\n\n"


async def test_each_viewer_gets_what_it_selected_and_nobody_gets_anything_twice() -> None:
    clock = FreeClock()
    fan_out = FanOut(clock, Counters())
    everything, one_room = Viewer(PaperTransport()), Viewer(PaperTransport(), selection=Selection("a"))
    for viewer in (everything, one_room):
        fan_out.join(viewer)
    events = [event(1, room="a"), event(2, room="b")]
    await fan_out.deliver(events)
    late = Viewer(PaperTransport())
    fan_out.join(late)
    await fan_out.deliver([event(3)])

    assert written(everything) == events[0].frame + events[1].frame + event(3).frame
    assert written(one_room) == events[0].frame + event(3).frame
    assert written(late) == event(3).frame
    assert (fan_out.position, fan_out.counters.deliveries) == (3, 6)


async def test_a_viewer_who_leaves_between_two_slices_gets_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out_module, "SLICE", 1)
    first, second, third = (Viewer(PaperTransport()) for _ in range(3))
    clock = FreeClock()
    fan_out = FanOut(clock, Counters())
    for viewer in (first, second, third):
        fan_out.join(viewer)
    clock.at_the_next_sleep = lambda: fan_out.leave(second)
    await fan_out.deliver([event(1)])

    assert [bool(written(viewer)) for viewer in (first, second, third)] == [True, False, True]
    assert fan_out.counters.deliveries == 2


async def test_who_leaves_too_much_unread_is_cut_and_counted_once() -> None:
    stuck, healthy = Viewer(PaperTransport(stuck=True)), Viewer(PaperTransport())
    fan_out = FanOut(FreeClock(), Counters())
    fan_out.join(stuck)
    fan_out.join(healthy)
    for seq in range(1, 6):
        await fan_out.deliver([event(seq, size=fan_out_module.BUFFER_LIMIT // 2)])

    assert isinstance(stuck.transport, PaperTransport)
    assert stuck.transport.aborted
    assert len(stuck.transport.written) == 2
    assert len(fan_out) == 1
    assert fan_out.counters.viewers_cut == 1
    assert fan_out.counters.deliveries == 5 + 2


def test_events_that_come_fast_are_merged_and_one_that_comes_alone_does_not_wait() -> None:
    async def main(clock: VirtualClock) -> list[tuple[float, int]]:
        fan_out = FanOut(clock, Counters())
        viewers = [Viewer(PaperTransport()) for _ in range(1000)]
        for viewer in viewers:
            fan_out.join(viewer)
        batches: list[tuple[float, int]] = []

        def note(data: bytes) -> None:
            if number := data.count(b'"seq"'):
                batches.append((round(clock.monotonic(), 3), number))

        assert isinstance(viewers[0].transport, PaperTransport)
        viewers[0].transport.on_write = note
        running = asyncio.ensure_future(fan_out.run())
        await clock.sleep(10)
        for seq in range(1, 21):
            fan_out.publish([event(seq)])
            await clock.sleep(0.01)
        await clock.sleep(10)
        fan_out.publish([event(21)])
        await clock.sleep(1)
        running.cancel()
        assert all(written(viewer).count(b'"seq"') == 21 for viewer in viewers)
        return batches

    batches = run_virtual(main)

    assert batches[0] == (10.0, 1)
    assert batches[-1] == (20.2, 1)
    assert len(batches) <= 2 + 5
    assert sum(number for _, number in batches) == 21
    pauses = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(batches)]
    assert pauses[0] >= 0.0249
    assert all(pause >= 0.0499 for pause in pauses[1:])


def test_a_small_audience_gets_a_few_events_in_a_row_at_once_and_then_batches() -> None:
    async def main(clock: VirtualClock) -> list[float]:
        fan_out = FanOut(clock, Counters())
        for _ in range(100):
            fan_out.join(Viewer(PaperTransport()))
        times: list[float] = []
        viewer = next(iter(fan_out.channels["websocket", SPEECH].viewers))
        assert isinstance(viewer.transport, PaperTransport)
        viewer.transport.on_write = lambda data: times.append(clock.monotonic()) if b'"seq"' in data else None
        running = asyncio.ensure_future(fan_out.run())
        await clock.sleep(10)
        for seq in range(1, 201):
            fan_out.publish([event(seq)])
            await clock.sleep(0.001)
        await clock.sleep(1)
        running.cancel()
        return times

    times = run_virtual(main)

    assert times[4] < 10.01
    assert len(times) <= 5 + 2 + 0.2 / 0.005


async def test_order_is_kept_around_a_write_that_the_kernel_takes_in_part() -> None:
    async with pair() as (transport, peer):
        viewer = Viewer(transport)
        fan_out = FanOut(FreeClock(), Counters())
        fan_out.join(viewer)
        assert viewer.peer is not None
        assert not viewer.buffered
        sent = b""
        for seq in range(1, 60):
            item = event(seq, size=14_000)
            sent += item.frame
            await fan_out.deliver([item])
            if seq == 30:
                viewer.write(json_frame("websocket", b'{"type":"pong"}'))
                sent += json_frame("websocket", b'{"type":"pong"}')
        assert viewer.buffered, "the kernel's buffer was to be full by now"

        assert await rest_of(peer, len(sent)) == sent


async def test_who_gets_something_of_its_own_between_two_slices_gets_it_before_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not fit into the kernel's buffer; the event would, as soon as some is read, and must not overtake it."""
    monkeypatch.setattr(fan_out_module, "SLICE", 1)
    clock, own = FreeClock(), json_frame("websocket", b"o" * 400_000)
    async with pair() as (first, _), pair() as (second, peer):
        viewers = [Viewer(first), Viewer(second)]
        fan_out = FanOut(clock, Counters())
        for viewer in viewers:
            fan_out.join(viewer)
        received = b""

        def write_and_read() -> None:
            nonlocal received
            viewers[1].write(own)
            assert viewers[1].buffered
            received = peer.recv(100_000)

        clock.at_the_next_sleep = write_and_read
        await fan_out.deliver([event(1)])
        sent = own + event(1).frame

        assert received + await rest_of(peer, len(sent) - len(received)) == sent


async def test_what_the_kernel_takes_in_part_is_not_overtaken_once_it_takes_more() -> None:
    async with pair() as (transport, peer):
        viewer = Viewer(transport)
        fan_out = FanOut(FreeClock(), Counters())
        fan_out.join(viewer)
        events = [event(1, size=400_000), *(event(seq) for seq in range(2, 6))]
        await fan_out.deliver(events[:1])
        received = peer.recv(100_000)
        for item in events[1:]:
            await fan_out.deliver([item])
        sent = b"".join(item.frame for item in events)

        assert received + await rest_of(peer, len(sent) - len(received)) == sent


async def test_who_leaves_between_two_slices_gets_nothing_more_though_its_socket_would_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fan_out_module, "SLICE", 1)
    clock = FreeClock()
    async with pair() as (first, _), pair() as (second, peer):
        viewers = [Viewer(first), Viewer(second)]
        fan_out = FanOut(clock, Counters())
        for viewer in viewers:
            fan_out.join(viewer)
        clock.at_the_next_sleep = viewers[1].shut
        await fan_out.deliver([event(1)])

        assert fan_out.counters.deliveries == 1
        with pytest.raises(BlockingIOError):
            peer.recv(1000)


async def test_who_joins_another_channel_while_the_first_is_written_to_gets_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has read the batch as history: the fan-out stands behind it already."""
    monkeypatch.setattr(fan_out_module, "SLICE", 1)
    clock = FreeClock()
    fan_out = FanOut(clock, Counters())
    first, second = Viewer(PaperTransport()), Viewer(PaperTransport())
    reads, comes = Viewer(PaperTransport(), encoding="plain"), Viewer(PaperTransport(), encoding="plain")
    for viewer in (first, second, reads):
        fan_out.join(viewer)
    clock.at_the_next_sleep = lambda: fan_out.join(comes)
    await fan_out.deliver([event(1)])

    assert [bool(written(viewer)) for viewer in (first, second, reads, comes)] == [True, True, True, False]


async def test_nothing_follows_a_close_frame() -> None:
    async with pair() as (closing, its_peer), pair() as (watching, peer):
        viewers = [Viewer(closing), Viewer(watching)]
        fan_out = FanOut(FreeClock(), Counters())
        for viewer in viewers:
            fan_out.join(viewer)
        await fan_out.deliver([event(1)])
        viewers[0].shut()
        await fan_out.deliver([event(2)])

        assert peer.recv(1000) == event(1).frame + event(2).frame
        assert its_peer.recv(1000) == event(1).frame
        assert fan_out.counters.deliveries == 3
        with pytest.raises(BlockingIOError):
            its_peer.recv(1000)


class FreeClock(ManualClock):
    """A clock on which nothing takes time; ``at_the_next_sleep`` is done once."""

    def __init__(self) -> None:
        super().__init__()
        self.at_the_next_sleep: Callable[[], object] = lambda: None

    async def sleep(self, seconds: float) -> None:
        del seconds
        self.at_the_next_sleep()
        self.at_the_next_sleep = lambda: None


def written(viewer: Viewer) -> bytes:
    assert isinstance(viewer.transport, PaperTransport)
    return b"".join(viewer.transport.written)


async def rest_of(peer: socket.socket, size: int) -> bytes:
    """Receive so many bytes, or all that there are before the other end hangs up."""
    received = b""
    while len(received) < size and (more := await asyncio.get_running_loop().sock_recv(peer, 100_000)):
        received += more
    return received


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """A transport, and the socket at its other end."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    theirs.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    try:
        yield transport, theirs
    finally:
        transport.abort()
        theirs.close()
        await asyncio.sleep(0)
