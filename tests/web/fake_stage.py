"""A stage with strings on it: speaks docs/protocol.md to viewers, and does what a test tells it to.

The real stage can't be made to skip an event, forget its log or send chunks in the wrong order; this one can.
"""

import asyncio
import json
import mimetypes
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

import debate_caster.stage

Event = dict[str, Any]

WEB = Path(debate_caster.stage.__file__).parent / "web"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
WRONG_TOKEN = "That is not this show's producer token."
START = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)


EMPTY_DESK: Event = {
    "paused": False,
    "approval": False,
    "context": "",
    "hints": [],
    "muted": [],
    "vote": {"open": None, "may_open": None},
    "turn": None,
    "speaker": None,
    "next": None,
    "may": ["pause", "skip", "end", "inject", "context", "approval_on", "mute"],
    "acts": [],
}


@dataclass
class FakeShow:
    """A show as the fake stage keeps it: its air log, and who watches."""

    id: str
    state: str = "live"
    epoch: str = "e1"
    agents: list[Event] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    summary: Event = field(default_factory=dict)
    watching: dict[web.WebSocketResponse, str] = field(default_factory=dict)
    hints: list[Event] = field(default_factory=list)
    fates: dict[str, Event] = field(default_factory=dict)
    viewers: int = 0
    token: str = ""
    desk: Event = field(default_factory=dict)
    producers: set[web.WebSocketResponse] = field(default_factory=set)
    commands: list[Event] = field(default_factory=list)

    def summarise(self) -> Event:
        return {
            "id": self.id,
            "title": "",
            "motion": "",
            "language": "en",
            "format": "",
            "state": self.state,
            "started_at": self.events[0]["at"] if self.events else None,
            "ended_at": self.events[-1]["at"] if self.state == "ended" and self.events else None,
            "viewers": self.viewers or len(self.watching),
            "head": len(self.events),
            "epoch": self.epoch,
            "phase": None,
            "speaker": None,
            "agents": self.agents,
            "phases": [],
            "turns": 0,
            "hints_open": True,
            "why": "",
            **self.summary,
        }


class FakeStage:
    """Serves the pages and any number of shows on a port of 127.0.0.1, with ``stop`` and ``start`` for outages."""

    def __init__(self) -> None:
        self.shows: dict[str, FakeShow] = {}
        self.port = 0
        self.refuse_hints: Event | None = None
        self.refuse_commands: tuple[int, Event] | None = None
        self.connections = 0
        self.page_length = 1000
        self.planned: dict[str, Any] = {}
        self._runner: web.AppRunner | None = None
        self._now = START

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def show(self, name: str = "s1", **summary: Any) -> FakeShow:
        made = FakeShow(name, summary=summary)
        self.shows[name] = made
        return made

    async def air(self, on: FakeShow, kind: str, /, *, seconds: float = 1.0, **fields: Any) -> Event:
        """Append an event to the air log and send it to everybody who watches."""
        self._now += timedelta(seconds=seconds)
        at = self._now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {"seq": len(on.events) + 1, "at": at, "type": kind, **fields}
        on.events.append(event)
        await self.send(on, event)
        return event

    async def send(self, show: FakeShow, frame: Event, *, viewer: str | None = None) -> None:
        """Send a frame that is not in the log, to one viewer or to all."""
        for socket, name in list(show.watching.items()):
            if (viewer is None or viewer == name) and not socket.closed:
                await socket.send_json(frame)

    async def decide(self, show: FakeShow, hint: str, state: str, **more: Any) -> None:
        """Tell a hint's author its fate."""
        viewer = next(one["viewer"] for one in show.hints if one["id"] == hint)
        frame = {"type": "hint_fate", "hint": hint, "state": state, **more}
        show.fates[hint] = frame
        await self.send(show, frame, viewer=viewer)

    async def set_desk(self, show: FakeShow, **fields: Any) -> None:
        """Change the state of the producer's desk, and tell the producers."""
        show.desk = {**(show.desk or EMPTY_DESK), **fields}
        for socket in list(show.producers):
            if not socket.closed:
                await socket.send_json({"type": "desk", **show.desk})

    async def cut(self, show: FakeShow) -> int:
        """Cut every viewer of a show without a goodbye; return how many there were."""
        sockets = list(show.watching)
        for socket in sockets:
            show.watching.pop(socket, None)
            transport = socket._req.transport if socket._req else None
            if transport is not None:
                transport.abort()
        return len(sockets)

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._page("lobby.html")),
                web.get("/shows/{show}", self._page("watch.html")),
                web.get("/overlay/{show}", self._page("overlay.html")),
                web.get("/producer/{show}", self._page("producer.html")),
                web.post("/api/shows/{show}/control", self._take_command),
                web.get("/static/{name}", self._static),
                web.get("/watch", self._watch),
                web.get("/api/shows", self._list),
                web.get("/api/shows/{show}/events", self._history),
                web.post("/api/shows/{show}/hints", self._take_hint),
                web.get("/api/shows/{show}/hints/{hint}", self._fate),
            ]
        )
        app.on_shutdown.append(self._say_goodbye)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _say_goodbye(self, _app: web.Application) -> None:
        for show in self.shows.values():
            for socket in list(show.watching):
                await socket.close(code=WSCloseCode.GOING_AWAY)

    def _page(self, name: str) -> Any:
        async def serve(_request: web.Request) -> web.Response:
            return _file(name)

        return serve

    async def _static(self, request: web.Request) -> web.Response:
        return _file(request.match_info["name"])

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"shows": [show.summarise() for show in self.shows.values()], **self.planned})

    async def _history(self, request: web.Request) -> web.Response:
        show = self.shows.get(request.match_info["show"])
        if show is None:
            return web.json_response({"error": "no_such_show"}, status=404)
        after = int(request.query.get("after", "0"))
        page = show.events[after : after + self.page_length]
        position = {"show": show.id, "epoch": show.epoch, "after": after, "head": len(show.events)}
        return web.json_response({**position, "events": page})

    async def _watch(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.connections += 1
        show = self.shows.get(request.query.get("show") or next(iter(self.shows), ""))
        if show is None:
            await socket.close(code=4404, message=b"no such show")
            return socket
        after = int(request.query.get("after", "0"))
        if after > len(show.events):
            await socket.send_json({"type": "reset", "epoch": show.epoch, "reason": "position", "show": show.id})
            after = 0
        hello = {"type": "hello", "show": show.summarise(), "after": after, "head": len(show.events)}
        await socket.send_json({**hello, "epoch": show.epoch, "viewer": "v"})
        wanted = set(filter(None, request.query.get("types", "").split(","))) - {"*"}
        sent = after
        while sent < len(show.events):
            event = show.events[sent]
            sent += 1
            if not wanted or event["type"] in wanted:
                await socket.send_json(event)
        show.watching[socket] = ""
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                frame = json.loads(message.data)
                if frame["type"] == "viewer":
                    show.watching[socket] = frame["id"]
                elif frame["type"] == "ping":
                    await socket.send_json({"type": "pong"})
                elif frame["type"] == "producer":
                    await self._welcome_producer(show, socket, frame["token"])
        finally:
            show.watching.pop(socket, None)
            show.producers.discard(socket)
        return socket

    async def _welcome_producer(self, show: FakeShow, socket: web.WebSocketResponse, token: str) -> None:
        if not show.token or token != show.token:
            await socket.send_json({"type": "error", "code": "forbidden", "message": WRONG_TOKEN})
            return
        show.producers.add(socket)
        await socket.send_json({"type": "producer_welcome"})
        await socket.send_json({"type": "desk", **(show.desk or EMPTY_DESK)})

    async def _take_command(self, request: web.Request) -> web.Response:
        show = self.shows[request.match_info["show"]]
        if request.headers.get("Authorization") != f"Bearer {show.token}":
            return web.json_response({"error": "wrong_token", "message": WRONG_TOKEN}, status=403)
        show.commands.append(await request.json())
        if self.refuse_commands is not None:
            status, refusal = self.refuse_commands
            return web.json_response(refusal, status=status)
        return web.json_response({"type": "control_done", "ok": True, "message": "the log has it"})

    async def _take_hint(self, request: web.Request) -> web.Response:
        show = self.shows[request.match_info["show"]]
        if self.refuse_hints is not None:
            return web.json_response(self.refuse_hints, status=429)
        hint = {"to": "", "name": "", **await request.json(), "id": f"h{len(show.hints) + 1}"}
        show.hints.append(hint)
        frame = {"type": "hint_received", "hint": hint["id"], "text": hint["text"], "to": hint["to"]}
        show.fates[hint["id"]] = {"hint": hint["id"], "state": "received"}
        return web.json_response(frame, status=202)

    async def _fate(self, request: web.Request) -> web.Response:
        fate = self.shows[request.match_info["show"]].fates.get(request.match_info["hint"])
        return web.json_response(fate or {"error": "no_such_hint"}, status=200 if fate else 404)


def _file(name: str) -> web.Response:
    path = WEB / name
    if path.parent != WEB or not path.is_file():
        raise web.HTTPNotFound
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return web.Response(body=path.read_bytes(), content_type=kind, charset="utf-8", headers=headers)


@asynccontextmanager
async def open_fake_stage() -> AsyncGenerator[FakeStage, None]:
    stage = FakeStage()
    await stage.start()
    try:
        yield stage
    finally:
        await stage.stop()


async def until(condition: Any, *, what: str, timeout_s: float = 60.0) -> None:
    """Wait until ``condition()`` holds."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        await asyncio.sleep(0.01)
