"""Opening the stage where the user wants it, or, where nobody said, on the next port that is free."""

import errno
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from debate_caster.cli.session import Session
from debate_caster.clock import Clock
from debate_caster.errors import SetupError
from debate_caster.log import EventLog
from debate_caster.stage import Stage, open_stage

__all__ = ["open_stage_for"]

MORE_PORTS = 20
"""How many ports above the usual one are tried before any free one is taken."""


@asynccontextmanager
async def open_stage_for(session: Session, log: EventLog, clock: Clock) -> AsyncIterator[Stage]:
    """Open a stage as the settings say; leaving the block closes it.

    Raises:
        SetupError: The port is taken and was asked for, or the host is public and that was not allowed.
        LogError: The log can't be read.
    """
    settings = session.settings
    usual = settings.port
    ports = [usual] if session.given("port") else [*range(usual, usual + MORE_PORTS + 1), 0]
    async with AsyncExitStack() as stack:
        for port in ports:
            opening = open_stage(
                settings.host,
                port,
                log=log,
                clock=clock,
                allow_public=settings.allow_public,
                frame_origins=frozenset(settings.frame_origins.split()),
            )
            try:
                stage = await stack.enter_async_context(opening)
            except* SetupError as group:
                if port == ports[-1] or not _taken(group):
                    raise
            else:
                if port != usual:
                    session.remark(f"port {usual} is taken: using {stage.port}")
                break
        else:
            raise AssertionError("the last port was tried and neither had nor refused")
        yield stage


def _taken(group: BaseExceptionGroup[SetupError]) -> bool:
    return any(
        isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE for error in group.exceptions
    )
