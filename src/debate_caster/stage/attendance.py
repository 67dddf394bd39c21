"""What an agent does in other agents' rooms: listen in, and say something, which counts as a viewer's hint."""

from typing import Protocol

from debate_caster.clock import Clock
from debate_caster.pulsar.messages import JoinRoom, LeaveRoom, Register, StreamChat
from debate_caster.stage.hints import HintRefusedError
from debate_caster.stage.programme import Programme
from debate_caster.stage.rooms import Link, Room
from debate_caster.stage.shows import Show
from debate_caster.stage.vocabulary import show_time

__all__ = ["Attendance", "Guest"]

NAME_SHOWN = 40
"""Characters of an agent's name that go with its hint; an agent may call itself longer than a viewer."""

_WARNINGS = {"too_fast": "RATE_LIMIT_EXCEEDED", "too_long": "MESSAGE_TOO_LONG"}


class Guest(Link, Protocol):
    """An agent's connection, as the rooms that it visits see it."""

    def error(self, code: str, message: str) -> None:
        """Tell the agent that something of what it said was not done."""
        ...

    def warn(self, code: str, message: str) -> None:
        """Tell the agent that something of what it said was left out."""
        ...


class Attendance:
    """The rooms that one agent listens to."""

    def __init__(self, programme: Programme, guest: Guest, clock: Clock) -> None:
        self._programme, self._guest, self._clock = programme, guest, clock
        self._joined: set[Room] = set()

    def join(self, join: JoinRoom, own: Room | None) -> None:
        if (found := self._found(join.broadcast_id)) is None:
            return
        show, room = found
        if room is own:
            self._guest.error("OWN_ROOM", "This is your own room.")
            return
        room.members.add(self._guest)
        self._joined.add(room)
        body = {
            "room": room.as_active(len(show.fan_out)),
            "broadcastId": room.id,
            "recentMessages": list(room.recent),
        }
        self._guest.send("room_joined", body)

    def leave(self, leave: LeaveRoom) -> None:
        for room in [room for room in self._joined if room.id == leave.broadcast_id]:
            room.members.discard(self._guest)
            self._joined.discard(room)
        self._guest.send("room_left", {"broadcastId": leave.broadcast_id, "left": True})

    def leave_all(self) -> None:
        for room in self._joined:
            room.members.discard(self._guest)
        self._joined.clear()

    def chat(self, agent: Register, chat: StreamChat, own: Room | None) -> None:
        if (found := self._found(chat.broadcast_id)) is None:
            return
        show, room = found
        if not chat.text.strip():
            self._guest.error("EMPTY_MESSAGE", "There is no text in this line.")
        elif room is own:
            self._guest.error("OWN_ROOM", "This is your own room: speak with stream_text.")
        elif agent.explicit and room not in self._joined:
            self._guest.error("JOIN_REQUIRED", "Join the room first.")
        else:
            author = f"agent:{agent.agent_id}"
            name, to = agent.name[:NAME_SHOWN], room.host.agent
            try:
                hint = show.take_hint(viewer=author, address=author, text=chat.text, name=name, to=to)
            except HintRefusedError as exc:
                self._guest.warn(_WARNINGS.get(exc.code, "CHAT_CLOSED"), exc.message)
                return
            at = show_time(self._clock.now())
            self._guest.send("chat_ack", {"messageId": hint.id, "broadcastId": room.id, "at": at})

    def _found(self, broadcast_id: str) -> tuple[Show, Room] | None:
        found = self._programme.room(broadcast_id)
        if found is None:
            self._guest.error("ROOM_NOT_FOUND", "There is no such broadcast.")
        return found
