"""Coming shows on the stage: in the lobby's list, in the feeds, and in readiness."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError
from urllib.request import urlopen

from debate_caster.log import MemoryEventLog
from debate_caster.stage import ComingShow, open_stage

FRIDAY = datetime(2026, 11, 27, 19, 0, tzinfo=UTC)


@dataclass
class Plan:
    """A playbill with one weekly series."""

    wrong: list[str] = field(default_factory=list)
    failure: str | None = None

    def coming(self, limit: int, *, each: int) -> Sequence[ComingShow]:
        return [
            ComingShow(
                f"friday-{week}", "Friday", "Ban homework; now", "en", "duel", "Duel", FRIDAY + timedelta(weeks=week),
                ({"id": "ada", "name": "Ada", "side_title": "For"},),
            )
            for week in range(min(limit, each))
        ]  # fmt: skip

    def problems(self) -> Sequence[str]:
        return self.wrong

    def failing(self) -> str | None:
        return self.failure


async def ask(plan: Plan | None, path: str) -> tuple[int, str]:
    def get(url: str) -> tuple[int, str]:
        try:
            with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own stage
                return answer.status, answer.read().decode()
        except HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode()

    async with open_stage(log=MemoryEventLog(), playbill=plan) as stage:
        return await asyncio.to_thread(get, stage.url + path)


async def test_the_lobby_lists_the_next_show_of_each_series_and_what_is_wrong() -> None:
    _, body = await ask(Plan(["The scenario x has a mistake."]), "/api/shows")
    listed = json.loads(body)

    assert [(show["id"], show["state"], show["starts_at"]) for show in listed["coming"]] == [
        ("friday-0", "coming", "2026-11-27T19:00:00.000Z")
    ]
    assert listed["notices"] == ["The scenario x has a mistake."]
    assert json.loads((await ask(None, "/api/shows"))[1]) == {"shows": []}


async def test_a_calendar_has_coming_shows_under_the_id_they_will_have() -> None:
    _, text = await ask(Plan(), "/calendar.ics")

    assert text.count("BEGIN:VEVENT") == 20
    assert "UID:friday-0@debate-caster\r\n" in text
    assert "DTSTART:20261127T190000Z\r\n" in text
    assert "/shows/friday-0\r\n" in text


async def test_feeds_announce_the_next_show_and_lead_to_the_lobby() -> None:
    _, body = await ask(Plan(), "/feed.json")
    (item,) = json.loads(body)["items"]
    _, rss = await ask(Plan(), "/feed.xml")

    assert (item["id"], item["tags"]) == ("friday-0", ["coming"])
    assert item["url"].endswith("/")
    assert item["content_text"] == "Live on 2026-11-27 at 19:00 UTC. Duel: Ada (For)"
    assert "Live on 2026-11-27 at 19:00 UTC." in rss
    assert "<pubDate>" not in rss


async def test_a_mistake_leaves_the_stage_ready_and_a_ledger_that_fails_does_not() -> None:
    assert await ask(Plan(), "/readyz") == (200, '{"status":"ready"}')
    assert await ask(Plan(["A mistake."]), "/readyz") == (200, '{"status":"ready","problems":["A mistake."]}')
    assert await ask(Plan(failure="no disk"), "/readyz") == (503, '{"status":"no disk"}')
