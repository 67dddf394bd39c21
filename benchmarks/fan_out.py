"""What it costs to show one event to thousands, beside the least it could cost: a loop of ``send(2)``.

The crowd sits in a process of its own, on real loopback sockets; the agent that speaks is a client like any other.
"""

import asyncio
import ctypes
import gc
import json
import os
import random
import resource
import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import structlog

from benchmarks.figures import Figure
from debate_caster.log import MemoryEventLog
from debate_caster.stage import Stage, StageLimits, open_stage

__all__ = ["run"]

INTERVAL_S = 0.1
ROUNDS = 64
EVENT_BYTES = 300
LOOP_SAMPLE_S = 15.0
LIMITS = StageLimits(viewers=20_000, viewers_per_address=20_000)

WARM_UP = 100

C_LOOP = r"""
#include <sys/socket.h>
void send_all(const int *sockets, int count, const char *data, long length)
{
    for (int i = 0; i < count; i++)
        send(sockets[i], data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}
"""


def run() -> list[Figure]:
    """Measure each size in a process of its own: memory that one leaves behind makes the next one look small."""
    figures: list[Figure] = []
    for viewers in (1_000, 5_000):
        command = [sys.executable, "-m", "benchmarks.fan_out", "measure", str(viewers)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=250)
        figures += [Figure(**figure) for figure in json.loads(done.stdout)]
    return figures


def measure_here(viewers: int) -> list[Figure]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    raise_file_limit(12_000)
    return asyncio.run(measure(viewers, sample_loop=viewers >= 5_000))


async def measure(viewers: int, *, sample_loop: bool) -> list[Figure]:
    async with open_stage(log=MemoryEventLog(), limits=LIMITS) as stage, crowd_at(stage) as crowd:
        await crowd.bring(WARM_UP)
        before = resident_bytes()
        await crowd.bring(viewers - WARM_UP)
        idle = (resident_bytes() - before) / (viewers - WARM_UP) / 1024
        figures = await compare_with_bare_loops(stage, crowd, viewers)
        figures.append(
            Figure(
                f"resident memory of an idle viewer, {viewers:,} of them",
                idle,
                "KiB",
                "<= 16",
                idle <= 16,
                f"growth of the server's resident set from {WARM_UP} viewers to all of them",
            )
        )
        if sample_loop:
            figures += await longest_stop(crowd, viewers)
    return figures


async def compare_with_bare_loops(stage: Stage, crowd: "Crowd", viewers: int) -> list[Figure]:
    """Take turns between the stage and bare loops, on the same sockets, with as many bytes.

    The other process is told something in each interval, so that what the telling takes counts for none of them.
    """
    frame = b"\x81\x7e" + struct.pack("!H", EVENT_BYTES) + b"x" * EVENT_BYTES
    numbers = [viewer.transport.get_extra_info("socket").fileno() for viewer in stage._audience.watching]
    sockets = [socket.socket(fileno=os.dup(number)) for number in numbers]
    send_all = c_loop(numbers, frame)

    def in_python() -> None:
        crowd.nod()
        for viewer in sockets:
            viewer.send(frame)

    def in_c() -> None:
        crowd.nod()
        assert send_all is not None
        send_all()

    ways = {"nothing": crowd.nod, "stage": crowd.speak, "python": in_python} | ({"c": in_c} if send_all else {})
    costs: dict[str, list[float]] = {way: [] for way in ways}
    order, chance = list(ways), random.Random(7)
    try:
        for _ in range(ROUNDS):
            chance.shuffle(order)  # who comes after whom finds other things in the processor's cache
            for way in order:
                wanted = stage.counters.deliveries + (viewers if way == "stage" else 0)
                finished = until(lambda: stage.counters.deliveries, wanted)
                costs[way].append(await cost_of(ways[way], finished))
    finally:
        for viewer in sockets:
            viewer.close()
    # What others do on the machine only ever adds, so the dearest quarter is left out. Of the rest it is the mean: a
    # send has two prices, with its reader awake or asleep, and any one place in the order may lie between them.
    typical = {way: statistics.fmean(sorted(values)[: ROUNDS * 3 // 4]) for way, values in costs.items()}
    each = {way: (value - typical["nothing"]) / viewers * 1e6 for way, value in typical.items()}
    ratio = each["stage"] / each["python"]
    figures = [
        Figure(
            f"fan-out to {viewers:,} viewers over a bare send loop",
            ratio,
            "times",
            "<= 1.25",
            ratio <= 1.25,
            f"CPU time of the whole server for each delivery of a {EVENT_BYTES}-byte event ({each['stage']:.2f} µs) "
            f"over a Python loop of socket.send on the same sockets ({each['python']:.2f} µs), taking turns every "
            f"{INTERVAL_S * 1000:.0f} ms, mean of the cheaper three quarters of {ROUNDS} each, less what an idle "
            "interval takes",
        )
    ]
    if "c" in each:
        figures.append(
            Figure(
                f"fan-out to {viewers:,} viewers over a send loop in C",
                each["stage"] / each["c"],
                "times",
                "",
                True,
                f"the same over a loop of send(2) in C ({each['c']:.2f} µs)",
            )
        )
    return figures


async def cost_of(work: Callable[[], None], finished: Awaitable[None]) -> float:
    """Return the CPU seconds of this whole process from the start of some work to its end, and for one interval."""
    started, due = time.process_time(), time.perf_counter() + INTERVAL_S
    work()
    await asyncio.sleep(due - time.perf_counter())
    await finished
    return time.process_time() - started


async def longest_stop(crowd: "Crowd", viewers: int) -> list[Figure]:
    """Look every millisecond whether the loop is there, while the agent speaks and viewers are pinged."""
    busy: list[float] = []
    late: list[float] = []
    finished = False

    async def look() -> None:
        while not finished:
            due, spent = time.perf_counter() + 0.001, time.process_time()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - due)
            busy.append(time.process_time() - spent)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        for _ in range(round(LOOP_SAMPLE_S / INTERVAL_S)):
            crowd.speak()
            await asyncio.sleep(INTERVAL_S)
        finished = True
    busy.sort()
    late.sort()
    stop, lateness = busy[int(0.999 * len(busy))], late[int(0.999 * len(late))]
    return [
        Figure(
            f"longest stop of the event loop, {viewers:,} viewers, p99.9",
            stop * 1000,
            "ms",
            "<= 25",
            stop <= 0.025,
            f"CPU time of the process between two looks of a 1 ms timer, over {LOOP_SAMPLE_S:.0f} s with an event "
            f"every {INTERVAL_S * 1000:.0f} ms and {len(busy):,} looks; longest {busy[-1] * 1000:.1f} ms",
        ),
        Figure(
            f"lateness of a timer, {viewers:,} viewers, p99.9",
            lateness * 1000,
            "ms",
            "",
            True,
            f"the same looks by the clock on the wall, other programs' turns on the machine included; "
            f"longest {late[-1] * 1000:.1f} ms",
        ),
    ]


async def until(count: Callable[[], int], wanted: int) -> None:
    async with asyncio.timeout(90):
        while count() < wanted:  # noqa: ASYNC110 - what is counted is not made to be waited for
            await asyncio.sleep(0.01)


class Crowd:
    """The other process: the agent that speaks, and the viewers. Told what to do by a byte at a time."""

    def __init__(self, stage: Stage, process: asyncio.subprocess.Process) -> None:
        self._stage, self._process = stage, process

    async def bring(self, viewers: int) -> None:
        """Let so many more viewers join, and wait until they have had the history and their number."""
        wanted = self._stage.viewers + viewers
        self._tell(b"v%d\n" % viewers)
        await until(lambda: self._stage.viewers, wanted)
        await asyncio.sleep(2.5)
        gc.collect()

    def speak(self) -> None:
        """Let the agent say a line."""
        self._tell(b"s\n")

    def nod(self) -> None:
        """Tell it nothing, which takes as much as telling it something."""
        self._tell(b"n\n")

    def _tell(self, what: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(what)


@asynccontextmanager
async def crowd_at(stage: Stage) -> AsyncIterator[Crowd]:
    command = [sys.executable, "-m", "benchmarks.fan_out", "crowd", str(stage.port)]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE)
    try:
        yield Crowd(stage, process)
    finally:
        process.kill()
        await process.wait()


def crowd(port: int) -> None:
    """Speak and bring in viewers as told on standard input; read, and answer pings, until killed."""
    raise_file_limit(12_000)
    agent = open_socket(port, "/ws")
    say(agent, {"type": "register", "agentId": "bench", "name": "Bench"})
    say(agent, {"type": "broadcast_start", "topic": "Fan-out"})
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    poll.register(agent.fileno(), select.EPOLLIN)
    sockets = {agent.fileno(): agent}
    spoken = 0
    while True:
        for number, _ in poll.poll():
            if number:
                data = sockets[number].recv(65536)
                if not data:
                    poll.unregister(number)
                elif data.endswith(b"\x89\x00"):
                    sockets[number].send(b"\x8a\x80\x00\x00\x00\x00")
                continue
            for order in os.read(0, 65536).splitlines():
                if order == b"n":
                    continue
                if order == b"s":
                    spoken += 1
                    text = f"{spoken} ".ljust(EVENT_BYTES - 140, "x")  # an event has some 140 bytes of its own
                    say(agent, {"type": "stream_text", "text": text})
                for _ in range(int(order[1:] or 0)):
                    viewer = open_socket(port, "/watch")
                    poll.register(viewer.fileno(), select.EPOLLIN)
                    sockets[viewer.fileno()] = viewer


def open_socket(port: int, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    connection.sendall(request.encode())
    connection.recv(65536)
    return connection


def say(agent: socket.socket, message: dict[str, str]) -> None:
    """Send a frame as clients do, masked; with a mask of zeros, which changes nothing."""
    payload = json.dumps(message).encode()
    agent.sendall(b"\x81" + struct.pack("!BHI", 0x80 | 126, len(payload), 0) + payload)


def c_loop(numbers: list[int], frame: bytes) -> Callable[[], None] | None:
    """Return the loop in C; None where there is no compiler."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "loop.c"), Path(folder, "loop.so")
        source.write_text(C_LOOP)
        try:
            subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        send_all = ctypes.CDLL(str(library)).send_all
        send_all.restype = None
    array = (ctypes.c_int * len(numbers))(*numbers)
    return lambda: send_all(array, len(numbers), frame, ctypes.c_long(len(frame)))


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["crowd", port]:
            crowd(int(port))
        case ["measure", viewers]:
            sys.stdout.write(json.dumps([asdict(figure) for figure in measure_here(int(viewers))]))
        case _:
            for figure in run():
                print(figure)
