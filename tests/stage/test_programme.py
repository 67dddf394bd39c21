import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from debate_caster.clock import SystemClock
from debate_caster.errors import SetupError
from debate_caster.log import EventLog, MemoryEventLog, Record, SqliteEventLog
from debate_caster.stage import Stage, StageLimits, open_stage
from debate_caster.stage import programme as programme_module
from debate_caster.stage.archive import Archive
from tests.stage.people import EXTENSIONS, Frame, agent_on, browser, cast, caster_on, eventually, viewer_of


async def perform(stage: Stage, show: str = "show-1") -> None:
    """A short show from beginning to end."""
    async with caster_on(stage, show) as ada:
        for ref, event in enumerate(
            (cast("ada") | {"show": show}, {"type": "turn_started", "turn": 0, "phase": 0, "speaker": "ada"}), start=1
        ):
            await ada.say("show_event", event=event, ref=ref)
        await ada.stream("Tea it is.", ref=3, turn=0, index=0)
        ended = {"type": "turn_ended", "turn": 0, "speaker": "ada", "how": "completed", "words": 3}
        await ada.say("show_event", event=ended, ref=4)
        await ada.say("show_event", event={"type": "show_ended", "why": "completed", "detail": "all said"}, ref=5)
        await ada.say("broadcast_end")
        await ada.hear("broadcast_ended")
    await stage.wait_over(show)


async def get(stage: Stage, path: str) -> Any:
    async with browser() as session, session.get(stage.url + path) as answer:
        assert answer.status == 200
        return await answer.json()


async def events_of(stage: Stage, show: str) -> list[Frame]:
    return list((await get(stage, f"/api/shows/{show}/events"))["events"])


async def test_past_shows_survive_a_restart(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    async with open_stage(log=log) as stage:
        await perform(stage, "first")
        await perform(stage, "second")
        before = [await get(stage, f"/api/shows/{show}") for show in ("second", "first")]
        aired = await events_of(stage, "first")
    await log.close()

    log = SqliteEventLog(tmp_path / "events.sqlite")
    async with open_stage(log=log) as stage:
        assert (await get(stage, "/api/shows"))["shows"] == before
        assert await get(stage, "/api/shows/first") == before[1]
        assert await events_of(stage, "first") == aired
        async with viewer_of(stage) as viewer:
            hello = await viewer.hear("hello")
            assert hello["show"] == before[0]
            assert await viewer.hear_events(hello["head"]) == await events_of(stage, "second")
    await log.close()


async def test_the_lobby_reads_no_air_log_of_a_show_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryEventLog()
    async with open_stage(log=log) as stage:
        await perform(stage)
    read: list[str] = []
    whole = log.read

    async def noted(stream: str, after: int, *, limit: int = 500) -> Any:
        read.append(stream)
        return await whole(stream, after, limit=limit)

    monkeypatch.setattr(log, "read", noted)
    async with open_stage(log=log) as stage:
        assert [show["id"] for show in (await get(stage, "/api/shows"))["shows"]] == ["show-1"]
    assert set(read) == {"stage/shows", "stage/agents"}


async def test_agents_of_an_unfinished_show_go_on_after_a_restart_of_the_stage(log: EventLog) -> None:
    async with open_stage(log=log) as stage, caster_on(stage) as ada:
        await ada.say("show_event", event=cast("ada"), ref=1)
        await ada.stream("before", ref=2)
        for _ in range(2):
            await ada.hear("text_ack")
        room = ada.room
        await asyncio.wait_for(stop(stage), 60)

    async with open_stage(log=log) as stage, viewer_of(stage) as viewer, agent_on(stage) as again:
        assert (await viewer.hear("hello"))["show"]["agents"][0]["state"] == "reconnecting"
        await again.register("ada-0001", secret="secret of ada", features=EXTENSIONS, resume={"room": room})
        assert again.registered["resume"] == {"room": room, "last_ref": 2}
        again.room = room
        await again.stream("before", ref=2)
        await again.stream("after", ref=3)
        await again.say("broadcast_end")
        frames = await viewer.hear_until("show_ended")

    assert [frame["text"] for frame in frames if frame["type"] == "chunk_aired"] == ["before", "after"]
    seqs = [frame["seq"] for frame in frames if "seq" in frame]
    assert seqs == list(range(1, len(seqs) + 1))


async def stop(stage: Stage) -> None:
    """Let the stage close its agents' connections, as a restart does, while the agent still wants to go on."""
    await stage._programme.live["show-1"].air.settled()


async def test_an_unfinished_show_whose_agents_stay_away_ends(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage(log=log) as stage, caster_on(stage) as ada:
        await ada.stream("before", ref=1)
        await ada.hear("text_ack")
    monkeypatch.setattr(programme_module, "RESUME_S", 0.05)

    async with open_stage(log=log) as stage:
        await asyncio.wait_for(stage.wait_over("show-1"), 60)
        summary = await get(stage, "/api/shows/show-1")
    assert (summary["state"], summary["why"]) == ("ended", "interrupted")


async def test_an_agent_that_comes_back_too_late_has_no_room(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programme_module, "RESUME_S", 0.05)
    async with caster_on(stage) as ada, viewer_of(stage) as viewer:
        ada.socket.transport.abort()
        closed = await viewer.hear("room_closed")
        await viewer.hear("show_ended")
        async with agent_on(stage) as again:
            resume = {"room": ada.room}
            await again.register("ada-0001", secret="secret of ada", features=EXTENSIONS, resume=resume)
            assert "resume" not in again.registered
    assert closed["reason"] == "host_disconnected"


@pytest.mark.parametrize("stage_dies", [False, True])
async def test_a_turn_whose_agent_has_gone_for_good_ends_with_its_show(
    log: EventLog, monkeypatch: pytest.MonkeyPatch, stage_dies: bool
) -> None:
    async with open_stage(log=log) as stage, caster_on(stage) as ada:
        await ada.say("show_event", event=cast("ada"), ref=1)
        for turn in (0, 1):
            await ada.say(
                "show_event", event={"type": "turn_started", "turn": turn, "speaker": "ada"}, ref=2 + 3 * turn
            )
            await ada.stream("Tea", ref=3 + 3 * turn, turn=turn, index=0)
            ended = {"type": "turn_ended", "turn": turn, "speaker": "ada", "how": "completed"}
            if turn == 0:
                await ada.say("show_event", event=ended, ref=4)
        while (await ada.hear("text_ack"))["ref"] != 6:
            pass
        monkeypatch.setattr(programme_module, "RESUME_S", 0.05)
        if not stage_dies:
            ada.socket.transport.abort()
            await asyncio.wait_for(stage.wait_over("show-1"), 60)
    if stage_dies:
        async with open_stage(log=log) as stage:
            await asyncio.wait_for(stage.wait_over("show-1"), 60)

    events = [json.loads(record.body) for record in await log.read("air/show-1", 0)]
    assert [(event["turn"], event["how"]) for event in events if event["type"] == "turn_ended"] == [
        (0, "completed"),
        (1, "aborted"),
    ]
    assert [event["type"] for event in events[-3:]] == ["room_closed", "turn_ended", "show_ended"]


async def test_an_agent_that_comes_back_into_a_new_room_ends_its_turn_itself(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programme_module, "RESUME_S", 0.05)
    async with open_stage(log=log) as stage, caster_on(stage, name="bob", order=1) as bob:
        async with caster_on(stage) as ada:
            await ada.say("show_event", event=cast("ada", "bob"), ref=1)
            await ada.say("show_event", event={"type": "turn_started", "turn": 0, "speaker": "ada"}, ref=2)
            await ada.hear("text_ack")
            await ada.hear("text_ack")
        async with viewer_of(stage) as viewer:
            await viewer.hear("room_closed")
        async with caster_on(stage) as ada:
            ended = {"type": "turn_ended", "turn": 0, "speaker": "ada", "how": "completed"}
            await ada.say("show_event", event=ended, ref=3)
            await ada.hear("text_ack")
            await ada.say("broadcast_end")
            await ada.hear("broadcast_ended")
            await bob.say("broadcast_end")
            await asyncio.wait_for(stage.wait_over("show-1"), 60)

    events = [json.loads(record.body) for record in await log.read("air/show-1", 0)]
    assert [event["how"] for event in events if event["type"] == "turn_ended"] == ["completed"]


async def test_a_replay_airs_a_past_show_again_as_a_show_of_its_own() -> None:
    log = MemoryEventLog()
    async with open_stage(log=log) as stage:
        await perform(stage)
        replay = await stage.replay("show-1", speed=10)
        assert replay != "show-1"
        async with viewer_of(stage) as viewer, browser() as session:
            hello = await viewer.hear("hello")
            assert (hello["show"]["id"], hello["show"]["state"]) == (replay, "replay")
            async with session.post(f"{stage.url}/api/shows/{replay}/hints", json={"text": "x"}) as answer:
                assert answer.status == 409
        await asyncio.wait_for(stage.wait_over(replay), 60)
        original, again = await events_of(stage, "show-1"), await events_of(stage, replay)
        listed = [show["id"] for show in (await get(stage, "/api/shows"))["shows"]]

    assert [event["type"] for event in again] == [event["type"] for event in original if event["type"] != "room_closed"]
    assert [event.get("text") for event in again] == [
        event.get("text") for event in original if event["type"] != "room_closed"
    ]
    assert again[1]["show"] == replay
    assert listed == ["show-1"], "a replay that is over is no show of its own"


async def test_a_replay_keeps_the_pace_times_the_speed(log: EventLog) -> None:
    for number, at in enumerate(("00.000", "01.000", "03.000")):
        event: Frame = {"at": f"2026-01-01T00:00:{at}Z", "type": "chunk_aired", "room": "r", "text": str(number)}
        event |= {"speaker": "ada", "index": number}
        await log.append("air/old", [json.dumps(event)], expect=number)
    clock = SystemClock(speed=10)
    async with open_stage(log=log, clock=clock) as stage:
        started = clock.monotonic()
        await stage.wait_over(await stage.replay("old", speed=2))
        assert 1.5 <= clock.monotonic() - started < 4


async def test_a_replay_is_silent_for_ten_seconds_at_most(log: EventLog) -> None:
    for number, at in enumerate(("01T00:00:00", "01T00:00:02", "02T08:00:00", "02T08:00:03")):
        event: Frame = {"at": f"2026-01-{at}Z", "type": "chunk_aired", "room": "r", "text": str(number)}
        event |= {"speaker": "ada", "index": number}
        await log.append("air/old", [json.dumps(event)], expect=number)
    clock = SystemClock(speed=20)
    async with open_stage(log=log, clock=clock) as stage:
        started = clock.monotonic()
        again = await stage.replay("old", speed=1)
        await stage.wait_over(again)
        took = clock.monotonic() - started
        texts = [event["text"] for event in await events_of(stage, again) if event["type"] == "chunk_aired"]
    assert texts == ["0", "1", "2", "3"]
    assert 2 + 10 + 3 <= took < 3600


@pytest.mark.parametrize(("show", "speed"), [("nothing", 1.0), ("show-1", 0.0), ("show-1", -1.0)])
async def test_what_can_not_be_replayed_is_the_callers_to_mend(stage: Stage, show: str, speed: float) -> None:
    with pytest.raises(SetupError):
        await stage.replay(show, speed=speed)


async def test_there_is_a_limit_to_shows() -> None:
    async with open_stage(log=MemoryEventLog(), limits=StageLimits(shows=1)) as stage, caster_on(stage) as ada:
        async with agent_on(stage) as agent:
            await agent.register("a1")
            await agent.say("broadcast_start", title="One too many")
            assert (await agent.hear("broadcast_denied"))["reason"] == "too_many_shows"
        await ada.say("broadcast_end")
        await ada.hear("broadcast_ended")
        await stage.wait_over("show-1")
        async with agent_on(stage) as agent:
            await (await agent.register("a1")).start(title="Now")


async def test_secrets_outlive_the_stage_and_are_not_in_the_log(log: EventLog) -> None:
    async with open_stage(log=log) as stage:
        await perform(stage)
    async with open_stage(log=log) as stage, agent_on(stage) as thief:
        await thief.say("register", agentId="ada-0001", name="Ada", secret="a guess")
        assert (await thief.hear("error"))["code"] == "AUTH_FAILED"

    stored = [record.body for info in await log.streams() for record in await log.read(info.name, 0)]
    assert stored
    assert not [body for body in stored if "secret of ada" in body or "the caster's key" in body]


async def test_a_show_id_belongs_to_its_key_after_a_restart_too(log: EventLog) -> None:
    async with open_stage(log=log) as stage, caster_on(stage) as ada:
        await ada.stream("before", ref=1)
        await ada.hear("text_ack")
    async with open_stage(log=log) as stage, agent_on(stage) as thief:
        await thief.register("thief", features=["debate_show"])
        await thief.say("broadcast_start", title="Mine", show={"id": "show-1", "key": "a guess"})
        assert (await thief.hear("broadcast_denied"))["reason"] == "show_key"


async def test_memory_of_a_live_show_does_not_grow_with_its_length(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("debate_caster.stage.air.RECENT_BYTES", 20_000)
    async with caster_on(stage) as ada, viewer_of(stage, "?after=0"):
        show = stage._programme.live["show-1"]
        for ref in range(1, 1001):
            show.air_text(show.rooms[ada.room], "x" * 200, turn=0, index=ref, ref=ref)
        await show.air.settled()
        assert sum(len(event.frame) for event in show.air._recent) <= 20_000
        assert show.air.head == 1001
        async with viewer_of(stage) as late:
            assert [event["seq"] for event in await late.hear_events(1001)] == list(range(1, 1002))


async def remove(log: EventLog, show: str) -> None:
    """Do what another process does that prunes the log of a stage."""
    archive = Archive(log, SystemClock())
    await archive.load()
    await archive.forget(show)


async def status_of(stage: Stage, path: str) -> int:
    async with browser() as session, session.get(stage.url + path) as answer:
        return answer.status


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_show_that_was_removed_is_in_no_list_and_every_address_of_it_says_gone(
    *, restarted: bool, log: EventLog
) -> None:
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(open_stage(log=log))
        await perform(stage, "first")
        await perform(stage, "second")
        watching = await stack.enter_async_context(viewer_of(stage, "?show=first"))
        await watching.hear("hello")  # so the stage still has the show at hand
        await remove(log, "first")
        if restarted:
            stage = await stack.enter_async_context(open_stage(log=log))

        assert [show["id"] for show in (await get(stage, "/api/shows"))["shows"]] == ["second"]
        async with browser() as session:
            for feed in ("/feed.json", "/feed.xml", "/calendar.ics"):
                async with session.get(stage.url + feed) as answer:
                    listed = await answer.text()
                    assert "second" in listed
                    assert "first" not in listed
            for part in ("", "/events", "/transcript", "/oembed", "/hints/h1"):
                async with session.get(f"{stage.url}/api/shows/first{part}") as answer:
                    assert (answer.status, (await answer.json())["error"]) == (410, "show_removed"), part
            behind = {"Accept": "text/event-stream", "Last-Event-ID": "2"}
            async with session.get(f"{stage.url}/api/shows/first/events", headers=behind) as answer:
                assert (answer.status, (await answer.json())["error"]) == (410, "show_removed")
        assert [await status_of(stage, f"/shows/{show}") for show in ("first", "second")] == [410, 200]
        for position in ("", "&after=2"):
            async with viewer_of(stage, f"?show=first{position}") as viewer:
                assert await viewer.hear_close() == 4404
                assert viewer.socket.close_reason == "the show is no longer kept"
                assert viewer.frames == []
        async with viewer_of(stage) as viewer:
            assert (await viewer.hear("hello"))["show"]["id"] == "second"


async def test_the_id_of_a_removed_show_is_not_given_again(log: EventLog) -> None:
    async with open_stage(log=log) as stage:
        await perform(stage, "first")
        await remove(log, "first")
        for key, reason in (("the caster's key", "show_ended"), ("a guess", "show_key")):
            async with agent_on(stage) as again:
                await again.register("again", features=["debate_show"])
                await again.say("broadcast_start", title="Once more", show={"id": "first", "key": key})
                assert (await again.hear("broadcast_denied"))["reason"] == reason


class RemovedWhileRead(MemoryEventLog):
    """A log from which somebody removes a show as soon as its first page has been read."""

    async def read(self, stream: str, after: int, *, limit: int = 500) -> list[Record]:
        records = await super().read(stream, after, limit=limit)
        if stream == "air/long" and records:
            await remove(self, "long")
        return records


async def test_who_reads_a_show_while_it_is_removed_is_told_so() -> None:
    whole = MemoryEventLog()
    async with open_stage(log=whole) as stage:
        await perform(stage, "long")
    said = {"at": "2026-01-01T00:00:00.000Z", "type": "chunk_aired", "room": "r", "speaker": "ada", "text": "x"}
    head = await whole.last_seq("air/long")
    await whole.append("air/long", [json.dumps(said | {"index": index}) for index in range(1200)], expect=head)

    for path in ("/api/shows/long/events?types=show_ended", "/api/shows/long/transcript"):
        async with open_stage(log=await removed_while_read(whole)) as stage:
            assert await status_of(stage, path) == 410, path
    async with open_stage(log=await removed_while_read(whole)) as stage, viewer_of(stage, "?show=long") as viewer:
        assert await viewer.hear_close() == 4404
        assert [frame["seq"] for frame in viewer.frames if "seq" in frame] == list(range(1, 501))
    async with open_stage(log=await removed_while_read(whole)) as stage, browser() as session:
        sse = {"Accept": "text/event-stream"}
        async with session.get(f"{stage.url}/api/shows/long/events", headers=sse) as answer:
            assert (await answer.text()).count("id: ") == 500
        async with session.get(f"{stage.url}/api/shows/long/events", headers=sse) as answer:
            assert answer.status == 410, "at which an EventSource stays away"


async def removed_while_read(log: EventLog) -> EventLog:
    copy = RemovedWhileRead()
    for info in await log.streams():
        await copy.append(info.name, [record.body for record in await log.read(info.name, 0, limit=10_000)], expect=0)
    return copy


async def test_leaving_the_stage_leaves_no_task_behind(log: EventLog) -> None:
    before = asyncio.all_tasks()
    async with open_stage(log=log) as stage, caster_on(stage), viewer_of(stage) as viewer:
        await viewer.hear("hello")

    async def only_ours() -> bool:
        return asyncio.all_tasks() <= before | {task for task in asyncio.all_tasks() if task is asyncio.current_task()}

    await eventually(only_ours)
