import asyncio
import json
import tracemalloc
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from debate_caster.clock import ManualClock
from debate_caster.errors import FencedError, LogError
from debate_caster.log import MemoryEventLog
from debate_caster.stage.archive import AGENTS, SHOWS, Archive, Summaries, digest
from tests.stage.unwilling import UnwillingLog


async def test_what_was_noted_is_known_after_loading() -> None:
    log = MemoryEventLog()
    archive = Archive(log, ManualClock())
    await archive.note_opened("one", key="digest of a key")
    await archive.note_opened("two", key=None, replay=True)
    await archive.note_ended("one", {"id": "one", "title": "Über \ud83d"})
    assert await archive.admits("ada", "a secret")

    again = Archive(log, ManualClock())
    await again.load()

    assert list(again.opened) == ["one", "two"]
    assert (again.opened["one"].key, again.opened["two"].replay) == ("digest of a key", True)
    assert again.ended == {"one": {"id": "one", "title": "Über \ufffd"}}
    assert [await again.admits("ada", secret) for secret in ("a secret", "a guess", None)] == [True, False, False]


async def test_an_agent_without_a_secret_is_admitted_until_one_binds_the_id() -> None:
    archive = Archive(MemoryEventLog(), ManualClock())

    assert await archive.admits("ada", None)
    assert await archive.admits("ada", None)
    assert await archive.admits("ada", "mine")
    assert not await archive.admits("ada", None)


async def test_a_crowd_that_comes_at_once_is_noted_whole() -> None:
    log = MemoryEventLog()
    archive = Archive(log, ManualClock())

    assert all(await asyncio.gather(*(archive.admits(f"agent-{number}", "secret") for number in range(200))))
    assert await log.last_seq(AGENTS) == 200


async def test_two_stages_may_note_in_the_same_log() -> None:
    log = MemoryEventLog()
    archives = [Archive(log, ManualClock()) for _ in range(4)]

    await asyncio.gather(
        *(
            archive.note_opened(f"{name}-{number}", key=None)
            for name, archive in enumerate(archives)
            for number in range(4)
        )
    )

    assert await log.last_seq(SHOWS) == 16
    assert await archives[0].writable(), "that others have written since does not mean that we can't"


async def test_a_show_that_could_not_be_noted_is_not_known() -> None:
    log = UnwillingLog(MemoryEventLog())
    log.unwilling = True
    archive = Archive(log, ManualClock())

    with pytest.raises(LogError):
        await archive.note_opened("one", key=None)

    assert not archive.opened
    assert not await archive.writable()


async def test_a_show_that_is_forgotten_leaves_its_id_and_nothing_else() -> None:
    log = MemoryEventLog()
    archive, other = Archive(log, ManualClock()), Archive(log, ManualClock())
    for show in ("one", "two"):
        await archive.note_opened(show, key=f"digest of {show}'s key")
        for stream in (f"air/{show}", f"votes/{show}"):
            await log.append(stream, ["{}", "{}"], expect=0)
        await archive.note_ended(show, {"id": show, "motion": "A secret."})
    await other.load()

    await archive.forget("one")
    await archive.forget("one")
    await other.catch_up()
    later = Archive(log, ManualClock())
    await later.load()

    for known in (archive, other, later):
        assert (set(known.ended), set(known.opened), known.forgotten) == ({"two"}, {"one", "two"}, {"one"})
        assert not known.untold
    assert [info.name for info in await log.streams()] == ["stage/ended/two", "votes/two", "air/two", "stage/shows"]
    assert not any("A secret." in record.body for record in await log.read(SHOWS, 0))


async def test_a_show_that_somebody_writes_is_not_forgotten() -> None:
    class Writing(MemoryEventLog):
        async def forget(self, streams: Mapping[str, int]) -> None:
            await self.append("air/one", ["more"], expect=1)
            await super().forget(streams)

    log = Writing()
    archive = Archive(log, ManualClock())
    await archive.note_opened("one", key=None)
    await log.append("air/one", ["{}"], expect=0)
    await archive.note_ended("one", {"id": "one"})

    with pytest.raises(FencedError):
        await archive.forget("one")

    assert archive.ended == {"one": {"id": "one"}}
    assert await log.last_seq("air/one") == 2


async def test_who_died_before_it_could_say_what_it_removed_is_spoken_for() -> None:
    log = MemoryEventLog()
    archive, running = Archive(log, ManualClock()), Archive(log, ManualClock())
    await archive.note_opened("one", key=None)
    await log.append("air/one", ["{}"], expect=0)
    await archive.note_ended("one", {"id": "one"})
    await running.load()
    await log.forget({"air/one": 1, "stage/ended/one": 1})

    later = Archive(log, ManualClock())
    await later.load()
    assert (dict(later.ended), later.forgotten, later.untold) == ({}, {"one"}, {"one"})
    await later.forget("one")
    await running.catch_up()

    assert (dict(running.ended), running.forgotten, later.untold) == ({}, {"one"}, set())


async def test_summaries_of_stages_that_kept_them_with_the_other_facts_are_known_until_they_are_forgotten() -> None:
    log = MemoryEventLog()
    facts = [{"type": "show_opened", "show": "one"}, {"type": "show_ended", "show": "one", "summary": {"id": "one"}}]
    await log.append(SHOWS, [json.dumps(fact) for fact in facts], expect=0)
    archive = Archive(log, ManualClock())
    await archive.load()
    assert archive.ended == {"one": {"id": "one"}}

    await archive.forget("one")

    again = Archive(log, ManualClock())
    await again.load()
    assert (dict(again.ended), again.forgotten) == ({}, {"one"})


async def test_an_end_that_is_noted_twice_is_the_first() -> None:
    log = MemoryEventLog()
    for why in ("completed", "interrupted"):
        await Archive(log, ManualClock()).note_ended("one", {"id": "one", "why": why})

    archive = Archive(log, ManualClock())
    await archive.load()
    assert archive.ended == {"one": {"id": "one", "why": "completed"}}


def test_what_is_stored_of_a_secret_does_not_give_it_away() -> None:
    assert "mine" not in digest("mine")
    assert digest("mine") == digest("mine") != digest("yours")
    digest("\ud83d")  # whatever an agent sends


def test_summaries_are_kept_in_their_order_as_they_were_last() -> None:
    summaries = Summaries()
    for show in ("one", "two", "three"):
        summaries.keep(show, {"id": show, "agents": [{"name": "Zoë 🦉"}]})
    summaries.keep("one", {"id": "one", "why": "completed"})
    summaries.keep("five", {"id": "five", "replay": True})
    assert summaries.replays == {"five"}
    summaries.drop("five")
    summaries.drop("two")
    summaries.drop("four")

    assert list(reversed(summaries)) == ["three", "one"]
    assert [*summaries.values()] == [
        {"id": "one", "why": "completed"}, {"id": "three", "agents": [{"name": "Zoë 🦉"}]}
    ]  # fmt: skip
    assert ("two" in summaries, len(summaries), summaries.replays) == (False, 2, set())


def test_years_of_shows_are_known_in_little_memory() -> None:
    chance = Random(1)
    styles = [chance.randbytes(size).hex() for size in (300, 500, 1000, 2500)]  # alike in all shows, and long

    def of(number: int) -> dict[str, Any]:
        agents = [{"style": style, "room": f"bc_{number}"} for style in styles]
        return {"id": f"show-{number}", "motion": f"Motion {number}", "agents": agents, "verdict": None}

    archive = Archive(MemoryEventLog(), ManualClock())
    archive.ended.keep("show-0", of(0))
    tracemalloc.start()
    try:
        for number in range(1, 1001):
            archive.ended.keep(f"show-{number}", of(number))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert all(archive.ended[f"show-{number}"] == of(number) for number in (0, 1, 500, 1000))
    assert list(archive.ended)[-1] == "show-1000"
    assert held < 1000 * len(json.dumps(of(1))) / 6
