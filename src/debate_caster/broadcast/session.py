"""One socket's life as an agent: what is sent through it, what comes back, and whether anybody is still there.

A session keeps the frame rate, asks for proof of delivery and notices silence. It does not reconnect and does not know
what there is to say.

Proof of delivery: a server handles the frames of a socket in order, so the pong to a ping sent after a line says that
the line was taken, and a warning that came before the pong was meant for it. v1 forgets an agent while its socket stays
open, and still pongs; there a heartbeat goes between line and ping, which only an agent that it knows gets answered.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from debate_caster.broadcast.socket import DroppedError, receive, transmit
from debate_caster.broadcast.target import ConnectionLimits
from debate_caster.clock import Clock
from debate_caster.pulsar.client import ClientMachine, Dialect, State
from debate_caster.pulsar.frames import FrameError
from debate_caster.pulsar.messages import TEXT_ACK
from debate_caster.pulsar.replies import ErrorReported, HeartbeatAcked, Reply, WarningGiven

__all__ = ["Session", "UnknownAgentError"]

logger = structlog.get_logger()

_ACK_GRACE_S = 2.0
"""How long a heartbeat's answer may come after the pong that follows it: some proxies answer pings themselves."""

_LOGGED_COMPLAINTS = 20
"""Different complaints logged for one socket; a hostile server could make up any number."""


class UnknownAgentError(DroppedError):
    """The server does not know the agent any more although the socket is open."""


class Session:
    """One open socket and its protocol machine. ``on_reply`` is called, synchronously, with everything that comes."""

    def __init__(
        self,
        socket: ClientConnection,
        machine: ClientMachine,
        *,
        target: str,
        clock: Clock,
        limits: ConnectionLimits,
        on_reply: Callable[[Reply, ClientMachine], None],
    ) -> None:
        self.machine = machine
        self._socket, self._target, self._clock, self._limits = socket, target, clock, limits
        self._on_reply = on_reply
        self._news = asyncio.Event()
        self._recent_frames: deque[float] = deque(maxlen=limits.messages_per_s)
        self._sending = asyncio.Lock()
        self._exchange = asyncio.Lock()
        self._complaints: list[WarningGiven | ErrorReported] = []
        self._heartbeats_acked = 0
        self._logged: set[str] = set()

    # -- in ------------------------------------------------------------------------------------------------------

    async def read(self) -> None:
        """Take in frames for ever.

        Never waits but for the next frame: a pong is looked at by another task, which relies on everything that came
        before it having been taken in.

        Raises:
            DroppedError: The connection is closed.
        """
        while True:
            self._take(await receive(self._socket, target=self._target))

    def _take(self, raw: str | bytes) -> None:
        try:
            reply = self.machine.receive(raw)
        except FrameError as exc:
            self._log_once("bad_frame_received", exc.detail)
            return
        if isinstance(reply, WarningGiven | ErrorReported):
            self._complaints.append(reply)
            self._log_once("peer_complained", reply.code)
        elif isinstance(reply, HeartbeatAcked):
            self._heartbeats_acked += 1
        self._on_reply(reply, self.machine)
        self._news.set()

    def _log_once(self, event: str, detail: str) -> None:
        if detail not in self._logged and len(self._logged) < _LOGGED_COMPLAINTS:
            self._logged.add(detail)
            logger.warning(event, target=self._target, detail=detail)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until ``condition`` holds; it is asked again after each frame that came.

        Raises:
            DroppedError: It does not within the reply timeout; ``what`` says what was missing.
        """
        try:
            async with self._clock.timeout(self._limits.reply_timeout_s):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as exc:
            problem = f"no {what} within {self._limits.reply_timeout_s:g} s"
            raise DroppedError(self._target, problem) from exc

    # -- out -----------------------------------------------------------------------------------------------------

    async def send(self, frame: str) -> None:
        """Send a frame, as soon as the rate allows; frames keep their order.

        A peer that acknowledges needs no rate: it takes what it can, and the feed waits for its acknowledgements.

        Raises:
            DroppedError: The connection is closed, or takes nothing within the reply timeout.
        """
        async with self._sending:
            if len(self._recent_frames) == self._limits.messages_per_s and TEXT_ACK not in self.machine.features:
                await self._clock.sleep_until(self._recent_frames[0] + 1.0)
            try:
                async with self._clock.timeout(self._limits.reply_timeout_s):
                    await transmit(self._socket, frame, target=self._target)
            except TimeoutError as exc:
                raise DroppedError(self._target, "the peer takes nothing") from exc
            self._recent_frames.append(self._clock.monotonic())

    async def ping(self) -> asyncio.Future[float]:
        """Ask for a pong; the future is done when it has come.

        Raises:
            DroppedError: The connection is closed, or takes nothing.
        """
        try:
            async with self._clock.timeout(self._limits.reply_timeout_s):
                return asyncio.ensure_future(await self._socket.ping())
        except ConnectionClosed as exc:
            raise DroppedError(self._target, "the connection broke") from exc
        except TimeoutError as exc:
            raise DroppedError(self._target, "the peer takes nothing") from exc

    async def deliver(self, frame: str) -> tuple[WarningGiven | ErrorReported, ...]:
        """Send a frame and wait until it was taken; return what the server had to say against it, mostly nothing.

        Raises:
            UnknownAgentError: The server has forgotten the agent; the frame went nowhere.
            DroppedError: The connection was lost; nobody knows whether the frame arrived.
        """
        async with self._exchange:
            self._complaints.clear()
            await self.send(frame)
            await self._prove(self.machine.dialect is Dialect.V1)
            return tuple(self._complaints)

    async def beat(self) -> None:
        """Say for ever that we are there, and notice when nobody else is.

        Raises:
            UnknownAgentError: The server has forgotten the agent.
            DroppedError: The connection was lost.
        """
        while True:
            await self._clock.sleep(self._limits.heartbeat_interval_s)
            if self.machine.state in {State.REGISTERED, State.LIVE}:
                async with self._exchange:
                    await self._prove(True)

    async def _prove(self, with_heartbeat: bool) -> None:
        acked, complaints = self._heartbeats_acked, len(self._complaints)
        if with_heartbeat:
            await self.send(self.machine.heartbeat())
        await self._pong()
        if not with_heartbeat or self._heartbeats_acked > acked or len(self._complaints) > complaints:
            return  # a complaint may have been about the heartbeat: then there is no answer to it
        if self.machine.dialect is not Dialect.V1 and not acked:
            return  # a server that never answered one
        try:
            async with self._clock.timeout(_ACK_GRACE_S):
                while self._heartbeats_acked == acked:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as exc:
            raise UnknownAgentError(self._target, "the server has forgotten the agent") from exc

    async def _pong(self) -> None:
        try:
            async with self._clock.timeout(self._limits.reply_timeout_s):
                await (await self.ping())
        except ConnectionClosed as exc:
            raise DroppedError(self._target, "the connection broke") from exc
        except TimeoutError as exc:
            raise DroppedError(self._target, f"no pong within {self._limits.reply_timeout_s:g} s") from exc
        await self._clock.sleep(0)  # let the reader take in what came just before the pong

    # -- the end -------------------------------------------------------------------------------------------------

    async def say_goodbye(self, reason: str) -> None:
        """End the broadcast as far as that is possible within the goodbye timeout. ``read`` must not be running."""
        if self.machine.state is not State.LIVE:
            return
        try:
            async with self._clock.timeout(self._limits.goodbye_timeout_s):
                await transmit(self._socket, self.machine.end(reason), target=self._target)
                if self.machine.dialect is not Dialect.V1:  # which never says that a broadcast has ended
                    await self._hear_it_ended()
        except (TimeoutError, DroppedError):
            logger.info("goodbye_unheard", target=self._target)

    async def _hear_it_ended(self) -> None:
        try:
            async with self._clock.timeout(self._limits.ended_timeout_s):
                while self.machine.state is not State.ENDED:
                    self._take(await receive(self._socket, target=self._target))
        except TimeoutError:
            pass  # not every server says so, and nothing depends on it
