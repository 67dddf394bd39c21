"""Votes in real browsers on the real stage: one votes, the other sees it, and both see what comes of it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from websockets.asyncio.client import connect

from debate_caster.log import MemoryEventLog
from debate_caster.stage import Stage, open_stage
from tests.web.conftest import Visit, visiting
from tests.web.test_live_stage import CAST, Agent, join_show

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CHOICES = [
    {"id": "for", "title": "For"},
    {"id": "against", "title": "Against <b>it</b>"},
    {"id": "undecided", "title": "Undecided"},
]
COUNTS = {"before": {"for": 4, "against": 5, "undecided": 1}, "after": {"for": 6, "against": 4, "undecided": 0}}


@pytest_asyncio.fixture(loop_scope="session")
async def stage() -> AsyncGenerator[Stage, None]:
    async with open_stage(log=MemoryEventLog()) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def ada(stage: Stage) -> AsyncGenerator[Agent, None]:
    """The lead of a show that has begun, and a vote with it."""
    async with connect(stage.agents_url) as socket:
        lead = await join_show(socket, CAST[0], 0)
        started = {"title": "Friday", "motion": "This house would test", "language": "en", "format": "duel"}
        phases = [{"key": "open", "title": "Openings", "turns": 2}]
        await lead.event("show_started", show="friday", **started, agents=CAST, phases=phases, turns=2, hints_open=True)
        await open_vote(lead, "before")
        yield lead


@pytest_asyncio.fixture(loop_scope="session")
async def other(browser: Browser) -> AsyncGenerator[Visit, None]:
    """Somebody else's browser, a phone."""
    async with visiting(browser, viewport={"width": 360, "height": 740}) as made:
        yield made


async def open_vote(lead: Agent, vote: str) -> None:
    await lead.event("vote_opened", vote=vote, method="swing", choices=CHOICES, seconds=20)


async def give_verdict(lead: Agent, **fields: Any) -> None:
    await lead.event("verdict_given", **{"method": "swing", "outcome": "won", "leaders": ["for"], **fields})


def shares(page: Page) -> Any:
    return page.locator(".choice-share")


async def test_one_votes_and_the_other_sees_the_tally(stage: Stage, ada: Agent, visit: Visit, other: Visit) -> None:
    mine, theirs = await visit.go(stage.show_url("friday")), await other.go(stage.show_url("friday"))
    await expect(mine.get_by_role("group", name="Where do you stand, before the debate?")).to_be_visible()
    await expect(theirs.locator("#vote-facts")).to_contain_text("0 votes")

    await mine.get_by_role("radio", name="Against <b>it</b>").check()

    await expect(shares(theirs)).to_have_text(["0 %", "100 %", "0 %"])
    await expect(theirs.locator("#vote-facts")).to_contain_text("1 vote ")
    await expect(mine.locator("#vote-status")).to_have_text(
        "Your vote counts. You can change it until the vote closes."
    )
    assert await theirs.get_by_role("radio", checked=True).count() == 0

    await theirs.get_by_role("radio", name="For", exact=True).check()
    await expect(shares(mine)).to_have_text(["50 %", "50 %", "0 %"])
    await mine.get_by_role("radio", name="Against").press("ArrowDown")
    await expect(mine.get_by_role("radio", name="Undecided")).to_be_checked()
    await expect(shares(theirs)).to_have_text(["50 %", "0 %", "50 %"])

    await mine.reload()
    await expect(mine.get_by_role("radio", name="Undecided")).to_be_checked()
    await expect(shares(mine)).to_have_text(["50 %", "0 %", "50 %"])

    await ada.event("vote_closed", vote="before")
    await expect(mine.locator("#vote")).to_be_hidden()
    await expect(theirs.locator("#vote")).to_be_hidden()
    await open_vote(ada, "after")
    await expect(mine.get_by_role("group", name="Where do you stand now?")).to_be_visible()
    assert await mine.get_by_role("radio", checked=True).count() == 0
    assert await theirs.evaluate("document.documentElement.scrollWidth") <= 360


async def test_a_late_vote_is_refused_and_the_page_says_why(stage: Stage, ada: Agent, visit: Visit) -> None:
    page = await visit.go(stage.show_url("friday"))
    visit.expected = "409"
    await page.get_by_role("radio", name="For", exact=True).check()
    await expect(page.locator("#vote-status")).to_contain_text("Your vote counts")

    async def late(route: Any) -> None:
        await route.fulfill(status=409, json={"error": "vote_closed", "message": "This vote is over."})

    await page.route("**/votes", late)
    await page.get_by_role("radio", name="Undecided").click()

    await expect(page.locator("#vote-status")).to_have_text("This vote is over.")
    await expect(page.get_by_role("radio", name="For", exact=True)).to_be_checked()


async def test_the_swing_is_a_chart_when_the_last_vote_has_closed(stage: Stage, ada: Agent, visit: Visit) -> None:
    page = await visit.go(stage.show_url("friday"))
    await ada.event("vote_closed", vote="before")
    await give_verdict(ada, changes={"for": 0.2, "against": -0.1}, before=COUNTS["before"], after=COUNTS["after"])

    table = page.get_by_role("table", name="For wins by a swing of +20 points")
    await expect(table.get_by_role("row")).to_have_count(4)
    rows = [" ".join(row.split()) for row in await table.get_by_role("row").all_inner_texts()]
    assert rows == [
        "Before After Swing in points",
        "For 40 % 4 60 % 6 +20",
        "Against <b>it</b> 50 % 5 40 % 4 \N{MINUS SIGN}10",
        "Undecided 10 % 1 0 % 0",
    ]
    await expect(page.locator("#announcer")).to_have_text("For wins by a swing of +20 points")
    assert await page.locator("#verdict b, #vote b").count() == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"outcome": "tied", "leaders": ["for", "against"], "changes": {"for": 0}}, "A tie: For, Against <b>it</b>"),
        ({"outcome": "no_result", "leaders": [], "why": "no_votes"}, "No result: nobody voted for a side."),
        ({"outcome": "no_result", "leaders": [], "why": "one_sided"}, "No result: all votes of a poll were for"),
        ({"method": "single", "changes": {"for": 0.6, "against": 0.4}}, "For wins with 60 %"),
    ],
)  # fmt: skip
async def test_ties_and_polls_without_a_result_are_said_to_be_that(
    stage: Stage, ada: Agent, visit: Visit, fields: dict[str, Any], words: str
) -> None:
    page = await visit.go(stage.show_url("friday"))
    await ada.event("vote_closed", vote="before")
    await give_verdict(ada, **fields)

    await expect(page.locator("#verdict-title")).to_contain_text(words)


async def test_the_overlay_has_a_bar_while_people_vote_and_then_the_result(
    stage: Stage, ada: Agent, visit: Visit, other: Visit
) -> None:
    overlay = await visit.go(f"{stage.url}/overlay/friday")
    await expect(overlay.locator("#vote-text")).to_have_text("The audience votes · 0")
    voter = await other.go(stage.show_url("friday"))
    await voter.get_by_role("radio", name="For", exact=True).check()

    await expect(overlay.locator(".stretch:visible")).to_have_text(["100 % For"])
    await ada.event("vote_closed", vote="before")
    await expect(overlay.locator("#vote-text")).to_have_text("Before the debate · 1")
    await give_verdict(ada, changes={"for": 0.2, "against": -0.1}, before=COUNTS["before"], after=COUNTS["after"])
    await expect(overlay.locator("#vote-text")).to_have_text("For wins by a swing of +20 points")
    await expect(overlay.locator(".stretch:visible")).to_have_text(["60 % For", "40 % Against <b>it</b>"])


async def test_in_a_show_that_is_over_the_verdict_stands_and_nobody_votes(
    stage: Stage, ada: Agent, visit: Visit
) -> None:
    await ada.event("vote_closed", vote="before")
    await give_verdict(ada, changes={"for": 0.2, "against": -0.1}, before=COUNTS["before"], after=COUNTS["after"])
    await ada.event("show_ended", why="completed", detail="")
    page = await visit.go(stage.show_url("friday"))

    await expect(page.locator("#verdict-title")).to_have_text("For wins by a swing of +20 points")
    await expect(page.locator("#vote")).to_be_hidden()


async def test_what_the_first_vote_gave_stays_in_sight_until_the_second(
    stage: Stage, ada: Agent, visit: Visit, other: Visit
) -> None:
    page = await visit.go(stage.show_url("friday"))
    overlay = await other.go(f"{stage.url}/overlay/friday")
    await page.get_by_role("radio", name="For", exact=True).check()
    await expect(page.locator("#vote-facts")).to_contain_text("1 vote ")
    await expect(page.locator("#poll")).to_be_hidden()
    await ada.event("vote_closed", vote="before")

    await expect(page.locator("#poll")).to_have_text(
        "Before the debateFor 100 %Against <b>it</b> 0 %Undecided 0 %1 vote"
    )
    await expect(overlay.locator("#vote-text")).to_have_text("Before the debate · 1")
    await expect(overlay.locator(".stretch:visible")).to_have_text(["100 % For"])
    await open_vote(ada, "after")
    await expect(page.locator("#poll")).to_be_hidden()
    await ada.event("vote_closed", vote="after")
    await expect(page.locator("#poll")).to_have_text("After the debatenobody voted")
    await give_verdict(ada, outcome="no_result", leaders=[], why="no_votes")
    await expect(page.locator("#verdict-title")).to_have_text("No result: nobody voted for a side.")
    await expect(page.locator("#poll")).to_be_hidden()
