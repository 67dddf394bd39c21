"""Getting an agent on air through an open session: registered, then approved, each or a reason why not."""

import hmac
from collections.abc import Sequence

from debate_caster.broadcast.credentials import Credential
from debate_caster.broadcast.session import Session
from debate_caster.broadcast.socket import DroppedError
from debate_caster.broadcast.target import ShowIdentity, Target
from debate_caster.clock import Clock
from debate_caster.errors import BroadcastError
from debate_caster.pulsar.client import Identity, State, room_title
from debate_caster.pulsar.messages import ShowClaim
from debate_caster.pulsar.replies import BroadcastDenied, ErrorReported, Reply
from debate_caster.pulsar.text import NAME_LIMIT, truncate
from debate_caster.show.events import AgentCast

__all__ = ["Admission"]

_STARTS = 3
"""Attempts to start on one socket when the server says that we are on air already."""

_REASON_LIMIT = 200
"""UTF-16 units kept of what a server says against us; it ends in logs and on a terminal."""

_OLD_ROOM_PAUSE_S = 1.0
"""How long a server gets to end a room that an earlier connection has left behind."""


class Admission:
    """For one agent on one target; outlives sessions, since who was let in once may be let in again."""

    def __init__(
        self, *, agent: AgentCast, cast: Sequence[AgentCast], show: ShowIdentity, target: Target, clock: Clock
    ) -> None:
        self._agent, self._show, self._target, self._clock = agent, show, target, clock
        self._order = [member.id for member in cast].index(agent.id)
        self._let_in_before = False
        self._denial: BroadcastDenied | None = None
        self._error: ErrorReported | None = None

    def identity(self, credential: Credential) -> Identity:
        """Return the agent as the target will know it."""
        return Identity(
            agent_id=credential.agent_id,
            name=truncate(self._agent.name, NAME_LIMIT),
            emoji=self._agent.emoji,
            color=self._agent.color,
            style=self._agent.style,
            secret=credential.secret,
            token=self._target.token.get_secret_value() if self._target.token else "",
        )

    def hear(self, reply: Reply) -> None:
        """Take in what the peer said; it may be why the agent is not let in."""
        if isinstance(reply, BroadcastDenied):
            self._denial = reply
        elif isinstance(reply, ErrorReported):
            self._error = reply

    async def register(self, session: Session, *, resume_room: str, resume_show: bool = False) -> None:
        """Register, and go on in ``resume_room``, or the one we had in this show, where the peer lets us.

        Raises:
            DroppedError: Another try may help.
            BroadcastError: It won't.
        """
        machine = session.machine
        self._error = None
        await session.send(machine.register(resume_room=resume_room, resume_show=self._show.id if resume_show else ""))
        await session.until(lambda: machine.state is not State.REGISTERING, "answer to `register`")
        if machine.state is not State.OPEN:
            self._let_in_before = True
            return
        code, message = (self._error.code, truncate(self._error.message, _REASON_LIMIT)) if self._error else ("", "")
        hopeless = code == "AUTH_FAILED" and not self._let_in_before
        error = BroadcastError if hopeless else DroppedError
        raise error(self._target.name, f"the server does not let us in: {code}: {message}".rstrip(": "))

    async def start(self, session: Session, *, part: int) -> None:
        """Open the ``part``-th room, after ending one that an earlier connection has left behind.

        Raises:
            DroppedError: Another try may help.
            BroadcastError: It won't.
        """
        machine = session.machine
        for _ in range(_STARTS):
            self._denial = None
            await session.send(machine.start(room_title(self._show.title, part), show=self._claim()))
            await session.until(lambda: machine.state is not State.STARTING, "answer to `broadcast_start`")
            if machine.state is State.LIVE:
                return
            denial = self._denial or BroadcastDenied("", "")
            if denial.reason != "you_are_already_broadcasting":
                error = BroadcastError if denial.reason == "show_key" else DroppedError
                raise error(self._target.name, f"the broadcast was denied: {denial.reason or 'for no reason'}")
            await session.send(machine.end_room(denial.room))
            await self._clock.sleep(_OLD_ROOM_PAUSE_S)
        raise DroppedError(self._target.name, "the server keeps an old room of ours open")

    def _claim(self) -> ShowClaim:
        return ShowClaim(
            id=self._show.id,
            key=_key_for(self._target.name, self._show.key),
            title=self._show.title,
            motion=self._show.motion,
            language=self._show.language,
            agent=self._agent.id,
            role="moderator" if self._agent.moderator else "debater",
            side=self._agent.side or "",
            order=self._order,
            producer=self._show.producer,
        )


def _key_for(target: str, key: str) -> str:
    """Return the show's key on one target: a server that learns its own can't speak for us on another."""
    return hmac.new(key.encode(), target.encode(), "sha256").hexdigest()
