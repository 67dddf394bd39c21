"""Puts a show together and sees it through: models, the show's log, one connection for each agent and target, the end.

One task group for each show, and everything that the show starts lives in it. Loads nothing and prints nothing: what
it needs it is given.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

import structlog

from debate_caster.broadcast import (
    AgentConnection,
    Credentials,
    DeliveryReport,
    Direction,
    EarlierRun,
    ShowIdentity,
    Target,
    TargetRooms,
    ViewerRemark,
)
from debate_caster.clock import Clock, SystemClock, unhurried
from debate_caster.companions import alongside
from debate_caster.errors import FencedError, LogError
from debate_caster.llm import LLM
from debate_caster.llm.conversation import Reviewer
from debate_caster.llm.retrying import Breakers
from debate_caster.llm.workshop import open_llm, open_reviewers
from debate_caster.log import EventLog
from debate_caster.scenario import Scenario, plan
from debate_caster.show.cast import cast_of
from debate_caster.show.control_desk import ControlDesk, token_digest
from debate_caster.show.director import perform
from debate_caster.show.events import AgentCast, ConnectionDown, ConnectionUp, ShowEnded, decode, stream_of
from debate_caster.show.figures import ShowCount, ShowFigures
from debate_caster.show.hints import HintDesk, Remark
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.show_time import ShowTime
from debate_caster.show.transcript import Transcript
from debate_caster.show.vote_desk import VoteDesk

__all__ = ["ShowOutcome", "new_seed", "new_show_id", "new_show_key", "run_show", "targets_of"]

logger = structlog.get_logger()

LIVE_TIMEOUT_S = 3.0
"""How long a show waits for its targets before it begins: a handshake takes a tenth of that, on a bad line half."""

OPENING_TIMEOUT_S = 0.5
"""How long a show that is stopped before it began waits for rooms that are just being opened."""

INTERRUPTED_TIMEOUT_S = 1.0
"""How long connections may go on delivering once the show was interrupted; then they say goodbye, within 2 s."""


@dataclass(frozen=True, slots=True)
class ShowOutcome:
    """How a show went. ``deliveries`` has one report for each agent and target."""

    show: str
    seed: int
    ended: ShowEnded
    transcript: Transcript
    deliveries: tuple[DeliveryReport, ...]


def new_seed() -> int:
    """Return a seed for a show that nobody gave one; it is logged, so that the show can be rehearsed again."""
    return secrets.randbits(32)


def new_show_id(scenario: Scenario, clock: Clock) -> str:
    """Return ``<scenario>-<yyyymmdd>-<hhmmss>-<4 random>``; two shows at once differ by chance, not by seed."""
    return f"{scenario.key}-{clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def new_show_key() -> str:
    """Return a show's key: whoever has it may open rooms of the show. 192 random bits."""
    return secrets.token_urlsafe(24)


def targets_of(scenario: Scenario) -> tuple[Target, ...]:
    """Return the targets that the scenario itself names."""
    return tuple(
        Target(script.name, script.url, script.token, script.mirror, allow_private=script.allow_private)
        for script in scenario.targets
    )


async def run_show(
    scenario: Scenario,
    *,
    log: EventLog,
    llms: Mapping[str, LLM] | None = None,
    targets: Sequence[Target] = (),
    clock: Clock | None = None,
    seed: int | None = None,
    show_id: str | None = None,
    credentials: Credentials | None = None,
    stop: asyncio.Event | None = None,
    on_state: Callable[[ConnectionUp | ConnectionDown], Awaitable[None]] | None = None,
    producer_token: str = "",
    show_key: str = "",
    figures: ShowFigures | None = None,
) -> ShowOutcome:
    """Perform a scenario from its first word to its last and return how it went.

    A show that ``log`` has and that was broken off goes on: under the same id, key and seed, and with the identities
    that its agents had (``credentials``), so that stages take up its rooms. What was on air is aborted and held again.
    Of one that has ended, what stages have not got yet is delivered.

    Args:
        scenario: As ``load_scenario`` returns it. Its own targets count only when they are in ``targets``.
        log: Where the show's log goes; whoever wants to see the show follows it there.
        llms: A model for each name in ``scenario.models``; without, they are opened and closed here.
        targets: Where the show is broadcast to; none is fine. The show begins once all are live, or after 3 s.
        clock: The machine's by default.
        seed: Makes what is random repeatable.
        show_id: A new one by default.
        credentials: Lends the agents' identities; made up for this show by default.
        stop: Set it to end the show politely: what is on air is cut short, rooms are closed, within 2 s.
        on_state: Awaited when a connection goes on or off the air; before the first word for those that are up by then.
        producer_token: Whoever has it may direct the show on targets that let producers do so; empty for nobody. It is
            to be long and random.
        show_key: A new one by default.
        figures: Counts the show together with others.

    Cancelling ends the broadcasts politely too, but is not the way to end a show.

    Raises:
        SetupError: A model's settings can't work.
        FencedError: Somebody else is writing this show's log.
        LogError: The log failed.
    """
    clock = clock or SystemClock()
    seed = new_seed() if seed is None else seed
    show_id = show_id or new_show_id(scenario, clock)
    with structlog.contextvars.bound_contextvars(show=show_id):
        async with AsyncExitStack() as stack:
            if llms is None:
                llms = await stack.enter_async_context(_opened(scenario, clock, seed))
            reviewers = await stack.enter_async_context(
                open_reviewers(scenario.moderation, scenario.models, clock=unhurried(clock))
            )
            time = ShowTime(clock)
            count = stack.enter_context((figures or ShowFigures()).counting(scenario, time))
            show = _Show(
                scenario,
                show_id,
                seed,
                log,
                clock,
                time,
                count,
                stop or asyncio.Event(),
                on_state,
                producer_token,
                show_key,
            )
            return await show.run(llms, reviewers, targets, credentials or Credentials(None))


@asynccontextmanager
async def _opened(scenario: Scenario, clock: Clock, seed: int) -> AsyncIterator[Mapping[str, LLM]]:
    breakers = Breakers(unhurried(clock))
    async with AsyncExitStack() as stack:
        llms = {}
        for name, script in scenario.models.items():
            pace = clock if script.provider == "rehearsal" else unhurried(clock)
            llms[name] = open_llm(script, clock=pace, seed=seed, breakers=breakers)
            stack.push_async_callback(llms[name].close)
        yield llms


@dataclass(frozen=True, slots=True)
class _Desks:
    """Where connections bring what comes from outside."""

    hints: HintDesk
    votes: VoteDesk
    control: ControlDesk


class _Show:
    """The parts of one show, and how they hear of each other."""

    def __init__(
        self,
        scenario: Scenario,
        show_id: str,
        seed: int,
        log: EventLog,
        clock: Clock,
        time: ShowTime,
        count: ShowCount,
        stop: asyncio.Event,
        on_state: Callable[[ConnectionUp | ConnectionDown], Awaitable[None]] | None,
        producer_token: str,
        show_key: str,
    ) -> None:
        self._scenario, self._id, self._seed = scenario, show_id, seed
        self._log, self._clock, self._stop, self._on_state = log, clock, stop, on_state
        self._time, self._count = time, count
        self._producer = token_digest(producer_token) if producer_token else ""
        self._identity = ShowIdentity(
            show_id, show_key or new_show_key(), scenario.title, scenario.motion, scenario.language, self._producer
        )
        self._states: asyncio.Queue[ConnectionUp | ConnectionDown] = asyncio.Queue()
        self._awaited: set[tuple[str, str]] = set()
        self._ready = asyncio.Event()

    async def run(
        self,
        llms: Mapping[str, LLM],
        reviewers: Sequence[Reviewer],
        targets: Sequence[Target],
        credentials: Credentials,
    ) -> ShowOutcome:
        writer = await ShowLogWriter.open(self._log, self._id, clock=self._clock, on_stored=self._count.take)
        desk = HintDesk(self._scenario, writer, clock=self._clock)
        before = await self._take_over(writer, desk)
        rundown = plan(self._scenario)
        time = self._time
        votes = VoteDesk(self._scenario, rundown, writer, clock=time)
        control = ControlDesk(
            self._scenario, rundown, writer, desk, votes, time=time, clock=unhurried(self._clock), digest=self._producer
        )
        desks = _Desks(desk, votes, control)
        cast = cast_of(self._scenario)
        connections = [
            connection
            for target in targets
            for connection in self._connections(target, cast, desks, credentials, before)
        ]
        self._awaited = {(connection.agent.id, connection.target.name) for connection in connections}
        for agent, target in self._awaited:
            self._count.expect(agent, target)
        logger.info("show_prepared", seed=self._seed, targets=[target.name for target in targets])
        async with alongside(self._note_states(writer)), asyncio.TaskGroup() as tasks:
            broadcasts = [tasks.create_task(connection.run()) for connection in connections]
            if connections:
                await self._until_live()
            ended = await perform(
                self._scenario,
                rundown,
                llms,
                writer,
                desk,
                clock=self._clock,
                random=Random(self._seed),  # noqa: S311 - a show that can be repeated, not a secret
                stop=self._stop,
                seed=self._seed,
                votes=votes,
                control=control,
                reviewers=reviewers,
            )
            await self._until_delivered(broadcasts, ended)
        deliveries = tuple(task.result() for task in broadcasts if not task.cancelled())
        logger.info("show_performed", why=ended.why, detail=ended.detail)
        return ShowOutcome(self._id, self._seed, ended, writer.transcript, deliveries)

    async def _take_over(self, writer: ShowLogWriter, desk: HintDesk) -> Transcript | None:
        """Go on with a show that was broken off; return what it is by then, None where it has not begun."""
        if writer.transcript.started is None:
            return None
        before = await writer.take_over()
        after = 0
        while records := await self._log.read(stream_of(self._id), after):
            after = records[-1].seq
            for record in records:
                desk.recall(decode(record))
        self._count.state = "closing" if before.ended else "paused" if before.paused else "on_air"
        logger.info("show_goes_on", turn=before.next_turn, events=before.seq, epoch=before.epoch)
        return before

    def _connections(
        self,
        target: Target,
        cast: Sequence[AgentCast],
        desks: "_Desks",
        credentials: Credentials,
        before: Transcript | None,
    ) -> list[AgentConnection]:
        parts = dict(before.parts) if before else {}
        sent = 0 if before is None else before.ended.seq - 1 if before.ended else before.seq
        rooms = TargetRooms(cast)
        direction = Direction(
            desks.control, show=self._id, target=target.name, log=self._log, clock=unhurried(self._clock)
        )

        async def offer(remark: ViewerRemark) -> None:
            try:
                await desks.hints.offer(
                    Remark(remark.id, remark.viewer, remark.text, name=remark.name, to=remark.to, source=remark.target)
                )
            except FencedError:
                raise
            except LogError as exc:  # the director meets it too, and knows what to do; a remark is lost, no more
                logger.warning("remark_lost", target=target.name, error=str(exc))

        return [
            AgentConnection(
                agent=agent,
                cast=cast,
                show=self._identity,
                target=target,
                log=self._log,
                credentials=credentials,
                clock=unhurried(self._clock),
                random=Random(f"{self._seed} {target.name} {agent.id}"),  # noqa: S311 - jitter
                rooms=rooms,
                on_remark=offer,
                votes=desks.votes,
                direction=direction if agent is cast[0] and self._producer else None,
                on_state=self._hear_state,
                air_thoughts=self._scenario.audience.air_thoughts,
                earlier=EarlierRun(sent, parts.get((agent.id, target.name), 0)) if before else None,
            )
            for agent in cast
        ]

    async def _hear_state(self, event: ConnectionUp | ConnectionDown) -> None:
        self._count.hear(event)
        if self._on_state is not None:
            await self._on_state(event)
        if isinstance(event, ConnectionUp) or event.final:
            self._awaited.discard((event.agent, event.target))
        if not self._awaited:
            self._ready.set()
        await self._states.put(event)

    async def _until_live(self) -> None:
        """Wait until every connection is live or has given up, but not for long, and not once the show is stopped."""
        async with asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(self._ready.wait()), tasks.create_task(self._stop.wait())]
            # Networks do not run faster for a show that does: real seconds, whatever the clock's speed.
            await asyncio.wait(waits, timeout=LIVE_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            # Even then, what is being opened is to be open, so that it can be closed politely.
            await asyncio.wait(waits[:1], timeout=OPENING_TIMEOUT_S if self._stop.is_set() else 0)
            for wait in waits:
                wait.cancel()
        if self._awaited and not self._stop.is_set():
            logger.warning(
                "beginning_without", connections=sorted(f"{agent}@{target}" for agent, target in self._awaited)
            )

    async def _until_delivered(self, broadcasts: Sequence["asyncio.Task[DeliveryReport]"], ended: ShowEnded) -> None:
        """Let connections bring out what is left; they know themselves when to give up."""
        if ended.why == "interrupted" and broadcasts:
            await asyncio.wait(broadcasts, timeout=INTERRUPTED_TIMEOUT_S)
            for broadcast in broadcasts:
                broadcast.cancel()
        elif broadcasts:
            await asyncio.wait(broadcasts)

    async def _note_states(self, writer: ShowLogWriter) -> None:
        """Write into the show's log what happens to the connections, from its beginning to its end."""
        async with self._log.tail(stream_of(self._id), 0) as records:
            await anext(records)  # a show's log begins with show_started; connections are up before that
        while True:
            event = await self._states.get()
            if writer.transcript.ended is None:
                try:
                    await writer.append(event)
                except FencedError:
                    raise
                except LogError as exc:  # the show ended meanwhile, or the director meets it too
                    logger.warning("connection_state_not_logged", state=event.type, error=str(exc))
