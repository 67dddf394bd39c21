"""One show's correspondent: announces that it is live once its log has begun, and how it ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from debate_caster.announce.courier import Courier
from debate_caster.announce.notices import about_ended, about_live
from debate_caster.companions import alongside
from debate_caster.errors import LogError
from debate_caster.log import EventLog
from debate_caster.scenario.script import Scenario
from debate_caster.show.events import decode, stream_of
from debate_caster.show.transcript import Transcript

__all__ = ["Correspondent"]

logger = structlog.get_logger()


class Correspondent:
    """Reports of the show ``show`` of a scenario to ``courier``; ``page`` is its address, empty where it has none."""

    def __init__(self, courier: Courier, scenario: Scenario, *, show: str, page: str) -> None:
        self._courier, self._scenario, self._show, self._page = courier, scenario, show, page

    @asynccontextmanager
    async def on_site(self, log: EventLog) -> AsyncIterator[None]:
        """Announce that the show is live, as soon as it is, while the block gives it; the show does not wait for it."""
        async with alongside(self._watch(log)):
            yield

    async def conclude(self, transcript: Transcript) -> None:
        """Announce how the show ended, and first that it was live, where nobody was quick enough to."""
        if transcript.started is None or transcript.ended is None:
            return
        await self._announce_live(transcript)
        notice = about_ended(transcript, scenario=self._scenario.key, url=self._page)
        await self._courier.announce(self._scenario, notice)

    async def _watch(self, log: EventLog) -> None:
        try:
            async with log.tail(stream_of(self._show), 0) as records:
                transcript = Transcript().advance(decode(await anext(records)))
        except LogError as exc:  # the show itself meets it, too
            logger.warning("show_not_announced", error=str(exc))
        else:
            await self._announce_live(transcript)

    async def _announce_live(self, transcript: Transcript) -> None:
        notice = about_live(transcript, scenario=self._scenario.key, url=self._page)
        await self._courier.announce(self._scenario, notice)
