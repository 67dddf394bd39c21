import asyncio
import json
import time
from collections import Counter
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from debate_caster.log import EventLog
from debate_caster.pulsar.messages import StreamText
from debate_caster.stage import Stage, StageLimits, open_stage, patience
from debate_caster.stage import agents as agents_module
from debate_caster.stage.agents import AgentConnection
from debate_caster.stage.broadcasts import Broadcast
from tests.abuse.raw_socket import frame, raw_socket
from tests.stage.people import EXTENSIONS, Agent, agent_on, browser, cast, caster_on, eventually, viewer_of


def text(message: dict[str, str]) -> bytes:
    return frame(1, json.dumps(message).encode())


@pytest.mark.parametrize("path", ["/ws", "/", "/anything?at=all", ""])
async def test_the_published_client_goes_live_and_a_viewer_sees_its_text(stage: Stage, path: str) -> None:
    async with connect(f"ws://127.0.0.1:{stage.port}{path}", proxy=None) as socket:
        for message in (
            {"type": "register", "agentId": "my-agent-1a2b3c4d", "name": "My Agent", "emoji": "🤖", "style": "curious"},
            {"type": "broadcast_start", "topic": "What I learned today"},
            {"type": "stream_text", "text": "Hello."},
            {"type": "stream_text", "text": "And goodbye."},
            {"type": "broadcast_end"},
        ):
            await socket.send(json.dumps(message))
        answers = [json.loads(await socket.recv()) for _ in range(3)]

    assert [answer["type"] for answer in answers] == ["registered", "broadcast_approved", "broadcast_ended"]
    assert all("payload" not in answer for answer in answers)
    async with viewer_of(stage) as viewer:
        hello = await viewer.hear("hello")
        events = await viewer.hear_events(hello["head"])
    assert [event["type"] for event in events] == [
        "show_started", "room_opened", "chunk_aired", "chunk_aired", "room_closed", "show_ended",
    ]  # fmt: skip
    assert [event["text"] for event in events if event["type"] == "chunk_aired"] == ["Hello.", "And goodbye."]
    assert hello["show"]["title"] == "What I learned today"
    assert (hello["show"]["state"], hello["show"]["why"]) == ("ended", "completed")


async def test_a_client_that_says_all_and_hangs_up_is_heard_to_the_end(stage: Stage, log: EventLog) -> None:
    socket = await connect(f"ws://127.0.0.1:{stage.port}/ws", proxy=None)
    await socket.send('{"type":"register","agentId":"hasty","name":"Hasty"}')
    await socket.send('{"type":"broadcast_start","topic":"In a hurry"}')
    for number in range(30):
        await socket.send(json.dumps({"type": "stream_text", "text": f"line {number}"}))
    await socket.send('{"type":"broadcast_end"}')
    socket.transport.close()  # no close frame: what an exiting process does
    await socket.wait_closed()

    async def all_there() -> bool:
        return any(info.last_seq == 34 for info in await log.streams("air/"))

    await eventually(all_there)
    (air,) = await log.streams("air/")
    texts = [json.loads(record.body).get("text") for record in await log.read(air.name, 0)]
    assert [text for text in texts if text] == [f"line {number}" for number in range(30)]


@pytest.mark.parametrize("hybrid", [False, True])
async def test_the_answer_has_the_shape_of_the_question(stage: Stage, hybrid: bool) -> None:
    def message(type_: str, **fields: object) -> str:
        return json.dumps({"type": type_, **(fields if hybrid else {}), "payload": fields})

    async with connect(f"ws://127.0.0.1:{stage.port}/ws", proxy=None) as socket:
        await socket.send(message("register", agentId="a1", name="Ann"))
        await socket.send(message("broadcast_start", title="T", topic="T"))
        await socket.send(message("heartbeat", agentId="a1", state="broadcasting"))
        await socket.send(message("stream_text", text="Hi"))
        await socket.send(message("broadcast_end"))
        answers = [json.loads(await socket.recv()) for _ in range(4)]

    registered, approved, acknowledged, ended = answers
    assert registered["payload"]["agentId"] == "a1"
    assert set(EXTENSIONS) <= set(registered["payload"]["features"])
    assert approved["payload"]["broadcastId"].startswith("bc_")
    assert acknowledged["type"] == "heartbeat_ack"
    assert [room["hostId"] for room in acknowledged["payload"]["activeRooms"]] == ["a1"]
    assert ended["type"] == "broadcast_ended"
    assert "payload" not in ended, "what goes to a whole room is flat for everybody"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (["not json"], "PARSE_ERROR"),
        (["[]"], "PARSE_ERROR"),
        (['{"text":"no type"}'], "PARSE_ERROR"),
        ([f'{{"type":"register","x":{"[" * 200}{"]" * 200}}}'], "PARSE_ERROR"),
        (['{"type":"register","name":"Nobody"}'], "AUTH_FAILED"),
        (['{"type":"register","agentId":"x y","name":"Space"}'], "AUTH_FAILED"),
        (['{"type":"stream_text","text":"unasked"}'], "AUTH_FAILED"),
        (["REGISTER", '{"type":"register","agentId":"other","name":"Other"}'], "AUTH_FAILED"),
        (["REGISTER", '{"type":"heartbeat","agentId":"other"}'], "AUTH_FAILED"),
        (["REGISTER", '{"type":"stream_text","text":"nowhere"}'], "NOT_YOUR_BROADCAST"),
        (["REGISTER", "START", '{"type":"stream_text","text":""}'], "EMPTY_MESSAGE"),
        (["REGISTER", "START", '{"type":"stream_text","broadcastId":"bc_0","text":"x"}'], "NOT_YOUR_BROADCAST"),
        (["REGISTER", "START", '{"type":"broadcast_end","broadcastId":"bc_0"}'], "NOT_YOUR_BROADCAST"),
        (["REGISTER", "START", '{"type":"pause_broadcast","minutes":99}'], "INVALID_PAUSE"),
        (["REGISTER", "START", '{"type":"show_event","event":{"type":"phase_started"}}'], "UNKNOWN_TYPE"),
        (["REGISTER", '{"type":"stream_chat","broadcastId":"bc_0","text":"hi"}'], "ROOM_NOT_FOUND"),
        (["REGISTER", '{"type":"join_room","broadcastId":"bc_0"}'], "ROOM_NOT_FOUND"),
        (["REGISTER", '{"type":"dance"}'], "UNKNOWN_TYPE"),
    ],
)
async def test_what_can_not_be_done_is_an_error_of_pulsar(stage: Stage, frames: list[str], code: str) -> None:
    known = {
        "REGISTER": '{"type":"register","agentId":"a1","name":"Ann"}',
        "START": '{"type":"broadcast_start","topic":"T"}',
    }
    async with connect(f"ws://127.0.0.1:{stage.port}/ws", proxy=None) as socket:
        for frame in frames:
            await socket.send(known.get(frame, frame))
        answers = [json.loads(await socket.recv()) for _ in frames]
        await socket.send('{"type":"register","agentId":"a1","name":"Ann"}')

        assert answers[-1]["type"] == "error"
        assert answers[-1]["code"] == code
        assert json.loads(await socket.recv())["type"] == "registered", "the socket stays open"


async def test_an_agent_has_one_room_at_a_time(stage: Stage) -> None:
    async with agent_on(stage) as agent:
        await (await agent.register("a1")).start(title="One")
        await agent.say("broadcast_start", title="Two")
        denied = await agent.hear("broadcast_denied")
        assert denied == {"reason": "you_are_already_broadcasting", "broadcastId": agent.room}

        await agent.say("broadcast_end")
        await agent.hear("broadcast_ended")
        first = agent.room
        await agent.start(title="Two")
        assert agent.room != first


async def test_rooms_with_one_key_are_one_show_and_others_are_denied(stage: Stage) -> None:
    async with caster_on(stage) as ada, caster_on(stage, order=1, name="bob") as bob, agent_on(stage) as thief:
        assert ada.show == bob.show == "show-1"

        await thief.register("thief", features=["debate_show"])
        for claim, reason in (
            ({"id": "show-1", "key": "a guess"}, "show_key"),
            ({"id": "../../etc", "key": "k"}, "show_id"),
        ):
            await thief.say("broadcast_start", title="Mine", show=claim)
            assert (await thief.hear("broadcast_denied"))["reason"] == reason

        async with viewer_of(stage, "?show=show-1") as viewer:
            events = await viewer.hear_events(2)
    assert [event["agent"]["id"] for event in events] == ["ada", "bob"]
    assert [event["host"] for event in events] == ["ada-0001", "bob-0001"]


async def test_a_show_that_has_ended_can_not_be_joined(stage: Stage) -> None:
    async with caster_on(stage) as ada:
        await ada.say("broadcast_end")
        await ada.hear("broadcast_ended")

        await ada.say("broadcast_start", title="Again", show={"id": "show-1", "key": "the caster's key"})
        assert (await ada.hear("broadcast_denied"))["reason"] == "show_ended"


async def test_an_event_that_is_not_public_stays_off_the_air(stage: Stage) -> None:
    async with caster_on(stage) as ada:
        for event in (
            {"type": "money_spent", "cost": "12"},
            {"type": "hint_offered", "hint": "h", "text": "secret"},
            {"type": "room_opened", "room": "bc_x"},
            {"type": "chunk_aired", "text": "in another's name"},
            {"type": "turn_started", "turn": "one", "speaker": "ada"},
            {"type": "turn_started", "turn": 1},
        ):
            await ada.say("show_event", event=event)
            assert (await ada.hear("error"))["code"] == "BAD_EVENT"
        await ada.say("show_event", event=cast("ada"), ref=1)
        assert await ada.hear("text_ack") == {"broadcastId": ada.room, "ref": 1, "seq": 2}


async def test_each_line_is_acknowledged_with_its_place_and_a_repeated_one_is_not_aired_again(stage: Stage) -> None:
    async with caster_on(stage) as ada, viewer_of(stage, "?show=show-1&types=chunk_aired") as viewer:
        for ref in (5, 9, 9, 5, 12):
            await ada.stream(f"line {ref}", ref=ref, turn=0, index=ref)
        acks = [await ada.hear("text_ack") for _ in range(5)]

        assert sorted((ack["ref"], ack["seq"]) for ack in acks) == [(5, 2), (5, 2), (9, 3), (9, 3), (12, 4)]
        assert acks[0] == {"broadcastId": ada.room, "ref": 5, "turn": 0, "index": 5, "seq": 2}
        assert [event["text"] for event in await viewer.hear_events(3)] == ["line 5", "line 9", "line 12"]


async def test_acknowledgements_go_only_to_agents_that_asked(stage: Stage) -> None:
    async with agent_on(stage) as agent:
        await (await agent.register("plain")).start(title="T")
        await agent.stream("hello", ref=1)
        await agent.say("heartbeat")

        await agent.hear("heartbeat_ack")
        assert [frame["type"] for frame in agent.frames] == ["registered", "broadcast_approved", "heartbeat_ack"]


async def test_a_dropped_agent_goes_on_in_its_room(stage: Stage) -> None:
    async with caster_on(stage) as ada, viewer_of(stage, "?show=show-1") as viewer:
        await ada.stream("before", ref=3)
        await ada.hear("text_ack")
        ada.socket.transport.abort()
        await viewer.hear("room_reconnecting")

        async with agent_on(stage) as again:
            await again.register("ada-0001", secret="secret of ada", features=EXTENSIONS, resume={"room": ada.room})
            assert again.registered["resume"] == {"room": ada.room, "last_ref": 3}
            again.room = ada.room
            await again.stream("before", ref=3)
            await again.stream("after", ref=4)
            await again.hear("text_ack")
            await again.say("broadcast_end")
            frames = await viewer.hear_until("show_ended")

    assert [frame["type"] for frame in frames if "seq" in frame] == [
        "room_resumed", "chunk_aired", "room_closed", "show_ended",
    ]  # fmt: skip
    assert frames[-1]["why"] == "completed"


async def test_a_new_connection_of_an_agent_takes_over_from_one_that_hangs(stage: Stage) -> None:
    async with caster_on(stage) as ada, agent_on(stage) as again:
        await ada.stream("before", ref=1)
        await ada.hear("text_ack")
        await again.register("ada-0001", secret="secret of ada", features=EXTENSIONS, resume={"room": ada.room})

        assert again.registered["resume"]["last_ref"] == 1
        assert await ada.hear_close() == 4409
        again.room = ada.room
        await again.stream("after", ref=2)
        assert (await again.hear("text_ack"))["ref"] == 2


@pytest.mark.parametrize("secret", ["a guess", None])
async def test_an_agent_id_belongs_to_its_secret(stage: Stage, secret: str | None) -> None:
    async with caster_on(stage) as ada, agent_on(stage) as thief:
        given = {"secret": secret} if secret else {}
        await thief.say("register", agentId="ada-0001", name="Ada", **given, resume={"room": ada.room})
        assert (await thief.hear("error"))["code"] == "AUTH_FAILED"

        await ada.stream("still me", ref=1)
        assert (await ada.hear("text_ack"))["ref"] == 1


async def test_an_agent_without_a_secret_keeps_its_id_while_it_is_connected(stage: Stage) -> None:
    async with agent_on(stage) as first, agent_on(stage) as second:
        await first.register("plain")
        await second.say("register", agentId="plain", name="Plain")
        assert (await second.hear("error"))["code"] == "AUTH_FAILED"

        await first.socket.close()
        await asyncio.sleep(0.05)
        await second.register("plain")


async def test_a_plain_agent_that_drops_has_ended_its_broadcast(stage: Stage) -> None:
    async with agent_on(stage) as agent:
        await (await agent.register("plain")).start(title="T")
        async with viewer_of(stage) as viewer:
            await viewer.hear("room_opened")
            agent.socket.transport.abort()
            closed, ended = await viewer.hear("room_closed"), await viewer.hear("show_ended")

    assert closed["reason"] == "host_disconnected"
    assert ended["why"] == "interrupted"


async def test_who_sends_too_fast_is_warned_and_loses_lines(stage: Stage) -> None:
    async with agent_on(stage) as agent:
        await (await agent.register("flood")).start(title="T")
        for number in range(patience.FRAME_BURST + 20):
            await agent.stream(f"line {number}")
        warning = await agent.hear("warning")

    assert warning["code"] == "RATE_LIMIT_EXCEEDED"


async def test_who_waits_for_acknowledgements_is_slowed_down_and_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FRAME_BURST", 5)
    monkeypatch.setattr(patience, "FRAMES_PER_S", 200.0)
    async with caster_on(stage) as ada:
        for ref in range(1, 41):
            await ada.stream(f"line {ref}", ref=ref)
        acks = [await ada.hear("text_ack") for _ in range(40)]

    assert [ack["ref"] for ack in acks] == list(range(1, 41))
    assert not [frame for frame in ada.frames if frame["type"] == "warning"]


async def test_a_flood_of_heartbeats_gets_few_answers_and_is_thrown_out(stage: Stage) -> None:
    async with raw_socket(stage, "/ws") as flood:
        began = time.monotonic()
        await flood.send(text({"type": "register", "agentId": "flood", "name": "Flood"}))
        await flood.send(*[text({"type": "heartbeat"}) * 500] * 20)
        answers, code = await flood.hear_all()
        passed_s = time.monotonic() - began

    assert code == 1008
    kinds = Counter(answer["type"] for answer in answers)
    assert kinds["heartbeat_ack"] <= patience.HEARTBEAT_BURST + patience.HEARTBEATS_PER_S * passed_s + 1
    assert set(kinds) == {"registered", "heartbeat_ack"}
    dropped = stage.counters.agent_frames_dropped
    assert patience.DROPS_BURST < dropped <= patience.DROPS_BURST + patience.DROPS_FORGIVEN_PER_S * passed_s + 1


@pytest.mark.parametrize(
    "message",
    [
        {"type": "heartbeat"},
        {"type": "stream_text", "text": "unasked"},
        {"type": "register"},
        {"type": "register", "agentId": "taken", "name": "Not Ann", "secret": "a guess"},
    ],
    ids=["heartbeat", "line", "nobody", "guess"],
)
async def test_who_has_not_registered_gets_so_many_refusals_and_is_thrown_out(
    stage: Stage, message: dict[str, str]
) -> None:
    async with agent_on(stage) as ann, raw_socket(stage, "/ws") as nobody:
        await ann.register("taken", secret="ann's secret")
        await nobody.send(text(message) * 10_000)
        answers, code = await nobody.hear_all()

    assert code == 1008
    assert [answer["code"] for answer in answers] == ["AUTH_FAILED"] * patience.REFUSALS_LIMIT


async def test_a_flood_of_chat_gets_few_warnings_and_is_thrown_out(stage: Stage) -> None:
    async with raw_socket(stage, "/ws") as flood:
        began = time.monotonic()
        await flood.send(text({"type": "register", "agentId": "flood", "name": "Flood"}))
        await flood.send(text({"type": "stream_chat", "broadcastId": "bc_0", "text": "x"}) * 10_000)
        answers, code = await flood.hear_all()
        passed_s = time.monotonic() - began

    assert code == 1008
    kinds = Counter(answer["type"] for answer in answers)
    assert 1 <= kinds["warning"] <= patience.WARNING_BURST + patience.WARNINGS_PER_S * passed_s + 1
    assert kinds["error"] <= patience.FRAME_BURST + patience.FRAMES_PER_S * passed_s + 1


async def test_what_comes_behind_the_last_refusal_is_not_aired(stage: Stage, log: EventLog) -> None:
    async with raw_socket(stage, "/ws") as host:
        await host.send(
            text({"type": "register", "agentId": "host", "name": "Host"}),
            text({"type": "broadcast_start", "title": "T"}),
            frame(1, b"nonsense") * patience.REFUSALS_LIMIT + text({"type": "stream_text", "text": "too late"}),
        )
        assert (await host.hear_all())[1] == 1008

    async def over() -> bool:
        (air,) = await log.streams("air/")
        said = [json.loads(record.body) for record in await log.read(air.name, 0)]
        assert not [event for event in said if event["type"] == "chunk_aired"]
        return bool(said[-1]["type"] == "show_ended")

    await eventually(over)


async def test_who_is_thrown_out_and_stays_is_reset(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents_module, "GOODBYE_S", 0.05)
    async with raw_socket(stage, "/ws") as nobody:
        await nobody.send(text({"type": "heartbeat"}) * patience.REFUSALS_LIMIT)
        assert (await nobody.hear_all())[1] == 1008
        with pytest.raises(ConnectionResetError):
            await nobody.reader.read()

        async def gone() -> bool:
            async with browser() as session, session.get(f"{stage.url}/metrics") as answer:
                return 'debate_caster_stage_agents{state="connected"} 0' in await answer.text()

        await eventually(gone)


async def test_what_one_agent_sends_at_once_is_dealt_with_in_turns_with_everybody_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0
    dealt_with: Counter[int] = Counter()

    async def deal_with(_connection: AgentConnection, _raw: str) -> None:
        dealt_with[turns] += 1

    def next_turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(next_turn)

    monkeypatch.setattr(AgentConnection, "_handle_one", deal_with)
    async with raw_socket(stage, "/ws") as flood:
        next_turn()
        await flood.send(text({"type": "heartbeat"}) * 10_000)

        async def all_there() -> bool:
            return dealt_with.total() == 10_000

        await eventually(all_there)
        monkeypatch.undo()

    assert max(dealt_with.values()) <= agents_module.FRAMES_A_TURN


async def test_heartbeats_of_who_waits_for_acknowledgements_are_slowed_down_and_all_answered(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEARTBEATS_PER_S", 200.0)
    async with caster_on(stage) as ada:
        for _ in range(4 * patience.HEARTBEAT_BURST):
            await ada.say("heartbeat")
        for _ in range(4 * patience.HEARTBEAT_BURST):
            await ada.hear("heartbeat_ack")
    assert stage.counters.agent_frames_dropped == 0


async def test_nonsense_without_end_closes_the_connection(stage: Stage) -> None:
    async with agent_on(stage) as agent:
        for _ in range(patience.REFUSALS_LIMIT):
            await agent.socket.send("nonsense")
        assert await agent.hear_close() == 1008


@pytest.mark.parametrize("text", ["x" * (agents_module.MAX_FRAME + 1), "\u8336" * 22_000], ids=["ascii", "chinese"])
async def test_a_frame_above_the_limit_closes_the_connection(stage: Stage, text: str) -> None:
    async with agent_on(stage) as agent:
        await agent.register("big")
        await agent.socket.send(text)
        assert await agent.hear_close() == 1009


async def test_a_frame_at_the_limit_is_taken(stage: Stage) -> None:
    async with agent_on(stage) as agent:
        await (await agent.register("big")).start(title="One")
        frame = {"type": "stream_text", "payload": {"text": ""}}
        frame["payload"] = {"text": "x" * (agents_module.MAX_FRAME - len(json.dumps(frame)))}
        await agent.socket.send(json.dumps(frame))
        async with viewer_of(stage) as viewer:
            events = await viewer.hear_events(3)
    assert [len(event.get("text", "")) for event in events] == [0, 0, 4000]


async def test_a_casters_frame_may_be_larger_but_not_without_limit(stage: Stage) -> None:
    async with caster_on(stage) as ada:
        await ada.stream("x" * (agents_module.MAX_FRAME + 1), ref=1)
        assert (await ada.hear("text_ack"))["ref"] == 1
        await ada.stream("x" * agents_module.MAX_CASTER_FRAME, ref=2)
        assert await ada.hear_close() == 1009


async def test_who_sends_faster_than_it_is_heard_waits_and_the_stage_keeps_little_of_it(stage: Stage) -> None:
    async with agent_on(stage) as agent:
        await (await agent.register("flood", features=["text_ack"])).start(title="One")
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                await agent.stream("x" * 60_000)
                sent += 1

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flood(), 2.0)
        # 40 at once and 20 a second are taken; the stage keeps 1 MiB, and the rest is in the two kernels' buffers.
        assert 60 < sent < 400
        async with viewer_of(stage) as viewer, browser() as other:
            await viewer.hear("hello")
            async with other.get(f"{stage.url}/healthz") as answer:
                assert answer.status == 200


async def test_a_stage_takes_so_many_agents_from_one_address_and_says_so_to_the_next(log: EventLog) -> None:
    limits = StageLimits(agents_per_address=2)
    async with open_stage(log=log, limits=limits) as stage, agent_on(stage) as first, agent_on(stage) as second:
        await first.register("a1")
        await second.register("a2")
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{stage.port}/ws", proxy=None)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "30"

        await second.socket.close()

        async def welcome() -> bool:
            with suppress(InvalidStatus):
                async with agent_on(stage) as third:
                    await third.register("a3")
                    return True
            return False

        await eventually(welcome)


async def test_who_does_not_say_who_it_is_is_closed_and_who_does_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_module, "REGISTER_S", 0.2)
    async with agent_on(stage) as known, agent_on(stage) as silent, agent_on(stage) as talker:
        await known.register("known")
        await talker.say("heartbeat")
        assert await silent.hear_close() == 4408
        assert await talker.hear_close() == 4408
        await known.say("heartbeat")
        assert (await known.hear("heartbeat_ack"))["agentCount"] == 1


async def test_another_agent_listens_in_and_its_chat_is_a_hint(stage: Stage) -> None:
    async with caster_on(stage) as ada, agent_on(stage) as guest:
        await guest.register("guest", participationMode="explicit")
        assert (await guest.hear("room_available"))["room"]["broadcastId"] == ada.room
        await guest.say("stream_chat", broadcastId=ada.room, text="What of the cost?")
        assert (await guest.hear("error"))["code"] == "JOIN_REQUIRED"
        await ada.stream("earlier", ref=1)
        await ada.hear("text_ack")
        await guest.say("join_room", broadcastId=ada.room)
        joined = await guest.hear("room_joined")
        assert [line["text"] for line in joined["recentMessages"]] == ["earlier"]

        await ada.stream("Tea it is.", ref=2)
        update = await guest.hear("live_update")
        assert [(line["role"], line["text"]) for line in update["messages"]] == [("host", "Tea it is.")]

        await guest.say("stream_chat", broadcastId=ada.room, text="What of the cost?")
        acknowledged = await guest.hear("chat_ack")
        offered = await hear_hints(ada)
        assert [(hint["id"], hint["text"], hint["name"]) for hint in offered] == [
            (acknowledged["messageId"], "What of the cost?", "Guest")
        ]
        await guest.say("leave_room", broadcastId=ada.room)
        assert await guest.hear("room_left") == {"broadcastId": ada.room, "left": True}


async def test_agents_that_choose_for_themselves_hear_of_new_rooms(stage: Stage) -> None:
    async with agent_on(stage) as guest, agent_on(stage) as host:
        await guest.register("guest", participationMode="explicit")
        await (await host.register("host")).start(title="New", category="science")

        room = (await guest.hear("room_available"))["room"]
        assert (room["broadcastId"], room["title"], room["category"]) == (host.room, "New", "science")


async def test_lone_surrogates_and_line_breaks_go_on_air_as_text(stage: Stage) -> None:
    async with agent_on(stage) as agent:
        await (await agent.register("odd")).start(title="T")
        await agent.socket.send('{"type":"stream_text","payload":{"text":"a\\ud83d b\\r\\nc\\u2028d \\ud83d\\ude00"}}')
        async with viewer_of(stage, "?types=chunk_aired") as viewer:
            (event,) = await viewer.hear_events(1)

    assert event["text"] == "a\ufffd b\r\nc\u2028d 😀"


async def hear_hints(agent: Agent) -> list[dict[str, str]]:
    while True:
        context = await agent.hear("viewer_context")
        if context["hints"]:
            return list(context["hints"])


async def test_a_message_that_the_stage_fails_on_ends_nothing_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_broadcast: Broadcast, line: StreamText) -> None:
        raise RuntimeError(f"no idea what to do with {line.text}")

    async with caster_on(stage) as ada, caster_on(stage, "show-2", name="ben") as ben:
        with monkeypatch.context() as broken:
            broken.setattr(Broadcast, "text", fail)
            await ada.stream("one", ref=1)
            assert (await ada.hear("error"))["code"] == "INTERNAL"
        await ada.stream("two", ref=2)
        await ben.stream("three", ref=1)
        assert (await ada.hear("text_ack"))["ref"] == 2
        assert (await ben.hear("text_ack"))["ref"] == 1


async def test_nobody_resumes_anothers_room(stage: Stage) -> None:
    async with caster_on(stage) as ada:
        await ada.stream("one", ref=1)
        await ada.hear("text_ack")
        async with agent_on(stage) as thief:
            await thief.register(
                "thief-0001", secret="secret of a thief", features=EXTENSIONS, resume={"room": ada.room}
            )
            assert "resume" not in thief.registered
        await ada.stream("two", ref=2)
        assert (await ada.hear("text_ack"))["ref"] == 2
