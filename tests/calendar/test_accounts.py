"""The accounts are looked at through the ledger, whose transactions they live in."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.calendar.accounts import LARGEST, SCHEMA, Books
from debate_caster.calendar.allowance import Allowance, Period
from debate_caster.calendar.ledger import IN_MEMORY, Entry, Ledger
from tests.calendar.plans import at, stands

NOW = at("06-30 20:00")


def periods(per_day: str | None = None, per_month: str | None = None, *, now: str = "06-30 20:00") -> list[Period]:
    day, month = (None if limit is None else Decimal(limit) for limit in (per_day, per_month))
    return list(Allowance(day, month).periods(at(now)))


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    ledger = Ledger(IN_MEMORY)
    yield ledger
    await ledger.aclose()


async def held(ledger: Ledger, show: str, money: str | None, limits: list[Period]) -> bool:
    most = None if money is None else Decimal(money)
    return await ledger.hold(show, most, owner="us", now=NOW, periods=limits) is None


async def test_a_limit_is_reached_to_the_last_fraction_and_not_passed(ledger: Ledger) -> None:
    for number in range(3):
        assert await held(ledger, f"s{number}", "0.1", periods("0.30000001"))

    assert await held(ledger, "small", "0.00000001", periods("0.30000001"))
    assert not await held(ledger, "smaller", "0.000000001", periods("0.30000001"))


async def test_what_was_spent_counts_in_the_place_of_what_was_held(ledger: Ledger) -> None:
    assert await held(ledger, "first", "5", periods("6"))
    assert not await held(ledger, "second", "2", periods("6"))
    await ledger.settle("first", Decimal("3.5"), NOW)
    assert await held(ledger, "second", "2", periods("6"))

    day, month = await ledger.standings(periods("6"))
    assert (stands(day), day.left) == ("3.5 spent, 2 held", Decimal("0.5"))
    assert (stands(month), month.left) == ("3.5 spent, 2 held", None)


async def test_a_show_counts_for_every_day_on_which_it_may_have_spent(ledger: Ledger) -> None:
    assert await held(ledger, "over midnight", "5", periods())
    assert not await held(ledger, "next", "2", periods("6", now="07-01 00:10"))
    await ledger.settle("over midnight", Decimal(5), at("06-30 23:59"))

    assert await held(ledger, "next", "2", periods("6", now="07-01 00:10"))
    assert not await held(ledger, "today", "2", periods("6"))


async def test_a_limit_for_the_month_holds_over_its_days(ledger: Ledger) -> None:
    for day in (1, 12, 29):
        await ledger.settle(f"s{day}", Decimal(3), at(f"06-{day:02} 20:00"))

    assert not await held(ledger, "one too many", "1.01", periods("5", "10"))
    assert await held(ledger, "one more", "1", periods("5", "10"))


async def test_a_show_that_is_free_starts_although_more_was_spent_than_is_allowed(ledger: Ledger) -> None:
    await ledger.settle("dear", Decimal(9), NOW)

    assert await held(ledger, "free", "0", periods("6"))
    assert not await held(ledger, "cheap", "0.01", periods("6"))


async def test_a_show_of_which_nobody_knows_the_cost_starts_only_where_nothing_is_limited(ledger: Ledger) -> None:
    shortage = await ledger.hold("who knows", None, owner="us", now=NOW, periods=periods(None, "6"))

    assert str(shortage) == "6 of the month's 6 is left, and nobody knows what the show costs"
    assert await held(ledger, "who knows", None, periods())


async def test_the_reason_says_what_is_left_and_what_is_needed(ledger: Ledger) -> None:
    await ledger.settle("before", Decimal("4.75"), NOW)
    shortage = await ledger.hold("next", Decimal("1.50"), owner="us", now=NOW, periods=periods("5", "100"))

    assert str(shortage) == "0.25 of the day's 5 is left, and the show may cost 1.5"


async def test_a_show_that_goes_on_is_held_as_before_and_is_settled_anew(ledger: Ledger) -> None:
    assert await held(ledger, "broken off", "4", periods("4"))
    assert await held(ledger, "broken off", "3", periods("4"))
    await ledger.settle("broken off", Decimal(1), NOW)
    assert await held(ledger, "broken off", "3", periods())

    (day, _) = await ledger.standings(periods("4"))
    assert stands(day) == "0 spent, 4 held"


async def test_what_never_began_holds_nothing(ledger: Ledger) -> None:
    entry = Entry("friday", NOW, NOW, "", "ran", "", "friday-show", Decimal(4))
    await ledger.record([entry], owner="us", now=NOW, periods=periods("4"))
    assert not await held(ledger, "other", "4", periods("4"))
    await ledger.revise("friday-show", "skipped", "shutdown", NOW)

    assert await held(ledger, "other", "4", periods("4"))


async def test_a_slot_that_waits_holds_nothing_yet(ledger: Ledger) -> None:
    entry = Entry("friday", NOW, NOW, "", "queued", "", "friday-show", Decimal(4))
    await ledger.record([entry], owner="us", now=NOW, periods=periods("4"))

    assert await held(ledger, "other", "4", periods("4"))


async def test_of_slots_written_together_those_start_that_can_be_paid(ledger: Ledger) -> None:
    entries = [Entry(f"s{n}", NOW, NOW, "", "ran", "", f"s{n}-show", Decimal(n)) for n in (3, 2, 1)]
    written = await ledger.record(entries, owner="us", now=NOW, periods=periods("4.5"))

    assert [(entry.outcome, entry.why) for entry in written] == [("ran", ""), ("skipped", "budget"), ("ran", "")]
    assert await ledger.record(entries, owner="other", now=NOW, periods=periods("4.5")) == []
    (day, _) = await ledger.standings(periods("4.5"))
    assert day.held == 4


async def test_who_takes_a_show_over_has_its_account(ledger: Ledger) -> None:
    entry = Entry("friday", NOW, NOW, "", "ran", "", "friday-show", Decimal(4))
    await ledger.record([entry], owner="dead", now=NOW)
    assert await ledger.unsettled() == []
    await ledger.take_over("friday-show", from_owner="dead", owner="heir")
    await ledger.finish("friday-show", "completed", NOW)

    assert await ledger.unsettled() == [("friday-show", "heir")]


@given(
    costs=st.lists(st.decimals(0, 3, places=8), max_size=12),
    limit=st.decimals(0, 9, places=4),
)
def test_no_order_of_shows_is_held_to_cost_more_than_the_limit(costs: list[Decimal], limit: Decimal) -> None:
    with closing(sqlite3.connect(IN_MEMORY, isolation_level=None)) as db:
        db.executescript(SCHEMA)
        counted = Decimal(0)
        for number, cost in enumerate(costs):
            books = Books(db, periods(str(limit)))  # as another process would, that has read nothing before
            if (shortage := books.shortage(cost)) is None:
                books.hold(str(number), cost, owner="us", now=NOW)
                counted += cost
                assert counted <= limit
            else:
                assert counted + cost > limit
                assert shortage.standing.left == limit - counted


async def test_a_sum_that_no_file_could_keep_is_kept_as_the_largest(ledger: Ledger) -> None:
    for number in range(50):
        await ledger.hold(f"s{number}", Decimal(10) ** 30, owner="us", now=NOW + timedelta(1), periods=periods())

    (day, _) = await ledger.standings(periods())
    assert day.held == 50 * LARGEST
