import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from debate_caster.clock import ManualClock, SystemClock
from debate_caster.errors import LogError
from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.stage import Stage, TokenDesk, open_stage
from debate_caster.stage import box_office as box_office_module
from debate_caster.stage.box_office import TICKETS, BoxOffice
from debate_caster.stage.tokens import TokenRefusedError
from tests.stage.people import Person, browser, cast, caster_on, viewer_of

KEY = "a signing key that is long enough for every HMAC: 64 characters and more"
HOUR = timedelta(hours=1)
SHOW = "?show=show-1"


@pytest.fixture
def desk() -> TokenDesk:
    return TokenDesk([KEY], clock=SystemClock())


@pytest.fixture
async def private(log: EventLog, desk: TokenDesk) -> AsyncIterator[Stage]:
    async with open_stage(log=log, tickets=desk) as stage:
        yield stage


async def entered(viewer: Person, **shown: str) -> str:
    """Show something at the door, and return the session that it gave."""
    assert await viewer.hear() == {"type": "ticket_wanted"}
    await viewer.say("ticket", **shown)
    session: str = (await viewer.hear("admitted"))["session"]
    return session


async def turned_away(stage: Stage, **shown: object) -> int:
    """Return the code with which the door closes, behind which nothing was told."""
    async with viewer_of(stage, SHOW) as viewer:
        await viewer.say(str(shown.pop("type", "ticket")), **shown)
        code = await viewer.hear_close()
    assert [frame["type"] for frame in viewer.frames] == ["ticket_wanted"]
    return code


async def test_a_ticket_lets_a_viewer_in_once_and_its_session_again(private: Stage, desk: TokenDesk) -> None:
    ticket = desk.issue("viewer", lasting=HOUR, show="show-1")
    async with caster_on(private) as ada:
        await ada.stream("one")
        async with viewer_of(private, SHOW) as viewer:
            session = await entered(viewer, ticket=ticket)
            assert (await viewer.hear())["type"] == "hello"
            (_, line) = await viewer.hear_events(2)
        assert line["text"] == "one"

        assert await turned_away(private, ticket=ticket) == 4403
        async with viewer_of(private, f"{SHOW}&after=1") as viewer:
            await entered(viewer, session=session)
            assert (await viewer.hear_events(1))[0]["seq"] == 2


async def test_nobody_hears_anything_without_a_good_ticket(private: Stage, desk: TokenDesk) -> None:
    async with caster_on(private) as ada:
        await ada.stream("one")
        for ticket in (
            "",
            "nonsense",
            desk.issue("agent", lasting=HOUR),
            desk.issue("producer", lasting=HOUR),
            desk.issue("viewer", lasting=HOUR, show="show-2"),
            TokenDesk([KEY[::-1]], clock=SystemClock()).issue("viewer", lasting=HOUR),
        ):
            assert await turned_away(private, ticket=ticket) == 4403
        assert await turned_away(private, session=desk.issue("viewer", lasting=HOUR)) == 4403
        assert await turned_away(private, session=desk.issue("session", lasting=HOUR, show="show-2")) == 4403
        assert await turned_away(private, ticket=desk.issue("session", lasting=HOUR)) == 4403
        assert await turned_away(private, type="hint", text="let me in") == 4403
        assert await turned_away(private, type="producer", token="not the one") == 4403
        assert await turned_away(private, type="producer", token=7) == 4403


async def test_a_ticket_in_the_address_is_not_looked_at(private: Stage, desk: TokenDesk) -> None:
    ticket = desk.issue("viewer", lasting=HOUR)
    async with caster_on(private), viewer_of(private, f"{SHOW}&ticket={ticket}&token={ticket}") as viewer:
        await viewer.say("ticket")
        assert await viewer.hear_close() == 4403


async def test_who_shows_nothing_is_closed_and_its_place_is_free_again(
    log: EventLog, desk: TokenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box_office_module, "FIRST_MESSAGE_S", 0.05)
    async with open_stage(log=log, tickets=desk) as stage, caster_on(stage):
        async with viewer_of(stage, SHOW) as viewer:
            assert await viewer.hear_close() == 4408
        async with viewer_of(stage, SHOW) as viewer:
            await entered(viewer, ticket=desk.issue("viewer", lasting=HOUR))
            await viewer.hear("hello")
            assert stage.viewers == 1


async def test_a_session_ends_when_the_ticket_would_have(private: Stage, desk: TokenDesk) -> None:
    ticket = desk.issue("viewer", lasting=timedelta(seconds=1))
    async with caster_on(private), viewer_of(private, SHOW) as viewer:
        session = await entered(viewer, ticket=ticket)
        assert await viewer.hear_close() == 4401
        assert await turned_away(private, session=session) == 4403


async def test_http_tells_nothing_of_a_show_without_a_session_for_it(private: Stage, desk: TokenDesk) -> None:
    paths = [
        "/api/shows", "/api/shows/show-1", "/api/shows/show-1/events", "/api/shows/show-1/transcript?format=md",
        "/api/shows/show-1/oembed", "/feed.xml", "/feed.json", "/calendar.ics", "/api/live", "/api/status",
    ]  # fmt: skip
    one_show = desk.issue("session", lasting=HOUR, show="show-1")
    every_show = desk.issue("session", lasting=HOUR)
    async with caster_on(private) as ada, browser() as session:
        await ada.say("show_event", event=cast("ada"), broadcastId=ada.room, ref=1)
        await ada.hear("text_ack")
        for path in paths:
            for bearer, expected in (
                ("", 401),
                (f"Bearer {desk.issue('viewer', lasting=HOUR)}", 401),
                (f"Bearer {desk.issue('session', lasting=HOUR, show='show-2')}", 401),
                (f"Bearer {one_show}", 200 if "show-1" in path else 401),
                (f"Bearer {every_show}", 200),
            ):
                headers = {"Authorization": bearer} if bearer else {}
                async with session.get(f"{private.url}{path}", headers=headers) as answer:
                    assert answer.status == expected, (path, bearer)
                    assert expected == 200 or "Tea beats coffee" not in await answer.text()
        for page in ("/", "/shows/show-1", "/overlay/show-1", "/static/watch.js", "/healthz"):
            async with session.get(f"{private.url}{page}") as answer:
                assert answer.status == 200
                assert "Tea beats coffee" not in await answer.text() + str(answer.headers)
        async with session.post(f"{private.url}/api/shows/show-1/hints", json={"text": "hello"}) as answer:
            assert answer.status == 401
        async with session.get(f"{private.url}/no/such/page") as answer:
            assert answer.status == 404


async def test_a_ticket_is_taken_once_by_two_stages_and_after_a_restart(log: EventLog) -> None:
    clock = ManualClock()
    desk = TokenDesk([KEY], clock=clock)
    first, second = BoxOffice(desk, log, clock), BoxOffice(desk, log, clock)
    tickets = [desk.issue("viewer", lasting=HOUR) for _ in range(10)]

    async def attempt(office: BoxOffice, ticket: str) -> bool:
        try:
            await office.take(ticket, "show-1")
        except TokenRefusedError:
            return False
        return True

    async with asyncio.TaskGroup() as tasks:
        attempts = [tasks.create_task(attempt(o, t)) for t in tickets for o in (first, second, first)]

    assert sum(attempt.result() for attempt in attempts) == len(tickets)
    assert await log.last_seq(TICKETS) == len(tickets)
    assert not any([await attempt(BoxOffice(desk, log, clock), ticket) for ticket in tickets])


async def test_what_is_remembered_of_tickets_ends_with_them() -> None:
    clock, log = ManualClock(), MemoryEventLog()
    desk = TokenDesk([KEY], clock=clock)
    office = BoxOffice(desk, log, clock)
    for _ in range(5):
        await office.take(desk.issue("viewer", lasting=timedelta(minutes=1)), "show-1")
        clock.advance(3600)

    await office.take(desk.issue("viewer", lasting=HOUR), "show-1")

    assert len(office._taken) == 1


class FullLog(MemoryEventLog):
    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        raise LogError(stream, "full")


async def test_a_ticket_that_cannot_be_written_down_lets_nobody_in_and_stays_good() -> None:
    clock = ManualClock()
    desk = TokenDesk([KEY], clock=clock)
    ticket = desk.issue("viewer", lasting=HOUR)
    with pytest.raises(LogError):
        await BoxOffice(desk, FullLog(), clock).take(ticket, "show-1")

    _, token = await BoxOffice(desk, MemoryEventLog(), clock).take(ticket, "show-1")

    assert token.role == "session"


class MeddledLog(MemoryEventLog):
    """Another stage takes a ticket just before we say that we have."""

    meddle: Callable[[], Awaitable[object]] | None = None

    async def append(self, stream: str, bodies: Sequence[str], *, expect: int, epoch: int = 0) -> int:
        if (meddle := self.meddle) is not None:
            self.meddle = None
            await meddle()
        return await super().append(stream, bodies, expect=expect, epoch=epoch)


async def test_of_two_stages_that_take_a_ticket_at_once_one_gets_it() -> None:
    clock, log = ManualClock(), MeddledLog()
    desk = TokenDesk([KEY], clock=clock)
    ticket = desk.issue("viewer", lasting=HOUR)
    log.meddle = lambda: BoxOffice(desk, log, clock).take(ticket, "show-1")

    with pytest.raises(TokenRefusedError, match="has been used"):
        await BoxOffice(desk, log, clock).take(ticket, "show-1")

    log.meddle = lambda: BoxOffice(desk, log, clock).take(desk.issue("viewer", lasting=HOUR), "show-1")
    await BoxOffice(desk, log, clock).take(desk.issue("viewer", lasting=HOUR), "show-1")
    assert await log.last_seq(TICKETS) == 3
