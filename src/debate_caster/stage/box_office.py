"""The box office: a viewer's ticket is taken once, in the first message, and becomes a session to come back with.

Tickets and sessions are tokens of the stage's operator, so that sessions outlive the stage's process. What is stored,
in a stream of its own, is which tickets have been taken: one that two browsers show lets in one of them, also where two
stages share a log.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from aiohttp import WSMsgType, web

from debate_caster.clock import Clock
from debate_caster.errors import FencedError, LogError
from debate_caster.log import EventLog
from debate_caster.stage.close_codes import ViewerClose
from debate_caster.stage.tokens import Token, TokenDesk, TokenRefusedError

__all__ = ["OPEN_TO_ALL", "BoxOffice", "TurnedAwayError"]

logger = structlog.get_logger()

FIRST_MESSAGE_S = 5.0
"""How long a viewer may take to show its ticket; a page has it at hand, and asks its reader before it connects."""

TICKETS = "stage/tickets"

ATTEMPTS = 20
"""Tickets taken by another stage meanwhile are read, and then it is our turn again."""

OPEN_TO_ALL = frozenset({
    "/", "/shows/{show}", "/overlay/{show}", "/producer/{show}", "/static/{name}", "/favicon.ico", "/watch",
    "/healthz", "/readyz", "/metrics", "/api/shows/{show}/control",
})  # fmt: skip
"""What is answered without a session: pages, which hold nothing of a show; ``/watch`` and the control desk, which ask
for themselves; and what an operator's tools look at. Whatever is added to the stage wants a session unless it is here.
"""


class TurnedAwayError(Exception):
    """A viewer is not let in; ``code`` is what its socket is to be closed with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class BoxOffice:
    """Takes tickets, and knows the sessions that they have become."""

    def __init__(self, tokens: TokenDesk, log: EventLog, clock: Clock) -> None:
        self._tokens, self._log, self._clock = tokens, log, clock
        self._taken: dict[str, int] = {}
        self._head = 0
        self._taking = asyncio.Lock()

    async def admit(
        self, socket: web.WebSocketResponse, show: str, *, producer: Callable[[str], Awaitable[None]]
    ) -> Token | None:
        """Ask for a ticket, and give a session for it; return that, None for a producer, who needs none.

        ``producer`` raises ``TokenRefusedError`` for a token that is not the one of the show's producer.

        Raises:
            TurnedAwayError: The viewer has no ticket, or one that is not good for this show.
            LogError: The log can't be read or written.
        """
        try:
            await socket.send_json({"type": "ticket_wanted"})
            async with self._clock.timeout(FIRST_MESSAGE_S):
                first = await socket.receive()
            shown = _texts(first.data) if first.type is WSMsgType.TEXT else {}
            if shown.get("type") == "producer":
                await producer(shown.get("token", ""))
                return None
            if session := shown.get("session", ""):
                token = self.check(session, show)
            else:
                session, token = await self.take(shown.get("ticket", ""), show)
            await socket.send_json({"type": "admitted", "session": session, "expires_at": token.expires_at})
        except TimeoutError as exc:
            raise TurnedAwayError(ViewerClose.NO_TICKET, f"no ticket within {FIRST_MESSAGE_S:g} s") from exc
        except ConnectionError as exc:
            raise TurnedAwayError(ViewerClose.NO_TICKET, "gone") from exc
        except TokenRefusedError as exc:
            logger.info("viewer_refused", reason=str(exc))
            raise TurnedAwayError(ViewerClose.NO_ADMISSION, str(exc)) from exc
        return token

    async def take(self, ticket: str, show: str) -> tuple[str, Token]:
        """Take a ticket for a show ("" is whichever is the newest); return a session, which ends when the ticket would.

        Raises:
            TokenRefusedError: It is none, is another show's, or has been taken.
            LogError: It can't be written down that it has been taken; so it has not.
        """
        token = self._tokens.check(ticket, role="viewer")
        _check_show(token, show)
        async with self._taking:
            if not await self._is_first(token):
                raise TokenRefusedError("the ticket has been used")
        left_s = token.expires_at - self._clock.now().timestamp()
        session = self._tokens.issue("session", lasting=timedelta(seconds=max(left_s, 1.0)), show=token.show)
        return session, self._tokens.check(session, role="session")

    def check(self, session: str, show: str) -> Token:
        """Return what a session says, where it is good for the show ("" is all of them).

        Raises:
            TokenRefusedError: It is not.
        """
        token = self._tokens.check(session, role="session")
        _check_show(token, show)
        return token

    async def _is_first(self, token: Token) -> bool:
        now = self._clock.now().timestamp()
        self._taken = {ticket: until for ticket, until in self._taken.items() if until > now}
        body = json.dumps({"type": "ticket_taken", "ticket": token.id, "until": token.expires_at})
        for _ in range(ATTEMPTS):
            await self._catch_up()
            if token.id in self._taken:
                return False
            try:
                self._head = await self._log.append(TICKETS, [body], expect=self._head)
            except FencedError:
                continue
            self._taken[token.id] = token.expires_at
            return True
        raise LogError(TICKETS, "others write it without a pause")

    async def _catch_up(self) -> None:
        while records := await self._log.read(TICKETS, self._head):
            for record in records:
                fact: dict[str, Any] = json.loads(record.body)
                self._head = record.seq
                self._taken[str(fact["ticket"])] = int(fact["until"])


def _texts(raw: str) -> Mapping[str, str]:
    """Return the texts of a JSON object; nothing of what is none."""
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(message, dict):
        return {}
    return {name: value for name, value in message.items() if isinstance(value, str)}


def _check_show(token: Token, show: str) -> None:
    if token.show not in {"", show}:
        raise TokenRefusedError("the ticket is for another show")
