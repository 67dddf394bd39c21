"""``run``: a scenario goes live, on a stage of its own or another's, with a view of it in the terminal."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TextIO

import structlog
from pydantic import SecretStr

from debate_caster.broadcast import Credentials, Target
from debate_caster.cli.announcing import correspondent_of, hide_secrets, open_courier
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.directing import Desk, left_for_producers, new_token, producer_url, stage_base
from debate_caster.cli.interruption import stop_on_signals
from debate_caster.cli.outlet import Outlet
from debate_caster.cli.resumption import Keepsake, Resumption, broken_off, debate_digest, kept_on_file, taken_up
from debate_caster.cli.scenario_remarks import remarks_on
from debate_caster.cli.session import ENDED_EARLY, INTERRUPTED, RAN, Session
from debate_caster.cli.stage_access import websocket_address
from debate_caster.cli.stage_address import open_stage_for
from debate_caster.cli.staging import open_browser, unless_stopped
from debate_caster.cli.terminal import TerminalView
from debate_caster.cli.views import Follower, JsonLinesView, PlainView, View, ending
from debate_caster.clock import Clock, SystemClock
from debate_caster.episodes.annals import Archive
from debate_caster.episodes.series import NO_TOPIC, Series
from debate_caster.errors import BroadcastError, ModelError, SetupError
from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.runner import ShowOutcome, new_seed, new_show_id, new_show_key, run_show, targets_of
from debate_caster.scenario import Scenario, load_scenario
from debate_caster.show.events import ConnectionDown, ConnectionUp
from debate_caster.show.figures import ShowFigures
from debate_caster.stage import Stage

__all__ = ["run", "stage_and_own_targets"]

logger = structlog.get_logger()

STAGE = "stage"
"""What the target of the command line is called; the scenario's have names of their own."""

REFRESH_S = 1.0

OWN_TOKEN_LASTS = timedelta(days=31)
"""How long our own agents may be on our own stage: longer than any show."""

LAST_WORDS_S = 0.5
"""How long an interrupted show's last lines may take to be printed."""


def run(session: Session) -> int:
    """Perform a scenario, live, or go on with a show of one; return the exit status that its end means.

    Raises:
        ScenarioError: The scenario has problems.
        SetupError: There is no such show to go on with.
    """
    options, folder = session.options, DataFolder(session.settings.data_dir)
    if options.resume is None:
        for show in broken_off(folder)[:1]:
            session.remark(f"{show} was broken off: `debate-caster run --resume {show}` goes on with it")
        return _air(session, folder, None)
    with taken_up(folder, options.resume) as resumption:
        return _air(_as_before(session, resumption.keepsake), folder, resumption)


def _as_before(session: Session, keepsake: Keepsake) -> Session:
    """Return the session with what the show ran with before, but for what is given anew: so the page stays the same."""
    wanted = {
        name: getattr(keepsake, name)
        for name in ("stage", "host", "port", "allow_public")
        if name not in session.settings.model_fields_set
    }
    session.redaction.add([keepsake.key])
    return replace(session, settings=session.settings.model_copy(update=wanted))


def _air(session: Session, folder: DataFolder, resumption: Resumption | None) -> int:
    scenario = _scenario(session, resumption)
    hide_secrets(session.redaction, scenario)
    for remark in remarks_on(scenario):
        session.remark(remark)
    return asyncio.run(_run(session, scenario, folder, resumption))


def _scenario(session: Session, resumption: Resumption | None) -> Scenario:
    """Return the scenario that is named, or else the one that the show to go on with had.

    Raises:
        ScenarioError: It has problems.
        SetupError: The file is gone.
    """
    if resumption is None:
        return _loaded(session, session.options.scenario)
    path = session.options.scenario or Path(resumption.keepsake.scenario)
    if not path.exists():
        raise SetupError(
            f"the scenario {path} of {resumption.keepsake.show} is gone",
            "Put it back, or name it: `run SCENARIO --resume SHOW`.",
        )
    return _loaded(session, path)


def _loaded(session: Session, path: Path) -> Scenario:
    return load_scenario(path, env=session.environment, shortest_period_s=session.settings.shortest_period_s)


async def _run(session: Session, scenario: Scenario, folder: DataFolder, resumption: Resumption | None) -> int:
    if session.options.slot is None:
        return await _perform_unscheduled(session, scenario, folder, resumption)
    # Here, since a show that nobody scheduled should not wait for the calendar to be imported.
    from debate_caster.calendar.errand import errand
    from debate_caster.calendar.ledger import Ledger
    from debate_caster.calendar.owners import Owners
    from debate_caster.cli.money import purse_of

    clock = SystemClock()
    folder.make()
    async with aclosing(Ledger(folder.calendar)) as ledger:
        slot, places = session.options.slot, session.settings.shows_at_once
        owners, purse = Owners(folder.owners), purse_of(session, ledger, folder)
        async with errand(
            scenario, slot, ledger=ledger, owners=owners, clock=clock, shows_at_once=places, purse=purse
        ) as task:
            if task.show is None:
                session.remark(f"{scenario.key}: {task.why}")
                return RAN
            try:
                with _of_slot(folder, task.show) as resumption:
                    status = await _perform(session, scenario, folder, resumption, show=task.show)
            except ModelError:  # only a motion is asked for before a show; in one, models cost their turns
                task.ending = NO_TOPIC
                raise
            task.ending = {RAN: "completed", INTERRUPTED: "interrupted"}.get(status, "failed")
            return status


async def _perform_unscheduled(
    session: Session, scenario: Scenario, folder: DataFolder, resumption: Resumption | None
) -> int:
    """Perform a show that somebody wants now; where money is limited, or a calendar is kept, it counts there."""
    settings = session.settings
    if settings.money_per_day is None and settings.money_per_month is None and not folder.calendar.exists():
        return await _perform(session, scenario, folder, resumption)
    from debate_caster.cli.money import paid_for  # as above

    clock = SystemClock()
    show = resumption.keepsake.show if resumption else new_show_id(scenario, clock)
    async with paid_for(session, scenario, show, folder=folder, clock=clock, goes_on=resumption is not None):
        return await _perform(session, scenario, folder, resumption, show=show)


@contextmanager
def _of_slot(folder: DataFolder, show: str) -> Iterator[Resumption | None]:
    """Take up a slot's show where its process has died; None where it has not begun."""
    with ExitStack() as stack:
        yield stack.enter_context(taken_up(folder, show)) if show in broken_off(folder) else None


async def _perform(
    session: Session, scenario: Scenario, folder: DataFolder, resumption: Resumption | None, *, show: str = ""
) -> int:
    before = resumption.keepsake if resumption else None
    options, stop = session.options, asyncio.Event()
    clock = SystemClock(speed=options.speed or (before.speed if before else 1.0))
    async with AsyncExitStack() as stack:
        views = stack.enter_context(_views(session, clock))
        stack.enter_context(stop_on_signals(stop, at_once=views.close))
        log = await stack.enter_async_context(folder.open(folder.show_log))
        courier = await stack.enter_async_context(open_courier(folder, stop))
        courier.serve(scenario)
        show = before.show if before else show or new_show_id(scenario, clock)
        figures = ShowFigures()
        series = Series(Archive(folder.seasons), log, clock=clock, metered=figures.metered)
        whole = scenario
        scenario = await series.stage(whole, show)
        if resumption is not None and options.resume is not None:
            resumption.check(scenario)
        stage = await _own_stage(session, stack, folder, figures)
        targets = _targets(session, scenario, stage, show)
        token = before.producer_token if before else new_token(session.settings.producer_token)
        session.redaction.add([token])
        if resumption is None:
            kept = _keepsake(session, scenario, show, stage, token)
            session.redaction.add([kept.key])
            resumption = stack.enter_context(kept_on_file(folder, kept))
        desk = _desk(session, stage, show, token)
        stack.enter_context(left_for_producers(folder, desk))
        follower = Follower(log, show, views.all)
        begun = clock.now()
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(follower.run())
            refreshing = tasks.create_task(views.keep_fresh(stage))
            correspondent = correspondent_of(courier, scenario, show, stage, session.settings)
            async with correspondent.on_site(log):
                outcome = await run_show(
                    scenario,
                    log=log,
                    targets=targets,
                    clock=clock,
                    seed=resumption.keepsake.seed,
                    show_id=show,
                    credentials=Credentials(folder.agents),
                    stop=stop,
                    on_state=_Announcement(session, stage, show, targets, desk).hear,
                    producer_token=token,
                    show_key=resumption.keepsake.key,
                    figures=figures,
                )
            await correspondent.conclude(outcome.transcript)
            await series.conclude(whole, show)
            resumption.forget()
            await _until_shown(following, stop)
            refreshing.cancel()
        if following.done() and not following.cancelled():
            await follower.finish()
        views.close()
        was_over = outcome.ended.at < begun
        status = _conclude(session, outcome, () if was_over else targets)
        if stage is not None and options.linger and not stop.is_set():
            session.remark(f"The page stays up for {options.linger:g} s.")
            await unless_stopped(SystemClock().sleep(options.linger), stop)
    return status


def _keepsake(session: Session, scenario: Scenario, show: str, stage: Stage | None, token: str) -> Keepsake:
    options, settings = session.options, session.settings
    return Keepsake(
        show=show,
        scenario=str(scenario.path.absolute()),
        digest=debate_digest(scenario),
        seed=new_seed() if options.seed is None else options.seed,
        speed=options.speed or 1.0,
        stage=settings.stage,
        host=settings.host,
        port=stage.port if stage is not None else settings.port,
        allow_public=settings.allow_public,
        key=new_show_key(),
        producer_token=token,
    )


async def _until_shown(following: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    """Wait for a slow reader of our output, as long as nobody wants us to stop."""
    if not stop.is_set():
        await unless_stopped(asyncio.shield(following), stop)
    await asyncio.wait((following,), timeout=LAST_WORDS_S)
    following.cancel()


async def _own_stage(session: Session, stack: AsyncExitStack, folder: DataFolder, figures: ShowFigures) -> Stage | None:
    """Open the stage that comes with the show, unless it goes elsewhere."""
    if session.settings.stage != "embedded":
        return None
    log: EventLog
    if stack.enter_context(folder.claim_air_log()):
        log = await stack.enter_async_context(folder.open(folder.air_log))
    else:
        session.remark(f"another stage is using {folder.path}: this one lists no past shows")
        log = MemoryEventLog()
    # Not the show's clock: viewers' seconds are real, however fast the show runs.
    return await stack.enter_async_context(open_stage_for(session, log, SystemClock(), figures=figures.figures))


def _targets(session: Session, scenario: Scenario, stage: Stage | None, show: str) -> tuple[Target, ...]:
    """Return where the show is broadcast to.

    Raises:
        SetupError: The address of the stage is none.
    """
    settings, own = session.settings, targets_of(scenario)
    if stage is not None:
        return stage_and_own_targets(scenario, stage, show)
    if settings.stage == "none":
        if not own:
            session.remark("nobody can watch: there is no stage, and the scenario names no target")
        return own
    address = websocket_address(settings.stage)
    target = Target(_stage_name(own), address, settings.stage_token, allow_private=True)  # the operator's own word
    try:
        target.check()
    except BroadcastError as exc:
        raise SetupError(f"--stage {settings.stage}: {exc.detail}", exc.cure) from exc
    return (target, *own)


def stage_and_own_targets(scenario: Scenario, stage: Stage, show: str) -> tuple[Target, ...]:
    """Return a stage of this program as a show's target, and those that the scenario names."""
    own, token = targets_of(scenario), None
    if stage.tokens is not None:
        token = SecretStr(stage.tokens.issue("agent", lasting=OWN_TOKEN_LASTS, show=show))
    return (Target(_stage_name(own), stage.agents_url, token, is_ours=True), *own)


def _stage_name(own: Sequence[Target]) -> str:
    return STAGE if all(target.name != STAGE for target in own) else f"{STAGE}-of-the-command-line"


def _desk(session: Session, stage: Stage | None, show: str, token: str) -> Desk | None:
    """Return where the show is directed: at its own stage, or at the one of the command line."""
    if stage is not None:
        return Desk(show, stage.url, token)
    if session.settings.stage == "none":
        return None
    return Desk(show, stage_base(websocket_address(session.settings.stage)), token)


class _Announcement:
    """Says where to watch as soon as there is something: once the stage knows the show, before its first word."""

    def __init__(
        self, session: Session, stage: Stage | None, show: str, targets: tuple[Target, ...], desk: Desk | None
    ) -> None:
        self._session = session
        self._page = stage.show_url(show) if stage is not None else ""
        self._invite = partial(stage.invitation, show) if stage is not None else None
        self._desk = desk
        self._stage = targets[0].name if targets else ""

    async def hear(self, event: ConnectionUp | ConnectionDown) -> None:
        if event.target != self._stage or not isinstance(event, ConnectionUp):
            return
        if self._desk is not None and event.dialect == "stage":
            desk, self._desk = self._desk, None
            if not self._session.options.quiet:  # as it is, for it is meant to be seen here: no log, no file has it
                self._session.stderr.put(f"Producer: {producer_url(desk)}\n")
        if not self._page:
            return
        page, self._page = self._page, ""
        if self._session.options.events == "-":  # stdout is for events only
            self._session.stderr.put(f"Watch: {page}\n")
        else:
            self._session.say(f"Watch: {page}")
        if self._session.options.open and self._invite is not None:
            await open_browser(self._invite())


def _conclude(session: Session, outcome: ShowOutcome, targets: tuple[Target, ...]) -> int:
    """Say what is worth saying at the end, and return what it means; ``targets`` are those that had anything to get."""
    ended = outcome.ended
    for report in outcome.deliveries:
        if report.problem and targets:
            problem = report.problem.removesuffix(".")
            session.remark(f"{report.agent} on {report.target}: {problem} ({report.delivered} lines delivered)")
    match ended.why:
        case "completed" | "producer":
            if targets and not any(report.rooms for report in outcome.deliveries):
                session.stderr.put("debate-caster: the debate ran, but nobody could see it: no target was reached\n")
                return ENDED_EARLY
            return RAN
        case "interrupted":
            return INTERRUPTED
        case "budget" | "failed":
            session.stderr.put(f"debate-caster: {session.redaction.text(ending(ended))}\n")
            return ENDED_EARLY


class _Views:
    """The views of one show, and the one of them, if any, that owns the terminal."""

    def __init__(self, every: tuple[View, ...], terminal: TerminalView | None) -> None:
        self.all, self._terminal = every, terminal

    async def keep_fresh(self, stage: Stage | None) -> None:
        """Keep the clock and the count of viewers going, for ever."""
        if self._terminal is None:
            return
        clock = SystemClock()
        while True:
            await clock.sleep(REFRESH_S)
            await self._terminal.refresh(viewers=stage.viewers if stage else None)

    def close(self) -> None:
        if self._terminal is not None:
            self._terminal.close()


@contextmanager
def _views(session: Session, clock: Clock) -> Iterator[_Views]:
    """Make the views that the options ask for.

    Raises:
        SetupError: The file for events can't be written.
    """
    options = session.options
    every: list[View] = []
    terminal: TerminalView | None = None
    with ExitStack() as stack:
        if options.events == "-":
            every.append(JsonLinesView(session.stdout))
        else:
            if options.events is not None:
                events = Outlet(stack.enter_context(_opened(options.events)))
                stack.callback(events.close)
                every.append(JsonLinesView(events))
            if session.on_terminal and not options.quiet:
                terminal = TerminalView(session.stdout, width=lambda: session.columns, clock=clock, color=session.color)
                every.append(terminal)
                stack.callback(terminal.close)
                if session.stderr_on_terminal:  # the same one: the log's lines go above the view's last ones
                    _route_log(session, terminal.print_line, stack)
            elif not options.quiet:
                every.append(PlainView(session.stdout))
        yield _Views(tuple(every), terminal)


def _route_log(session: Session, emit: Callable[[str], None], stack: ExitStack) -> None:
    before = session.log_output.emit
    session.log_output.emit = emit

    def restore() -> None:
        session.log_output.emit = before

    stack.callback(restore)


def _opened(path: str) -> TextIO:
    try:
        return open(path, "w", encoding="utf-8")
    except OSError as exc:
        raise SetupError(f"--events {path} can't be written ({exc.strerror})", "Name another file.") from exc
