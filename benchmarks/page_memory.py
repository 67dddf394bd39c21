"""What a watch page keeps while a three-hour show passes at 64 times its speed: JavaScript heap and DOM nodes.

The stage sits in a process of its own with the show in its log, and airs it again as ``debate-caster replay`` does; a
real Chromium has the page open from the first event to the last. Garbage is collected before each look.
"""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from playwright.async_api import CDPSession, Page, async_playwright

from benchmarks.figures import Figure
from benchmarks.late_join import ARGUMENTS, CHROMIUM, chunk, log_of, stage_process
from debate_caster.stage import open_stage

__all__ = ["run"]

HOURS = 3
SPEED = 64.0
CHUNK_S, CHUNKS_IN_TURN, GAP_S = 2.0, 16, 1.5
LOOKS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""After which parts of the show the page is looked at; the first is what growth is measured from."""

LIMIT_MIB = 4.0
"""Growth over the rest of the show. The text and what the page knows of each event have to stay, so that any moment of
the show can be gone to: some 250 bytes an event."""

LIMIT_NODES = 8_000
"""A speech that is over takes 18 of them, however long it was."""

SHOW = "evening"
LONGEST_S = 300.0

SHOWN = """(event) => !document.getElementById("end-card").hidden
  || [...document.querySelectorAll("#turns [data-seq]")].some((span) => Number(span.dataset.seq) >= event)"""


@dataclass(frozen=True, slots=True)
class Look:
    """What the page takes: bytes of JavaScript heap in use, and DOM nodes, attached or not."""

    event: int
    heap: float
    nodes: float
    listeners: float


def run() -> list[Figure]:
    return asyncio.run(measure())


async def measure() -> list[Figure]:
    events = len(list(evening()))
    async with stage_process("benchmarks.page_memory") as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await page.goto(url, wait_until="load")
        metrics = await page.context.new_cdp_session(page)
        await metrics.send("Performance.enable")
        looks = []
        for part in LOOKS:
            await page.wait_for_function(SHOWN, arg=round(events * part) - 1, polling=500, timeout=LONGEST_S * 1000)
            looks.append(await look(page, metrics, round(events * part)))
        await browser.close()
    return figures(looks, events)


async def look(page: Page, metrics: CDPSession, event: int) -> Look:
    await page.wait_for_timeout(200)
    await metrics.send("HeapProfiler.collectGarbage")
    values = {entry["name"]: entry["value"] for entry in (await metrics.send("Performance.getMetrics"))["metrics"]}
    return Look(event, values["JSHeapUsedSize"], values["Nodes"], values["JSEventListeners"])


def figures(looks: list[Look], events: int) -> list[Figure]:
    first, last = looks[0], looks[-1]
    most = max(entry.nodes for entry in looks)
    grown = (last.heap - first.heap) / 2**20
    course = ", ".join(f"{entry.heap / 2**20:.1f} MiB and {entry.nodes:,.0f} nodes" for entry in looks)
    how = f"{events:,} events at {SPEED:g}x; after {', '.join(f'{part:.0%}' for part in LOOKS)}: {course}"
    return [
        Figure(
            f"growth of a page's JavaScript heap over {HOURS} hours of show",
            grown, "MiB", f"<= {LIMIT_MIB:g}", grown <= LIMIT_MIB, how,
        ),
        Figure(
            "DOM nodes of a page at most, meanwhile", most, "", f"<= {LIMIT_NODES:,}", most <= LIMIT_NODES,
            "all that Chromium counts for it, attached or not",
        ),
        Figure(
            "event listeners that came with the show", last.listeners - first.listeners, "", "<= 50",
            last.listeners - first.listeners <= 50, "between the first look and the last",
        ),
    ]  # fmt: skip


async def hold_stage() -> None:
    """Air the show again, until standard input closes."""
    async with open_stage(log=await log_of(SHOW, evening())) as stage:
        print(stage.show_url(await stage.replay(SHOW, speed=SPEED)), flush=True)
        await asyncio.to_thread(sys.stdin.read)


def evening() -> Iterator[dict[str, Any]]:
    """Yield the events of a show of two speakers, as long as it is said to be."""
    now = start = datetime(2026, 11, 20, 19, tzinfo=UTC)

    def at(after_s: float, **event: Any) -> dict[str, Any]:
        nonlocal now
        now += timedelta(seconds=after_s)
        return {"at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"), **event}

    agents = [
        {"id": "ada", "name": "Ada Brandt", "emoji": "🔧", "color": "#1c7ec4", "side": "for", "stance": "for"},
        {"id": "otis", "name": "Otis Fenn", "emoji": "🦊", "color": "#e8833a", "side": "against", "stance": "against"},
    ]
    turns = round(HOURS * 3600 / (CHUNK_S * CHUNKS_IN_TURN + GAP_S))
    phases = [{"key": f"p{number}", "title": f"Part {number + 1}", "turns": turns // 6} for number in range(6)]
    about = {"motion": "This house would rather be early", "title": "An evening", "language": "en"}
    yield at(0, type="show_started", show=SHOW, **about, agents=agents, phases=phases, turns=turns)
    for number, agent in enumerate(agents):
        yield at(0, type="room_opened", room=f"r{number}", agent=agent, title="An evening", host=agent["id"])
    for turn in range(turns):
        speaker = agents[turn % 2]["id"]
        if turn % (turns // 6) == 0:
            number = turn // (turns // 6)
            yield at(0, type="phase_started", phase=number, key=f"p{number}", title=f"Part {number + 1}")
        yield at(GAP_S, type="turn_started", turn=turn, phase=turn * 6 // turns, speaker=speaker, hints=[])
        for index in range(CHUNKS_IN_TURN):
            text = f"Sentence {index + 1} of speech {turn + 1} is as long as sentences are in a debate. "
            yield at(CHUNK_S, **chunk(turn, index, speaker, text))
        yield at(0, type="turn_ended", turn=turn, speaker=speaker, how="completed", words=14 * CHUNKS_IN_TURN)
    yield at(0, type="show_ended", why="completed", detail="")
    assert now - start > timedelta(hours=HOURS) * 0.99


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if sys.argv[1:2] == ["stage"]:
        asyncio.run(hold_stage())
    else:
        for figure in run():
            print(figure)
