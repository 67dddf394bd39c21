"""``doctor``: looks at all that a show needs, before there is one, and says of what is wrong how to mend it."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from threading import Thread
from typing import Final, ParamSpec, TypeVar

from debate_caster.broadcast import Target
from debate_caster.cli.amounts import counted
from debate_caster.cli.announcing import hide_secrets
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.findings import Finding, Grade
from debate_caster.cli.folder_checkup import databases_of, look_at_database, look_at_folder, look_at_space, user_of
from debate_caster.cli.installation import look_at_packages, look_at_python, requirements
from debate_caster.cli.money import allowance_of
from debate_caster.cli.printable import json_line, printable_line, wrapped
from debate_caster.cli.scenario_checkup import ScenarioReading, read_scenarios
from debate_caster.cli.server_checkup import Survey, look_at_servers
from debate_caster.cli.session import ENDED_EARLY, RAN, Session
from debate_caster.cli.stage_access import websocket_address
from debate_caster.cli.stage_checkup import look_at_keys, look_at_port
from debate_caster.cli.time_checkup import look_at_clock, look_at_time_zones
from debate_caster.clock import Clock, SystemClock
from debate_caster.settings import PREFIX, Settings, misspelt_names

__all__ = ["doctor", "examine", "look_in_time"]

P = ParamSpec("P")
T = TypeVar("T")

LOOK_TIMEOUT_S: Final = 12.0
"""For anything that is looked at on this machine; a disk that hangs longer than that would hang a show."""

SURVEY_TIMEOUT_S: Final = 30.0
"""For all servers together, however many scenarios name how many; each has its own deadline besides."""

MARKS: Final[dict[Grade, tuple[str, str]]] = {"ok": ("✓", "32"), "warning": ("!", "33"), "failure": ("✗", "31")}
"""The mark of each grade, and its colour."""


def doctor(session: Session) -> int:
    """Look at everything, and say what was found; status 1 where a show would fail."""
    findings = asyncio.run(examine(session, SystemClock()))
    failures, warnings = (sum(finding.grade == grade for finding in findings) for grade in ("failure", "warning"))
    told = [finding for finding in findings if not (session.options.quiet and finding.grade == "ok")]
    if session.options.json:
        for finding in told:
            session.say(json_line(session.redaction.value(asdict(finding))))
    else:
        for line in _page(session, told):
            session.say(line)
        if told:
            session.say("")
        session.say(_conclusion(failures, warnings))
    return ENDED_EARLY if failures else RAN


async def examine(session: Session, clock: Clock, *, look_timeout_s: float = LOOK_TIMEOUT_S) -> list[Finding]:
    """Return everything that was found, the machine's own matters first.

    All is looked at side by side, and nothing is waited for longer than its deadline.
    """
    asyncio.get_running_loop().set_default_executor(_Bystanders())
    settings, folder = session.settings, DataFolder(session.settings.data_dir)
    look = partial(look_in_time, clock=clock, timeout_s=look_timeout_s)
    users = await look("in use", lambda: user_of(folder))
    async with asyncio.TaskGroup() as tasks:
        machine = [tasks.create_task(look(about, work)) for about, work in _looks(settings, folder, clock, bool(users))]
        surveying = tasks.create_task(_survey(session, clock, look_timeout_s))
    reading, survey = surveying.result()
    return [
        *users,
        *(finding for looking in machine for finding in looking.result()),
        *reading.findings,
        *look_at_clock(clock, survey.clocks),
        *survey.findings,
    ]


def _looks(
    settings: Settings, folder: DataFolder, clock: Clock, in_use: bool
) -> Iterator[tuple[str, Callable[[], Iterable[Finding]]]]:
    """Yield what is looked at on this machine, and what it is about."""
    yield "Python", look_at_python
    yield "packages", lambda: look_at_packages(requirements())
    yield "settings", _look_at_settings
    yield "time zones", look_at_time_zones
    yield "data folder", lambda: look_at_folder(folder)
    for path, mark, form in databases_of(folder):
        yield "data folder", partial(look_at_database, path, mark, form, clock=clock)
    yield "disk", lambda: look_at_space(folder)
    yield "stage", lambda: _look_at_stage(settings, in_use=in_use)


class _Bystanders(ThreadPoolExecutor):
    """Threads for what may hang, in a disk or a look-up of a name: the program ends without waiting for them."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        future: Future[T] = Future()
        Thread(target=_settle, args=(future, partial(work, *args, **kwargs)), daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave them to themselves."""


def _settle(future: "Future[T]", work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as exc:  # noqa: BLE001 - raised again by whoever waits for the future
        future.set_exception(exc)
    else:
        future.set_result(result)


async def look_in_time(
    about: str, work: Callable[[], Iterable[Finding]], *, clock: Clock, timeout_s: float
) -> Sequence[Finding]:
    """Look at something in a thread; what hangs or can't be read is a finding, too."""
    try:
        async with clock.timeout(timeout_s):
            return await asyncio.get_running_loop().run_in_executor(None, lambda: list(work()))
    except OSError as exc:  # a timeout is one
        return [_unseen(about, exc, timeout_s)]


def _unseen(about: str, exc: OSError, timeout_s: float) -> Finding:
    if isinstance(exc, TimeoutError):
        what = f"nothing could be seen within {timeout_s:g} s"
        return Finding(about, "failure", what, "Look whether a disk, or the look-up of names, hangs")
    return Finding(about, "failure", f"it can't be looked at ({exc})", "Give this user the right to read it")


def _look_at_settings() -> Iterable[Finding]:
    for name, meant in misspelt_names(os.environ).items():
        yield Finding("settings", "warning", f"{name} is no setting, and changes nothing", f"Did you mean {meant}?")


def _look_at_stage(settings: Settings, *, in_use: bool) -> Iterable[Finding]:
    if settings.stage == "embedded":
        yield from look_at_port(settings, in_use=in_use)
        yield from look_at_keys(settings)


async def _survey(session: Session, clock: Clock, timeout_s: float) -> tuple[ScenarioReading, Survey]:
    """Read the scenarios, then ask whom they name, and the stage of the settings where that is another's."""
    settings = session.settings
    read = partial(
        read_scenarios,
        session.options.scenarios,
        session.environment,
        shortest_period_s=settings.shortest_period_s,
        money_is_limited=allowance_of(settings).is_limited,
    )
    try:
        async with clock.timeout(timeout_s):
            reading = await asyncio.get_running_loop().run_in_executor(None, read)
    except OSError as exc:
        reading = ScenarioReading(findings=(_unseen("scenario", exc, timeout_s),))
    for found in reading.scenarios:
        hide_secrets(session.redaction, found.scenario)
    stages = []
    if settings.stage not in ("embedded", "none"):
        target = Target("stage", websocket_address(settings.stage), settings.stage_token, allow_private=True)
        stages.append((f"Put a valid token in {PREFIX}STAGE_TOKEN", target))
    try:
        async with clock.timeout(SURVEY_TIMEOUT_S):
            return reading, await look_at_servers(reading.scenarios, stages, clock=clock)
    except TimeoutError:
        what = f"not all that the scenarios name could be asked within {SURVEY_TIMEOUT_S:g} s"
        return reading, Survey((Finding("servers", "failure", what, "Name fewer scenarios at once"),))


# -- what is printed ---------------------------------------------------------------------------------------------------


def _page(session: Session, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield lines: a mark, what it is about where that has changed, what was found, and below it the cure."""
    beside = max((len(finding.about) for finding in findings), default=0)
    columns = max(session.columns - beside - 5, 20)  # the last one is left free, as terminals differ in what it does
    before = ""
    for finding in findings:
        mark, color = MARKS[finding.grade]
        about = finding.about if finding.about != before else ""
        before = finding.about
        lines = _wrapped(session, finding.what, columns)
        yield f"{_styled(session, color, mark)} {about:{beside}}  {lines[0]}"
        for line in lines[1:]:
            yield f"{'':{beside + 4}}{line}"
        for number, line in enumerate(_wrapped(session, finding.cure, columns - 2) if finding.cure else ()):
            yield f"{'':{beside + 4}}{'  ' if number else '→ '}{line}"


def _wrapped(session: Session, text: str, columns: int) -> list[str]:
    return wrapped(printable_line(session.redaction.text(text)), columns)


def _styled(session: Session, code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if session.color else text


def _conclusion(failures: int, warnings: int) -> str:
    found = [counted(count, word) for count, word in ((failures, "failure"), (warnings, "warning")) if count]
    verdict = "a show would fail" if failures else "a show can go on air"
    return f"{' and '.join(found) or 'nothing is wrong'}: {verdict}"
