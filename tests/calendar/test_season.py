import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import merge
from itertools import takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from debate_caster.calendar.allowance import Allowance
from debate_caster.calendar.docket import Outcome, Reason
from debate_caster.calendar.ledger import IN_MEMORY, CalendarRow, Entry, Ledger, Occurrence, Request
from debate_caster.calendar.season import Calendar
from debate_caster.calendar.succession import CUT_OFF, TAKEN_UP_AT_MOST, Remains
from debate_caster.calendar.timetable import as_json, rule_of
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.errors import LogError
from debate_caster.scenario.casting import slug
from debate_caster.scenario.recurrence import instants
from debate_caster.scenario.script import Scenario
from tests.calendar.plans import DAY_S, House, at, entry, kill, scenario, stands
from tests.scenario.test_recurrence import ZONES

HOUR_S = 3600.0
MISSED, OVERLAP = "skipped: missed", "skipped: overlap"


def performed(
    play: Callable[[House], Awaitable[None]], *, start: str = "06-01 00:00", **house: Any
) -> list[tuple[str, str]]:
    """Run ``play`` on a virtual clock from ``start``; return the history then."""

    async def main(clock: VirtualClock) -> list[tuple[str, str]]:
        place = House(clock, **house)
        await play(place)
        return await place.history()

    return run_virtual(main, start=at(start))


def test_each_slot_gives_one_show_on_time(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar()
        await calendar.admit(scenario(tmp_path, "friday", entry()))
        async with house.running(calendar):
            await house.clock.sleep(3 * DAY_S)
        assert house.ended == [f"friday-2026060{day}-200000z" for day in (1, 2, 3)]
        assert [row.ending for row in await house.ledger.history()] == ["completed"] * 3

    assert performed(play) == [("06-01 20:00", "ran"), ("06-02 20:00", "ran"), ("06-03 20:00", "ran")]


@pytest.mark.parametrize(("back", "newest"), [("06-04 20:04", "caught_up"), ("06-04 20:06", "skipped: missed")])
def test_after_an_outage_over_three_slots_at_most_the_newest_starts_and_only_within_its_grace(
    tmp_path: Path, back: str, newest: str
) -> None:
    async def play(house: House) -> None:
        friday = scenario(tmp_path, "friday", entry(grace_s=300))
        first = house.calendar("first")
        await first.admit(friday)
        async with house.running(first):
            await house.clock.sleep(DAY_S)
        await house.clock.sleep((at(back) - house.clock.now()).total_seconds())
        second = house.calendar("second")
        await second.admit(friday)
        async with house.running(second):
            await house.clock.sleep(HOUR_S)

    assert performed(play) == [
        ("06-01 20:00", "ran"), ("06-02 20:00", MISSED), ("06-03 20:00", MISSED), ("06-04 20:00", newest),
    ]  # fmt: skip


class TurnedClock(VirtualClock):
    """A clock that somebody sets."""

    offset = timedelta()

    def now(self) -> Any:
        return super().now() + self.offset


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (timedelta(hours=-2), ["19:00 ran", "20:00 ran", "21:00 ran", "22:00 ran", "23:00 ran"]),
        (timedelta(hours=2), ["19:00 ran", "20:00 ran", f"21:00 {MISSED}", f"22:00 {MISSED}", "23:00 ran"]),
        (timedelta(minutes=94), ["19:00 ran", "20:00 ran", f"21:00 {MISSED}", f"22:00 {MISSED}", "23:00 ran"]),
        (timedelta(minutes=92), ["19:00 ran", "20:00 ran", f"21:00 {MISSED}", "22:00 caught_up", "23:00 ran"]),
    ],
)
def test_a_clock_that_is_set_neither_doubles_a_slot_nor_causes_a_burst(
    tmp_path: Path, turn: timedelta, expected: list[str]
) -> None:
    async def main(virtual: VirtualClock) -> list[str]:
        clock = TurnedClock(asyncio.get_running_loop(), at("06-01 18:30"))
        house = House(clock)
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "hourly", entry("0 * * * *", grace_s=180)))
        async with house.running(calendar):
            await clock.sleep((at("06-01 20:30") - clock.now()).total_seconds())
            clock.offset = turn
            await clock.sleep((at("06-01 23:20") - clock.now()).total_seconds())
        assert len(house.begun) == len(set(house.begun))
        return [f"{when[6:]} {what}" for when, what in await house.history()]

    assert run_virtual(main) == expected


LONGER_THAN_ITS_PERIOD = {
    "skip": ["20:00 ran", "21:00 skipped: overlap", "22:00 ran", "23:00 skipped: overlap"],
    "queue": ["20:00 ran", "21:00 caught_up", "22:00 caught_up", "23:00 skipped: overlap"],
    "replace": ["20:00 ran", "21:00 ran", "22:00 ran", "23:00 ran"],
}


@pytest.mark.parametrize("overlap", LONGER_THAN_ITS_PERIOD)
def test_a_show_longer_than_its_period_is_left_followed_or_ended(tmp_path: Path, overlap: str) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar()
        await calendar.admit(scenario(tmp_path, "long", entry("0 20-23 * * *", overlap=overlap)))
        async with house.running(calendar):
            await house.clock.sleep(DAY_S - 60)
        assert len(house.begun) == sum("skipped" not in told for told in LONGER_THAN_ITS_PERIOD[overlap])

    found = [f"{when[6:]} {what}" for when, what in performed(play, length_s=1.7 * HOUR_S)]

    assert found == LONGER_THAN_ITS_PERIOD[overlap]


@pytest.mark.parametrize("overlap", LONGER_THAN_ITS_PERIOD)
def test_a_show_that_another_calendar_gives_is_left_followed_or_ended_as_if_it_were_ours(
    tmp_path: Path, overlap: str
) -> None:
    """The second looks first at every hour but the first one: it must not start what the other's show stands before."""

    async def play(house: House) -> None:
        long = scenario(tmp_path, "long", entry("0 20-23 * * *", overlap=overlap))
        ahead = TurnedClock(asyncio.get_running_loop(), house.clock.now())
        ahead.offset = timedelta(seconds=0.1)
        first, second = house.calendar("first", step_s=5.0), house.calendar("second", step_s=5.0, clock=ahead)
        await first.admit(long)
        async with asyncio.TaskGroup() as tasks:
            begins = tasks.create_task(first.run(stop := asyncio.Event()))
            await house.clock.sleep(90.5)
            await second.admit(long)
            tasks.create_task(second.run(stop))
            await house.clock.sleep(4 * HOUR_S - 120)
            stop.set()
            await begins
        assert house.most_at_once == 1

    found = [f"{when[6:]} {what}" for when, what in performed(play, start="06-01 19:59", length_s=1.7 * HOUR_S)]

    assert found == LONGER_THAN_ITS_PERIOD[overlap]


TWICE = entry("0 20,21,22 * * *", count=2)


async def come_for(house: House, show: str, *, slot: datetime | None = None) -> None:
    """Be a process of its own that gives one show of ``long``, as ``run --slot`` is, and live."""
    written = Entry("long", slot, slot, rule_of(TWICE) if slot else "", "ran", "", show)
    await house.ledger.record([written], owner="errand", now=house.clock.now())


@pytest.mark.parametrize("grace_s", [0, 300])
@pytest.mark.parametrize(
    ("overlap", "expected"),
    [("skip", "skipped: overlap"), ("queue", ""), ("replace", "skipped: overlap")],
)
def test_a_show_of_a_process_that_has_no_calendar_is_never_ended_for_a_slot_and_never_doubled(
    tmp_path: Path, overlap: str, expected: str, grace_s: int
) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "long", entry("0 21 * * *", overlap=overlap, grace_s=grace_s)))
        await come_for(house, "by-errand")
        async with house.running(calendar):
            await house.clock.sleep(75)  # one that is to replace a show is left to who gives that, for ten seconds
            assert (await house.history())[-1] == ("06-01 21:00", expected or "queued")
            await house.clock.sleep(240)
            asked = await house.ledger.ask("long", house.clock.now())
            calendar._version = -1  # the number that tells of other processes' writing does not change for our own
            await house.clock.sleep(2)
            assert await house.ledger.answer_to(asked) == "refused: by-errand is on the air"
            assert house.begun == []
            await house.ledger.finish("by-errand", "completed", house.clock.now())
            await house.clock.sleep(HOUR_S)

    assert performed(play, start="06-01 20:59")[-1] == ("06-01 21:00", expected or "caught_up")


def test_a_show_that_an_errand_gave_is_one_of_those_that_were_ordered(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "long", TWICE))
        await come_for(house, "long-20260601-200000z", slot=at("06-01 20:00"))
        async with house.running(calendar):
            await house.clock.sleep(600)
            await house.ledger.finish("long-20260601-200000z", "completed", house.clock.now())
            await house.clock.sleep(3 * HOUR_S)
        assert house.begun == ["long-20260601-210000z"]

    assert performed(play, start="06-01 19:59") == [("06-01 20:00", "ran"), ("06-01 21:00", "ran")]


def test_a_slot_that_waits_elsewhere_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Two that each wait for the other's would wait for ever."""

    async def play(house: House) -> None:
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "long", entry("0 20 * * *", overlap="queue")))
        waits = Entry("long", at("06-01 19:00"), at("06-01 19:00"), "", "queued", "", "long-20260601-190000z")
        await house.ledger.record([waits], owner="other", now=house.clock.now())
        async with house.running(calendar):
            await house.clock.sleep(60)
        assert house.begun == ["long-20260601-200000z"]

    performed(play, start="06-01 19:59:30")


@pytest.mark.parametrize("begun", [True, False], ids=["begun", "not begun"])
def test_the_show_of_a_dead_process_does_not_go_on_beside_one_that_lives_elsewhere(tmp_path: Path, begun: bool) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "long", entry("0 20 * * *")))
        await come_for(house, "by-errand")
        slot, show = at("06-01 20:00"), "long-20260601-200000z"
        await house.ledger.record([Entry("long", slot, slot, "", "ran", "", show)], owner="dead", now=house.clock.now())
        house.dead.add("dead")
        if begun:
            house.on_air[show] = Remains(house.clock.now())
        async with house.running(calendar):
            await house.clock.sleep(60)
        assert house.begun == []
        ours = next(row for row in await house.ledger.history() if row.slot == slot)
        assert (ours.ending, ours.why) == ((CUT_OFF, "") if begun else ("", "overlap"))

    performed(play, start="06-01 20:00:01")


class LateLedger(Ledger):
    """One in which another process is always quicker; it gives the show that it takes over, or writes it off."""

    writes_off = False

    async def take_over(self, show: str, *, from_owner: str, owner: str) -> bool:
        assert await super().take_over(show, from_owner=from_owner, owner="quicker")
        if self.writes_off:
            await self.finish(show, CUT_OFF, at("06-01 20:00"))
        return await super().take_over(show, from_owner=from_owner, owner=owner)


@pytest.mark.parametrize("writes_off", [False, True])
def test_a_show_that_somebody_quicker_takes_over_is_on_unless_it_was_written_off(
    tmp_path: Path, writes_off: bool
) -> None:
    async def play(house: House) -> None:
        assert isinstance(house.ledger, LateLedger)
        house.ledger.writes_off = writes_off
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "long", entry("0 20 * * *")))
        await come_for(house, "by-errand")
        async with house.running(calendar):
            await house.clock.sleep(0.5)
            house.dead.add("errand")
            await house.clock.sleep(1)
        assert house.begun == (["long-20260601-200000z"] if writes_off else [])

    found = performed(play, start="06-01 19:59:59", ledger=LateLedger(IN_MEMORY))

    assert found[-1] == ("06-01 20:00", "ran" if writes_off else OVERLAP)


def test_a_show_that_was_broken_off_goes_on_though_somebody_asks_for_one_by_hand(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "long", entry("0 20 * * *")))
        await come_for(house, "by-errand")
        house.dead.add("errand")
        house.on_air["by-errand"] = Remains(house.clock.now())
        asked = await house.ledger.ask("long", house.clock.now())
        async with house.running(calendar):
            await house.clock.sleep(1)
            assert await house.ledger.answer_to(asked) == "refused: by-errand is on the air"
        assert house.begun == ["by-errand"]

    performed(play, start="06-01 19:00")


class StaleLedger(Ledger):
    """A ledger on a disk that takes its time to answer what is on the air."""

    clock: VirtualClock

    async def unfinished(self) -> list[Occurrence]:
        found = await super().unfinished()
        await self.clock.sleep(1.0)
        return found


def test_what_others_gave_until_a_slot_was_due_is_over_when_it_is(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        assert isinstance(house.ledger, StaleLedger)
        assert isinstance(house.clock, VirtualClock)
        house.ledger.clock = house.clock
        calendar = house.calendar(step_s=0.25)
        await calendar.admit(scenario(tmp_path, "long", entry("0 20 * * *")))
        await come_for(house, "by-errand")
        async with house.running(calendar):
            await house.clock.sleep(0.8)
            await house.ledger.finish("by-errand", "completed", house.clock.now())
            await house.clock.sleep(60)

    assert performed(play, start="06-01 19:59:59", ledger=StaleLedger(IN_MEMORY))[-1] == ("06-01 20:00", "ran")


class SlowLedger(Ledger):
    """A ledger on a disk that takes its time to say that it has written how a show ended, and to write what it cost."""

    clock: VirtualClock

    async def settle(self, show: str, spent: Decimal, last: datetime) -> None:
        await self.clock.sleep(0.6)
        await super().settle(show, spent, last)

    async def finish(self, show: str, ending: str, now: datetime) -> None:
        await super().finish(show, ending, now)
        await self.clock.sleep(1.0)


@pytest.mark.parametrize(
    ("cron", "expected"), [("0,1 20 * * *", ("06-01 20:01", "ran")), ("0 20 * * *", ("by hand", "ran"))]
)
def test_a_show_that_is_over_is_not_on_when_the_next_one_is_due(
    tmp_path: Path, cron: str, expected: tuple[str, str]
) -> None:
    """The ledger has its end, and who wrote that has not heard so yet."""

    async def play(house: House) -> None:
        assert isinstance(house.ledger, SlowLedger)
        assert isinstance(house.clock, VirtualClock)
        house.ledger.clock = house.clock
        calendar = house.calendar(step_s=0.25)
        await calendar.admit(scenario(tmp_path, "friday", entry(cron)))
        async with house.running(calendar):
            await house.clock.sleep(119.7)
            assert (await house.ledger.history())[0].ending == "completed"
            if expected[0] == "by hand":
                await house.ledger.ask("friday", house.clock.now())
                calendar._version = -1  # the number that tells of other processes' writing does not change for our own
            await house.clock.sleep(240)

    found = performed(play, start="06-01 19:59", length_s=59.0, ledger=SlowLedger(IN_MEMORY))

    assert found == [("06-01 20:00", "ran"), expected]


@pytest.mark.parametrize("short_of", ["places", "money"])
@pytest.mark.parametrize("came", ["slot", "by hand", "inherited"])
def test_a_show_that_is_over_holds_neither_a_place_nor_money_that_it_did_not_spend(
    tmp_path: Path, short_of: str, came: str
) -> None:
    """The disk is slow just then; another scenario's show has room all the same."""

    async def play(house: House) -> None:
        assert isinstance(house.ledger, SlowLedger)
        assert isinstance(house.clock, VirtualClock)
        house.ledger.clock = house.clock
        house.most, house.costs = {"one": Decimal(3), "two": Decimal(3)}, {"one": Decimal(1), "two": Decimal(1)}
        limits: dict[str, Any] = (
            {"shows_at_once": 1} if short_of == "places" else {"purse": house.purse(Allowance(Decimal(4)))}
        )
        calendar = house.calendar(step_s=0.25, **limits)
        await calendar.admit(scenario(tmp_path, "one", entry("0 20 * * *")))
        await calendar.admit(scenario(tmp_path, "two", entry("1 20 * * *") if came == "slot" else entry("0 20 2 6 *")))
        async with house.running(calendar):
            await house.clock.sleep(89.6)
            if came == "by hand":
                await house.ledger.ask("two", house.clock.now())
                calendar._version = -1  # the number that tells of other processes' writing does not change for our own
            elif came == "inherited":
                house.dead.add("dead")
                slot = at("06-02 20:00")
                waits = Entry("two", slot, slot, "", "queued", "", "two-20260602-200000z")
                await house.ledger.record([waits], owner="dead", now=house.clock.now())
            await house.clock.sleep(240)
        assert [show.partition("-")[0] for show in house.ended] == ["one", "two"]

    performed(play, start="06-01 19:59:30", length_s=59.5, ledger=SlowLedger(IN_MEMORY))


def test_a_slot_that_waited_for_a_show_waits_for_it_when_that_goes_on_elsewhere(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        long = scenario(tmp_path, "long", entry("0 20,21 * * *", overlap="queue", grace_s=1200))
        first = house.calendar("first")
        await first.admit(long)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(first.run(asyncio.Event()))
            await house.clock.sleep((at("06-01 21:10") - house.clock.now()).total_seconds())
            await kill(running)
        house.dead.add("first")
        second = house.calendar("second")
        await second.admit(long)
        async with house.running(second):
            await house.clock.sleep(HOUR_S)
        assert house.begun == ["long-20260601-200000z"] * 2 + ["long-20260601-210000z"]

    assert performed(play, length_s=2 * HOUR_S) == [("06-01 20:00", "ran"), ("06-01 21:00", "caught_up")]


async def die_on_the_air(house: House, plan: Scenario, when: str) -> None:
    """Run a calendar until its process is killed."""
    owner = f"process-{len(house.dead)}"
    calendar = house.calendar(owner)
    await calendar.admit(plan)
    running = asyncio.create_task(calendar.run(asyncio.Event()))
    await house.clock.sleep((at(when) - house.clock.now()).total_seconds())
    await kill(running)
    house.dead.add(owner)


async def be_there(house: House, plan: Scenario, seconds: float) -> None:
    """Run another process's calendar."""
    calendar = house.calendar("heir", step_s=1.0)
    await calendar.admit(plan)
    async with house.running(calendar):
        await house.clock.sleep(seconds)


async def endings(house: House) -> list[str]:
    return [row.ending for row in reversed(await house.ledger.history())]


def test_a_show_whose_process_died_goes_on_where_it_was(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        friday = scenario(tmp_path, "friday", entry())
        await die_on_the_air(house, friday, "06-01 20:06")
        await house.clock.sleep(HOUR_S - 10)
        await be_there(house, friday, 241.0)
        assert await endings(house) == ["completed"]
        assert house.begun == ["friday-20260601-200000z"] * 2
        assert house.ended == ["friday-20260601-200000z"]

    assert performed(play) == [("06-01 20:00", "ran")]


def test_a_show_that_was_broken_off_long_ago_is_cut_off_and_never_given_again(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        friday = scenario(tmp_path, "friday", entry())
        await die_on_the_air(house, friday, "06-01 20:06")
        await house.clock.sleep(HOUR_S + 1)
        await be_there(house, friday, HOUR_S)
        assert await endings(house) == [CUT_OFF]
        assert len(house.begun) == 1

    assert performed(play) == [("06-01 20:00", "ran")]


def test_a_show_that_kills_whoever_gives_it_is_given_up(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        friday = scenario(tmp_path, "friday", entry())
        for second in range(1, TAKEN_UP_AT_MOST + 2):
            await die_on_the_air(house, friday, f"06-01 20:00:{second:02}")
        await be_there(house, friday, HOUR_S)
        assert await endings(house) == [CUT_OFF]
        assert len(house.begun) == 1 + TAKEN_UP_AT_MOST

    assert performed(play) == [("06-01 20:00", "ran")]


def test_a_show_that_had_ended_when_its_process_died_keeps_its_end_however_long_ago(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        friday = scenario(tmp_path, "friday", entry())
        await die_on_the_air(house, friday, "06-01 20:06")
        house.on_air["friday-20260601-200000z"] = Remains(at("06-01 20:05"), "producer")
        await house.clock.sleep(3 * DAY_S - 7 * HOUR_S)
        await be_there(house, friday, HOUR_S)
        (row,) = [row for row in await house.ledger.history() if row.show]
        assert (row.ending, row.ended_at) == ("producer", at("06-01 20:05"))

    assert performed(play)[0] == ("06-01 20:00", "ran")


def test_what_is_left_of_a_show_is_looked_at_again_when_its_log_could_not_be_read(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        friday, failures = scenario(tmp_path, "friday", entry()), iter([True, True])
        await die_on_the_air(house, friday, "06-01 20:06")

        async def locked(show: str) -> Remains | None:
            if next(failures, False):
                raise LogError("show", "locked", passing=True)
            return await house.remains(show)

        calendar = house.calendar("heir", step_s=1.0, remains=locked)
        await calendar.admit(friday)
        async with house.running(calendar):
            await house.clock.sleep(HOUR_S)
        assert calendar.failure is None
        assert await endings(house) == ["completed"]

    assert performed(play) == [("06-01 20:00", "ran")]


def test_a_show_that_goes_on_is_held_at_what_it_may_cost_by_now(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        friday, dearer = scenario(tmp_path, "friday", entry()), Decimal(5)
        await die_on_the_air(house, friday, "06-01 20:06")
        house.most = {"friday": dearer}  # somebody has chosen another model meanwhile
        purse = house.purse(Allowance(per_day=Decimal(3)))
        calendar = house.calendar("heir", step_s=1.0, purse=purse)
        await calendar.admit(friday)
        async with house.running(calendar):
            await house.clock.sleep(60)
            day, *_ = await house.ledger.standings(purse.periods(house.clock.now()))
            assert day.held == dearer
            assert len(house.begun) == 2, "it goes on all the same"

    assert performed(play) == [("06-01 20:00", "ran")]


def test_a_show_that_goes_on_is_on_the_air_for_the_slots_that_come(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        long = scenario(tmp_path, "long", entry("0 20,21 * * *"))
        await die_on_the_air(house, long, "06-01 20:40")
        await house.clock.sleep(19 * 60)
        await be_there(house, long, 2 * HOUR_S)
        assert await endings(house) == ["completed", ""]

    assert performed(play, length_s=HOUR_S) == [("06-01 20:00", "ran"), ("06-01 21:00", "skipped: overlap")]


def test_a_show_whose_scenario_is_gone_is_cut_off(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        await die_on_the_air(house, scenario(tmp_path, "friday", entry()), "06-01 20:06")
        await be_there(house, scenario(tmp_path, "monday", entry("0 9 * * MON")), 60.0)
        assert await endings(house) == [CUT_OFF]

    assert performed(play) == [("06-01 20:00", "ran")]


@pytest.mark.parametrize(("later_s", "what"), [(60, "caught_up"), (400, "skipped: missed")])
def test_a_slot_whose_process_died_before_its_show_began_still_starts_within_the_grace(
    tmp_path: Path, later_s: float, what: str
) -> None:
    async def play(house: House) -> None:
        async def die(scenario: Scenario, show: str, stop: asyncio.Event) -> str:
            del scenario, show, stop
            await asyncio.Event().wait()
            raise AssertionError

        friday = scenario(tmp_path, "friday", entry())
        first = house.calendar("first", perform=die)
        await first.admit(friday)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(first.run(asyncio.Event()))
            await house.clock.sleep((at("06-01 20:00") - house.clock.now()).total_seconds() + 1)
            await kill(running)
        house.dead.add("first")
        await house.clock.sleep(later_s)
        second = house.calendar("second")
        await second.admit(friday)
        async with house.running(second):
            await house.clock.sleep(HOUR_S)

    assert performed(play) == [("06-01 20:00", what)]


@pytest.mark.parametrize(("slept_s", "what"), [(HOUR_S, "caught_up"), (HOUR_S + 400, MISSED)])
def test_a_machine_that_slept_over_a_slot_starts_it_when_it_wakes_within_the_grace(
    tmp_path: Path, slept_s: float, what: str
) -> None:
    """While it sleeps its monotonic clock stands still, and its wall clock does not."""

    async def main(virtual: VirtualClock) -> list[tuple[str, str]]:
        clock = TurnedClock(asyncio.get_running_loop(), at("06-01 19:00"))
        house = House(clock)
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "friday", entry("0 20 * * *", grace_s=300)))
        async with house.running(calendar):
            await clock.sleep(120)
            clock.offset = timedelta(seconds=slept_s)
            await clock.sleep(HOUR_S)
        return await house.history()

    assert run_virtual(main) == [("06-01 20:00", what)]


def test_two_calendars_on_one_ledger_start_each_slot_once(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        friday = scenario(tmp_path, "friday", entry("*/10 * * * *"))
        one, two = house.calendar("one"), house.calendar("two")
        await one.admit(friday)
        await two.admit(friday)
        async with house.running(one), house.running(two):
            await house.clock.sleep(DAY_S / 2 + 1)
        assert len(house.begun) == len(set(house.begun)) == 72

    assert len(performed(play, length_s=60.0)) == 72


def test_an_edit_counts_from_when_it_was_made(tmp_path: Path) -> None:
    """Neither is the old slot lost, nor one that the new schedule would have had before the edit made up."""

    async def play(house: House) -> None:
        calendar = house.calendar()
        await calendar.admit(scenario(tmp_path, "friday", entry("0 20 * * *")))
        async with house.running(calendar):
            await house.clock.sleep(DAY_S + 20.5 * HOUR_S)
            await calendar.admit(scenario(tmp_path, "friday", entry("0 19,21 * * *", grace_s=7200)))
            await house.clock.sleep(DAY_S)

    assert performed(play) == [
        ("06-01 20:00", "ran"), ("06-02 20:00", "ran"), ("06-02 21:00", "ran"), ("06-03 19:00", "ran"),
    ]  # fmt: skip


def test_an_edit_made_while_nobody_was_there_counts_from_then_too(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        first = house.calendar("first")
        await first.admit(scenario(tmp_path, "friday", entry("0 20 * * *")))
        async with house.running(first):
            await house.clock.sleep(HOUR_S)
        await house.clock.sleep(3 * DAY_S)
        second = house.calendar("second")
        await second.admit(scenario(tmp_path, "friday", entry("0 6 * * *")), changed_at=at("06-03 02:00"))
        async with house.running(second):
            await house.clock.sleep(DAY_S)

    assert performed(play) == [
        ("06-01 20:00", "skipped: missed"), ("06-02 20:00", "skipped: missed"), ("06-03 06:00", "skipped: missed"),
        ("06-04 06:00", "ran"),
    ]  # fmt: skip


def test_a_slot_that_waits_for_its_jitter_survives_an_edit(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        friday = scenario(tmp_path, "friday", entry(jitter_s=3600))
        calendar = house.calendar()
        await calendar.admit(friday)
        async with house.running(calendar):
            await house.clock.sleep(20 * HOUR_S + 1)
            assert house.begun == []
            await calendar.admit(friday.model_copy(update={"schedule": (entry("0 10 * * *"),)}))
            await house.clock.sleep(15 * HOUR_S)

    assert performed(play) == [("06-01 20:00", "ran"), ("06-02 10:00", "ran")]


def test_count_blackout_and_until_bound_a_series(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar()
        rules = entry(count=3, blackout=(at("06-02 00:00").date(),))
        await calendar.admit(scenario(tmp_path, "three", rules))
        await calendar.admit(scenario(tmp_path, "until", entry("0 9 * * *", until=at("06-02 00:00").date())))
        assert [coming.slot.at for coming in calendar.coming(99, each=99)] == [
            at("06-01 09:00"), at("06-01 20:00"), at("06-02 09:00"), at("06-03 20:00"), at("06-04 20:00"),
        ]  # fmt: skip
        async with house.running(calendar):
            await house.clock.sleep(10 * DAY_S)
        assert calendar.coming(9, each=9) == []

    assert performed(play) == [
        ("06-01 09:00", "ran"), ("06-01 20:00", "ran"), ("06-02 09:00", "ran"), ("06-02 20:00", "skipped: blackout"),
        ("06-03 20:00", "ran"), ("06-04 20:00", "ran"),
    ]  # fmt: skip


def test_a_paused_scenario_skips_its_slots_and_says_so(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "friday", entry("0 * * * *")))
        async with house.running(calendar):
            await house.clock.sleep(HOUR_S + 60)
            await house.ledger.pause("friday", paused=True)
            await calendar.admit(
                scenario(tmp_path, "friday", entry("0 * * * *"))
            )  # as its poll of other processes does
            assert calendar.coming(5, each=5) == []
            await house.clock.sleep(HOUR_S)
            await house.ledger.pause("friday", paused=False)
            await calendar.admit(scenario(tmp_path, "friday", entry("0 * * * *")))
            await house.clock.sleep(HOUR_S)

    assert performed(play) == [("06-01 01:00", "ran"), ("06-01 02:00", "skipped: paused"), ("06-01 03:00", "ran")]


def test_a_scenario_taken_off_gives_no_more_shows(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar()
        friday = scenario(tmp_path, "friday", entry())
        await calendar.admit(friday)
        async with house.running(calendar):
            await house.clock.sleep(DAY_S)
            await calendar.withdraw("friday")
            await house.clock.sleep(2 * DAY_S)
            await calendar.admit(friday)
            await house.clock.sleep(DAY_S)

    assert performed(play) == [("06-01 20:00", "ran"), ("06-04 20:00", "ran")]


def test_a_stop_ends_what_runs_and_starts_nothing(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar()
        await calendar.admit(scenario(tmp_path, "friday", entry()))
        async with house.running(calendar):
            await house.clock.sleep(20 * HOUR_S + 60)
        await house.clock.sleep(2 * DAY_S)
        assert [row.ending for row in await house.ledger.history()] == ["interrupted"]

    assert performed(play) == [("06-01 20:00", "ran")]


def test_a_show_that_fails_is_in_the_history_and_the_next_one_is_given(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        async def stumble(scenario: Scenario, show: str, stop: asyncio.Event) -> str:
            if not house.begun:
                house.begun.append(show)
                raise RuntimeError("a bug")
            return await house.perform(scenario, show, stop)

        calendar = house.calendar(perform=stumble)
        await calendar.admit(scenario(tmp_path, "friday", entry()))
        async with house.running(calendar):
            await house.clock.sleep(2 * DAY_S)
        assert [row.ending for row in await house.ledger.history()] == ["completed", "failed"]

    assert performed(play) == [("06-01 20:00", "ran"), ("06-02 20:00", "ran")]


def test_a_year_in_six_zones_is_what_their_clocks_show(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar: Calendar = house.calendar()
        for zone in ZONES:
            await calendar.admit(scenario(tmp_path, slug(zone), entry("30 2 * * *", zone)))
        async with house.running(calendar):
            await house.clock.sleep(365 * DAY_S)
        assert house.begun == sorted(house.begun, key=lambda show: show[-16:])

    history = performed(play, start="01-01 00:00")

    begin, end = at("01-01 00:00"), at("12-31 23:59")
    slots = [takewhile(lambda slot: slot <= end, instants("30 2 * * *", ZoneInfo(zone), begin)) for zone in ZONES]
    assert history == [(f"{slot:%m-%d %H:%M}", "ran") for slot in merge(*slots)]


class MoodyLedger(Ledger):
    """Fails once in each of these ways, as one does whose file is locked by a back-up just then."""

    def __init__(self, *fails: str) -> None:
        super().__init__(IN_MEMORY)
        self.fails = set(fails)
        self.news = 0

    def _fail(self, what: str) -> None:
        if what in self.fails:
            self.fails.discard(what)
            raise LogError("calendar", "locked", passing=True)

    async def version(self) -> int:
        return self.news  # another process writes when a test says so

    async def calendars(self) -> list[CalendarRow]:
        self._fail("calendars")
        return await super().calendars()

    async def asked(self) -> list[Request]:
        self._fail("asked")
        return await super().asked()

    async def grant(self, request: int, entry: Entry, **rest: Any) -> bool:
        self._fail("grant")
        return await super().grant(request, entry, **rest)

    async def revise(self, show: str, outcome: Outcome, why: Reason, now: datetime) -> None:
        self._fail("revise")
        await super().revise(show, outcome, why, now)

    async def finish(self, show: str, ending: str, now: datetime) -> None:
        self._fail("finish")
        await super().finish(show, ending, now)


def test_a_ledger_that_fails_once_loses_no_show_that_waits_or_is_inherited(tmp_path: Path) -> None:
    """The second slot waits for the first show, which its heir ends; each writing on the way fails once."""

    async def play(house: House) -> None:
        long = scenario(tmp_path, "long", entry("0 20,21 * * *", overlap="queue", grace_s=1200))
        await die_on_the_air(house, long, "06-01 21:10")
        house.ledger.fails = {"revise", "finish"}  # type: ignore[attr-defined]  # it is a MoodyLedger
        await be_there(house, long, 2 * HOUR_S)
        assert house.begun == ["long-20260601-200000z"] * 2 + ["long-20260601-210000z"]
        assert await endings(house) == ["completed", "completed"]

    history = performed(play, length_s=80 * 60.0, ledger=MoodyLedger())
    assert history == [("06-01 20:00", "ran"), ("06-01 21:00", "caught_up")]


def test_what_never_began_is_inherited_although_the_ledger_fails_after_it_was_taken_over(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        friday = scenario(tmp_path, "friday", entry())
        await house.ledger.admit("friday", title="", path="", entries=as_json(friday.schedule), now=house.clock.now())
        slot = at("06-01 20:00")
        begun = Entry("friday", slot, slot, "", "ran", "", "friday-20260601-200000z")
        await house.clock.sleep((slot - house.clock.now()).total_seconds() + 60)
        await house.ledger.record([begun], handled_until={"friday": slot}, owner="first", now=house.clock.now())
        house.dead.add("first")
        house.ledger.fails = {"revise"}  # type: ignore[attr-defined]  # it is a MoodyLedger
        await be_there(house, friday, HOUR_S)
        assert house.begun == [begun.show]

    assert performed(play, ledger=MoodyLedger()) == [("06-01 20:00", "caught_up")]


@pytest.mark.parametrize("fails", ["calendars", "asked", "grant"])
def test_a_request_and_a_pause_are_heard_although_the_ledger_fails_once(tmp_path: Path, fails: str) -> None:
    async def play(house: House) -> None:
        ledger = house.ledger
        assert isinstance(ledger, MoodyLedger)
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "friday", entry("0 1 * * *")))
        async with house.running(calendar):
            await house.clock.sleep(2)
            request = await ledger.ask("friday", house.clock.now())
            await ledger.pause("friday", paused=True)
            ledger.fails.add(fails)
            ledger.news += 1
            await house.clock.sleep(2 * HOUR_S)
        (show,) = house.begun
        assert await ledger.answer_to(request) == f"show {show}"

    assert performed(play, ledger=MoodyLedger()) == [("by hand", "ran"), ("06-01 01:00", "skipped: paused")]


def test_a_slot_for_which_there_is_no_place_is_skipped_and_no_show_is_ended_for_it(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(shows_at_once=2)
        for key in ("a", "b", "c"):
            await calendar.admit(scenario(tmp_path, key, entry("0 20 * * *")))
        await calendar.admit(scenario(tmp_path, "later", entry("5,10 20 * * *")))
        async with house.running(calendar):
            await house.clock.sleep(DAY_S - 60)
        assert [show[:5] for show in house.ended] == ["a-202", "b-202", "later"]

    found = performed(play, length_s=600)

    assert [f"{when[6:]} {what}" for when, what in found] == [
        "20:00 ran", "20:00 ran", "20:00 skipped: limit", "20:05 skipped: limit", "20:10 ran",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [("queue", "21:00 skipped: limit"), ("replace", "21:00 ran"), ("skip", "21:00 skipped: overlap")],
)
def test_a_scenario_needs_one_place_and_a_slot_that_waits_holds_none(
    tmp_path: Path, overlap: str, expected: str
) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(shows_at_once=1)
        waits = scenario(tmp_path, "waits", entry("0 20,21 * * *", overlap=overlap))
        await calendar.admit(waits)
        async with house.running(calendar):
            await house.clock.sleep((at("06-01 21:15") - house.clock.now()).total_seconds())
            if overlap == "queue":  # another process takes the place at the moment when it becomes free
                other = Entry("other", at("06-01 21:16"), None, "", "ran", "", "other-show")
                await house.ledger.record([other], owner="other", now=house.clock.now())
            await house.clock.sleep(2 * HOUR_S)

    found = [f"{when[6:]} {what}" for when, what in performed(play, length_s=1.5 * HOUR_S)]

    assert found[:2] == ["20:00 ran", expected]


def test_a_slot_skipped_for_want_of_a_place_is_not_one_of_the_shows_that_were_ordered(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(shows_at_once=1)
        await calendar.admit(scenario(tmp_path, "long", entry("0 20 1 6 *")))
        await calendar.admit(scenario(tmp_path, "twice", entry("5,20,40,50 20 * * *", count=2)))
        async with house.running(calendar):
            await house.clock.sleep(DAY_S - 60)

    found = [f"{when[6:]} {what}" for when, what in performed(play, length_s=300.5)]

    assert found == ["20:00 ran", "20:05 skipped: limit", "20:20 ran", "20:40 ran"]


def test_a_show_asked_for_by_hand_is_refused_where_there_is_no_place(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(shows_at_once=1, step_s=1.0)
        await calendar.admit(scenario(tmp_path, "on", entry()))
        await calendar.admit(scenario(tmp_path, "off"))
        async with house.running(calendar):
            await house.clock.sleep((at("06-01 20:01") - house.clock.now()).total_seconds())
            refused = await house.ledger.ask("off", house.clock.now())
            calendar._version = -1  # the number that tells of other processes' writing does not change for our own
            await house.clock.sleep(5)
            assert await house.ledger.answer_to(refused) == "refused: only 1 may be on the air at once"

    assert performed(play, start="06-01 19:59") == [("06-01 20:00", "ran")]


def test_a_show_that_died_keeps_its_place_for_who_takes_it_up(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        first = house.calendar("first", shows_at_once=1)
        on, later = scenario(tmp_path, "on", entry()), scenario(tmp_path, "later", entry("5 20 * * *"))
        for plan in (on, later):
            await first.admit(plan)
        running = asyncio.create_task(first.run(asyncio.Event()))
        await house.clock.sleep((at("06-01 20:04") - house.clock.now()).total_seconds())
        await kill(running)
        house.dead.add("first")
        second = house.calendar("second", shows_at_once=1)
        for plan in (later, on):
            await second.admit(plan)
        await house.clock.sleep(60)
        async with house.running(second):
            await house.clock.sleep(HOUR_S)
        assert len(house.ended) == 1

    assert performed(play) == [("06-01 20:00", "ran"), ("06-01 20:05", "skipped: limit")]


PARIS = ZoneInfo("Europe/Paris")


def of_days(history: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return what became of the slots of each day in Paris."""
    days: dict[str, list[str]] = {}
    for when, what in history:
        local = at(when).astimezone(PARIS)
        days.setdefault(f"{local:%m-%d}", []).append(f"{local:%H:%M} {what}")
    return days


@pytest.mark.parametrize(("start", "first"), [("02-28 23:00", "03-01"), ("09-30 22:00", "10-01")])
def test_days_and_a_month_have_their_money_also_when_summer_time_begins_and_ends(
    tmp_path: Path, start: str, first: str
) -> None:
    """A day has enough for one show, the month for twenty; a day in UTC would have the wrong two together."""

    async def play(house: House) -> None:
        calendar = house.calendar(purse=house.purse(Allowance(Decimal(2), Decimal(40), PARIS)))
        await calendar.admit(scenario(tmp_path, "dear", entry("15 0 * * *", "Europe/Paris")))
        await calendar.admit(scenario(tmp_path, "also", entry("45 23 * * *", "Europe/Paris")))
        async with house.running(calendar):
            await house.clock.sleep(33 * DAY_S)

    days = of_days(performed(play, start=start, most={"dear": Decimal(2), "also": Decimal(2)}, length_s=600))

    month, following = first[:2], f"{int(first[:2]) + 1:02}"
    enough, too_much = ["00:15 ran", "23:45 skipped: budget"], ["00:15 skipped: budget", "23:45 skipped: budget"]
    assert [days[f"{month}-{day:02}"] for day in range(1, 32)] == [enough] * 20 + [too_much] * 11
    assert days[f"{following}-01"] == enough


def of_one_day(tmp_path: Path, allowance: Allowance, crons: Mapping[str, str], **house: Any) -> list[str]:
    """Return what became of each slot of a day that has so much money."""

    async def play(place: House) -> None:
        calendar = place.calendar(purse=place.purse(allowance))
        for name, cron in crons.items():
            await calendar.admit(scenario(tmp_path, name, entry(cron)))
        async with place.running(calendar):
            await place.clock.sleep(DAY_S - 60)

    return [f"{when[6:]} {what}" for when, what in performed(play, **house)]


def test_what_a_show_did_not_cost_is_there_for_the_next(tmp_path: Path) -> None:
    """Each may cost 4 of the day's 10, and costs 1.5: before the sixth 7.5 are spent. What is free is always given."""

    found = of_one_day(
        tmp_path, Allowance(per_day=Decimal(10)), {"hourly": "0 1-6 * * *", "free": "30 6 * * *"},
        most={"hourly": Decimal(4)}, costs={"hourly": Decimal("1.5")},
    )  # fmt: skip
    assert found == [
        "01:00 ran", "02:00 ran", "03:00 ran", "04:00 ran", "05:00 ran", "06:00 skipped: budget", "06:30 ran",
    ]  # fmt: skip


def test_while_a_show_is_on_all_that_it_may_cost_is_held_back(tmp_path: Path) -> None:
    found = of_one_day(
        tmp_path, Allowance(per_month=Decimal(5)), {"first": "0 20 1 * *", "other": "5,15 20 1 * *"},
        most={"first": Decimal(4), "other": Decimal(2)}, costs={"first": Decimal(1)},
    )  # fmt: skip
    assert found == ["20:00 ran", "20:05 skipped: budget", "20:15 ran"]


@pytest.mark.parametrize(
    ("overlap", "limit", "expected", "ended"),
    [
        ("replace", 4, "21:00 skipped: budget", 1),  # the one that is on the air is not ended for one that can't be
        ("replace", 8, "21:00 ran", 1),
        ("queue", 4, "21:00 skipped: budget", 1),  # its turn comes when the first has cost it all
        ("queue", 8, "21:00 caught_up", 2),
    ],
)
def test_no_show_is_ended_for_money_and_one_that_waits_is_paid_when_its_turn_comes(
    tmp_path: Path, overlap: str, limit: int, expected: str, ended: int
) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(purse=house.purse(Allowance(per_day=Decimal(limit))))
        await calendar.admit(scenario(tmp_path, "long", entry("0 20,21 * * *", overlap=overlap, count=2)))
        async with house.running(calendar):
            await house.clock.sleep((at("06-01 23:30") - house.clock.now()).total_seconds())
            assert [plan.key for plan in calendar.unpaid] == (["long"] if "budget" in expected else [])
            await house.clock.sleep(DAY_S)
        assert len([show for show in house.ended if "20260601" in show]) == ended

    found = [f"{when} {what}" for when, what in performed(play, most={"long": Decimal(4)}, length_s=1.2 * HOUR_S)]

    assert found[:2] == ["06-01 20:00 ran", f"06-01 {expected}"]
    # What was skipped is not one of the two that were ordered.
    assert found[2:] == (["06-02 20:00 ran"] if "budget" in expected else [])


def test_of_a_show_asked_for_by_hand_it_is_said_why_it_is_too_dear_and_it_is_given_all_the_same(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar = house.calendar(purse=house.purse(Allowance(per_day=Decimal("2.5"))), step_s=1.0)
        await calendar.admit(scenario(tmp_path, "dear"))
        async with house.running(calendar):
            answers = []
            for over_budget in (False, True):
                request = await house.ledger.ask("dear", house.clock.now(), over_budget=over_budget)
                calendar._version = -1  # the number that tells of other processes' writing does not change for our own
                await house.clock.sleep(5)
                answers.append(await house.ledger.answer_to(request))
            day, _ = await house.ledger.standings(Allowance().periods(house.clock.now()))
            assert day.held == 3
        assert answers == [
            "refused: 2.5 of the day's 2.5 is left, and the show may cost 3; --over-budget gives it all the same",
            "show dear-by-hand-0",
        ]

    assert performed(play, most={"dear": Decimal(3)}) == [("by hand", "ran")]


def test_what_a_show_cost_that_died_counts_and_is_held_for_as_long_as_it_may_go_on(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        purse = house.purse(Allowance(per_day=Decimal(5)))
        first = house.calendar("first", purse=purse)
        on, later = scenario(tmp_path, "on", entry()), scenario(tmp_path, "later", entry("8,30,50 20 * * *"))
        for plan in (on, later):
            await first.admit(plan)
        running = asyncio.create_task(first.run(asyncio.Event()))
        await house.clock.sleep((at("06-01 20:05") - house.clock.now()).total_seconds())
        await kill(running)
        house.dead.add("first")
        second = house.calendar("second", purse=purse)
        for plan in (later, on):
            await second.admit(plan)
        async with house.running(second):
            await house.clock.sleep(HOUR_S)
        day, _ = await purse.standings(house.clock.now())
        assert stands(day) == "5 spent, 0 held"

    most = {"on": Decimal(4), "later": Decimal(2)}
    found = performed(play, most=most, costs={"on": Decimal(3)})

    assert [f"{when[6:]} {what}" for when, what in found] == [
        "20:00 ran", "20:08 skipped: budget", "20:30 ran", "20:50 skipped: budget",
    ]  # fmt: skip


def test_a_slot_that_was_left_by_the_dead_is_paid_by_its_heir_or_skipped(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        purse = house.purse(Allowance(per_day=Decimal(5)))
        now = house.clock.now()
        outcomes: tuple[tuple[str, Outcome], ...] = (("held", "ran"), ("waits", "queued"))
        for key, outcome in outcomes:
            show = f"{key}-20260601-200000z"
            written = Entry(key, at("06-01 20:00"), None, "0 20 * * * UTC", outcome, "", show, Decimal(3))
            await house.ledger.record([written], owner="dead", now=now, periods=purse.periods(now))
        house.dead.add("dead")
        calendar = house.calendar(purse=purse)
        for key in ("held", "waits"):
            await calendar.admit(scenario(tmp_path, key, entry()))
        async with house.running(calendar):
            await house.clock.sleep(HOUR_S)
        assert [plan.key for plan in calendar.unpaid] == ["waits"]
        restarted = house.calendar("restarted", purse=purse)
        await restarted.admit(scenario(tmp_path, "waits", entry()))
        assert [plan.key for plan in restarted.unpaid] == ["waits"]

    most = {"held": Decimal(3), "waits": Decimal(3)}
    found = performed(play, most=most, start="06-01 20:00")

    assert [what for _, what in found] == ["ran", "skipped: budget"]


def test_a_calendar_that_does_not_get_to_look_is_not_on_watch(tmp_path: Path) -> None:
    """A ledger that never answers is what a watchdog is for: the loop turns, and no slot would be handled."""

    async def play(house: House) -> None:
        answering = asyncio.Event()
        answering.set()

        class SilentLedger(MoodyLedger):
            async def version(self) -> int:
                await answering.wait()
                return 0

        house.ledger = SilentLedger()
        calendar = house.calendar(step_s=1.0)
        await calendar.admit(scenario(tmp_path, "friday", entry()))
        seen = []
        async with house.running(calendar):
            await house.clock.sleep(HOUR_S)
            seen.append(calendar.is_on_watch)
            answering.clear()
            await house.clock.sleep(HOUR_S)
            seen.append(calendar.is_on_watch)
            answering.set()
            await house.clock.sleep(2.0)
            seen.append(calendar.is_on_watch)
        assert seen == [True, False, True]
        assert calendar.is_on_watch, "it ends its shows, however long that takes"

    performed(play)


def until(house: House, when: str) -> Awaitable[None]:
    return house.clock.sleep((at(when) - house.clock.now()).total_seconds())


@pytest.mark.parametrize(("back", "expected"), [("20:44", "caught_up"), ("20:46", MISSED)])
def test_a_stopped_calendar_gives_its_shows_to_their_end_and_leaves_slots_to_the_next(
    tmp_path: Path, back: str, expected: str
) -> None:
    async def play(house: House) -> None:
        long, late = (
            scenario(tmp_path, "long", entry("0,50 20 * * *")),
            scenario(tmp_path, "late", entry("40 20 * * *")),
        )
        first = house.calendar("first")
        await first.admit(long)
        await first.admit(late)
        async with house.running(first, cut=asyncio.Event()):
            await until(house, "06-01 20:10")
        assert house.clock.now() == at("06-01 20:42"), "its show ran to its end, and it waited for no other"
        assert (house.begun, house.ended) == (["long-20260601-200000z"], ["long-20260601-200000z"])
        assert await house.history() == [("06-01 20:00", "ran"), ("06-01 20:40", "queued")]
        house.dead.add("first")
        await until(house, f"06-01 {back}")
        second = house.calendar("second")
        await second.admit(late)
        async with house.running(second):
            await house.clock.sleep(HOUR_S)

    assert performed(play, lengths_s={"long": 42 * 60}) == [("06-01 20:00", "ran"), ("06-01 20:40", expected)]


def test_of_the_slots_that_come_while_shows_end_the_newest_waits_for_the_next_calendar(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        often, long = (
            scenario(tmp_path, "often", entry("*/5 20 * * *", grace_s=400)),
            scenario(tmp_path, "long", entry()),
        )
        first = house.calendar("first")
        await first.admit(long)
        await first.admit(often)
        async with house.running(first, cut=asyncio.Event()):
            await until(house, "06-01 20:02")
        house.dead.add("first")
        await first.withdraw("often")

    shutdown = "skipped: shutdown"
    found = performed(play, length_s=60.0, lengths_s={"long": 16.5 * 60})

    assert found == [
        *[("06-01 20:00", "ran")] * 2, *[(f"06-01 20:{minute}", shutdown) for minute in ("05", "10")],
        ("06-01 20:15", "queued"),
    ]  # fmt: skip


def test_a_stopped_calendar_that_is_cut_ends_its_shows_politely(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        calendar, cut = house.calendar(), asyncio.Event()
        await calendar.admit(scenario(tmp_path, "friday", entry()))
        async with house.running(calendar, cut=cut) as stop:
            await until(house, "06-01 20:01")
            stop.set()
            await until(house, "06-01 20:02")
            assert await endings(house) == [""]
            cut.set()
        assert house.clock.now() == at("06-01 20:02")
        assert await endings(house) == ["interrupted"]

    assert performed(play) == [("06-01 20:00", "ran")]


def test_while_shows_end_nobody_gets_one_by_hand_and_nothing_that_waits_or_was_broken_off_starts(
    tmp_path: Path,
) -> None:
    async def play(house: House) -> None:
        queued = scenario(tmp_path, "queued", entry("0,5 20 * * *", overlap="queue", grace_s=3600))
        long, broken = (
            scenario(tmp_path, "long", entry("0 20 * * *")),
            scenario(tmp_path, "broken", entry("1 20 * * *")),
        )
        calendar = house.calendar(step_s=30.0)
        for plan in (queued, long):
            await calendar.admit(plan)
        async with house.running(calendar, cut=asyncio.Event()) as stop:
            await until(house, "06-01 20:00:30")
            stop.set()
            await die_on_the_air(house, broken, "06-01 20:02")
            request = await house.ledger.ask("queued", house.clock.now())
            calendar._version = -1  # the number that tells of other processes' writing does not change for our own
            await until(house, "06-01 20:20")
            assert await house.ledger.answer_to(request) == "refused: it ends its shows, and starts none"
        assert sorted(house.begun) == ["broken-20260601-200100z", "long-20260601-200000z", "queued-20260601-200000z"]

    assert performed(play, start="06-01 19:59", lengths_s={"long": 1800.0}) == [
        ("06-01 20:00", "ran"), ("06-01 20:00", "ran"), ("06-01 20:01", "ran"), ("06-01 20:05", "queued"),
    ]  # fmt: skip


def test_a_slot_that_waited_for_the_next_calendar_needs_a_place_there(tmp_path: Path) -> None:
    async def play(house: House) -> None:
        first, second = house.calendar("first"), house.calendar("second", shows_at_once=1)
        long, late = scenario(tmp_path, "long", entry()), scenario(tmp_path, "late", entry("5 20 * * *"))
        for plan in (long, late):
            await first.admit(plan)
        async with house.running(first, cut=asyncio.Event()):
            await until(house, "06-01 20:01")
        house.dead.add("first")
        await second.admit(late)
        other = Entry("other", at("06-01 20:09"), None, "", "ran", "", "other-show")
        await house.ledger.record([other], owner="other", now=house.clock.now())
        async with house.running(second):
            await house.clock.sleep(1)

    assert performed(play, start="06-01 19:59") == [
        ("06-01 20:00", "ran"), ("06-01 20:05", "skipped: limit"), ("06-01 20:09", "ran"),
    ]  # fmt: skip
