"""The stage's addresses: which request goes where, who may ask, and what every answer carries."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from aiohttp import web

from debate_caster.clock import Clock
from debate_caster.errors import ForgottenError, LogError
from debate_caster.figures import Figure
from debate_caster.stage import metrics
from debate_caster.stage.agents import Agents
from debate_caster.stage.ballots import VoteRefusedError
from debate_caster.stage.box_office import OPEN_TO_ALL, BoxOffice
from debate_caster.stage.direction import Direction
from debate_caster.stage.hints import HintRefusedError
from debate_caster.stage.host_policy import CURE, HostPolicy
from debate_caster.stage.metrics import Counters, state_level
from debate_caster.stage.pages import SECURITY_HEADERS, Page, page
from debate_caster.stage.playbill import Playbill
from debate_caster.stage.previews import watch_page
from debate_caster.stage.programme import Programme
from debate_caster.stage.public_address import PUBLIC_URL, base_of
from debate_caster.stage.publications import Publications
from debate_caster.stage.refusals import RefusedError
from debate_caster.stage.selection import Selection
from debate_caster.stage.shows import Show
from debate_caster.stage.tokens import TokenRefusedError
from debate_caster.stage.viewers import VIEWER_ID, Audience, position_of
from debate_caster.stage.vocabulary import json_bytes

__all__ = ["Routes"]

MAX_BODY = 16 * 1024
"""Bytes of a POST; a hint has 500 characters."""

BODY_S = 10.0
"""How long a POST may take to arrive once its head has."""

EVENTS_LIMIT = 1000
"""Events in one JSON answer at most, and as many unless fewer are asked for."""

COMING = 12
"""Coming shows in the lobby's list at most, the next one of each series."""

HOSTS_NOTED, HOST_SHOWN = 100, 100
"""Names that the stage did not answer to and logged, each once; and how many characters of one."""

logger = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    """Answers requests from what the stage knows."""

    def __init__(
        self,
        *,
        programme: Programme,
        agents: Agents,
        audience: Audience,
        counters: Counters,
        host_policy: HostPolicy,
        clock: Clock,
        framing: str,
        public_url: str,
        playbill: Playbill | None = None,
        box_office: BoxOffice | None = None,
        figures: Sequence[Figure] = (),
        metrics_token: str = "",
    ) -> None:
        self._box_office = box_office
        self._figures, self._metrics_token = [*self._levels(), *figures], metrics_token
        self._public_url = public_url
        self._framed = {"Content-Security-Policy": framing}
        framed = framing != SECURITY_HEADERS["Content-Security-Policy"]
        self._publications = Publications(self._show, programme, clock=clock, framed=framed, playbill=playbill)
        self._programme, self._agents, self._audience, self._playbill = programme, agents, audience, playbill
        self._direction = Direction(self._show)
        self._address_key = secrets.token_bytes(32)
        self._counters, self._host_policy, self._clock = counters, host_policy, clock
        self._refused_hosts: set[str] = set()

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard], client_max_size=MAX_BODY)
        application[PUBLIC_URL] = self._public_url
        application.on_response_prepare.append(_secure)
        application.router.add_routes([
            web.get("/", self._page("lobby.html")),
            web.get("/shows/{show}", self._watch_page),
            web.get("/overlay/{show}", self._overlay),
            web.get("/producer/{show}", self._page("producer.html")),
            web.get("/static/{name}", self._static),
            web.get("/api/shows", self._list),
            web.get("/api/shows/{show}", self._summary),
            web.get("/api/shows/{show}/events", self._events),
            web.post("/api/shows/{show}/hints", self._take_hint),
            web.get("/api/shows/{show}/hints/{hint}", self._hint),
            web.post("/api/shows/{show}/votes", self._take_vote),
            *self._publications.routes(),
            *self._direction.routes(),
            web.get("/watch", self._watch),
            web.get("/healthz", self._healthy),
            web.get("/readyz", self._ready),
            web.get("/metrics", self._metrics),
            web.get("/api/live", self._pulsar_live),
            web.get("/api/status", self._pulsar_status),
            web.get("/favicon.ico", self._static_file("icon.svg")),
        ])  # fmt: skip
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check where a request comes from; take any WebSocket that is no viewer's for an agent's."""
        host = request.headers.get("Host", "")
        if not self._host_policy.admits_host(host):
            self._note_refused(host)
            return _problem(421, "wrong_host", f"This stage does not go by that name. {CURE}")
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if upgrade or request.method not in {"GET", "HEAD"}:
            origins = request.headers.getall("Origin", [])
            if len(origins) > 1 or not self._host_policy.admits_origin(next(iter(origins), None), host):
                return _problem(403, "forbidden_origin", "Only this stage's own pages may do that.")
        if upgrade:
            return await (self._audience.watch(request) if request.path == "/watch" else self._agents.serve(request))
        if self._box_office is not None and (refusal := _refused_entry(request, self._box_office)) is not None:
            return refusal
        try:
            await self._receive(request)
            return await handler(request)
        except web.HTTPException as exc:
            if not request.path.startswith("/api/") or exc.content_type == "application/json":
                raise
            wait = exc.headers.get("Retry-After")
            code = exc.reason.lower().replace(" ", "_")
            answer = _problem(exc.status, code, exc.text or exc.reason, retry_after=int(wait) if wait else None)
            if isinstance(exc, web.HTTPRequestTimeout):
                answer.force_close()
            return answer
        except ForgottenError:
            return _problem(410, "show_removed", "This show is no longer kept.")
        except LogError:
            return _problem(503, "log_unavailable", "The stage can't read its log just now.", retry_after=5)

    def _note_refused(self, host: str) -> None:
        """Tell the operator of a name that was asked for, once; whoever makes up names gets no endless log."""
        name = host[:HOST_SHOWN]
        if name not in self._refused_hosts and len(self._refused_hosts) < HOSTS_NOTED:
            self._refused_hosts.add(name)
            logger.warning("host_refused", host=name, cure=CURE)

    async def _receive(self, request: web.Request) -> None:
        """Wait for what was posted: whoever handles it has it at once.

        Raises:
            web.HTTPException: It does not come, or is too long.
        """
        if not request.can_read_body:
            return
        try:
            async with self._clock.timeout(BODY_S):
                await request.read()
        except TimeoutError as exc:
            raise web.HTTPRequestTimeout(text="The body did not come.") from exc

    # -- pages ---------------------------------------------------------------------------------------------------

    def _page(self, name: str) -> Handler:
        return self._static_file(name)

    def _static_file(self, name: str) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            return _file(request, name)

        return answer

    async def _watch_page(self, request: web.Request) -> web.StreamResponse:
        """The watch page, with what it will ask for in its headers: the past is on its way before the scripts are."""
        found = page("watch.html")
        if self._box_office is not None:  # nothing of a show before its ticket
            return _answer(request, found)
        status = 200
        try:
            if known := await self._programme.find(request.match_info["show"]):
                found = watch_page(known.as_json(), base=base_of(request))
        except ForgottenError:
            status = 410
        except LogError:
            pass  # the page itself will say that the log can't be read
        response = _answer(request, found, status=status)
        response.headers.update(self._framed)
        show = self._programme.live.get(request.match_info["show"])
        if show is not None and show.air.head:
            address = f"/api/shows/{show.id}/events?types=*&after="
            pieces = range(0, min(show.air.head, 8 * EVENTS_LIMIT), EVENTS_LIMIT)
            links = [f"<{address}{after}>; rel=preload; as=fetch; crossorigin=anonymous" for after in pieces]
            response.headers["Link"] = ", ".join(links)
        return response

    async def _overlay(self, request: web.Request) -> web.StreamResponse:
        response = _file(request, "overlay.html")
        response.headers.update(self._framed)
        return response

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return _file(request, request.match_info["name"])

    # -- shows ---------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.StreamResponse:
        limit = _whole(request, "limit", default=200, most=200)
        listed: dict[str, Any] = {"shows": await self._programme.listing(limit)}
        if self._playbill is not None:
            listed["coming"] = [show.as_json() for show in self._playbill.coming(COMING, each=1)]
            listed["notices"] = list(self._playbill.problems())
        return _json(listed)

    async def _summary(self, request: web.Request) -> web.StreamResponse:
        return _json((await self._show(request)).as_json())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        show = await self._show(request)
        last_id = request.headers.get("Last-Event-ID")
        try:
            position = position_of(last_id or request.query.get("after"), show)
        except ValueError as exc:
            return _problem(400, "bad_request", str(exc))
        if last_id is not None or "text/event-stream" in request.headers.get("Accept", ""):
            return await self._audience.stream(request, show, position)
        limit = _whole(request, "limit", default=EVENTS_LIMIT, most=EVENTS_LIMIT)
        selection = Selection.of(request.query)
        after, head = position.after, show.air.head
        parts: list[bytes] = []
        while len(parts) < limit and after < head:
            events = await show.air.history(after, head, limit=EVENTS_LIMIT)
            if not events:
                break
            parts += [event.json for event in events if selection.takes(event)]
            after = events[-1].seq
        del parts[limit:]
        frame: dict[str, Any] = {"show": show.id, "epoch": show.air.epoch, "after": position.after, "head": head}
        frame |= {"reset": position.reset} if position.reset else {}
        body = json_bytes(frame)[:-1] + b',"events":[' + b",".join(parts) + b"]}"
        return web.Response(body=body, content_type="application/json", charset="utf-8", headers=_FRESH)

    async def _watch(self, _request: web.Request) -> web.StreamResponse:
        return _problem(426, "upgrade_required", "/watch is a WebSocket.")

    # -- hints ---------------------------------------------------------------------------------------------------

    async def _take_hint(self, request: web.Request) -> web.StreamResponse:
        show = await self._show(request)
        hint, viewer = await self._contribution(request)
        try:
            taken = show.take_hint(
                viewer=viewer,
                address=request.remote or "",
                text=hint.get("text"),
                name=hint.get("name"),
                to=hint.get("to"),
            )
        except HintRefusedError as exc:
            return _refusal(exc)
        return _json(taken.received(), status=202)

    async def _take_vote(self, request: web.Request) -> web.StreamResponse:
        show = await self._show(request)
        ballot, viewer = await self._contribution(request)
        try:
            taken = show.take_vote(
                viewer=viewer, address=request.remote or "", choice=ballot.get("choice"), vote=ballot.get("vote")
            )
        except VoteRefusedError as exc:
            return _refusal(exc)
        return _json(taken)

    async def _hint(self, request: web.Request) -> web.StreamResponse:
        hint = (await self._show(request)).desk.get(request.match_info["hint"])
        if hint is None:
            return _problem(404, "no_such_hint", "There is no such hint, or it was long ago.")
        return _json({"hint": hint.id, "text": hint.text, "to": hint.to or None, **hint.fate})

    # -- operation -----------------------------------------------------------------------------------------------

    async def _healthy(self, _request: web.Request) -> web.StreamResponse:
        return _json({"status": "ok"})

    async def _ready(self, _request: web.Request) -> web.StreamResponse:
        if self._programme.winding_down:
            return _json({"status": "the stage closes once its shows are over"}, status=503)
        failing = [show.id for show in self._programme.live.values() if show.air.failure is not None]
        if failing or not await self._programme.archive.writable():
            return _json({"status": "the log can't be written", "shows": failing}, status=503)
        if self._playbill is None:
            return _json({"status": "ready"})
        if failure := self._playbill.failing():
            return _json({"status": failure}, status=503)
        problems = self._playbill.problems()
        return _json({"status": "ready", **({"problems": list(problems)} if problems else {})})

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        if self._metrics_token and not hmac.compare_digest(_bearer(request).encode(), self._metrics_token.encode()):
            answer = _problem(401, "no_token", "The figures are for who has their token: Authorization: Bearer TOKEN.")
            answer.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
            return answer
        body = metrics.render([*self._counters.figures(), *self._figures])
        return web.Response(body=body, headers={**_FRESH, "Content-Type": metrics.CONTENT_TYPE})

    def _levels(self) -> list[Figure]:
        """Return what there is right now, by state."""

        def viewers() -> Mapping[str, int]:
            sockets = [socket for _, socket in self._audience.watching.values()]
            sse = sockets.count(None)
            return {"websocket": len(sockets) - sse, "sse": sse}

        def agents() -> Mapping[str, int]:
            return {"registered": len(self._agents.registered), "connected": len(self._agents.connections)}

        def rooms() -> Mapping[str, int]:
            states = [room.state for _, room in self._programme.open_rooms()]
            return {state: states.count(state) for state in ("live", "reconnecting")}

        def shows() -> Mapping[str, int]:
            replays = [show.summary.replay for show in self._programme.live.values()]
            return {"live": replays.count(False), "replay": replays.count(True)}

        return [
            state_level("viewers", "Viewers who watch right now, by how", viewers),
            state_level("agents", "Agents' connections right now; registered ones are connected, too", agents),
            state_level("rooms", "Agents' rooms right now", rooms),
            state_level("shows", "Shows on the stage right now", shows),
        ]

    # -- what Pulsar's own servers answer, so that tools made for them find their way ----------------------------

    async def _pulsar_live(self, _request: web.Request) -> web.StreamResponse:
        rooms = self._agents.active_rooms()
        stream = rooms[0] if rooms else None
        agents = len(self._agents.registered)
        return _json({"active": bool(rooms), "rooms": rooms, "agentCount": agents, "stream": stream})

    async def _pulsar_status(self, _request: web.Request) -> web.StreamResponse:
        rooms = self._agents.active_rooms()
        agents = len(self._agents.registered)
        return _json({"status": "ok", "serverId": "debate-caster", "agentCount": agents, "activeRooms": len(rooms)})

    async def _show(self, request: web.Request) -> Show:
        show = await self._programme.find(request.match_info["show"])
        if show is None:
            raise web.HTTPNotFound(text=_NO_SUCH_SHOW, content_type="application/json")
        return show

    async def _contribution(self, request: web.Request) -> tuple[Mapping[str, Any], str]:
        return await _contribution(request, self._address_key)


_NO_SUCH_SHOW = '{"error":"no_such_show","message":"There is no such show."}'


async def _contribution(request: web.Request, key: bytes) -> tuple[Mapping[str, Any], str]:
    """Return what a viewer posted, and who it says it is; who says nothing is known by its address.

    The address is hidden by ``key``: agents are told who is who, and could try out every address there is.
    """
    try:
        posted = await request.json()
    except (ValueError, RecursionError, LookupError):  # LookupError: a charset that there is not
        posted = None
    if not isinstance(posted, Mapping):
        raise _bad_request("The body is to be a JSON object.")
    hidden = hmac.digest(key, (request.remote or "").encode(), "sha256").hex()[:32]
    viewer = posted.get("viewer") or f"address-{hidden}"
    if not isinstance(viewer, str) or (posted.get("viewer") and not VIEWER_ID.fullmatch(viewer)):
        raise _bad_request("A viewer's id has 8 to 64 of A-Z a-z 0-9 _ -.")
    return posted, viewer


def _bad_request(message: str) -> web.HTTPBadRequest:
    text = json_bytes({"error": "bad_request", "message": message}).decode()
    return web.HTTPBadRequest(text=text, content_type="application/json", headers=_FRESH)


def _refusal(refused: RefusedError) -> web.Response:
    status = {"too_fast": 429, "closed": 409, "no_vote": 409, "vote_closed": 409, "too_long": 413, "full": 503}
    headers = {} if refused.retry_after is None else {"Retry-After": str(int(refused.retry_after) + 1)}
    return _json(refused.as_json(), status=status.get(refused.code, 400), headers=headers)


def _refused_entry(request: web.Request, office: BoxOffice) -> web.Response | None:
    """Return why a request is not answered on a stage with tickets, None where it is."""
    resource = request.match_info.route.resource
    if resource is None or resource.canonical in OPEN_TO_ALL:  # None: there is no such address
        return None
    try:
        office.check(_bearer(request), request.match_info.get("show", ""))
    except TokenRefusedError:
        answer = _problem(401, "no_ticket", "This stage shows that to who has a ticket: Authorization: Bearer SESSION.")
        answer.headers["WWW-Authenticate"] = 'Bearer realm="viewers"'
        return answer
    return None


def _bearer(request: web.Request) -> str:
    """Return what a request brings as ``Authorization: Bearer``, empty where it brings nothing."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


_FRESH = {"Cache-Control": "no-store"}


async def _secure(_request: web.Request, response: web.StreamResponse) -> None:
    if response.status == 101:
        return  # nothing that a browser would show, and headers are kept for as long as the connection
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "debate-caster"


def _file(request: web.Request, name: str) -> web.Response:
    return _answer(request, page(name))


def _answer(request: web.Request, found: Page | None, *, status: int = 200) -> web.Response:
    if found is None:
        raise web.HTTPNotFound(text="There is no such page.\n")
    headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if status == 200 and found.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = found.content_type
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(status=status, body=found.compressed, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(status=status, body=found.body, headers=headers)


def _json(message: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=json_bytes(message),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers={**_FRESH, **(headers or {})},
    )


def _problem(status: int, code: str, message: str, *, retry_after: int | None = None) -> web.Response:
    wait = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return _json({"error": code, "message": message}, status=status, headers=wait)


def _whole(request: web.Request, name: str, *, default: int, most: int) -> int:
    value = request.query.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        raise web.HTTPBadRequest(text=f"{name} is to be a whole number.")
    return min(int(value), most)
