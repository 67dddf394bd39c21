"""A data folder with shows in it that have been, as ``serve`` leaves it: in both logs, with votes and a summary."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.past_shows import PastShows
from debate_caster.clock import EPOCH_OF_TESTS, Clock, ManualClock
from debate_caster.log import EventLog
from debate_caster.show.events import ShowEnded, ShowEvent, encode, stream_of
from debate_caster.stage.archive import Archive
from tests.cli.stage_play import play

__all__ = ["DAY", "archive_of", "keep_aired", "keep_show", "lists", "logs_of", "traces"]

DAY = timedelta(days=1)


def events_of(show: str, at: datetime, lines: Iterable[str]) -> list[ShowEvent]:
    later = at - EPOCH_OF_TESTS
    events = play(*lines, motion=f"Motion of {show}")
    first = events[0].model_copy(update={"show": show})
    return [event.model_copy(update={"at": event.at + later}) for event in (first, *events[1:])]


async def keep_show(log: EventLog, show: str, at: datetime, *, ended: bool = True, lines: Iterable[str] = "ab") -> None:
    """Write a show's private log."""
    events = [event for event in events_of(show, at, lines) if ended or not isinstance(event, ShowEnded)]
    await log.append(stream_of(show), [encode(event) for event in events], expect=0)


async def keep_aired(
    log: EventLog, show: str, at: datetime, *, ended: bool = True, lines: Iterable[str] = "ab"
) -> None:
    """Write what a stage keeps of a show."""
    archive = Archive(log, ManualClock(start=at))
    await archive.load()
    await archive.note_opened(show, key=None)
    aired: list[dict[str, object]] = [{"type": "show_started", "show": show, "motion": f"Motion of {show}"}]
    aired += [{"type": "chunk_aired", "room": "r", "speaker": "ada", "index": 0, "text": line} for line in lines]
    aired += [{"type": "show_ended", "why": "completed"}] if ended else []
    stamped = [{"at": (at + timedelta(seconds=place)).isoformat()} | event for place, event in enumerate(aired)]
    await log.append(f"air/{show}", [json.dumps(event) for event in stamped], expect=0)
    await log.append(f"votes/{show}", ['{"vote":"v","voter":"00","choice":"for"}'], expect=0)
    if ended:
        summary = {"id": show, "motion": f"Motion of {show}", "state": "ended", "started_at": at.isoformat()}
        await archive.note_ended(show, summary)


@asynccontextmanager
async def logs_of(folder: DataFolder) -> AsyncIterator[tuple[EventLog, EventLog]]:
    async with folder.open(folder.show_log) as show_log, folder.open(folder.air_log) as air_log:
        yield show_log, air_log


async def archive_of(path: Path, shows: Iterable[str], *, lines: Iterable[str] = "ab") -> DataFolder:
    """Make a data folder with shows, one a day from the epoch of tests on, oldest first."""
    folder = DataFolder(path)
    async with logs_of(folder) as (show_log, air_log):
        for day, show in enumerate(shows):
            at = EPOCH_OF_TESTS + day * DAY
            await keep_show(show_log, show, at, lines=lines)
            await keep_aired(air_log, show, at, lines=lines)
    return folder


async def lists(folder: DataFolder, clock: Clock) -> tuple[set[str], set[str]]:
    """Return the shows that ``shows`` lists, and those that a stage on this folder has in its lobby."""
    async with folder.open_kept() as (show_log, air_log):
        listed = {show.id for show in await PastShows(show_log, air_log, folder.path).list()}
        archive = Archive(air_log, clock)
        await archive.load()
        return listed, set(archive.ended)


async def traces(folder: DataFolder, show: str) -> set[str]:
    """Return the streams and files that hold anything of a show, but for its name."""
    async with logs_of(folder) as logs:
        streams = {info.name for log in logs for info in await log.streams() if info.name.endswith(f"/{show}")}
    return streams | {path.name for path in folder.path.glob(f"*/{show}.*")}
