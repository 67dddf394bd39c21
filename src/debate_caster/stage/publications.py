"""What people and programs take away from a stage: transcripts of its shows, feeds of them, cards for other sites."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from debate_caster.booklet import PAGE_POLICY
from debate_caster.clock import Clock
from debate_caster.stage import feeds
from debate_caster.stage.playbill import Playbill
from debate_caster.stage.previews import HEIGHT, WIDTH, oembed
from debate_caster.stage.programme import Programme
from debate_caster.stage.public_address import base_of
from debate_caster.stage.shows import Show
from debate_caster.stage.transcripts import FORMATS, AirTranscript

__all__ = ["Publications"]

PAGE = 200
"""Events read from the log at a time; the event loop breathes in between."""

LISTED = 100
"""Shows in a feed at most, newest first; and coming ones, the nearest first."""

PLANNED = 20
"""Coming shows of one series in the calendar at most; a feed has only the next one."""

FindShow = Callable[[web.Request], Awaitable[Show]]


class Publications:
    """Answers requests; ``find_show`` gives the show that a request is about, or raises the right answer."""

    def __init__(
        self,
        find_show: FindShow,
        programme: Programme,
        *,
        clock: Clock,
        framed: bool,
        playbill: Playbill | None = None,
    ) -> None:
        self._find_show, self._programme, self._playbill = find_show, programme, playbill
        self._clock, self._framed = clock, framed

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.get("/api/shows/{show}/transcript", self._transcript),
            web.get("/api/shows/{show}/oembed", self._oembed),
            web.get("/feed.json", self._json_feed),
            web.get("/feed.xml", self._rss),
            web.get("/calendar.ics", self._calendar),
        ]

    async def _json_feed(self, request: web.Request) -> web.StreamResponse:
        text = feeds.json_feed(await self._listing(), base=base_of(request))
        return _text(text, "application/feed+json; charset=utf-8")

    async def _rss(self, request: web.Request) -> web.StreamResponse:
        text = feeds.rss(await self._listing(), base=base_of(request))
        return _text(text, "application/rss+xml; charset=utf-8")

    async def _calendar(self, request: web.Request) -> web.StreamResponse:
        text = feeds.calendar(await self._listing(each=PLANNED), base=base_of(request), now=self._clock.now())
        return _text(text, "text/calendar; charset=utf-8")

    async def _listing(self, *, each: int = 1) -> list[Mapping[str, Any]]:
        coming = () if self._playbill is None else self._playbill.coming(LISTED, each=each)
        return [*(show.as_json() for show in coming), *await self._programme.listing(LISTED)]

    async def _oembed(self, request: web.Request) -> web.StreamResponse:
        summary = (await self._find_show(request)).as_json()
        width, height = (_pixels(request, name, most) for name, most in (("maxwidth", WIDTH), ("maxheight", HEIGHT)))
        card = oembed(summary, base=base_of(request), framed=self._framed, width=width, height=height)
        return _text(json.dumps(card, ensure_ascii=False), "application/json; charset=utf-8")

    async def _transcript(self, request: web.Request) -> web.StreamResponse:
        show = await self._find_show(request)
        form = request.query.get("format", "html")
        if form not in FORMATS:
            raise web.HTTPBadRequest(text=f"format is to be one of {', '.join(FORMATS)}.")
        head = show.air.head
        headers = {"ETag": f'"{show.air.epoch}-{head}-{form}"', "Cache-Control": "no-cache"}
        if headers["ETag"] in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        text = await asyncio.to_thread((await _read(show, head)).render, form)
        name = re.sub(r"[^A-Za-z0-9._-]", "-", show.id)
        headers |= {"Content-Type": FORMATS[form], "Content-Disposition": f'inline; filename="{name}.{form}"'}
        if form == "html":
            headers["Content-Security-Policy"] = f"{PAGE_POLICY}; frame-ancestors 'none'"
        return web.Response(body=text.encode(errors="replace"), headers=headers)


def _pixels(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and 0 < len(value) < 6 else default


def _text(text: str, content_type: str) -> web.Response:
    headers = {"Content-Type": content_type, "Cache-Control": "no-cache"}
    return web.Response(body=text.encode(errors="replace"), headers=headers)


async def _read(show: Show, head: int) -> AirTranscript:
    """Read a show's air log up to ``head``.

    Raises:
        LogError: The log can't be read.
    """
    transcript, after = AirTranscript(show.summary), 0
    while after < head and (events := await show.air.history(after, head, limit=PAGE)):
        for event in events:
            transcript.take(json.loads(event.json))
        after = events[-1].seq
        await asyncio.sleep(0)  # noqa: TID251 - no waiting: lets others have their turn where the log is in memory
    return transcript
