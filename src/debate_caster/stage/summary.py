"""A show at a glance: what its public events add up to. A fold, without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["RoomSummary", "Summary"]

AGENT_FIELDS = ("id", "name", "emoji", "color", "side", "side_title", "stance", "moderator", "style", "voice")
_AGENT_DEFAULTS: dict[str, Any] = {
    "name": "", "emoji": "", "color": "", "side": None, "side_title": "", "stance": "neutral", "moderator": False,
    "style": "", "voice": {},
}  # fmt: skip


@dataclass(slots=True)
class RoomSummary:
    """One agent's broadcast within the show.

    ``agent`` is what the show calls it, ``host`` what it registered as, ``last_ref`` its own number of the last thing
    aired.
    """

    agent: str
    name: str = ""
    title: str = ""
    host: str = ""
    order: int = 0
    opened_at: str = ""
    state: Literal["live", "reconnecting", "closed"] = "live"
    last_ref: int = 0


@dataclass(slots=True)
class Summary:
    """What is known of a show. ``apply`` its events in order; any prefix of a log gives a legal summary."""

    id: str
    epoch: int = 0
    head: int = 0
    title: str = ""
    motion: str = ""
    language: str = ""
    format: str = ""
    format_title: str = ""
    started_at: str | None = None
    ended_at: str | None = None
    ended: bool = False
    replay: bool = False
    why: str | None = None
    phase: dict[str, Any] | None = None
    speaker: str | None = None
    agents: list[dict[str, Any]] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)
    turns: int = 0
    paused: bool = False
    hints_open: bool = True
    max_hint_chars: int | None = None
    hint_interval_s: float | None = None
    verdict: dict[str, Any] | None = None
    rooms: dict[str, RoomSummary] = field(default_factory=dict)

    def apply(self, event: Mapping[str, Any], seq: int) -> None:
        """Take in the event at ``seq``; an unknown type only moves ``head``."""
        self.head = seq
        self.started_at = self.started_at or event.get("at")
        self._note_ref(event)
        match event.get("type"):
            case "show_started":
                self._start(event)
            case "room_opened":
                self._open_room(event)
            case "room_reconnecting":
                self._room_becomes(event, "reconnecting")
            case "room_resumed":
                self._room_becomes(event, "live")
            case "room_closed":
                self._room_becomes(event, "closed")
            case "phase_started":
                self.phase = {"index": event.get("phase"), "key": event.get("key"), "title": event.get("title")}
            case "turn_started" | "chunk_aired":
                self.speaker = event.get("speaker")
            case "turn_ended":
                self.speaker = None
            case "verdict_given":
                names = ("method", "outcome", "leaders", "changes", "before", "after", "why")
                self.verdict = {name: event[name] for name in names if name in event}
            case "show_ended":
                self.ended, self.ended_at, self.why = True, event.get("at"), event.get("why")
                self.speaker, self.paused, self.hints_open = None, False, False
            case "show_paused" | "show_resumed" if not self.ended:
                self.paused = event["type"] == "show_paused"
            case _:
                pass

    def as_json(self, *, viewers: int = 0) -> dict[str, Any]:
        """Return the summary as docs/protocol.md, section 2, lays it down."""
        state = "ended" if self.ended else "replay" if self.replay else "live"
        return {
            "id": self.id,
            "title": self.title or self.motion or "Untitled broadcast",
            "motion": self.motion,
            "language": self.language,
            "format": self.format,
            "format_title": self.format_title,
            "state": state,
            "replay": self.replay,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "viewers": viewers,
            "head": self.head,
            "epoch": self.epoch,
            "phase": self.phase,
            "speaker": self.speaker,
            "paused": self.paused,
            "agents": self.agents,
            "phases": self.phases,
            "turns": self.turns,
            "hints_open": self.hints_open and state == "live",
            "max_hint_chars": self.max_hint_chars,
            "hint_interval_s": self.hint_interval_s,
            "why": self.why,
            "verdict": self.verdict,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Summary":
        """Return the summary that ``as_json`` described, as far as it is needed to list an ended show."""
        kept = {name: stored[name] for name in cls.__slots__ if name in stored and name not in {"ended", "rooms"}}
        return cls(**kept, ended=stored.get("state") == "ended")

    def agent_of(self, name_or_side: str) -> str | None:
        """Return the id of the agent that is called so, or argues that side; None when there is no such."""
        for key in ("id", "side", "name"):
            for agent in self.agents:
                if agent[key] and str(agent[key]).casefold() == name_or_side.casefold():
                    return str(agent["id"])
        return None

    def speaker_of(self, agent: str, name: str) -> str:
        """Return the id under which the show lists a room's agent: by its id, otherwise by its name."""
        for key, value in (("id", agent), ("name", name)):
            for listed in self.agents:
                if listed[key] == value:
                    return str(listed["id"])
        return agent

    def _start(self, event: Mapping[str, Any]) -> None:
        for name in (
            "title",
            "motion",
            "language",
            "format",
            "format_title",
            "turns",
            "hints_open",
            "max_hint_chars",
            "hint_interval_s",
        ):
            if name in event:
                setattr(self, name, event[name])
        self.phases = [dict(phase) for phase in event.get("phases", ())]
        self.agents = []
        for agent in event.get("agents", ()):
            listed = _AGENT_DEFAULTS | {key: agent[key] for key in AGENT_FIELDS if key in agent}
            identity, room = self._room_of(listed["id"], listed["name"])
            if room is not None:
                room.agent = listed["id"]
            self.agents.append(listed | {"room": identity, "state": room.state if room else None})
        for identity, room in self.rooms.items():
            if all(agent["id"] != room.agent for agent in self.agents):
                self.agents.append(self._guest(room, identity))

    def _room_of(self, agent: str, name: str) -> tuple[str, RoomSummary] | tuple[None, None]:
        for identity, room in self.rooms.items():
            if agent == room.agent or (name and name == room.name):
                return identity, room
        return None, None

    def _open_room(self, event: Mapping[str, Any]) -> None:
        agent = event["agent"]
        speaker = self.speaker_of(agent["id"], agent.get("name", ""))
        room = RoomSummary(
            speaker, agent.get("name", ""), event.get("title", ""), event.get("host", ""), event.get("order", 0),
            event.get("at", ""),
        )  # fmt: skip
        self.rooms[event["room"]] = room
        self.title = self.title or room.title
        for listed in self.agents:
            if listed["id"] == speaker:
                listed.update(room=event["room"], state="live")
                return
        known = {key: agent[key] for key in AGENT_FIELDS if agent.get(key) is not None}
        self.agents.append(self._guest(room, event["room"]) | known)

    @staticmethod
    def _guest(room: RoomSummary, identity: str) -> dict[str, Any]:
        return {"id": room.agent, **_AGENT_DEFAULTS, "name": room.name, "room": identity, "state": room.state}

    def _room_becomes(self, event: Mapping[str, Any], state: Literal["live", "reconnecting", "closed"]) -> None:
        if room := self.rooms.get(event["room"]):
            room.state = state
            for listed in self.agents:
                if listed["room"] == event["room"]:
                    listed["state"] = state

    def _note_ref(self, event: Mapping[str, Any]) -> None:
        room = self.rooms.get(event.get("via") or event.get("room") or "")
        if room is not None and isinstance(ref := event.get("ref"), int):
            room.last_ref = max(room.last_ref, ref)
