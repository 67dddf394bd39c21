"""How far a show has come, as its log tells: for connections, which say so in new rooms, or open none any more."""

import asyncio

from debate_caster.log import EventLog
from debate_caster.show.continuations import continuation_of
from debate_caster.show.events import ShowEnded, ShowEvent, ShowStarted, TurnEnded, TurnStarted, decode, stream_of
from debate_caster.show.transcript import INTERJECTION

__all__ = ["ShowProgress"]

_TOLD_BY = tuple(f'"{kind}"' for kind in ("show_started", "turn_started", "turn_ended", "show_ended"))
"""Few of a log's records hold one of these words; only those are decoded."""


class ShowProgress:
    """``follow`` the log once, beside everything else. What was not read yet has not happened."""

    def __init__(self, show: str) -> None:
        self.ended = False
        self._stream = stream_of(show)
        self._started: ShowStarted | None = None
        self._over = 0
        self._on_air: TurnStarted | None = None
        self._last_turn_began: int | None = None
        self._seen = 0
        self._news = asyncio.Event()

    async def follow(self, log: EventLog) -> None:
        """Read the log from its beginning; return when the show has ended.

        Raises:
            LogError: The log can't be read.
        """
        async with log.tail(self._stream, 0) as records:
            async for record in records:
                if any(word in record.body for word in _TOLD_BY):
                    self.take(decode(record))
                self._seen = record.seq
                self._news.set()
                if self.ended:
                    return

    async def until(self, position: int) -> None:
        """Wait until the log has been read up to ``position``, or to the show's end."""
        while self._seen < position and not self.ended:
            self._news.clear()
            await self._news.wait()

    def take(self, event: ShowEvent) -> None:
        """Take in the next event of the show that says how far it is."""
        match event:
            case ShowStarted():
                self._started = event
            case TurnStarted():
                self._on_air = event
                if self._last_turn_began is None and self._turns and self.turn >= self._turns:
                    self._last_turn_began = event.seq
            case TurnEnded():
                self._on_air = None
                self._over += event.kind != INTERJECTION and not event.again
                if event.again:
                    self._last_turn_began = None
            case ShowEnded():
                self.ended = True
            case _:
                pass

    @property
    def turn(self) -> int:
        """The rundown's turn that is on air, or the last one that was; 0 before the first."""
        return self._over + (self._on_air is not None and self._on_air.kind != INTERJECTION)

    def is_nearly_over(self, position: int) -> bool:
        """Whether less than a turn is left for who has delivered all up to ``position``: it is within the last one."""
        return not self.ended and self._last_turn_began is not None and position >= self._last_turn_began

    def continuation(self) -> str:
        """Return what a room that goes on from an earlier one says first; "" for a show that is not known yet."""
        return continuation_of(self._started, turn=self.turn, ended=self.ended) if self._started else ""

    @property
    def _turns(self) -> int:
        return self._started.turns if self._started else 0
