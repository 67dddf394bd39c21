"""Receivers of announcements on loopback, a show to announce, and a courier at work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from pydantic import SecretStr

from debate_caster.announce.courier import Courier
from debate_caster.announce.notices import Notice, ShowFacts
from debate_caster.announce.outbox import Outbox
from debate_caster.clock import EPOCH_OF_TESTS, Clock
from debate_caster.log.database import IN_MEMORY
from debate_caster.scenario import Scenario, load_scenario
from debate_caster.scenario.script import AnnounceScript, NoticeKind
from tests.scenario.files import DUEL, write

OK = "200 OK"


@dataclass(slots=True)
class Receiver:
    """A loopback endpoint. It gives each request the next of ``statuses``, and the last one to all that follow.

    ``None`` among them is no answer at all, and an empty one a connection that is cut.
    """

    statuses: list[str | None]
    url: str = ""
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def header(self, name: str, request: int = -1) -> str:
        lines = (line.partition(": ") for line in self.heads[request].split("\r\n"))
        return next((value for key, _, value in lines if key.lower() == name.lower()), "")

    @property
    def ids(self) -> list[str]:
        return [self.header("Debate-Caster-Id", request) for request in range(len(self.heads))]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")
                )
                body = await reader.readexactly(length)
                self.heads.append(head)
                self.bodies.append(body)
                status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
                if status is None:
                    await reader.read()
                if not status:
                    return
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver(*statuses: str | None) -> AsyncIterator[Receiver]:
    opened = Receiver(list(statuses) or [OK])
    server = await asyncio.start_server(opened.serve, "127.0.0.1", 0)
    async with server:
        opened.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield opened


def script(url: str, *, secret: str = "", **rest: Any) -> AnnounceScript:
    return AnnounceScript(url=SecretStr(url), secret=SecretStr(secret) if secret else None, **rest)


def scenario(folder: Path, *scripts: AnnounceScript, key: str = "friday") -> Scenario:
    loaded = load_scenario(write(folder, f"{key}.yaml", DUEL), env={})
    return loaded.model_copy(update={"announce": scripts})


def notice(
    kind: NoticeKind = "live",
    show: str = "friday-1",
    at: datetime = EPOCH_OF_TESTS,
    starts_in_s: float = 0,
    scenario: str = "friday",
) -> Notice:
    starts_at = at + timedelta(seconds=starts_in_s)
    facts = ShowFacts(id=show, scenario=scenario, title="Friday night", starts_at=starts_at)
    return Notice(id=f"{show}.{kind}", type=kind, at=at, show=facts)


@asynccontextmanager
async def at_work(clock: Clock, *scenarios: Scenario, outbox: Outbox | None = None) -> AsyncIterator[Courier]:
    """Give a courier that delivers during the block; without ``outbox`` it has one in memory."""
    box = outbox or Outbox(IN_MEMORY)
    courier = Courier(box, clock=clock, random=Random(7))
    for one in scenarios:
        courier.serve(one)
    async with aclosing(box):
        delivering = asyncio.create_task(courier.run())
        try:
            yield courier
        finally:
            delivering.cancel()
            await asyncio.wait([delivering])
