"""A show's producers at the stage: whose token is right, their commands on the way to the caster, what they see.

The stage keeps the digest of the show's producer token. The token itself passes through to the caster, which looks at
it too; it stays here for as long as one who gave it watches, so that a caster that was away can be asked again.
"""

import asyncio
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from debate_caster.clock import Clock
from debate_caster.pulsar.messages import CONTROL
from debate_caster.stage.archive import digest
from debate_caster.stage.fan_out import Viewer, json_frame
from debate_caster.stage.hints import network_of
from debate_caster.stage.rates import Rates
from debate_caster.stage.refusals import RefusedError
from debate_caster.stage.rooms import Room
from debate_caster.stage.vocabulary import json_bytes

__all__ = ["Command", "Producers", "token_rates"]

ANSWER_S = 2.0
"""How long a caster may take to answer a command."""

COMMANDS_WAITING = 16
"""Commands under way at once, for each show."""

WRONG_TOKENS, WRONG_TOKENS_PER_S = 10, 1 / 6

MAX_DESK = 128 * 1024
"""Bytes of the desk's state: 200 hints of 280 characters are less than half of it."""


def token_rates(clock: Clock) -> Rates:
    """Return the limit of wrong tokens for each address, over all shows of a stage."""
    return Rates(clock, burst=WRONG_TOKENS, per_second=WRONG_TOKENS_PER_S)


@dataclass(frozen=True, slots=True)
class Command:
    """What a producer wants done, and the token that says that it may. ``turn`` is the one that ``skip`` means."""

    command: str
    token: str
    text: str = ""
    hint: str = ""
    viewer: str = ""
    by: str = ""
    turn: int | None = None


class Producers:
    """Those of one show. ``key`` is the digest of their token, empty where the caster has named none."""

    def __init__(self, clock: Clock, rates: Rates) -> None:
        self.key = ""
        self._clock, self._rates = clock, rates
        self._waiting: dict[str, asyncio.Future[tuple[bool, str]]] = {}
        self._watching: dict[Viewer, str] = {}

    def admit(self, token: str, address: str) -> None:
        """Check a token.

        The right one is never held back: all viewers behind one proxy share its address, and one of them could lock the
        producer out. It is long and random, so that counting is for the log's sake, not for the lock's.

        Raises:
            RefusedError: It is wrong (``wrong_token``), or one of too many wrong ones (``too_fast``).
        """
        if self.key and hmac.compare_digest(self.key, digest(token)):
            return
        if wait_s := self._rates.take(network_of(address)):
            raise RefusedError("too_fast", "Too many wrong tokens: wait a little.", retry_after=wait_s)
        raise RefusedError("wrong_token", "This is not the token of the show's producer.")

    async def command(self, rooms: Iterable[Room], command: Command) -> str:
        """Pass a command on to the caster and wait for its answer; return what it says.

        Raises:
            RefusedError: The caster refuses (``refused``), is not there (``no_answer``), or has too much to do
                (``too_fast``).
        """
        lead = _lead_of(rooms)
        if lead is None or lead.link is None:
            raise RefusedError("no_answer", "The show's caster is not connected just now.")
        if len(self._waiting) >= COMMANDS_WAITING:
            raise RefusedError("too_fast", "Too many commands at once.", retry_after=1.0)
        identity = f"c_{secrets.token_hex(8)}"
        answer: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
        self._waiting[identity] = answer
        try:
            lead.link.send(
                "control",
                {
                    "broadcastId": lead.id,
                    "id": identity,
                    "command": command.command,
                    "token": command.token,
                    "text": command.text,
                    "hint": command.hint,
                    "viewer": command.viewer,
                    "by": command.by,
                }
                | ({} if command.turn is None else {"turn": command.turn}),
            )
            async with self._clock.timeout(ANSWER_S):
                ok, message = await answer
        except TimeoutError as exc:
            raise RefusedError("no_answer", f"The show's caster did not answer within {ANSWER_S:g} s.") from exc
        finally:
            del self._waiting[identity]
        if not ok:
            raise RefusedError("refused", message)
        return message

    def answer(self, identity: str, *, ok: bool, message: str) -> None:
        """Take in a caster's answer; one that nobody waits for any more is nothing."""
        waiting = self._waiting.get(identity)
        if waiting is not None and not waiting.done():
            waiting.set_result((ok, message))

    # -- the desk ------------------------------------------------------------------------------------------------

    def watch(self, viewer: Viewer, token: str, rooms: Iterable[Room]) -> None:
        """From now on the viewer sees the desk; its token was right."""
        self._watching[viewer] = token
        self._ask(_lead_of(rooms))

    def leave(self, viewer: Viewer, rooms: Iterable[Room]) -> None:
        """The viewer has gone; with the last one nobody needs to hear of the desk."""
        if self._watching.pop(viewer, None) is not None and not self._watching:
            self._ask(_lead_of(rooms))

    def greet(self, room: Room) -> None:
        """A room's agent is there, perhaps again: where it leads the show, it is told whether a producer watches."""
        if self._watching and _leads(room):
            self._ask(room)

    def show_desk(self, desk: Mapping[str, Any]) -> None:
        """Pass the desk's state on to every producer that watches, and to nobody else."""
        frame = json_bytes({**desk, "type": "desk"})
        if len(frame) <= MAX_DESK:
            for viewer in self._watching:
                viewer.write(json_frame(viewer.encoding, frame))

    def _ask(self, lead: Room | None) -> None:
        if lead is not None and lead.link is not None:
            token = next(reversed(self._watching.values()), "")
            body = {"broadcastId": lead.id, "wanted": bool(self._watching), "token": token}
            lead.link.send("desk_wanted", body)


def _leads(room: Room) -> bool:
    return room.order == 0 and room.state != "closed" and room.link is not None and CONTROL in room.link.features


def _lead_of(rooms: Iterable[Room]) -> Room | None:
    """Return the room of a show through which its caster is directed, None while there is none."""
    return next((room for room in rooms if _leads(room)), None)
