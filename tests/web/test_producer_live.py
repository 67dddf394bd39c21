"""A producer at the page of a show that the real program performs, and viewers who see what comes of it."""

import re
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.end_to_end.programs import Program, running, write_scenario
from tests.web.conftest import Visit, visiting

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

READABLE = {"chars_per_second": 60, "min_interval_s": 0.3, "gap_s": 0.5, "lead_min_s": 0.2, "lead_max_s": 0.5}
GOING = "WebSocket|ERR_CONNECTION"
"""What a browser says when the stage has gone."""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    return write_scenario(tmp_path, pacing=READABLE, moderator="vera", audience={"approval": True})


@pytest_asyncio.fixture(loop_scope="session")
async def other(browser: Browser) -> AsyncGenerator[Visit, None]:
    """The producer's browser."""
    async with visiting(browser, viewport={"width": 1280, "height": 900}) as made:
        yield made


async def both(program: Program, visit: Visit, other: Visit) -> tuple[Page, Page]:
    """Open the viewers' page and the producer's page, by the addresses that the program prints."""
    viewer = await visit.go(await program.line("Watch:"))
    producer = await other.go(await program.line("Producer:"))
    await expect(producer.locator("#desk")).to_be_visible()
    visit.expected = other.expected = GOING  # what they may say at the end of the test
    return viewer, producer


async def end(program: Program) -> None:
    program.signal(signal.SIGTERM)
    await program.ended()


async def test_a_hint_waits_for_the_producer_and_its_author_sees_what_becomes_of_it(
    scenario: Path, tmp_path: Path, visit: Visit, other: Visit
) -> None:
    async with running("run", scenario, "--port", "0", cwd=tmp_path) as program:
        viewer, producer = await both(program, visit, other)
        await expect(producer.get_by_role("switch", name="Approve each one first")).to_be_checked()
        await viewer.get_by_label("Your name").fill("Mona")
        await viewer.get_by_label("Your hint", exact=True).fill("What about pupils without a quiet desk?")
        await viewer.get_by_label("Your hint", exact=True).press("Enter")
        await expect(viewer.locator(".my-hint-fate")).to_have_text("Waiting for the producer")

        await producer.get_by_label("Your name in it").fill("Iris")
        await producer.get_by_role("button", name="Approve: What about pupils without a quiet desk?").click()
        await expect(producer.locator("#answer")).to_have_text("Done: the hint is queued")
        await expect(viewer.locator(".my-hint-fate")).to_have_text(re.compile("Queued for|Used by"))
        await expect(viewer.locator(".my-hint-fate")).to_have_text(re.compile(r"Used by .+ in turn \d"))
        await expect(producer.locator("#decided-hints .hint-state")).to_have_text(["Used"])
        await expect(producer.locator("#acts p").first).to_have_text(
            "Iris approved a hint What about pupils without a quiet desk?"
        )

        await viewer.get_by_label("Your hint", exact=True).fill("Boo!")
        await expect(viewer.get_by_role("button", name="Send hint")).to_be_enabled()
        await viewer.get_by_label("Your hint", exact=True).press("Enter")
        await producer.get_by_role("button", name="Mute: Mona").first.click()
        await expect(viewer.locator(".my-hint-fate").first).to_have_text(
            "Declined: the producer takes no hints from you"
        )
        await producer.get_by_role("button", name="Unmute: Mona").click()
        await expect(producer.locator("#muted")).to_be_hidden()
        await end(program)


async def test_a_pause_stops_the_words_and_an_injected_line_is_spoken(
    scenario: Path, tmp_path: Path, visit: Visit, other: Visit
) -> None:
    async with running("run", scenario, "--port", "0", cwd=tmp_path) as program:
        viewer, producer = await both(program, visit, other)
        await expect(producer.locator("#line")).not_to_be_empty()
        await expect(producer.locator("#air-title")).to_have_text("On air")
        await producer.get_by_role("button", name="Pause").click()
        await expect(producer.locator("#air-title")).to_have_text("Paused")
        await expect(viewer.locator("#paused")).to_be_visible()
        await expect(viewer.locator("#connection-text")).to_have_text("Paused")
        said = await viewer.locator("#turns").inner_text()
        await viewer.wait_for_timeout(1500)
        assert await viewer.locator("#turns").inner_text() == said

        # First the skip: where the pause has met the end of a turn, the line would be the turn that is skipped.
        await producer.get_by_role("button", name="Skip the turn").click()
        await expect(producer.locator("#answer")).to_have_text("Done: the turn is skipped")
        await producer.get_by_label("A line for the moderator").fill("Two minutes to the vote.")
        await producer.get_by_role("button", name="Inject").click()
        await expect(producer.locator("#answer")).to_have_text("Done: the moderator says it next")
        await producer.get_by_label("A note for all speakers").fill("It is raining.")
        await producer.get_by_role("button", name="Set", exact=True).click()
        await expect(producer.locator("#context-now")).to_have_text("It is raining.")
        await producer.get_by_role("button", name="Resume").click()
        await expect(viewer.locator("#paused")).to_be_hidden()
        await expect(producer.locator("#air-title")).to_have_text("On air")
        await expect(viewer.locator(".turn-end", has_text=re.compile("skipped", re.IGNORECASE))).to_have_count(1)
        spoken = viewer.locator(".turn", has_text="Two minutes to the vote.")
        await expect(spoken.locator(".turn-name")).to_have_text(re.compile("Vera"))

        await producer.get_by_role("button", name="End the show").click()
        await producer.get_by_role("button", name="End it").click()
        await expect(producer.locator("#air-title")).to_have_text("Ended")
        assert await program.ended() == 0
        await expect(viewer.locator("#end-text")).to_contain_text("Its producer has ended it.")


async def test_a_vote_is_closed_by_the_producer_and_its_count_seen_by_all(
    tmp_path: Path, visit: Visit, other: Visit
) -> None:
    scenario = write_scenario(tmp_path, pacing=READABLE, audience={"votes": "swing"})
    async with running("run", scenario, "--port", "0", cwd=tmp_path) as program:
        viewer, producer = await both(program, visit, other)
        await viewer.locator("#vote .choice input").first.check()
        await expect(producer.locator("#poll-state")).to_have_text("The vote before the debate is open: 1 vote.")
        await producer.get_by_role("button", name="Close the vote").click()
        await expect(producer.locator("#answer")).to_have_text("Done: the vote is closed")
        await expect(viewer.locator("#vote")).to_be_hidden()
        await expect(viewer.locator("#poll")).to_contain_text("1 vote")
        await expect(producer.locator("#poll-state")).to_have_text("The vote before the debate is closed: 1 vote.")
        await end(program)


async def test_a_wrong_token_opens_nothing_and_says_so(scenario: Path, tmp_path: Path, visit: Visit) -> None:
    async with running("run", scenario, "--port", "0", cwd=tmp_path) as program:
        address = await program.line("Producer:")
        visit.expected = f"403|{GOING}"
        page = await visit.go(f"{address.partition('#')[0]}#token={'wrong' * 6}")
        await expect(page.locator("#token-status")).to_have_text("This is not the token of the show's producer.")
        await expect(page.locator("#desk")).to_be_hidden()
        status = await page.evaluate(
            """async () => (await fetch(`/api/shows/${location.pathname.split("/").at(-1)}/control`, {
              method: "POST", headers: {Authorization: "Bearer wrong"}, body: '{"command": "pause"}',
            })).status"""
        )
        assert status == 403
        await page.get_by_label("Producer token").fill(address.partition("#token=")[2])
        await page.get_by_label("Producer token").press("Enter")
        await expect(page.locator("#desk")).to_be_visible()
        await end(program)


async def test_the_page_goes_on_when_the_stage_has_been_killed_and_started_again(
    scenario: Path, tmp_path: Path, visit: Visit
) -> None:
    serve = ("serve", "--data-dir", str(tmp_path / "stage"))
    visit.expected = GOING
    async with running(*serve, "--port", "0", cwd=tmp_path) as stage:
        address = await stage.line("Stage:")
        port = address.strip("/").rpartition(":")[2]
        async with running("run", scenario, "--stage", address, cwd=tmp_path) as program:
            page = await visit.go(await program.line("Producer:"))
            await page.get_by_role("button", name="Pause").click()
            await expect(page.locator("#air-title")).to_have_text("Paused")
            stage.process.kill()
            await stage.ended()
            await expect(page.locator("#connection-text")).to_have_text("Reconnecting")
            await expect(page.locator("#stale")).to_contain_text("What you see is from before")
            async with running(*serve, "--port", port, cwd=tmp_path) as again:
                await again.line("Stage:")
                await expect(page.locator("#connection-text")).to_have_text("Connected")
                await expect(page.locator("#stale")).to_be_empty()
                await expect(page.locator("#air-title")).to_have_text("Paused")
                await page.get_by_role("button", name="Resume").click()
                await expect(page.locator("#air-title")).to_have_text("On air")
                await end(program)
