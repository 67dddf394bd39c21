"""The pages on a stage that lets in viewers with a ticket only."""

from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from debate_caster.clock import SystemClock
from debate_caster.log import MemoryEventLog
from debate_caster.stage import Stage, TokenDesk, open_stage
from tests.stage.people import caster_on
from tests.web.conftest import visiting

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

DESK = TokenDesk(["a signing key that is long enough for every HMAC"], clock=SystemClock())
REFUSED = "401"
"""What Chromium notes of the past that the stage does not tell to who is not in yet."""


def ticket() -> str:
    return DESK.issue("viewer", lasting=timedelta(hours=1), show="show-1")


@pytest_asyncio.fixture(loop_scope="session")
async def stage() -> AsyncGenerator[Stage, None]:
    async with open_stage(log=MemoryEventLog(), tickets=DESK) as opened:
        yield opened


async def test_a_viewer_types_a_ticket_and_comes_back_without_one(stage: Stage, browser: Browser) -> None:
    async with caster_on(stage) as ada, visiting(browser) as visit:
        visit.expected = REFUSED
        await ada.stream("Tea needs no machine.")
        page = await visit.go(stage.show_url("show-1"))
        entrance, said = page.locator("#entrance"), page.locator(".speeches")
        await expect(entrance).to_be_visible()
        await expect(said).to_be_hidden()
        await expect(page.locator("#ticket")).to_be_focused()

        await page.fill("#ticket", "not a ticket")
        await page.keyboard.press("Enter")
        await expect(page.locator("#ticket-status")).to_contain_text("Not let in")

        await page.fill("#ticket", ticket())
        await page.keyboard.press("Enter")
        await expect(said).to_contain_text("Tea needs no machine.")
        await expect(entrance).to_be_hidden()

        await page.reload()
        await expect(said).to_contain_text("Tea needs no machine.")


async def test_the_lobby_says_what_a_stranger_needs(stage: Stage, browser: Browser) -> None:
    async with caster_on(stage), visiting(browser) as visit:
        visit.expected = REFUSED
        page = await visit.go(stage.url)
        await expect(page.locator("#ticketed")).to_be_visible()
        await expect(page.locator("#trouble")).to_be_empty()
        await expect(page.locator("#empty")).to_be_hidden()


async def test_a_ticket_in_the_address_opens_the_page_and_is_used_up(stage: Stage, browser: Browser) -> None:
    async with caster_on(stage) as ada:
        await ada.stream("Tea needs no machine.")
        address = f"{stage.show_url('show-1')}#ticket={ticket()}"
        async with visiting(browser) as visit:
            visit.expected = REFUSED
            page = await visit.go(address)
            await expect(page.locator(".speeches")).to_contain_text("Tea needs no machine.")
            assert page.url == stage.show_url("show-1")
        async with visiting(browser) as another:
            another.expected = REFUSED
            page = await another.go(address)
            await expect(page.locator("#ticket-status")).to_contain_text("the ticket has been used")
            await expect(page.locator("#motion")).to_be_hidden()
