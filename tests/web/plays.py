"""Pieces of a debate, as the pages' tests let them happen on the fake stage."""

from typing import Any

from playwright.async_api import Locator, Page

from tests.web.fake_stage import FakeShow, FakeStage

AGENTS: list[dict[str, Any]] = [
    {"id": "ada", "name": "Ada", "emoji": "🦉", "color": "#4c8dff", "side": "for", "side_title": "Proposition"},
    {"id": "ben", "name": "Ben", "emoji": "🦊", "color": "#e8833a", "side": "against", "side_title": "Opposition"},
]
PHASES = [{"key": "open", "title": "Openings", "turns": 2}, {"key": "close", "title": "Closings", "turns": 6}]


async def open_show(stage: FakeStage, name: str = "s1", **more: Any) -> FakeShow:
    show = stage.show(name, motion="This house would test", agents=AGENTS)
    fields: dict[str, Any] = {
        "title": "T",
        "motion": "This house would test",
        "language": "en",
        "format": "oxford",
        "agents": AGENTS,
    }
    await stage.air(show, "show_started", show=name, **fields, phases=PHASES, turns=8, hints_open=True, **more)
    for number, agent in enumerate(AGENTS):
        await stage.air(show, "room_opened", room=f"r{number}", agent=agent, title="T")
    await stage.air(show, "phase_started", phase=0, key="open", title="Openings", speaker="ada")
    return show


async def begin(stage: FakeStage, show: FakeShow, turn: int, speaker: str, **more: Any) -> None:
    fields = {"phase": 0, "role": "opening", "kind": "speech", "addresses": "", "max_words": 90, "hints": []}
    await stage.air(show, "turn_started", turn=turn, speaker=speaker, **{**fields, **more})


async def speak(stage: FakeStage, show: FakeShow, turn: int, speaker: str, *chunks: str, first: int = 0) -> None:
    for index, text in enumerate(chunks, first):
        await stage.air(show, "chunk_aired", room="r", turn=turn, index=index, speaker=speaker, text=text)


async def finish(
    stage: FakeStage, show: FakeShow, turn: int, speaker: str, how: str = "completed", **more: Any
) -> None:
    await stage.air(show, "turn_ended", turn=turn, speaker=speaker, how=how, words=9, **more)


async def whole_turn(stage: FakeStage, show: FakeShow, turn: int, *chunks: str) -> None:
    speaker = AGENTS[turn % 2]["id"]
    await begin(stage, show, turn, speaker)
    await speak(stage, show, turn, speaker, *chunks)
    await finish(stage, show, turn, speaker)


def words(page: Page, turn: int) -> Locator:
    """The text of a turn; its address counts as people do, from 1."""
    return page.locator(f"#t{turn + 1} .words")
