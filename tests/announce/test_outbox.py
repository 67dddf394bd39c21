"""The outbox by itself: leases against clocks that are set, what is forgotten, and rows that nobody can read."""

import sqlite3
from contextlib import aclosing, closing
from datetime import timedelta
from pathlib import Path

from debate_caster.announce.outbox import KEPT, LEASE, Addressee, Outbox
from debate_caster.clock import EPOCH_OF_TESTS as NOW
from debate_caster.log.database import IN_MEMORY
from debate_caster.scenario.script import NoticeKind
from tests.announce.receivers import notice


def of(*receivers: str) -> list[Addressee]:
    return [(receiver, "friday") for receiver in receivers]


async def test_what_one_has_taken_no_other_gets_until_the_lease_is_over_or_it_is_let_go() -> None:
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        await outbox.put(["ada"], notice(), NOW)
        [parcel] = await outbox.take(of("ada"), NOW, limit=9)
        meanwhile = await outbox.take(of("ada"), NOW + LEASE / 2, limit=9)
        before = await outbox.take(of("ada"), NOW - timedelta(seconds=1), limit=9)
        [again] = await outbox.take(of("ada"), NOW + LEASE, limit=9)
        await outbox.let_go(again)
        [once_more] = await outbox.take(of("ada"), NOW + LEASE, limit=9)

    assert (meanwhile, before) == ([], [])
    assert parcel == again == once_more


async def test_a_clock_that_was_set_back_by_hours_holds_nothing_up() -> None:
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        await outbox.put(["ada"], notice(), NOW)
        await outbox.take(of("ada"), NOW + timedelta(hours=2), limit=9)

        assert len(await outbox.take(of("ada"), NOW, limit=9)) == 1


async def test_only_whose_turn_it_is_and_so_many_are_taken() -> None:
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        for show in ("one", "two"):
            await outbox.put(["ada", "ben", "cy"], notice(show=show), NOW)
        parcels = await outbox.take(of("ada", "ben"), NOW, limit=1)
        others = await outbox.take(of("ada", "ben"), NOW, limit=9)
        waiting = await outbox.waiting(of("ada", "cy"))

    assert [(parcel.receiver, parcel.notice.show.id) for parcel in parcels] == [("ada", "one")]
    assert [(parcel.receiver, parcel.notice.show.id) for parcel in others] == [("ben", "one"), ("ada", "two")]
    assert waiting == 4


async def test_whom_nothing_failed_for_comes_first_however_much_else_waits_for_who_failed() -> None:
    later = NOW + timedelta(minutes=1)
    said: list[tuple[NoticeKind, str]] = [("live", "one"), ("ended", "one"), ("live", "two")]
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        for kind, show in said:
            await outbox.put(["dead"], notice(kind, show=show), NOW)
        [first] = await outbox.take(of("dead"), NOW, limit=9)
        await outbox.put_off(first, later)
        await outbox.put(["well"], notice(show="three"), NOW)
        at_once = await outbox.take(of("dead", "well"), NOW, limit=1)
        others = await outbox.take(of("dead", "well"), NOW, limit=9)
        [again] = await outbox.take(of("dead"), later, limit=1)

    assert [parcel.receiver for parcel in at_once] == ["well"]
    assert [(parcel.receiver, parcel.notice.id) for parcel in others] == [("dead", "two.live")]
    assert again.notice.id == "one.live", "in order"


async def test_what_is_done_is_remembered_for_a_month_and_then_forgotten() -> None:
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        await outbox.put(["ada"], notice(), NOW)
        [parcel] = await outbox.take(of("ada"), NOW, limit=9)
        await outbox.close_case(parcel, "delivered")
        await outbox.expire(NOW + KEPT)
        remembered = await outbox.put(["ada"], notice(), NOW)
        await outbox.expire(NOW + KEPT + timedelta(seconds=1))
        forgotten = await outbox.put(["ada"], notice(), NOW)

    assert (remembered, forgotten) == (0, 1)


async def test_what_expires_is_named_unless_somebody_is_just_delivering_it() -> None:
    late = NOW + timedelta(hours=1)
    async with aclosing(Outbox(IN_MEMORY)) as outbox:
        await outbox.put(["ada"], notice("live"), NOW)
        await outbox.put(["ben"], notice("live"), NOW)
        await outbox.take(of("ben"), late - timedelta(seconds=1), limit=9)

        assert await outbox.expire(late) == [("live", "friday-1")]
        assert await outbox.waiting(of("ada", "ben")) == 1


async def test_a_row_that_a_newer_program_wrote_holds_up_no_other(tmp_path: Path) -> None:
    path = tmp_path / "announcements.db"
    async with aclosing(Outbox(path)) as outbox:
        await outbox.put(["ada"], notice(), NOW)
        await outbox.put(["ben"], notice(), NOW)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("UPDATE announcements SET notice = '{\"type\": \"cancelled\"}' WHERE receiver = 'ada'")
        parcels = await outbox.take(of("ada", "ben"), NOW, limit=9)
        waiting = await outbox.waiting(of("ada", "ben"))

    assert [parcel.receiver for parcel in parcels] == ["ben"]
    assert waiting == 1, "nobody waits for it to be told"
