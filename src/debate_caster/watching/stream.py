"""A show's events over a WebSocket that heals itself: each once and in order, however often the line is cut.

The Python counterpart of the pages' ``event-stream.js``, by the same rules.
"""

import json
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Any, Literal, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from debate_caster.clock import Clock, SystemClock
from debate_caster.errors import SetupError, WatchError
from debate_caster.watching.address import StageAddress
from debate_caster.watching.reader import Frame, PositionLostError, Reader

__all__ = ["EventStream", "Status", "watch"]

FINAL_CLOSE_CODES = frozenset({1008, 1009, 4400, 4401, 4403, 4404, 4408, 4429})
"""Trying again would not help (docs/protocol.md, "Close codes"); 1008 is what proxies say."""

FIRST_RETRY_S, LONGEST_RETRY_S = 0.25, 15.0
"""First wait before a reconnect, and the longest; doubled each time, the upper half of it random."""

OPEN_TIMEOUT_S = 10.0
PING_EVERY_S = 20.0
"""Between pings, and how long their pong may take: a line that is dead without a word is found within twice that."""

CLOSING_TIMEOUT_S = 2.0
MAX_FRAME = 4 * 2**20

NO_ADMISSION = 4403

LINGER_S = 75.0
"""How long after ``show_ended`` a room may stay open before we stop waiting for it: a stage waits 60 s for an agent."""

_WORDS = {
    4401: "the ticket has expired",
    4400: "it does not understand the request",
    NO_ADMISSION: "it does not let us in",
    4404: "there is no such show, or it is no longer kept",
}


@dataclass(frozen=True, slots=True)
class Status:
    """How the connection stands. ``retry_in_s`` is set while ``waiting`` for another attempt; ``detail`` says why."""

    kind: Literal["connecting", "connected", "waiting", "closed"]
    detail: str = ""
    retry_in_s: float | None = None


def watch(
    url: str,
    show: str | None = None,
    *,
    room: str | None = None,
    speaker: str | None = None,
    types: Sequence[str] = (),
    after: int = 0,
    notices: bool = False,
    ticket: str = "",
    session: str = "",
    on_status: Callable[[Status], None] | None = None,
    clock: Clock | None = None,
    random: Random | None = None,
) -> "EventStream":
    """Watch a show from a program.

    ``async for event in watch("http://127.0.0.1:8765", "demo-1")`` is all there is to it. The events are those of
    docs/protocol.md, section 3, as dictionaries, from sequence number ``after`` + 1 on: history first, then live, until
    the show is over. After a cut line the stream goes on where it was. The stage may lose the position, by losing its
    log: then comes ``{"type": "reset"}``, and the events start again from 1.

    Args:
        url: Address of the stage, or of a show's page on it.
        show: The show's id; by default the page's, otherwise the newest live one, kept over reconnects.
        room: Only events of this room, and of none.
        speaker: Only events of this agent, and of nobody.
        types: Only events of these types; by default all but thoughts and tools, ``["*"]`` is all.
        after: The last sequence number already known.
        notices: Also give the frames that are no events: ``hello``, ``viewers``, ``hint_received``, ``hint_fate``,
            ``error``. They have no ``seq`` and are not repeated.
        ticket: What a stage with tickets wants from a viewer; good for one time, after which ``session`` of the
            stream lets in again.
        session: One that an earlier stream was given for its ticket.
        on_status: Called whenever the connection's state changes; is not to raise.
        clock: What to wait by.
        random: Spreads reconnects.

    Raises:
        SetupError: The address is none of a stage; or ``show`` is another one than the page's.
    """
    address = StageAddress.of(url)
    if show is not None and address.show not in (None, show):
        raise SetupError(f"{url} is the page of another show than {show!r}", "Name one of them.")
    return EventStream(
        address,
        show or address.show,
        room=room,
        speaker=speaker,
        types=types,
        after=after,
        notices=notices,
        ticket=ticket,
        session=session,
        on_status=on_status,
        clock=clock or SystemClock(),
        random=random or Random(),  # noqa: S311 - spreads reconnects, guards nothing
    )


class EventStream:
    """Made by ``watch``. An async iterator of one reader; as an async context manager it closes its connection."""

    def __init__(
        self,
        address: StageAddress,
        show: str | None,
        *,
        room: str | None,
        speaker: str | None,
        types: Sequence[str],
        after: int,
        notices: bool,
        ticket: str,
        session: str,
        on_status: Callable[[Status], None] | None,
        clock: Clock,
        random: Random,
    ) -> None:
        self._address, self._room, self._speaker, self._notices = address, room, speaker, notices
        self._reader = Reader(after=after, room=room, speaker=speaker, types=types)
        self._reader.show = show
        self._ticket, self._session = ticket, session
        self._on_status, self._clock, self._random = on_status, clock, random
        self._socket: ClientConnection | None = None
        self._ready: deque[Frame] = deque()
        self._attempt = 0
        self._ended_at: float | None = None
        self._greeted = False
        self._closed = False

    @property
    def show(self) -> str | None:
        """The show's id; None until the stage has said which one is the newest."""
        return self._reader.show

    @property
    def session(self) -> str:
        """What lets this viewer in again on a stage with tickets, a secret; "" where none was given or wanted."""
        return self._session

    @property
    def summary(self) -> Mapping[str, Any]:
        """What the stage said of the show when it last greeted us (docs/protocol.md, section 2); empty before."""
        return self._reader.summary

    @property
    def viewers(self) -> int | None:
        """How many watch, as far as is known."""
        return self._reader.viewers

    @property
    def position(self) -> int:
        """Sequence number of the last event; what ``after`` is to be to go on from here."""
        return self._reader.position

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """Wait for the next event; safe to cancel.

        Raises:
            StopAsyncIteration: The show is over, or the stream was closed.
            WatchError: The stage turned us away for good: no such show, no such address, not let in.
        """
        while not self._ready:
            if self._closed or self._reader.over:
                await self.aclose()
                raise StopAsyncIteration
            if self._socket is None:
                await self._connect()
            else:
                await self._read(self._socket)
        return self._ready.popleft()

    async def send(self, action: Mapping[str, Any]) -> bool:
        """Say something to the stage, such as ``{"type": "hint", "text": …}``; False where there is no connection.

        What becomes of it is told by notices.
        """
        if self._socket is None:
            return False
        try:
            await self._socket.send(json.dumps(action))
        except ConnectionClosed:
            return False
        return True

    async def aclose(self) -> None:
        """Hang up; the iteration ends. Safe to call twice."""
        if not self._closed:
            self._closed = True
            await self._hang_up()
            self._tell(Status("closed"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- one connection after the other --------------------------------------------------------------------------

    async def _connect(self) -> None:
        reader = self._reader
        url = self._address.watch_url(
            show=reader.show,
            room=self._room,
            speaker=self._speaker,
            types=reader.asked_types,
            after=reader.position,
        )
        self._tell(Status("connecting"))
        self._greeted = False
        try:
            async with self._clock.timeout(OPEN_TIMEOUT_S):
                self._socket = await connect(
                    url,
                    compression=None,
                    proxy=None if self._address.is_loopback else True,
                    open_timeout=None,  # the clock's timeout above is the one that counts
                    ping_interval=PING_EVERY_S,
                    ping_timeout=PING_EVERY_S,
                    close_timeout=CLOSING_TIMEOUT_S,
                    max_size=MAX_FRAME,
                )
        except InvalidURI as exc:
            raise SetupError(f"{self._address.base} is not the address of a stage: {exc}") from exc
        except InvalidStatus as exc:
            status = exc.response.status_code
            if 400 <= status < 500 and status not in (408, 425, 429):
                detail = f"it answered with HTTP status {status}: not a stage, or it does not let us in"
                raise WatchError(self._address.base, detail, code=status) from exc
            await self._wait(f"answered with HTTP status {status}")
        except ssl.SSLCertVerificationError as exc:
            raise WatchError(self._address.base, f"its certificate is not valid: {exc.verify_message}") from exc
        except TimeoutError:
            await self._wait(f"no answer within {OPEN_TIMEOUT_S:g} s")
        except (OSError, InvalidHandshake, WebSocketException) as exc:
            await self._wait(f"no connection: {str(exc) or type(exc).__name__}")

    async def _read(self, socket: ClientConnection) -> None:
        """Wait for one frame and take it in."""
        try:
            async with self._clock.timeout(self._patience()):
                raw = await socket.recv()
        except TimeoutError:
            if self._greeted:
                self._reader.over = True
            else:
                await self._wait("it does not greet viewers")
            return
        except ConnectionClosed as exc:
            await self._lose(exc)
            return
        try:
            frames = self._reader.receive(raw)
        except PositionLostError as exc:
            if exc.another_log:
                self._ready.append(self._reader.start_over("epoch"))
                await self._hang_up()
            else:
                await self._wait(str(exc))
            return
        for frame in frames:
            if frame["type"] == "hello":
                await self._greet_back(socket)
            elif frame["type"] == "ticket_wanted":
                await self._show_ticket(socket)
                continue
            elif frame["type"] == "admitted":
                self._session = str(frame.get("session", ""))
                continue
            if "seq" in frame or frame["type"] == "reset" or self._notices:
                self._ready.append(frame)
        if not self._reader.ended:
            self._ended_at = None
        elif self._ended_at is None:
            self._ended_at = self._clock.monotonic()

    async def _greet_back(self, socket: ClientConnection) -> None:
        self._greeted, self._attempt = True, 0
        self._tell(Status("connected"))
        if self._reader.greeted_after_the_end:
            with suppress(ConnectionClosed):  # the next read tells why, and what to do
                await socket.send('{"type":"ping"}')

    async def _show_ticket(self, socket: ClientConnection) -> None:
        if not (self._session or self._ticket):
            await self.aclose()
            raise WatchError(self._address.base, "it lets in viewers who have a ticket", code=NO_ADMISSION)
        shown = {"session": self._session} if self._session else {"ticket": self._ticket}
        with suppress(ConnectionClosed):  # the next read tells why, and what to do
            await socket.send(json.dumps({"type": "ticket", **shown}))

    def _patience(self) -> float | None:
        """Return how long the next frame may take: for ever, unless it is the first or the show has ended."""
        if not self._greeted:
            return OPEN_TIMEOUT_S
        if self._ended_at is None:
            return None
        return max(self._ended_at + LINGER_S - self._clock.monotonic(), 0.0)

    async def _lose(self, closed: ConnectionClosed) -> None:
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        if code in FINAL_CLOSE_CODES:
            await self.aclose()
            raise WatchError(self._address.base, reason or _WORDS.get(code, f"it closed with {code}"), code=code)
        await self._wait(reason or ("the connection broke" if code == 1006 else f"closed with code {code}"))

    async def _wait(self, why: str) -> None:
        """Hang up, and wait for the time of the next attempt."""
        await self._hang_up()
        longest = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(self._attempt, 16))
        wait_s = longest * (0.5 + self._random.random() / 2)
        self._attempt += 1
        self._tell(Status("waiting", why, wait_s))
        await self._clock.sleep(wait_s)

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            with suppress(OSError):
                await socket.close()

    def _tell(self, status: Status) -> None:
        if self._on_status is not None:
            self._on_status(status)
