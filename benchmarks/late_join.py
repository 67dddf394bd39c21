"""How soon somebody who comes late reads the live line of an hour-long show, and how much a page weighs.

The stage sits in a process of its own with the show in its log; a real Chromium comes to it again and again, each time
with nothing in its cache.
"""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog
from playwright.async_api import Browser, CDPSession, async_playwright

from benchmarks.figures import Figure
from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.stage import open_stage

__all__ = ["run"]

EVENTS = 2_000
TURNS = 180
VISITS = 9
WARM_UP = 2
LIMIT_MS = 500
LIMIT_KB = 120
SHOW = "evening"
PAGES = {"lobby": "/", "watch": f"/shows/{SHOW}", "overlay": f"/overlay/{SHOW}"}
HEADLESS, DESKTOP = shutil.which("chromium-headless-shell"), shutil.which("chromium")
CHROMIUM = HEADLESS or DESKTOP
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip

LIVE_LINE_PAINTED = """() => new Promise((done) => {
  const look = () => {
    const painted = performance.getEntriesByName("live-line")[0];
    if (painted) done(painted.startTime);
    else setTimeout(look, 5);
  };
  look();
})"""


def run() -> list[Figure]:
    return asyncio.run(measure())


async def measure() -> list[Figure]:
    async with stage_process() as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        figures = [arrival("", LIMIT_MS, await visits(browser, url))]
        weights = [await weigh(browser, name, url, path) for name, path in PAGES.items()]
        await browser.close()
        if HEADLESS is not None and DESKTOP is not None:
            browser = await playwright.chromium.launch(executable_path=DESKTOP, args=list(ARGUMENTS))
            figures.append(arrival(", desktop build", None, await visits(browser, url)))
            await browser.close()
    return [*figures, *(figure for both in weights for figure in both)]


def arrival(build: str, limit_ms: int | None, painted: list[float]) -> Figure:
    """Return what the visits took; the desktop build, with its processes of a whole desktop, is a comparison."""
    median = painted[len(painted) // 2]
    return Figure(
        f"late join into a show with {EVENTS:,} events: the live line is painted{build}",
        median,
        "ms",
        "" if limit_ms is None else f"<= {limit_ms}",
        limit_ms is None or median <= limit_ms,
        f"Chromium{build or ', headless build where there is one'}, empty cache, from the start of the navigation to "
        f"the frame that shows the latest chunk; median of {VISITS} visits, {painted[0]:.0f} to {painted[-1]:.0f} ms; "
        "stage and browser share the machine",
    )


async def visits(browser: Browser, url: str) -> list[float]:
    for _ in range(WARM_UP):
        await visit(browser, url)
    return sorted([await visit(browser, url) for _ in range(VISITS)])


async def visit(browser: Browser, url: str) -> float:
    """Come as a stranger; return the milliseconds until the live line was painted."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await page.goto(f"{url}{PAGES['watch']}", wait_until="commit")
    painted: float = await page.evaluate(LIVE_LINE_PAINTED)
    assert "The live line." in (await page.locator(".turn[data-live] .words").inner_text())
    await context.close()
    return painted


async def weigh(browser: Browser, name: str, url: str, path: str) -> tuple[Figure, Figure]:
    """Load a page with an empty cache; count what came over the wire for it, and whom it asked."""
    context = await browser.new_context()
    page = await context.new_page()
    network: CDPSession = await context.new_cdp_session(page)
    addresses: dict[str, str] = {}
    sizes: dict[str, float] = {}
    network.on("Network.requestWillBeSent", lambda sent: addresses.update({sent["requestId"]: sent["request"]["url"]}))
    network.on("Network.loadingFinished", lambda done: sizes.update({done["requestId"]: done["encodedDataLength"]}))
    await network.send("Network.enable")
    await page.goto(f"{url}{path}", wait_until="load")
    await page.wait_for_timeout(1_000)
    await context.close()
    parts = {number: urlsplit(address) for number, address in addresses.items()}
    weight = sum(size for number, size in sizes.items() if not parts[number].path.startswith("/api/")) / 1024
    strangers = sum(part.netloc not in {"", urlsplit(url).netloc} for part in parts.values())
    return (
        Figure(
            f"weight of the {name} page",
            weight,
            "KB",
            f"<= {LIMIT_KB}",
            weight <= LIMIT_KB,
            f"bytes over the wire, headers included, for the page, its styles and its scripts ({len(sizes)} requests), "
            "without the show's own events",
        ),
        Figure(f"requests of the {name} page to others", strangers, "", "0", strangers == 0, "any host but the stage"),
    )


@asynccontextmanager
async def stage_process(module: str = "benchmarks.late_join") -> AsyncIterator[str]:
    """Run a benchmark's stage; give the address that it says."""
    command = [sys.executable, "-m", module, "stage"]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


async def hold_stage() -> None:
    """Serve a show that has been on for an hour and whose agents are just away, until standard input closes."""
    async with open_stage(log=await log_of(SHOW, evening())) as stage:
        print(stage.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def log_of(show: str, events: Iterable[dict[str, Any]]) -> EventLog:
    """Return the log of a stage on which one show was aired, and nothing else."""
    log = MemoryEventLog()
    opened = {"at": "2026-11-20T19:00:00.000Z", "type": "show_opened", "show": show, "key_sha256": None}
    await log.append("stage/shows", [json.dumps(opened)], expect=0)
    await log.append(f"air/{show}", [json.dumps(event, ensure_ascii=False) for event in events], expect=0)
    return log


def evening() -> Iterator[dict[str, Any]]:
    """Yield an hour of debate between two speakers, in the middle of its last turn but one."""
    now = datetime.now(UTC) - timedelta(hours=1)
    step = timedelta(hours=1) / EVENTS
    for event in evening_events():
        now += step
        yield {"at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"), **event}


def evening_events() -> Iterator[dict[str, Any]]:
    agents = [
        {"id": "ada", "name": "Ada Brandt", "emoji": "🔧", "color": "#1c7ec4", "side": "for", "stance": "for"},
        {"id": "otis", "name": "Otis Fenn", "emoji": "🦊", "color": "#e8833a", "side": "against", "stance": "against"},
    ]
    phases = [{"key": f"p{number}", "title": f"Part {number + 1}", "turns": TURNS // 6} for number in range(6)]
    started = {"motion": "This house would rather be early", "title": "An evening", "language": "en"}
    yield {"type": "show_started", "show": SHOW, **started, "agents": agents, "phases": phases, "turns": TURNS + 2}
    for number, agent in enumerate(agents):
        yield {"type": "room_opened", "room": f"r{number}", "agent": agent, "title": "An evening", "host": agent["id"]}
    chunks = (EVENTS - 3 - 6) // TURNS - 2
    for turn in range(TURNS):
        speaker = agents[turn % 2]["id"]
        if turn % (TURNS // 6) == 0:
            phase = turn // (TURNS // 6)
            yield {"type": "phase_started", "phase": phase, "key": f"p{phase}", "title": f"Part {phase + 1}"}
        yield {"type": "turn_started", "turn": turn, "phase": turn * 6 // TURNS, "speaker": speaker, "hints": []}
        for index in range(chunks):
            text = f"Sentence {index + 1} of speech {turn + 1} is as long as sentences are in a debate. "
            yield chunk(turn, index, speaker, text)
        yield {"type": "turn_ended", "turn": turn, "speaker": speaker, "how": "completed", "words": 14 * chunks}
    yield {"type": "turn_started", "turn": TURNS, "phase": 5, "speaker": "ada", "hints": []}
    written = 3 + 6 + TURNS * (chunks + 2) + 1
    for index in range(EVENTS - written - 1):
        yield chunk(TURNS, index, "ada", "A few words more. ")
    yield chunk(TURNS, EVENTS, "ada", "The live line.")


def chunk(turn: int, index: int, speaker: str, text: str) -> dict[str, Any]:
    room = "r0" if speaker == "ada" else "r1"
    return {"type": "chunk_aired", "room": room, "speaker": speaker, "turn": turn, "index": index, "text": text}


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if sys.argv[1:2] == ["stage"]:
        asyncio.run(hold_stage())
    else:
        for figure in run():
            print(figure)
