from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.clock import Clock, ManualClock, VirtualClock, run_virtual
from debate_caster.companions import alongside
from debate_caster.errors import FencedError, LogError
from debate_caster.log import EventLog, MemoryEventLog, SqliteEventLog
from debate_caster.stage import Stage, ballots, open_stage
from debate_caster.stage.ballots import BallotBox, VoteRefusedError
from tests.stage.people import EXTENSIONS, Agent, agent_on, browser, cast, caster_on, eventually, viewer_of

CHOICES = [{"id": "for", "title": "For"}, {"id": "against", "title": "Against"}, {"id": "undecided"}]
OPENED = {"type": "vote_opened", "vote": "before", "method": "swing", "choices": CHOICES, "seconds": 20}
CLOSED = {"type": "vote_closed", "vote": "before"}


def a_box(clock: Clock | None = None, log: EventLog | None = None) -> BallotBox:
    box = BallotBox(log or MemoryEventLog(), "show-1", clock=clock or ManualClock())
    box.note({"at": "2026-11-20T19:00:00.000Z", **OPENED})
    return box


def vote(box: BallotBox, viewer: str, choice: str, **more: Any) -> dict[str, Any]:
    return box.cast(viewer=viewer, address=more.pop("address", viewer), choice=choice, **more)


def counts_of(box: BallotBox) -> dict[str, int]:
    standing = box.as_json()
    assert standing is not None
    return dict(standing["counts"])


def test_a_viewer_has_one_vote_and_the_last_one_counts() -> None:
    box = a_box()

    for choice in ("for", "undecided", "against"):
        vote(box, "viewer-1", choice)
    vote(box, "viewer-2", "for")

    assert counts_of(box) == {"for": 1, "against": 1, "undecided": 0}


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["for", "against", "undecided"])), max_size=40))
def test_there_are_never_more_votes_than_viewers(votes: list[tuple[int, str]]) -> None:
    clock = ManualClock()
    box = a_box(clock)

    for viewer, choice in votes:
        clock.advance(60)
        vote(box, f"viewer-{viewer}", choice)

    last = dict(votes)
    assert counts_of(box) == {one["id"]: list(last.values()).count(one["id"]) for one in CHOICES}


@pytest.mark.parametrize(
    ("events", "fields", "code"),
    [
        ([CLOSED], {"choice": "for"}, "vote_closed"),
        ([{"type": "show_ended", "why": "failed"}], {"choice": "for"}, "vote_closed"),
        ([CLOSED, {**OPENED, "vote": "after"}], {"choice": "for", "vote": "before"}, "vote_closed"),
        ([], {"choice": "me"}, "bad_choice"),
        ([], {"choice": None}, "bad_request"),
        ([], {"choice": ["for"]}, "bad_request"),
        ([], {"choice": "f" * 100}, "bad_request"),
        ([], {"choice": "for", "vote": 1}, "bad_request"),
    ],
)
def test_a_vote_that_does_not_count_is_refused_with_a_reason(
    events: list[dict[str, Any]], fields: dict[str, Any], code: str
) -> None:
    box = a_box()
    for event in events:
        box.note(event)

    with pytest.raises(VoteRefusedError) as refused:
        box.cast(viewer="viewer-1", address="1.2.3.4", **fields)

    assert refused.value.code == code


def test_where_nothing_was_opened_there_is_no_vote() -> None:
    box = BallotBox(MemoryEventLog(), "show-1", clock=ManualClock())

    with pytest.raises(VoteRefusedError) as refused:
        vote(box, "viewer-1", "for")

    assert refused.value.code == "no_vote"
    assert (box.as_json(), box.uncounted(), box.choice_of("viewer-1")) == (None, None, None)


def test_a_close_of_another_vote_closes_nothing() -> None:
    box = a_box()

    box.note({"type": "vote_closed", "vote": "after"})

    assert vote(box, "viewer-1", "for") == {"type": "vote_taken", "vote": "before", "choice": "for"}


def test_a_viewer_who_changes_its_mind_too_often_has_to_wait() -> None:
    clock = ManualClock()
    box = a_box(clock)
    for place in range(5):
        vote(box, "viewer-1", ["for", "against"][place % 2])

    with pytest.raises(VoteRefusedError) as refused:
        vote(box, "viewer-1", "against")
    clock.advance(2.1)
    vote(box, "viewer-1", "undecided")

    assert refused.value.code == "too_fast"
    assert refused.value.retry_after == pytest.approx(2.0)
    assert counts_of(box) == {"for": 0, "against": 0, "undecided": 1}


def test_made_up_viewers_of_one_address_are_held_back() -> None:
    clock = ManualClock()
    box = a_box(clock)
    refused = 0

    for second in range(20):
        for number in range(500):
            try:
                vote(box, f"viewer-{second}-{number}", "for", address="2001:db8:1:2::5")
            except VoteRefusedError:
                refused += 1
        clock.advance(1)
    vote(box, "somebody-else", "against", address="192.0.2.1")

    assert counts_of(box)["for"] == 60 + 19 * 3
    assert refused == 10_000 - 60 - 19 * 3
    assert counts_of(box)["against"] == 1


def test_the_box_has_a_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ballots, "VOTERS_LIMIT", 2)
    box = a_box()
    vote(box, "viewer-1", "for")
    vote(box, "viewer-2", "for")

    with pytest.raises(VoteRefusedError) as refused:
        vote(box, "viewer-3", "for")
    vote(box, "viewer-2", "against")

    assert refused.value.code == "full"
    assert counts_of(box) == {"for": 1, "against": 1, "undecided": 0}


def test_a_vote_is_counted_once_after_its_close() -> None:
    box = a_box()
    vote(box, "viewer-1", "for")
    assert box.uncounted() is None

    box.note(CLOSED)
    counted = box.uncounted()

    assert counted == {
        "type": "vote_counted", "vote": "before", "counts": {"for": 1, "against": 0, "undecided": 0}, "votes": 1
    }  # fmt: skip
    box.note(counted)
    assert box.uncounted() is None


def test_viewers_hear_the_standing_once_a_second_however_many_vote() -> None:
    told: list[tuple[float, bytes]] = []

    async def main(clock: VirtualClock) -> None:
        box = a_box(clock)

        async def tell(payload: bytes) -> None:
            told.append((clock.monotonic(), payload))

        async with alongside(box.run(tell)):
            for number in range(25):
                vote(box, f"viewer-{number}", "for")
                await clock.sleep(0.1)
            await clock.sleep(10)

    run_virtual(main)
    assert [at for at, _ in told] == pytest.approx([0.0, 1.0, 2.0, 3.0])
    assert b'"counts":{"for":25,"against":0,"undecided":0}' in told[-1][1]
    assert b"viewer-" not in told[-1][1]


class BrokenLog(MemoryEventLog):
    """Fails as often as it is told to."""

    failures: list[LogError]

    async def append(self, *args: Any, **fields: Any) -> int:
        if self.failures:
            raise self.failures.pop()
        return await super().append(*args, **fields)


def test_votes_that_could_not_be_stored_are_stored_later() -> None:
    async def main(clock: VirtualClock) -> None:
        log = BrokenLog()
        log.failures = [LogError("votes", "disk full"), FencedError("votes", "somebody else writes")]
        box = a_box(clock, log)
        async with alongside(box.run(nobody)):
            for number in range(3):
                vote(box, f"viewer-{number}", "for")
                await clock.sleep(2)

        again = a_box(clock, log)
        await again.load()
        assert counts_of(again) == {"for": 3, "against": 0, "undecided": 0}
        assert again.choice_of("viewer-1") == {"type": "vote_taken", "vote": "before", "choice": "for"}

    async def nobody(_payload: bytes) -> None:
        pass

    run_virtual(main)


# -- on a stage -----------------------------------------------------------------------------------------------------

VOTING = [*EXTENSIONS, "votes"]


@pytest.fixture
async def ada(stage: Stage) -> AsyncIterator[Agent]:
    async with agent_on(stage) as agent:
        await on_air(agent)
        yield agent


async def on_air(agent: Agent) -> None:
    await agent.register("ada-0001", secret="secret of ada", features=VOTING)
    claim = {"id": "show-1", "key": "the caster's key", "title": "A show", "motion": "Tea beats coffee"}
    await agent.start(title="A show", show=claim | {"agent": "ada", "side": "for", "order": 0})
    await agent.say("show_event", event=cast("ada"), ref=1)
    await agent.say("show_event", event=OPENED, ref=2)
    for _ in range(2):
        await agent.hear("text_ack")


async def test_votes_come_over_both_ways_and_the_count_goes_on_air_and_to_the_agent(stage: Stage, ada: Agent) -> None:
    address = f"{stage.url}/api/shows/show-1/votes"
    async with viewer_of(stage) as first, viewer_of(stage) as second, browser() as session:
        assert (await first.hear("hello"))["show"]["vote"]["counts"] == {"for": 0, "against": 0, "undecided": 0}
        await first.say("vote", choice="against")
        assert await first.hear("vote_taken") == {"type": "vote_taken", "vote": "before", "choice": "against"}
        assert (await second.hear("vote_tally"))["counts"] == {"for": 0, "against": 1, "undecided": 0}
        body = {"choice": "for", "viewer": "viewer-00001", "vote": "before"}
        async with session.post(address, json=body) as answer:
            assert answer.status == 200
            assert await answer.json() == {"type": "vote_taken", "vote": "before", "choice": "for"}
        async with session.post(address, json={"choice": "me", "viewer": "viewer-00001"}) as answer:
            assert (answer.status, (await answer.json())["error"]) == (400, "bad_choice")

        await ada.say("show_event", event=CLOSED, ref=3)
        counted = await second.hear("vote_counted")
        told = await ada.hear("vote_counted")
        async with session.post(address, json=body) as answer:
            assert (answer.status, (await answer.json())["error"]) == (409, "vote_closed")
        await first.say("vote", choice="for")
        assert (await first.hear("error"))["code"] == "vote_closed"
        async with session.get(f"{stage.url}/metrics") as answer:
            metrics = await answer.text()

    assert (counted["counts"], counted["votes"]) == ({"for": 1, "against": 1, "undecided": 0}, 2)
    assert "seq" in counted
    assert told == {"broadcastId": ada.room, "vote": "before", "counts": {"for": 1, "against": 1, "undecided": 0}}
    assert 'debate_caster_stage_votes_total{fate="taken"} 2.0' in metrics
    assert 'debate_caster_stage_votes_total{fate="refused_vote_closed"} 2.0' in metrics


async def test_a_viewer_who_comes_back_hears_how_it_voted(stage: Stage, ada: Agent) -> None:
    async with viewer_of(stage) as viewer:
        await viewer.say("viewer", id="viewer-00001")
        await viewer.say("vote", choice="for")
        await viewer.hear("vote_taken")
    async with viewer_of(stage) as again:
        await again.say("viewer", id="viewer-00001")

        assert (await again.hear("vote_taken"))["choice"] == "for"


async def test_an_agent_that_was_away_hears_the_count_again(stage: Stage, ada: Agent) -> None:
    async with viewer_of(stage) as viewer:
        await ada.say("show_event", event=CLOSED, ref=3)
        await viewer.hear("vote_counted")
        ada.socket.transport.abort()
        await viewer.hear("room_reconnecting")
        async with agent_on(stage) as again:
            await again.register(
                "ada-0001", secret="secret of ada", features=VOTING, resume={"room": ada.room}
            )  # fmt: skip

            assert (await again.hear("vote_counted"))["vote"] == "before"


async def test_an_agent_without_the_feature_hears_nothing_of_counts(stage: Stage) -> None:
    async with caster_on(stage) as plain, viewer_of(stage) as viewer:
        await plain.say("show_event", event=OPENED, ref=1)
        await plain.say("show_event", event=CLOSED, ref=2)
        await viewer.hear("vote_counted")
        await plain.say("heartbeat")
        await plain.hear("heartbeat_ack")

        assert "vote_counted" not in [frame["type"] for frame in plain.frames]


@pytest.mark.parametrize(
    "event",
    [
        {**OPENED, "choices": CHOICES[:1]},
        {**OPENED, "choices": [{"id": "x" * 100}, {"id": "y"}]},
        {"type": "vote_opened", "choices": CHOICES},
        {"type": "vote_counted", "vote": "before", "counts": {"for": 1000}},
        {"type": "verdict_given", "outcome": "mine"},
    ],
)
async def test_a_caster_can_neither_count_votes_nor_open_what_is_none(
    stage: Stage, ada: Agent, event: dict[str, Any]
) -> None:
    await ada.say("show_event", event=event, ref=3)

    assert (await ada.hear("error"))["code"] == "BAD_EVENT"


async def test_votes_outlive_a_restart_of_the_stage(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.sqlite")
    async with open_stage(log=log) as stage, agent_on(stage) as ada:
        await on_air(ada)
        async with viewer_of(stage) as viewer:
            await viewer.say("viewer", id="viewer-00001")
            await viewer.say("vote", choice="for")
            await viewer.hear("vote_taken")

        async def stored() -> bool:
            return await log.last_seq("votes/show-1") > 0

        await eventually(stored)
        records = await log.read("votes/show-1", 0)
        room = ada.room
    assert "viewer-00001" not in records[0].body

    async with open_stage(log=log) as stage, agent_on(stage) as ada, viewer_of(stage) as viewer:
        assert (await viewer.hear("hello"))["show"]["vote"]["counts"] == {"for": 1, "against": 0, "undecided": 0}
        await viewer.say("viewer", id="viewer-00001")
        assert (await viewer.hear("vote_taken"))["choice"] == "for"
        await ada.register("ada-0001", secret="secret of ada", features=VOTING, resume={"room": room})
        ada.room = room
        await ada.say("show_event", event=CLOSED, ref=3)

        assert (await viewer.hear("vote_counted"))["counts"] == {"for": 1, "against": 0, "undecided": 0}
    await log.close()


async def test_nobody_votes_in_a_replay(stage: Stage, ada: Agent) -> None:
    async with viewer_of(stage) as viewer:
        await viewer.say("vote", choice="for")
        await viewer.hear("vote_taken")
        await ada.say("show_event", event=CLOSED, ref=3)
        await viewer.hear("vote_counted")
        await ada.say("show_event", event={"type": "verdict_given", "outcome": "won", "leaders": ["for"]}, ref=4)
        await ada.say("broadcast_end")
        await viewer.hear("show_ended")
    again = await stage.replay("show-1", speed=1e6)
    async with viewer_of(stage, f"?show={again}") as viewer, browser() as session:
        events = [frame for frame in await viewer.hear_until("show_ended") if "seq" in frame]
        async with session.post(f"{stage.url}/api/shows/{again}/votes", json={"choice": "for"}) as answer:
            assert (answer.status, (await answer.json())["error"]) == (409, "no_vote")
        async with session.get(f"{stage.url}/api/shows/show-1") as answer:
            summary = await answer.json()

    assert [event["counts"]["for"] for event in events if event["type"] == "vote_counted"] == [1]
    assert summary["verdict"]["leaders"] == ["for"]
    assert summary["vote"] is None
