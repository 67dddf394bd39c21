"""Viewers' connections: history and then live, over WebSocket or SSE, and what viewers say.

The seam between the two is gap-free because a viewer becomes live at a sequence number, in one step of the event loop:
history is sent up to where the fan-out stands, and the fan-out goes on from there.
"""

import asyncio
import json
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import WSMsgType, web
from aiohttp.abc import AbstractStreamWriter

from debate_caster.clock import Clock
from debate_caster.errors import ForgottenError, LogError
from debate_caster.stage.ballots import VoteRefusedError
from debate_caster.stage.box_office import BoxOffice, TurnedAwayError
from debate_caster.stage.close_codes import ViewerClose
from debate_caster.stage.fan_out import (
    CLOSE,
    PING,
    PONG,
    Encoding,
    Viewer,
    abort,
    control_frame,
    encode,
    json_frame,
)
from debate_caster.stage.hints import HintRefusedError, network_of
from debate_caster.stage.programme import Programme
from debate_caster.stage.rates import Bucket
from debate_caster.stage.refusals import RefusedError
from debate_caster.stage.selection import Selection
from debate_caster.stage.shows import Show
from debate_caster.stage.tokens import Token, TokenRefusedError
from debate_caster.stage.vocabulary import json_bytes

__all__ = ["Audience", "Position", "position_of"]

logger = structlog.get_logger()

MAX_MESSAGE = 16 * 1024
"""Bytes of what a viewer may say at once; a hint has 500 characters."""

MESSAGE_BURST, MESSAGES_PER_S = 40, 5.0
"""How many messages of any kind a viewer may send before it is closed, pongs that nobody asked for among them; a page
sends one every few seconds."""

STALLED_S = 15.0
"""How long a viewer may take to read a piece of history before it is cut."""

ROUND_S = 20.0
STEP_S = 0.1
"""Everybody is pinged once a round, some at each step: 5,000 pings at one instant would hold the loop for 100 ms, which
is what timers of the connections' own come to. Proxies give up after 30 to 60 s of silence."""

_COMMENT = b": still here\n\n"

CLOSE_S = 1.0
"""How long a viewer may take to say goodbye when the stage shuts down."""

LEFT_OVER = 64 * 1024
"""Bytes that may still be on their way when an SSE stream ends; with more its viewer is not reading."""

VIEWER_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")

SESSION_CHECK_S = 60.0
"""How often a session's end is looked at again: the wall clock may have been set meanwhile."""

NO_LONGER_KEPT = b"the show is no longer kept"


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on: ``after``, or from the start because of ``reset`` (why, as ``reset.reason`` says it)."""

    after: int
    reset: str = ""


def position_of(value: str | None, show: Show) -> Position:
    """Return the position that a viewer asked for.

    Raises:
        ValueError: It is not a whole number, or below 0.
    """
    if not value:
        return Position(0)
    if not value.isascii() or not value.isdecimal() or len(value) > 30:
        raise ValueError(f"not a position: {value[:40]!r}")
    after = int(value)
    return Position(after) if after <= show.air.head else Position(0, reset="position")


class Audience:
    """Everybody who watches, whichever show."""

    def __init__(
        self,
        programme: Programme,
        *,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        max_viewers: int,
        max_viewers_per_address: int,
        box_office: BoxOffice | None = None,
    ) -> None:
        self.watching: dict[Viewer, tuple[Show, web.WebSocketResponse | None]] = {}
        self._programme, self._clock, self._tasks = programme, clock, tasks
        self._max_viewers, self._max_per_address = max_viewers, max_viewers_per_address
        self._addresses: Counter[str] = Counter()
        self._box_office = box_office
        self._at_the_door = 0

    def __len__(self) -> int:
        return len(self.watching)

    # -- WebSocket -----------------------------------------------------------------------------------------------

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """``GET /watch``: one ``hello``, history, then live until either side closes."""
        self._check_room(request)
        socket = web.WebSocketResponse(
            compress=False, autoclose=False, autoping=False, max_msg_size=MAX_MESSAGE, timeout=CLOSE_S
        )
        writer = await socket.prepare(request)
        if request.transport is None:
            return socket
        session: Token | None = None
        try:
            if self._box_office is not None:
                session = await self._let_in(self._box_office, request, socket)
            show = await self._asked_for(request.query.get("show"))
            if show is None:
                await socket.close(code=ViewerClose.NO_SUCH_SHOW, message=b"no such show")
                return socket
            position = position_of(request.query.get("after"), show)
        except TurnedAwayError as exc:
            await socket.close(code=exc.code, message=str(exc).encode()[:120])
            return socket
        except ValueError as exc:
            await socket.close(code=ViewerClose.BAD_REQUEST, message=str(exc).encode()[:120])
            return socket
        except ForgottenError:
            await socket.close(code=ViewerClose.NO_SUCH_SHOW, message=NO_LONGER_KEPT)
            return socket
        except LogError:
            await socket.close(code=ViewerClose.LOG_GONE, message=b"the log can't be read")
            return socket
        viewer = Viewer(
            request.transport, "websocket", Selection.of(request.query), new_identity(), request.remote or ""
        )
        self._come(viewer, show, socket)
        ending = self._tasks.create_task(self._end_session(session, socket, viewer)) if session else None
        try:
            self._greet(show, viewer, position)
            await self._catch_up(show, viewer, writer, position.after)
            code = await self._listen(socket, show, viewer)
            show.fan_out.leave(viewer)  # nothing may follow the close frame
            if code == ViewerClose.TOO_MANY_MESSAGES:
                await self._show_out(viewer, code)
            else:
                await asyncio.wait_for(socket.close(code=code), 2 * CLOSE_S)
        except ForgottenError:  # removed while it was being read
            await socket.close(code=ViewerClose.NO_SUCH_SHOW, message=NO_LONGER_KEPT)
        except LogError as exc:
            logger.warning("history_unreadable", show=show.id, error=str(exc))
            await socket.close(code=ViewerClose.LOG_GONE, message=b"the log can't be read")
        except (TimeoutError, ConnectionError):
            pass  # it does not take the close frame: it is cut below
        finally:
            if ending is not None:
                ending.cancel()
            self._go(viewer, show)
        return socket

    async def _let_in(self, office: BoxOffice, request: web.Request, socket: web.WebSocketResponse) -> Token | None:
        """Have a viewer show its ticket; return the session that it may stay on, None for a producer.

        Who stands at the door counts as a viewer: nobody holds more connections by never coming in.

        Raises:
            TurnedAwayError: It has none, or one that is not good for this show.
            LogError: The log can't be read or written.
        """
        place, show = network_of(request.remote or ""), request.query.get("show", "")
        self._at_the_door += 1
        self._addresses[place] += 1
        try:
            return await office.admit(
                socket, show, producer=lambda token: self._check_producer(token, show, request.remote or "")
            )
        finally:
            self._at_the_door -= 1
            self._leave_place(place)

    async def _check_producer(self, token: str, show: str, address: str) -> None:
        found = await self._asked_for(show)
        try:
            if found is None:
                raise TokenRefusedError("that is not the token of the show's producer")
            found.producers.admit(token, address)
        except RefusedError as exc:
            raise TokenRefusedError(exc.message) from exc

    async def _end_session(self, session: Token, socket: web.WebSocketResponse, viewer: Viewer) -> None:
        while (left_s := session.expires_at - self._clock.now().timestamp()) > 0:
            await self._clock.sleep(min(left_s, SESSION_CHECK_S))
        await self._send_away(socket, viewer, ViewerClose.SESSION_OVER, b"the ticket has expired")

    async def _listen(self, socket: web.WebSocketResponse, show: Show, viewer: Viewer) -> int:
        """Hear what the viewer says until it closes, or has said too much; return the code to close with."""
        bucket: Bucket | None = None  # most viewers never say a word
        async for message in socket:
            was_asked, viewer.silent = viewer.silent, False
            if message.type is WSMsgType.PONG and was_asked:
                continue
            bucket = bucket or Bucket(MESSAGE_BURST, MESSAGES_PER_S)
            if bucket.take(self._clock.monotonic()):
                return ViewerClose.TOO_MANY_MESSAGES
            if message.type is WSMsgType.TEXT:
                self._hear(show, viewer, message.data)
            elif message.type is WSMsgType.PING:
                viewer.write(control_frame(PONG, message.data))
            elif message.type is WSMsgType.BINARY:
                self._complain(viewer, "bad_request", "Messages are text.")
        return ViewerClose.NORMAL

    async def _show_out(self, viewer: Viewer, code: int) -> None:
        """Say goodbye to one who says too much, and hang up: nothing more of it is read, its own goodbye neither."""
        viewer.transport.write(control_frame(CLOSE, code.to_bytes(2, "big")))
        viewer.transport.pause_reading()
        await self._clock.sleep(CLOSE_S)
        viewer.cut()

    def _greet(self, show: Show, viewer: Viewer, position: Position) -> None:
        hello = {"type": "hello", "show": show.as_json(), "after": position.after, "head": show.air.head}
        self._tell(viewer, {**hello, "epoch": show.air.epoch, "viewer": viewer.identity})
        if position.reset:
            self._tell(viewer, reset_frame(show, position))

    def _hear(self, show: Show, viewer: Viewer, raw: str) -> None:
        try:
            message = json.loads(raw)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._complain(viewer, "bad_request", "Not a JSON object.")
            return
        match message.get("type"):
            case "ping":
                self._tell(viewer, {"type": "pong"})
            case "viewer":
                self._recognise(show, viewer, message.get("id"))
            case "hint":
                show.know(viewer, viewer.identity)  # not before, for most viewers only watch
                try:
                    hint = show.take_hint(
                        viewer=viewer.identity,
                        address=viewer.address,
                        text=message.get("text"),
                        name=message.get("name"),
                        to=message.get("to"),
                    )
                except HintRefusedError as exc:
                    refusal = exc.as_json()
                    self._tell(viewer, {"type": "error", "code": refusal.pop("error"), **refusal})
                else:
                    self._tell(viewer, hint.received())
            case "vote":
                try:
                    taken = show.take_vote(
                        viewer=viewer.identity,
                        address=viewer.address,
                        choice=message.get("choice"),
                        vote=message.get("vote"),
                    )
                except VoteRefusedError as exc:
                    refusal = exc.as_json()
                    self._tell(viewer, {"type": "error", "code": refusal.pop("error"), **refusal})
                else:
                    self._tell(viewer, taken)
            case "producer":
                self._welcome_producer(show, viewer, message.get("token"))
            case _:
                self._complain(viewer, "bad_request", "Unknown type of message.")

    def _recognise(self, show: Show, viewer: Viewer, identity: object) -> None:
        """A viewer says who it is: it hears again what became of its hints, and how it voted."""
        if not isinstance(identity, str) or not VIEWER_ID.fullmatch(identity):
            self._complain(viewer, "bad_request", "A viewer's id has 8 to 64 of A-Z a-z 0-9 _ -.")
            return
        show.know(viewer, identity)
        for hint in show.desk.of_viewer(identity):
            if hint.fate["state"] != "received":
                self._tell(viewer, hint.fate_frame())
        if (taken := show.ballots.choice_of(identity)) is not None:
            self._tell(viewer, taken)

    def _welcome_producer(self, show: Show, viewer: Viewer, token: object) -> None:
        try:
            show.producers.admit(token if isinstance(token, str) else "", viewer.address)
        except RefusedError as exc:
            refusal = exc.as_json() | {"error": "forbidden" if exc.code == "wrong_token" else exc.code}
            self._tell(viewer, {"type": "error", "code": refusal.pop("error"), **refusal})
        else:
            self._tell(viewer, {"type": "producer_welcome"})
            show.producers.watch(viewer, str(token), show.open_rooms)

    # -- SSE -----------------------------------------------------------------------------------------------------

    async def stream(self, request: web.Request, show: Show, position: Position) -> web.StreamResponse:
        """The show's events as SSE: history, then live, until the show is over or the viewer goes."""
        if show.over.is_set() and 0 < show.air.head == position.after:
            return web.Response(status=204)  # what tells an EventSource not to come back
        self._check_room(request)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        response.force_close()
        writer = await response.prepare(request)
        if writer is None or request.transport is None:
            return response
        await response.write(b": the show's events\n\n")  # sends the headers, too
        encoding: Encoding = "chunked" if response.headers.get("Transfer-Encoding") == "chunked" else "plain"
        viewer = Viewer(request.transport, encoding, Selection.of(request.query), "", request.remote or "")
        self._come(viewer, show, None)
        try:
            if position.reset:
                self._tell(viewer, reset_frame(show, position))
            await self._catch_up(show, viewer, writer, position.after)
            await show.over.wait()
        except LogError as exc:
            logger.warning("history_unreadable", show=show.id, error=str(exc))
        finally:
            self._go(viewer, show)
        return response

    # -- both ----------------------------------------------------------------------------------------------------

    async def keep_alive(self) -> None:
        """Once a round, for ever, ping who is live and was sent nothing; cut who has not answered the ping before."""
        while True:
            everybody = list(self.watching)
            steps = round(ROUND_S / STEP_S)
            for step in range(steps):
                await self._clock.sleep(STEP_S)
                for viewer in everybody[step::steps]:
                    self._ping(viewer)

    def _ping(self, viewer: Viewer) -> None:
        if viewer not in self.watching:
            return
        if viewer.channel is None:  # it reads history, and we do not read its pongs yet: ``_catch_up`` cuts who stops
            viewer.silent = False
        elif self._clock.monotonic() < viewer.channel.wrote_at + ROUND_S:
            viewer.silent = False  # what it was sent is a better probe: unacknowledged for 15 s, the kernel hangs up
        elif viewer.encoding == "chunked":
            viewer.write(b"%x\r\n%b\r\n" % (len(_COMMENT), _COMMENT))
        elif viewer.encoding == "plain":
            viewer.write(_COMMENT)
        elif viewer.silent:
            logger.info("viewer_cut", address=viewer.address, reason="no pong")
            viewer.cut()
        else:
            viewer.silent = True
            viewer.write(control_frame(PING))

    async def _catch_up(self, show: Show, viewer: Viewer, writer: AbstractStreamWriter, after: int) -> None:
        """Send history until the viewer stands where the fan-out stands, and make it live there.

        Nobody waits for a slow reader of history, and nothing piles up for it; one who reads nothing at all is cut.

        Raises:
            LogError: The log can't be read.
        """
        fan_out = show.fan_out
        while after != fan_out.position:
            if after > fan_out.position:  # it knows what is stored and not delivered yet: a matter of milliseconds
                await self._clock.sleep(0.005)
                continue
            events = await show.air.history(after, fan_out.position)
            if not events:
                raise LogError(show.id, f"nothing is stored above {after}")
            after = events[-1].seq
            if taken := [event for event in events if viewer.selection.takes(event)]:
                viewer.write(encode(viewer.encoding, taken))
            try:
                async with self._clock.timeout(STALLED_S):
                    await writer.drain()
            except TimeoutError:
                logger.warning("viewer_cut", address=viewer.address, reason="history unread")
                viewer.cut()
                return
        fan_out.join(viewer)

    async def _asked_for(self, identity: str | None) -> Show | None:
        return await (self._programme.find(identity) if identity else self._programme.newest())

    def _check_room(self, request: web.Request) -> None:
        """Send away who would be one too many, altogether or from one place."""
        here = self._addresses[network_of(request.remote or "")]
        if len(self) + self._at_the_door >= self._max_viewers or here >= self._max_per_address:
            raise web.HTTPServiceUnavailable(text="too many viewers", headers={"Retry-After": "30"})

    def _come(self, viewer: Viewer, show: Show, socket: web.WebSocketResponse | None) -> None:
        self.watching[viewer] = show, socket
        self._addresses[network_of(viewer.address)] += 1
        logger.debug("viewer_came", show=show.id, address=viewer.address, by=viewer.encoding)

    def _go(self, viewer: Viewer, show: Show) -> None:
        del self.watching[viewer]
        self._leave_place(network_of(viewer.address))
        show.fan_out.leave(viewer)
        show.forget(viewer)
        show.producers.leave(viewer, show.open_rooms)
        logger.debug("viewer_went", show=show.id, address=viewer.address, by=viewer.encoding)
        # One who does not read would hold up a polite close; what is left of an SSE stream's end is its own affair.
        if viewer.transport.get_write_buffer_size() > (LEFT_OVER if viewer.encoding != "websocket" else 0):
            abort(viewer.transport)

    def _leave_place(self, place: str) -> None:
        self._addresses[place] -= 1
        if not self._addresses[place]:
            del self._addresses[place]

    def leave_lost_show(self, show: Show) -> None:
        """Send a show's viewers away: what comes next in it is not here any more."""
        for viewer, (watched, socket) in list(self.watching.items()):
            if watched is show and socket is not None:
                self._tasks.create_task(
                    self._send_away(socket, viewer, ViewerClose.LOG_GONE, b"the show goes on elsewhere")
                )

    async def close(self) -> None:
        """Send everybody away in a way that says: come back."""
        async with asyncio.TaskGroup() as tasks:
            for viewer, (show, socket) in list(self.watching.items()):
                show.fan_out.leave(viewer)
                if socket is None:
                    viewer.transport.close()  # an EventSource comes back by itself
                else:
                    tasks.create_task(
                        self._send_away(socket, viewer, ViewerClose.SHUTTING_DOWN, b"the stage is shutting down")
                    )

    async def _send_away(self, socket: web.WebSocketResponse, viewer: Viewer, code: int, reason: bytes) -> None:
        viewer.shut()
        try:
            async with asyncio.timeout(2 * CLOSE_S):
                await socket.close(code=code, message=reason)
        except (TimeoutError, ConnectionError):
            abort(viewer.transport)

    def _complain(self, viewer: Viewer, code: str, message: str) -> None:
        self._tell(viewer, {"type": "error", "code": code, "message": message})

    @staticmethod
    def _tell(viewer: Viewer, message: Mapping[str, Any]) -> None:
        viewer.write(json_frame(viewer.encoding, json_bytes(message)))


def new_identity() -> str:
    """Return the id of a viewer who has not said its own."""
    return f"v{secrets.token_hex(12)}"


def reset_frame(show: Show, position: Position) -> dict[str, Any]:
    return {"type": "reset", "epoch": show.air.epoch, "reason": position.reset, "show": show.id}
