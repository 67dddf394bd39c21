"""``schedule``: what the calendar holds and has held, and steering the one that a ``serve`` keeps."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from debate_caster.calendar.allowance import amount
from debate_caster.calendar.docket import Docket
from debate_caster.calendar.exporting import Program, exported
from debate_caster.calendar.ledger import IN_MEMORY, Ledger, Occurrence
from debate_caster.calendar.owners import Owners
from debate_caster.calendar.purse import most_money
from debate_caster.calendar.simulation import simulate
from debate_caster.calendar.timetable import Slot, Timetable, entries_of, show_id_of
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.money import allowance_of, purse_of
from debate_caster.cli.past_shows import table
from debate_caster.cli.printable import json_line, printable
from debate_caster.cli.serving import read_scripts
from debate_caster.cli.session import ENDED_EARLY, RAN, Session
from debate_caster.clock import SystemClock
from debate_caster.episodes.annals import Archive
from debate_caster.episodes.staging import coming_motions
from debate_caster.errors import SetupError
from debate_caster.scenario import Scenario, plan
from debate_caster.scenario.recurrence import zone_problem
from debate_caster.scenario.script import Schedule
from debate_caster.show.forecast import forecast

__all__ = ["schedule"]

ANSWER_S = 10.0
"""How long a ``serve`` may take to answer; it looks for requests every second."""

LOOK_EVERY_S = 0.2


def schedule(session: Session) -> int:
    """Do what the action says."""
    if session.options.action == "simulate":
        return _simulate(session)
    if session.options.action == "export":
        return _export(session)
    return asyncio.run(_ACTIONS[session.options.action](session))


@dataclass(frozen=True, slots=True)
class _Planned:
    """A scenario that has a schedule, or had one when `serve` last read it.

    ``unpaid`` says that its last slot was skipped since there was no money for it.
    """

    name: str
    title: str
    entries: tuple[Schedule, ...]
    docket: Docket
    unpaid: bool


async def _list(session: Session) -> int:
    now = SystemClock().now()
    rows = []
    for planned in await _planned(session, now):
        ahead = None if planned.docket.paused else next(iter(planned.docket.coming(now)), None)
        on = "over budget" if planned.unpaid else "on"
        state = "paused" if planned.docket.paused else on if ahead else "over" if planned.entries else "by hand"
        if session.options.json:
            entries = [entry.model_dump(mode="json") for entry in planned.entries]
            following = None if ahead is None else _slot_json(planned.name, planned.title, ahead)
            facts = {"name": planned.name, "title": planned.title, "state": state, "next": following}
            session.say(json_line(facts | {"schedule": entries}))
        crons = " | ".join(f"{entry.cron} {entry.timezone}" for entry in planned.entries)
        rows.append((planned.name, state, "" if ahead is None else _local(ahead.due, ahead.entry), crons))
    if not session.options.json:
        _say_table(session, ("NAME", "STATE", "NEXT", "SCHEDULE"), rows, nothing="nothing is on the calendar")
    return RAN


async def _next(session: Session) -> int:
    now = SystemClock().now()
    ahead = [
        [(planned, slot) for slot in islice(planned.docket.coming(now), session.options.count)]
        for planned in await _planned(session, now)
        if not planned.docket.paused
    ]
    rows = []
    for planned, slot in islice(merge(*ahead, key=lambda pair: pair[1].due), session.options.count):
        if session.options.json:
            session.say(json_line(_slot_json(planned.name, planned.title, slot)))
        rows.append((_local(slot.due, slot.entry), _utc(slot.due), planned.name, planned.title))
    if not session.options.json:
        _say_table(session, ("WHEN", "UTC", "NAME", "TITLE"), rows, nothing="no show is coming")
    return RAN


async def _history(session: Session) -> int:
    options, rows = session.options, []
    async with _ledger(session) as ledger:
        found = await ledger.history(options.name, limit=options.limit)
    for occurrence in found:
        if options.json:
            session.say(json_line(_occurrence_json(occurrence)))
        when = occurrence.slot or occurrence.decided_at
        what = occurrence.why or occurrence.ending or ("waits" if occurrence.outcome == "queued" else "on the air")
        how = occurrence.outcome if occurrence.slot else "by hand"
        rows.append((_utc(when), occurrence.scenario, how, what, occurrence.show or ""))
    if not options.json:
        _say_table(session, ("SLOT (UTC)", "NAME", "OUTCOME", "WHY, OR END", "SHOW"), rows, nothing="no slot has been")
    return RAN


def _simulate(session: Session) -> int:
    options, scenarios = session.options, named_scenarios(session)
    if problem := zone_problem(options.zone):
        raise SetupError(f"--timezone: {problem}")
    zone = ZoneInfo(options.zone)
    begin, end = _instant("--from", options.begin, zone), _instant("--to", options.end, zone)
    outages = [_outage(text, zone) for text in options.outage]
    times = [begin, *(instant for outage in outages for instant in outage), end]
    if times != sorted(times) or begin == end:
        raise SetupError("the times of --from, --outage and --to must follow each other")
    lengths = {scenario.key: forecast(scenario, plan(scenario)).expected_s for scenario in scenarios}
    money = {scenario.key: most_money(scenario) for scenario in scenarios}
    emit, session.log_output.emit = session.log_output.emit, _unheard  # what is only imagined is not logged
    try:
        found = simulate(
            scenarios,
            begin,
            end,
            length_s=lambda scenario: lengths[scenario.key],
            outages=outages,
            shows_at_once=session.settings.shows_at_once,
            allowance=allowance_of(session.settings),
            most=lambda scenario: money[scenario.key],
        )
    finally:
        session.log_output.emit = emit
    ahead = _episodes(session, scenarios)
    rows = []
    for occurrence in found:
        given = occurrence.show is not None and occurrence.scenario in ahead
        number, motion = next(ahead[occurrence.scenario]) if given else (None, None)
        if options.json:
            facts = {} if number is None else {"episode": number, "motion": motion}
            session.say(json_line(_occurrence_json(occurrence) | facts))
        when = occurrence.slot or occurrence.decided_at
        what = occurrence.why or occurrence.ending or "on the air"
        local = f"{when.astimezone(zone):%a %Y-%m-%d %H:%M %Z}"
        told = "" if number is None else f"{number}: {motion or 'a motion that the model thinks of'}"
        rows.append((local, occurrence.scenario, occurrence.outcome, what, *([told] if ahead else [])))
    if not options.json:
        heads = ("SLOT", "NAME", "OUTCOME", "WHY, OR END", *(["EPISODE"] if ahead else []))
        _say_table(session, heads, rows, nothing="no slot is in that time")
    return RAN


def _episodes(session: Session, scenarios: Sequence[Scenario]) -> dict[str, Iterator[tuple[int, str | None]]]:
    """Return the episodes to come of those scenarios that are series, after those that the data folder has had."""
    archive = Archive(DataFolder(session.settings.data_dir).seasons)
    return {
        scenario.key: coming_motions(scenario, archive.read(scenario.key))
        for scenario in scenarios
        if scenario.season is not None
    }


def _export(session: Session) -> int:
    command = _own_path()
    program = Program(command, session.settings.data_dir, session.options.image)
    scenarios = list(named_scenarios(session))
    if not any(scenario.schedule for scenario in scenarios):
        session.remark("nothing to export: no `schedule:` in what was named")
    session.say(printable(exported(session.options.format, scenarios, program)).rstrip("\n"))
    return RAN


def _own_path() -> str:
    """Return where this program is: cron and systemd know neither our folder nor our PATH."""
    called = Path(sys.argv[0])
    beside = Path(sys.executable).with_name("debate-caster")
    found = [path for path in (called, beside) if path.name == "debate-caster" and path.is_file()]
    return str(found[0].absolute()) if found else shutil.which("debate-caster") or "debate-caster"


def _unheard(_line: str) -> None:
    return


def _instant(option: str, text: str, zone: ZoneInfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise SetupError(f"{option}: {text!r} is no time", "Write 2026-10-01, or 2026-10-01T18:00.") from exc
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _outage(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    begin, dots, end = text.partition("..")
    if not dots:
        raise SetupError(f"--outage: {text!r} is no span of time", "Write A..B: 2026-10-01T18:00..2026-10-02.")
    return _instant("--outage", begin, zone), _instant("--outage", end, zone)


async def _run_now(session: Session) -> int:
    clock, name = SystemClock(), session.options.name
    folder = DataFolder(session.settings.data_dir)
    with folder.claim_air_log() as nobody_serves:
        if nobody_serves:
            raise SetupError(
                f"no `serve` is using the data folder {folder.path}", "Start one, or use `run` for a show of its own."
            )
    async with _ledger(session) as ledger:
        if name not in [row.scenario for row in await ledger.calendars()]:
            raise await _unknown(ledger, name)
        request = await ledger.ask(name, clock.now(), over_budget=session.options.over_budget)
        answer = None
        for _ in range(int(ANSWER_S / LOOK_EVERY_S)):
            if (answer := await ledger.answer_to(request)) is not None:
                break
            await clock.sleep(LOOK_EVERY_S)
        else:
            await ledger.answer(request, "withdrawn")
    word, _, rest = (answer or f"refused `serve` has not answered in {ANSWER_S:g} s").partition(" ")
    if word != "show":
        session.stderr.put(printable(f"debate-caster: {rest}\n"))
        return ENDED_EARLY
    session.say(printable(f"Show: {rest}"))
    return RAN


async def _money(session: Session) -> int:
    """Say how the day and the month stand, once the shows of processes that died are settled."""
    folder, now, rows = DataFolder(session.settings.data_dir), SystemClock().now(), []
    async with _ledger(session) as ledger:
        purse = purse_of(session, ledger, folder)
        await purse.settle_what_is_over("", alive=Owners(folder.owners).alive, now=now)
        standings = await purse.standings(now)
    for standing in standings:
        period = standing.period
        until = period.until.astimezone(purse.allowance.zone)
        spent, held = amount(standing.spent), amount(standing.held)
        limit, left = (None if money is None else amount(money) for money in (period.limit, standing.left))
        if session.options.json:
            facts = {"period": period.name, "since": period.since.isoformat(), "until": until.isoformat()}
            session.say(json_line(facts | {"spent": spent, "held": held, "limit": limit, "left": left}))
        rows.append((period.name, spent, held, limit or "none", left or "", f"{until:%a %Y-%m-%d %H:%M %Z}"))
    if not session.options.json:
        _say_table(session, ("PERIOD", "SPENT", "HELD", "LIMIT", "LEFT", "UNTIL"), rows, nothing="")
    return RAN


async def _pause(session: Session) -> int:
    return await _set_paused(session, paused=True)


async def _resume(session: Session) -> int:
    return await _set_paused(session, paused=False)


async def _set_paused(session: Session, *, paused: bool) -> int:
    name = session.options.name
    async with _ledger(session) as ledger:
        if not await ledger.pause(name, paused=paused):
            raise await _unknown(ledger, name)
    session.remark(f"{name} is paused: its slots are skipped" if paused else f"{name} is on again")
    return RAN


_ACTIONS: Mapping[str, Callable[[Session], Coroutine[Any, Any, int]]] = {
    "list": _list,
    "next": _next,
    "history": _history,
    "run-now": _run_now,
    "money": _money,
    "pause": _pause,
    "resume": _resume,
}


@asynccontextmanager
async def _ledger(session: Session) -> AsyncIterator[Ledger]:
    """Open the data folder's ledger; where there is none, an empty one that is not kept."""
    path = DataFolder(session.settings.data_dir).calendar
    ledger = Ledger(path if path.exists() else IN_MEMORY)
    try:
        yield ledger
    finally:
        await ledger.aclose()


async def _planned(session: Session, now: datetime) -> list[_Planned]:
    """Return the scenarios that the command line names, or else those that the ledger knows, by name.

    Raises:
        SetupError: Files that were named can't be read.
    """
    async with _ledger(session) as ledger:
        rows = {row.scenario: row for row in await ledger.calendars()}
        counts = {name: await ledger.started(name) for name in rows}
        last = [row for name in rows for row in await ledger.history(name, limit=1)]
    unpaid = {row.scenario for row in last if row.why == "budget"}
    if session.options.scenarios:
        known = [(scenario.key, scenario.title, scenario.schedule) for scenario in named_scenarios(session)]
    else:
        known = [(row.scenario, row.title, entries_of(row.entries)) for row in rows.values()]
    return [
        _Planned(
            name,
            title,
            entries,
            Docket(
                Timetable(name, entries),
                now,
                started=counts.get(name),
                paused=name in rows and rows[name].paused,
            ),
            name in unpaid,
        )
        for name, title, entries in sorted(known, key=lambda item: item[0])
    ]


def named_scenarios(session: Session) -> list[Scenario]:
    """Return the scenarios that the command line names.

    Raises:
        SetupError: Some can't be read.
    """
    scripts = read_scripts(session, secrets_required=False)
    changes = scripts.look()
    if scripts.problems:
        raise SetupError("; ".join(scripts.problems.values()))
    return [scenario for scenario, _ in changes.admitted]


async def _unknown(ledger: Ledger, name: str) -> SetupError:
    known = [row.scenario for row in await ledger.calendars()]
    return SetupError(f"{name!r} is not on the calendar", f"There is: {', '.join(known) or 'nothing'}.")


def _slot_json(name: str, title: str, slot: Slot) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "show": show_id_of(name, slot.at),
        "slot": slot.at.isoformat(),
        "due": slot.due.isoformat(),
        "timezone": slot.entry.timezone,
        "local": slot.due.astimezone(ZoneInfo(slot.entry.timezone)).isoformat(),
    }


def _occurrence_json(occurrence: Occurrence) -> dict[str, Any]:
    return {
        "name": occurrence.scenario,
        "slot": _iso(occurrence.slot),
        "outcome": occurrence.outcome,
        "why": occurrence.why,
        "show": occurrence.show,
        "by_hand": occurrence.slot is None,
        "decided_at": _iso(occurrence.decided_at),
        "ended_at": _iso(occurrence.ended_at),
        "ending": occurrence.ending,
    }


def _say_table(session: Session, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, nothing: str) -> None:
    lines = table(heads, rows, columns=session.columns) if rows else [nothing]
    for line in lines:
        session.say(line)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _local(at: datetime, entry: Schedule) -> str:
    return f"{at.astimezone(ZoneInfo(entry.timezone)):%a %Y-%m-%d %H:%M %Z}"


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
