"""The agents in a show's audience: what they get of it, and whose turn it is to react.

They see what the audience of Pulsar's servers sees: a host's lines come from its room; who sits in one room of a show
hears the other rooms there as well, as those servers' viewers do where debaters talk in each other's rooms.
"""

import math
import random
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from debate_caster.clock import Clock
from debate_caster.pulsar.frames import Shape
from debate_caster.pulsar.messages import encode_reply
from debate_caster.stage.fan_out import websocket_frame
from debate_caster.stage.rooms import Link, Room

__all__ = ["CUE_INTERVAL_S", "Gallery", "milliseconds"]

LINES_KEPT = 20
"""Lines of a show that one who joins a room gets; v2 does the same."""

LINES_AT_ENTRY, LINES_AT_CUE = 10, 5
"""Lines that one gets who is given a seat, and whose turn it is."""

EVEN_CUE_CHANCE = 0.3
"""How likely somebody is asked to react to a line with an even number; after one with an odd number somebody is."""

CUE_INTERVAL_S = 5.0
"""How long nobody is asked again: as often as a viewer may give hints. A debate has many lines to a turn, and every
one of an odd turn has an odd number."""


class Gallery:
    """One show's. ``rooms`` is the show's own mapping, which others fill; who has a seat is in ``Room.members``."""

    def __init__(self, rooms: Mapping[str, Room], *, clock: Clock, chance: random.Random) -> None:
        self._rooms, self._clock, self._chance = rooms, clock, chance
        self._recent: deque[tuple[int, Mapping[str, Any]]] = deque(maxlen=LINES_KEPT)
        self._cued: dict[Link, float] = {}

    # -- who is there --------------------------------------------------------------------------------------------

    def seat(self, room: Room, guest: Link) -> None:
        """Give an agent a place in a room: it hears the show from now on."""
        room.members[guest] = None

    def leave(self, room: Room, guest: Link) -> None:
        room.members.pop(guest, None)
        if not any(guest in other.members for other in self._rooms.values()):
            self._cued.pop(guest, None)

    def close(self, room: Room, reason: str) -> None:
        """Tell a room's audience that it is over, and let it go."""
        guests = list(room.members)
        for guest in guests:
            guest.send("broadcast_ended", {"reason": reason, "title": room.title, "broadcastId": room.id})
            self.leave(room, guest)

    # -- what they hear ------------------------------------------------------------------------------------------

    def note(self, event: Mapping[str, Any], seq: int) -> None:
        """Remember a line that is on air, for those who come later."""
        if event.get("type") in {"chunk_aired", "hint_used"} and event.get("text"):
            self._recent.append((seq, event))

    def recent(self, room: Room, lines: int = LINES_KEPT) -> list[dict[str, Any]]:
        """Return the show's last lines as they look from a room, oldest first."""
        return [self._entry(event, seq, room) for seq, event in list(self._recent)[-lines:]]

    def context(self, room: Room) -> dict[str, Any]:
        """Return the body of the ``viewer_context`` for one who has been given a seat."""
        return self._context(room, LINES_AT_ENTRY, cue=False)

    def pass_on(self, event: Mapping[str, Any], seq: int, viewers: int, *, cues: bool) -> None:
        """Tell everybody a line that is on air, each in one room only; then, with ``cues``, ask somebody to react."""
        if not event.get("text"):
            return  # a caster need not say what the hint was
        where = self._room_of(event)
        told: set[Link] = set()
        open_rooms = [room for room in self._rooms.values() if room.members]
        for room in sorted(open_rooms, key=lambda room: (room is not where, room.order)):
            guests = [guest for guest in room.members if guest not in told]
            if guests:
                entry = self._entry(event, seq, room)
                body = room.update(viewers, entry) | ({"turn": entry["turn"]} if "turn" in entry else {})
                ts = milliseconds(event["at"])
                frame = websocket_frame(encode_reply(Shape.FLAT, "live_update", body, ts=ts).encode())
                for guest in guests:
                    guest.deliver(frame)
                told.update(guests)
        if cues and where is not None and event["type"] == "chunk_aired":
            self._cue(where, _number(event))

    def _cue(self, room: Room, number: int) -> None:
        if number % 2 == 0 and self._chance.random() >= EVEN_CUE_CHANCE:
            return
        now = self._clock.monotonic()
        ready = [guest for guest in room.members if now - self._cued.get(guest, -math.inf) >= CUE_INTERVAL_S]
        asked = self._chance.sample(ready, min(len(ready), self._chance.randint(1, 2)))
        body = self._context(room, LINES_AT_CUE, cue=True) if asked else {}
        for guest in asked:
            self._cued[guest] = now
            guest.send("viewer_context", body)

    def _context(self, room: Room, lines: int, *, cue: bool) -> dict[str, Any]:
        return {
            "broadcastId": room.id,
            "host": {"name": room.host.name, "emoji": room.host.emoji},
            "title": room.title,
            "recentMessages": self.recent(room, lines),
            "yourTurn": cue,
            "instruction": "react_to_host" if cue else "watching",
        }

    def _entry(self, event: Mapping[str, Any], seq: int, room: Room) -> dict[str, Any]:
        """Return a line as it looks from a room: its own host's, or like a viewer's."""
        where = self._room_of(event)
        entry: dict[str, Any] = {"id": f"{room.id}-{seq}", "text": event["text"], "ts": milliseconds(event["at"])}
        if event["type"] == "hint_used":
            looks = {"agentId": None, "name": event.get("name") or "A viewer", "emoji": "", "color": ""}
            return entry | looks | {"role": "viewer"}
        entry["turn"] = _number(event)
        if where is None:
            return entry | {
                "role": "viewer",
                "agentId": None,
                "name": str(event.get("speaker")),
                "emoji": "",
                "color": "",
            }
        host = where.host
        looks = {"agentId": host.id, "name": host.name, "emoji": host.emoji, "color": host.color}
        return entry | looks | {"role": "host" if where is room else "viewer"}

    def _room_of(self, event: Mapping[str, Any]) -> Room | None:
        """Return the room that an event came from: for the use of a hint, the one through which the caster said so."""
        return self._rooms.get(str(event.get("room") or event.get("via")))


def _number(line: Mapping[str, Any]) -> int:
    """Return the number of a host's line: of its turn, for a debate, otherwise its own, from 1."""
    return int(line["turn"] if line.get("turn") is not None else line.get("index", 0) + 1)


def milliseconds(at: str) -> int:
    """Return an event's instant as Pulsar's servers give theirs: milliseconds since 1970."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)
