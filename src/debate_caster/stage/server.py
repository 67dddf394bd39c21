"""The stage as a whole: opens the port, ties the parts together, and closes them in the right order."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from debate_caster.addresses import is_loopback
from debate_caster.clock import Clock, SystemClock
from debate_caster.errors import SetupError
from debate_caster.figures import Figure
from debate_caster.log import EventLog
from debate_caster.stage.agents import Agents
from debate_caster.stage.box_office import BoxOffice
from debate_caster.stage.host_policy import HostPolicy, host_names, own_names
from debate_caster.stage.http import Routes
from debate_caster.stage.metrics import Counters, LoopLag
from debate_caster.stage.playbill import Playbill
from debate_caster.stage.previews import frame_policy
from debate_caster.stage.programme import Programme
from debate_caster.stage.public_address import public_origin
from debate_caster.stage.tokens import TokenDesk
from debate_caster.stage.viewers import Audience

__all__ = ["Stage", "StageLimits", "open_stage"]

logger = structlog.get_logger()

USER_TIMEOUT_MS = 15_000
"""After so long without the peer's kernel taking a byte the connection is dead (TCP_USER_TIMEOUT): the second line
against who does not read, also where we can't look at the buffer."""

SEND_BUFFER = 256 * 1024
"""Bytes that the kernel keeps for one who does not read, twice that with its own book-keeping: left to itself it goes
up to some 4 MiB for each, which no limit of ours would see."""

BACKLOG = 1024
"""Connections that may wait to be accepted: a page's worth of viewers coming back at once."""

IDLE_S = 30.0
"""How long a connection may take to send the head of a request, also a next one: a page asks again within seconds, and
one that sends a byte now and then is after our file descriptors."""

SETTLE_S = 2.0
"""How long the last events may take to reach the log when the stage closes."""


@dataclass(frozen=True, slots=True)
class StageLimits:
    """How much of everything a stage takes before it says 503 (or ``broadcast_denied``)."""

    viewers: int = 20_000
    viewers_per_address: int = 2_000
    agents: int = 1_000
    agents_per_address: int = 500
    shows: int = 500


class Stage:
    """An open stage. Made by ``open_stage``."""

    def __init__(
        self,
        host: str,
        port: int,
        programme: Programme,
        audience: Audience,
        counters: Counters,
        *,
        tokens: TokenDesk | None,
        tickets: TokenDesk | None,
    ) -> None:
        self.host, self.port, self.counters, self.tokens = host, port, counters, tokens
        self._tickets = tickets
        self._programme, self._audience = programme, audience

    @property
    def url(self) -> str:
        """Where people find it: ``http://127.0.0.1:8765``."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", ""} else "::1" if self.host == "::" else self.host  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def agents_url(self) -> str:
        """Where agents connect."""
        return f"ws{self.url.removeprefix('http')}/ws"

    @property
    def viewers(self) -> int:
        """How many watch, over all shows."""
        return len(self._audience)

    def show_url(self, show: str) -> str:
        """Return the address of a show's page."""
        return f"{self.url}/shows/{show}"

    def invitation(self, show: str, *, lasting: timedelta = timedelta(hours=12)) -> str:
        """Return the address of a show's page for one browser: with a ticket, where the stage wants one."""
        if self._tickets is None:
            return self.show_url(show)
        return f"{self.show_url(show)}#ticket={self._tickets.issue('viewer', lasting=lasting, show=show)}"

    async def replay(self, show: str, *, speed: float = 1.0) -> str:
        """Air a past show again, ``speed`` times as fast; return the id of the show that this is, as soon as it is on.

        Raises:
            SetupError: There is no such show, or ``speed`` is not above 0.
            LogError: The log can't be read or written.
        """
        return (await self._programme.replay(show, speed=speed)).id

    @property
    def shows_on(self) -> int:
        """How many shows are on, from whatever caster."""
        return len(self._programme.live)

    async def wind_down(self) -> None:
        """Be ready no more, and wait until the shows that are on now are over; all goes on working meanwhile."""
        self._programme.winding_down = True
        for show in list(self._programme.live.values()):
            await show.over.wait()

    async def wait_over(self, show: str) -> None:
        """Wait until a show is over and everybody has been told; at once for one that is not live."""
        if live := self._programme.live.get(show):
            await live.over.wait()


@asynccontextmanager
async def open_stage(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    log: EventLog,
    clock: Clock | None = None,
    limits: StageLimits = StageLimits(),
    allow_public: bool = False,
    allowed_hosts: frozenset[str] = frozenset(),
    allowed_origins: frozenset[str] = frozenset(),
    frame_origins: frozenset[str] = frozenset(),
    public_url: str = "",
    tokens: TokenDesk | None = None,
    tickets: TokenDesk | None = None,
    open_to_agents: bool = False,
    playbill: Playbill | None = None,
    figures: Sequence[Figure] = (),
    metrics_token: str = "",
    chance: random.Random | None = None,
) -> AsyncIterator[Stage]:
    """Open a stage on ``host`` and ``port`` (0 for any free one); leaving the block closes it, but not the log.

    ``allowed_origins`` are those of foreign pages that may watch and give hints (``https://example.org``);
    ``frame_origins`` those whose pages may show ours in a frame; ``allowed_hosts`` the names it goes by besides
    loopback ones, that of ``public_url`` and, where others reach it and it has none, the machine's own. ``public_url``
    is its address for the world where a proxy stands before it (``https://debates.example``): what feeds and link
    previews lead to. With ``tokens`` only agents that bring one are let in; without, a ``host`` that is not loopback
    must be said to be ``open_to_agents``. ``playbill`` says what is coming, ``chance`` picks the agents in the audience
    who are asked to react.

    ``figures`` are what others in the process count: ``/metrics`` has them besides the stage's own, for whoever brings
    the ``metrics_token``. Without one anybody reads ``/metrics``, which on a stage for others has the stage's own only.

    Raises:
        SetupError: The port can't be had, ``host`` is not loopback and nobody said ``allow_public``, or who may
            broadcast there, or what is to be an ``allowed_hosts``, ``frame_origins`` or ``public_url`` is none.
        LogError: The log can't be read.
    """
    clock = clock or SystemClock()
    framing = frame_policy(frame_origins)
    public_url = public_origin(public_url) if public_url else ""
    names = host_names(allowed_hosts)
    failure: Exception | None = None
    if not (tokens or open_to_agents or is_loopback(host)) and allow_public:
        raise SetupError(
            f"a stage on {host or 'every interface'} is not open to every agent unasked", "Ask them for tokens."
        )
    listener = await _listen(host, port, allow_public=allow_public)
    try:
        counters = Counters()
        async with asyncio.TaskGroup() as tasks:
            programme = Programme(
                log,
                clock=clock,
                counters=counters,
                tasks=tasks,
                max_shows=limits.shows,
                chance=chance or random.Random(),  # noqa: S311 - whose turn it is, not a secret
            )
            await programme.load()
            agents = Agents(
                programme,
                clock=clock,
                counters=counters,
                tasks=tasks,
                max_agents=limits.agents,
                max_agents_per_address=limits.agents_per_address,
                tokens_of_agents=tokens,
                private=tickets is not None,
            )
            box_office = BoxOffice(tickets, log, clock) if tickets is not None else None
            audience = Audience(
                programme,
                clock=clock,
                tasks=tasks,
                max_viewers=limits.viewers,
                max_viewers_per_address=limits.viewers_per_address,
                box_office=box_office,
            )
            programme.on_lost = audience.leave_lost_show
            public = not is_loopback(host)
            ours = frozenset({public_url} if public_url else ())
            names |= {urlsplit(url).hostname or "" for url in ours} or (own_names(host) if public else frozenset())
            host_policy = HostPolicy(names, allowed_origins | ours, addresses=public)
            lag = LoopLag(clock)
            ours_to_see = not public and not public_url
            routes = Routes(
                programme=programme,
                agents=agents,
                audience=audience,
                counters=counters,
                host_policy=host_policy,
                clock=clock,
                framing=framing,
                box_office=box_office,
                playbill=playbill,
                public_url=public_url,
                figures=[lag.spread, *(figures if metrics_token or ours_to_see else ())],
                metrics_token=metrics_token,
            )
            # handler_cancellation: an SSE viewer that hangs up is only noticed this way.
            runner = web.AppRunner(
                routes.application(),
                access_log=None,
                handler_cancellation=True,
                shutdown_timeout=1.0,
                keepalive_timeout=IDLE_S,
            )
            await runner.setup()
            keepers = [tasks.create_task(work) for work in (audience.keep_alive(), lag.feel())]
            try:
                await web.SockSite(runner, listener, backlog=BACKLOG).start()
                stage = Stage(
                    host, listener.getsockname()[1], programme, audience, counters, tokens=tokens, tickets=tickets
                )
                logger.info("stage_opened", url=stage.url)
                yield stage
            except Exception as exc:  # noqa: BLE001 - the caller's own: raised again below; a TaskGroup would wrap it
                failure = exc
            finally:
                for keeper in keepers:
                    keeper.cancel()
                await _close(runner, programme, agents, audience)
                logger.info("stage_closed")
        if failure is not None:
            raise failure
    finally:
        listener.close()


async def _close(runner: web.AppRunner, programme: Programme, agents: Agents, audience: Audience) -> None:
    """Agents first, so that what they said last is aired; then viewers, once they have got it; then the shows."""
    for site in list(runner.sites):
        await site.stop()
    await agents.close()
    try:
        async with asyncio.timeout(SETTLE_S):
            for show in list(programme.live.values()):
                await show.air.settled()
    except TimeoutError:
        logger.warning("events_not_logged", shows=[show.id for show in programme.live.values() if show.air.pending])
    await audience.close()
    await programme.close()
    await runner.cleanup()


async def _listen(host: str, port: int, *, allow_public: bool) -> socket.socket:
    if not allow_public and not is_loopback(host):
        raise SetupError(
            f"the stage is not opened on {host or 'every interface'!s} unasked: anybody there could broadcast",
            "Use 127.0.0.1, or say that the stage is to be public.",
        )
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as exc:
        raise SetupError(f"{host!r} is not an address of this machine ({exc.strerror})") from exc
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # connections inherit both
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        listener.setblocking(False)
        listener.bind(address)
    except OSError as exc:
        listener.close()
        cure = "Name another port, or 0 for any free one." if port else "Name an address of this machine."
        raise SetupError(f"port {port} on {host} can't be had ({exc.strerror})", cure) from exc
    return listener
