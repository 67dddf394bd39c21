"""What a target may do with a show, and what it is shown of the desk."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, cast

import pytest

from debate_caster.broadcast.direction import DESK_BYTES, DESK_INTERVAL_S, ORDERS_WAITING, Direction
from debate_caster.broadcast.session import Session
from debate_caster.clock import Clock
from debate_caster.pulsar.client import ClientMachine, Identity
from debate_caster.pulsar.replies import ControlOrdered, DeskWanted
from debate_caster.scenario.script import Audience
from debate_caster.show.events import ProducerActed
from debate_caster.show.hints import Remark
from tests.show.stage_props import SHOW, TOKEN, Backstage, make_scenario, perform_evening


class OpenSession:
    """A session as a feed sees it: live, and everything that is sent is kept, with its time."""

    def __init__(self, clock: Clock) -> None:
        self.machine = ClientMachine(Identity("ada-1", "Ada"))
        self.machine.register()
        for frame in (
            {"type": "registered", "payload": {"features": ["debate_show", "control"]}},
            {"type": "broadcast_approved", "payload": {"broadcastId": "bc_1"}},
        ):
            if frame["type"] == "broadcast_approved":
                self.machine.start("Cats")
            self.machine.receive(json.dumps(frame))
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.lengths: list[int] = []
        self._clock = clock

    async def send(self, frame: str) -> None:
        body = json.loads(frame)
        self.lengths.append(len(frame.encode()))
        self.sent.append((self._clock.monotonic(), body["payload"] | {"type": body["type"]}))

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [frame for _, frame in self.sent if frame["type"] == type_]


@asynccontextmanager
async def directed(show: Backstage) -> AsyncIterator[tuple[Direction, OpenSession]]:
    direction = Direction(show.control, show=SHOW, target="stage", log=show.log, clock=show.clock)
    session = OpenSession(show.clock)
    serving = asyncio.ensure_future(direction.run(cast("Session", session)))
    await show.clock.sleep(0.5)
    try:
        yield direction, session
    finally:
        serving.cancel()
        await asyncio.wait({serving})


def order(
    command: str, *, token: str = TOKEN, identity: str = "c1", turn: int | None = None, **fields: str
) -> ControlOrdered:
    return ControlOrdered(room="bc_1", id=identity, command=command, token=token, turn=turn, **fields)


def test_an_order_with_the_token_is_obeyed_and_answered() -> None:
    async def direct(show: Backstage) -> None:
        async with directed(show) as (direction, session):
            direction.hear(order("pause", by="Kim"))
            direction.hear(order("pause", identity="c2"))
            direction.hear(order("resume", identity="c3"))
            await show.clock.sleep(1)
        assert [(frame["id"], frame["ok"]) for frame in session.of("control_done")] == [
            ("c1", True),
            ("c2", False),
            ("c3", True),
        ]
        assert {frame["broadcastId"] for frame in session.of("control_done")} == {"bc_1"}
        assert session.of("control_done")[1]["message"] == "the show is paused already"

    evening = perform_evening(make_scenario(), beside=direct)

    assert [(act.command, act.by) for act in evening.of(ProducerActed)] == [("pause", "Kim"), ("resume", "")]


def test_a_turn_that_is_to_be_skipped_is_the_one_that_the_producer_saw() -> None:
    async def direct(show: Backstage) -> None:
        async with directed(show) as (direction, session):
            await show.until(3)
            direction.hear(order("skip", turn=1))
            direction.hear(order("skip", turn=0, identity="c2"))
            await show.clock.sleep(0.1)
        assert [(frame["ok"], frame["message"]) for frame in session.of("control_done")] == [
            (False, "that turn is not on"),
            (True, "the turn is skipped"),
        ]

    evening = perform_evening(make_scenario(), beside=direct)

    assert len(evening.of(ProducerActed)) == 1


@pytest.mark.parametrize("token", ["", "wrong", TOKEN.upper()])
def test_a_target_without_the_token_commands_nothing_and_sees_nothing(token: str) -> None:
    async def direct(show: Backstage) -> None:
        async with directed(show) as (direction, session):
            direction.hear(order("end", token=token))
            direction.hear(DeskWanted("bc_1", wanted=True, token=token))
            await show.clock.sleep(2)
        (answer,) = session.of("control_done")
        assert (answer["ok"], answer["message"]) == (False, "this is not the token of the show's producer")
        assert not session.of("desk")

    evening = perform_evening(make_scenario(), beside=direct)

    assert evening.ended.why == "completed"
    assert not evening.of(ProducerActed)


def test_the_desk_is_shown_while_it_is_wanted_whenever_it_changes_and_not_too_often() -> None:
    async def direct(show: Backstage) -> None:
        async with directed(show) as (direction, session):
            await show.clock.sleep(5)
            assert not session.of("desk")
            direction.hear(DeskWanted("bc_1", wanted=True, token=TOKEN))
            await show.clock.sleep(1)
            assert [frame["desk"]["paused"] for frame in session.of("desk")] == [False]
            for number in range(30):
                await show.desk.offer(Remark(f"h{number}", f"v{number}", f"Ask {number}"))
                await show.clock.sleep(0.02)
            await show.order("pause")
            await show.clock.sleep(1)
            times = [at for at, frame in session.sent if frame["type"] == "desk"]
            assert min(later - earlier for earlier, later in pairwise(times)) >= DESK_INTERVAL_S - 1e-6
            assert len(times) < 8
            desk = session.of("desk")[-1]["desk"]
            assert desk["paused"]
            assert [hint["id"] for hint in desk["hints"]] == [f"h{number}" for number in range(30)]
            assert desk["acts"][-1]["command"] == "pause"
            shown = len(times)
            direction.hear(DeskWanted("bc_1", wanted=False, token=""))
            await show.order("resume")
            await show.clock.sleep(1)
            assert len(session.of("desk")) == shown

    perform_evening(make_scenario(audience=Audience(hint_interval_s=0.0)), beside=direct)


def test_the_desk_fits_into_a_frame_whatever_viewers_write() -> None:
    async def direct(show: Backstage) -> None:
        await show.clock.sleep(1)
        for number in range(150):
            await show.desk.offer(Remark(f"h{number}", f"v{number}", f"{number} " + "🦉" * 990, name="🦉" * 40))
        async with directed(show) as (direction, session):
            direction.hear(DeskWanted("bc_1", wanted=True, token=TOKEN))
            await show.clock.sleep(1)
            hints = session.of("desk")[0]["desk"]["hints"]
            assert 10 < len(hints) < 150
            assert {hint["state"] for hint in hints} == {"queued"}  # what still waits is seen before what is decided
            assert max(session.lengths) <= DESK_BYTES

    perform_evening(make_scenario(audience=Audience(hint_interval_s=0.0, max_hint_chars=1000)), beside=direct)


def test_orders_that_come_faster_than_they_can_be_obeyed_are_bounded() -> None:
    async def direct(show: Backstage) -> None:
        async with directed(show) as (direction, session):
            for number in range(ORDERS_WAITING * 3):
                direction.hear(order("context", identity=f"c{number}", text=str(number)))
            await show.clock.sleep(1)
        assert len(session.of("control_done")) == ORDERS_WAITING

    perform_evening(make_scenario(), beside=direct)
