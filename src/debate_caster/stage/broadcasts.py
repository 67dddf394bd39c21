"""What an agent does in its own room: start, lines, events, end; and what it is told about their way to the air."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from debate_caster.pulsar.messages import (
    DEBATE_SHOW,
    HINTS,
    RESUME,
    TEXT_ACK,
    BroadcastEnd,
    BroadcastStart,
    ControlDone,
    DeskShown,
    PauseBroadcast,
    Register,
    ShowEvent,
    StreamText,
)
from debate_caster.stage.programme import Programme
from debate_caster.stage.rooms import Host, Link, Room
from debate_caster.stage.shows import Show

__all__ = ["Broadcast", "Speaker"]


class Speaker(Link, Protocol):
    """An agent's connection, as its broadcast sees it."""

    def error(self, code: str, message: str) -> None:
        """Tell the agent that something of what it said was not done."""
        ...


class Broadcast:
    """An agent's own room, or none; one at a time. The agent need not name it."""

    def __init__(self, programme: Programme, speaker: Speaker) -> None:
        self.show: Show | None = None
        self.room: Room | None = None
        self._programme, self._speaker = programme, speaker

    # -- coming and going ----------------------------------------------------------------------------------------

    async def start(self, agent: Register, start: BroadcastStart) -> Room | None:
        """Open a room; None where the agent has one already, which it is told.

        Raises:
            DeniedError: The show is not to be had.
            LogError: The log can't be written.
        """
        if self.room is not None:
            body = {"reason": "you_are_already_broadcasting", "broadcastId": self.room.id}
            self._speaker.send("broadcast_denied", body)
            return None
        claim = start.show if DEBATE_SHOW in self._speaker.features else None
        host = Host(
            agent.agent_id,
            (claim.agent if claim else "") or agent.agent_id,
            agent.name,
            agent.emoji or "🤖",
            agent.color or "#c44dff",
            claim.side if claim else "",
        )
        room = await self._programme.open_room(host, start.title, claim, category=start.category)
        show = self._programme.live[room.show]
        self.show, self.room, room.link = show, room, self._speaker
        body = {"broadcastId": room.id, "streamKey": f"sk_{room.id[3:]}", "show": show.id}
        self._speaker.send("broadcast_approved", body)
        if HINTS in self._speaker.features:
            room.tell_viewers(len(show.fan_out))
        room.tell_counts(show.ballots.counted)
        show.producers.greet(room)
        return room

    async def resume(self, agent: Register) -> dict[str, Any] | None:
        """Take up the room that the agent had; None where it has none to go on in.

        Only a secret proves that it is the same agent: room ids and agent ids are public.
        """
        if agent.resume_room:
            found = self._programme.room(agent.resume_room)
        else:
            found = self._programme.room_of(agent.agent_id, agent.resume_show)
        if found is None or self.room is not None or not agent.secret or RESUME not in self._speaker.features:
            return None
        show, room = found
        if room.host.id != agent.agent_id:
            return None
        await room.settle()
        if room.state == "closed":
            return None
        self.show, self.room, room.link = show, room, self._speaker
        return {"room": room.id, "last_ref": room.last_ref}

    def welcome_back(self) -> None:
        """The agent has been told that it goes on: now viewers are, and it gets the hints that it missed."""
        if self.show is not None and self.room is not None:
            self._programme.welcome_back(self.show, self.room)

    def drop(self, *, comes_back: bool, reason: str) -> None:
        """The connection is gone, or another one has taken over: the room waits, or ends."""
        show, room = self.show, self.room
        self.show = self.room = None
        if show is None or room is None or room.link is not self._speaker:
            return
        room.link = None
        if comes_back:
            show.suspend_room(room)
            self._programme.await_return(show, room)
        else:
            show.close_room(room, reason)

    def end(self, end: BroadcastEnd) -> None:
        if end.broadcast_id and (self.room is None or end.broadcast_id != self.room.id):
            self._speaker.error("NOT_YOUR_BROADCAST", "Only its host ends a broadcast.")
            return
        if self.show is None or self.room is None:
            return
        show, room = self.show, self.room
        self.show = self.room = None
        reason = end.reason or "ended"
        told = {"reason": reason, "title": room.title, "broadcastId": room.id}
        if (aired := show.close_room(room, reason)) is not None:
            aired.add_done_callback(_unless_failed(lambda _seq: self._speaker.send("broadcast_ended", told)))

    # -- speaking ------------------------------------------------------------------------------------------------

    def text(self, line: StreamText) -> None:
        """Put a line on air.

        Raises:
            LogError: The log can't be written, and too much waits already.
        """
        if (own := self._own(line.broadcast_id)) is None:
            return
        show, room = own
        if room.is_repetition(line.ref):
            self._acknowledge_again(room, line.ref, line.turn, line.index)
        elif not line.text:
            self._speaker.error("EMPTY_MESSAGE", "There is no text in this line.")
        else:
            aired = show.air_text(room, line.text, turn=line.turn, index=line.index, ref=line.ref)
            self._acknowledge_when(aired, room, line.ref, line.turn, line.index)

    def event(self, event: ShowEvent) -> None:
        """Take in a public event of the show.

        Raises:
            ProtocolError: It is none.
            LogError: The log can't be written, and too much waits already.
        """
        if (own := self._own(event.broadcast_id)) is None:
            return
        show, room = own
        if DEBATE_SHOW not in self._speaker.features:
            message = "show_event is for agents that registered with the feature debate_show."
            self._speaker.error("UNKNOWN_TYPE", message)
        elif room.is_repetition(event.ref):
            self._acknowledge_again(room, event.ref)
        else:
            self._acknowledge_when(show.take_event(room, event.event, event.ref), room, event.ref)

    def tell_producers(self, said: ControlDone | DeskShown) -> None:
        """Take in what the caster has to say to its producers; it does so in the lead room."""
        if (own := self._own(said.broadcast_id)) is None or own[1].order != 0:
            return
        if isinstance(said, ControlDone):
            own[0].producers.answer(said.id, ok=said.ok, message=said.message)
        else:
            own[0].producers.show_desk(said.desk)

    def pause(self, pause: PauseBroadcast) -> None:
        """Nothing ends a quiet room here, so there is nothing to pause; only what v2 refuses is refused."""
        if self._own(pause.broadcast_id) is not None and not 1 <= pause.minutes <= 15:
            self._speaker.error("INVALID_PAUSE", "A pause has 1 to 15 minutes.")

    def _own(self, broadcast_id: str) -> tuple[Show, Room] | None:
        if self.show is None or self.room is None or (broadcast_id and broadcast_id != self.room.id):
            message = "You have no such broadcast: start one with broadcast_start."
            self._speaker.error("NOT_YOUR_BROADCAST", message)
            return None
        return self.show, self.room

    def _acknowledge_when(
        self,
        aired: "asyncio.Future[int]",
        room: Room,
        ref: int | None,
        turn: int | None = None,
        index: int | None = None,
    ) -> None:
        """Acknowledge a frame once it is in the air log, to agents that asked for it."""
        if ref is None or TEXT_ACK not in self._speaker.features:
            return
        place = {"turn": turn, "index": index}
        known = {key: value for key, value in place.items() if value is not None}
        body = {"broadcastId": room.id, "ref": ref, **known}
        aired.add_done_callback(_unless_failed(lambda seq: self._speaker.send("text_ack", {**body, "seq": seq})))

    def _acknowledge_again(
        self, room: Room, ref: int | None, turn: int | None = None, index: int | None = None
    ) -> None:
        if ref is None:
            return
        aired = room.aired(ref)
        if aired is None:  # long ago, or before this stage was started: aired, at a place nobody remembers
            aired = asyncio.get_running_loop().create_future()
            aired.set_result(0)
        self._acknowledge_when(aired, room, ref, turn, index)


def _unless_failed(tell: Callable[[int], None]) -> "Callable[[asyncio.Future[int]], None]":
    def told(aired: "asyncio.Future[int]") -> None:
        if not aired.cancelled() and aired.exception() is None:
            tell(aired.result())

    return told
