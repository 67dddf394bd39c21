"""The whole way: a scenario performed by the real program, watched and steered in a real browser."""

import re
import signal
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.end_to_end.programs import running, write_scenario
from tests.llm.faulty_server import FaultyServer, Reply
from tests.web.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

READABLE = {"chars_per_second": 150, "min_interval_s": 0.4, "gap_s": 0.6, "lead_min_s": 0.2, "lead_max_s": 0.5}


async def test_a_hint_typed_in_the_browser_is_answered_by_the_agent_it_names_in_its_next_turn(
    tmp_path: Path, visit: Visit
) -> None:
    scenario = write_scenario(tmp_path, pacing=READABLE)
    async with running("run", scenario, "--port", "0", cwd=tmp_path) as program:
        page = await visit.go(await program.line("Watch:"))
        await expect(page.locator("#t1 .words")).not_to_be_empty()

        await page.get_by_role("combobox", name="For").select_option(label="🎭 Otis Bell")
        await page.get_by_label("Your name").fill("Mona")
        await page.get_by_label("Your hint", exact=True).fill("What about pupils without a quiet desk?")
        await page.get_by_label("Your hint", exact=True).press("Enter")

        await expect(page.locator(".my-hint-fate")).to_have_text(re.compile(r"Used by Otis Bell in turn \d+"))
        number = re.findall(r"\d+", await page.locator(".my-hint-fate").inner_text())[-1]
        speech = page.locator(f"#t{number}")
        await expect(speech.locator(".answers")).to_have_text(
            "Answers a hint by Mona: What about pupils without a quiet desk?"
        )
        await expect(speech.locator(".words")).to_contain_text("Mona")
        await expect(speech.locator(".words")).to_contain_text("quiet desk")
        speakers = await page.locator(".speaker-name").all_text_contents()
        visit.expected = "WebSocket|ERR_CONNECTION"  # the program has gone, and the page may have looked for it
        program.signal(signal.SIGTERM)
        assert await program.ended() == 130
        await expect(page.locator("#connection-text")).to_have_text("Ended")

    assert speakers.index("Otis Bell") == int(number) - 1, "his first turn after the hint is his next one"


async def test_the_first_chunk_is_on_the_page_before_the_model_has_finished(tmp_path: Path, visit: Visit) -> None:
    words = "Homework eats the evening. " + "It teaches little, and it divides much. " * 14
    async with FaultyServer(default=Reply(text=words, token_s=0.03)) as model:
        scenario = write_scenario(
            tmp_path,
            models={"local": {"provider": "openai", "base_url": model.base_url, "model": "tiny"}},
        )
        async with running("run", scenario, "--port", "0", cwd=tmp_path) as program:
            page = await visit.go(await program.line("Watch:"))
            await expect(page.locator("#t1 .words")).to_contain_text("Homework eats the evening.")
            sent = model.requests[0].words_sent
            await expect(page.locator("#t2")).to_be_visible()
            whole = model.requests[0].words_sent
            visit.expected = "WebSocket|ERR_CONNECTION"
            program.signal(signal.SIGTERM)
            await program.ended()

    assert 0 < sent < whole
