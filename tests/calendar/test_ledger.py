import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from debate_caster.calendar.allowance import Allowance
from debate_caster.calendar.docket import Outcome
from debate_caster.calendar.ledger import APPLICATION_ID, Entry, Ledger
from debate_caster.errors import LogError
from tests.calendar.plans import at, stands

NOW = at("06-01 20:00")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger(tmp_path / "deep" / "calendar.db")
    yield ledger
    await ledger.aclose()


def slot(time: str = "06-01 20:00", outcome: Outcome = "ran") -> Entry:
    show = None if outcome == "skipped" else f"friday-{time}"
    return Entry("friday", at(time), at(time), "0 20 * * * UTC", outcome, "", show)


async def admit(ledger: Ledger, entries: str = "[1]") -> None:
    await ledger.admit("friday", title="Friday", path="friday.yaml", entries=entries, now=at("06-01 00:00"))


async def test_the_first_to_write_a_slot_has_it(ledger: Ledger) -> None:
    await admit(ledger)

    first = await ledger.record([slot()], handled_until={"friday": NOW}, owner="one", now=NOW)
    second = await ledger.record([slot(), slot("06-02 20:00")], handled_until={"friday": NOW}, owner="two", now=NOW)

    assert first == [slot()]
    assert second == [slot("06-02 20:00")]
    assert [row.owner for row in await ledger.history()] == ["two", "one"]


async def test_what_was_handled_never_goes_back(ledger: Ledger) -> None:
    await admit(ledger)
    await ledger.record([slot()], handled_until={"friday": NOW}, owner="us", now=NOW)
    await ledger.record([slot("05-31 20:00")], handled_until={"friday": at("05-31 20:00")}, owner="us", now=NOW)
    await ledger.change("friday", "[2]", at("05-01 00:00"))

    (row,) = await ledger.calendars()
    assert (row.handled_until, row.entries) == (NOW, "[2]")


async def test_being_admitted_again_keeps_schedule_place_and_pause(ledger: Ledger) -> None:
    await admit(ledger)
    await ledger.pause("friday", paused=True)
    row = await ledger.admit("friday", title="New", path="new.yaml", entries="[2]", now=at("07-01 00:00"))

    assert (row.title, row.path, row.entries, row.paused) == ("New", "new.yaml", "[1]", True)
    assert row.handled_until == at("06-01 00:00")
    assert not await ledger.pause("nobody", paused=True)


async def test_only_one_takes_over_the_show_of_the_dead(ledger: Ledger) -> None:
    await ledger.record([slot()], owner="dead", now=NOW)
    (orphan,) = await ledger.unfinished()

    assert orphan.show is not None
    assert await ledger.take_over(orphan.show, from_owner="dead", owner="one")
    assert not await ledger.take_over(orphan.show, from_owner="dead", owner="two")


async def test_a_show_ends_once_and_what_never_began_has_no_show(ledger: Ledger) -> None:
    await ledger.record([slot(), slot("06-02 20:00", "queued")], owner="us", now=NOW)
    await ledger.finish("friday-06-01 20:00", "completed", NOW)
    await ledger.finish("friday-06-01 20:00", "failed", NOW)
    await ledger.revise("friday-06-02 20:00", "skipped", "shutdown", NOW)

    later, earlier = await ledger.history("friday")
    assert (earlier.ending, earlier.ended_at) == ("completed", NOW)
    assert (later.outcome, later.why, later.show) == ("skipped", "shutdown", None)
    assert await ledger.unfinished() == []
    assert await ledger.started("friday") == {"0 20 * * * UTC": 1}


async def test_a_request_is_answered_once(ledger: Ledger) -> None:
    number = await ledger.ask("friday", NOW)

    assert [(request.id, request.scenario, request.asked_at) for request in await ledger.asked()] == [
        (number, "friday", NOW)
    ]
    assert await ledger.answer_to(number) is None
    assert await ledger.answer(number, "show x")
    assert not await ledger.answer(number, "show y")
    assert await ledger.answer_to(number) == "show x"
    assert await ledger.asked() == []


async def test_another_processs_writing_is_noticed(ledger: Ledger) -> None:
    before = await ledger.version()
    assert await ledger.version() == before
    other = Ledger(ledger.path)
    await admit(other)
    await other.aclose()

    assert await ledger.version() != before


@pytest.mark.parametrize(
    ("pragma", "said"), [("application_id = 7", "another program's"), ("user_version = 99", "newer debate-caster")]
)
async def test_a_file_that_is_not_ours_to_write_is_left_alone(tmp_path: Path, pragma: str, said: str) -> None:
    path = tmp_path / "strange.db"
    with sqlite3.connect(path) as strange:
        strange.execute(f"PRAGMA {pragma}")
        strange.execute("CREATE TABLE theirs (x)")
    strange.close()
    ledger = Ledger(path)
    with pytest.raises(LogError, match=said):
        await ledger.calendars()
    await ledger.aclose()


async def test_a_damaged_file_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "calendar.db"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    ledger = Ledger(path)
    with pytest.raises(LogError, match="file is not a database"):
        await ledger.calendars()
    await ledger.aclose()


FIRST_VERSION = """
PRAGMA user_version = 1;
CREATE TABLE calendars (
  scenario TEXT PRIMARY KEY, title TEXT NOT NULL, path TEXT NOT NULL, entries TEXT NOT NULL, handled INTEGER NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE occurrences (
  id INTEGER PRIMARY KEY AUTOINCREMENT, scenario TEXT NOT NULL, slot INTEGER, due INTEGER, rule TEXT NOT NULL,
  outcome TEXT NOT NULL, why TEXT NOT NULL, show TEXT UNIQUE, owner TEXT NOT NULL, decided INTEGER NOT NULL,
  ended INTEGER, ending TEXT NOT NULL DEFAULT '', UNIQUE (scenario, slot)
) STRICT;
CREATE TABLE requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT, scenario TEXT NOT NULL, asked INTEGER NOT NULL, answer TEXT
) STRICT;
INSERT INTO requests (scenario, asked) VALUES ('friday', 1780000000000);
INSERT INTO occurrences (scenario, rule, outcome, why, show, owner, decided)
  VALUES ('friday', '', 'ran', '', 'old-show', 'dead', 1780000000000);
"""


async def test_a_file_of_the_first_version_keeps_what_it_has_and_counts_money_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "calendar.db"
    with closing(sqlite3.connect(path)) as old:
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.executescript(FIRST_VERSION)
    first, second = Ledger(path), Ledger(path)
    try:
        (request,) = await first.asked()
        assert (request.scenario, request.over_budget) == ("friday", False)
        await second.ask("friday", NOW, over_budget=True)
        assert [one.over_budget for one in await first.asked()] == [False, True]
        assert [one.show for one in await second.unfinished()] == ["old-show"]
        await first.finish("old-show", "completed", NOW)
        await first.settle("old-show", Decimal("1.25"), NOW)
        day, _ = await second.standings(Allowance().periods(NOW))
        assert stands(day) == "1.25 spent, 0 held"
    finally:
        await first.aclose()
        await second.aclose()


async def test_a_history_of_months_is_not_read_to_find_what_is_on_the_air(ledger: Ledger) -> None:
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    shows = [replace(slot(), slot=at("01-01 00:00") + timedelta(hours=n), show=f"friday-{n}") for n in range(300)]
    await ledger.record(shows, owner="us", now=NOW)
    for entry in shows[:-2]:
        await ledger.finish(str(entry.show), "complete", NOW)
    await ledger._file.run(lambda db: db.set_progress_handler(step, 1))

    on_air = await ledger.unfinished()

    assert [row.show for row in on_air] == ["friday-298", "friday-299"]
    assert steps < 200
