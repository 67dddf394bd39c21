"""A real Chromium, and windows of it that remember what went wrong."""

import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Request, async_playwright, expect

from tests.web.fake_stage import FakeStage, open_fake_stage

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""Debian's Chromium; its headless build draws the same pages in half the processor time."""

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]

PATIENCE_MS = 30_000
"""For whatever a page is to do: no measure of anything, since other programs may have the processor meanwhile."""

expect.set_options(timeout=PATIENCE_MS)


class Visit:
    """A browser window of its own that remembers whatever went wrong in it, and where it went."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context, self.page = context, page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.paths: set[str] = set()
        self.expected = ""
        page.on("console", lambda message: self._complain(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        address = urlsplit(request.url)
        self.hosts.add(address.hostname or "")
        self.paths.add(address.path)

    def _complain(self, text: str) -> None:
        if not (self.expected and re.search(self.expected, text)):
            self.complaints.append(text)

    async def go(self, address: str) -> Page:
        await self.page.goto(address)
        return self.page


async def settles(page: Page, expression: str, wanted: object) -> None:
    """Wait until a script's value is as wanted; fail with what it is."""
    for _ in range(PATIENCE_MS // 30):
        if await page.evaluate(expression) == wanted:
            return
        await page.wait_for_timeout(30)
    assert await page.evaluate(expression) == wanted


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncGenerator[Browser, None]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        await started.close()


@asynccontextmanager
async def visiting(browser: Browser, **options: Any) -> AsyncGenerator[Visit, None]:
    """Open a window with these options of a browser context; leaving the block checks that nothing went wrong in it."""
    context = await browser.new_context(
        **{"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options}
    )
    context.set_default_timeout(PATIENCE_MS)
    made = Visit(context, await context.new_page())
    yield made
    await context.close()
    assert made.complaints == []
    assert made.hosts <= {"127.0.0.1"}


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, request: pytest.FixtureRequest) -> AsyncGenerator[Visit, None]:
    """Arguments for the browser context come by indirect parametrisation."""
    async with visiting(browser, **getattr(request, "param", {})) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def stage() -> AsyncGenerator[FakeStage, None]:
    async with open_fake_stage() as opened:
        yield opened
