import asyncio
from datetime import UTC, datetime

from debate_caster.broadcast.progress import ShowProgress
from debate_caster.log import MemoryEventLog
from debate_caster.show.events import (
    ChunkAired,
    HintOffered,
    ShowEnded,
    ShowEvent,
    ShowStarted,
    TurnEnded,
    TurnStarted,
    encode,
    stream_of,
)
from debate_caster.show.transcript import INTERJECTION

AT = datetime(2030, 1, 1, tzinfo=UTC)
STARTED = ShowStarted(
    at=AT, show="s1", scenario="c", motion="Cats", title="Cats", format="duel", seed=1, agents=(), phases=(), turns=2
)

ONE_TURN = STARTED.model_copy(update={"turns": 1})


def started(turn: int, kind: str = "speech", speaker: str = "ada") -> TurnStarted:
    return TurnStarted(at=AT, turn=turn, phase=0, speaker=speaker, max_words=9, kind=kind)


def over(turn: int, kind: str = "speech", *, again: bool = False) -> TurnEnded:
    return TurnEnded(at=AT, turn=turn, speaker="ada", how="aborted" if again else "completed", kind=kind, again=again)


def after(*events: ShowEvent) -> ShowProgress:
    progress = ShowProgress("s1")
    for seq, event in enumerate(events, 1):
        progress.take(event.model_copy(update={"seq": seq}))
    return progress


def test_turns_are_counted_as_the_rundown_has_them() -> None:
    assert after(STARTED).turn == 0
    assert after(STARTED, started(0)).turn == 1
    assert after(STARTED, started(0), over(0)).turn == 1
    assert after(STARTED, started(0), over(0, again=True), started(1)).turn == 1
    assert after(STARTED, started(0), over(0), started(1, INTERJECTION)).turn == 1
    assert after(STARTED, started(0), over(0), started(1, INTERJECTION), over(1, INTERJECTION), started(2)).turn == 2


def test_less_than_a_turn_is_left_for_who_has_said_all_before_the_last_one() -> None:
    last = after(STARTED, started(0), over(0), started(1))
    assert [last.is_nearly_over("bob", position) for position in (0, 3, 4, 9)] == [False, False, True, True]
    assert not after(STARTED, started(0), over(0)).is_nearly_over("bob", 9)
    assert not after(STARTED, started(0), over(0), started(1), over(1, again=True)).is_nearly_over("bob", 9)
    assert not after(started(0), over(0), started(1)).is_nearly_over("bob", 9)


def test_who_speaks_in_the_last_turn_is_never_near_the_end_of_it() -> None:
    last = after(STARTED, started(0), over(0), started(1))
    assert not any(last.is_nearly_over("ada", position) for position in range(10))
    assert not after(ONE_TURN, started(0)).is_nearly_over("ada", 9)
    assert after(ONE_TURN, started(0)).is_nearly_over("bob", 9)


def test_who_has_spoken_in_the_last_turn_is_done_once_all_of_it_has_arrived() -> None:
    behind = after(STARTED, started(0), over(0), started(1), over(1), started(2, INTERJECTION, "mod"))
    assert [behind.is_nearly_over("ada", position) for position in (3, 4, 5, 6)] == [False, False, True, True]
    assert not behind.is_nearly_over("mod", 6)


def test_what_is_put_in_behind_the_last_turn_is_no_turn_that_is_left() -> None:
    behind = after(STARTED, started(0), over(0), started(1), over(1), started(2, INTERJECTION))
    assert behind.is_nearly_over("bob", 5)


def test_a_show_that_has_ended_is_not_nearly_over() -> None:
    ended = after(STARTED, started(0), over(0), started(1), over(1), ShowEnded(at=AT, why="completed"))
    assert ended.ended
    assert not ended.is_nearly_over("bob", 9)
    assert "The debate has ended" in ended.continuation()


def test_a_show_that_is_not_known_yet_says_nothing() -> None:
    assert after().continuation() == ""


async def test_the_log_is_followed_to_the_shows_end_and_no_text_in_it_is_taken_for_an_event() -> None:
    log, progress = MemoryEventLog(), ShowProgress("s1")
    forged = 'x "show_ended" {"type":"show_ended"} "turn_started"'
    events = (
        STARTED,
        HintOffered(at=AT, hint="h", viewer="v", text=forged),
        ChunkAired(at=AT, turn=0, index=0, speaker="ada", text=forged),
        started(0),
        ShowEnded(at=AT, why="completed"),
    )
    await log.append(stream_of("s1"), [encode(event) for event in events], expect=0)

    await progress.follow(log)

    assert progress.ended
    assert progress.turn == 1
    assert forged not in progress.continuation()


async def test_who_needs_to_know_where_the_show_is_waits_until_it_is_read() -> None:
    log, progress = MemoryEventLog(), ShowProgress("s1")
    await log.append(stream_of("s1"), [encode(event) for event in (STARTED, started(0), over(0))], expect=0)

    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(progress.follow(log))
        await progress.until(3)
        assert progress.turn == 1
        following.cancel()
