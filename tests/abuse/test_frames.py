"""What comes over a socket and is no message: each entrance refuses it with the right code, and goes on for others."""

import json
import logging
import random
import zlib
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import psutil
import pytest

from debate_caster.log import EventLog
from debate_caster.stage import Stage
from tests.abuse.raw_socket import RESET, frame, raw_socket
from tests.stage.people import agent_on, caster_on, viewer_of

TEXT, CONTINUED, PING = 1, 0, 9
MIB = 1024 * 1024
ENTRANCES = {"agents": "/ws", "viewers": "/watch?show=show-1"}


@pytest.fixture(params=list(ENTRANCES.values()), ids=list(ENTRANCES))
async def entrance(request: pytest.FixtureRequest, stage: Stage) -> AsyncIterator[str]:
    """Where the abuse goes in; that the show goes on meanwhile is looked at afterwards."""
    async with caster_on(stage) as caster, viewer_of(stage, "?show=show-1") as viewer:
        await viewer.hear("hello")
        yield request.param
        await caster.stream("the show goes on")
        while (await viewer.hear("chunk_aired"))["text"] != "the show goes on":
            pass


@cache
def bomb() -> bytes:
    """200 MiB of zeros in 200 KB, as permessage-deflate would have it."""
    packer = zlib.compressobj(wbits=-15)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(200)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed[:-4]


BAD_FRAMES = {
    "a length of 2^62": ([frame(TEXT, b"x", length=2**62)], {1009, 1002}),
    "a length with its highest bit set": ([frame(TEXT, b"x", length=2**63)], {1009, 1002}),
    "fragments that are too long together": (
        [frame(TEXT, b"x" * 15_000, fin=False), *[frame(CONTINUED, b"x" * 15_000, fin=False)] * 40],
        {1009},
    ),
    "text that is no UTF-8": ([frame(TEXT, b'{"type":"\xff\xfe"}')], {1007}),
    "a surrogate as bytes": ([frame(TEXT, b'{"type":"\xed\xa0\x80"}')], {1007}),
    "an opcode that is none": ([frame(3, b"x")], {1002}),
    "reserved bits": ([frame(TEXT, b"{}", reserved=3)], {1002}),
    "a deflated frame that nobody agreed to": ([frame(TEXT, b"x" * 20, reserved=4)], {1002}),
    "a ping of 200 bytes": ([frame(PING, b"x" * 200)], {1002}),
    "a ping in two parts": ([frame(PING, b"x", fin=False)], {1002}),
    "a continuation of nothing": ([frame(CONTINUED, b"x")], {1002}),
    "a new message within another": ([frame(TEXT, b"x", fin=False), frame(TEXT, b"x")], {1002}),
}


@pytest.mark.parametrize(("frames", "codes"), BAD_FRAMES.values(), ids=BAD_FRAMES)
async def test_what_is_no_frame_ends_the_connection(
    stage: Stage, entrance: str, frames: list[bytes], codes: set[int]
) -> None:
    async with raw_socket(stage, entrance) as mallory:
        await mallory.send(*frames)
        assert await mallory.hear_close() in codes | {RESET}


async def test_a_deflate_bomb_is_not_unpacked(stage: Stage, entrance: str) -> None:
    packed = bomb()
    memory = psutil.Process()
    async with raw_socket(stage, entrance, "Sec-WebSocket-Extensions: permessage-deflate") as mallory:
        before = memory.memory_info().rss
        await mallory.send(frame(TEXT, packed, reserved=4))
        assert await mallory.hear_close() in {1002, 1009, RESET}
    assert memory.memory_info().rss - before < 5 * MIB


async def test_an_agents_binary_messages_are_none(stage: Stage) -> None:
    async with agent_on(stage) as mallory, agent_on(stage) as eve:
        for _ in range(3):
            await mallory.socket.send(b'{"type":"register","agentId":"eve","name":"Eve"}')
        await mallory.register("mallory")
        await mallory.say("heartbeat")
        await mallory.hear("heartbeat_ack")
        await eve.register("eve", secret="eve's own, since nobody has taken the name")
    assert [frame["type"] for frame in mallory.frames] == ["registered", "heartbeat_ack"]
    assert [frame["type"] for frame in eve.frames] == ["registered"]


async def test_a_viewers_binary_messages_are_none_and_it_is_told_so(stage: Stage) -> None:
    async with caster_on(stage), viewer_of(stage, "?show=show-1") as mallory:
        await mallory.hear("hello")
        for _ in range(3):
            await mallory.socket.send(b'{"type":"ping"}')
        await mallory.say("ping")
        answers = await mallory.hear_until("pong")
    assert [answer["message"] for answer in answers if answer["type"] == "error"] == ["Messages are text."] * 3


# -- messages that are frames and no sense ---------------------------------------------------------------------------

VALUES: list[Any] = [
    None, True, False, 0, -1, 2**63, 10**200, 10**400, 1.5, "", "x", "\x00", "\x1b[2J", "=1+1", "<b>", "x" * 5000, [],
    {}, [[]], {"a": 1}, [None] * 50, "../../etc/passwd", "\u202e", "__proto__",
]  # fmt: skip
RAW_VALUES = [
    "NaN", "Infinity", "-Infinity", "1e400", '"\\ud800"', '"\\udfff\\ud800"', "[" * 900 + "]" * 900,
    "[" * 7000 + "]" * 7000, '{"a":' * 10_000 + "1" + "}" * 10_000, "9" * 5000,
]  # fmt: skip
KINDS = [
    "register", "broadcast_start", "stream_text", "stream_chat", "broadcast_end", "heartbeat", "join_room",
    "leave_room", "pause_broadcast", "show_event", "control_done", "desk", "hint", "viewer", "vote", "ping",
    "producer", "hello", "x",
]  # fmt: skip
FIELDS = [
    "agentId", "name", "secret", "token", "features", "resume", "title", "topic", "show", "text", "turn", "index",
    "ref", "broadcastId", "event", "id", "choice", "to", "payload", "type", "minutes", "color", "emoji",
    "explicitParticipation",
]  # fmt: skip


def nonsense(chance: random.Random) -> str:
    """A message of a known kind with values that fit nowhere, sometimes twice under one name, sometimes cut."""
    parts = [f'"type":{json.dumps(chance.choice(KINDS))}'] if chance.random() < 0.95 else []
    for name in chance.choices(FIELDS, k=chance.randrange(6)):
        value = chance.choice(RAW_VALUES) if chance.random() < 0.2 else json.dumps(chance.choice(VALUES))
        parts.append(f'"{name}":{value}')
    chance.shuffle(parts)
    inner = "{" + ",".join(parts) + "}"
    whole = f'{{"type":"{chance.choice(KINDS)}","payload":{inner}}}' if chance.random() < 0.4 else inner
    return whole[: chance.randrange(len(whole) + 1)] if chance.random() < 0.1 else whole


ALL = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("seed", "visits"), [(0, 12), (1, 12), (2, 12), pytest.param(3, 1_700, marks=ALL)])
async def test_no_message_breaks_the_stage(
    stage: Stage,
    entrance: str,
    seed: int,
    visits: int,
    log: EventLog,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Thirty messages in each visit: over both entrances 102,000 in all."""
    chance = random.Random(seed)
    for _ in range(visits):
        async with raw_socket(stage, entrance) as mallory:
            if entrance == "/ws" and chance.random() < 0.7:
                await mallory.send(frame(TEXT, b'{"type":"register","agentId":"mallory","name":"Mallory"}'))
            await mallory.send(*(frame(TEXT, nonsense(chance).encode()) for _ in range(30)))
            await mallory.send(frame(8, b"\x03\xe8"))
            assert await mallory.hear_close() in {1000, 1008, 1009, 4404, 4429, RESET}

    said = capfd.readouterr()
    assert "agent_frame_failed" not in said.out + said.err, "a traceback of ours"
    assert "Traceback" not in said.out + said.err
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    for stream in await log.streams(""):
        for record in await log.read(stream.name, 0, limit=1_000_000):
            json.loads(record.body)
