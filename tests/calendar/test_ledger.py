import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from debate_caster.calendar.docket import Outcome
from debate_caster.calendar.ledger import Entry, Ledger
from debate_caster.errors import LogError
from tests.calendar.plans import at

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
