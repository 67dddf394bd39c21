import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from websockets.asyncio.client import connect

from debate_caster.clock import SystemClock
from debate_caster.log import EventLog
from debate_caster.stage import Stage, TokenDesk, open_stage
from debate_caster.stage.attendance import addressee
from tests.stage.people import EXTENSIONS, Agent, Person, agent_on, cast, caster_on, viewer_of

CAST = [
    {"id": "ada", "name": "Ada"},
    {"id": "otis", "name": "Otis Bell"},
    {"id": "o", "name": "O"},
    {"id": "tanaka", "name": "\u7530\u4e2d"},
]


async def perform(agent: Agent, event: dict[str, Any], ref: int) -> None:
    await agent.say("show_event", event=event, ref=ref)
    await agent.hear("text_ack")


async def heard_by_now(agent: Agent) -> list[dict[str, Any]]:
    """Return the frames that an agent has got and not looked at, up to an answer that it asks for now."""
    first = len(agent.frames)
    await agent.say("heartbeat")
    await agent.hear("heartbeat_ack")
    return agent.frames[first:-1]


def lines(frames: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    return [
        (frame["broadcastId"], line["role"], line["name"], line["text"])
        for frame in frames
        if frame["type"] == "live_update"
        for line in frame["messages"]
    ]


@pytest.mark.parametrize("flat", [True, False])
async def test_an_agent_of_the_older_kind_gets_a_seat_in_every_room_in_its_own_shape(stage: Stage, flat: bool) -> None:
    async with caster_on(stage) as ada, connect(f"ws://127.0.0.1:{stage.port}/ws", proxy=None) as socket:
        await ada.stream("Before.", ref=1, turn=0, index=0)
        await ada.hear("text_ack")
        guest = Person(socket)
        register = {"agentId": "guest", "name": "Guest"}
        await guest.say("register", **(register if flat else {"payload": register}))
        context = await guest.hear("viewer_context")
        assert ("payload" in context) is not flat
        body = context.get("payload", context)
        assert (body["broadcastId"], body["host"]["name"], body["title"]) == (ada.room, "Ada-0001", "A show")
        assert (body["yourTurn"], body["instruction"]) == (False, "watching")
        assert [(line["role"], line["text"]) for line in body["recentMessages"]] == [("host", "Before.")]

        await ada.stream("Tea it is.", ref=2, turn=1, index=0)
        update = await guest.hear("live_update")
        assert "payload" not in update
        assert (update["broadcastId"], update["turn"], update["messages"][0]["text"]) == (ada.room, 1, "Tea it is.")
        cue = await guest.hear("viewer_context")
        assert (cue := cue.get("payload", cue))["yourTurn"] is True
        assert cue["instruction"] == "react_to_host"
        assert [line["text"] for line in cue["recentMessages"]] == ["Before.", "Tea it is."]

        await ada.say("broadcast_end")
        assert (await guest.hear("broadcast_ended"))["broadcastId"] == ada.room


async def test_a_room_that_opens_later_seats_those_who_are_there(stage: Stage) -> None:
    async with agent_on(stage) as guest, agent_on(stage) as host:
        await guest.register("guest")
        await (await host.register("host")).start(title="New")
        assert (await guest.hear("viewer_context"))["broadcastId"] == host.room
        await host.stream("Hello.")
        assert (await guest.hear("live_update"))["messages"][0]["text"] == "Hello."
        # As on the real servers, a host is in the audience of others as well.
        await guest.start(title="Mine")
        assert (await host.hear("viewer_context"))["broadcastId"] == guest.room


async def test_the_audience_hears_a_whole_debate_each_line_once(stage: Stage) -> None:
    async with (
        caster_on(stage) as ada,
        caster_on(stage, order=1, name="otis") as otis,
        agent_on(stage) as seated,
        agent_on(stage) as choosy,
    ):
        await seated.register("seated")
        await choosy.register("choosy", participationMode="explicit")
        offers = [await choosy.hear("room_available"), await choosy.hear("room_available")]
        assert {offer["room"]["broadcastId"] for offer in offers} == {ada.room, otis.room}
        await choosy.say("join_room", broadcastId=otis.room)
        await choosy.hear("room_joined")
        for host, text, turn in ((ada, "Tea.", 0), (otis, "Coffee.", 1)):
            await host.stream(text, ref=1, turn=turn, index=0)
            await host.hear("text_ack")

        assert lines(await heard_by_now(seated)) == [
            (ada.room, "host", "Ada-0001", "Tea."),
            (otis.room, "host", "Otis-0001", "Coffee."),
        ]
        assert lines(await heard_by_now(choosy)) == [
            (otis.room, "viewer", "Ada-0001", "Tea."),
            (otis.room, "host", "Otis-0001", "Coffee."),
        ]
        async with agent_on(stage) as late:
            await late.register("late", participationMode="explicit")
            await late.say("join_room", broadcastId=ada.room)
            recent = (await late.hear("room_joined"))["recentMessages"]
        assert [(line["role"], line["text"]) for line in recent] == [("host", "Tea."), ("viewer", "Coffee.")]


async def test_a_debates_own_agents_are_no_audience_of_it(stage: Stage) -> None:
    async with caster_on(stage) as ada, caster_on(stage, order=1, name="otis") as otis:
        await ada.stream("Tea.", ref=1, turn=1, index=0)
        await ada.hear("text_ack")
        await otis.hear("viewer_context")  # of its own room: how many watch
        assert [frame["type"] for frame in await heard_by_now(otis)] == []
        for say, fields in (("join_room", {}), ("stream_chat", {"text": "Hear, hear!"})):
            await otis.say(say, broadcastId=ada.room, **fields)
            assert (await otis.hear("error"))["code"] == "OWN_ROOM"


async def test_a_room_is_offered_once(stage: Stage) -> None:
    async with agent_on(stage) as host, agent_on(stage) as guest:
        await (await host.register("host")).start(title="One")
        await guest.register("guest", participationMode="explicit")
        await guest.hear("room_available")
        await guest.register("guest", participationMode="explicit")
        assert await heard_by_now(guest) == []


async def test_who_left_hears_no_more(stage: Stage) -> None:
    async with agent_on(stage) as host, agent_on(stage) as guest:
        await (await host.register("host")).start(title="One")
        await guest.register("guest")
        await guest.hear("viewer_context")
        await guest.say("leave_room", broadcastId=host.room)
        await guest.hear("room_left")
        await host.stream("Anybody there?")
        await heard_by_now(host)
        assert await heard_by_now(guest) == []


async def test_nobody_is_asked_to_react_sooner_than_it_may_speak_again(stage: Stage) -> None:
    async with caster_on(stage) as ada, agent_on(stage) as guest:
        await guest.register("guest")
        await guest.hear("viewer_context")
        for ref in range(1, 6):
            await ada.stream(f"Line {ref}.", ref=ref, turn=1, index=ref - 1)
            await ada.hear("text_ack")
        frames = await heard_by_now(guest)
    assert [frame["payload"]["yourTurn"] for frame in frames if frame["type"] == "viewer_context"] == [True]
    assert len(lines(frames)) == 5


async def test_nobody_is_asked_to_react_where_nothing_is_taken(stage: Stage) -> None:
    async with caster_on(stage) as ada, agent_on(stage) as guest:
        await perform(ada, cast("ada") | {"hints_open": False}, 1)
        await guest.register("guest")
        await guest.hear("viewer_context")
        await ada.stream("Tea.", ref=2, turn=1, index=0)
        await ada.hear("text_ack")
        assert [frame["type"] for frame in await heard_by_now(guest)] == ["live_update"]
        await guest.say("stream_chat", broadcastId=ada.room, text="Why?")
        assert (await guest.hear("warning"))["code"] == "CHAT_CLOSED"


async def test_one_or_two_of_many_are_asked(stage: Stage) -> None:
    async with caster_on(stage) as ada, AsyncExitStack() as stack:
        guests = [await stack.enter_async_context(agent_on(stage)) for _ in range(6)]
        for number, guest in enumerate(guests):
            await guest.register(f"guest-{number}")
            await guest.hear("viewer_context")
        await ada.stream("Tea.", ref=1, turn=1, index=0)
        await ada.hear("text_ack")
        kinds = [[frame["type"] for frame in await heard_by_now(guest)] for guest in guests]
    assert all(kind[0] == "live_update" for kind in kinds)
    assert 1 <= sum("viewer_context" in kind for kind in kinds) <= 2


async def test_chat_is_a_hint_for_the_rooms_agent_or_the_one_it_names(stage: Stage) -> None:
    async with (
        caster_on(stage) as ada,
        caster_on(stage, order=1, name="otis") as otis,
        agent_on(stage) as guest,
        viewer_of(stage) as viewer,
    ):
        await perform(ada, cast("ada", "otis"), 1)
        await guest.register("guest")
        await guest.say("stream_chat", broadcastId=ada.room, text="What of sleep?")
        await guest.hear("chat_ack")
        await guest.say("stream_chat", broadcastId=ada.room, text="@Otis, and the price?")
        acknowledged = await guest.hear("chat_ack")
        assert [(hint["text"], hint["to"]) for hint in await hints_of(ada)] == [("What of sleep?", "ada")]
        (hint,) = await hints_of(otis)
        assert (hint["id"], hint["text"], hint["to"]) == (acknowledged["messageId"], "and the price?", "otis")

        # Nobody else learns of it, until it is used: then everybody in the audience does.
        await perform(otis, {"type": "hint_accepted", "hint": hint["id"], "to": "otis"}, 1)
        assert lines(await heard_by_now(guest)) == []
        used = {"hint": hint["id"], "name": hint["name"], "text": hint["text"], "turn": 1, "speaker": "otis"}
        await perform(otis, {"type": "hint_used", **used}, 2)
        assert lines(await heard_by_now(guest)) == [(otis.room, "viewer", "Guest", "and the price?")]
        await viewer.hear("hint_used")
        said = json.dumps([frame for frame in viewer.frames if frame["type"] != "hint_used"])
        assert "sleep" not in said
        assert "price" not in said


async def test_a_host_with_the_longest_id_gets_its_hints(stage: Stage) -> None:
    async with agent_on(stage) as host, agent_on(stage) as guest:
        await (await host.register("h" * 128)).start(title="One")
        await guest.register("guest")
        await guest.say("stream_chat", broadcastId=host.room, text="Why?")
        await guest.hear("chat_ack")
        assert (await host.hear("live_update"))["messages"][0]["text"] == "Why?"


async def test_a_line_longer_than_a_hint_is_cut_after_a_sentence(stage: Stage) -> None:
    async with caster_on(stage) as ada, agent_on(stage) as guest:
        await perform(ada, cast("ada") | {"max_hint_chars": 60}, 1)
        await guest.register("guest")
        await guest.say("stream_chat", broadcastId=ada.room, text="I like tea, mostly in the morning. " + "word " * 180)
        await guest.hear("chat_ack")
        (hint,) = await hints_of(ada)
    assert hint["text"] == "I like tea, mostly in the morning...."


async def test_the_rates_of_viewers_hold_for_agents_one_by_one_and_by_address(stage: Stage) -> None:
    async with caster_on(stage) as ada, AsyncExitStack() as stack:
        outcomes, began = [], time.monotonic()
        for number in range(8):
            guest = await stack.enter_async_context(agent_on(stage))
            await guest.register(f"guest-{number}")
            for word in ("one", "two", "three", "four"):
                await guest.say("stream_chat", broadcastId=ada.room, text=word)
            answers = [frame for frame in await heard_by_now(guest) if frame["type"] in {"chat_ack", "warning"}]
            outcomes.append([frame["payload"].get("code", "taken") for frame in answers])
    assert outcomes[0] == ["taken"] * 3 + ["RATE_LIMIT_EXCEEDED"]
    taken = sum(outcome.count("taken") for outcome in outcomes)
    assert 20 <= taken <= 21 + 2 * (time.monotonic() - began), "20 at once from one address, and 2 a second"


async def test_the_same_line_again_is_a_duplicate_and_blank_ones_are_empty(stage: Stage) -> None:
    async with caster_on(stage) as ada, agent_on(stage) as guest:
        await perform(ada, cast("ada"), 1)
        await guest.register("guest")
        for text in ("Why?", "Why?", "   ", "@Ada:", "Why not?"):
            await guest.say("stream_chat", broadcastId=ada.room, text=text)
        answers = [frame["payload"].get("code", "taken") for frame in (await heard_by_now(guest))[1:]]
    assert answers == ["taken", "DUPLICATE_MESSAGE", "EMPTY_MESSAGE", "EMPTY_MESSAGE", "taken"]


async def test_a_hostile_audience_leaves_the_stage_whole(stage: Stage) -> None:
    async with caster_on(stage) as ada, viewer_of(stage) as viewer, agent_on(stage) as flood, agent_on(stage) as huge:
        await flood.register("flood")
        for number in range(300):
            await flood.say("stream_chat", broadcastId=ada.room, text=f"{number} " + "ß" * 900)
        for wrong in ("bc_0000000000000000", "", "../..", "x" * 5000):
            await flood.say("stream_chat", broadcastId=wrong, text="anybody?")
        await heard_by_now(flood)
        await asyncio.sleep(0.5)  # until it may speak again: it has said 40 messages at once, and more
        await flood.say("stream_chat", broadcastId="bc_0000000000000000", text="anybody?")
        assert (await flood.hear("error"))["code"] == "ROOM_NOT_FOUND"
        await flood.say("join_room", broadcastId="bc_0000000000000000")
        assert (await flood.hear("error"))["code"] == "ROOM_NOT_FOUND"
        acknowledged = [frame for frame in flood.frames if frame["type"] == "chat_ack"]
        assert 3 <= len(acknowledged) <= 4

        await huge.register("huge")
        await huge.say("stream_chat", broadcastId=ada.room, text="x" * 70_000)
        assert await huge.hear_close() == 1009

        await ada.say("broadcast_end")
        await flood.hear("broadcast_ended")
        await flood.say("stream_chat", broadcastId=ada.room, text="too late")
        assert (await flood.hear("error"))["code"] == "ROOM_NOT_FOUND"
        await viewer.hear("show_ended")
        assert "ß" not in json.dumps(viewer.frames, ensure_ascii=False)


# -- private shows -----------------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)


@pytest.fixture
def desk() -> TokenDesk:
    return TokenDesk(["a signing key that is long enough for every HMAC: 64 characters and more"], clock=SystemClock())


@pytest.fixture
async def private(log: EventLog, desk: TokenDesk) -> AsyncIterator[Stage]:
    """A stage on which viewers need tickets, and agents tokens."""
    async with open_stage(log=log, tokens=desk, tickets=desk) as stage:
        yield stage


async def on_air(host: Agent, **fields: Any) -> Agent:
    """Begin the show "secret" as its caster, and say its first line."""
    await host.register("ada-0001", features=EXTENSIONS, **fields)
    await host.start(title="Behind closed doors", show={"id": "secret", "key": "the caster's key", "agent": "ada"})
    await perform(host, cast("ada"), 1)
    await host.stream("Not for everybody.", ref=2, turn=1, index=0)
    await host.hear("text_ack")
    return host


async def told_nothing_of(guest: Agent, host: Agent, *, line: int) -> None:
    """Check that neither asking nor waiting tells the guest of the host's show, in which a line is said meanwhile."""
    for say, fields in (("join_room", {}), ("stream_chat", {"text": "What of sleep?"})):
        await guest.say(say, broadcastId=host.room, **fields)
        unknown = await guest.hear()
        assert unknown == {"code": "ROOM_NOT_FOUND", "message": "There is no such broadcast."}
    await host.stream("Nor is this.", ref=line, turn=1, index=line)
    await host.hear("text_ack")
    assert await heard_by_now(guest) == []
    said = json.dumps(guest.frames)
    assert "closed doors" not in said
    assert host.room not in said
    assert not any(frame.get("hints") for frame in host.frames)


@pytest.mark.parametrize("mode", ["", "explicit"])
async def test_a_token_for_one_show_lets_nobody_hear_another_where_viewers_need_tickets(
    private: Stage, desk: TokenDesk, mode: str
) -> None:
    other = desk.issue("agent", lasting=HOUR, show="quite-another-show")
    chosen = {"participationMode": mode} if mode else {}
    async with agent_on(private) as host, agent_on(private) as early, agent_on(private) as late:
        await early.register("early", token=other, **chosen)
        await on_air(host, token=desk.issue("agent", lasting=HOUR, show="secret"))
        await late.register("late", token=other, **chosen)
        assert (late.registered["activeRooms"], late.registered["activeBroadcast"]) == ([], None)
        await told_nothing_of(early, host, line=3)
        await told_nothing_of(late, host, line=4)


@pytest.mark.parametrize("show", ["secret", ""])
async def test_a_token_for_a_show_or_for_every_one_lets_an_agent_hear_it_where_viewers_need_tickets(
    private: Stage, desk: TokenDesk, show: str
) -> None:
    async with agent_on(private) as host, agent_on(private) as guest:
        await on_air(host, token=desk.issue("agent", lasting=HOUR, show="secret"))
        await guest.register("guest", token=desk.issue("agent", lasting=HOUR, show=show))
        assert [room["broadcastId"] for room in guest.registered["activeRooms"]] == [host.room]
        assert (await guest.hear("viewer_context"))["recentMessages"][0]["text"] == "Not for everybody."
        await guest.say("stream_chat", broadcastId=host.room, text="What of sleep?")
        await guest.hear("chat_ack")
        (hint,) = await hints_of(host)
        assert hint["text"] == "What of sleep?"


async def test_who_broadcasts_without_a_token_hears_its_own_show_alone_where_viewers_need_tickets(
    log: EventLog, desk: TokenDesk
) -> None:
    async with (
        open_stage(log=log, tickets=desk, open_to_agents=True) as stage,
        agent_on(stage) as host,
        agent_on(stage) as guest,
    ):
        await on_air(host)
        await (await guest.register("guest")).start(title="Mine")
        await told_nothing_of(guest, host, line=3)
        await guest.say("heartbeat")
        rooms = (await guest.hear("heartbeat_ack"))["activeRooms"]
        assert [room["broadcastId"] for room in rooms] == [guest.room]
        await guest.say("join_room", broadcastId=guest.room)
        assert (await guest.hear("error"))["code"] == "OWN_ROOM"


async def test_who_shows_a_token_for_another_show_leaves_the_one_that_it_heard(private: Stage, desk: TokenDesk) -> None:
    async with agent_on(private) as host, agent_on(private) as guest:
        await on_air(host, token=desk.issue("agent", lasting=HOUR, show="secret"))
        await guest.register("guest", token=desk.issue("agent", lasting=HOUR))
        await guest.hear("viewer_context")
        guest.frames.clear()
        await guest.register("guest", token=desk.issue("agent", lasting=HOUR, show="quite-another-show"))
        await told_nothing_of(guest, host, line=3)


async def test_where_everybody_may_watch_agents_hear_every_show_whatever_their_token_names(
    log: EventLog, desk: TokenDesk
) -> None:
    async with open_stage(log=log, tokens=desk) as stage, agent_on(stage) as host, agent_on(stage) as guest:
        await on_air(host, token=desk.issue("agent", lasting=HOUR, show="secret"))
        await guest.register("guest", token=desk.issue("agent", lasting=HOUR, show="quite-another-show"))
        assert (await guest.hear("viewer_context"))["broadcastId"] == host.room


# -- manners -----------------------------------------------------------------------------------------------------


async def test_what_older_clients_say_unasked_does_no_harm(stage: Stage) -> None:
    async with agent_on(stage) as guest:
        await guest.register("guest")
        for harmless in ("accept_watch", "pong", "agent_pong"):
            await guest.say(harmless)
        assert await heard_by_now(guest) == []


@pytest.mark.parametrize(
    ("text", "to", "rest"),
    [
        ("What now?", "", "What now?"),
        ("@Ada what now?", "ada", "what now?"),
        (" @ADA: what now?", "ada", "what now?"),
        ("@otis - what?", "otis", "what?"),
        ("@Otis Bell, what?", "otis", "what?"),
        ("@Adam what?", "", "@Adam what?"),
        ("@\u7530\u4e2d\u3055\u3093\u3001\u9ce5\u306f", "tanaka", "\u3055\u3093\u3001\u9ce5\u306f"),
        ("@nobody what?", "", "@nobody what?"),
        ("I asked @Ada", "", "I asked @Ada"),
        ("@", "", "@"),
        ("@O?", "o", "?"),
    ],
)
def test_a_line_may_begin_with_the_one_it_is_for(text: str, to: str, rest: str) -> None:
    assert addressee(text, CAST) == (to, rest)


async def hints_of(agent: Agent) -> list[dict[str, Any]]:
    while True:
        context = await agent.hear("viewer_context")
        if context["hints"]:
            return list(context["hints"])
