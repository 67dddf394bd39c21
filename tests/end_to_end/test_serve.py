"""``serve`` with a calendar, as the real program: a show by hand, an edit, a mistake, a kill, and who stands by."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from debate_caster.calendar.ledger import Ledger, Occurrence
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.resumption import broken_off
from tests.end_to_end.programs import running, watching
from tests.faults.killing import ReturningViewer, Show, broken_invariants, read_show
from tests.scenario.files import DUEL, write

SCHEDULE = 'schedule: {cron: "0 20 * * FRI", timezone: Europe/Paris}'
SEASON = "season: {topics: [Tea is better than coffee., Milk goes first.], swap_sides: true, memory: {}}"


def plan(folder: Path, name: str, *, title: str = "Friday night", chars_per_second: int = 1000) -> Path:
    pacing = f"pacing: {{chars_per_second: {chars_per_second}, min_interval_s: 0, gap_s: 0, lead_min_s: 0}}\n"
    pacing += "models: {rehearsal: {provider: rehearsal, first_token_s: 0, words_per_s: 1000}}"
    debate = DUEL.strip().partition("\n")[2]  # its motion is the season's
    return write(folder, f"plans/{name}.yaml", f"title: {title}\n{debate}\n{pacing}\n{SEASON}\n{SCHEDULE}\n")


async def ask(stage: str, path: str) -> Any:
    def get() -> Any:
        with urlopen(stage + path, timeout=10) as answer:  # noqa: S310 - our own stage
            return json.load(answer)

    return await asyncio.to_thread(get)


async def until(stage: str, path: str, holds: Callable[[Any], bool]) -> Any:
    """Ask until the answer is as wanted."""
    async with asyncio.timeout(60):
        while not holds(answer := await ask(stage, path)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    return answer


@pytest.mark.timeout(90)
async def test_shows_come_by_hand_edits_by_themselves_and_a_mistake_changes_nothing(tmp_path: Path) -> None:
    plan(tmp_path, "friday")
    async with running("serve", "plans", "--port", "0", cwd=tmp_path) as program:
        stage = await program.line("Stage:")
        listed = await ask(stage, "/api/shows")
        assert [(show["title"], show["id"][:7], show["state"]) for show in listed["coming"]] == [
            ("Friday night", "friday-", "coming")
        ]

        async with running("schedule", "run-now", "friday", cwd=tmp_path) as asked:
            show = await asked.line("Show:")
            assert await asked.ended() == 0
        await until(stage, "/api/shows", lambda now: [one["id"] for one in now["shows"]] == [show])
        async with watching(f"{stage}/shows/{show}") as viewer:
            assert (await viewer.until("show_ended"))["why"] == "completed"

        plan(tmp_path, "friday", title="Better night")
        plan(tmp_path, "saturday")
        await until(
            stage, "/api/shows", lambda now: {one["title"] for one in now["coming"]} == {"Better night", "Friday night"}
        )
        (tmp_path / "plans" / "friday.yaml").write_text("motion: [")
        ready = await until(stage, "/readyz", lambda now: "problems" in now)
        listed = await ask(stage, "/api/shows")
        assert (
            ready["problems"]
            == listed["notices"]
            == ["The scenario friday has a mistake: its last good version holds."]
        )
        assert "Better night" in [one["title"] for one in listed["coming"]]

        program.signal(signal.SIGTERM)
        assert await program.ended() == 0
    async with running("schedule", "history", "--json", cwd=tmp_path) as history:
        await history.ended()
    async with running("persona", "ada", "--json", cwd=tmp_path) as remembered:
        await remembered.ended()
    episodes = json.loads(remembered.stdout[0])["episodes"]
    assert [(one["show"], one["motion"]) for one in episodes] == [(show, "Tea is better than coffee.")]
    assert [
        (row["by_hand"], row["outcome"], row["ending"], row["show"]) for row in map(json.loads, history.stdout)
    ] == [(True, "ran", "completed", show)]


@pytest.mark.timeout(120)
async def test_a_second_process_stands_by_and_goes_on_with_all_shows_when_the_first_is_killed(tmp_path: Path) -> None:
    names = ("friday", "saturday", "sunday")
    for name in names:
        plan(tmp_path, name, chars_per_second=1000 if name == "friday" else 150)
    async with (
        running("serve", "plans", "--port", "0", cwd=tmp_path) as first,
        running("serve", "plans", "--port", "0", cwd=tmp_path) as second,
    ):
        (done, waiting) = await asyncio.wait(
            {
                asyncio.create_task(program.line("Stage:"), name=str(number))
                for number, program in enumerate((first, second))
            },
            return_when=asyncio.FIRST_COMPLETED,
        )
        (serving, standing) = (first, second) if done.pop().get_name() == "0" else (second, first)
        await standing.line("another stage is using")
        stage = await serving.line("Stage:")
        shows = await begun_by_hand(tmp_path, names)
        viewers = [ReturningViewer() for _ in shows]
        async with watched(viewers, stage, shows), asyncio.timeout(60):
            await ended(tmp_path, shows[0])  # so its agents' identities are free, and not those that the others have
            for viewer in viewers:
                await viewer.until(20)
            serving.signal(signal.SIGKILL)
            stage = await waiting.pop()
        assert {one["id"].partition("-")[0] for one in (await ask(stage, "/api/shows"))["coming"]} == set(names)
        async with watched(viewers, stage, shows):
            rows = await settled(tmp_path)
            async with asyncio.timeout(60):
                for show, viewer in zip(shows, viewers, strict=True):
                    await viewer.until(len(read_show(tmp_path, "air", show)))
        standing.signal(signal.SIGTERM)
        assert await standing.ended() == 0
    for show, viewer in zip(shows, viewers, strict=True):
        logged, aired = (read_show(tmp_path, log, show) for log in ("show", "air"))
        remains = Show(logged, aired, viewer.events, deaths=1, visits=2, status=0, stderr=standing.stderr)
        assert (show, broken_invariants(remains)) == (show, [])
        assert [event["type"] for event in logged].count("epoch_began") == (show != shows[0])
        assert [event["type"] for event in aired].count("room_opened") == 2, "its agents go on in their rooms"
    assert {(row.show, row.outcome, row.ending) for row in rows} == {(show, "ran", "completed") for show in shows}
    assert broken_off(DataFolder(data_of(tmp_path))) == []


async def begun_by_hand(folder: Path, names: Sequence[str]) -> list[str]:
    """Ask for shows as `schedule run-now` does, and return them."""
    async with aclosing(Ledger(data_of(folder) / "calendar.db")) as ledger, asyncio.timeout(60):
        requests = [await ledger.ask(name, datetime.now(UTC)) for name in names]
        while None in (answers := [await ledger.answer_to(request) for request in requests]):  # noqa: ASYNC110 - its file
            await asyncio.sleep(0.05)
    return [str(answer).removeprefix("show ") for answer in answers]


@asynccontextmanager
async def watched(viewers: Sequence[ReturningViewer], stage: str, shows: Sequence[str]) -> AsyncIterator[None]:
    """Have each viewer watch its show for the block."""
    pages = [f"{stage}/shows/{show}" for show in shows]
    tasks = [asyncio.create_task(viewer.watch(page)) for viewer, page in zip(viewers, pages, strict=True)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def ended(folder: Path, show: str) -> None:
    async with aclosing(Ledger(data_of(folder) / "calendar.db")) as ledger:
        while show in {row.show for row in await ledger.unfinished()}:  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.05)


async def settled(folder: Path) -> list[Occurrence]:
    """Wait until every show in the history has ended, and return the history, newest first."""
    async with aclosing(Ledger(data_of(folder) / "calendar.db")) as ledger, asyncio.timeout(60):
        while await ledger.unfinished():  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.1)
        return await ledger.history()


def data_of(folder: Path) -> Path:
    return folder / "data" / "debate-caster"


async def test_a_service_manager_is_told_when_the_stage_is_open_that_it_lives_and_when_it_ends(tmp_path: Path) -> None:
    plan(tmp_path, "friday")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.bind(str(tmp_path / "notify"))
        ears.setblocking(False)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
        async with running("serve", "plans", "--port", "0", cwd=tmp_path, env=told) as program:
            heard = [await asyncio.get_running_loop().sock_recv(ears, 4096) for _ in range(2)]
            stage = await program.line("Stage:")
            program.signal(signal.SIGTERM)
            assert await program.ended() == 0
            heard.append(await asyncio.get_running_loop().sock_recv(ears, 4096))

    assert sorted(heard[:2]) == [f"READY=1\nSTATUS=The stage is at {stage}".encode(), b"WATCHDOG=1"]
    assert heard[2].startswith(b"STOPPING=1\n")


@pytest.mark.timeout(120)
async def test_a_first_signal_waits_for_shows_and_a_second_closes_every_room(tmp_path: Path) -> None:
    plan(tmp_path, "friday", chars_per_second=200)
    plan(tmp_path, "saturday", chars_per_second=10)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.bind(str(tmp_path / "notify"))
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        async with running("serve", "plans", "--port", "0", "--grace-s", "600", cwd=tmp_path, env=told) as program:
            stage = await program.line("Stage:")
            friday, saturday = await begun_by_hand(tmp_path, ("friday", "saturday"))
            await until(stage, "/api/shows", lambda now: {one["id"] for one in now["shows"]} == {friday, saturday})
            async with watching(f"{stage}/shows/{friday}") as early, watching(f"{stage}/shows/{saturday}") as viewer:
                for watcher in (early, viewer):
                    await watcher.until("chunk_aired")
                program.signal(signal.SIGTERM)
                await program.line("waiting up to 600 s for 2 shows to end")
                with pytest.raises(HTTPError, match="503"):
                    await ask(stage, "/readyz")
                assert (await early.until("show_ended"))["why"] == "completed"
                await ended(tmp_path, friday)
                assert (await ask(stage, f"/api/shows/{saturday}"))["state"] == "live"
                async with watching(f"{stage}/shows/{saturday}") as late:
                    await late.until("chunk_aired")
                program.signal(signal.SIGTERM)
                assert (await viewer.until("show_ended"))["why"] == "interrupted"
            assert await program.ended() == 0
        heard = [ears.recv(4096).decode() for _ in range(3)]

    assert [text.partition("=")[0] for text in heard] == ["READY", "STOPPING", "EXTEND_TIMEOUT_USEC"]
    closed = [event["type"] for event in read_show(tmp_path, "air", saturday)].count("room_closed")
    assert closed == 2, "a room that nobody ends waits for its agent, and is not closed in the log"
    async with aclosing(Ledger(data_of(tmp_path) / "calendar.db")) as ledger:
        assert {(row.show, row.ending) for row in await ledger.history()} == {
            (friday, "completed"), (saturday, "interrupted"),
        }  # fmt: skip
    assert [line for line in program.stderr if "Traceback" in line] == []
