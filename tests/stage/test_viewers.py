import asyncio
import json
import random
import re
import socket as sockets

import pytest
from websockets.asyncio.client import connect

from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.stage import Stage, StageLimits, open_stage
from debate_caster.stage import fan_out as fan_out_module
from debate_caster.stage import viewers as viewers_module
from tests.stage.people import Agent, Person, agent_on, browser, caster_on, eventually, viewer_of

SSE = {"Accept": "text/event-stream"}


async def test_a_late_viewer_gets_everything_and_then_what_comes(stage: Stage) -> None:
    async with caster_on(stage) as ada:
        for ref in range(1, 6):
            await ada.stream(f"line {ref}", ref=ref)
        await said(ada, 5)
        async with viewer_of(stage) as viewer:
            hello = await viewer.hear("hello")
            history = await viewer.hear_events(6)
            await ada.stream("live", ref=6)
            (live,) = await viewer.hear_events(1)

    assert (hello["after"], hello["head"], hello["show"]["id"]) == (0, 6, "show-1")
    assert [event["seq"] for event in history] == [1, 2, 3, 4, 5, 6]
    assert (live["seq"], live["text"]) == (7, "live")


async def test_a_viewer_goes_on_where_it_was(stage: Stage) -> None:
    async with caster_on(stage) as ada:
        for ref in range(1, 6):
            await ada.stream(f"line {ref}", ref=ref)
        await said(ada, 5)
        async with viewer_of(stage, "?show=show-1&after=4") as viewer:
            assert [event["seq"] for event in await viewer.hear_events(2)] == [5, 6]


@pytest.mark.parametrize("after", ["7", "999999999999999999999", str(2**63)])
async def test_a_position_that_does_not_exist_is_reset_and_said_so(stage: Stage, after: str) -> None:
    async with caster_on(stage) as ada:
        await ada.stream("one", ref=1)
        await said(ada, 1)
        async with viewer_of(stage, f"?after={after}") as viewer:
            hello, reset = await viewer.hear(), await viewer.hear()
            events = await viewer.hear_events(2)

    assert (hello["type"], hello["after"]) == ("hello", 0)
    assert reset == {"type": "reset", "epoch": hello["epoch"], "reason": "position", "show": "show-1"}
    assert [event["seq"] for event in events] == [1, 2]


@pytest.mark.parametrize(
    ("query", "code"),
    [("?after=-1", 4400), ("?after=soon", 4400), ("?after=%D9%A3", 4400), ("?show=nothing", 4404)],
)
async def test_what_makes_no_sense_is_closed_for_good(stage: Stage, query: str, code: int) -> None:
    async with caster_on(stage), viewer_of(stage, query) as viewer:
        assert await viewer.hear_close() == code


async def test_a_stage_without_shows_says_so(stage: Stage) -> None:
    async with viewer_of(stage) as viewer:
        assert await viewer.hear_close() == 4404


async def test_viewers_select_by_type_and_by_room(stage: Stage) -> None:
    async with caster_on(stage) as ada, caster_on(stage, order=1, name="bob") as bob:
        await ada.stream("from ada", ref=1)
        await said(ada, 1)
        await bob.stream("from bob", ref=1)
        await said(bob, 1)
        await ada.say("show_event", ref=2, event={"type": "phase_started", "phase": 0, "key": "k", "title": "K"})
        await said(ada, 1)
        async with viewer_of(stage, f"?room={bob.room}") as one, viewer_of(stage, "?types=chunk_aired,nope") as two:
            of_room, of_type = await one.hear_events(3), await two.hear_events(2)
            await ada.stream("ada again", ref=3)
            await bob.stream("bob again", ref=2)
            of_room += await one.hear_events(1)
            of_type += await two.hear_events(2)

    assert [event["type"] for event in of_room] == ["room_opened", "chunk_aired", "phase_started", "chunk_aired"]
    assert [event.get("text") for event in of_room] == [None, "from bob", None, "bob again"]
    assert {event["text"] for event in of_type} == {"from ada", "from bob", "ada again", "bob again"}


async def test_websocket_and_sse_viewers_get_the_same_bytes(stage: Stage) -> None:
    text = "one\rtwo\r\nthree\n\ndata: four\u2028five\u2029 <b>&\x00 😀"
    async with caster_on(stage) as ada, connect(f"ws://127.0.0.1:{stage.port}/watch", proxy=None) as by_websocket:
        async with browser() as session, session.get(f"{stage.url}/api/shows/show-1/events", headers=SSE) as by_sse:
            await ada.stream(text, ref=1)
            await ada.stream("", ref=2)
            await ada.stream("after", ref=3)
            await ada.say("broadcast_end")
            streamed = [data for _, data in parse_sse((await by_sse.read()).decode())]
            raw: list[str] = []
            while len(raw) < 5:
                frame = str(await by_websocket.recv())
                raw += [frame] if '"seq"' in frame[:8] else []

        async with browser() as session, session.get(f"{stage.url}/api/shows/show-1/events") as answer:
            body = await answer.text()

    assert streamed == raw
    assert json.loads(raw[1])["text"] == text
    assert [json.loads(line)["seq"] for line in raw] == [1, 2, 3, 4, 5]
    assert body.endswith(f'"events":[{",".join(raw)}]}}')


async def test_sse_goes_on_after_the_last_event_id_and_tells_who_comes_back_to_the_end_not_to(stage: Stage) -> None:
    async with caster_on(stage) as ada:
        await ada.stream("one", ref=1)
        await ada.say("broadcast_end")
        await ada.hear("broadcast_ended")
    address = f"{stage.url}/api/shows/show-1/events"
    async with browser() as session:
        async with session.get(address, headers={"Last-Event-ID": "2"}) as answer:
            assert answer.content_type == "text/event-stream"
            assert [number for number, _ in parse_sse(await answer.text())] == ["3", "4"]
        async with session.get(address, headers=SSE | {"Last-Event-ID": "99"}) as answer:
            (_, reset), *events = parse_sse(await answer.text())
            assert json.loads(reset)["type"] == "reset"
            assert [number for number, _ in events] == ["1", "2", "3", "4"]
        async with session.get(address, headers=SSE | {"Last-Event-ID": "4"}) as answer:
            assert answer.status == 204
        async with session.get(address, headers={"Last-Event-ID": "nonsense"}) as answer:
            assert answer.status == 400


async def test_sse_works_for_a_proxy_that_speaks_http_1_0(stage: Stage) -> None:
    async with caster_on(stage) as ada:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        request = f"GET /api/shows/show-1/events HTTP/1.0\r\nHost: 127.0.0.1:{stage.port}\r\nAccept: text/event-stream"
        writer.write(f"{request}\r\n\r\n".encode())
        await ada.stream("hello", ref=1)
        await ada.say("broadcast_end")
        async with asyncio.timeout(60):
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()

    assert "chunked" not in head.lower()
    assert [number for number, _ in parse_sse(body)] == ["1", "2", "3", "4"]


async def test_an_sse_viewer_that_hangs_up_is_forgotten(stage: Stage) -> None:
    async with caster_on(stage), browser() as session:
        async with session.get(f"{stage.url}/api/shows/show-1/events", headers=SSE) as answer:
            await answer.content.readany()
            assert stage.viewers == 1
        await eventually(lambda: nobody_watches(stage))


async def test_viewers_who_join_while_events_flow_see_each_event_once(stage: Stage) -> None:
    joins, events = 100, 120
    asyncio.get_running_loop().set_debug(False)  # which takes 20 times as long for the same
    async with caster_on(stage) as ada:

        async def speak() -> None:
            for ref in range(1, events + 1):
                await stage._programme.live["show-1"].air_text(
                    stage._programme.live["show-1"].rooms[ada.room], f"{ref}", turn=0, index=ref, ref=ref
                )
                await asyncio.sleep(0.004)

        async def join(delay_s: float, after: int) -> list[int]:
            await asyncio.sleep(delay_s)
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
            writer.write(upgrade(stage.port, f"/watch?show=show-1&after={after}"))
            received = b""
            async with asyncio.timeout(60):
                while b'{"seq":%d,' % (events + 1) not in received:
                    received += await reader.read(65536)
            writer.close()
            return [int(seq) for seq in re.findall(rb'\{"seq":(\d+),', received)]

        chance = random.Random(7)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak())
            joined = [(after, tasks.create_task(join(chance.random() * 0.6, after))) for after in [0, 1] * (joins // 2)]

    for after, task in joined:
        assert task.result() == list(range(after + 1, events + 2))


async def test_many_events_at_once_come_in_order_and_in_few_writes(stage: Stage) -> None:
    async with caster_on(stage) as ada, viewer_of(stage) as viewer:
        await viewer.hear("viewers")
        show = stage._programme.live["show-1"]
        for ref in range(200):
            show.air_text(show.rooms[ada.room], f"{ref}", turn=0, index=ref, ref=ref + 1)
        texts = [event["text"] for event in await viewer.hear_events(200)]

    assert texts == [str(ref) for ref in range(200)]


async def test_who_does_not_read_is_cut_and_nobody_else_waits(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out_module, "BUFFER_LIMIT", 64 * 1024)
    async with caster_on(stage) as ada, viewer_of(stage) as healthy:
        stalled = stalled_viewer(stage.port)
        try:
            await eventually(lambda: watching(stage, 2))
            show = stage._programme.live["show-1"]
            received = 0
            for ref in range(1, 400):
                aired = show.air_text(show.rooms[ada.room], "x" * 4000, turn=0, index=ref, ref=ref)
                async with asyncio.timeout(30):  # who waited for the stalled one would wait for ever
                    await aired
                    (event,) = await healthy.hear_events(1) if received else (await healthy.hear_events(2))[1:]
                received = event["seq"]
                if stage.counters.viewers_cut:
                    break
            assert stage.counters.viewers_cut == 1
            await eventually(lambda: watching(stage, 1))
            await ada.stream("still here", ref=1000)
            assert (await healthy.hear_events(1))[0]["text"] == "still here"
        finally:
            stalled.close()


async def say_much(stage: Stage, speaker: Agent) -> None:
    """Give a show a history of 3.6 MB, more than the kernel and the stage keep for who does not read."""
    show = stage._programme.live["show-1"]
    for ref in range(1, 900):
        show.air_text(show.rooms[speaker.room], "x" * 4000, turn=0, index=ref, ref=ref)
    await show.air.settled()


async def test_who_does_not_read_its_history_is_cut(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers_module, "STALLED_S", 0.2)
    async with caster_on(stage) as ada:
        await say_much(stage, ada)
        stalled = stalled_viewer(stage.port)
        try:
            await eventually(lambda: watching(stage, 1))
            await eventually(lambda: nobody_watches(stage))
        finally:
            stalled.close()


async def test_who_reads_its_history_is_not_asked_whether_it_is_there(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody hears its answer before it has read all; a long history takes many rounds."""
    monkeypatch.setattr(viewers_module, "ROUND_S", 0.1)
    monkeypatch.setattr(viewers_module, "STEP_S", 0.05)
    async with open_stage(log=log) as stage, caster_on(stage) as ada:
        await say_much(stage, ada)
        slow = stalled_viewer(stage.port)
        try:
            await eventually(lambda: watching(stage, 1))
            await asyncio.sleep(0.6)
            assert stage.viewers == 1
            assert stage.counters.viewers_cut == 0
        finally:
            slow.close()


async def test_viewers_are_told_how_many_they_are(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out_module, "COUNT_INTERVAL_S", 0.02)
    async with caster_on(stage) as ada, viewer_of(stage) as first:
        assert (await first.hear("viewers"))["count"] == 1
        async with viewer_of(stage):
            assert (await first.hear("viewers"))["count"] == 2
            while (await ada.hear("viewer_context"))["viewers"] != 2:
                pass
        assert (await first.hear("viewers"))["count"] == 1


async def test_a_quiet_viewer_is_pinged_and_one_that_does_not_answer_is_cut(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers_module, "ROUND_S", 0.1)
    monkeypatch.setattr(viewers_module, "STEP_S", 0.05)
    async with open_stage(log=log) as stage, caster_on(stage), viewer_of(stage) as alive:
        dead = stalled_viewer(stage.port)
        try:
            await eventually(lambda: watching(stage, 2))
            await eventually(lambda: watching(stage, 1))
            await asyncio.sleep(0.3)
            assert stage.viewers == 1
            await alive.say("ping")
            await alive.hear("pong")
        finally:
            dead.close()


async def test_viewers_are_told_to_come_back_when_the_stage_closes() -> None:
    async with open_stage(log=MemoryEventLog()) as stage:
        agent = Agent(await connect(stage.agents_url, proxy=None))
        await (await agent.register("ann")).start(title="T")
        viewers = [Person(await connect(f"ws://127.0.0.1:{stage.port}/watch", proxy=None)) for _ in range(3)]
        for viewer in viewers:
            await viewer.hear("hello")
        closing = [asyncio.ensure_future(person.hear_close()) for person in (agent, *viewers)]
        await asyncio.sleep(0)

    assert [await code for code in closing] == [1001, 4500, 4500, 4500]


async def test_there_is_a_limit_to_viewers_and_to_those_of_one_address() -> None:
    async with open_stage(log=MemoryEventLog(), limits=StageLimits(viewers_per_address=2)) as stage, caster_on(stage):
        address = f"{stage.url}/api/shows/show-1/events"
        async with (
            viewer_of(stage),
            viewer_of(stage),
            browser() as session,
            session.get(address, headers=SSE) as answer,
        ):
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "30"
        await eventually(lambda: nobody_watches(stage))
        async with viewer_of(stage) as viewer:
            await viewer.hear("hello")


@pytest.mark.parametrize("message", ["nonsense", "[]", '{"type":"dance"}', '{"type":"viewer","id":"x"}', "[" * 5000])
async def test_what_a_viewer_says_amiss_is_an_error_and_no_more(stage: Stage, message: str) -> None:
    async with caster_on(stage), viewer_of(stage) as viewer:
        await viewer.socket.send(message)
        assert (await viewer.hear("error"))["code"] == "bad_request"
        await viewer.say("ping")
        await viewer.hear("pong")


async def test_who_talks_without_end_is_closed(stage: Stage) -> None:
    async with caster_on(stage), viewer_of(stage) as viewer:
        for _ in range(viewers_module.MESSAGE_BURST + 5):
            await viewer.say("ping")
        assert await viewer.hear_close() == 4429


async def test_a_message_above_the_limit_closes_the_connection(stage: Stage) -> None:
    async with caster_on(stage), viewer_of(stage) as viewer:
        await viewer.say("hint", text="x" * viewers_module.MAX_MESSAGE)
        assert await viewer.hear_close() == 1009


async def test_a_viewers_own_ping_frames_are_answered(stage: Stage) -> None:
    async with caster_on(stage), viewer_of(stage) as viewer, asyncio.timeout(60):
        await (await viewer.socket.ping(b"are you there"))


async def test_deflate_is_never_agreed_to(stage: Stage) -> None:
    async with caster_on(stage), viewer_of(stage, compression="deflate") as viewer:
        assert viewer.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in viewer.socket.response.headers


async def test_without_a_show_the_newest_live_one_is_meant(stage: Stage) -> None:
    async with caster_on(stage, "older"), agent_on(stage) as newer:
        await (await newer.register("newer")).start(title="Newer")
        async with viewer_of(stage) as viewer:
            assert (await viewer.hear("hello"))["show"]["title"] == "Newer"


def parse_sse(text: str) -> list[tuple[str, str]]:
    """Return (id, data) of each event, by the rules of the WHATWG's page."""
    events = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        if "data" in fields:
            events.append((fields.get("id", [""])[0], "\n".join(fields["data"])))
    return events


async def said(agent: Agent, number: int) -> None:
    for _ in range(number):
        await agent.hear("text_ack")


async def watching(stage: Stage, number: int) -> bool:
    return stage.viewers == number


async def nobody_watches(stage: Stage) -> bool:
    return stage.viewers == 0


def stalled_viewer(port: int) -> sockets.socket:
    """Return a connection that watches, and reads nothing of what it gets."""
    viewer = sockets.socket()
    viewer.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    viewer.connect(("127.0.0.1", port))
    viewer.sendall(upgrade(port, "/watch"))
    return viewer


def upgrade(port: int, path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
