"""What a producer asks of the stage over HTTP: commands for a show, with the token that allows them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from debate_caster.stage.producers import Command
from debate_caster.stage.refusals import RefusedError
from debate_caster.stage.shows import Show
from debate_caster.stage.vocabulary import json_bytes

__all__ = ["Direction"]

MAX_FIELD = 4000
"""Characters of one field; what a caster takes of it is less."""

MAX_TURN = 2**31

STATUS = {"bad_request": 400, "no_token": 401, "wrong_token": 403, "refused": 409, "ended": 409, "too_fast": 429,
          "no_answer": 504}  # fmt: skip

FindShow = Callable[[web.Request], Awaitable[Show]]


class Direction:
    """Answers requests; ``find_show`` gives the show that a request is about, or raises the right answer."""

    def __init__(self, find_show: FindShow) -> None:
        self._find_show = find_show

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [web.post("/api/shows/{show}/control", self._control)]

    async def _control(self, request: web.Request) -> web.StreamResponse:
        show = await self._find_show(request)
        try:
            message = await show.command(_command(await _posted(request), _token(request)), request.remote or "")
        except RefusedError as exc:
            headers = {} if exc.retry_after is None else {"Retry-After": str(int(exc.retry_after) + 1)}
            if exc.code == "no_token":
                headers["WWW-Authenticate"] = 'Bearer realm="producer"'
            return _json(exc.as_json(), STATUS.get(exc.code, 400), headers)
        return _json({"type": "control_done", "ok": True, "message": message}, 200, {})


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RefusedError("no_token", "A command needs the producer's token: Authorization: Bearer TOKEN.")
    return token.strip()


async def _posted(request: web.Request) -> Mapping[str, Any]:
    try:
        posted = await request.json()
    except (ValueError, RecursionError, LookupError):  # LookupError: a charset that there is not
        posted = None
    if not isinstance(posted, Mapping):
        raise RefusedError("bad_request", "The body is to be a JSON object.")
    return posted


def _command(posted: Mapping[str, Any], token: str) -> Command:
    fields, turn = {}, posted.get("turn")
    if turn is not None and (isinstance(turn, bool) or not isinstance(turn, int) or not 0 <= turn < MAX_TURN):
        raise RefusedError("bad_request", "'turn' is to be the number of a turn.")
    for name in ("command", "text", "hint", "viewer", "by"):
        value = posted.get(name)
        if value is not None and (not isinstance(value, str) or len(value) > MAX_FIELD):
            raise RefusedError("bad_request", f"{name!r} is to be text of at most {MAX_FIELD} characters.")
        fields[name] = value or ""
    if not fields["command"]:
        raise RefusedError("bad_request", "'command' is missing.")
    return Command(token=token, turn=turn, **fields)


def _json(message: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> web.Response:
    return web.Response(
        body=json_bytes(message),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers={"Cache-Control": "no-store", **headers},
    )
