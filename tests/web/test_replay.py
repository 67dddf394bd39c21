"""Past shows on the watch page: played again, scrubbed, and left as they were."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from debate_caster.log import MemoryEventLog
from debate_caster.stage import open_stage
from tests.watching.loopback import talking
from tests.web.conftest import Visit
from tests.web.fake_stage import FakeShow, FakeStage, open_fake_stage
from tests.web.plays import begin, finish, open_show, speak, whole_turn, words

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HINT = {"id": "h1", "name": "Mia", "text": "What of the cost?"}


@pytest_asyncio.fixture(loop_scope="session")
async def stage() -> AsyncGenerator[FakeStage, None]:
    async with open_fake_stage() as opened:
        yield opened


async def past_show(stage: FakeStage) -> FakeShow:
    """A show of 13 seconds: events come one a second, the second turn answers a hint."""
    show = await open_show(stage)
    await whole_turn(stage, show, 0, "One. ", "Two. ")
    await begin(stage, show, 1, "ben", hints=[HINT])
    await stage.air(show, "hint_used", hint="h1", name="Mia", text=HINT["text"], turn=1, speaker="ben")
    await speak(stage, show, 1, "ben", "Three. ", "Four.")
    await finish(stage, show, 1, "ben")
    await stage.air(show, "show_ended", why="completed", detail="")
    show.state = "ended"
    return show


async def scrub(page: Page, seconds: float) -> None:
    await page.get_by_role("slider", name="Moment of the show").fill(str(round(seconds * 1000)))


async def test_a_past_show_has_a_timeline_of_its_turns_and_hints(stage: FakeStage, visit: Visit) -> None:
    await past_show(stage)
    page = await visit.go(stage.url + "/shows/s1")

    slider = page.get_by_role("slider", name="Moment of the show")
    await expect(slider).to_have_attribute("aria-valuetext", "0:13 of 0:13")
    assert await page.locator(".stretch").count() == 2
    assert [await mark.get_attribute("title") for mark in await page.locator(".stretch").all()] == ["Ada", "Ben"]
    assert await page.locator(".moment[data-kind=hint]").count() == 1
    await expect(page.locator("#connection-text")).to_have_text("Ended")


async def test_a_long_silence_takes_ten_seconds_of_the_timeline(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await whole_turn(stage, show, 0, "One. ", "Two. ")
    await stage.air(show, "show_paused", by="Mia", seconds=9 * 3600)
    await whole_turn(stage, show, 1, "Three. ")
    await stage.air(show, "show_ended", why="completed", detail="")
    show.state = "ended"
    page = await visit.go(stage.url + "/shows/s1")

    slider = page.get_by_role("slider", name="Moment of the show")
    length = int(await slider.get_attribute("max") or 0) / 1000
    assert 10 < length < 30
    await scrub(page, length - 1)
    await expect(words(page, 1)).to_have_text("Three. ")
    await expect(page.locator("#clock-face")).to_contain_text("9:00:")


async def test_scrubbing_shows_the_show_as_it_was_then_and_the_end_all_of_it(stage: FakeStage, visit: Visit) -> None:
    await past_show(stage)
    page = await visit.go(stage.url + "/shows/s1")
    await expect(words(page, 1)).to_have_text("Three. Four.")

    await scrub(page, 5)
    await expect(words(page, 0)).to_have_text("One. ")
    await expect(page.locator("#t2")).to_have_count(0)
    await expect(page.locator("#end-card")).to_be_hidden()
    await expect(page.locator("#connection-text")).to_have_text("Replay")
    await expect(page.locator("#clock-face")).to_have_text("0:05")
    await expect(page.locator("#team-for .speaker")).to_have_attribute("data-doing", "speaking")
    await expect(page.locator("#hint-form")).to_be_hidden()
    slider = page.get_by_role("slider", name="Moment of the show")
    await expect(slider).to_have_attribute("aria-valuetext", "0:05 of 0:13, Ada")

    await scrub(page, 11)
    await expect(words(page, 0)).to_have_text("One. Two. ")
    await expect(page.locator("#t2 .answers")).to_have_text("Answers a hint by Mia: What of the cost?")
    await scrub(page, 2)
    await expect(page.locator(".turn")).to_have_count(0)

    await slider.press("PageUp")
    await expect(slider).to_have_attribute("aria-valuetext", "0:04 of 0:13, Ada")
    await slider.press("End")
    await expect(words(page, 1)).to_have_text("Three. Four.")
    await expect(page.locator("#connection-text")).to_have_text("Ended")
    await expect(page.locator("#end-card")).to_be_visible()


async def test_a_replay_plays_at_its_speed_and_ends_where_the_show_did(stage: FakeStage, visit: Visit) -> None:
    await past_show(stage)
    page = await visit.go(stage.url + "/shows/s1")
    await page.get_by_role("combobox", name="Speed").select_option("16")
    await page.get_by_role("button", name="Replay", exact=True).click()

    await expect(page.get_by_role("button", name="Pause")).to_be_focused()
    await expect(page.locator("#connection-text")).to_have_text("Replay")
    await expect(words(page, 0)).to_have_text("One. Two. ")
    await expect(page.locator("#connection-text")).to_have_text("Ended")
    await expect(words(page, 1)).to_have_text("Three. Four.")
    await expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()


async def test_a_pause_holds_and_a_reconnect_does_not_give_the_end_away(stage: FakeStage, visit: Visit) -> None:
    show = await past_show(stage)
    visit.expected = "ERR_|WebSocket"
    page = await visit.go(stage.url + "/shows/s1")
    await scrub(page, 5)
    before = stage.connections
    await stage.cut(show)
    await expect(page.locator("#connection-text")).to_have_text("Replay")
    while stage.connections == before:
        await page.wait_for_timeout(50)
    await page.wait_for_timeout(100)

    await expect(words(page, 0)).to_have_text("One. ")
    await expect(page.locator("#end-card")).to_be_hidden()


async def test_a_live_show_has_no_timeline_until_it_has_ended(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await whole_turn(stage, show, 0, "One. ")
    page = await visit.go(stage.url + "/shows/s1")
    await expect(words(page, 0)).to_have_text("One. ")
    await expect(page.locator("#replay")).to_be_hidden()

    await stage.air(show, "show_ended", why="completed", detail="")
    await expect(page.locator("#replay")).to_be_visible()
    await scrub(page, 0)
    await expect(page.locator(".turn")).to_have_count(0)


@pytest.mark.parametrize("visit", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
async def test_the_controls_fit_a_phone(stage: FakeStage, visit: Visit) -> None:
    await past_show(stage)
    page = await visit.go(stage.url + "/shows/s1")
    await expect(page.locator("#replay")).to_be_visible()

    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    box = await page.locator("#replay select").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 360
    slider = await page.get_by_role("slider").bounding_box()
    assert slider is not None
    assert slider["width"] > 100


async def test_what_has_been_said_can_be_taken_along(visit: Visit, tmp_path: Path) -> None:
    async with open_stage(log=MemoryEventLog()) as real:
        async with talking(real) as agent:
            await agent.say("<b>One</b>.")
            await agent.end()
        await real.wait_over(agent.show)
        page = await visit.go(real.show_url(agent.show))
        links = page.locator("#end-transcript a")
        await expect(links).to_have_text(["page", "Markdown", "JSON", "HTML file"])
        async with page.expect_download() as download:
            await links.nth(3).click()
        file = tmp_path / (await download.value).suggested_filename
        await (await download.value).save_as(file)
        await links.nth(0).click()

        await expect(page.locator("article p")).to_have_text("<b>One</b>.")
        assert (
            await page.evaluate("getComputedStyle(document.querySelector('article')).borderInlineStartStyle") == "solid"
        )
        page_on_disk = await visit.go(file.as_uri())
        await expect(page_on_disk.locator("article p")).to_have_text("<b>One</b>.")
        visit.hosts.discard("")  # the file's
