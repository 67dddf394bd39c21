"""Shows for benchmarks of the performance: two debaters, a model of known speed, a format of any length."""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random

from debate_caster.cli.log_output import LogOutput, Redaction
from debate_caster.clock import Clock
from debate_caster.llm.conversation import LLM, Delta, Finished, Request, TextDelta, UsageReported
from debate_caster.log import EventLog
from debate_caster.scenario import Scenario, plan
from debate_caster.scenario.script import (
    AgentScript,
    Audience,
    Budget,
    Format,
    ModelScript,
    Pacing,
    Persona,
    PhaseScript,
    TurnScript,
)
from debate_caster.show.director import perform
from debate_caster.show.events import ShowEvent, decode, stream_of
from debate_caster.show.hints import HintDesk, Remark
from debate_caster.show.log_writer import ShowLogWriter


def as_the_program_does() -> None:
    """Set this process up as the program's own: log lines made as JSON (and thrown away), imported modules frozen."""
    LogOutput(level="info", as_json=True, color=False, redaction=Redaction(), emit=lambda _line: None)
    gc.collect()
    gc.freeze()


class SteadyLLM:
    """Says ``words`` words on any prompt: the first after ``first_token_s()``, then ``words_per_s`` of them."""

    def __init__(
        self, clock: Clock, *, first_token_s: Callable[[], float], words: int, words_per_s: float, seed: int = 1
    ) -> None:
        self._clock, self._first_token_s, self._words, self._words_per_s = clock, first_token_s, words, words_per_s
        self._random = Random(seed)
        self.asked: list[Request] = []

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self._stream(request)

    async def close(self) -> None:
        pass

    @asynccontextmanager
    async def _stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta]]:
        self.asked.append(request)
        deltas = self._deltas()
        try:
            yield deltas
        finally:
            await deltas.aclose()

    async def _deltas(self) -> AsyncGenerator[Delta]:
        await self._clock.sleep(self._first_token_s())
        for index in range(self._words):
            word = "".join(self._random.choices("etaoinshrdlu", k=self._random.randint(2, 9)))
            end = "." if index % 14 == 13 or index == self._words - 1 else ""
            yield TextDelta(
                f"{word.capitalize() if index % 14 == 0 else word}{end}{' ' if index < self._words - 1 else ''}"
            )
            await self._clock.sleep(1 / self._words_per_s)
        yield UsageReported(400, 2 * self._words)
        yield Finished("stop")


def make_scenario(*, turns: int, words: int, pacing: Pacing | None = None) -> Scenario:
    """Return a debate of two that takes ``turns`` turns (an even number)."""
    sides = ("for", "against")
    script = tuple(TurnScript(who=side, kind="rebuttal", words=words, instruction="Speak.") for side in sides)
    phases: list[PhaseScript] = []
    left = turns // 2
    while left:
        phases.append(PhaseScript(key=f"round-{len(phases)}", title="Round", repeat=min(left, 50), turns=script))
        left -= min(left, 50)
    return Scenario(
        key="bench",
        path=Path("bench.yaml"),
        motion="This is a benchmark.",
        title="Benchmark",
        format=Format(
            key="bench",
            title="Bench",
            sides=sides,
            stances={"for": "for", "against": "against"},
            phases=tuple(phases),
        ),
        agents=tuple(
            AgentScript(id=side, persona=Persona(key=side, name=side, style="Calm."), name=side, side=side, model="m")
            for side in sides
        ),
        models={"m": ModelScript(name="m")},
        pacing=pacing or Pacing(),
        audience=Audience(hint_interval_s=0.0),
        budget=Budget(max_minutes=None),
    )


async def perform_show(
    scenario: Scenario,
    llm: LLM,
    log: EventLog,
    *,
    clock: Clock,
    show: str = "bench",
    remarks: dict[float, Remark] | None = None,
) -> None:
    """Perform a show to its end; ``remarks`` are offered at their seconds from now."""
    writer = await ShowLogWriter.open(log, show, clock=clock)
    desk = HintDesk(scenario, writer, clock=clock)

    async def viewers() -> None:
        began = clock.monotonic()
        for at, remark in sorted((remarks or {}).items()):
            await clock.sleep_until(began + at)
            await desk.offer(remark)

    async with asyncio.TaskGroup() as tasks:
        audience = tasks.create_task(viewers())
        await perform(
            scenario, plan(scenario), {"m": llm}, writer, desk, clock=clock, random=Random(1), stop=asyncio.Event()
        )
        audience.cancel()


async def events_of(log: EventLog, show: str = "bench") -> list[ShowEvent]:
    """Return all events of a show, which may have up to 100,000."""
    return [decode(record) for record in await log.read(stream_of(show), 0, limit=100_000)]
