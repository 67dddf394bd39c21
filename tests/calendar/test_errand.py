from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from debate_caster.calendar.allowance import Allowance
from debate_caster.calendar.errand import errand, slot_of
from debate_caster.calendar.ledger import IN_MEMORY, Entry, Ledger
from debate_caster.calendar.owners import Owners
from debate_caster.calendar.purse import Purse
from debate_caster.clock import ManualClock
from debate_caster.errors import SetupError
from debate_caster.scenario.script import Scenario
from debate_caster.show.spending import Spending
from tests.calendar.plans import at, entry, scenario, stands, told

SLOT = "06-01 20:00"


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    ledger = Ledger(IN_MEMORY)
    yield ledger
    await ledger.aclose()


async def sent(
    plan: Scenario, ledger: Ledger, folder: Path, *, now: str = SLOT, slot: str = "due", ending: str = "completed"
) -> str:
    """Run one errand; return the show's id, or why there was none."""
    async with errand(plan, slot, ledger=ledger, owners=Owners(folder / "owners"), clock=ManualClock(at(now))) as task:
        task.ending = ending
        return task.show or task.why


async def test_a_slot_is_given_once_whoever_comes(tmp_path: Path, ledger: Ledger) -> None:
    plan = scenario(tmp_path, "friday", entry())

    assert await sent(plan, ledger, tmp_path) == "friday-20260601-200000z"
    assert await sent(plan, ledger, tmp_path, now="06-01 20:03") == "that slot has been dealt with"
    assert [row.ending for row in await ledger.history()] == ["completed"]


async def test_what_becomes_of_a_slot_is_logged(tmp_path: Path, ledger: Ledger) -> None:
    structlog.reset_defaults()  # the calendar's other tests do without its lines
    with capture_logs() as lines:
        await sent(scenario(tmp_path, "friday", entry()), ledger, tmp_path)
        await sent(scenario(tmp_path, "off", entry(blackout=(date(2026, 6, 1),))), ledger, tmp_path)

    assert [{name: line[name] for name in line if name not in {"log_level", "late_s"}} for line in lines] == [
        {"event": "slot_started", "scenario": "friday", "slot": "2026-06-01T20:00:00Z", "how": "ran"},
        {"event": "show_over", "show": "friday-20260601-200000z", "ending": "completed"},
        {"event": "slot_skipped", "scenario": "off", "slot": "2026-06-01T20:00:00Z", "why": "blackout"},
    ]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("06-01 20:00", "friday-20260601-200000z"), ("06-01 20:05", "friday-20260601-200000z"),
        ("06-01 20:06", "no slot is due"), ("06-01 19:59", "no slot is due"), ("06-02 12:00", "no slot is due"),
    ],
)  # fmt: skip
async def test_due_is_the_newest_slot_within_its_grace(tmp_path: Path, ledger: Ledger, now: str, said: str) -> None:
    assert await sent(scenario(tmp_path, "friday", entry()), ledger, tmp_path, now=now) == said


async def test_the_ledger_has_the_schedule_as_it_is_now(tmp_path: Path, ledger: Ledger) -> None:
    await sent(scenario(tmp_path, "friday", entry("0 9 * * *")), ledger, tmp_path)
    await sent(scenario(tmp_path, "friday", entry("0 20 * * *")), ledger, tmp_path)

    (row,) = await ledger.calendars()
    assert "0 20 * * *" in row.entries


async def test_a_named_slot_must_be_one(tmp_path: Path, ledger: Ledger) -> None:
    plan = scenario(tmp_path, "friday", entry())

    assert await sent(plan, ledger, tmp_path, slot="2026-06-01T22:00+02:00") == "friday-20260601-200000z"
    for wrong in ("2026-06-01T20:01:00Z", "2026-06-01T20:00", "tomorrow"):
        with pytest.raises(SetupError, match="--slot"):
            slot_of(plan, wrong, at(SLOT))
    with pytest.raises(SetupError, match="no schedule"):
        slot_of(scenario(tmp_path, "plain"), "due", at(SLOT))


async def test_a_named_slot_that_is_long_over_is_recorded_as_missed(tmp_path: Path, ledger: Ledger) -> None:
    plan = scenario(tmp_path, "friday", entry())

    assert await sent(plan, ledger, tmp_path, now="06-05 00:00", slot="2026-06-01T20:00Z") == "skipped: missed"
    assert [told(row) for row in await ledger.history()] == [("06-01 20:00", "skipped: missed")]


async def test_pause_blackout_and_count_hold_here_too(tmp_path: Path, ledger: Ledger) -> None:
    dark = scenario(tmp_path, "dark", entry(blackout=(date(2026, 6, 1),)))
    once = scenario(tmp_path, "once", entry(count=1))
    assert await sent(dark, ledger, tmp_path) == "skipped: blackout"
    assert await sent(once, ledger, tmp_path) == "once-20260601-200000z"
    assert await sent(once, ledger, tmp_path, now="06-02 20:00") == "its 1 shows have been given"
    await ledger.pause("dark", paused=True)
    assert await sent(dark, ledger, tmp_path, now="06-02 20:00") == "skipped: paused"


async def test_a_show_that_still_runs_elsewhere_is_left_alone(tmp_path: Path, ledger: Ledger) -> None:
    plan, owners = scenario(tmp_path, "often", entry("*/5 * * * *")), Owners(tmp_path / "owners")
    clock = ManualClock(at(SLOT))
    async with errand(plan, "due", ledger=ledger, owners=owners, clock=clock) as first:
        assert first.show
        assert await sent(plan, ledger, tmp_path, now="06-01 20:05") == "skipped: overlap"
        first.ending = "completed"


async def test_a_slot_whose_process_died_is_taken_over(tmp_path: Path, ledger: Ledger) -> None:
    plan = scenario(tmp_path, "friday", entry())
    with Owners(tmp_path / "other").join() as dead:
        pass
    assert await sent(plan, ledger, tmp_path) == "friday-20260601-200000z"
    (row,) = await ledger.history()
    await ledger._write("UPDATE occurrences SET ended = NULL, owner = ? WHERE id = ?", (dead, row.id))

    assert await sent(plan, ledger, tmp_path, now="06-01 20:01") == "friday-20260601-200000z"


async def test_jitter_is_waited_for_by_whoever_gives_the_show(tmp_path: Path, ledger: Ledger) -> None:
    plan, clock = scenario(tmp_path, "friday", entry(jitter_s=3600)), ManualClock(at(SLOT))
    async with errand(plan, "due", ledger=ledger, owners=Owners(tmp_path / "o"), clock=clock) as task:
        assert task.show is not None
        (row,) = await ledger.history()
        assert row.due is not None
        assert timedelta() < row.due - at(SLOT) <= timedelta(hours=1)
        assert clock.now() == row.due


async def test_a_slot_that_is_to_come_is_written_down_when_it_has(tmp_path: Path, ledger: Ledger) -> None:
    """What waits is not on the air: other slots are given, and what is on the air by then counts."""

    class SlowClock(ManualClock):
        async def sleep(self, seconds: float) -> None:
            assert await ledger.history() == []
            await super().sleep(seconds)
            other = Entry("friday", None, None, "", "ran", "", "by-hand")
            await ledger.record([other], owner=living, now=self.now())

    plan, clock = scenario(tmp_path, "friday", entry("0 20,23 * * *")), SlowClock(at(SLOT))
    owners = Owners(tmp_path / "o")
    with owners.join() as living:
        async with errand(plan, "2026-06-01T23:00Z", ledger=ledger, owners=owners, clock=clock) as task:
            assert (task.show, task.why) == (None, "skipped: overlap")
    assert clock.now() == at("06-01 23:00")


async def test_a_slot_is_skipped_where_other_processes_have_all_the_places(tmp_path: Path, ledger: Ledger) -> None:
    owners, clock = Owners(tmp_path / "owners"), ManualClock(at(SLOT))
    first, other = (scenario(tmp_path, key, entry("*/5 * * * *")) for key in ("first", "other"))
    async with errand(first, "due", ledger=ledger, owners=owners, clock=clock, shows_at_once=1) as task:
        assert task.show
        async with errand(other, "due", ledger=ledger, owners=owners, clock=clock, shows_at_once=1) as late:
            assert (late.show, late.why) == (None, "skipped: limit")
    clock = ManualClock(at("06-01 20:05"))
    async with errand(other, "due", ledger=ledger, owners=owners, clock=clock, shows_at_once=1) as free:
        assert free.show


async def test_a_process_that_died_holds_no_place(tmp_path: Path, ledger: Ledger) -> None:
    with Owners(tmp_path / "owners").join() as dead:
        pass
    await ledger.record([Entry("gone", at(SLOT), None, "", "ran", "", "gone-show")], owner=dead, now=at(SLOT))
    owners, clock = Owners(tmp_path / "owners"), ManualClock(at(SLOT))

    async with errand(
        scenario(tmp_path, "next", entry()), "due", ledger=ledger, owners=owners, clock=clock, shows_at_once=1
    ) as task:
        assert task.show


async def test_a_slot_is_skipped_where_the_shows_of_others_may_cost_all_that_is_left(
    tmp_path: Path, ledger: Ledger
) -> None:
    owners, clock = Owners(tmp_path / "owners"), ManualClock(at(SLOT))
    first, other = (scenario(tmp_path, key, entry("*/5 * * * *")) for key in ("first", "other"))

    async def spending(show: str) -> Spending:
        return Spending(Decimal(1), at(SLOT)) if show.startswith("first") else Spending()

    purse = Purse(ledger, allowance=Allowance(per_day=Decimal(5)), most=lambda _: Decimal(3), spending=spending)
    async with errand(first, "due", ledger=ledger, owners=owners, clock=clock, purse=purse) as task:
        assert task.show
        async with errand(other, "due", ledger=ledger, owners=owners, clock=clock, purse=purse) as late:
            assert (late.show, late.why) == (None, "skipped: budget")
    clock = ManualClock(at("06-01 20:05"))
    async with errand(other, "due", ledger=ledger, owners=owners, clock=clock, purse=purse) as free:
        assert free.show
        day, _ = await purse.standings(clock.now())
        assert stands(day) == "1 spent, 3 held"


async def test_a_slot_that_waited_in_a_process_that_died_is_paid_by_who_takes_it_over(
    tmp_path: Path, ledger: Ledger
) -> None:
    with Owners(tmp_path / "owners").join() as dead:
        pass
    plan, show = scenario(tmp_path, "friday", entry()), "friday-20260601-200000z"
    waits = Entry("friday", at(SLOT), at(SLOT), "0 20 * * * UTC", "queued", "", show)
    await ledger.record([waits], owner=dead, now=at(SLOT))
    purse = Purse(ledger, allowance=Allowance(per_day=Decimal(5)), most=lambda _: Decimal(6))
    owners, clock = Owners(tmp_path / "owners"), ManualClock(at(SLOT))

    async with errand(plan, "due", ledger=ledger, owners=owners, clock=clock, purse=purse) as task:
        assert (task.show, task.why) == (None, "skipped: budget")
    assert [told(row) for row in await ledger.history()] == [("06-01 20:00", "skipped: budget")]
