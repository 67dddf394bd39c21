"""What axe-core finds in the pages: nothing serious or critical, in dark and in light, wide and on a phone."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Page, ViewportSize, expect

from tests.web.conftest import Visit
from tests.web.fake_stage import FakeStage, open_fake_stage
from tests.web.plays import AGENTS, begin, open_show, speak, whole_turn
from tests.web.test_producer import AT, HINTS, TOKEN

pytestmark = [pytest.mark.browser, pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]

AXE = Path(__file__).parent.parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm install in tests/node")
    return AXE.read_text()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def stage() -> AsyncGenerator[FakeStage, None]:
    """A stage with a show in full swing, one that has ended, one that has not begun, and a round table."""
    async with open_fake_stage() as opened:
        show = await open_show(opened, "live")
        hint = {"id": "h0", "name": "Noor", "text": "What about nurses?"}
        await whole_turn(opened, show, 0, "For the motion.")
        await begin(opened, show, 1, "ben", hints=[hint])
        await opened.air(show, "thought_noted", turn=1, speaker="ben", text="What did Ada say?")
        await opened.air(
            show, "tool_called", turn=1, speaker="ben", call="c", name="search", arguments='{"q": "nurses"}'
        )
        await opened.air(show, "tool_answered", turn=1, speaker="ben", call="c", text="4.2 million")
        await speak(opened, show, 1, "ben", "Against ", "it.")
        ended = await open_show(opened, "ended")
        await whole_turn(opened, ended, 0, "The only words.")
        await opened.air(ended, "show_ended", why="completed", detail="")
        ended.state = "ended"
        polled = await open_show(opened, "polled")
        choices = [{"id": "for", "title": "For"}, {"id": "against", "title": "Against"}, {"id": "undecided"}]
        await opened.air(polled, "vote_opened", vote="before", method="swing", choices=choices, seconds=20)
        decided = await open_show(opened, "decided")
        counts: dict[str, Any] = {
            "before": {"for": 4, "against": 6, "undecided": 0},
            "after": {"for": 5, "against": 4, "undecided": 1},
        }
        swing: dict[str, Any] = {"outcome": "won", "leaders": ["for"], "changes": {"for": 0.1, "against": -0.2}}
        await opened.air(decided, "vote_opened", vote="after", method="swing", choices=choices, seconds=20)
        await opened.air(decided, "vote_closed", vote="after")
        await opened.air(decided, "verdict_given", method="swing", why="", **swing, **counts)
        paused = await open_show(opened, "paused")
        await opened.air(paused, "vote_opened", vote="before", method="swing", choices=choices, seconds=20)
        await opened.air(paused, "vote_closed", vote="before")
        await opened.air(paused, "vote_counted", vote="before", counts=counts["before"], votes=10)
        await begin(opened, paused, 0, "ada")
        await speak(opened, paused, 0, "ada", "Half a")
        await opened.air(paused, "show_paused")
        for number in range(8):
            opened.show(f"past{number}", motion=f"Motion {number}", agents=AGENTS).state = "ended"
        opened.show("early", motion="This house waits")
        table = opened.show("table", motion="What is a table?")
        seats = [{"id": f"a{number}", "name": f"Guest {number}"} for number in range(5)]
        await opened.air(table, "show_started", show="table", motion="What is a table?", agents=seats, turns=9)
        await opened.air(table, "turn_prepared", turn=0, phase=0, speaker="a0")
        yield opened


async def findings(page: Page, axe: str) -> list[str]:
    """Return what axe-core has to say that is serious, one line each."""
    if not await page.evaluate("'axe' in globalThis"):
        await page.evaluate(axe)
    report: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{found['id']} ({found['impact']}): {node['target']}: {node['failureSummary']}"
        for found in report["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
SIZES: dict[str, ViewportSize] = {"wide": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}


async def findings_in_every_look(page: Page, axe: str) -> dict[str, list[str]]:
    """Return the findings of both themes on both screens, where there are any."""
    found = {}
    for size, viewport in SIZES.items():
        await page.set_viewport_size(viewport)
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            found[f"{size}, {scheme}"] = await findings(page, axe)
    return {look: lines for look, lines in found.items() if lines}


@pytest.mark.parametrize(
    ("path", "ready"),
    [
        pytest.param("/", "#past-shows .past-show", id="lobby"),
        pytest.param("/shows/live", "#t2 .words", id="watch"),
        pytest.param("/shows/ended", "#end-card:not([hidden])", id="ended"),
        pytest.param("/shows/polled", "#vote:not([hidden]) .choice", id="vote"),
        pytest.param("/shows/decided", "#verdict:not([hidden]) table", id="verdict"),
        pytest.param("/shows/paused", "#paused:not([hidden])", id="paused"),
        pytest.param("/overlay/paused", "#paused:not([hidden])", id="overlay-paused"),
        pytest.param("/producer/live", "#entrance:not([hidden])", id="producer-entrance"),
        pytest.param("/producer/nowhere", "#stale:not(:empty)", id="producer-of-no-show"),
        pytest.param("/overlay/decided", ".stretch", id="overlay-verdict"),
        pytest.param("/shows/early", "#skeleton:not([hidden])", id="not-begun"),
        pytest.param("/shows/table", "#pondering:not([hidden])", id="round-table"),
        pytest.param("/shows/nowhere", "#end-card:not([hidden])", id="no-such-show"),
        pytest.param("/overlay/live", ".caption", id="overlay"),
        pytest.param("/overlay/live?layout=split", ".caption", id="overlay-split"),
    ],
)
async def test_axe_finds_nothing_serious(stage: FakeStage, visit: Visit, axe: str, path: str, ready: str) -> None:
    visit.expected = "404"
    page = await visit.go(stage.url + path)
    await page.locator(ready).first.wait_for(state="attached")

    assert await findings_in_every_look(page, axe) == {}


async def test_axe_finds_nothing_serious_in_what_opens_on_the_watch_page(
    stage: FakeStage, visit: Visit, axe: str
) -> None:
    page = await visit.go(stage.url + "/shows/live")
    await page.locator("#t2 summary").click()
    await page.get_by_label("Your hint", exact=True).fill("x" * 300)
    await expect(page.locator("#hint-count")).to_have_attribute("data-over", "")
    assert await findings_in_every_look(page, axe) == {}

    await page.set_viewport_size(SIZES["wide"])
    await page.get_by_label("Your hint", exact=True).fill("What about nurses?")
    await page.get_by_label("Your hint", exact=True).press("Enter")
    await expect(page.locator(".my-hint")).to_have_count(1)
    for state, more in (("queued", {"to": "ben"}), ("used", {"turn": 1, "speaker": "ben"})):
        hint = stage.shows["live"].hints[-1]["id"]
        await stage.decide(stage.shows["live"], hint, state, **more)
        await expect(page.locator(".my-hint")).to_have_attribute("data-state", state)
        assert await findings_in_every_look(page, axe) == {}


async def test_axe_finds_nothing_serious_on_the_producers_page(stage: FakeStage, visit: Visit, axe: str) -> None:
    show = stage.shows["polled"]
    show.token = TOKEN
    await stage.set_desk(
        show,
        hints=HINTS,
        muted=["v1"],
        context="It is raining.",
        approval=True,
        vote={"open": "before", "may_open": None},
        acts=[{"at": AT, "command": "context", "by": "Iris", "detail": "It is raining."}],
    )
    page = await visit.go(f"{stage.url}/producer/polled#token={TOKEN}")
    await page.locator("#decided summary").click()
    visit.expected = "409"
    stage.refuse_commands = (409, {"error": "refused", "message": "Nothing is on air to skip."})
    await page.get_by_role("button", name="Skip the turn").click()
    await expect(page.locator("#answer")).to_have_attribute("data-tone", "bad")
    assert await findings_in_every_look(page, axe) == {}

    await page.get_by_role("button", name="End the show").click()
    assert await findings_in_every_look(page, axe) == {}
    await page.keyboard.press("Escape")
    await stage.set_desk(show, paused=True, may=["resume"])
    await expect(page.locator("#air")).to_have_attribute("data-air", "paused")
    assert await findings_in_every_look(page, axe) == {}


async def test_axe_finds_what_is_wrong(stage: FakeStage, visit: Visit, axe: str) -> None:
    page = await visit.go(stage.url + "/shows/live")
    await page.evaluate("document.getElementById('hint-to').closest('label').querySelector('span').remove()")
    await page.evaluate("document.documentElement.removeAttribute('lang')")

    assert [line.partition(" ")[0] for line in await findings(page, axe)] == ["html-has-lang", "select-name"]
