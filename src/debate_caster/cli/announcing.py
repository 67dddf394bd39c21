"""What ``run`` and ``serve`` do about announcements: who makes them, who brings them, and what no log may say."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from random import SystemRandom
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from debate_caster.announce import Correspondent, Courier, Herald, Outbox, Planned
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.log_output import Redaction
from debate_caster.clock import SystemClock
from debate_caster.companions import alongside
from debate_caster.scenario import Scenario
from debate_caster.settings import Settings
from debate_caster.stage import Stage

if TYPE_CHECKING:  # a show that nobody scheduled should not wait for the calendar to be imported
    from debate_caster.calendar.season import Calendar

__all__ = ["correspondent_of", "hide_secrets", "open_courier", "open_herald"]

logger = structlog.get_logger()

LAST_DELIVERIES_S = 5.0
"""How long the last announcements may take once everything is over; what is left then is for whoever comes next."""

INTERRUPTED_DELIVERIES_S = 1.0
"""The same, where somebody waits for us to end."""

COMING_OF_EACH = 3
"""How many shows of one scenario are looked ahead: several may start within the time before which it is said."""

SHORTEST_TOKEN = 16
"""A part of an address below this is none that nobody could guess; Discord's and Slack's have 68 and 24 characters."""

_WORDS = re.compile("[a-z-]+")


@asynccontextmanager
async def open_courier(folder: DataFolder, stop: asyncio.Event) -> AsyncIterator[Courier]:
    """Give a courier that delivers during the block, and a little longer, less where ``stop`` is set by then.

    The outbox is touched only once there is somebody to be told. What the block raises comes out as it is.
    """
    # Not the show's clock: other machines do not run faster for a show that does.
    courier = Courier(outbox := Outbox(folder.announcements), clock=SystemClock(), random=SystemRandom())
    async with aclosing(outbox), alongside(courier.run()):
        yield courier
        left = await courier.drained(INTERRUPTED_DELIVERIES_S if stop.is_set() else LAST_DELIVERIES_S)
        if left:
            logger.warning("announcements_left", count=left, cure="they are delivered when the scenario is next given")


def open_herald(courier: Courier, calendar: "Calendar", stage: Stage, settings: Settings) -> Herald:
    """Return who announces the calendar's shows before they begin."""

    def planned(name: str) -> Sequence[Planned]:
        coming = calendar.coming(COMING_OF_EACH, each=COMING_OF_EACH, of={name})
        return [Planned(one.scenario, one.show, one.slot.due) for one in coming]

    return Herald(
        courier,
        scenarios=lambda: calendar.scenarios,
        planned=planned,
        page=f"{_base(stage, settings)}/",
        clock=SystemClock(),
    )


def correspondent_of(
    courier: Courier, scenario: Scenario, show: str, stage: Stage | None, settings: Settings
) -> Correspondent:
    """Return who reports of a show; it is to be watched on ``stage``, None where that is another's."""
    page = f"{_base(stage, settings)}/shows/{show}" if stage is not None else ""
    return Correspondent(courier, scenario, show=show, page=page)


def hide_secrets(redaction: Redaction, scenario: Scenario) -> None:
    """Keep a scenario's secrets out of the log, and the parts of a receiver's address that make it one.

    Only what looks like such a part is hidden by itself: ``show`` and ``live`` are words of the log, too.
    """
    redaction.add(scenario.secrets)
    for script in scenario.announce:
        parts = urlsplit(script.address).path.split("/")
        redaction.add(part for part in parts if len(part) >= SHORTEST_TOKEN and not _WORDS.fullmatch(part))


def _base(stage: Stage, settings: Settings) -> str:
    return settings.public_url.strip().rstrip("/") or stage.url
