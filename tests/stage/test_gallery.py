import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from debate_caster.clock import ManualClock
from debate_caster.log import EventLog
from debate_caster.stage import open_stage
from debate_caster.stage.gallery import CUE_INTERVAL_S, Gallery
from debate_caster.stage.rooms import Host, Room
from tests.stage.people import agent_on, caster_on

AT = "2026-01-02T03:04:05.678Z"


@dataclass(eq=False)
class Guest:
    """An agent's connection that keeps what it is sent."""

    features: frozenset[str] = frozenset()
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(self, type_: str, body: dict[str, Any]) -> None:
        self.sent.append((type_, body))

    def deliver(self, frame: bytes) -> None:
        body = json.loads(frame[frame.index(b"{") :])
        self.sent.append((body.pop("type"), body))

    @property
    def cues(self) -> int:
        return sum(type_ == "viewer_context" and body["yourTurn"] for type_, body in self.sent)

    @property
    def heard(self) -> list[str]:
        return [body["messages"][0]["text"] for type_, body in self.sent if type_ == "live_update"]


def line(room: str, text: str = "Tea.", *, turn: int | None = None, index: int = 0) -> dict[str, Any]:
    event = {"type": "chunk_aired", "at": AT, "room": room, "speaker": room, "index": index, "text": text}
    return event | ({} if turn is None else {"turn": turn})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def rooms() -> dict[str, Room]:
    return {
        name: Room(name, "show", Host(f"{name}-1", name, name.title()), "A show", AT, order=order)
        for order, name in enumerate(("ada", "otis", "wren"))
    }


@pytest.fixture
def gallery(rooms: dict[str, Room], clock: ManualClock) -> Gallery:
    return Gallery(rooms, clock=clock, chance=random.Random(7))


def air(gallery: Gallery, *events: dict[str, Any], cues: bool = True) -> None:
    for seq, event in enumerate(events, start=1):
        gallery.note(event, seq)
        gallery.pass_on(event, seq, 0, cues=cues)


def test_who_sits_in_several_rooms_hears_a_line_where_it_was_spoken_or_else_in_the_first(
    gallery: Gallery, rooms: dict[str, Room]
) -> None:
    guest = Guest()
    gallery.seat(rooms["wren"], guest)
    gallery.seat(rooms["otis"], guest)
    air(gallery, line("ada"), line("wren"), cues=False)
    told = [(body["broadcastId"], body["messages"][0]["role"]) for _, body in guest.sent]
    assert told == [("otis", "viewer"), ("wren", "host")]


@pytest.mark.parametrize(("turn", "index"), [(1, 0), (1, 1), (7, 3), (None, 0), (None, 2)])
def test_after_a_line_with_an_odd_number_somebody_is_asked(
    gallery: Gallery, rooms: dict[str, Room], turn: int | None, index: int
) -> None:
    guest = Guest()
    gallery.seat(rooms["ada"], guest)
    air(gallery, line("ada", turn=turn, index=index))
    assert guest.cues == 1


@pytest.mark.parametrize(("turn", "index"), [(2, 0), (None, 1)])
def test_after_a_line_with_an_even_number_somebody_is_asked_three_times_in_ten(
    gallery: Gallery, rooms: dict[str, Room], clock: ManualClock, turn: int | None, index: int
) -> None:
    guest = Guest()
    gallery.seat(rooms["ada"], guest)
    for _ in range(1000):
        air(gallery, line("ada", turn=turn, index=index))
        clock.advance(CUE_INTERVAL_S)
    assert 250 < guest.cues < 350


def test_everybody_gets_a_turn_and_nobody_two_within_five_seconds(
    gallery: Gallery, rooms: dict[str, Room], clock: ManualClock
) -> None:
    guests = [Guest() for _ in range(5)]
    for guest in guests:
        gallery.seat(rooms["ada"], guest)
    for _ in range(10):
        air(gallery, line("ada", turn=1))
        clock.advance(CUE_INTERVAL_S / 20)
    assert [guest.cues for guest in guests] == [1] * 5
    clock.advance(CUE_INTERVAL_S)
    air(gallery, line("ada", turn=1))
    assert 1 <= sum(guest.cues for guest in guests) - 5 <= 2


def test_only_the_audience_of_the_room_is_asked_and_not_about_what_viewers_said(
    gallery: Gallery, rooms: dict[str, Room]
) -> None:
    guest = Guest()
    gallery.seat(rooms["otis"], guest)
    hint = {"type": "hint_used", "at": AT, "via": "otis", "hint": "h", "name": "", "text": "Why?", "turn": 1}
    air(gallery, line("ada", turn=1), hint)
    assert guest.heard == ["Tea.", "Why?"]
    assert guest.cues == 0
    assert guest.sent[-1][1]["messages"][0]["name"] == "A viewer"


def test_a_hint_that_is_used_without_its_text_is_no_line(gallery: Gallery, rooms: dict[str, Room]) -> None:
    guest = Guest()
    gallery.seat(rooms["ada"], guest)
    air(gallery, {"type": "hint_used", "at": AT, "via": "ada", "hint": "h", "turn": 1, "speaker": "ada"})
    assert guest.sent == []
    assert gallery.recent(rooms["ada"]) == []


def test_a_room_that_closes_says_so_and_lets_everybody_go(gallery: Gallery, rooms: dict[str, Room]) -> None:
    guest = Guest()
    gallery.seat(rooms["ada"], guest)
    gallery.close(rooms["ada"], "ended")
    air(gallery, line("ada", turn=1))
    assert guest.sent == [("broadcast_ended", {"reason": "ended", "title": "A show", "broadcastId": "ada"})]
    assert not rooms["ada"].members


def test_the_last_lines_are_kept_and_no_more(gallery: Gallery, rooms: dict[str, Room]) -> None:
    air(gallery, *(line("ada", f"{number}") for number in range(100)))
    assert [entry["text"] for entry in gallery.recent(rooms["otis"])] == [f"{number}" for number in range(80, 100)]
    assert len(gallery.context(rooms["ada"])["recentMessages"]) == 10


async def test_what_was_said_before_a_restart_is_told_to_who_comes_after_it(log: EventLog) -> None:
    async with open_stage(log=log) as stage, caster_on(stage) as ada:
        await ada.stream("Before.", ref=1, turn=0, index=0)
        await ada.hear("text_ack")
        room = ada.room
    async with open_stage(log=log) as stage, agent_on(stage) as guest:
        await guest.register("guest")
        context = await guest.hear("viewer_context")
    assert context["broadcastId"] == room
    assert [(line["role"], line["name"], line["text"]) for line in context["recentMessages"]] == [
        ("host", "Ada-0001", "Before.")
    ]
