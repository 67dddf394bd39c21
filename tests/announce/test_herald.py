"""Shows to come, told of once and in time, on a virtual clock."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from debate_caster.announce.courier import Courier
from debate_caster.announce.herald import STEP_S, Herald, Planned
from debate_caster.announce.notices import Notice
from debate_caster.announce.outbox import Outbox
from debate_caster.clock import EPOCH_OF_TESTS, ManualClock
from debate_caster.log.database import IN_MEMORY
from debate_caster.scenario import Scenario
from debate_caster.scenario.script import AnnounceScript, NoticeKind
from tests.announce.receivers import scenario, script


@dataclass
class Town:
    """A calendar of planned shows, and what was announced of it at which second."""

    clock: ManualClock
    shows: list[Planned]
    heard: list[tuple[float, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def scenarios(self) -> Sequence[Scenario]:
        return list({show.scenario.key: show.scenario for show in self.shows}.values())

    def planned(self, name: str) -> Sequence[Planned]:
        self.asked.append(name)
        now = self.clock.now()
        return [show for show in self.shows if show.starts_at > now and show.scenario.key == name]

    async def live(self, until_s: float, outbox: Outbox) -> None:
        """Have a herald look again and again; each life begins with what the outbox remembers."""
        herald = Herald(
            _Listener(self, outbox), scenarios=self.scenarios, planned=self.planned, page="https://d.example/",
            clock=self.clock,
        )  # fmt: skip
        while self.clock.monotonic() < until_s:
            self.clock.advance(await herald.look())


class _Listener(Courier):
    def __init__(self, town: Town, outbox: Outbox) -> None:
        super().__init__(outbox, clock=town.clock, random=Random(1))
        self._town, self._box = town, outbox

    async def announce(self, scenario: Scenario, notice: Notice, *, to: object = None) -> bool:
        del to
        if await self._box.put(["everybody"], notice, self._town.clock.now()):
            self._town.heard.append((self._town.clock.monotonic(), notice.id))
        return True


def in_s(seconds: float) -> datetime:
    return EPOCH_OF_TESTS + timedelta(seconds=seconds)


def everything(before_s: int = 600) -> AnnounceScript:
    kinds: tuple[NoticeKind, ...] = ("scheduled", "starting_soon")
    return script("http://127.0.0.1:9/", on=kinds, before_s=before_s)


async def test_a_show_is_told_of_when_it_is_planned_and_as_long_before_it_as_wanted(tmp_path: Path) -> None:
    debate = scenario(tmp_path, everything())
    town = Town(ManualClock(), [Planned(debate, "friday-1", in_s(4000)), Planned(debate, "friday-2", in_s(8000))])
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        await town.live(9000, outbox)

    assert town.heard == [
        (0, "friday-1.scheduled"),
        (pytest.approx(3400, abs=0.01), "friday-1.starting_soon"),
        (pytest.approx(4000, abs=STEP_S), "friday-2.scheduled"),
        (pytest.approx(7400, abs=0.01), "friday-2.starting_soon"),
    ]


async def test_who_comes_back_tells_nothing_twice_and_what_was_missed_if_it_is_in_time(tmp_path: Path) -> None:
    debate = scenario(tmp_path, everything())
    town = Town(ManualClock(), [Planned(debate, "friday-1", in_s(1000)), Planned(debate, "friday-2", in_s(1200))])
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        await town.live(450, outbox)
        town.clock.advance(200)
        await town.live(700, outbox)
        town.clock.advance(600)
        await town.live(1400, outbox)

    assert [said for _, said in town.heard] == [
        "friday-1.scheduled", "friday-1.starting_soon", "friday-2.starting_soon",
    ]  # fmt: skip


async def test_shows_that_come_faster_than_they_are_told_of_are_all_told_of(tmp_path: Path) -> None:
    debate = scenario(tmp_path, script("http://127.0.0.1:9/", on=("starting_soon",), before_s=600))
    town = Town(ManualClock(), [Planned(debate, f"friday-{n}", in_s(300 * n)) for n in (3, 4, 5)])
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        await town.live(1500, outbox)

    assert [said for _, said in town.heard] == [f"friday-{n}.starting_soon" for n in (3, 4, 5)]
    assert [at for at, _ in town.heard] == pytest.approx([300, 600, 900], abs=0.01)


async def test_a_calendar_is_not_asked_for_scenarios_that_announce_nothing_ahead(tmp_path: Path) -> None:
    quiet, late = scenario(tmp_path, key="quiet"), scenario(tmp_path, script("http://127.0.0.1:9/", on=("live",)))
    town = Town(ManualClock(), [Planned(quiet, "quiet-1", in_s(100)), Planned(late, "friday-1", in_s(100))])
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        await town.live(60, outbox)

    assert (town.heard, town.asked) == ([], [])
