"""A room: one agent's broadcast, from ``broadcast_start`` to its end, over dropped and resumed connections."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from debate_caster.pulsar.messages import HINTS, VOTES
from debate_caster.stage.hints import Hint

__all__ = ["Host", "Link", "Room"]

ACKS_KEPT = 512
"""Numbered frames whose place in the air log is remembered for a repetition; more than a client has under way."""


class Link(Protocol):
    """An agent's connection, as rooms see it. Sending never waits: who does not read is cut."""

    features: frozenset[str]

    def send(self, type_: str, body: dict[str, Any]) -> None:
        """Send one frame in the shape that the agent speaks; harmless when it has gone."""
        ...

    def deliver(self, frame: bytes) -> None:
        """Send a WebSocket frame that many get; harmless when it has gone."""
        ...


@dataclass(frozen=True, slots=True)
class Host:
    """Who broadcasts: ``id`` is what it registered as, ``agent`` what its show calls it."""

    id: str
    agent: str
    name: str
    emoji: str = ""
    color: str = ""
    side: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.agent,
            "name": self.name,
            "emoji": self.emoji,
            "color": self.color,
            "side": self.side or None,
        }


@dataclass(slots=True, eq=False)
class Room:
    """``link`` is None while the agent is away. ``order`` 0 is the lead room of its show.

    ``members`` are the agents that listen in, in the order they came.
    """

    id: str
    show: str
    host: Host
    title: str
    started_at: str
    order: int = 0
    category: str = "talk"
    link: Link | None = None
    state: Literal["live", "reconnecting", "closed"] = "live"
    last_ref: int = 0
    lines: int = 0
    members: dict[Link, None] = field(default_factory=dict)
    grace: asyncio.Task[None] | None = None
    _acks: OrderedDict[int, asyncio.Future[int]] = field(default_factory=OrderedDict)

    @staticmethod
    def new_id() -> str:
        return f"bc_{secrets.token_hex(8)}"

    def is_repetition(self, ref: int | None) -> bool:
        """Say whether a frame with this number has been taken before."""
        return ref is not None and ref <= self.last_ref

    def note_ref(self, ref: int | None, aired: "asyncio.Future[int]") -> None:
        """Remember that the frame ``ref`` is on its way into the air log."""
        if ref is not None:
            self.last_ref = ref
            self._acks[ref] = aired
            while len(self._acks) > ACKS_KEPT:
                self._acks.popitem(last=False)

    def aired(self, ref: int) -> "asyncio.Future[int] | None":
        """Return what was promised for ``ref``; None when it is too long ago to know its place."""
        return self._acks.get(ref)

    async def settle(self) -> None:
        """Wait until everything taken from the agent is in the air log, so that ``last_ref`` is a fact."""
        pending = [future for future in self._acks.values() if not future.done()]
        if pending:
            await asyncio.wait(pending)

    def offer_hints(self, hints: list[Hint], viewers: int) -> None:
        """Pass hints on to the agent: as ``viewer_context`` if it knows them so, otherwise as lines of viewers."""
        if self.link is None:
            return
        if HINTS in self.link.features:
            body = {"broadcastId": self.id, "hints": [hint.for_agent() for hint in hints], "viewers": viewers}
            self.link.send("viewer_context", body)
            return
        for hint in hints:
            self.link.send("live_update", self.update(viewers, viewer_line(hint)))

    def tell_viewers(self, viewers: int) -> None:
        """Tell the agent how many watch, if it knows what to do with that."""
        if self.link is not None and HINTS in self.link.features:
            self.link.send("viewer_context", {"broadcastId": self.id, "hints": [], "viewers": viewers})

    def tell_counts(self, counted: Mapping[str, Mapping[str, int]]) -> None:
        """Tell the agent what was counted, by vote, if it knows what to do with that; it may have heard it before."""
        if self.link is not None and VOTES in self.link.features:
            for vote, counts in counted.items():
                self.link.send("vote_counted", {"broadcastId": self.id, "vote": vote, "counts": dict(counts)})

    def as_active(self, viewers: int) -> dict[str, Any]:
        """Return the room as ``activeRooms`` and ``room_available`` list it."""
        return {
            "broadcastId": self.id,
            "id": self.id,
            "hostId": self.host.id,
            "hostName": self.host.name,
            "hostEmoji": self.host.emoji,
            "hostColor": self.host.color,
            "title": self.title,
            "category": self.category,
            "viewerCount": viewers + len(self.members),
            "turn": self.lines,
            "startedAt": self.started_at,
            "activity": "active" if self.lines else "starting",
            "show": self.show,
        }

    def update(self, viewers: int, line: dict[str, Any]) -> dict[str, Any]:
        """Return the body of the ``live_update`` that tells a line of this room."""
        return {"broadcastId": self.id, "messages": [line], "viewerCount": viewers + len(self.members)}


def viewer_line(hint: Hint) -> dict[str, Any]:
    """Return a hint as Pulsar's servers show a viewer's chat to the host."""
    return {
        "id": hint.id,
        "role": "viewer",
        "agentId": None,
        "name": hint.name or "A viewer",
        "emoji": "",
        "color": "",
        "text": hint.text,
        "ts": hint.at,
    }
