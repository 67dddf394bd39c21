"""What people and programs take away from a stage: transcripts of its shows."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from debate_caster.booklet import PAGE_POLICY
from debate_caster.stage.shows import Show
from debate_caster.stage.transcripts import FORMATS, AirTranscript

__all__ = ["Publications"]

PAGE = 200
"""Events read from the log at a time; the event loop breathes in between."""

FindShow = Callable[[web.Request], Awaitable[Show]]


class Publications:
    """Answers requests; ``find_show`` gives the show that a request is about, or raises the right answer."""

    def __init__(self, find_show: FindShow) -> None:
        self._find_show = find_show

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [web.get("/api/shows/{show}/transcript", self._transcript)]

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
