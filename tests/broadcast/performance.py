"""A show's log that a test writes by hand, and connections that follow it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from debate_caster.broadcast import (
    AgentConnection,
    ConnectionLimits,
    Credentials,
    DeliveryReport,
    EarlierRun,
    ShowIdentity,
    Target,
    TargetRooms,
    ViewerRemark,
)
from debate_caster.clock import Clock
from debate_caster.log import MemoryEventLog
from debate_caster.show.events import (
    AgentCast,
    ChunkAired,
    ConnectionDown,
    ConnectionUp,
    ShowEnded,
    ShowEvent,
    ShowStarted,
    TurnEnded,
    TurnStarted,
    encode,
    stream_of,
)

__all__ = ["SHOW", "Performance", "cast"]

SHOW = ShowIdentity(id="cats-1", key="a key", title="Cats or dogs", motion="Cats are better than dogs")


def cast(*ids: str) -> tuple[AgentCast, ...]:
    return tuple(AgentCast(id=id_, name=id_.title(), emoji="🦊", color="#112233", side=id_) for id_ in ids)


@dataclass
class Performance:
    """``connect`` opens one connection for each agent; ``say`` writes a chunk to the log, as a director does."""

    clock: Clock
    agents: Sequence[AgentCast]
    log: MemoryEventLog = field(default_factory=MemoryEventLog)
    credentials: Credentials = field(default_factory=lambda: Credentials(None))
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    air_thoughts: bool = False
    earlier: EarlierRun | None = None
    turns: int = 2
    remarks: list[ViewerRemark] = field(default_factory=list)
    states: list[ConnectionUp | ConnectionDown] = field(default_factory=list)
    reports: dict[tuple[str, str], DeliveryReport] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)
    connections: dict[tuple[str, str], AgentConnection] = field(default_factory=dict)
    _indices: dict[int, int] = field(default_factory=dict)

    @asynccontextmanager
    async def on(self, *targets: Target, until_live: bool = True) -> AsyncIterator[None]:
        """Run all connections to all targets beside the block; leaving it waits for the last one."""
        async with asyncio.TaskGroup() as tasks:
            for target in targets:
                rooms = TargetRooms(self.agents)
                for agent in self.agents:
                    connection = self.connection(agent, target, rooms)
                    self.connections[agent.id, target.name] = connection
                    tasks.create_task(self._run(connection))
            if until_live:
                for connection in self.connections.values():
                    async with self.clock.timeout(60):
                        await connection.live.wait()
            yield

    def connection(self, agent: AgentCast, target: Target, rooms: TargetRooms | None = None) -> AgentConnection:
        async def on_remark(remark: ViewerRemark) -> None:
            self.remarks.append(remark)

        async def on_state(state: ConnectionUp | ConnectionDown) -> None:
            self.states.append(state)

        return AgentConnection(
            agent=agent,
            cast=self.agents,
            show=SHOW,
            target=target,
            log=self.log,
            credentials=self.credentials,
            clock=self.clock,
            random=Random(1),
            rooms=rooms or TargetRooms(self.agents),
            on_remark=on_remark,
            on_state=on_state,
            air_thoughts=self.air_thoughts,
            limits=self.limits,
            earlier=self.earlier,
        )

    async def _run(self, connection: AgentConnection) -> None:
        report = await connection.run()
        self.reports[connection.agent.id, connection.target.name] = report

    async def append(self, event: ShowEvent) -> int:
        stream = stream_of(SHOW.id)
        return await self.log.append(stream, [encode(event)], expect=await self.log.last_seq(stream))

    async def start(self) -> None:
        await self.append(
            ShowStarted(
                at=self.clock.now(),
                show=SHOW.id,
                scenario="cats",
                motion=SHOW.motion,
                title=SHOW.title,
                format="duel",
                seed=1,
                agents=tuple(self.agents),
                phases=(),
                turns=self.turns,
            )
        )

    async def begin(self, turn: int, agent: str) -> None:
        """Begin a turn, of the ``turns`` that the show has."""
        await self.append(TurnStarted(at=self.clock.now(), turn=turn, phase=0, speaker=agent, max_words=100))

    async def finish(self, turn: int, agent: str, *, again: bool = False) -> None:
        await self.append(TurnEnded(at=self.clock.now(), turn=turn, speaker=agent, how="completed", again=again))

    async def say(self, agent: str, text: str, *, turn: int = 0, pause_s: float = 2.0) -> int:
        """Write a chunk, and wait as long as pacing would."""
        index = self._indices.get(turn, 0)
        self._indices[turn] = index + 1
        self.said.setdefault(agent, []).append(text)
        seq = await self.append(ChunkAired(at=self.clock.now(), turn=turn, index=index, speaker=agent, text=text))
        await self.clock.sleep(pause_s)
        return seq

    async def end(self) -> None:
        await self.append(ShowEnded(at=self.clock.now(), why="completed"))

    def text_of(self, agent: str) -> str:
        return "".join(self.said.get(agent, []))
