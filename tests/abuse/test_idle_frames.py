"""Frames that say nothing, by the ten thousand on one connection: pings, pongs and binary ones."""

import asyncio

import pytest

from debate_caster.log import MemoryEventLog
from debate_caster.stage import open_stage
from debate_caster.stage.patience import IDLE_BURST
from debate_caster.stage.viewers import MESSAGE_BURST
from tests.abuse.raw_socket import frame, raw_socket
from tests.stage.people import caster_on, viewer_of

BINARY, PING, PONG = 0x2, 0x9, 0xA
FLOOD = 20_000


@pytest.mark.parametrize("opcode", [BINARY, PING, PONG])
@pytest.mark.parametrize(("path", "code", "burst"), [("/ws", 1008, IDLE_BURST), ("/watch", 4429, MESSAGE_BURST)])
async def test_who_floods_with_frames_that_say_nothing_is_thrown_out_and_answered_little(
    path: str, code: int, burst: int, opcode: int
) -> None:
    async with (
        open_stage(log=MemoryEventLog()) as stage,
        caster_on(stage) as caster,
        viewer_of(stage) as viewer,
        raw_socket(stage, path) as flooder,
    ):
        sending = asyncio.create_task(flooder.send(*[frame(opcode, b"") * 1000] * (FLOOD // 1000)))
        opcodes = await flooder.opcodes_until_closed(code)
        await caster.stream("Still on air.", ref=1, turn=0, index=0)
        assert (await viewer.hear("chunk_aired"))["text"] == "Still on air."
        sending.cancel()

    assert opcodes.count(PONG) <= (burst + 1 if opcode == PING else 0)


async def test_a_viewer_that_answers_each_ping_may_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("debate_caster.stage.viewers.ROUND_S", 0.02)
    monkeypatch.setattr("debate_caster.stage.viewers.STEP_S", 0.01)
    async with open_stage(log=MemoryEventLog()) as stage, caster_on(stage), raw_socket(stage, "/watch") as viewer:
        for _ in range(3 * MESSAGE_BURST):
            while (await viewer.opcode()) != PING:
                pass
            await viewer.send(frame(PONG, b""))
        assert stage.viewers == 1
