"""``shows`` and ``export``: what the logs in the data folder know about shows that have been."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.printable import display_width, json_line, printable, printable_line, shortened
from debate_caster.cli.resumption import broken_off
from debate_caster.cli.session import RAN, Session
from debate_caster.cli.standing import clock_time
from debate_caster.errors import ForgottenError, LogError, SetupError
from debate_caster.log import EventLog, Record
from debate_caster.show.events import ChunkAired, ShowEnded, ShowStarted, decode, stream_of
from debate_caster.show.public import PublicProjection
from debate_caster.show.transcript import Transcript, read_transcript

__all__ = ["PastShow", "PastShows", "export", "show_table", "shows", "table"]

LATEST = "latest"
TAIL = 50
"""Records looked through from the end for the last word of a show."""


@dataclass(frozen=True, slots=True)
class PastShow:
    """A show at a glance. ``why`` is how it ended, empty where its log has no end: it is live, or was cut off."""

    id: str
    started_at: str
    seconds: float
    why: str
    motion: str
    ours: bool

    @property
    def last_at(self) -> datetime:
        """When the last thing happened in it."""
        return datetime.fromisoformat(self.started_at) + timedelta(seconds=self.seconds)


def shows(session: Session) -> int:
    """List shows, newest first."""
    found = asyncio.run(_list(session))
    off = set(broken_off(DataFolder(session.settings.data_dir)))
    if session.options.json:
        for show in found:
            session.say(json_line(asdict(show)))
        return RAN
    if not found:
        session.say(printable(f"no show yet in {session.settings.data_dir}"))
        return RAN
    for line in show_table(found, off, columns=session.columns):
        session.say(line)
    return RAN


def export(session: Session) -> int:
    """Write a past show's transcript."""
    from debate_caster.show.recounting import export_html, export_json, export_markdown

    transcript = asyncio.run(_read(session))
    render = {"md": export_markdown, "json": export_json, "html": export_html}[session.options.format]
    text = render(transcript)
    output: Path | None = session.options.output
    if output is None:
        # On a terminal what steers it is taken out; a file or a pipe gets what was said, to the letter.
        session.say((printable(text) if session.on_terminal else text).rstrip("\n"))
        return RAN
    try:
        output.write_text(text, encoding="utf-8", errors="replace")
    except OSError as exc:
        raise SetupError(f"{output} can't be written ({exc.strerror})", "Name another file with -o.") from exc
    session.remark(f"written: {output}")
    return RAN


def show_table(shows: Sequence[PastShow], off: Collection[str] = (), *, columns: int) -> list[str]:
    """Return shows as aligned lines; ``off`` are those that were broken off."""
    rows = [
        (
            show.id,
            show.started_at[:16].replace("T", " "),
            clock_time(show.seconds),
            show.why or ("broken off" if show.id in off else "not ended"),
            show.motion,
        )
        for show in shows
    ]
    return table(("SHOW", "STARTED (UTC)", "LENGTH", "ENDED", "MOTION"), rows, columns=columns)


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, columns: int) -> list[str]:
    """Return rows as aligned lines of at most ``columns`` columns; only the last column is cut."""
    cells = [heads, *(tuple(printable_line(cell) for cell in row) for row in rows)]
    widths = [max(display_width(row[place]) for row in cells) for place in range(len(heads) - 1)]
    lines = []
    for row in cells:
        line = "  ".join(
            cell + " " * (width - display_width(cell)) for cell, width in zip(row[:-1], widths, strict=True)
        )
        lines.append(f"{line}  {shortened(row[-1], max(columns - display_width(line) - 2, 20))}".rstrip())
    return lines


class PastShows:
    """The shows that the logs of a data folder hold."""

    def __init__(self, show_log: EventLog, air_log: EventLog, folder: Path) -> None:
        self._show_log, self._air_log, self._folder = show_log, air_log, folder

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: DataFolder) -> AsyncIterator["PastShows"]:
        """Open the logs that are there; makes no file."""
        async with folder.open_kept() as (show_log, air_log):
            yield cls(show_log, air_log, folder.path)

    async def list(self) -> list[PastShow]:
        """Return all shows, newest first; not those that were removed, be it from one log only.

        Raises:
            LogError: A log can't be read.
        """
        known, found = await self.removed(), []
        for log, prefix, glance in ((self._show_log, "show/", self._of_ours), (self._air_log, "air/", self._of_others)):
            for name in await _streams(log, prefix):
                if name not in known and not (prefix == "air/" and name.startswith("replay-")):
                    with suppress(ForgottenError):  # somebody removes it just now
                        found.append(await glance(name))
                    known.add(name)
        return sorted(found, key=lambda show: show.started_at, reverse=True)

    async def removed(self) -> set[str]:
        """Return the shows that were removed to keep the data folder small.

        Raises:
            LogError: A log can't be read.
        """
        gone = {name.removeprefix("show/") for name in await self._show_log.forgotten("show/")}
        return gone | {name.removeprefix("air/") for name in await self._air_log.forgotten("air/")}

    async def find(self, wanted: str) -> str:
        """Return the id of the show that ``wanted`` names: in full, by its beginning, or ``latest``.

        Raises:
            SetupError: No show does, or several.
        """
        names = [show.id for show in await self.list()]
        if wanted == LATEST and names:
            return names[0]
        if wanted in names:
            return wanted
        found = [name for name in names if wanted and name.startswith(wanted)]
        if len(found) == 1:
            return found[0]
        cure = "List them with `debate-caster shows`."
        if not found and wanted in await self.removed():
            raise SetupError(f"the show {wanted} was removed from {self._folder}: it is no longer kept", cure)
        if not found:
            raise SetupError(f"there is no show {wanted!r} in {self._folder}", cure)
        raise SetupError(f"{len(found)} shows begin with {wanted!r}: {', '.join(found[:3])}…", cure)

    async def transcript(self, show: str) -> Transcript:
        """Return what a show of ours amounts to.

        Raises:
            SetupError: The show was somebody else's: only its air log is here.
            LogError: The log can't be read.
        """
        transcript = await read_transcript(self._show_log, show)
        if transcript.started is None:
            raise SetupError(
                f"{show} was broadcast by an agent of somebody else's: it has no transcript here", "Replay it instead."
            )
        return transcript

    async def copy_air(self, show: str, log: EventLog) -> None:
        """Copy a show's air stream into ``log``; make it from the show log where it was aired elsewhere.

        Raises:
            LogError: A log can't be read.
        """
        stream, head = f"air/{show}", 0
        while records := await self._air_log.read(stream, head):
            head = await log.append(stream, [record.body for record in records], expect=head)
        if head == 0:
            seen, projection = 0, PublicProjection(air_thoughts=False)
            while records := await self._show_log.read(stream_of(show), seen):
                seen = records[-1].seq
                bodies = [body for record in records if (body := _as_aired(record, projection))]
                head = await log.append(stream, bodies, expect=head)

    async def _of_ours(self, name: str) -> PastShow:
        stream = stream_of(name)
        first = (await self._show_log.read(stream, 0, limit=1))[0]
        records = await self._show_log.read(stream, max(await self._show_log.last_seq(stream) - TAIL, 0), limit=TAIL)
        started = decode(first)
        ended = next((event for record in reversed(records) if isinstance(event := decode(record), ShowEnded)), None)
        last = ended or decode(records[-1])
        motion = started.motion if isinstance(started, ShowStarted) else ""
        seconds = (last.at - started.at).total_seconds()
        return PastShow(name, started.at.isoformat(), seconds, ended.why if ended else "", motion, ours=True)

    async def _of_others(self, name: str) -> PastShow:
        stream = f"air/{name}"
        first = _fields((await self._air_log.read(stream, 0, limit=1))[0])
        records = await self._air_log.read(stream, max(await self._air_log.last_seq(stream) - TAIL, 0), limit=TAIL)
        last = _fields(records[-1])
        ended = next((event for record in records if (event := _fields(record)).get("type") == "show_ended"), None)
        started_at, last_at = (datetime.fromisoformat(event["at"]) for event in (first, ended or last))
        title = first.get("motion") or first.get("title") or ""
        seconds = (last_at - started_at).total_seconds()
        return PastShow(name, started_at.isoformat(), seconds, ended["why"] if ended else "", title, ours=False)


async def _list(session: Session) -> list[PastShow]:
    async with PastShows.open(DataFolder(session.settings.data_dir)) as past:
        return (await past.list())[: session.options.limit]


async def _read(session: Session) -> Transcript:
    async with PastShows.open(DataFolder(session.settings.data_dir)) as past:
        return await past.transcript(await past.find(session.options.show))


async def _streams(log: EventLog, prefix: str) -> list[str]:
    return [info.name.removeprefix(prefix) for info in await log.streams(prefix)]


def _fields(record: Record) -> dict[str, Any]:
    try:
        fields = json.loads(record.body)
    except ValueError as exc:
        raise LogError("air", f"record {record.seq} is not JSON") from exc
    if not isinstance(fields, dict) or "at" not in fields:
        raise LogError("air", f"record {record.seq} is not an event")
    return fields


def _as_aired(record: Record, projection: PublicProjection) -> str | None:
    """Return a record of a show log as the stage would have aired it, None for what is not public."""
    event = decode(record)
    body = projection.body(event)
    if isinstance(event, ChunkAired):
        names = ("speaker", "turn", "index", "text")
        body = {"type": event.type, "room": event.speaker} | {name: getattr(event, name) for name in names}
    if body is None or body["type"] in ("hint_accepted", "hint_declined", "hint_expired"):
        return None
    return json.dumps({"at": event.at.isoformat(), **body}, ensure_ascii=False)
