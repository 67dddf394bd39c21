"""A producer's orders on their way from a target to the show's control desk, and the desk's state on its way back."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from debate_caster.broadcast.session import Session
from debate_caster.clock import Clock
from debate_caster.companions import alongside
from debate_caster.log import EventLog
from debate_caster.pulsar.replies import ControlOrdered, DeskWanted, Reply
from debate_caster.show.control_desk import ControlDesk, Order
from debate_caster.show.events import decode, stream_of
from debate_caster.show.hint_board import SETTLED, HintBoard

__all__ = ["Direction"]

logger = structlog.get_logger()

ORDERS_WAITING = 32
"""Orders that wait to be carried out; a target that sends more is not obeyed."""

DESK_INTERVAL_S = 0.2
"""Least time between two frames of the desk's state."""

DESK_BYTES = 100_000
"""Longest such frame; of long hints the oldest decided ones are left out. A stage takes 131,072."""


class Direction:
    """For the lead's connection to one target. Nothing is done, and nothing told, without the producer's token."""

    def __init__(self, desk: ControlDesk, *, show: str, target: str, log: EventLog, clock: Clock) -> None:
        self._desk, self._show, self._target, self._log, self._clock = desk, show, target, log, clock
        self._orders: asyncio.Queue[ControlOrdered] = asyncio.Queue(ORDERS_WAITING)
        self._board = HintBoard()
        self._wanted = self._has_refused = False
        self._shown: dict[str, Any] | None = None
        self._news = asyncio.Event()

    def hear(self, reply: Reply) -> None:
        """Take in what the target said. Never waits."""
        if isinstance(reply, ControlOrdered) and not self._orders.full():
            self._orders.put_nowait(reply)
        elif isinstance(reply, DeskWanted):
            self._wanted, self._shown = reply.wanted and self._admits(reply.token), None
            self._news.set()

    async def run(self, session: Session) -> None:
        """Serve the producers of the target for ever, as long as it is there.

        Raises:
            DroppedError: The connection is gone.
            FencedError: Another writer is at work on this show.
            LogError: The log can't be read.
        """
        while not self._orders.empty():  # whoever gave them has been told that nobody answers
            self._orders.get_nowait()
        self._board, self._shown = HintBoard(), None
        async with alongside(self._obey(session), self._follow_log(), self._follow_desk()):
            while True:
                await self._news.wait()
                self._news.clear()
                if self._wanted:
                    await self._show_desk(session)
                await self._clock.sleep(DESK_INTERVAL_S)

    async def _show_desk(self, session: Session) -> None:
        state = self._desk.standing() | {"hints": self._board.entries}
        if state == self._shown:
            return
        self._shown = state
        frame = session.machine.desk(state)
        while len(frame.encode()) > DESK_BYTES and state["hints"]:
            state = state | {"hints": _without_a_quarter(state["hints"])}
            frame = session.machine.desk(state)
        await session.send(frame)

    async def _obey(self, session: Session) -> None:
        while True:
            order = await self._orders.get()
            if self._admits(order.token):
                answer = await self._desk.obey(
                    Order(
                        order.command, text=order.text, hint=order.hint, viewer=order.viewer, by=order.by,
                        turn=order.turn,
                    )
                )  # fmt: skip
                ok, message = answer.ok, answer.message
            else:
                ok, message = False, "this is not the token of the show's producer"
            await session.send(session.machine.control_done(order.id, ok=ok, message=message))

    def _admits(self, token: str) -> bool:
        admitted = self._desk.admits(token)
        if not admitted and not self._has_refused:
            self._has_refused = True
            logger.warning("producer_refused", target=self._target)
        return admitted

    async def _follow_log(self) -> None:
        async with self._log.tail(stream_of(self._show), 0) as records:
            async for record in records:
                if '"hint_' in record.body:
                    self._board.take(decode(record))
                self._news.set()

    async def _follow_desk(self) -> None:
        while True:
            await self._desk.changes.wait()
            self._news.set()


def _without_a_quarter(hints: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the hints without a quarter of them: the oldest that are decided first, so that what waits is seen."""
    order = sorted(range(len(hints)), key=lambda place: (hints[place]["state"] not in SETTLED, place))
    left = sorted(order[len(hints) // 4 + 1 :])
    return [hints[place] for place in left]
