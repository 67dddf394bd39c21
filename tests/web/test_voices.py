"""Voices in the page: off until asked for, in step with the words, silent after a jump."""

import pytest
from playwright.async_api import Page, expect

from tests.web.conftest import Visit, settles
from tests.web.fake_stage import FakeStage
from tests.web.plays import begin, open_show, speak, whole_turn

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SYNTHESISER = """
window.heard = [];
Object.defineProperty(window, "speechSynthesis", { value: {
  current: null,
  getVoices: () => [],
  speak(utterance) { this.current = utterance; heard.push(utterance.text); utterance.onstart?.(); },
  cancel() { heard.push("(silence)"); this.current = null; },
  finish() { const { current } = this; this.current = null; current.onend(); },
  fail(error) { const { current } = this; this.current = null; current.onerror({ error }); },
} });
"""
"""A synthesiser that finishes when it is told to; Chromium's own needs voices that a test machine has not."""


async def heard(page: Page, *wanted: str) -> None:
    await settles(page, "heard", list(wanted))


async def test_voices_are_off_by_default_and_read_what_comes_when_asked_for(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(SYNTHESISER)
    show = await open_show(stage)
    await begin(stage, show, 0, "ada")
    await speak(stage, show, 0, "ada", "Before. ")
    page = await visit.go(stage.url + "/shows/s1")
    await expect(page.locator("#t1 .words")).to_have_text("Before. ")
    await heard(page)

    await page.get_by_role("button", name="Voices").click()
    await expect(page.get_by_role("button", name="Voices")).to_have_attribute("aria-pressed", "true")
    await speak(stage, show, 0, "ada", "One. ", "Two. ", first=1)
    await heard(page, "One.")
    await expect(page.locator("[data-said]")).to_have_text("One. ")
    await page.evaluate("speechSynthesis.finish()")
    await heard(page, "One.", "Two.")
    await expect(page.locator("[data-said]")).to_have_text("Two. ")

    await page.get_by_role("button", name="Voices").click()
    await heard(page, "One.", "Two.", "(silence)")
    await expect(page.locator("[data-said]")).to_have_count(0)


async def test_a_jump_silences_the_voice_and_reads_on_from_there(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(SYNTHESISER)
    show = await open_show(stage)
    for turn in range(4):
        await whole_turn(stage, show, turn, f"Turn {turn} speaks. " * 40)
    await begin(stage, show, 4, "ada")
    page = await visit.go(stage.url + "/shows/s1")
    await page.get_by_role("button", name="Voices").click()
    await speak(stage, show, 4, "ada", "Live. ")
    await heard(page, "Live.")

    await page.evaluate("location.hash = 't2'")
    await heard(page, "Live.", "(silence)", ("Turn 1 speaks. " * 40).strip())
    await page.locator("#to-live").click()
    await speak(stage, show, 4, "ada", "Later. ", first=1)
    await heard(page, "Live.", "(silence)", ("Turn 1 speaks. " * 40).strip(), "(silence)", "Later.")


async def test_a_machine_without_voices_says_so(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(SYNTHESISER)
    show = await open_show(stage)
    await begin(stage, show, 0, "ada")
    page = await visit.go(stage.url + "/shows/s1")
    await page.get_by_role("button", name="Voices").click()
    await speak(stage, show, 0, "ada", "Nobody hears this. ")
    await heard(page, "Nobody hears this.")
    await page.evaluate("speechSynthesis.fail('synthesis-failed')")

    await expect(page.get_by_role("button", name="Voices")).to_have_attribute("aria-pressed", "false")
    await expect(page.locator("#notice")).to_have_text("This browser has no voice that can read this.")


async def test_a_browser_without_speech_has_no_button_for_it(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script("Object.defineProperty(window, 'speechSynthesis', {value: undefined})")
    await open_show(stage)
    page = await visit.go(stage.url + "/shows/s1")

    await expect(page.locator("#connection-text")).to_have_text("Live")
    await expect(page.get_by_role("button", name="Voices")).to_be_hidden()
