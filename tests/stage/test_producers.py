"""A show's producers on a stage: over HTTP and WebSocket, with a caster on the other side."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.stage import Stage, open_stage
from tests.stage.people import EXTENSIONS, Agent, Frame, agent_on, browser, cast, viewer_of

TOKEN = "the-token-of-this-shows-producer"
DIRECTED = [*EXTENSIONS, "control"]
CLAIM = {
    "id": "show-1", "key": "the caster's key", "title": "A show", "motion": "Tea beats coffee", "agent": "ada",
    "side": "for", "order": 0, "producer": hashlib.sha256(TOKEN.encode()).hexdigest(),
}  # fmt: skip


@asynccontextmanager
async def directed(stage: Stage, *, features: list[str] = DIRECTED, **claim: Any) -> AsyncIterator[Agent]:
    async with agent_on(stage) as agent:
        await agent.register("ada-0001", secret="secret of ada", features=features)
        await agent.start(title="A show", show=CLAIM | claim)
        await agent.say("show_event", event=cast("ada"), ref=1)
        await agent.hear("text_ack")
        yield agent


async def order(stage: Stage, token: str | None = TOKEN, *, show: str = "show-1", **fields: Any) -> tuple[int, Frame]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        browser() as session,
        session.post(f"{stage.url}/api/shows/{show}/control", json=fields, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_command_reaches_the_caster_and_its_answer_comes_back(stage: Stage) -> None:
    async with directed(stage) as ada, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(order(stage, command="inject", text="Hello", by="Kim", hint="h1", viewer="v1"))
        told = await ada.hear("control")
        await ada.say("control_done", broadcastId=ada.room, id=told["id"], ok=True, message="said next")

    identity = told.pop("id")
    told.pop("ts", None)
    assert told == {
        "broadcastId": ada.room, "command": "inject", "token": TOKEN, "text": "Hello", "hint": "h1", "viewer": "v1",
        "by": "Kim",
    }  # fmt: skip
    assert identity
    assert asked.result() == (200, {"type": "control_done", "ok": True, "message": "said next"})


@pytest.mark.parametrize("turn", [0, 3, None])
async def test_the_turn_that_a_command_means_goes_with_it(stage: Stage, turn: int | None) -> None:
    async with directed(stage) as ada, asyncio.TaskGroup() as tasks:
        tasks.create_task(order(stage, command="skip", turn=turn))
        told = await ada.hear("control")
        await ada.say("control_done", broadcastId=ada.room, id=told["id"], ok=True, message="skipped")

    assert told.get("turn") == turn


async def test_what_the_caster_refuses_is_a_conflict_with_the_reason(stage: Stage) -> None:
    async with directed(stage) as ada, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(order(stage, command="resume"))
        told = await ada.hear("control")
        await ada.say("control_done", broadcastId=ada.room, id=told["id"], ok=False, message="nothing is paused")

    assert asked.result() == (409, {"error": "refused", "message": "nothing is paused"})


def test_a_caster_that_does_not_answer_is_said_so_within_two_seconds() -> None:
    async def main(clock: VirtualClock) -> tuple[int, str, float]:
        async with open_stage(log=MemoryEventLog(), clock=clock) as stage, directed(stage):
            started = clock.monotonic()
            status, answer = await order(stage, command="pause")
            return status, answer["error"], clock.monotonic() - started

    status, error, took_s = run_virtual(main)

    assert (status, error) == (504, "no_answer")
    assert took_s == pytest.approx(2.0, abs=0.1)


async def test_a_caster_that_is_away_is_not_waited_for(stage: Stage) -> None:
    async with directed(stage):
        pass
    status, answer = await order(stage, command="pause")

    assert (status, answer["error"]) == (504, "no_answer")


@pytest.mark.parametrize(
    ("token", "show", "fields", "status", "code"),
    [
        (None, "show-1", {"command": "pause"}, 401, "no_token"),
        ("wrong", "show-1", {"command": "pause"}, 403, "wrong_token"),
        (TOKEN, "show-9", {"command": "pause"}, 404, "no_such_show"),
        (TOKEN, "show-1", {}, 400, "bad_request"),
        (TOKEN, "show-1", {"command": ["pause"]}, 400, "bad_request"),
        (TOKEN, "show-1", {"command": "inject", "text": "x" * 5000}, 400, "bad_request"),
        (TOKEN, "show-1", {"command": "skip", "turn": "3"}, 400, "bad_request"),
        (TOKEN, "show-1", {"command": "skip", "turn": True}, 400, "bad_request"),
        (TOKEN, "show-1", {"command": "skip", "turn": -1}, 400, "bad_request"),
        (TOKEN, "show-1", {"command": "skip", "turn": 10**30}, 400, "bad_request"),
    ],
)
async def test_what_is_no_command_of_the_producer_gets_nowhere(
    stage: Stage, token: str | None, show: str, fields: Frame, status: int, code: str
) -> None:
    async with directed(stage) as ada:
        answered, answer = await order(stage, token, show=show, **fields)
        assert (answered, answer["error"]) == (status, code)
        await ada.say("heartbeat")
        assert [frame["type"] for frame in await ada.hear_until("heartbeat_ack")] == ["heartbeat_ack"]


async def test_wrong_tokens_are_slowed_down_and_the_right_one_is_not(stage: Stage) -> None:
    async with directed(stage) as ada, asyncio.TaskGroup() as tasks:
        statuses = [(await order(stage, f"wrong-{number}", command="pause"))[0] for number in range(12)]
        asked = tasks.create_task(order(stage, command="pause"))
        told = await ada.hear("control")
        await ada.say("control_done", broadcastId=ada.room, id=told["id"], ok=True, message="paused")

    assert statuses == [403] * 10 + [429] * 2
    assert asked.result()[0] == 200


async def test_a_show_whose_caster_named_no_producer_has_none(stage: Stage) -> None:
    async with directed(stage, producer=""):
        assert (await order(stage, "", command="pause"))[0] == 401
        assert (await order(stage, TOKEN, command="pause"))[0] == 403


async def test_a_caster_that_does_not_know_producers_is_sent_nothing(stage: Stage) -> None:
    async with directed(stage, features=list(EXTENSIONS)) as ada, viewer_of(stage) as producer:
        assert (await order(stage, command="pause"))[1]["error"] == "no_answer"
        await producer.say("producer", token=TOKEN)
        await producer.hear("producer_welcome")
        await ada.say("heartbeat")
        assert {frame["type"] for frame in await ada.hear_until("heartbeat_ack")} <= {"heartbeat_ack", "viewer_context"}


async def test_a_show_that_is_over_is_not_directed(stage: Stage) -> None:
    async with directed(stage) as ada, viewer_of(stage) as viewer:
        await ada.say("show_event", event={"type": "show_ended", "why": "completed"}, ref=2)
        await viewer.hear("show_ended")
        assert (await order(stage, command="pause"))[1]["error"] == "ended"


async def test_another_sites_page_can_direct_nothing(stage: Stage) -> None:
    async with directed(stage), browser() as session:
        headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://elsewhere.example"}
        address = f"{stage.url}/api/shows/show-1/control"
        async with session.post(address, json={"command": "end"}, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]) == (403, "forbidden_origin")


# -- the desk -------------------------------------------------------------------------------------------------------


async def test_producers_see_the_desk_and_nobody_else_does(stage: Stage) -> None:
    async with directed(stage) as ada, viewer_of(stage) as producer, viewer_of(stage) as viewer:
        await producer.say("producer", token=TOKEN)
        await producer.hear("producer_welcome")
        wanted = await ada.hear("desk_wanted")
        await ada.say("desk", broadcastId=ada.room, desk={"paused": True, "hints": []})
        desk = await producer.hear("desk")
        await viewer.say("ping")
        seen = await viewer.hear_until("pong")

    assert (wanted["wanted"], wanted["token"]) == (True, TOKEN)
    assert desk == {"type": "desk", "paused": True, "hints": []}
    assert "desk" not in {frame["type"] for frame in seen}


async def test_the_caster_hears_when_the_last_producer_has_gone(stage: Stage) -> None:
    async with directed(stage) as ada:
        async with viewer_of(stage) as producer:
            await producer.say("producer", token=TOKEN)
            assert (await ada.hear("desk_wanted"))["wanted"]
        gone = await ada.hear("desk_wanted")

    assert (gone["wanted"], gone["token"]) == (False, "")


async def test_a_caster_that_comes_back_is_asked_again(stage: Stage) -> None:
    async with directed(stage) as ada, viewer_of(stage) as producer:
        await producer.say("producer", token=TOKEN)
        await ada.hear("desk_wanted")
        async with agent_on(stage) as again:
            await again.register("ada-0001", secret="secret of ada", features=DIRECTED, resume={"room": ada.room})
            assert (await again.hear("desk_wanted"))["token"] == TOKEN


async def test_a_wrong_token_shows_nothing(stage: Stage) -> None:
    async with directed(stage) as ada, viewer_of(stage) as stranger:
        for token in ("wrong", None, ["x"]):
            await stranger.say("producer", token=token)
            assert (await stranger.hear("error"))["code"] == "forbidden"
        await ada.say("desk", broadcastId=ada.room, desk={"paused": True})
        await stranger.say("ping")
        assert "desk" not in {frame["type"] for frame in await stranger.hear_until("pong")}


async def test_only_the_lead_speaks_for_the_desk(stage: Stage) -> None:
    async with directed(stage), agent_on(stage) as ben, viewer_of(stage) as producer, asyncio.TaskGroup() as tasks:
        await ben.register("ben-0001", secret="secret of ben", features=DIRECTED)
        await ben.start(title="A show", show=CLAIM | {"agent": "ben", "order": 1})
        await producer.say("producer", token=TOKEN)
        await producer.hear("producer_welcome")
        asked = tasks.create_task(order(stage, command="pause"))
        await ben.say("desk", broadcastId=ben.room, desk={"paused": True})
        await ben.say("control_done", broadcastId=ben.room, id="c_1", ok=True, message="me")
        await producer.say("ping")
        seen = await producer.hear_until("pong")

    assert "desk" not in {frame["type"] for frame in seen}
    assert asked.result()[0] == 504


async def test_a_show_keeps_its_producer_over_a_restart_of_the_stage(log: EventLog) -> None:
    async with open_stage(log=log) as stage, directed(stage) as ada:
        room = ada.room
    async with open_stage(log=log) as stage, agent_on(stage) as ada, asyncio.TaskGroup() as tasks:
        await ada.register("ada-0001", secret="secret of ada", features=DIRECTED, resume={"room": room})
        assert (await order(stage, "wrong", command="pause"))[0] == 403
        asked = tasks.create_task(order(stage, command="pause"))
        told = await ada.hear("control")
        await ada.say("control_done", broadcastId=room, id=told["id"], ok=True, message="paused")

    assert asked.result()[0] == 200


async def test_a_hint_that_waits_for_the_producer_is_told_so_to_its_author_alone(stage: Stage) -> None:
    async with directed(stage) as ada, viewer_of(stage) as author, viewer_of(stage) as other:
        await author.say("hint", text="And birds?")
        hint = (await author.hear("hint_received"))["hint"]
        await ada.say("show_event", event={"type": "hint_held", "hint": hint, "to": ""}, ref=2)
        fate = await author.hear("hint_fate")
        await ada.say("show_event", event={"type": "hint_accepted", "hint": hint, "to": ""}, ref=3)
        later = await author.hear("hint_fate")
        await other.say("ping")
        seen = await other.hear_until("pong")

    assert (fate["state"], later["state"]) == ("waiting", "queued")
    assert "hint_fate" not in {frame["type"] for frame in seen}
