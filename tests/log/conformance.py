"""What every event log must do. A back-end's test module makes a class of it and says how its log is opened."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from debate_caster.errors import FencedError, ForgottenError, LogError
from debate_caster.log import EventLog, MemoryEventLog, Record

BODY = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(['{"type":"chunk_aired","text":"\\u2028 \\r\\n"}', "\x00", "é\U0001f399", "{}"]),
)
STREAM = st.sampled_from(["air/a", "air/b", "show/a", "é/%_"])
APPENDS = st.lists(
    st.tuples(
        STREAM,
        st.lists(BODY, max_size=4),
        st.integers(-1, 1),  # how far the expected place is from the true one
        st.integers(0, 2),  # epoch
    ),
    max_size=25,
)


async def attempt(log: EventLog, stream: str, bodies: Iterable[str], expect: int, epoch: int) -> int | type[Exception]:
    try:
        return await log.append(stream, list(bodies), expect=expect, epoch=epoch)
    except LogError as exc:
        return type(exc)


async def end_of(log: EventLog, stream: str) -> int:
    try:
        return await log.last_seq(stream)
    except ForgottenError:
        return 0


async def attempt_to_forget(log: EventLog, ends: dict[str, int]) -> type[Exception] | None:
    try:
        await log.forget(ends)
    except LogError as exc:
        return type(exc)
    return None


async def collect(records: AsyncIterator[Record], number: int) -> list[Record]:
    return [await anext(records) for _ in range(number)]


class EventLogConformance(ABC):
    @abstractmethod
    def open_log(self) -> AbstractAsyncContextManager[EventLog]:
        """Open an empty log; leaving closes it."""

    async def test_sequence_numbers_count_from_1_in_each_stream(self) -> None:
        async with self.open_log() as log:
            assert await log.append("a", ["1", "2"], expect=0) == 2
            assert await log.append("b", ["x"], expect=0) == 1
            assert await log.append("a", ["3"], expect=2) == 3

            assert await log.read("a", 0) == [Record(1, "1"), Record(2, "2"), Record(3, "3")]
            assert await log.last_seq("a") == 3
            assert await log.last_seq("b") == 1

    async def test_an_unknown_stream_is_empty(self) -> None:
        async with self.open_log() as log:
            assert await log.read("nothing", 0) == []
            assert await log.last_seq("nothing") == 0
            assert await log.streams() == []

    async def test_reading_starts_above_after_and_stops_at_limit(self) -> None:
        async with self.open_log() as log:
            await log.append("a", [str(number) for number in range(1, 11)], expect=0)

            assert [record.seq for record in await log.read("a", 3, limit=4)] == [4, 5, 6, 7]
            assert [record.seq for record in await log.read("a", 8)] == [9, 10]
            assert await log.read("a", 10) == []
            assert await log.read("a", 2**70) == []
            assert len(await log.read("a", -5)) == 10
            assert await log.read("a", 0, limit=0) == []

    async def test_only_the_writer_that_knows_the_end_may_write(self) -> None:
        async with self.open_log() as log:
            await log.append("a", ["1"], expect=0)

            for expect in (0, 2, -1):
                with pytest.raises(FencedError):
                    await log.append("a", ["late"], expect=expect)

            assert await log.read("a", 0) == [Record(1, "1")]

    async def test_of_many_writers_one_wins_each_place(self) -> None:
        async with self.open_log() as log:
            for place in range(5):
                results = await asyncio.gather(*(attempt(log, "a", [f"{n}"], place, 0) for n in range(8)))
                assert sorted(map(str, results)) == sorted([str(place + 1), *[str(FencedError)] * 7])

            assert [record.seq for record in await log.read("a", 0)] == [1, 2, 3, 4, 5]

    async def test_a_past_epoch_can_add_nothing(self) -> None:
        async with self.open_log() as log:
            await log.append("a", ["1"], expect=0, epoch=1)
            await log.append("a", ["2"], expect=1, epoch=2)

            with pytest.raises(FencedError, match="epoch 1 is over"):
                await log.append("a", ["3"], expect=2, epoch=1)

    async def test_appending_nothing_only_asks_whether_one_may(self) -> None:
        async with self.open_log() as log:
            assert await log.append("a", [], expect=0, epoch=7) == 0
            assert await log.streams() == []
            with pytest.raises(FencedError):
                await log.append("a", [], expect=1)
            await log.append("a", ["1"], expect=0, epoch=0)

    async def test_what_has_no_utf8_is_refused_whole(self) -> None:
        async with self.open_log() as log:
            with pytest.raises(LogError, match="UTF-8"):
                await log.append("a", ["fine", "\ud83d"], expect=0)

            assert await log.last_seq("a") == 0
            await log.append("a", ["fine"], expect=0)

    async def test_streams_are_listed_newest_first_by_prefix(self) -> None:
        async with self.open_log() as log:
            for name in ("air/1", "show/1", "air/2", "air_", "AIR/3", "air/é"):
                await log.append(name, [f"first of {name}", "second"], expect=0)
            await log.append("air/1", ["third"], expect=2)

            listed = await log.streams("air/")

            assert [(info.name, info.first, info.last_seq) for info in listed] == [
                ("air/é", Record(1, "first of air/é"), 2),
                ("air/2", Record(1, "first of air/2"), 2),
                ("air/1", Record(1, "first of air/1"), 3),
            ]
            assert len(await log.streams()) == 6

    async def test_a_tail_gives_history_and_then_what_comes(self) -> None:
        async with self.open_log() as log:
            await log.append("a", ["1", "2", "3"], expect=0)
            async with log.tail("a", 1) as records:
                history = await collect(records, 2)
                waiting = asyncio.ensure_future(collect(records, 2))
                await asyncio.sleep(0.01)
                await log.append("other", ["x"], expect=0)
                await log.append("a", ["4"], expect=3)
                await log.append("a", ["5"], expect=4)
                live = await waiting

            assert [record.body for record in history + live] == ["2", "3", "4", "5"]

    async def test_a_tail_may_wait_for_a_stream_that_is_not_there_yet(self) -> None:
        async with self.open_log() as log, log.tail("a", 0) as records:
            waiting = asyncio.ensure_future(collect(records, 1))
            await asyncio.sleep(0.01)
            await log.append("a", ["1"], expect=0)

            assert await waiting == [Record(1, "1")]

    async def test_tails_that_join_while_events_flow_see_each_event_once(self) -> None:
        total = 150

        async def write(log: EventLog) -> None:
            for number in range(total):
                await log.append("a", [str(number)], expect=number)

        async def follow(log: EventLog, after: int) -> list[int]:
            async with log.tail("a", after) as records:
                return [record.seq for record in await collect(records, total - after)]

        async with self.open_log() as log, asyncio.TaskGroup() as tasks:
            tasks.create_task(write(log))
            followers = []
            for number in range(25):
                followers.append((number, tasks.create_task(follow(log, number))))
                await asyncio.sleep(0.001)

        for after, task in followers:
            assert task.result() == list(range(after + 1, total + 1))

    async def test_leaving_a_tail_while_it_waits_ends_it(self) -> None:
        async with self.open_log() as log:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02), log.tail("a", 0) as records:
                    await anext(records)

            await log.append("a", ["1"], expect=0)

    async def test_a_forgotten_stream_is_gone_for_readers(self) -> None:
        async with self.open_log() as log:
            await log.append("air/a", ["1", "2"], expect=0)
            await log.append("air/b", ["x"], expect=0)

            await log.forget({"air/a": 2, "air/never": 0})

            for after in (0, 1, 2):
                with pytest.raises(ForgottenError):
                    await log.read("air/a", after)
            with pytest.raises(ForgottenError, match="removed"):
                await log.last_seq("air/a")
            assert [info.name for info in await log.streams()] == ["air/b"]
            assert await log.forgotten() == await log.forgotten("air/") == ["air/a"]
            assert await log.forgotten("show/") == []

    async def test_what_remains_when_a_stream_is_forgotten_has_no_gap_and_goes_on(self) -> None:
        async with self.open_log() as log:
            for number in range(10):
                await log.append("a", [f"a{number}"], expect=number)
                await log.append("b", [f"b{number}"], expect=number, epoch=3)

            await log.forget({"a": 10})
            while await log.reclaim():
                pass
            assert await log.append("b", ["b10"], expect=10, epoch=3) == 11

            assert await log.read("b", 0) == [Record(seq, f"b{seq - 1}") for seq in range(1, 12)]
            with pytest.raises(FencedError):
                await log.append("b", ["late"], expect=11, epoch=2)

    @pytest.mark.parametrize("swept", [False, True])
    async def test_nobody_writes_a_forgotten_stream_and_its_name_is_never_given_again(self, *, swept: bool) -> None:
        async with self.open_log() as log:
            await log.append("a", ["1", "2"], expect=0, epoch=1)
            await log.forget({"a": 2})
            while swept and await log.reclaim():
                pass

            for expect, epoch, bodies in ((2, 1, ["3"]), (0, 0, ["1"]), (2, 2**62, ["3"]), (2, 9, []), (0, 9, [])):
                with pytest.raises(FencedError):
                    await log.append("a", bodies, expect=expect, epoch=epoch)
            await log.forget({"a": 7})
            assert await log.forgotten() == ["a"]

    async def test_a_stream_that_has_grown_is_not_forgotten_nor_are_those_named_with_it(self) -> None:
        async with self.open_log() as log:
            await log.append("a", ["1"], expect=0)
            await log.append("b", ["1", "2"], expect=0)

            for ends in ({"a": 1, "b": 1}, {"b": 3, "a": 1}):
                with pytest.raises(FencedError):
                    await log.forget(ends)

            assert await log.forgotten() == []
            assert (await log.last_seq("a"), await log.last_seq("b")) == (1, 2)
            await log.append("b", ["3"], expect=2)

    async def test_a_stream_that_was_not_there_may_begin_after_it_was_to_be_forgotten(self) -> None:
        async with self.open_log() as log:
            await log.forget({"a": 0})

            assert await log.forgotten() == []
            assert await log.append("a", ["1"], expect=0) == 1

    async def test_a_tail_of_a_stream_that_is_forgotten_says_so(self) -> None:
        async with self.open_log() as log:
            await log.append("a", ["1", "2"], expect=0)
            async with log.tail("a", 0) as records, log.tail("a", 2) as waiting:
                next_one = asyncio.ensure_future(collect(waiting, 1))
                assert await anext(records) == Record(1, "1")
                await asyncio.sleep(0.01)
                await log.forget({"a": 2})

                with pytest.raises(ForgottenError):
                    await next_one
                with pytest.raises(ForgottenError):
                    await collect(records, 2)  # what it had read before it may still give

    async def test_a_closed_log_forgets_nothing_more(self) -> None:
        async with self.open_log() as log:
            await log.append("a", ["1"], expect=0)
            await log.close()

            with pytest.raises(LogError, match="closed"):
                await log.forget({"a": 1})

    async def test_a_cancelled_append_leaves_a_log_that_goes_on(self) -> None:
        async with self.open_log() as log:
            writing = [asyncio.ensure_future(log.append("a", [str(n)], expect=n)) for n in range(4)]
            await asyncio.sleep(0)
            writing[1].cancel()
            outcomes = await asyncio.gather(*writing, return_exceptions=True)

            last = await log.last_seq("a")
            assert outcomes[0] == 1
            assert [record.seq for record in await log.read("a", 0)] == list(range(1, last + 1))
            await log.append("a", ["after"], expect=last)

    async def test_a_closed_log_takes_nothing_more(self) -> None:
        async with self.open_log() as log:
            await log.append("a", ["1"], expect=0)
            await log.close()

            with pytest.raises(LogError, match="closed"):
                await log.append("a", ["2"], expect=1)
            await log.close()

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(appends=APPENDS, forgotten=st.lists(st.tuples(STREAM, st.integers(0, 25), st.integers(-1, 1)), max_size=3))
    def test_it_behaves_as_the_log_in_memory_does(
        self, appends: list[tuple[str, list[str], int, int]], forgotten: list[tuple[str, int, int]]
    ) -> None:
        async def compare() -> None:
            oracle = MemoryEventLog()
            async with self.open_log() as log:
                for place, (stream, bodies, off, epoch) in enumerate(appends):
                    expect = await end_of(oracle, stream) + off
                    wanted = await attempt(oracle, stream, bodies, expect, epoch)
                    assert await attempt(log, stream, bodies, expect, epoch) == wanted
                    for gone, when, wrong in forgotten:
                        if when == place:
                            ends = {gone: await end_of(oracle, gone) + wrong}
                            assert await attempt_to_forget(log, ends) == await attempt_to_forget(oracle, ends)
                            await log.reclaim()
                assert await log.streams() == await oracle.streams()
                assert sorted(await log.forgotten()) == sorted(await oracle.forgotten())
                for info in await oracle.streams():
                    assert await log.read(info.name, 0) == await oracle.read(info.name, 0)
                    assert await log.read(info.name, 1, limit=2) == await oracle.read(info.name, 1, limit=2)

        asyncio.run(compare())
