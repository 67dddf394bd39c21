"""What an agent does in other agents' rooms: listen in, and say something, which counts as a viewer's hint."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import regex  # type: ignore[import-untyped]  # comes without types

from debate_caster.clock import Clock
from debate_caster.pulsar.messages import DEBATE_SHOW, JoinRoom, LeaveRoom, Register, StreamChat
from debate_caster.pulsar.text import DUPLICATE_PREFIX, split_text, starts_alike
from debate_caster.stage.hints import MAX_TEXT, MAX_TO, HintRefusedError
from debate_caster.stage.programme import Programme
from debate_caster.stage.rooms import Link, Room
from debate_caster.stage.shows import Show
from debate_caster.stage.vocabulary import show_time

__all__ = ["Attendance", "Guest", "addressee"]

NAME_SHOWN = 40
"""Characters of an agent's name that go with its hint; an agent may call itself longer than a viewer."""

DUPLICATE_S = 5.0
"""How long the same line again is taken for a mistake; v2 does the same."""

FEW_ROOMS = 64
"""Rooms that are remembered before those are looked for that are over."""

CUT = "..."
"""The end of a line that was longer than a hint may be; not one character, which a prompt would make three of."""

_WITHOUT_SPACES = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")

_WARNINGS = {"too_fast": "RATE_LIMIT_EXCEEDED", "too_long": "MESSAGE_TOO_LONG"}


class Guest(Link, Protocol):
    """An agent's connection, as the rooms that it visits see it."""

    address: str

    def may_hear(self, show: str) -> bool:
        """Say whether the agent may listen to that show, and speak there."""
        ...

    def error(self, code: str, message: str) -> None:
        """Tell the agent that something of what it said was not done."""
        ...

    def warn(self, code: str, message: str) -> None:
        """Tell the agent that something of what it said was left out."""
        ...


class Attendance:
    """The rooms that one agent was told of, and those of them in which it listens."""

    def __init__(self, programme: Programme, guest: Guest, clock: Clock) -> None:
        self._programme, self._guest, self._clock = programme, guest, clock
        self._known: set[Room] = set()
        self._enough = FEW_ROOMS
        self._last, self._last_at = "", -math.inf

    def invite(self, agent: Register, show: Show, room: Room) -> None:
        """Tell an agent of another one's room, once: who chooses for itself gets an offer, everybody else a seat.

        Casters get neither: their agents talk to each other in their own show. Nor does who may not hear the show.
        """
        if not self._guest.may_hear(show.id):
            return
        if DEBATE_SHOW in self._guest.features or room.host.id == agent.agent_id or room in self._known:
            return
        self._note(room)
        if agent.explicit:
            self._guest.send("room_available", {"room": room.as_active(len(show.fan_out))})
        else:
            show.gallery.seat(room, self._guest)
            self._guest.send("viewer_context", show.gallery.context(room))

    def join(self, join: JoinRoom, own: Room | None) -> None:
        if (found := self._found(join.broadcast_id, own)) is None:
            return
        show, room = found
        self._note(room)
        show.gallery.seat(room, self._guest)
        body = {
            "room": room.as_active(len(show.fan_out)),
            "broadcastId": room.id,
            "recentMessages": show.gallery.recent(room),
        }
        self._guest.send("room_joined", body)

    def leave(self, leave: LeaveRoom) -> None:
        if (found := self._programme.room(leave.broadcast_id)) is not None:
            show, room = found
            show.gallery.leave(room, self._guest)
        self._guest.send("room_left", {"broadcastId": leave.broadcast_id, "left": True})

    def leave_what_is_closed_to_it(self) -> None:
        """Give up the places in shows that the agent may hear no more, for which it has another token now."""
        for room in [room for room in self._known if not self._guest.may_hear(room.show)]:
            self._leave(room)
            self._known.discard(room)

    def leave_all(self) -> None:
        for room in self._known:
            self._leave(room)
        self._known.clear()

    def _leave(self, room: Room) -> None:
        if (show := self._programme.live.get(room.show)) is not None:
            show.gallery.leave(room, self._guest)

    def chat(self, agent: Register, chat: StreamChat, own: Room | None) -> None:
        if (found := self._found(chat.broadcast_id, own)) is None:
            return
        show, room = found
        to, text = addressee(chat.text, show.summary.agents)
        if not text.strip():
            self._guest.error("EMPTY_MESSAGE", "There is no text in this line.")
        elif agent.explicit and self._guest not in room.members:
            self._guest.error("JOIN_REQUIRED", "Join the room first.")
        elif self._is_repetition(chat.text):
            self._guest.warn("DUPLICATE_MESSAGE", "You have just said this.")
        else:
            self._give_hint(agent, show, room, text, to or room.host.agent)

    def _give_hint(self, agent: Register, show: Show, room: Room, text: str, to: str) -> None:
        try:
            hint = show.take_hint(
                viewer=f"agent:{agent.agent_id}",
                address=self._guest.address,
                text=_shortened(text, show.summary.max_hint_chars),
                name=agent.name[:NAME_SHOWN],
                to=to if len(to) <= MAX_TO else room.id,
            )
        except HintRefusedError as exc:
            self._guest.warn(_WARNINGS.get(exc.code, "CHAT_CLOSED"), exc.message)
        else:
            at = show_time(self._clock.now())
            self._guest.send("chat_ack", {"messageId": hint.id, "broadcastId": room.id, "at": at})

    def _is_repetition(self, text: str) -> bool:
        now = self._clock.monotonic()
        again = now < self._last_at + DUPLICATE_S and starts_alike(text, self._last)
        self._last, self._last_at = (self._last, self._last_at) if again else (text[:DUPLICATE_PREFIX], now)
        return again

    def _found(self, broadcast_id: str, own: Room | None) -> tuple[Show, Room] | None:
        """Return another's room and its show; a show's own agents are no audience of it.

        A show that the agent may not hear is one that there is not: it learns no more from the answer.
        """
        found = self._programme.room(broadcast_id)
        if found is None or not self._guest.may_hear(found[0].id):
            self._guest.error("ROOM_NOT_FOUND", "There is no such broadcast.")
            return None
        if own is not None and own.show == found[1].show:
            self._guest.error("OWN_ROOM", "This is your own show: speak with stream_text.")
            return None
        return found

    def _note(self, room: Room) -> None:
        """Remember a room; rooms that are over are forgotten whenever there are twice as many as there were."""
        if len(self._known) >= self._enough:
            self._known = {known for known in self._known if known.state != "closed"}
            self._enough = max(FEW_ROOMS, 2 * len(self._known))
        self._known.add(room)


def addressee(text: str, agents: Sequence[Mapping[str, object]]) -> tuple[str, str]:
    """Return whom a line begins by addressing (``@name``, or ``@id``), and the rest of it; nobody: "" and the line."""
    line = text.strip()
    if line.startswith("@"):
        called = [(str(agent[key]), str(agent["id"])) for agent in agents for key in ("name", "id") if agent.get(key)]
        for name, identity in sorted(called, key=lambda pair: -len(pair[0])):
            rest = line[1 + len(name) :]
            if line[1 : 1 + len(name)].casefold() == name.casefold() and _ends_word(name, rest):
                return identity, rest.lstrip(" \t,:;.!-\u2013\u2014")
    return "", text


def _ends_word(name: str, rest: str) -> bool:
    """Say whether a name ends where it was found; in scripts without spaces what follows is no part of it."""
    return not rest[:1].isalnum() or _WITHOUT_SPACES.match(rest) is not None


def _shortened(text: str, limit: int | None) -> str:
    """Return what of a line fits into a hint: Pulsar's viewers may say more than a prompt is to hold."""
    limit = min(limit or MAX_TEXT, MAX_TEXT)
    line = " ".join(text.split())
    if len(line) <= limit or limit < 2 * len(CUT):
        return line
    return split_text(line, limit - len(CUT))[0].rstrip() + CUT
