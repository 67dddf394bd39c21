"""``serve``: the stage, open for months, and the calendar of recurring shows that are given on it."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime
from pathlib import Path

import structlog

from debate_caster.announce import Courier
from debate_caster.broadcast import Credentials
from debate_caster.calendar.billing import Billing
from debate_caster.calendar.ledger import Ledger
from debate_caster.calendar.owners import Owners
from debate_caster.calendar.purse import most_money
from debate_caster.calendar.scripts import Scripts, keep_up
from debate_caster.calendar.season import Calendar
from debate_caster.calendar.succession import CUT_OFF, Remains
from debate_caster.cli.airing import stage_and_own_targets
from debate_caster.cli.amounts import counted
from debate_caster.cli.announcing import correspondent_of, hide_secrets, open_courier, open_herald
from debate_caster.cli.coming_episodes import ComingEpisodes
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.directing import Desk, left_for_producers, new_token
from debate_caster.cli.interruption import stop_on_signals
from debate_caster.cli.money import allowance_of, count_earlier_shows, purse_of
from debate_caster.cli.resumption import (
    Keepsake,
    Resumption,
    debate_digest,
    is_kept,
    is_running,
    kept_on_file,
    taken_up,
)
from debate_caster.cli.retention import Keeping, Retention
from debate_caster.cli.scenario_remarks import remarks_on
from debate_caster.cli.service_manager import ServiceManager
from debate_caster.cli.session import INTERRUPTED, RAN, Session
from debate_caster.cli.stage_address import open_stage_for
from debate_caster.cli.staging import unless_stopped
from debate_caster.clock import Clock, SystemClock
from debate_caster.companions import alongside
from debate_caster.episodes.annals import Archive
from debate_caster.episodes.series import NO_TOPIC, Series
from debate_caster.errors import LogError, ModelError, SetupError
from debate_caster.log import EventLog
from debate_caster.runner import new_seed, new_show_id, new_show_key, run_show
from debate_caster.scenario import Scenario, load_scenario
from debate_caster.show.figures import ShowFigures
from debate_caster.show.spending import spending_of
from debate_caster.show.transcript import read_transcript
from debate_caster.stage import Stage

__all__ = ["read_scripts", "serve"]

logger = structlog.get_logger()

STANDBY_S = 1.0
"""How often a process that stands by looks whether the other has gone."""

PRICES = "give each model a `price`, 0 where it costs nothing"

LET_GO_S = 2.0
"""How long the system may take to let go of all that a dead process held; it does not do it all in one instant."""


def serve(session: Session) -> int:
    """Keep a stage open, with the shows of the calendar, until a signal comes; SIGTERM is how it is meant to end."""
    return asyncio.run(_serve(session))


async def _serve(session: Session) -> int:
    stop, cut, clock = asyncio.Event(), asyncio.Event(), SystemClock()
    manager = ServiceManager(os.environ, clock=clock)
    with stop_on_signals(stop, cut, at_once=lambda: None) as interruption:
        await _keep_open(session, stop, cut, manager, clock)
    return RAN if interruption.number == signal.SIGTERM else INTERRUPTED


async def _keep_open(
    session: Session, stop: asyncio.Event, cut: asyncio.Event, manager: ServiceManager, clock: Clock
) -> None:
    """Keep the stage open until ``stop``, and then for as long as its shows may go on; ``cut`` ends them."""
    folder = DataFolder(session.settings.data_dir)
    async with AsyncExitStack() as stack:
        scripts = read_scripts(session, secrets_required=True)
        await asyncio.to_thread(scripts.look)
        if scripts.paths and not scripts.scenarios:
            raise SetupError(
                "no scenario can be given: " + "; ".join(scripts.problems.values() or ["there is none"]),
                "`debate-caster check` says what is wrong with files.",
            )
        async with manager.fed(lambda: True):  # standing by is a life, too
            if not await _claim_stage(session, stack, folder, stop, manager, clock):
                return
        air_log = await stack.enter_async_context(folder.open(folder.air_log))
        show_log = await stack.enter_async_context(folder.open(folder.show_log))
        retention = Retention(folder, show_log, air_log, clock=clock)
        if not scripts.paths:
            stage = await stack.enter_async_context(open_stage_for(session, air_log, clock))
            async with manager.fed(lambda: True), alongside(retention.run(Keeping.of(session.settings))):
                await _open(session, stage, manager, stop)
                await _see_out(session, stage, manager, cut, clock)
            return
        token = new_token(session.settings.producer_token)
        session.redaction.add([token])
        owners, ledger = Owners(folder.owners), Ledger(folder.calendar)
        stack.push_async_callback(ledger.aclose)
        courier = await stack.enter_async_context(open_courier(folder, stop))
        company = _Company(session, show_log, folder, clock, token, courier)
        purse = purse_of(session, ledger, folder, spending=lambda show: spending_of(show_log, show))
        calendar = Calendar(
            ledger,
            clock=clock,
            owner=stack.enter_context(owners.join()),
            alive=owners.alive,
            perform=company.perform,
            remains=company.remains,
            new_show_id=lambda scenario: new_show_id(scenario, clock),
            shows_at_once=session.settings.shows_at_once,
            purse=purse,
        )
        await count_earlier_shows(purse, folder, show_log, clock.now())
        await asyncio.to_thread(scripts.look)  # again: we may have stood by for weeks
        for scenario, changed_at in scripts.scenarios:
            await calendar.admit(scenario, changed_at=changed_at)
        named = {scenario.key for scenario in calendar.scenarios} | scripts.problems.keys()
        for row in await ledger.calendars():
            if row.scenario not in named:
                await calendar.withdraw(row.scenario)
        billing = Billing(calendar, scripts, motions=ComingEpisodes(Archive(folder.seasons)).motions)
        figures = [*calendar.figures, *company.figures.figures]
        company.stage = await stack.enter_async_context(
            open_stage_for(session, air_log, clock, playbill=billing, figures=figures)
        )
        herald = open_herald(courier, calendar, company.stage, session.settings)
        await stack.enter_async_context(manager.fed(lambda: calendar.is_on_watch))
        async with alongside(keep_up(calendar, scripts, clock)), asyncio.TaskGroup() as tasks:
            giving = tasks.create_task(calendar.run(stop, cut))
            async with alongside(retention.run(Keeping.of(session.settings))):
                async with alongside(herald.run()):  # what comes later is the next one's to announce, and to give
                    await _open(session, company.stage, manager, stop)
                await _see_out(session, company.stage, manager, cut, clock, giving)


async def _open(session: Session, stage: Stage, manager: ServiceManager, stop: asyncio.Event) -> None:
    session.say(f"Stage: {stage.url}")
    session.say(f"Agents: {stage.agents_url}{'' if stage.tokens is None else '  (with a token each)'}")
    if stage.tokens is not None:
        session.remark("make tokens with: debate-caster token create")
    manager.tell("READY=1", f"STATUS=The stage is at {stage.url}")
    await stop.wait()


async def _see_out(
    session: Session,
    stage: Stage,
    manager: ServiceManager,
    cut: asyncio.Event,
    clock: Clock,
    giving: "asyncio.Task[None] | None" = None,
) -> None:
    """Wait for the shows that are on, ours (``giving``) and others', as long as the settings say; then set ``cut``."""
    grace_s, shows = session.settings.stop_grace_s, stage.shows_on

    async def over() -> None:
        await stage.wind_down()
        if giving is not None:
            await asyncio.wait([giving])

    waiting = f"waiting up to {grace_s} s for {counted(shows, 'show')} to end"
    manager.tell("STOPPING=1", f"STATUS={waiting}")
    logger.info("stopping", shows=shows, grace_s=grace_s)
    if shows and grace_s:
        session.remark(f"{waiting}; a second signal ends them at once")
    async with manager.patient():
        try:
            async with clock.timeout(grace_s):
                await unless_stopped(over(), cut)
        except TimeoutError:
            pass
    if stage.shows_on:
        logger.info("ending_shows", shows=stage.shows_on, asked=cut.is_set())
    cut.set()
    manager.tell("STATUS=Closing the stage")
    session.remark("closing the stage")


async def _claim_stage(
    session: Session,
    stack: AsyncExitStack,
    folder: DataFolder,
    stop: asyncio.Event,
    manager: ServiceManager,
    clock: Clock,
) -> bool:
    """Become the one process whose stage shows this data folder; False when we were stopped before.

    One with scenarios stands by while there is another, and takes over when that ends, or dies.

    Raises:
        SetupError: There is another, and we have no scenarios to stand by for; or the folder can't be written.
    """
    said = False
    while not stop.is_set():
        with ExitStack() as trying:
            if trying.enter_context(folder.claim_air_log()):
                stack.push(trying.pop_all().__exit__)
                return True
        if not session.options.scenarios:
            raise SetupError(
                f"another stage is using the data folder {folder.path}", "End it, or name another with --data-dir."
            )
        if not said:
            session.remark(f"another stage is using {folder.path}: standing by to take over when it ends")
            manager.tell("READY=1", "STATUS=Standing by for another stage that uses the data folder")
            said = True
        await unless_stopped(clock.sleep(STANDBY_S), stop)
    return False


def read_scripts(session: Session, *, secrets_required: bool) -> Scripts:
    """Return the scenarios that the command line names, to be looked at; their secrets are kept out of the log.

    Raises:
        SetupError: As ``allowance_of``.
    """
    limited = allowance_of(session.settings).is_limited

    def read(path: Path) -> Scenario:
        scenario = load_scenario(
            path,
            env=session.environment,
            secrets_required=secrets_required,
            shortest_period_s=session.settings.shortest_period_s,
        )
        hide_secrets(session.redaction, scenario)
        for remark in remarks_on(scenario):
            session.remark(f"{path}: {remark}")
        if limited and most_money(scenario) is None:
            session.remark(f"{path}: money is limited and nobody knows what a show costs, so none is given: {PRICES}")
        return scenario

    return Scripts(tuple(session.options.scenarios), read)


class _Company:
    """Gives the calendar's shows on the stage, which is opened after the calendar is made."""

    def __init__(
        self, session: Session, show_log: EventLog, folder: DataFolder, clock: Clock, token: str, courier: Courier
    ) -> None:
        self.stage: Stage | None = None
        self.figures = ShowFigures()
        self._session, self._token, self._courier = session, token, courier
        self._show_log, self._folder, self._clock = show_log, folder, clock
        self._credentials = Credentials(folder.agents)
        self._series = Series(Archive(folder.seasons), show_log, clock=clock, metered=self.figures.metered)

    async def perform(self, scenario: Scenario, show: str, stop: asyncio.Event) -> str:
        if self.stage is None:
            raise RuntimeError("the calendar runs only while the stage is open")
        remains = await self.remains(show)
        with ExitStack() as stack:
            try:
                episode = await self._series.stage(scenario, show)
                resumption = await self._kept(stack, episode, show, self.stage, remains)
            except ModelError as exc:  # only a motion is asked for before a show; in one, models cost their turns
                logger.warning("no_topic", show=show, error=str(exc))
                return NO_TOPIC
            except SetupError as exc:
                if remains is None:
                    raise
                logger.warning("show_cannot_go_on", show=show, error=str(exc))
                return remains.ending or CUT_OFF
            kept = resumption.keepsake
            self._session.redaction.add([kept.key, kept.producer_token])
            stack.enter_context(left_for_producers(self._folder, Desk(show, self.stage.url, kept.producer_token)))
            correspondent = correspondent_of(self._courier, episode, show, self.stage, self._session.settings)
            async with correspondent.on_site(self._show_log):
                outcome = await run_show(
                    episode,
                    log=self._show_log,
                    targets=stage_and_own_targets(scenario, self.stage, show),
                    clock=self._clock,
                    seed=kept.seed,
                    show_id=show,
                    credentials=self._credentials,
                    stop=stop,
                    producer_token=kept.producer_token,
                    show_key=kept.key,
                    figures=self.figures,
                )
            await correspondent.conclude(outcome.transcript)
            await self._series.conclude(scenario, show)
            resumption.forget()
        return outcome.ended.why

    async def _kept(
        self, stack: ExitStack, scenario: Scenario, show: str, stage: Stage, remains: Remains | None
    ) -> Resumption:
        """Hold the show's file: a new one, or that of the process that died with it.

        Raises:
            SetupError: It can't be written; or the show has begun, and has no file, or had another debate.
        """
        if is_kept(self._folder, show):
            let_go = self._clock.monotonic() + LET_GO_S
            while is_running(self._folder, show) and self._clock.monotonic() < let_go:
                await self._clock.sleep(LET_GO_S / 20)
            resumption = await asyncio.to_thread(stack.enter_context, taken_up(self._folder, show))
            if remains is not None:
                resumption.check(scenario)
            return resumption
        if remains is not None:
            raise SetupError("what it takes to go on with it is gone")
        settings = self._session.settings
        keepsake = Keepsake(
            show=show,
            scenario=str(scenario.path.absolute()),
            digest=debate_digest(scenario),
            seed=new_seed(),
            speed=1.0,
            stage="embedded",
            host=settings.host,
            port=stage.port,
            allow_public=settings.allow_public,
            key=new_show_key(),
            producer_token=self._token,
        )
        # Not here: it is synced, and a slow disk must not hold up the shows that are on the air.
        return await asyncio.to_thread(stack.enter_context, kept_on_file(self._folder, keepsake))

    async def remains(self, show: str) -> Remains | None:
        """Say what the show's log has of it.

        Raises:
            LogError: It can't be read for the time being.
        """
        try:
            transcript = await read_transcript(self._show_log, show)
        except LogError as exc:
            if exc.passing:
                raise
            logger.warning("show_log_not_readable", show=show, error=str(exc))
            return Remains(datetime.min.replace(tzinfo=UTC))
        if transcript.at is None:
            return None
        ending = transcript.ended.why if transcript.ended is not None else ""
        return Remains(transcript.at, ending, transcript.epoch)
