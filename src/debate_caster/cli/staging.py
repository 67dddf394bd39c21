"""``replay``: a stage with a show from the log on it."""

import asyncio
import webbrowser
from collections.abc import Awaitable
from contextlib import AsyncExitStack

from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.interruption import stop_on_signals
from debate_caster.cli.past_shows import PastShows
from debate_caster.cli.session import INTERRUPTED, RAN, Session
from debate_caster.cli.stage_address import open_stage_for
from debate_caster.clock import SystemClock
from debate_caster.log import MemoryEventLog

__all__ = ["open_browser", "replay", "unless_stopped"]


def replay(session: Session) -> int:
    """Air a past show again, on a stage that keeps nothing."""
    return asyncio.run(_replay(session))


async def _replay(session: Session) -> int:
    options, clock = session.options, SystemClock()
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        stack.enter_context(stop_on_signals(stop, at_once=lambda: None))
        past = await stack.enter_async_context(PastShows.open(DataFolder(session.settings.data_dir)))
        show = await past.find(options.show)
        log = MemoryEventLog()
        await past.copy_air(show, log)
        stage = await stack.enter_async_context(open_stage_for(session, log, clock))
        again = await stage.replay(show, speed=options.speed)
        session.say(f"Watch: {stage.show_url(again)}")
        if options.open:
            await open_browser(stage.invitation(again))
        over = await unless_stopped(stage.wait_over(again), stop)
        if over:
            await unless_stopped(clock.sleep(options.linger), stop)
    return RAN if over else INTERRUPTED


async def open_browser(page: str) -> None:
    """Show the page in the user's browser, where there is one."""
    await asyncio.to_thread(webbrowser.open, page)


async def unless_stopped(work: Awaitable[object], stop: asyncio.Event) -> bool:
    """Wait for ``work``, but not beyond ``stop``; say whether it came to its end."""

    async def wait() -> None:
        await work

    async with asyncio.TaskGroup() as tasks:
        working, stopping = tasks.create_task(wait()), tasks.create_task(stop.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        finished = working.done()
        working.cancel()
        stopping.cancel()
    return finished
