"""Everything public of one agent's part, for a peer that knows shows: in the log's order, acknowledged by number.

Frames go out as fast as they are acknowledged. What was not acknowledged when a connection broke is sent again under
the same ``ref``, by which the peer recognises what it has.
"""

import asyncio
from collections import deque

from debate_caster.broadcast.feed import RoomLostError, Tally
from debate_caster.broadcast.rooms import TargetRooms
from debate_caster.broadcast.session import Session
from debate_caster.broadcast.socket import DroppedError
from debate_caster.broadcast.target import ConnectionLimits
from debate_caster.clock import Clock
from debate_caster.log import EventLog
from debate_caster.pulsar.client import ClientMachine, State
from debate_caster.pulsar.messages import CONTROL, VOTES
from debate_caster.pulsar.replies import ErrorReported, Reply, TextAcked
from debate_caster.show.events import (
    ChunkAired,
    HintHeld,
    ShowEnded,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    VerdictGiven,
    VoteClosed,
    VoteOpened,
    decode,
    stream_of,
)
from debate_caster.show.public import PublicProjection, sender_of

__all__ = ["ShowFeed"]


class ShowFeed:
    """For one agent on one target; ``sent`` is up to where an earlier run of the program may have said everything."""

    def __init__(
        self,
        *,
        show: str,
        target: str,
        agent: str,
        lead: str,
        air_thoughts: bool,
        rooms: TargetRooms,
        log: EventLog,
        clock: Clock,
        limits: ConnectionLimits,
        tally: Tally,
        sent: int = 0,
    ) -> None:
        self._show, self._target, self._agent, self._lead = show, target, agent, lead
        self._rooms, self._log, self._clock, self._limits, self._tally = rooms, log, clock, limits, tally
        self._projection = PublicProjection(air_thoughts=air_thoughts)
        self._delivered = 0
        self._furthest_sent = sent
        self._read = 0
        self._under_way: deque[tuple[int, bool]] = deque()
        self._not_waited_for: frozenset[tuple[str, int]] = frozenset()
        self._trouble = ""
        self._is_over = False
        self._news = asyncio.Event()
        rooms.listen(self._news.set)

    @property
    def is_finished(self) -> bool:
        return self._is_over and not self._under_way

    @property
    def has_backlog(self) -> bool:
        return bool(self._under_way)

    async def run(self, session: Session) -> None:
        self._trouble = ""
        if session.machine.resumed_ref is not None:
            self._settle(session.machine.resumed_ref)
        self._under_way.clear()
        async with self._log.tail(stream_of(self._show), self._delivered) as records:
            async for record in records:
                event = decode(record)
                body = self._projection.body(event)
                if isinstance(event, VoteOpened | VoteClosed | VerdictGiven) and VOTES not in session.machine.features:
                    body = None  # a stage that takes no votes
                if isinstance(event, ShowPaused | ShowResumed | HintHeld) and CONTROL not in session.machine.features:
                    body = None  # a stage that knows no producers
                if sender_of(event, self._lead) == self._agent and (isinstance(event, ChunkAired) or body is not None):
                    await self._let_others_finish(event.seq)
                    await self._say(event, body, session)
                self._read = max(self._read, record.seq)
                self._report()
                if isinstance(event, ShowEnded):
                    self._is_over = True
                    await self._until_under_way(0, session)
                    return

    async def _let_others_finish(self, ref: int) -> None:
        """Wait until the agents on air have delivered what comes before ``ref``; for a moment, and once for each."""
        laggards = self._rooms.laggards(self._agent, ref)
        if laggards <= self._not_waited_for:
            return
        try:
            async with self._clock.timeout(self._limits.order_patience_s):
                while laggards := self._rooms.laggards(self._agent, ref):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self._not_waited_for = laggards

    async def _say(self, event: ShowEvent, body: dict[str, object] | None, session: Session) -> None:
        if isinstance(event, ChunkAired):
            frame = session.machine.text(event.text, turn=event.turn, index=event.index, ref=event.seq)
            self._tally.sent += event.seq > self._furthest_sent
        else:
            frame = session.machine.event(dict(body or {}), ref=event.seq)
        self._check(session)
        self._furthest_sent = max(self._furthest_sent, event.seq)
        self._under_way.append((event.seq, isinstance(event, ChunkAired)))
        await session.send(frame)
        await self._until_under_way(self._limits.window - 1, session)

    async def _until_under_way(self, most: int, session: Session) -> None:
        """Wait until at most so many frames are not acknowledged."""
        try:
            while len(self._under_way) > most:
                self._check(session)
                self._news.clear()
                async with self._clock.timeout(self._limits.reply_timeout_s):
                    await self._news.wait()
        except TimeoutError as exc:
            if any(is_text for _, is_text in self._under_way):
                raise DroppedError(self._target, "the peer acknowledges nothing any more") from exc
            self._under_way.clear()  # an event that it did not want; nobody misses a word

    def _check(self, session: Session) -> None:
        if self._trouble:
            raise DroppedError(self._target, f"the peer could not take a frame: {self._trouble}")
        if session.machine.state is not State.LIVE:
            raise RoomLostError(self._target, "the server has ended the room")

    def hear(self, reply: Reply, machine: ClientMachine) -> None:
        match reply:
            case TextAcked() if reply.room in {"", machine.room}:
                self._settle(reply.ref)
            case ErrorReported(code="LOG_UNAVAILABLE" | "INTERNAL"):
                self._trouble = reply.code
            case ErrorReported(code="BAD_EVENT"):
                self._drop_refused_event()
            case _:
                pass
        self._news.set()

    def _settle(self, ref: int) -> None:
        """Everything up to ``ref`` is in the air log: frames of a socket are handled in order."""
        ref = min(ref, self._furthest_sent)  # a peer can't have what we have not sent
        self._delivered = max(self._delivered, ref)
        while self._under_way and self._under_way[0][0] <= ref:
            self._tally.delivered += self._under_way.popleft()[1]
        self._report()

    def _report(self) -> None:
        self._rooms.advance(self._agent, self._under_way[0][0] - 1 if self._under_way else self._read)

    def _drop_refused_event(self) -> None:
        """Count the oldest event as settled: the peer will not acknowledge it."""
        for place, (_, is_text) in enumerate(self._under_way):
            if not is_text:
                del self._under_way[place]
                self._tally.refused += 1
                self._report()
                return
