"""Links to moments, and going from speech to speech with the keyboard."""

import pytest
from playwright.async_api import Page, expect

from tests.web.conftest import Visit, settles
from tests.web.fake_stage import FakeShow, FakeStage
from tests.web.plays import begin, open_show, speak, whole_turn, words

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SENTENCES = [f"Sentence {number} takes its room and then some more of it. " * 3 for number in range(5)]


async def long_show(stage: FakeStage) -> FakeShow:
    show = await open_show(stage)
    for turn in range(6):
        await whole_turn(stage, show, turn, *SENTENCES)
    await begin(stage, show, 6, "ada")
    await speak(stage, show, 6, "ada", "The live line.")
    return show


def seq_of(show: FakeShow, turn: int, index: int) -> int:
    return next(
        int(event["seq"])
        for event in show.events
        if event["type"] == "chunk_aired" and (event["turn"], event["index"]) == (turn, index)
    )


async def test_a_link_to_an_event_leads_to_its_words(stage: FakeStage, visit: Visit) -> None:
    show = await long_show(stage)
    page = await visit.go(f"{stage.url}/shows/s1#{seq_of(show, 1, 3)}")

    await expect(page.locator("#t2")).to_be_focused()
    await expect(page.locator("[data-found]")).to_have_text(SENTENCES[3])
    await expect(page.locator("[data-found]")).to_be_in_viewport()
    await expect(page.locator("#to-live")).to_be_visible()


async def test_the_link_that_is_copied_leads_back_to_where_one_was(stage: FakeStage, visit: Visit) -> None:
    show = await long_show(stage)
    await visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await visit.go(f"{stage.url}/shows/s1")
    await expect(words(page, 6)).to_be_in_viewport()
    await page.get_by_role("button", name="Link to this moment").click()
    await expect(page.locator("#notice")).to_have_text("The link to this moment has been copied.")
    assert await page.evaluate("navigator.clipboard.readText()") == f"{stage.url}/shows/s1#{seq_of(show, 6, 0)}"

    await page.evaluate("seq => { location.hash = seq }", str(seq_of(show, 2, 2)))
    await expect(page.locator("#t3")).to_be_focused()
    await page.keyboard.press("c")
    await settles(page, "navigator.clipboard.readText()", f"{stage.url}/shows/s1#{seq_of(show, 2, 2)}")


async def test_without_a_clipboard_the_address_bar_gets_the_link(stage: FakeStage, visit: Visit) -> None:
    show = await long_show(stage)
    await visit.page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page = await visit.go(f"{stage.url}/shows/s1")
    await expect(words(page, 6)).to_be_in_viewport()
    await page.get_by_role("button", name="Link to this moment").click()

    await expect(page).to_have_url(f"{stage.url}/shows/s1#{seq_of(show, 6, 0)}")
    await expect(page.locator("#notice")).to_contain_text("address of this page")


async def test_keys_lead_from_speech_to_speech_and_back_to_live(stage: FakeStage, visit: Visit) -> None:
    await long_show(stage)
    page = await visit.go(f"{stage.url}/shows/s1#t3")
    await expect(page.locator("#t3")).to_be_focused()
    for key, speech in (("j", "#t4"), ("j", "#t5"), ("k", "#t4")):
        await page.keyboard.press(key)
        await expect(page.locator(speech)).to_be_focused()
    await page.keyboard.press("l")
    await expect(page.locator("#speeches")).to_be_focused()
    await expect(page.locator("#to-live")).to_be_hidden()
    await expect(page.locator("#keys")).to_be_visible()

    hint = page.get_by_label("Your hint", exact=True)
    await hint.press_sequentially("jkl")
    await expect(hint).to_have_value("jkl")
    await expect(page.locator("#keys")).to_be_hidden()


async def test_speeches_long_over_are_kept_in_one_piece_until_one_goes_to_their_words(
    stage: FakeStage, visit: Visit
) -> None:
    show = await open_show(stage)
    for turn in range(10):
        await whole_turn(stage, show, turn, *SENTENCES)
    page = await visit.go(f"{stage.url}/shows/s1")
    await expect(words(page, 9)).to_be_in_viewport()
    assert await pieces(page, 1) == len(SENTENCES)

    for turn in range(10, 40):
        await whole_turn(stage, show, turn, *SENTENCES)
    await expect(words(page, 39)).to_be_in_viewport()
    assert await pieces(page, 1) == await pieces(page, 15) == 0
    assert await pieces(page, 39) == len(SENTENCES)
    assert await words(page, 1).text_content() == "".join(SENTENCES)

    await page.evaluate("seq => { location.hash = seq }", str(seq_of(show, 1, 3)))
    await expect(page.locator("[data-found]")).to_have_text(SENTENCES[3])
    await expect(page.locator("[data-found]")).to_be_in_viewport()
    await whole_turn(stage, show, 40, *SENTENCES)
    await expect(words(page, 40)).to_have_text("".join(SENTENCES).strip())
    await expect(page.locator("[data-found]")).to_have_text(SENTENCES[3])
    assert (await pieces(page, 1), await pieces(page, 2)) == (len(SENTENCES), 0)


async def test_a_latecomer_finds_speeches_long_over_in_one_piece_and_their_words_by_address(
    stage: FakeStage, visit: Visit
) -> None:
    show = await open_show(stage)
    for turn in range(40):
        await whole_turn(stage, show, turn, *SENTENCES)
    page = await visit.go(f"{stage.url}/shows/s1#{seq_of(show, 4, 2)}")

    await expect(page.locator("[data-found]")).to_have_text(SENTENCES[2])
    await expect(page.locator("[data-found]")).to_be_in_viewport()
    assert (await pieces(page, 3), await pieces(page, 4)) == (0, len(SENTENCES))
    assert await words(page, 3).text_content() == "".join(SENTENCES)


async def pieces(page: Page, turn: int) -> int:
    """Return in how many elements a speech's words are."""
    return await words(page, turn).locator("[data-seq]").count()


async def test_the_whole_page_can_be_reached_with_the_tab_key(stage: FakeStage, visit: Visit) -> None:
    show = await open_show(stage)
    await begin(stage, show, 0, "ada")
    await speak(stage, show, 0, "ada", "The live line.")
    page = await visit.go(f"{stage.url}/shows/s1")
    await expect(words(page, 0)).to_be_visible()
    reached = []
    for _ in range(10):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("document.activeElement.id || document.activeElement.className"))

    assert reached == [
        "skip", "brand", "voices", "share", "icon-button", "speeches", "turn-link", "hint-text", "hint-to", "hint-name",
    ]  # fmt: skip
