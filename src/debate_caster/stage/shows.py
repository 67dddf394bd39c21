"""A show on the stage: its rooms, its air log, its viewers and their hints, from the first room to the last.

Rooms of one show share everything here. Whoever calls is on the event loop; nothing but ``run`` waits for the disk.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from debate_caster.clock import Clock
from debate_caster.companions import alongside
from debate_caster.errors import LogError, ProtocolError
from debate_caster.log import EventLog
from debate_caster.stage.air import Air
from debate_caster.stage.ballots import BallotBox, VoteRefusedError
from debate_caster.stage.fan_out import AirEvent, FanOut, Viewer, json_frame
from debate_caster.stage.gallery import Gallery
from debate_caster.stage.hints import Hint, HintDesk, HintRates, HintRefusedError
from debate_caster.stage.metrics import Counters
from debate_caster.stage.producers import Command, Producers
from debate_caster.stage.rates import Rates
from debate_caster.stage.refusals import RefusedError
from debate_caster.stage.rooms import Host, Room
from debate_caster.stage.summary import Summary
from debate_caster.stage.vocabulary import HINT_FATES, check_caster_event, json_bytes

__all__ = ["Show"]

logger = structlog.get_logger()

UNWANTED_ENDS = frozenset({"host_disconnected", "replaced", "stage_restarted"})
"""Reasons for which a room ends without its agent having said so."""


class Show:
    """``summary`` is what has been aired; ``over`` is set once the show has ended and everybody has been told."""

    def __init__(
        self,
        identity: str,
        *,
        log: EventLog,
        clock: Clock,
        counters: Counters,
        rates: HintRates,
        token_rates: Rates,
        chance: random.Random,
        note_ended: Callable[["Show"], Awaitable[None]],
    ) -> None:
        self.id = identity
        self.summary = Summary(identity)
        self.rooms: dict[str, Room] = {}
        self.over = asyncio.Event()
        self.lost = asyncio.Event()
        self.air = Air(log, identity, clock=clock, counters=counters, on_aired=self._aired, on_lost=self._lost)
        self.fan_out = FanOut(clock, counters, on_count=self._tell_agents)
        self.desk = HintDesk(clock, rates)
        self.producers = Producers(clock, token_rates)
        self.ballots = BallotBox(log, identity, clock=clock)
        self.audience: dict[str, set[Viewer]] = {}
        self.gallery = Gallery(self.rooms, clock=clock, chance=chance)
        self._counters, self._note_ended = counters, note_ended
        self._turns: dict[str, tuple[int, str]] = {}
        self._finished = asyncio.Event()
        self._ending = False

    @property
    def open_rooms(self) -> list[Room]:
        return [room for room in self.rooms.values() if room.state != "closed"]

    @property
    def takes_hints(self) -> bool:
        return bool(self.summary.hints_open and not self._ending and not self.summary.replay and self.open_rooms)

    def as_json(self) -> dict[str, Any]:
        return self.summary.as_json(viewers=len(self.fan_out)) | {"vote": self.ballots.as_json()}

    # -- its life ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Store and deliver until the show is over; whoever cancels this ends the show's part in the stage only."""
        try:
            async with alongside(self.air.run(), self.fan_out.run(), self.ballots.run(self.fan_out.tell)):
                await self._finished.wait()
            await self.fan_out.drain()
            if not self.lost.is_set():
                await self._note_ended(self)
        finally:
            self.over.set()

    async def revive(self) -> None:
        """Go on with a show that the log knows: everything aired before counts.

        Raises:
            LogError: The log can't be read.
        """
        await self.air.replay_into(self._recall_past)
        self.fan_out.position = self.air.head
        if self.summary.replay:
            return
        for identity, known in self.summary.rooms.items():
            listed = next((agent for agent in self.summary.agents if agent["id"] == known.agent), {})
            looks = {name: str(listed.get(name) or "") for name in ("emoji", "color", "side")}
            host = Host(known.host or known.agent, known.agent, known.name, **looks)
            room = Room(identity, self.id, host, known.title, known.opened_at, order=known.order, state=known.state)
            room.last_ref = max(other.last_ref for other in self.summary.rooms.values() if other.agent == known.agent)
            self.rooms[identity] = room
        await self.ballots.load()
        self._count_votes()

    def end(self, why: str, detail: str = "") -> None:
        """Say that the show has ended, unless it has been said."""
        if not self._ending:
            self._ending = True
            self._air({"type": "show_ended", "why": why, "detail": detail})

    # -- its rooms -----------------------------------------------------------------------------------------------

    def open_room(self, room: Room) -> None:
        self.rooms[room.id] = room
        logger.info("room_opened", agent=room.host.id, room=room.id, show=self.id)
        self._air({
            "type": "room_opened",
            "room": room.id,
            "agent": room.host.as_json(),
            "title": room.title,
            "host": room.host.id,
            "order": room.order,
        })  # fmt: skip

    def suspend_room(self, room: Room) -> None:
        """The agent has gone, and may come back."""
        room.link = None
        if room.state == "live":
            room.state = "reconnecting"
            logger.info("room_reconnecting", agent=room.host.id, room=room.id, show=self.id)
            self._air({"type": "room_reconnecting", "room": room.id, "agent": room.host.agent})

    def resume_room(self, room: Room) -> None:
        """The agent is back. Hints that it may have missed are offered again."""
        if room.state == "reconnecting":
            room.state = "live"
            logger.info("room_resumed", agent=room.host.id, room=room.id, show=self.id)
            self._air({"type": "room_resumed", "room": room.id, "agent": room.host.agent})
        room.tell_counts(self.ballots.counted)
        self.producers.greet(room)
        waiting = [hint for hint in self.desk.undecided() if self._room_for(hint) is room]
        if waiting:
            room.offer_hints(waiting, len(self.fan_out))

    def close_room(self, room: Room, reason: str) -> "asyncio.Future[int] | None":
        """End a room; with the last one ends the show, and every turn. The future is done when viewers can know."""
        if room.state == "closed":
            return None
        room.state = "closed"
        logger.info("room_closed", agent=room.host.id, room=room.id, show=self.id, reason=reason)
        aired = self._air({"type": "room_closed", "room": room.id, "agent": room.host.agent, "reason": reason})
        self.gallery.close(room, reason)
        if not self.open_rooms:
            self._end_turns()
            self.end("interrupted" if reason in UNWANTED_ENDS else "completed")
        return aired

    def air_text(
        self, room: Room, text: str, *, turn: int | None, index: int | None, ref: int | None
    ) -> "asyncio.Future[int]":
        """Put a line on air. The future gives its place once it is stored.

        Raises:
            LogError: The air log can't be written, and too much waits already.
        """
        event: dict[str, Any] = {"type": "chunk_aired", "room": room.id, "speaker": self._speaker(room)}
        event |= {"turn": turn} if turn is not None else {}
        event |= {"index": room.lines if index is None else index, "text": text}
        event |= {"ref": ref} if ref is not None else {}
        aired = self.air.air(event)
        room.lines += 1
        room.note_ref(ref, aired)
        return aired

    def take_event(self, room: Room, event: Mapping[str, Any], ref: int | None) -> "asyncio.Future[int]":
        """Take in what a caster says: put it on air, or tell a hint's author. The future gives its place, or 0.

        Raises:
            ProtocolError: It is not a public event.
            LogError: The air log can't be written, and too much waits already.
        """
        checked = check_caster_event(event)
        if checked["type"] in HINT_FATES:
            self._decide(checked)
            aired = asyncio.get_running_loop().create_future()
            aired.set_result(0)
        elif checked["type"] == "show_ended" and self._ending:
            raise ProtocolError("stage", "the show has ended")
        else:
            aired = self.air.air({**checked, "via": room.id} | ({"ref": ref} if ref is not None else {}))
            self._ending |= checked["type"] == "show_ended"
            self._follow_turns(room.host.agent, checked)
            if checked["type"] == "hint_used":
                self.desk.note_use(checked["hint"])
        room.note_ref(ref, aired)
        return aired

    def announce(self, event: Mapping[str, Any]) -> "asyncio.Future[int] | None":
        """Put an event of the stage's own on air."""
        return self._air(event)

    # -- its viewers ---------------------------------------------------------------------------------------------

    def know(self, viewer: Viewer, identity: str) -> None:
        """From now on the connection speaks for this viewer, and hears what becomes of its hints."""
        self.forget(viewer)
        viewer.identity = identity
        self.audience.setdefault(identity, set()).add(viewer)

    def forget(self, viewer: Viewer) -> None:
        connections = self.audience.get(viewer.identity)
        if connections is not None:
            connections.discard(viewer)
            if not connections:
                del self.audience[viewer.identity]

    def take_hint(self, *, viewer: str, address: str, text: object, name: object, to: object) -> Hint:
        """Take in a viewer's hint and pass it on to one agent.

        Raises:
            HintRefusedError: The show takes none, or not this one, or not now.
        """
        if not self.takes_hints:
            self._counters.hints["refused_closed"] += 1
            raise HintRefusedError("closed", "This show takes no hints now.")
        try:
            hint = self.desk.offer(viewer=viewer, address=address, text=text, name=name, to=to)
        except HintRefusedError as exc:
            self._counters.hints[f"refused_{exc.code}"] += 1
            raise
        self._counters.hints["received"] += 1
        room = self._room_for(hint)
        if room is not None:
            room.offer_hints([hint], len(self.fan_out))
        return hint

    def take_vote(self, *, viewer: str, address: str, choice: object, vote: object) -> dict[str, Any]:
        """Take a viewer's vote; return what to tell the viewer.

        Raises:
            VoteRefusedError: There is no vote, or it is over, or the stage does not take this one.
        """
        try:
            taken = self.ballots.cast(viewer=viewer, address=address, choice=choice, vote=vote)
        except VoteRefusedError as exc:
            self._counters.votes[f"refused_{exc.code}"] += 1
            raise
        self._counters.votes["taken"] += 1
        return taken

    # -- its producers -------------------------------------------------------------------------------------------

    async def command(self, command: Command, address: str) -> str:
        """Have a producer's command carried out; return what the caster says to it.

        Raises:
            RefusedError: The show is over, the token is wrong, the caster refuses or does not answer.
        """
        if self.over.is_set() or self._ending or self.summary.replay:
            raise RefusedError("ended", "The show is over.")
        self.producers.admit(command.token, address)
        return await self.producers.command(self.open_rooms, command)

    # -- behind the scenes ---------------------------------------------------------------------------------------

    def _air(self, event: Mapping[str, Any]) -> "asyncio.Future[int] | None":
        """Air what the stage itself has to say; a log that is lost or stuck for long has been reported elsewhere."""
        try:
            return self.air.air(event)
        except LogError as exc:
            logger.warning("stage_event_dropped", show=self.id, type=event["type"], error=str(exc))
            return None

    def _aired(self, batch: Sequence[tuple[AirEvent, Mapping[str, Any]]]) -> None:
        for event, fields in batch:
            self._recall(fields, event.seq)
            if event.type == "chunk_aired":
                self.gallery.pass_on(fields, event.seq, len(self.fan_out), cues=self.takes_hints)
            elif event.type == "hint_used":
                self.gallery.pass_on(fields, event.seq, len(self.fan_out), cues=False)
                self._decide(fields, seq=event.seq)
            elif event.type == "vote_counted":
                for room in self.open_rooms:
                    room.tell_counts(self.ballots.counted)
            elif event.type == "show_ended":
                self._expire_hints()
        self._count_votes()
        self.fan_out.publish([event for event, _ in batch])
        if self.summary.ended and not self.open_rooms and not self.air.pending:
            self._finished.set()

    def _recall(self, event: Mapping[str, Any], seq: int) -> None:
        self.summary.apply(event, seq)
        self.gallery.note(event, seq)
        if not self.summary.replay:  # there, all votes were cast long ago
            self.ballots.note(event)
        self.summary.epoch = self.air.epoch
        self._ending |= event.get("type") == "show_ended"

    def _recall_past(self, event: Mapping[str, Any], seq: int) -> None:
        self._recall(event, seq)
        if room := self.summary.rooms.get(str(event.get("via") or "")):
            self._follow_turns(room.agent, event)

    def _follow_turns(self, agent: str, event: Mapping[str, Any]) -> None:
        """Keep in mind which turn an agent's caster has begun and not ended: one for each agent, whatever it says."""
        if event["type"] == "turn_started":
            self._turns[agent] = event["turn"], event["speaker"]
        elif event["type"] == "turn_ended" and self._turns.get(agent, (None, ""))[0] == event["turn"]:
            del self._turns[agent]

    def _end_turns(self) -> None:
        """End what nobody is left to end: an agent that has gone for good has left its turn on the air."""
        for turn, speaker in self._turns.values():
            self._air({"type": "turn_ended", "turn": turn, "speaker": speaker, "how": "aborted"})
        self._turns.clear()

    def _lost(self, error: LogError) -> None:
        logger.error("show_lost", show=self.id, error=str(error))
        self.lost.set()
        self._finished.set()

    def _decide(self, event: Mapping[str, Any], *, seq: int | None = None) -> None:
        hint = self.desk.decide(event, seq=seq)
        if hint is None:
            return
        self._counters.hints[hint.fate["state"]] += 1
        payload = json_bytes(hint.fate_frame())
        for viewer in self.audience.get(hint.viewer, ()):
            if viewer.encoding == "websocket":
                viewer.write(json_frame(viewer.encoding, payload))

    def _count_votes(self) -> None:
        """Say how a vote went as soon as it is closed."""
        if not self.summary.ended and (counted := self.ballots.uncounted()) is not None:
            self.ballots.note(counted)
            self._air(counted)

    def _expire_hints(self) -> None:
        for hint in self.desk.undecided():
            self._decide({"type": "hint_expired", "hint": hint.id, "reason": "show_ended"})

    def _room_for(self, hint: Hint) -> Room | None:
        """Return the room that a hint goes to: the one it names, otherwise the lead room, of those still open."""
        rooms = sorted(self.open_rooms, key=lambda room: room.order)
        if hint.to:
            named = self.summary.agent_of(hint.to)
            wanted = {hint.to.casefold(), (named or hint.to).casefold()}
            for room in rooms:
                names = {room.host.agent, self._speaker(room), room.host.name, room.host.side, room.id}
                if wanted & {name.casefold() for name in names if name}:
                    return room
        return rooms[0] if rooms else None

    def _speaker(self, room: Room) -> str:
        known = self.summary.rooms.get(room.id)
        return known.agent if known else self.summary.speaker_of(room.host.agent, room.host.name)

    def _tell_agents(self, viewers: int) -> None:
        for room in self.open_rooms:
            room.tell_viewers(viewers)
