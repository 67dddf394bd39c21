"""The pages on the real stage, with agents that speak to it over sockets of their own."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect
from websockets.asyncio.client import ClientConnection, connect

from debate_caster.log import MemoryEventLog
from debate_caster.stage import Stage, open_stage
from tests.web.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FEATURES = ["debate_show", "text_ack", "resume", "hints"]
CAST = [
    {
        "id": "ada",
        "name": "Ada",
        "emoji": "🦉",
        "color": "#4c8dff",
        "side": "for",
        "side_title": "For",
        "stance": "for",
    },
    {"id": "ben", "name": "Ben", "emoji": "🦊", "color": "#e8833a", "side": "against", "stance": "against"},
]


@pytest_asyncio.fixture(loop_scope="session")
async def stage() -> AsyncGenerator[Stage, None]:
    async with open_stage(log=MemoryEventLog()) as opened:
        yield opened


async def answer(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next frame of a kind; others are none of the test's business."""
    while True:
        frame: dict[str, Any] = json.loads(await socket.recv())
        if frame["type"] == kind:
            return frame


class Agent:
    """One agent of a show, as a caster's connection would be: numbered frames over one socket."""

    def __init__(self, socket: ClientConnection, room: str) -> None:
        self.socket, self.room, self._ref = socket, room, 0

    async def event(self, type_: str, **fields: Any) -> None:
        self._ref += 1
        event = {"type": type_, **fields}
        await self._send({"type": "show_event", "broadcastId": self.room, "ref": self._ref, "event": event})

    async def say(self, turn: int, index: int, text: str) -> None:
        self._ref += 1
        frame = {"type": "stream_text", "broadcastId": self.room, "ref": self._ref}
        await self._send({**frame, "turn": turn, "index": index, "text": text})

    async def _send(self, frame: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(frame))


async def join_show(socket: ClientConnection, agent: dict[str, Any], order: int) -> Agent:
    registration = {"type": "register", "agentId": f"caster-{agent['id']}-1a2b3c4d", "features": FEATURES}
    await socket.send(json.dumps({**registration, "name": agent["name"], "emoji": agent["emoji"], "style": ""}))
    await answer(socket, "registered")
    show = {"id": "friday", "key": "k" * 24, "title": "Friday", "motion": "This house would test", "role": agent["id"]}
    claim = {**show, "side": agent["side"], "order": order}
    await socket.send(json.dumps({"type": "broadcast_start", "topic": "Friday", "show": claim}))
    return Agent(socket, (await answer(socket, "broadcast_approved"))["broadcastId"])


async def test_the_four_message_client_is_on_the_page(stage: Stage, visit: Visit) -> None:
    async with connect(stage.agents_url) as agent:
        await agent.send(
            json.dumps(
                {"type": "register", "agentId": "my-agent-1a2b3c4d", "name": "My Agent", "emoji": "🤖", "style": ""}
            )
        )
        await answer(agent, "registered")
        await agent.send(json.dumps({"type": "broadcast_start", "topic": "What I learned today"}))
        await answer(agent, "broadcast_approved")
        page = await visit.go(stage.url)
        await page.get_by_role("link", name="What I learned today").click()
        await agent.send(json.dumps({"type": "stream_text", "text": "Hello."}))
        await agent.send(json.dumps({"type": "stream_text", "text": "I learned to wait."}))

        await expect(page.locator("h1")).to_have_text("What I learned today")
        await expect(page.locator(".words")).to_have_text("Hello. I learned to wait.")
        await expect(page.locator(".speaker")).to_have_attribute("data-doing", "speaking")
        await agent.send(json.dumps({"type": "broadcast_end"}))
        await expect(page.locator("#connection-text")).to_have_text("Ended")
        await expect(page.locator("#end-card")).to_be_visible()


async def test_a_hint_goes_from_the_box_to_the_agent_and_its_fate_comes_back(stage: Stage, visit: Visit) -> None:
    async with connect(stage.agents_url) as first, connect(stage.agents_url) as second:
        ada, ben = await join_show(first, CAST[0], 0), await join_show(second, CAST[1], 1)
        started = {"title": "Friday", "motion": "This house would test", "language": "en", "format": "duel"}
        phases = [{"key": "open", "title": "Openings", "turns": 2}]
        await ada.event("show_started", show="friday", **started, agents=CAST, phases=phases, turns=2, hints_open=True)
        await ada.event("phase_started", phase=0, key="open", title="Openings", speaker="ada")
        await ada.event("turn_prepared", turn=0, phase=0, speaker="ada")
        page = await visit.go(stage.show_url("friday"))
        await expect(page.locator("#pondering")).to_contain_text("Ada is thinking")
        turn = {"phase": 0, "role": "opening", "kind": "opening", "addresses": "", "max_words": 60}
        await ada.event("turn_started", turn=0, speaker="ada", side="for", **turn, hints=[])
        await ada.say(0, 0, "I open.")
        await expect(page.locator("#t1 .words")).to_have_text("I open.")

        await page.get_by_role("combobox", name="For").select_option(label="🦊 Ben")
        await page.get_by_label("Your name").fill("Noor")
        await page.get_by_label("Your hint", exact=True).fill("What about nurses?")
        await page.get_by_label("Your hint", exact=True).press("Enter")
        hint: dict[str, Any] = {}
        while not hint:
            hint = next(iter((await answer(second, "viewer_context"))["hints"]), {})
        assert (hint["text"], hint["name"], hint["to"]) == ("What about nurses?", "Noor", "ben")
        fate = page.locator(".my-hint-fate")
        await expect(fate).to_have_text("Received")
        await ben.event("hint_accepted", hint=hint["id"], to="ben")
        await expect(fate).to_have_text("Queued for Ben")
        taken = {"id": hint["id"], "name": hint["name"], "text": hint["text"]}
        await ada.event("turn_ended", turn=0, speaker="ada", how="completed", words=2)
        await ada.event("turn_started", turn=1, speaker="ben", side="against", **turn, hints=[taken])
        await ada.event("hint_used", hint=hint["id"], name="Noor", text=hint["text"], turn=1, speaker="ben")
        await ben.say(1, 0, "To Noor: they work nights.")

        await expect(fate).to_have_text("Used by Ben in turn 2")
        await expect(page.locator("#t2 .answers")).to_have_text("Answers a hint by Noor: What about nurses?")
        assert await page.locator(".words").all_text_contents() == ["I open.", "To Noor: they work nights."]
        assert await page.locator(".speaker-name").all_text_contents() == ["Ada", "Ben"]


async def test_the_page_of_a_live_show_has_its_past_fetched_before_its_scripts(stage: Stage, visit: Visit) -> None:
    async with connect(stage.agents_url) as first:
        ada = await join_show(first, CAST[0], 0)
        await ada.say(0, 0, "Said before anybody came.")
        page = await visit.go(stage.show_url("friday"))
        await expect(page.locator(".words")).to_have_text("Said before anybody came.")

    order = "performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname)"
    fetched = await page.evaluate(order)
    assert fetched[0] == "/api/shows/friday/events"
    assert fetched.count(fetched[0]) == 1
