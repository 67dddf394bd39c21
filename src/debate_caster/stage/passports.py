"""Why an agent may be on the stage, and until when: the tokens that one connection has shown."""

import asyncio
from collections.abc import Awaitable, Callable

from debate_caster.clock import Clock
from debate_caster.pulsar.messages import Register
from debate_caster.stage.tokens import Token, TokenDesk, TokenRefusedError

__all__ = ["Passport", "token_of_handshake"]

CLOCK_CHECK_S = 60.0
"""How often a token's end is looked at again: the wall clock may have been set meanwhile."""


def token_of_handshake(authorization: str, desk: TokenDesk | None) -> Token | None:
    """Return the token in an ``Authorization`` header; None on an open stage, or where there is no header.

    Raises:
        TokenRefusedError: There is one that lets nobody in.
    """
    scheme, _, bearer = authorization.partition(" ")
    if desk is None or not scheme:
        return None
    return desk.check(bearer.strip() if scheme.lower() == "bearer" else "", role="agent")


class Passport:
    """One connection's. ``over`` is true from the moment that its token has ended, when ``on_end`` is called.

    ``private`` says that shows are for those who have a ticket.
    """

    def __init__(
        self,
        desk: TokenDesk | None,
        *,
        private: bool,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        token: Token | None,
        on_end: Callable[[Token], Awaitable[None]],
    ) -> None:
        self.over = False
        self._private = private
        self._desk, self._clock, self._tasks, self._on_end = desk, clock, tasks, on_end
        self._token = token
        self._ending: asyncio.Task[None] | None = None

    def admit(self, register: Register, *, on_air: str) -> Token | None:
        """Return the token that lets the agent in: this message's, or else the one before; None on an open stage.

        ``on_air`` is the show that the agent is part of, if any.

        Raises:
            TokenRefusedError: There is none, or it is not good for this agent or its show.
        """
        if self._desk is None:
            return None
        token = self._desk.check(register.token, role="agent") if register.token else self._token
        if token is None:
            raise TokenRefusedError("there was none")
        if token.expires_at <= self._clock.now().timestamp():
            raise TokenRefusedError("the token has expired")
        if token.agent not in {"", register.agent_id}:
            raise TokenRefusedError("the token is another agent's")
        if on_air and token.show not in {"", on_air}:
            raise TokenRefusedError("the token is another show's")
        return token

    def rely_on(self, token: Token | None) -> None:
        """Let the agent stay for as long as this token lasts; a newer one takes the older one's place."""
        self.close()
        self._token = token
        self._ending = self._tasks.create_task(self._wait_for_end(token)) if token else None

    def covers(self, show: str) -> bool:
        """Say whether the agent may be part of that show; "" is a room of its own."""
        return self._token is None or self._token.show in {"", show}

    def may_hear(self, show: str) -> bool:
        """Say whether the agent may listen to that show, and speak there from the audience.

        Where viewers need tickets a token is the agent's: for the show that it names, or for every one. An agent
        without a token hears nothing there, not even where it may broadcast.
        """
        return not self._private or (self._token is not None and self.covers(show))

    def close(self) -> None:
        """Wait for no end any more, unless it has come."""
        if self._ending is not None and not self.over:
            self._ending.cancel()

    async def _wait_for_end(self, token: Token) -> None:
        while (left_s := token.expires_at - self._clock.now().timestamp()) > 0:
            await self._clock.sleep(min(left_s, CLOCK_CHECK_S))
        self.over = True
        await self._on_end(token)
