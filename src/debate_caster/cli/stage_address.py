"""Opening the stage where the user wants it, or, where nobody said, on the next port that is free."""

import errno
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from debate_caster.cli.session import Session
from debate_caster.cli.signing_keys import key_file_of, signing_keys
from debate_caster.cli.stage_access import check_host, is_open_to_agents
from debate_caster.clock import Clock
from debate_caster.errors import SetupError
from debate_caster.figures import Figure
from debate_caster.log import EventLog
from debate_caster.stage import Playbill, Stage, StageLimits, TokenDesk, open_stage

__all__ = ["open_stage_for"]

MORE_PORTS = 20
"""How many ports above the usual one are tried before any free one is taken."""


@asynccontextmanager
async def open_stage_for(
    session: Session,
    log: EventLog,
    clock: Clock,
    *,
    playbill: Playbill | None = None,
    figures: Sequence[Figure] = (),
) -> AsyncIterator[Stage]:
    """Open a stage as the settings say, with what is coming on it and what is counted; leaving the block closes it.

    Raises:
        SetupError: The port is taken and was asked for, the host is public and that was not allowed, or the keys
            of tokens can't be had.
        LogError: The log can't be read.
    """
    settings = session.settings
    check_host(settings)
    metrics_token = settings.metrics_token.get_secret_value() if settings.metrics_token is not None else ""
    session.redaction.add([settings.metrics_token])
    usual = settings.port
    is_open = is_open_to_agents(settings)
    desk = TokenDesk(signing_keys(key_file_of(settings)), clock=clock) if settings.tickets or not is_open else None
    ports = [usual] if session.given("port") else [*range(usual, usual + MORE_PORTS + 1), 0]
    async with AsyncExitStack() as stack:
        for port in ports:
            opening = open_stage(
                settings.host,
                port,
                log=log,
                clock=clock,
                allow_public=settings.allow_public,
                tokens=None if is_open else desk,
                tickets=desk if settings.tickets else None,
                open_to_agents=is_open,
                allowed_hosts=frozenset(settings.allow_hosts.split()),
                frame_origins=frozenset(settings.frame_origins.split()),
                playbill=playbill,
                public_url=settings.public_url,
                figures=figures,
                metrics_token=metrics_token,
                limits=StageLimits(
                    viewers_per_address=settings.viewers_per_address, agents_per_address=settings.agents_per_address
                ),
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
