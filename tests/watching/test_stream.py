import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from debate_caster.clock import SystemClock
from debate_caster.errors import SetupError, WatchError
from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.stage import Stage, TokenDesk, open_stage
from debate_caster.watching import Status, watch
from tests.stage.people import caster_on
from tests.watching.loopback import broken_line, talking

CUTS = 50


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage(log=MemoryEventLog()) as opened:
        yield opened


def quick() -> SystemClock:
    """A clock whose waits between attempts are short; nothing else here takes its time."""
    return SystemClock(speed=25)


async def test_a_show_s_events_come_from_the_first_on_and_end_with_the_show(stage: Stage) -> None:
    async with talking(stage) as agent:
        await agent.say("One.")
        seen: list[dict[str, Any]] = []
        async with asyncio.timeout(60):
            async for event in watch(stage.url, agent.show):
                seen.append(event)
                if event.get("text") == "One.":
                    await agent.say("Two.")
                    await agent.end()

    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert [event["text"] for event in seen if event["type"] == "chunk_aired"] == ["One.", "Two."]
    assert {event["type"] for event in seen[-2:]} == {"room_closed", "show_ended"}


async def test_without_a_show_it_is_the_newest_live_one(stage: Stage) -> None:
    async with talking(stage, "first"), talking(stage, "second") as second:
        stream = watch(stage.url)
        async with asyncio.timeout(60), stream:
            event = await anext(stream)

        assert event["type"] == "show_started"
        assert stream.show == second.show
        assert stream.summary["agents"][0]["name"] == "second"


async def test_a_past_show_is_read_to_its_end_with_any_filter_and_from_any_position(stage: Stage) -> None:
    async with talking(stage) as agent:
        await agent.say("One.")
        await agent.end()
    await stage.wait_over(agent.show)

    async with asyncio.timeout(60):
        everything = [event["seq"] async for event in watch(stage.url, agent.show)]
        chunks = [event["text"] async for event in watch(stage.url, agent.show, types=["chunk_aired"])]
        room = [event["seq"] async for event in watch(stage.url, agent.show, room=agent.room, after=3)]
        nothing = [event async for event in watch(stage.url, agent.show, after=everything[-1])]

    assert everything == [1, 2, 3, 4, 5]
    assert chunks == ["One."]
    assert room == [4, 5]
    assert nothing == []


async def test_one_speaker_can_be_watched_and_thoughts_where_they_are_asked_for(stage: Stage) -> None:
    async with caster_on(stage) as ada, caster_on(stage, order=1, name="bob") as bob:
        await ada.say("show_event", ref=1, event={"type": "thought_noted", "turn": 0, "speaker": "ada", "text": "Hm."})
        await ada.stream("Tea.", turn=0, index=0, ref=2)
        await bob.stream("Coffee.", turn=1, index=0, ref=1)
        for agent in (ada, bob):
            await agent.say("broadcast_end")
            await agent.hear("broadcast_ended")
    await stage.wait_over("show-1")

    async with asyncio.timeout(60):
        usual = [event async for event in watch(stage.url, "show-1")]
        everything = [event async for event in watch(stage.url, "show-1", types=["*"])]
        bobs = [event async for event in watch(stage.url, "show-1", speaker="bob", types=["chunk_aired"])]
        thoughts = [event async for event in watch(stage.url, "show-1", types=["thought_noted"])]

    assert [event["seq"] for event in everything] == list(range(1, len(everything) + 1))
    assert [event["text"] for event in thoughts] == ["Hm."]
    assert usual == [event for event in everything if event not in thoughts]
    assert [event["text"] for event in bobs] == ["Coffee."]


async def test_a_replay_ends_as_well(stage: Stage) -> None:
    async with talking(stage) as agent:
        await agent.say("One.")
        await agent.end()
    await stage.wait_over(agent.show)

    again = await stage.replay(agent.show, speed=1000)
    async with asyncio.timeout(60):
        live = [event["type"] async for event in watch(stage.url, again)]
        await stage.wait_over(again)
        past = [event["type"] async for event in watch(stage.url, again)]

    assert live == past
    assert live[-1] == "show_ended"


async def test_a_line_cut_fifty_times_at_random_loses_and_doubles_nothing(stage: Stage) -> None:
    chance = Random(23)
    seen: list[int] = []
    states: list[Status] = []

    async def talk() -> None:
        while line.cuts < CUTS:
            await agent.say(f"Line {agent.said} " + "x" * chance.randrange(200))
        await agent.say("That is all.")
        await agent.end()

    def patience() -> int | None:
        """Anything from a piece of the handshake to some events and a part of the next."""
        return chance.randrange(1, 2500) if line.cuts < CUTS else None

    async with talking(stage) as agent, broken_line(stage.port, patience) as line, asyncio.TaskGroup() as tasks:
        tasks.create_task(talk())
        stream = watch(
            f"http://127.0.0.1:{line.port}", agent.show, clock=quick(), random=chance, on_status=states.append
        )
        async with asyncio.timeout(60):
            seen += [event["seq"] async for event in stream]

    assert line.cuts == CUTS
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == agent.said + 4
    assert [state.kind for state in states[-2:]] == ["connected", "closed"]
    assert sum(state.kind == "waiting" for state in states) >= CUTS


async def test_a_stage_that_comes_back_goes_on_from_where_we_were() -> None:
    log: EventLog = MemoryEventLog()
    async with open_stage(log=log) as first:
        port = first.port
        async with talking(first) as agent:
            await agent.say("One.")
            stream = watch(first.url, agent.show, clock=quick())
            before = [(await anext(stream))["type"] for _ in range(3)]
    async with open_stage(port=port, log=log), asyncio.timeout(60):
        after = [event["type"] async for event in stream]

    assert before + after == ["show_started", "room_opened", "chunk_aired", "room_closed", "show_ended"]


async def test_a_stage_that_comes_back_with_another_log_is_watched_from_the_start() -> None:
    show = {"id": "friday", "key": "k" * 24, "title": "Friday", "motion": "", "agent": "ada", "side": "", "order": 0}
    async with AsyncExitStack() as stack:
        async with open_stage(log=MemoryEventLog()) as first, talking(first, show=show) as agent:
            line = await stack.enter_async_context(broken_line(first.port))
            await agent.say("One.")
            stream = watch(f"http://127.0.0.1:{line.port}", agent.show, clock=quick())
            before = [(await anext(stream))["seq"] for _ in range(2)]
            line.cut()
        async with open_stage(port=first.port, log=MemoryEventLog()) as second, talking(second, show=show) as agent:
            await agent.say("Another one.")
            await agent.say("And another.")
            async with asyncio.timeout(60):
                again = [await anext(stream) for _ in range(2)]
            await stream.aclose()

    assert before == [1, 2]
    assert [frame["type"] for frame in again] == ["reset", "room_opened"]
    assert again[1]["seq"] == 1


async def test_nobody_there_yet_is_waited_for() -> None:
    log: EventLog = MemoryEventLog()
    async with open_stage(log=log) as stage, talking(stage) as agent:
        port = stage.port
    waiting = asyncio.Event()
    stream = watch(
        f"http://127.0.0.1:{port}",
        agent.show,
        clock=quick(),
        on_status=lambda status: waiting.set() if status.kind == "waiting" else None,
    )
    async with asyncio.timeout(60), stream, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(anext(stream))
        await waiting.wait()
        async with open_stage(port=port, log=log):
            event = await first

    assert event["type"] == "show_started"


async def test_no_such_show_and_no_such_address_end_it_at_once(stage: Stage) -> None:
    with pytest.raises(WatchError, match="no such show") as caught:
        await anext(watch(stage.url, "nobody"))
    assert caught.value.code == 4404

    with pytest.raises(SetupError, match="another show"):
        watch(f"{stage.url}/shows/a", "b")


async def test_a_hint_can_be_given_and_its_fate_is_a_notice(stage: Stage) -> None:
    async with talking(stage) as agent, watch(stage.url, agent.show, notices=True) as stream:
        async with asyncio.timeout(60):
            assert not await stream.send({"type": "hint", "text": "Not connected yet."})
            assert (await anext(stream))["type"] == "hello"
            assert await stream.send({"type": "hint", "text": "What of the cost?", "name": "Mia"})
            kinds = []
            while "hint_received" not in kinds:
                kinds.append((await anext(stream))["type"])

    assert stream.position == 2
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_what_is_no_stage_says_so() -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(WatchError, match="HTTP status 404: not a stage") as caught:
            await anext(watch(f"http://127.0.0.1:{port}"))

    assert caught.value.code == 404


async def test_who_lets_us_in_and_says_nothing_is_left_again(stage: Stage) -> None:
    left = asyncio.Event()

    def note(status: Status) -> None:
        if (status.kind, status.detail) == ("waiting", "it does not greet viewers"):
            left.set()

    async def look() -> None:
        async for _ in watch(f"{stage.url}/agents", clock=quick(), on_status=note):
            pass

    looking = asyncio.create_task(look())  # any other path of a stage is its agents' entrance
    async with asyncio.timeout(30):
        await left.wait()

    assert not looking.done(), "it may come back"
    looking.cancel()


async def test_a_ticket_lets_in_and_its_session_after_every_cut() -> None:
    desk = TokenDesk(["a signing key that is long enough for every HMAC"], clock=SystemClock())
    ticket = desk.issue("viewer", lasting=timedelta(hours=1))
    async with open_stage(log=MemoryEventLog(), tickets=desk) as stage, talking(stage) as agent:
        with pytest.raises(WatchError, match="ticket") as refused:
            await anext(watch(stage.url, agent.show))
        assert refused.value.code == 4403

        async with broken_line(stage.port, lambda: None) as line:
            async with watch(f"http://127.0.0.1:{line.port}", agent.show, ticket=ticket, clock=quick()) as stream:
                first = await anext(stream)
                line.cut()
                await agent.say("One.")
                seen = [first]
                async with asyncio.timeout(60):
                    while seen[-1].get("text") != "One.":
                        seen.append(await anext(stream))
                session = stream.session
            assert line.connections == 2
        assert [event["seq"] for event in seen] == [*range(1, len(seen) + 1)]

        async with watch(stage.url, agent.show, session=session) as again:
            assert (await anext(again))["seq"] == 1
        with pytest.raises(WatchError, match="has been used"):
            await anext(watch(stage.url, agent.show, ticket=ticket))
