"""What viewers ask for is what they get, by whichever of the three ways they ask."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import WSMsgType

from debate_caster.log import EventLog
from debate_caster.stage import Stage, open_stage
from debate_caster.stage import viewers as viewers_module
from tests.stage.people import Agent, browser, cast, caster_on

SSE = {"Accept": "text/event-stream"}


@pytest.fixture
async def lively(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A stage that asks after everybody every 400 ms."""
    monkeypatch.setattr(viewers_module, "ROUND_S", 0.4)
    monkeypatch.setattr(viewers_module, "STEP_S", 0.05)
    async with open_stage(log=log) as stage:
        yield stage


async def perform(ada: Agent, bob: Agent) -> None:
    """Air one event of each kind that selections tell apart, by two agents."""
    for ref, event in enumerate((
        cast("ada", "bob"),
        {"type": "turn_started", "turn": 0, "phase": 0, "speaker": "ada", "side": None, "kind": "speech"},
        {"type": "thought_noted", "turn": 0, "speaker": "ada", "text": "hm \u2028 <b>"},
        {"type": "tool_called", "turn": 0, "speaker": "ada", "call": "c1", "name": "search", "arguments": "{}"},
        {"type": "tool_answered", "turn": 0, "speaker": "ada", "call": "c1", "text": "long " * 200},
    ), start=1):  # fmt: skip
        await ada.say("show_event", ref=ref, event=event)
        await ada.hear("text_ack")
    await ada.stream("Tea.", turn=0, index=0, ref=6)
    await ada.hear("text_ack")
    await bob.stream("Coffee \r\n 😀", turn=1, index=0, ref=1)
    await bob.hear("text_ack")


SCOPES = (
    "",
    "types=*",
    "types=tool_answered",
    "types=tool_answered,chunk_aired",
    "speaker=ada",
    "speaker=ada&types=*",
    "speaker=bob&types=chunk_aired",
    "room=ROOM",
    "room=ROOM&speaker=bob&types=*",
)


@pytest.mark.parametrize("scope", SCOPES)
async def test_the_same_selection_is_the_same_bytes_by_websocket_by_sse_and_as_json(stage: Stage, scope: str) -> None:
    async with caster_on(stage) as ada, caster_on(stage, order=1, name="bob") as bob, browser() as session:
        query = scope.replace("ROOM", bob.room)
        address = f"{stage.url}/api/shows/show-1/events?{query}"
        async with (
            session.ws_connect(f"{stage.url}/watch?show=show-1&{query}") as live,
            session.get(address, headers=SSE) as streaming,
        ):
            await perform(ada, bob)
            for agent in (ada, bob):
                await agent.say("broadcast_end")
                await agent.hear("broadcast_ended")
            streamed = re.findall(rb"^data: (.*)$", await streaming.read(), re.MULTILINE)
            by_socket = await received(live, len(streamed))
        async with session.get(address) as answer:
            page = await answer.read()
        async with session.ws_connect(f"{stage.url}/watch?show=show-1&{query}") as late:
            afterwards = await received(late, len(streamed))

    assert streamed
    assert by_socket == streamed
    assert afterwards == streamed
    assert page.endswith(b'"events":[' + b",".join(streamed) + b"]}")
    events = [json.loads(line) for line in streamed]
    asked = set(re.findall(r"\w+|\*", scope.partition("types=")[2]))
    asides = {"thought_noted", "tool_called", "tool_answered"}
    for event in events:
        assert event["type"] not in asides or asked & {"*", event["type"]}
        assert event.get("speaker", "ada") == "ada" or "speaker=ada" not in scope
        assert event.get("room", bob.room) == bob.room or "room=" not in scope
    if scope == "types=*":
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert asides <= {event["type"] for event in events}


async def received(socket: aiohttp.ClientWebSocketResponse, number: int) -> list[bytes]:
    """Return that many events as they came, and make sure that nothing comes behind them but the answer to a ping."""
    raw: list[bytes] = []
    while len(raw) < number:
        message = await socket.receive(timeout=60)
        assert message.type is WSMsgType.TEXT
        if message.data.startswith('{"seq":'):
            raw.append(message.data.encode())
    await socket.send_json({"type": "ping"})
    while (frame := await socket.receive_json(timeout=60))["type"] != "pong":
        assert "seq" not in frame
    return raw


async def test_a_page_of_json_goes_on_from_its_last_event_however_few_are_asked_for(stage: Stage) -> None:
    async with caster_on(stage) as ada, caster_on(stage, order=1, name="bob") as bob, browser() as session:
        await perform(ada, bob)
        after, found = 0, []
        while True:
            address = f"{stage.url}/api/shows/show-1/events?limit=1&types=chunk_aired,tool_answered&after={after}"
            async with session.get(address) as answer:
                events = (await answer.json())["events"]
            if not events:
                break
            assert len(events) == 1
            after = events[0]["seq"]
            found.append(events[0]["type"])
    assert found == ["tool_answered", "chunk_aired", "chunk_aired"]


@pytest.mark.parametrize("scope", ["", "types=*", "types=chunk_aired", "speaker=bob"])
async def test_who_hears_nothing_is_kept_alive_whatever_was_asked_for(lively: Stage, scope: str) -> None:
    async with caster_on(lively), browser() as session:
        async with session.get(f"{lively.url}/api/shows/show-1/events?{scope}", headers=SSE) as streaming:
            comments = 0
            while comments < 2:
                comments += await asyncio.wait_for(streaming.content.readline(), 60) == b": still here\n"
        async with session.ws_connect(f"{lively.url}/watch?show=show-1&{scope}", autoping=False) as socket:
            pings = 0
            while pings < 2:
                message = await socket.receive(timeout=60)
                if message.type is WSMsgType.PING:
                    pings += 1
                    await socket.pong(message.data)


async def test_who_left_out_what_is_aired_is_kept_alive_all_the_same(lively: Stage) -> None:
    async with caster_on(lively) as ada, browser() as session:

        async def think() -> None:
            ref = 0
            while True:
                ref += 1
                event = {"type": "thought_noted", "turn": 0, "speaker": "ada", "text": "hm"}
                await ada.say("show_event", ref=ref, event=event)
                await asyncio.sleep(0.06)

        async with session.ws_connect(f"{lively.url}/watch?show=show-1", autoping=False) as socket:
            thinking = asyncio.create_task(think())
            try:
                kinds = set()
                while WSMsgType.PING not in kinds:
                    message = await socket.receive(timeout=60)
                    kinds.add(message.type)
                    assert message.type is WSMsgType.PING or "thought_noted" not in message.data
            finally:
                thinking.cancel()
