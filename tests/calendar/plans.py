"""Scenarios with a schedule, and a calendar that gives made-up shows of a fixed length."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from debate_caster.calendar.allowance import Allowance, Standing, amount
from debate_caster.calendar.ledger import IN_MEMORY, Ledger, Occurrence
from debate_caster.calendar.purse import Purse
from debate_caster.calendar.season import Calendar
from debate_caster.calendar.succession import Remains
from debate_caster.clock import Clock
from debate_caster.scenario.loading import load_scenario
from debate_caster.scenario.script import Scenario, Schedule
from debate_caster.show.spending import Spending
from tests.scenario.files import DUEL, write

DAY_S = 86_400.0


def entry(cron: str = "0 20 * * *", timezone: str = "UTC", **rest: Any) -> Schedule:
    return Schedule(cron=cron, timezone=timezone, **rest)


def scenario(folder: Path, key: str, *entries: Schedule) -> Scenario:
    loaded = load_scenario(write(folder, f"{key}.yaml", DUEL), env={})
    return loaded.model_copy(update={"schedule": entries})


def at(text: str) -> datetime:
    """Return ``06-30 20:00``, or ``06-30 20:00:15``, of 2026, UTC."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def told(occurrence: Occurrence) -> tuple[str, str]:
    """Return an occurrence in two words: when, and what became of it."""
    when = "by hand" if occurrence.slot is None else f"{occurrence.slot:%m-%d %H:%M}"
    return when, occurrence.outcome + (f": {occurrence.why}" if occurrence.why else "")


def stands(standing: Standing) -> str:
    """Return a period in words: what is spent, what is held."""
    return f"{amount(standing.spent)} spent, {amount(standing.held)} held"


@dataclass
class House:
    """What a process has: a ledger, and shows that last ``length_s``, or what ``lengths_s`` has of them.

    Shows outlive it, as in the show log: ``begun`` has one once for each time that it was begun or gone on with.
    ``most`` is what a scenario's show may cost, ``costs`` what it does cost where that is less.
    """

    clock: Clock
    length_s: float = 600.0
    lengths_s: Mapping[str, float] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=lambda: Ledger(IN_MEMORY))
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    on_air: dict[str, Remains] = field(default_factory=dict)
    left_s: dict[str, float] = field(default_factory=dict)
    most: Mapping[str, Decimal | None] = field(default_factory=dict)
    costs: Mapping[str, Decimal] = field(default_factory=dict)
    at_once: int = 0
    most_at_once: int = 0

    async def perform(self, scenario: Scenario, show: str, stop: asyncio.Event) -> str:
        self.begun.append(show)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        began, left, ending = (
            self.clock.monotonic(),
            self.left_s.get(show, self.lengths_s.get(scenario.key, self.length_s)),
            "",
        )
        try:
            async with self.clock.timeout(left):
                await stop.wait()
            ending = "interrupted"
        except TimeoutError:
            self.ended.append(show)
            ending = "completed"
        finally:
            self.at_once -= 1
            self.left_s[show] = left - (self.clock.monotonic() - began)
            self.on_air[show] = Remains(self.clock.now(), ending, self.begun.count(show) - 1)
        return ending

    async def remains(self, show: str) -> Remains | None:
        return self.on_air.get(show)

    async def spending(self, show: str) -> Spending:
        remains = self.on_air.get(show)
        key = next((key for key in self.most if show.startswith(f"{key}-")), "")
        cost = self.costs.get(key, self.most.get(key)) or Decimal(0)
        return Spending() if remains is None else Spending(cost, remains.at)

    def purse(self, allowance: Allowance) -> Purse:
        def most(scenario: Scenario) -> Decimal | None:
            return self.most.get(scenario.key, Decimal(0))

        return Purse(self.ledger, allowance=allowance, most=most, spending=self.spending)

    def calendar(self, owner: str = "us", **rest: Any) -> Calendar:
        return Calendar(
            self.ledger,
            **{
                "clock": self.clock, "owner": owner, "alive": lambda name: name not in self.dead,
                "perform": self.perform, "remains": self.remains,
                "new_show_id": lambda scenario: f"{scenario.key}-by-hand-{len(self.begun)}", "step_s": DAY_S, **rest,
            },
        )  # fmt: skip

    async def history(self) -> list[tuple[str, str]]:
        """Return what became of every slot, oldest first."""
        return [told(occurrence) for occurrence in reversed(await self.ledger.history(limit=100_000))]

    @asynccontextmanager
    async def running(self, calendar: Calendar, *, cut: asyncio.Event | None = None) -> AsyncIterator[asyncio.Event]:
        """Run a calendar, and stop it politely at the end of the block, which waits for its end."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(calendar.run(stop, cut))
            try:
                yield stop
            finally:
                stop.set()


async def kill(task: "asyncio.Task[None]") -> None:
    """End a calendar as kill -9 does: nothing it would still say is said."""
    task.cancel()
    await asyncio.wait([task])
