import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.clock import ManualClock
from debate_caster.stage import Stage
from debate_caster.stage import hints as hints_module
from debate_caster.stage.hints import HintDesk, HintRates, HintRefusedError, network_of, printable
from tests.stage.people import EXTENSIONS, Agent, agent_on, browser, cast, caster_on, viewer_of


async def hinted(agent: Agent) -> list[dict[str, Any]]:
    """Return the hints of the next ``viewer_context`` that has any."""
    while not (hints := (await agent.hear("viewer_context"))["hints"]):
        pass
    return list(hints)


@pytest.fixture
async def show(stage: Stage) -> AsyncIterator[tuple[Agent, Agent]]:
    async with caster_on(stage) as ada, caster_on(stage, order=1, name="bob") as bob:
        await ada.say("show_event", event=cast("ada", "bob"), ref=1)
        await ada.hear("text_ack")
        yield ada, bob


async def test_a_hint_goes_to_one_agent_and_its_fate_comes_back_to_its_author_alone(
    stage: Stage, show: tuple[Agent, Agent]
) -> None:
    ada, _ = show
    async with viewer_of(stage) as author, viewer_of(stage) as other:
        await author.say("hint", text=" Ask about\tthe cost ", name="Vic\x1b[31m")
        received = await author.hear("hint_received")
        assert received["text"] == "Ask about the cost"
        (hint,) = await hinted(ada)
        assert (hint["id"], hint["text"], hint["name"]) == (received["hint"], "Ask about the cost", "Vic[31m")
        assert hint["to"] is None

        for ref, event in enumerate(
            (
                {"type": "hint_accepted", "hint": hint["id"], "to": "ada"},
                {
                    "type": "hint_used",
                    "hint": hint["id"],
                    "name": "Vic",
                    "text": hint["text"],
                    "turn": 3,
                    "speaker": "ada",
                },
                {"type": "hint_expired", "hint": hint["id"], "reason": "lifetime"},
            ),
            start=2,
        ):
            await ada.say("show_event", event=event, ref=ref)
        queued, used = await author.hear("hint_fate"), await author.hear("hint_fate")
        aired = await other.hear("hint_used")
        await ada.say("show_event", event={"type": "phase_started", "phase": 0}, ref=9)
        await other.hear("phase_started")
        await author.hear("phase_started")

    assert queued == {"type": "hint_fate", "hint": hint["id"], "state": "queued", "to": "ada"}
    assert used["state"] == "used"
    assert (used["turn"], used["speaker"], used["seq"]) == (3, "ada", aired["seq"])
    assert not [frame for frame in other.frames if frame["type"] in {"hint_fate", "hint_received", "hint_accepted"}]
    assert sum(frame["type"] == "hint_fate" for frame in author.frames) == 2, "a decided hint stays as it is"


@pytest.mark.parametrize(
    ("to", "index"),
    [("bob", 1), ("BOB", 1), ("side of bob", 1), ("Bob", 1), ("ada", 0), ("nobody", 0), (None, 0)],
)
async def test_a_hint_goes_to_whom_it_names_and_otherwise_to_the_lead(
    stage: Stage, show: tuple[Agent, Agent], to: str | None, index: int
) -> None:
    async with viewer_of(stage) as viewer:
        await viewer.say("hint", text="hello", to=to)
        await viewer.hear("hint_received")

        (hint,) = await hinted(show[index])
        assert hint["to"] == to
    assert not [
        frame for frame in show[1 - index].frames if frame["type"] == "viewer_context" and frame["payload"]["hints"]
    ]


async def test_agents_without_the_feature_get_a_hint_as_a_viewers_line(stage: Stage) -> None:
    async with agent_on(stage) as agent:
        await (await agent.register("plain")).start(title="T")
        async with viewer_of(stage) as viewer:
            await viewer.say("hint", text="hello", name="Vic")
            update = await agent.hear("live_update")

    assert (update["broadcastId"], update["viewerCount"]) == (agent.room, 1)
    assert [(line["role"], line["name"], line["text"]) for line in update["messages"]] == [("viewer", "Vic", "hello")]


async def test_hints_given_while_the_agent_is_away_wait_for_it(stage: Stage) -> None:
    async with caster_on(stage) as ada, viewer_of(stage) as viewer:
        ada.socket.transport.abort()
        await viewer.hear("room_reconnecting")
        await viewer.say("hint", text="hello")
        received = await viewer.hear("hint_received")
        async with agent_on(stage) as again:
            resume = {"room": ada.room}
            await again.register("ada-0001", secret="secret of ada", features=EXTENSIONS, resume=resume)

            assert [hint["id"] for hint in await hinted(again)] == [received["hint"]]


async def test_a_viewer_who_comes_back_hears_what_became_of_its_hints(stage: Stage, show: tuple[Agent, Agent]) -> None:
    ada, _ = show
    async with viewer_of(stage) as viewer:
        await viewer.say("viewer", id="me-myself-and-i", name="Vic")
        await viewer.say("hint", text="hello")
        received = await viewer.hear("hint_received")
    fate = {"type": "hint_declined", "hint": received["hint"], "reason": "filtered"}
    await ada.say("show_event", event=fate, ref=2)
    assert (await ada.hear("text_ack"))["seq"] == 0

    async with viewer_of(stage) as again, browser() as session:
        await again.say("viewer", id="me-myself-and-i")
        told = await again.hear("hint_fate")
        async with session.get(f"{stage.url}/api/shows/show-1/hints/{received['hint']}") as answer:
            asked = await answer.json()

    assert (told["hint"], told["state"], told["reason"]) == (received["hint"], "declined", "filtered")
    assert (asked["hint"], asked["state"], asked["reason"]) == (received["hint"], "declined", "filtered")


async def test_agents_never_see_a_viewers_own_id(stage: Stage, show: tuple[Agent, Agent]) -> None:
    async with viewer_of(stage) as viewer:
        await viewer.say("viewer", id="my-secret-identity")
        for number in range(2):
            await viewer.say("hint", text=f"hello {number}")
            await viewer.hear("hint_received")
        first, second = await hinted(show[0]), await hinted(show[0])

    assert first[0]["viewer"] == second[0]["viewer"], "what one viewer says can be told from what others say"
    assert "my-secret-identity" not in str(show[0].frames)


async def test_agents_can_not_find_out_the_address_of_who_has_no_id(stage: Stage, show: tuple[Agent, Agent]) -> None:
    async with browser() as session:
        for number in range(2):
            async with session.post(f"{stage.url}/api/shows/show-1/hints", json={"text": f"hello {number}"}) as answer:
                assert answer.status == 202
    first, second = await hinted(show[0]), await hinted(show[0])

    tried = {"v_" + hashlib.sha256(guess.encode()).hexdigest()[:16] for guess in ("127.0.0.1", "address-127.0.0.1", "")}
    assert first[0]["viewer"] == second[0]["viewer"]
    assert first[0]["viewer"] not in tried


async def test_a_hint_may_be_posted(stage: Stage, show: tuple[Agent, Agent]) -> None:
    address = f"{stage.url}/api/shows/show-1/hints"
    async with browser() as session:
        async with session.post(address, json={"text": "hello", "to": "bob", "viewer": "viewer-123"}) as answer:
            assert answer.status == 202
            received = await answer.json()
        for body, status, error in (
            ({"text": ""}, 400, "empty"),
            ({"text": 5}, 400, "bad_request"),
            ({"text": "x" * 501}, 413, "too_long"),
            ({"text": "x", "name": "n" * 41}, 413, "too_long"),
            ({"text": "x", "viewer": "?"}, 400, "bad_request"),
            (["x"], 400, "bad_request"),
        ):
            async with session.post(address, json=body) as answer:
                assert (answer.status, (await answer.json())["error"]) == (status, error)
        for kind in ("application/json", "application/json; charset=foo", "application/json; charset=base64"):
            async with session.post(address, data=b"nonsense", headers={"Content-Type": kind}) as answer:
                assert (answer.status, (await answer.json())["error"]) == (400, "bad_request")
        async with session.post(f"{stage.url}/api/shows/nothing/hints", json={"text": "x"}) as answer:
            assert (answer.status, (await answer.json())["error"]) == (404, "no_such_show")

    (hint,) = await hinted(show[1])
    assert received == {"type": "hint_received", "hint": hint["id"], "text": "hello", "to": "bob"}


async def test_too_many_hints_are_refused_with_the_time_to_wait(stage: Stage, show: tuple[Agent, Agent]) -> None:
    async with viewer_of(stage) as viewer, browser() as session:
        for number in range(hints_module.VIEWER_BURST):
            await viewer.say("hint", text=f"hint {number}")
            await viewer.hear("hint_received")
        await viewer.say("hint", text="one more")
        error = await viewer.hear("error")
        assert error["code"] == "too_fast"
        assert 0 < error["retry_after"] <= 5.1

        for _ in range(hints_module.VIEWER_BURST):
            async with session.post(f"{stage.url}/api/shows/show-1/hints", json={"text": "x"}) as answer:
                assert answer.status == 202
        async with session.post(f"{stage.url}/api/shows/show-1/hints", json={"text": "x"}) as answer:
            assert answer.status == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 6
    assert show


async def test_a_show_that_is_over_or_closed_to_hints_takes_none(stage: Stage) -> None:
    async with caster_on(stage) as ada, viewer_of(stage) as viewer, browser() as session:
        await ada.say("show_event", event=cast("ada") | {"hints_open": False}, ref=1)
        await viewer.hear("show_started")
        await viewer.say("hint", text="hello")
        assert (await viewer.hear("error"))["code"] == "closed"

        await ada.say("broadcast_end")
        await viewer.hear("show_ended")
        async with session.post(f"{stage.url}/api/shows/show-1/hints", json={"text": "x"}) as answer:
            assert (answer.status, (await answer.json())["error"]) == (409, "closed")


async def test_hints_still_open_when_the_show_ends_expire(stage: Stage) -> None:
    async with caster_on(stage) as ada, viewer_of(stage) as viewer:
        await viewer.say("hint", text="hello")
        await viewer.hear("hint_received")
        await ada.say("show_event", event={"type": "show_ended", "why": "completed"}, ref=1)

        fate = await viewer.hear("hint_fate")
        assert (fate["state"], fate["reason"]) == ("expired", "show_ended")


def offer(desk: HintDesk, viewer: str, address: str = "10.0.0.1", text: str = "hello") -> str | float:
    """Return a hint's text, or how long its author has to wait."""
    try:
        return desk.offer(viewer=viewer, address=address, text=text, name=None, to=None).text
    except HintRefusedError as exc:
        return exc.retry_after if exc.code == "too_fast" and exc.retry_after else exc.code


def test_a_viewer_gets_one_hint_every_five_seconds_after_the_first_three() -> None:
    clock = ManualClock()
    desk = HintDesk(clock, HintRates(clock))

    assert [offer(desk, "v1") for _ in range(4)] == ["hello", "hello", "hello", 5.0]
    assert offer(desk, "v2") == "hello", "others are not held up"
    clock.advance(5)
    assert [offer(desk, "v1") for _ in range(2)] == ["hello", 5.0]


def test_many_viewers_of_one_address_share_its_rate() -> None:
    clock = ManualClock()
    desk = HintDesk(clock, HintRates(clock))

    taken = [offer(desk, f"v{number}", f"2001:db8:1:2::{number}") for number in range(30)]

    assert taken.count("hello") == hints_module.ADDRESS_BURST
    assert offer(desk, "v99", "2001:db8:1:3::1") == "hello"


def test_a_flood_of_hints_from_everywhere_leaves_memory_bounded() -> None:
    clock = ManualClock()
    desk = HintDesk(clock, HintRates(clock))
    for number in range(hints_module.HINTS_KEPT + 500):
        assert offer(desk, f"v{number}", f"10.{number // 250}.{number % 250}.1") == "hello"

    assert len(desk) == hints_module.HINTS_KEPT


def test_10_000_hints_of_50_viewers_in_a_minute_are_held_to_everybodys_share_and_to_little_memory() -> None:
    clock = ManualClock()
    desk = HintDesk(clock, HintRates(clock))
    taken: dict[str, int] = {}
    tracemalloc.start()
    try:
        for _ in range(200):
            for number in range(50):
                viewer = f"viewer-{number:04}"
                if offer(desk, viewer, f"10.0.{number % 5}.1") == "hello":
                    taken[viewer] = taken.get(viewer, 0) + 1
            clock.advance(0.3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert max(taken.values()) <= 3 + 60 / 5
    assert sum(taken.values()) == len(desk) <= 5 * (20 + 2 * 60)
    assert peak < 1024 * 1024
    for hint in desk.undecided():
        assert desk.decide({"type": "hint_declined", "hint": hint.id, "reason": "full"}) is hint
        assert desk.decide({"type": "hint_used", "hint": hint.id, "turn": 1, "speaker": "ada"}) is None
    assert desk.undecided() == []


@given(text=st.text(max_size=200))
def test_what_is_left_of_a_text_is_printable_and_stays_as_it_is(text: str) -> None:
    cleaned = printable(text, "text", 800)

    assert all(character.isprintable() or character in "\u200c\u200d" for character in cleaned)
    assert printable(cleaned, "text", 800) == cleaned


def test_joiners_stay_and_tricks_go() -> None:
    assert (
        printable("👩\u200d🚀 \u202eevil\u202c \u200bzero\x00\x9b \U000e0041tag", "text", 100)
        == "👩\u200d🚀 evil zero tag"
    )


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::b:2:3:4", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_address_is_a_host_or_a_network(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_hints_of_many_viewers_at_once_all_arrive_once(stage: Stage, show: tuple[Agent, Agent]) -> None:
    async def hint(number: int) -> str:
        async with viewer_of(stage) as viewer:
            await viewer.say("hint", text=f"hint {number}", to="bob")
            return str((await viewer.hear("hint_received"))["hint"])

    ids = await asyncio.gather(*(hint(number) for number in range(10)))
    offered: list[str] = []
    while len(offered) < 10:
        offered += [hint["id"] for hint in await hinted(show[1])]

    assert sorted(offered) == sorted(ids)
