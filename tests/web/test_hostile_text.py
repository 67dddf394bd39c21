"""Whatever a model, a persona or a viewer writes stays text: no element of it, no script, no report of the CSP."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from difflib import unified_diff
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Page, Route, expect

from debate_caster.show.events import (
    AgentCast,
    ChunkAired,
    HintTaken,
    PhaseCast,
    PhaseStarted,
    ShowEnded,
    ShowEvent,
    ShowStarted,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
)
from debate_caster.show.recounting import export_html
from debate_caster.show.transcript import fold
from tests.web.conftest import Visit, settles
from tests.web.fake_stage import FakeShow, FakeStage, until
from tests.web.test_producer import TOKEN

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

VECTORS: list[str] = json.loads((Path(__file__).parent.parent / "vectors" / "markup.json").read_text())
AT = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)

Text = Callable[[int], str]
"""What is written in the n-th place: a vector, or something plain in its stead."""

WATCH_FOR_REPORTS = """
window.reports = [];
addEventListener("securitypolicyviolation", (report) => reports.push(`${report.effectiveDirective} ${report.sample}`));
"""

STRUCTURE = """[...document.querySelectorAll('*')].map((one) => {
  const said = one.getAttributeNames().filter((name) => name !== "class" || one.className);
  return `${one.tagName} ${said.sort()}`;
})"""
"""Every element with the names of its attributes: the same for hostile text as for plain, or text became markup.

An empty class is as none: it is what stays of one that was there for a moment while the page arrived.
"""


def hostile(number: int) -> str:
    return VECTORS[number]


def plain(number: int) -> str:
    return f"Plain text {number}"


async def air_debate(stage: FakeStage, name: str, text: Text) -> FakeShow:
    """Air a show with a text of its own for every agent, turn, hint, thought and tool."""
    numbers = range(len(VECTORS))
    agents = [
        {field: text(number) for field in ("id", "name", "emoji", "color", "side", "side_title", "style", "voice")}
        for number in numbers
    ]
    show = stage.show(name, motion=text(0), title=text(0), agents=agents)
    phases = [{"key": text(number), "title": text(number), "turns": 1} for number in numbers]
    about: dict[str, Any] = {field: text(0) for field in ("motion", "title", "language", "format", "format_title")}
    await stage.air(show, "show_started", show=name, **about, agents=agents, phases=phases, turns=9, hints_open=True)
    for number in numbers:
        written = text(number)
        of_turn: dict[str, Any] = {"turn": number, "speaker": written}
        await stage.air(show, "room_opened", room=written, agent=agents[number], title=written)
        await stage.air(show, "phase_started", phase=number, key=written, title=written, speaker=written)
        hint = {"id": written, "name": written, "text": written}
        more: dict[str, Any] = {"role": written, "kind": written, "addresses": text(0), "hints": [hint]}
        await stage.air(show, "turn_started", **of_turn, phase=number, **more)
        await stage.air(show, "thought_noted", **of_turn, text=written)
        await stage.air(show, "tool_called", **of_turn, call=written, name=written, arguments=written)
        await stage.air(show, "tool_answered", **of_turn, call=written, text=written)
        await stage.air(show, "chunk_aired", **of_turn, room=written, index=0, text=written)
        await stage.air(show, "turn_ended", **of_turn, how=written, words=1)
        await stage.air(show, "hint_used", **of_turn, hint=f"later {written}", name=written, text=written)
    await stage.air(show, "turn_prepared", turn=len(VECTORS), phase=0, speaker=text(0))
    return show


async def structure(page: Page) -> list[str]:
    assert await page.evaluate("[window.owned ?? 0, window.reports]") == [0, []]
    found: list[str] = await page.evaluate(STRUCTURE)
    return found


def changes(found: dict[str, list[str]]) -> list[str]:
    """Return what is in one structure and not in the other, the first few of it."""
    return list(unified_diff(found["plain"], found["hostile"], lineterm="", n=1))[:20]


async def test_there_are_a_hundred_vectors_and_more() -> None:
    assert len(set(VECTORS)) >= 100


async def test_a_debate_written_in_markup_is_shown_as_text(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(WATCH_FOR_REPORTS)
    found: dict[str, list[str]] = {}
    said: list[str] = []
    for text in (plain, hostile):
        name = text.__name__
        show = await air_debate(stage, name, text)
        page = await visit.go(f"{stage.url}/shows/{name}")
        await expect(page.locator(".words")).to_have_count(len(VECTORS))
        await expect(page.locator("#pondering")).to_be_visible()
        live = await structure(page)
        await stage.air(show, "show_ended", why=text(0), detail=text(0))
        await expect(page.locator("#end-card")).to_be_visible()
        found[name] = live + await structure(page)
        said = await page.locator(".words").all_text_contents()
    assert changes(found) == []
    assert said == VECTORS


async def test_a_motion_in_markup_is_shown_as_text(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(WATCH_FOR_REPORTS)
    show = stage.show("s1")
    page = await visit.go(f"{stage.url}/shows/s1")
    before: list[str] = []
    for vector in ("A motion", *VECTORS):
        about: dict[str, Any] = dict.fromkeys(("motion", "title", "format_title"), vector)
        await stage.air(show, "show_started", show="s1", **about, agents=[], phases=[], turns=1, hints_open=True)
        await settles(page, "document.querySelector('h1').textContent", vector)
        before = before or await structure(page)
    assert changes({"plain": before, "hostile": await structure(page)}) == []


async def test_the_lobby_shows_markup_as_text(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(WATCH_FOR_REPORTS)
    found: dict[str, list[str]] = {}
    for text in (plain, hostile):
        stage.shows.clear()
        for number in range(len(VECTORS)):
            written = text(number)
            agents = [{"id": "a", "name": written, "emoji": written, "color": written, "side": written}]
            phase = {"index": 0, "key": written, "title": written}
            about: dict[str, Any] = {"motion": written, "agents": agents, "phase": phase, "why": written}
            show = stage.show(f"{number} {written}", **about, speaker="a")
            show.state = ("live", "ended")[number % 2]
        page = await visit.go(stage.url)
        await expect(page.locator(".show h3, .past-show")).to_have_count(len(VECTORS))
        found[text.__name__] = await structure(page)
    assert changes(found) == []


async def test_the_overlay_shows_markup_as_text(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(WATCH_FOR_REPORTS)
    found: dict[str, list[str]] = {}
    for text in (plain, hostile):
        show = stage.show(text.__name__)
        page = await visit.go(f"{stage.url}/overlay/{show.id}?layout=split&scale={quote('<b>')}")
        # Two at a time are on the screen, so only the last two of the plain ones matter.
        for number in range(len(VECTORS) - 2 if text is plain else 0, len(VECTORS)):
            written, side = text(number), ("for", "against")[number % 2]
            agent = {"id": side, "name": written, "emoji": written, "side": side, "side_title": written}
            about: dict[str, Any] = dict.fromkeys(("motion", "title", "language"), written)
            await stage.air(show, "show_started", show=show.id, **about, agents=[agent], phases=[], turns=999)
            await stage.air(show, "phase_started", phase=0, key="p", title=written, speaker=side)
            await stage.air(
                show, "chunk_aired", room="r", turn=number, index=0, speaker=side, text=f"{number}: {written}"
            )
            if number % 2:
                await settles(page, f"document.body.textContent.includes('{number}: ')", True)
        await settles(page, f"document.body.textContent.includes('{len(VECTORS) - 1}: ')", True)
        found[text.__name__] = await structure(page)
    assert changes(found) == []


GIVE_HINTS = """async (texts) => {
  const [field, named] = [document.getElementById("hint-text"), document.getElementById("hint-name")];
  for (const text of texts) {
    field.value = text;
    named.value = text;
    while (field.value) {
      field.form.requestSubmit(); // nothing happens while the page does not know yet that hints are open, or is sending
      await new Promise((done) => setTimeout(done, 2));
    }
  }
}"""


async def test_a_viewers_own_hints_in_markup_are_shown_as_text(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(WATCH_FOR_REPORTS)
    visit.expected = "429"
    found: dict[str, list[str]] = {}
    for text in (plain, hostile):
        show = stage.show(text.__name__, motion="A motion")
        page = await visit.go(f"{stage.url}/shows/{show.id}")
        # As many are shown as the page remembers: only the last of the plain ones matter.
        given = [text(number) for number in range(len(VECTORS) - 40 if text is plain else 0, len(VECTORS))]
        await page.evaluate(GIVE_HINTS, given)
        for number, written in enumerate(given, 1):
            await stage.decide(show, f"h{number}", "declined", reason=written)
        await expect(page.locator(".my-hint").first).to_contain_text("Declined")
        stage.refuse_hints = {"error": text(0), "message": text(0)}
        await page.locator("#hint-text").fill("One more")
        await page.locator("#hint-text").press("Enter")
        await expect(page.locator("#hint-status")).to_have_text(text(0))
        stage.refuse_hints = None
        found[text.__name__] = await structure(page)
    assert changes(found) == []


def transcript_page(text: Text) -> str:
    """Return the exported page of a show with a text of its own for every agent, turn and hint."""
    numbers = range(len(VECTORS))
    agents = tuple(
        AgentCast(id=f"a{number}", name=text(number), emoji=text(number), color=text(number), side=text(number))
        for number in numbers
    )
    phases = tuple(PhaseCast(key=text(number), title=text(number), turns=1) for number in numbers)
    about: dict[str, Any] = {"title": text(0), "motion": text(0), "language": text(0), "format_title": text(0)}
    events: list[ShowEvent] = [
        ShowStarted(
            at=AT, show="s", scenario="s", format="f", seed=1, agents=agents, phases=phases, turns=len(phases), **about
        )
    ]
    for number in numbers:
        speaker, written = f"a{number}", text(number)
        of_turn: dict[str, Any] = {"at": AT, "turn": number, "speaker": speaker}
        hint = HintTaken(id=f"h{number}", viewer="v", name=written, text=written)
        events += [
            PhaseStarted(at=AT, phase=number, key=written, title=written, speaker=speaker),
            TurnPrepared(**of_turn, phase=number, prompt_digest="", prompt_words=0),
            TurnStarted(**of_turn, phase=number, role=written, kind=written, max_words=9, hints=(hint,)),
            ChunkAired(**of_turn, index=0, text=written),
            TurnEnded(**of_turn, how="completed", words=1),
        ]
    events.append(ShowEnded(at=AT, why="failed", detail=text(0)))
    numbered = (event.model_copy(update={"seq": place}) for place, event in enumerate(events, 1))
    return export_html(fold(numbered))


async def test_an_exported_page_shows_markup_as_text(visit: Visit) -> None:
    await visit.page.add_init_script(WATCH_FOR_REPORTS)
    found: dict[str, list[str]] = {}
    for text in (plain, hostile):
        exported = transcript_page(text)
        await visit.page.route(
            f"**/{text.__name__}", partial(Route.fulfill, body=exported, content_type="text/html; charset=utf-8")
        )
        page = await visit.go(f"http://127.0.0.1/{text.__name__}")
        found[text.__name__] = await structure(page)
    assert changes(found) == []
    assert len(found["hostile"]) > 5 * len(VECTORS)
    assert visit.paths == {"/plain", "/hostile"}


async def air_votes(stage: FakeStage, show: FakeShow, text: Text) -> AsyncGenerator[None, None]:
    """Hold a vote whose every word is a text, with a choice for each; pause when there is something to see."""
    choices = [{"id": text(number), "title": text(number)} for number in range(len(VECTORS))]
    counts = {choice["id"]: number for number, choice in enumerate(choices, 1)}
    await stage.air(show, "vote_opened", vote=text(1), method=text(2), choices=choices)
    await stage.send(show, {"type": "vote_tally", "vote": text(1), "counts": counts, "votes": 9})
    yield
    await stage.air(show, "vote_closed", vote=text(1))
    await stage.air(show, "vote_counted", vote=text(1), counts=counts, votes=9)
    yield
    about: dict[str, Any] = {"method": "swing", "leaders": list(counts), "before": counts, "after": counts}
    about |= {"changes": dict.fromkeys(counts, 0.1), "why": text(4)}
    await stage.air(show, "verdict_given", outcome="tied", **about)
    yield


@pytest.mark.parametrize(
    ("path", "signs"),
    [
        pytest.param(
            "shows",
            ("#vote:not([hidden]) .choice", "#poll:not([hidden]) .poll-choice", "#verdict:not([hidden]) tbody tr"),
            id="watch",
        ),
        pytest.param(
            "overlay",
            [f"#vote-text:has-text('{words}') + * b" for words in ("The audience votes", "The vote ·", "A tie")],
            id="overlay",
        ),
        pytest.param("producer", ("#tally li", "#tally li", "#tally li"), id="producer"),
    ],
)  # fmt: skip
async def test_votes_in_markup_are_shown_as_text(
    stage: FakeStage, visit: Visit, path: str, signs: Sequence[str]
) -> None:
    await visit.page.add_init_script(WATCH_FOR_REPORTS)
    found: dict[str, list[str]] = {}
    for text in (plain, hostile):
        show = stage.show(text.__name__, motion="A motion")
        show.token = TOKEN
        await stage.set_desk(show, vote={"open": text(1), "may_open": text(1)}, may=["open_vote"])
        await stage.air(show, "show_started", show=show.id, motion="A motion", agents=[], phases=[], turns=1)
        page = await visit.go(f"{stage.url}/{path}/{show.id}#token={TOKEN}")
        await until(partial(bool, show.watching), what="the page watches")
        looks: list[str] = []
        async with aclosing(air_votes(stage, show, text)) as steps:
            for sign in signs:
                await anext(steps)
                await expect(page.locator(sign)).to_have_count(len(VECTORS))
                looks += await structure(page)
        found[text.__name__] = looks
    assert changes(found) == []


REFUSE_ALL = """async ([selector, answer, count]) => {
  for (let number = 0; number < count; number += 1) {
    document.querySelector(selector).click();
    const line = document.getElementById(answer);
    while (!line.textContent.includes(`${number}: `)) await new Promise((done) => setTimeout(done, 2));
  }
}"""


async def refuse_all(page: Page, path: str, text: Text, selector: str, answer: str) -> None:
    """Have a button's request refused once for each text, with a message that the page shows in ``answer``."""
    messages = iter([f"{number}: {text(number)}" for number in range(len(VECTORS))])

    async def refuse(route: Route) -> None:
        message = next(messages)
        await route.fulfill(status=409, json={"error": message, "message": message})

    await page.route(path, refuse)
    await page.evaluate(REFUSE_ALL, [selector, answer, len(VECTORS)])
    await page.unroute(path)


async def test_a_refused_vote_in_markup_is_shown_as_text(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(WATCH_FOR_REPORTS)
    visit.expected = "409"
    choices = [{"id": "for", "title": "For"}, {"id": "against", "title": "Against"}]
    found: dict[str, list[str]] = {}
    for text in (plain, hostile):
        show = stage.show(text.__name__, motion="A motion")
        await stage.air(show, "vote_opened", vote="before", method="swing", choices=choices)
        page = await visit.go(f"{stage.url}/shows/{show.id}")
        await expect(page.locator("#vote")).to_be_visible()
        await refuse_all(page, "**/votes", text, ".choice input", "vote-status")
        found[text.__name__] = await structure(page)
    assert changes(found) == []


async def test_the_producers_page_shows_markup_as_text(stage: FakeStage, visit: Visit) -> None:
    await visit.page.add_init_script(WATCH_FOR_REPORTS)
    visit.expected = "409"
    found: dict[str, list[str]] = {}
    for text in (plain, hostile):
        numbers = range(len(VECTORS))
        show = await air_debate(stage, text.__name__, text)
        show.token = TOKEN
        states = ("waiting", "queued", "used", "declined", "expired")
        hints = [
            {**dict.fromkeys(("id", "viewer", "name", "text", "to", "at", "reason"), text(number))}
            | {"state": states[number % len(states)] if number else text(0)}
            for number in numbers
        ]
        acts = [{"at": "", **dict.fromkeys(("command", "by", "detail"), text(number))} for number in numbers]
        place = {"turn": len(VECTORS), "speaker": text(0), "next": {"turn": 1, "speaker": text(1)}}
        words = {"context": text(2), "vote": {"open": text(3), "may_open": text(4)}, "may": ["skip", text(5)]}
        await stage.set_desk(show, may=["skip", text(5)])
        page = await visit.go(f"{stage.url}/producer/{show.id}#token={TOKEN}")
        await expect(page.locator("#desk")).to_be_visible()
        await refuse_all(page, "**/control", text, "#skip", "answer")
        words = {"context": text(2), "vote": {"open": text(3), "may_open": text(4)}}
        await stage.set_desk(show, hints=hints, acts=acts, muted=[text(number) for number in numbers], **place, **words)
        await expect(page.locator("#muted-viewers li")).to_have_count(len(VECTORS))
        await expect(page.locator("#acts li:not([data-refused])")).to_have_count(len(VECTORS))
        looks = await structure(page)
        await stage.send(show, {"type": "error", "code": "forbidden", "message": text(6)})
        await expect(page.locator("#entrance")).to_be_visible()
        found[text.__name__] = looks + await structure(page)
    assert changes(found) == []
