"""Following the show log on behalf of one agent, and saying its part through an open session.

Two ways. A peer that knows shows gets everything that is public, in order, under its sequence number, and acknowledges
it. A Pulsar server gets lines, one at a time, each proven before the next, in its agent's room and mirrored into the
others'. A feed outlives sessions: it knows what has been delivered.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import structlog

from debate_caster.broadcast.companions import alongside
from debate_caster.broadcast.lanes import Line, Outbox, Piece
from debate_caster.broadcast.rooms import TargetRooms
from debate_caster.broadcast.session import ForgottenError, Session
from debate_caster.broadcast.socket import DroppedError
from debate_caster.broadcast.target import ConnectionLimits
from debate_caster.clock import Clock
from debate_caster.log import EventLog
from debate_caster.pulsar.client import ClientMachine, Dialect, State
from debate_caster.pulsar.replies import ErrorReported, LiveUpdate, Reply, RoomLine, TextAcked, WarningGiven
from debate_caster.show.events import ChunkAired, ShowEnded, ShowEvent, decode, stream_of
from debate_caster.show.public import PublicProjection, sender_of

__all__ = ["Feed", "LineFeed", "RoomLostError", "ShowFeed", "Tally"]

logger = structlog.get_logger()

_RATE_PAUSE_S = 1.2
"""After RATE_LIMIT_EXCEEDED: both servers count in fixed windows of one second."""

_ROOM_PAUSE_S = 2.0
"""Before a room that refused a line is asked again."""

_ECHOES_REMEMBERED = 16
_TRIES = 4
"""How often a line is sent that a server refuses for a reason we don't know, before it is given up."""


class RoomLostError(Exception):
    """The room is gone although the agent is still known: it takes a new one."""


@dataclass(slots=True)
class Tally:
    """Counts of one agent on one target: chunks of its own, and lines mirrored into others' rooms."""

    sent: int = 0
    delivered: int = 0
    mirrored: int = 0
    refused: int = 0


class Feed(Protocol):
    """What says an agent's part. ``run`` returns when the show has ended and everything is delivered."""

    async def run(self, session: Session) -> None:
        """Go on where the last session ended.

        Raises:
            RoomLostError: The room is gone.
            DroppedError: The connection is gone.
        """
        ...

    def hear(self, reply: Reply, machine: ClientMachine) -> None:
        """Take in what the peer said."""
        ...


class ShowFeed:
    """For a peer that knows shows: every public event of this agent, and its text, acknowledged by ``ref``."""

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
    ) -> None:
        self._show, self._target, self._agent, self._lead = show, target, agent, lead
        self._rooms, self._log, self._clock, self._limits, self._tally = rooms, log, clock, limits, tally
        self._projection = PublicProjection(air_thoughts=air_thoughts)
        self._delivered = 0
        self._furthest_sent = 0
        self._read = 0
        self._under_way: deque[tuple[int, bool]] = deque()
        self._not_waited_for: frozenset[tuple[str, int]] = frozenset()
        self._trouble = ""
        self._news = asyncio.Event()
        rooms.listen(self._news.set)

    async def run(self, session: Session) -> None:
        self._trouble = ""
        if session.machine.resumed_ref is not None:
            self._settle(session.machine.resumed_ref)
        self._under_way.clear()
        async with self._log.tail(stream_of(self._show), self._delivered) as records:
            async for record in records:
                event = decode(record)
                body = self._projection.body(event)
                if sender_of(event, self._lead) == self._agent and (isinstance(event, ChunkAired) or body is not None):
                    await self._let_others_finish(event.seq)
                    await self._say(event, body, session)
                self._read = max(self._read, record.seq)
                self._report()
                if isinstance(event, ShowEnded):
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
            raise RoomLostError

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


class LineFeed:
    """For a Pulsar server: this agent's lines in its room, and as chat in the other agents' rooms."""

    def __init__(
        self,
        *,
        show: str,
        agent: str,
        outbox: Outbox,
        rooms: TargetRooms,
        mirror: bool,
        log: EventLog,
        clock: Clock,
        limits: ConnectionLimits,
        tally: Tally,
    ) -> None:
        self._show, self._agent, self._outbox, self._rooms, self._mirror = show, agent, outbox, rooms, mirror
        self._log, self._clock, self._limits, self._tally = log, clock, limits, tally
        self._wake = asyncio.Event()
        self._ended_at: int | None = None
        self._in_doubt: tuple[str, Line] | None = None
        self._joined: set[str] = set()
        self._tries = 0
        self._echoed: deque[tuple[str, str]] = deque(maxlen=_ECHOES_REMEMBERED)
        self._counted = 0
        rooms.listen(self._wake.set)

    async def run(self, session: Session) -> None:
        self._joined.clear()
        self._clear_doubt()
        async with alongside(self._follow()):
            while self._ended_at is None or not self._outbox.is_done(self._ended_at):
                self._wake.clear()
                if session.machine.state is not State.LIVE:
                    raise RoomLostError
                await self._join_others(session)
                step = self._outbox.next(self._clock.monotonic())
                if isinstance(step, Line):
                    await self._deliver(step, session)
                else:
                    await self._until_awake(step)

    def hear(self, reply: Reply, machine: ClientMachine) -> None:
        match reply:
            case LiveUpdate():
                for line in reply.lines:
                    self._rooms.witness(reply.room, line)
                    self._hear_echo(reply.room, line, machine)
            case _:
                pass
        if machine.state is not State.LIVE:
            self._wake.set()

    def _hear_echo(self, room: str, line: RoomLine, machine: ClientMachine) -> None:
        if line.role == "viewer" and line.name == machine.identity.name and room != machine.room:
            self._rooms.echoes |= machine.dialect is Dialect.V1
            self._echoed.append((room, line.text))

    def _clear_doubt(self) -> None:
        """Decide about the line that was on its way when the last connection broke.

        If somebody saw it in its room it has arrived. If nobody did it is said again: better twice, in two rooms, than
        never.
        """
        if self._in_doubt is not None:
            room, line = self._in_doubt
            self._in_doubt = None
            if self._rooms.witnessed(room, line.text):
                self._settle(line)

    async def _follow(self) -> None:
        """Read the log into the outbox, no further ahead than it has room."""
        async with self._log.tail(stream_of(self._show), self._outbox.offered) as records:
            async for record in records:
                event = decode(record)
                if isinstance(event, ChunkAired) and event.speaker == self._agent:
                    while self._outbox.is_full:
                        await self._clock.sleep(self._limits.line_interval_s / 4)
                    self._outbox.offer(record.seq, Piece(record.seq, event.turn, event.text))
                else:
                    self._outbox.offer(record.seq)
                if isinstance(event, ShowEnded):
                    self._ended_at = record.seq
                    self._wake.set()
                    return
                self._wake.set()

    async def _until_awake(self, due: float | None) -> None:
        try:
            async with self._clock.timeout(None if due is None else due - self._clock.monotonic()):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _join_others(self, session: Session) -> None:
        """Become a member of the other agents' rooms: to speak there, and to see what arrives there."""
        if not self._mirror:
            return
        for room in self._rooms.others(self._agent).values():
            if room not in self._joined and (frame := session.machine.join(room)) is not None:
                self._joined.add(room)
                await session.send(frame)

    async def _deliver(self, line: Line, session: Session) -> None:
        machine = session.machine
        if line.is_blank:
            self._settle(line)
            return
        if line.host == self._agent:
            room, frame = machine.room, machine.text(line.text, turn=line.turn)
            self._count_sent(line)
        else:
            room = self._rooms.room_of(line.host) or ""
            frame = machine.chat(room, line.text)
        self._in_doubt = (room, line)
        try:
            complaints = await session.deliver(frame)
        except ForgottenError:
            self._in_doubt = None  # it went nowhere
            raise
        finally:
            self._outbox.sent(line, self._clock.monotonic())  # at the latest: pacing holds by the server's clock too
        self._in_doubt = None
        if self._is_taken(line, room, complaints):
            self._tries = 0
            self._settle(line)
            if line.host != self._agent:
                self._tally.mirrored += 1

    def _is_taken(self, line: Line, room: str, complaints: tuple[WarningGiven | ErrorReported, ...]) -> bool:
        """Look at what the server had against a line, and see to it that it is sent again when and if that helps."""
        now = self._clock.monotonic()
        if not complaints:
            return self._is_echoed(line, room, now)
        match code := complaints[0].code:
            case "EMPTY_MESSAGE":
                return True
            case "RATE_LIMIT_EXCEEDED":
                self._outbox.hold(line.host, now + _RATE_PAUSE_S)
            case "DUPLICATE_MESSAGE":
                self._outbox.hold(line.host, now + self._limits.duplicate_window_s)
            case "NOT_YOUR_BROADCAST":
                pass  # the machine has noticed: the line waits for the next room
            case "JOIN_REQUIRED":
                self._joined.discard(room)
                self._outbox.hold(line.host, now + _ROOM_PAUSE_S)
            case "ROOM_NOT_FOUND":
                self._outbox.room_lost(room)
            case _:
                return self._is_hopeless(line, code, now)
        return False

    def _is_echoed(self, line: Line, room: str, now: float) -> bool:
        """Look for the echo of a chat line: v1 sends one, and none when the room has ended without our knowledge."""
        if line.host == self._agent or not self._rooms.echoes or (room, line.text) in self._echoed:
            return True
        return self._is_hopeless(line, "no echo", now)

    def _is_hopeless(self, line: Line, code: str, now: float) -> bool:
        """Try a line again after a pause; but not for ever."""
        self._outbox.hold(line.host, now + _ROOM_PAUSE_S)
        self._tries += 1
        if self._tries < _TRIES:
            return False
        self._tally.refused += 1
        logger.warning("line_given_up", agent=self._agent, code=code, ref=line.first_ref)
        return True

    def _count_sent(self, line: Line) -> None:
        """Count chunks, not attempts."""
        fresh = [ref for ref in line.refs if ref > self._counted]
        self._tally.sent += len(fresh)
        self._counted = max([self._counted, *fresh])

    def _settle(self, line: Line) -> None:
        self._outbox.settle(line)
        if line.host == self._agent:
            self._tally.delivered += len(line.refs)
