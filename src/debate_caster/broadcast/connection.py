"""One agent on one target, from before the show until after it: connects, goes live, and comes back when it must.

The connection follows the show's log by itself, so one that is down or slow delays nobody, and what it has to say is
never older than what is stored.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import structlog

from debate_caster.broadcast.admission import Admission
from debate_caster.broadcast.backoff import Backoff
from debate_caster.broadcast.counts import VoteTaker
from debate_caster.broadcast.credentials import Credential, Credentials
from debate_caster.broadcast.direction import Direction
from debate_caster.broadcast.feed import Feed, RoomLostError, Tally
from debate_caster.broadcast.lanes import Outbox
from debate_caster.broadcast.line_feed import LineFeed
from debate_caster.broadcast.perseverance import GivenUpError, Perseverance
from debate_caster.broadcast.progress import ShowProgress
from debate_caster.broadcast.remarks import RemarkSieve, ViewerRemark
from debate_caster.broadcast.rooms import TargetRooms
from debate_caster.broadcast.session import Session, UnknownAgentError
from debate_caster.broadcast.show_feed import ShowFeed
from debate_caster.broadcast.socket import DroppedError, open_socket
from debate_caster.broadcast.target import ConnectionLimits, EarlierRun, MisplacedError, ShowIdentity, Target
from debate_caster.clock import Clock
from debate_caster.companions import alongside
from debate_caster.errors import BroadcastError, LogError
from debate_caster.log import EventLog
from debate_caster.pulsar.client import ClientMachine, Dialect, State
from debate_caster.pulsar.messages import CONTROL, RESUME, VOTES
from debate_caster.pulsar.replies import ControlOrdered, DeskWanted, LiveUpdate, Reply, ViewerContext, VoteCounted
from debate_caster.show.events import AgentCast, ConnectionDown, ConnectionUp

__all__ = ["AgentConnection", "DeliveryReport"]

logger = structlog.get_logger()

_REMARKS_WAITING = 256
"""Viewers' remarks that wait to be taken; further ones are dropped and counted."""

_COUNTS_WAITING = 16
"""Counts that wait to be taken: a show has two votes, and a stage repeats itself after a break."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of one agent's part on one target.

    ``sent`` and ``delivered`` count chunks of the show: those handed to a socket, and those known to have arrived.
    ``rooms`` are all that were opened, in order. ``mirrored`` counts lines in other agents' rooms, ``given_up`` chunks
    that could not be mirrored because their room was away too long, ``refused`` what the server would not take.
    ``problem`` is why the connection ended early or was never made, empty otherwise.
    """

    agent: str
    target: str
    dialect: str
    rooms: tuple[str, ...]
    sent: int
    delivered: int
    mirrored: int
    given_up: int
    refused: int
    remarks: int
    problem: str


class AgentConnection:
    """``run`` it in a task of its own; ``live`` is set once the agent is on air for the first time.

    ``viewers`` is how many watch the agent's room as the target last said, None before.

    Args:
        agent: Whose connection this is.
        cast: All agents of the show, the lead first.
        show: What the show is called.
        target: Where to.
        log: The log that holds the show's stream.
        credentials: Lends the agent's identity on the target.
        clock: Everything timed here is timed by it.
        random: For jitter.
        rooms: Shared by all connections of this show to this target.
        on_remark: Awaited with each viewer's remark, one at a time.
        on_state: Awaited when the agent goes on or off the air.
        direction: Carries the producer's orders to the show, on the lead's connections.
        votes: Told of the audience's votes, where the target takes any.
        air_thoughts: Whether thoughts and tool calls are public.
        limits: See there.
        earlier: Where the show goes on after it was broken off. A peer that knows shows says itself what it has; for
            another one what was logged before counts as said.
    """

    def __init__(
        self,
        *,
        agent: AgentCast,
        cast: Sequence[AgentCast],
        show: ShowIdentity,
        target: Target,
        log: EventLog,
        credentials: Credentials,
        clock: Clock,
        random: Random,
        rooms: TargetRooms,
        on_remark: Callable[[ViewerRemark], Awaitable[None]],
        on_state: Callable[[ConnectionUp | ConnectionDown], Awaitable[None]],
        votes: VoteTaker | None = None,
        direction: Direction | None = None,
        air_thoughts: bool = False,
        limits: ConnectionLimits | None = None,
        earlier: EarlierRun | None = None,
    ) -> None:
        self.live = asyncio.Event()
        self.viewers: int | None = None
        self.agent, self.target = agent, target
        self._cast, self._show, self._log, self._credentials = tuple(cast), show, log, credentials
        self._clock, self._rooms = clock, rooms
        self._on_remark, self._on_state, self._air_thoughts = on_remark, on_state, air_thoughts
        self._limits = limits or ConnectionLimits()
        self._admission = Admission(agent=agent, cast=self._cast, show=show, target=target, clock=clock)
        self._backoff = Backoff(random, first_s=self._limits.backoff_first_s, longest_s=self._limits.backoff_longest_s)
        self._sieve = RemarkSieve(agent=agent.id, target=target.name, is_ours=rooms.is_ours)
        self._remarks: asyncio.Queue[ViewerRemark] = asyncio.Queue(_REMARKS_WAITING)
        self._remarks_taken = self._remarks_dropped = 0
        self._votes, self._direction = votes, direction
        self._counts: asyncio.Queue[VoteCounted] = asyncio.Queue(_COUNTS_WAITING)
        self._tally = Tally()
        self._outbox = Outbox(
            agent.id, [other.id for other in self._cast] if target.mirror else [], rooms, self._limits
        )
        self._earlier = earlier
        self._parts = earlier.parts if earlier else 0
        if earlier is not None:
            self._outbox.offer(earlier.sent)
        self._feeds: dict[type[Feed], Feed] = {}
        self._feed: Feed | None = None
        self._progress = ShowProgress(show.id)
        self._opened: list[str] = []
        self._perseverance = Perseverance(
            target.name, agent=agent.id, limits=self._limits, tally=self._tally, progress=self._progress
        )
        self._resumable_room = ""
        self._on_air = False
        self._went_off_air = clock.monotonic()
        self._last_problem = ""
        self._problem = ""
        self._dialect = ""

    async def run(self) -> DeliveryReport:
        """Broadcast until the show has ended and everything is delivered; return what became of it.

        Ends early, with a ``problem``, when another try makes no sense, and some time after the show's end when not
        everything could be delivered. Cancelling ends the broadcast politely, within the goodbye timeout.

        Raises:
            LogError: The show's log can't be read.
        """
        with structlog.contextvars.bound_contextvars(agent=self.agent.id, target=self.target.name):
            logger.info("connecting", part=self._parts + 1)
            try:
                self.target.check()
                with self._credentials.lend(self.target.name, self.agent.id, show=self._show.id) as credential:
                    await self._broadcast_until_the_end(credential)
            except GivenUpError as exc:
                self._problem = exc.reason
                logger.warning("target_given_up", reason=exc.reason)
            except BroadcastError as exc:
                self._problem = exc.reason
                logger.error("broadcast_impossible", error=exc.reason)  # noqa: TRY400 - the cause is in the message
            finally:
                self._rooms.close(self.agent.id)
            await self._say_down(self._problem or "ended", final=True)
        return self._report()

    async def _broadcast_until_the_end(self, credential: Credential) -> None:
        """Keep on air, but not for ever: a target that is away must not hold up the end of the show."""
        patience = asyncio.timeout(None)
        try:
            async with patience, alongside(self._lose(patience), self._pass_on_remarks(), self._pass_on_counts()):
                await self._keep_on_air(credential)
        except TimeoutError:
            if not patience.expired():
                raise
            self._problem = self._last_problem or "the show ended before everything was delivered"

    async def _lose(self, patience: asyncio.Timeout) -> None:
        """Run out of patience some time after the show's end, at once where there was never a connection."""
        await self._progress.follow(self._log)
        if self.live.is_set():
            await self._clock.sleep(self._patience_s())
        patience.reschedule(0)

    def _patience_s(self) -> float:
        """Return for how long a connection goes on after the show's end: less the longer it has been off the air."""
        limits = self._limits
        if self._on_air:
            return limits.ending_timeout_s
        away_s = self._clock.monotonic() - self._went_off_air
        return max(limits.away_timeout_s, limits.ending_timeout_s - away_s)

    async def _pass_on_remarks(self) -> None:
        while True:
            await self._on_remark(await self._remarks.get())
            self._remarks_taken += 1

    async def _pass_on_counts(self) -> None:
        while True:
            counted = await self._counts.get()
            if self._votes is not None:
                await self._votes.count(self.target.name, counted.vote, dict(counted.counts))

    async def _keep_on_air(self, credential: Credential) -> None:
        identity = self._admission.identity(credential)
        while True:
            try:
                async with open_socket(self.target, clock=self._clock, limits=self._limits) as socket:
                    machine = ClientMachine(identity, max_frame_bytes=self._limits.max_frame_bytes)
                    session = Session(
                        socket,
                        machine,
                        target=self.target.name,
                        clock=self._clock,
                        limits=self._limits,
                        on_reply=self._hear,
                    )
                    try:
                        async with alongside(session.read()):
                            await self._perform(session)
                    except (asyncio.CancelledError, LogError):
                        await session.say_goodbye("interrupted")
                        raise
                    await session.say_goodbye("completed")
                    return
            except (DroppedError, MisplacedError) as exc:
                if isinstance(exc, MisplacedError) and not self.live.is_set():
                    raise  # a wrong address; of one that has been right, an odd answer is not the last word
                await self._go_off_air(exc.reason)
            if self._feed is not None and self._feed.is_finished:
                return  # no room is opened for nothing
            await self._clock.sleep(self._backoff.next_s())

    # -- one socket ----------------------------------------------------------------------------------------------

    async def _perform(self, session: Session) -> None:
        """Register, go live, say everything; with a new room, on the same socket, when the server has lost ours."""
        machine = session.machine
        while True:
            if machine.state is State.OPEN:
                await self._admission.register(
                    session, resume_room=self._resumable_room, resume_show=self._earlier is not None
                )
            if machine.state is State.REGISTERED:
                await self._progress.until(self._earlier.sent if self._earlier else 0)
                self._perseverance.check(
                    has_had_rooms=self._parts > 0,
                    resumes=RESUME in machine.features,
                    position=self._outbox.own_position,
                )
                await self._admission.start(session, part=self._parts + 1)
            feed = await self._go_on_air(machine)
            try:
                async with alongside(session.beat(), *self._directed(session)):
                    await feed.run(session)
            except UnknownAgentError as exc:
                machine.forget()
                reason = exc.reason
            except RoomLostError as exc:
                reason = exc.reason
            else:
                return
            await self._go_off_air(reason)
            await self._clock.sleep(self._backoff.next_s())

    def _directed(self, session: Session) -> list[Coroutine[Any, Any, None]]:
        """Return what lets producers at the target direct the show, where they may."""
        if self._direction is None or CONTROL not in session.machine.features:
            return []
        return [self._direction.run(session)]

    async def _go_on_air(self, machine: ClientMachine) -> Feed:
        self._dialect = machine.dialect.value if machine.dialect else ""
        self._resumable_room = machine.room if RESUME in machine.features else ""
        if machine.resumed_ref is None:
            self._parts += 1
        self._perseverance.note_room(resumed=machine.resumed_ref is not None)
        if machine.resumed_ref is None or not self._opened or self._opened[-1] != machine.room:
            self._opened.append(machine.room)
        self._backoff.reset()
        self._on_air, self._last_problem = True, ""
        self._feed = self._feed_for(machine.dialect)
        if machine.dialect is Dialect.STAGE:  # on a Pulsar server the feed does it, in its own time
            self._rooms.open(self.agent.id, machine.room, wire_id=machine.identity.agent_id)
        if self._votes is not None and VOTES in machine.features:
            self._votes.takes_votes(self.target.name)
        self.live.set()
        logger.info("on_air", room=machine.room, dialect=self._dialect, part=self._parts)
        await self._on_state(
            ConnectionUp(
                at=self._clock.now(),
                agent=self.agent.id,
                target=self.target.name,
                room=machine.room,
                dialect=self._dialect,
                part=max(self._parts, 1),
            )
        )
        return self._feed

    async def _go_off_air(self, reason: str) -> None:
        self._rooms.close(self.agent.id)
        if self._on_air and self._feed is not None:
            self._perseverance.note_loss(has_backlog=self._feed.has_backlog)
        await self._say_down(reason, final=False)

    async def _say_down(self, reason: str, *, final: bool) -> None:
        """Say it once: a target that stays down is not news every minute."""
        if not final and not self._on_air and reason == self._last_problem:
            return
        if self._on_air:
            self._went_off_air = self._clock.monotonic()
        self._on_air, self._last_problem = False, reason
        logger.info("off_air", reason=reason, final=final)
        await self._on_state(
            ConnectionDown(
                at=self._clock.now(),
                agent=self.agent.id,
                target=self.target.name,
                reason=reason,
                sent=self._tally.sent,
                delivered=self._tally.delivered,
                final=final,
            )
        )

    # -- what comes ----------------------------------------------------------------------------------------------

    def _hear(self, reply: Reply, machine: ClientMachine) -> None:
        self._admission.hear(reply)
        if self._feed is not None:
            self._feed.hear(reply, machine)
        if machine.state is not State.LIVE:
            return
        if isinstance(reply, LiveUpdate | ViewerContext) and reply.room in {"", machine.room}:
            self.viewers = self.viewers if reply.viewers is None else reply.viewers
        if isinstance(reply, VoteCounted) and reply.room in {"", machine.room} and not self._counts.full():
            self._counts.put_nowait(reply)
        if isinstance(reply, ControlOrdered | DeskWanted) and reply.room == machine.room and self._direction:
            self._direction.hear(reply)
        for remark in self._sieve.sift(reply, room=machine.room):
            try:
                self._remarks.put_nowait(remark)
            except asyncio.QueueFull:
                self._remarks_dropped += 1
                if self._remarks_dropped == 1:
                    logger.warning("remarks_dropped", waiting=_REMARKS_WAITING)

    # -- what it is made of --------------------------------------------------------------------------------------

    def _feed_for(self, dialect: Dialect | None) -> Feed:
        kind: type[Feed] = ShowFeed if dialect is Dialect.STAGE else LineFeed
        if kind not in self._feeds:
            self._feeds[kind] = self._make_feed(dialect)
        return self._feeds[kind]

    def _make_feed(self, dialect: Dialect | None) -> Feed:
        if dialect is Dialect.STAGE:
            return ShowFeed(
                show=self._show.id,
                target=self.target.name,
                agent=self.agent.id,
                lead=self._cast[0].id,
                air_thoughts=self._air_thoughts,
                rooms=self._rooms,
                log=self._log,
                clock=self._clock,
                limits=self._limits,
                tally=self._tally,
                sent=self._earlier.sent if self._earlier else 0,
            )
        return LineFeed(
            show=self._show.id,
            target=self.target.name,
            agent=self.agent.id,
            outbox=self._outbox,
            rooms=self._rooms,
            mirror=self.target.mirror,
            log=self._log,
            clock=self._clock,
            limits=self._limits,
            tally=self._tally,
            preface=self._preface,
        )

    def _preface(self) -> tuple[str, int]:
        """Return what the room that was opened last says first, and for which turn."""
        text = self._progress.continuation() if self._parts > 1 else ""
        return text, max(self._progress.turn - 1, 0)

    def _report(self) -> DeliveryReport:
        return DeliveryReport(
            agent=self.agent.id,
            target=self.target.name,
            dialect=self._dialect,
            rooms=tuple(self._opened),
            sent=self._tally.sent,
            delivered=self._tally.delivered,
            mirrored=self._tally.mirrored,
            given_up=self._outbox.given_up,
            refused=self._tally.refused,
            remarks=self._remarks_taken,
            problem=self._problem,
        )
