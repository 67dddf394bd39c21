import asyncio

import pytest

from debate_caster.clock import ManualClock
from debate_caster.errors import LogError
from debate_caster.log import MemoryEventLog
from debate_caster.stage.archive import AGENTS, SHOWS, Archive, digest
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
    assert (again.opened["one"]["key_sha256"], again.opened["two"]["replay"]) == ("digest of a key", True)
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


def test_what_is_stored_of_a_secret_does_not_give_it_away() -> None:
    assert "mine" not in digest("mine")
    assert digest("mine") == digest("mine") != digest("yours")
    digest("\ud83d")  # whatever an agent sends
