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
        self._spoke_until: dict[str, int] = {}
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
                self._spoke_until[event.speaker] = event.seq
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

    def is_nearly_over(self, agent: str, position: int) -> bool:
        """Whether an agent that has delivered all up to ``position`` has nothing more to say in what is left.

        That is less than a turn: the last one has begun. Whoever is on air in it goes on, however little there is to
        go; so does who has not delivered all that was said.
        """
        if self.ended or self._last_turn_began is None or position < self._last_turn_began:
            return False
        if self._on_air is not None and self._on_air.speaker == agent:
            return False
        return position >= self._spoke_until.get(agent, 0)

    def continuation(self) -> str:
        """Return what a room that goes on from an earlier one says first; "" for a show that is not known yet."""
        return continuation_of(self._started, turn=self.turn, ended=self.ended) if self._started else ""

    @property
    def _turns(self) -> int:
        return self._started.turns if self._started else 0
