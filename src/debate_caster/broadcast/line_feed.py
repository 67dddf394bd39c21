"""One agent's lines for a Pulsar server: one at a time, each proven before the next, also into the others' rooms.

When, what and how joined, ``lanes`` decides; this module sends, and finds out what became of each line. A room is made
known to the other agents' connections once it has heard its first line.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from debate_caster.broadcast.feed import RoomLostError, Tally
from debate_caster.broadcast.lanes import Line, Outbox, Piece
from debate_caster.broadcast.rooms import TargetRooms
from debate_caster.broadcast.session import Session, UnknownAgentError
from debate_caster.broadcast.target import ConnectionLimits
from debate_caster.clock import Clock
from debate_caster.companions import alongside
from debate_caster.log import EventLog
from debate_caster.pulsar.client import ClientMachine, Dialect, State
from debate_caster.pulsar.replies import ErrorReported, LiveUpdate, Reply, RoomLine, WarningGiven
from debate_caster.show.events import ChunkAired, ShowEnded, decode, stream_of

__all__ = ["LineFeed"]

logger = structlog.get_logger()

_RATE_PAUSE_S = 1.2
"""After RATE_LIMIT_EXCEEDED: both servers count in fixed windows of one second."""

_ROOM_PAUSE_S = 2.0
"""Before a room that refused a line is asked again."""

_TRIES = 4
"""How often a line is sent that a server refuses for a reason we don't know, before it is given up."""

_ECHOES_REMEMBERED = 16
"""Of the lines under way there is only ever one; some more for those that come late."""


class LineFeed:
    """For one agent on one target; ``mirror`` says whether its lines go into the other agents' rooms too.

    ``preface`` is asked once for each room what it is to say first, and for which turn; "" is nothing.
    """

    def __init__(
        self,
        *,
        show: str,
        target: str,
        agent: str,
        outbox: Outbox,
        rooms: TargetRooms,
        mirror: bool,
        log: EventLog,
        clock: Clock,
        limits: ConnectionLimits,
        tally: Tally,
        preface: Callable[[], tuple[str, int]],
    ) -> None:
        self._show, self._target, self._agent = show, target, agent
        self._outbox, self._rooms, self._mirror = outbox, rooms, mirror
        self._log, self._clock, self._limits, self._tally = log, clock, limits, tally
        self._preface = preface
        self._wake = asyncio.Event()
        self._ended_at: int | None = None
        self._in_doubt: tuple[str, Line] | None = None
        self._joined: set[str] = set()
        self._tries = 0
        self._echoed: deque[tuple[str, str]] = deque(maxlen=_ECHOES_REMEMBERED)
        self._counted = 0
        rooms.listen(self._wake.set)

    @property
    def is_finished(self) -> bool:
        return self._ended_at is not None and not self._outbox.own_waiting

    @property
    def has_backlog(self) -> bool:
        return self._outbox.own_waiting > 0 or self._outbox.is_prefaced

    async def run(self, session: Session) -> None:
        self._joined.clear()
        self._clear_doubt()
        if session.machine.resumed_ref is None:  # a room that is taken up again has heard it, or it waits still
            text, turn = self._preface()
            self._outbox.preface(text, turn=turn)
        async with alongside(self._follow()):
            while self._ended_at is None or not self._outbox.is_done(self._ended_at):
                self._wake.clear()
                if session.machine.state is not State.LIVE:
                    raise RoomLostError(self._target, "the server has ended the room")
                self._make_known(session.machine)
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

    def _make_known(self, machine: ClientMachine) -> None:
        """Let the others speak in the room, once it has heard its first line."""
        if machine.dialect is Dialect.FLAT or not machine.room or self._outbox.is_prefaced:
            return  # the published form has no chat to mirror with
        if self._rooms.room_of(self._agent) != machine.room:
            self._rooms.open(self._agent, machine.room, wire_id=machine.identity.agent_id)

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
        except UnknownAgentError:
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
