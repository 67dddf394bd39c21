"""What a stage tells its viewers, as the events that the terminal's views know from a show log.

Tolerant: agents of anybody's air what they like, so what a view could not show is passed over.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from debate_caster.errors import LogError
from debate_caster.log import Record
from debate_caster.show.events import decode

__all__ = ["AirTranslator"]

_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "show_started": {"scenario": "", "seed": 0, "title": "", "motion": "", "format": "", "agents": [], "phases": [],
                     "turns": 0},
    "phase_started": {"key": "", "speaker": ""},
    "turn_prepared": {"prompt_digest": "", "prompt_words": 0},
    "turn_started": {"max_words": 0, "phase": 0},
    "turn_ended": {},
    "chunk_aired": {},
    "hint_used": {"viewer": ""},
    "vote_opened": {"method": "swing", "seconds": 0},
    "vote_closed": {},
    "vote_counted": {"target": "the stage"},
    "verdict_given": {"method": "swing"},
    "show_paused": {},
    "show_resumed": {},
    "show_ended": {"detail": ""},
}  # fmt: skip
"""What a show log says and a stage does not, for each event that a view may show."""

_KNOWN_ENDS = ("completed", "budget", "producer", "interrupted", "failed")
_STANCES = ("for", "against", "neutral")


class AirTranslator:
    """``records`` of one show's air events, in order."""

    def __init__(self) -> None:
        self._ruled = False
        self._speaker = ""
        self._turns = 0
        self._agents: dict[str, dict[str, Any]] = {}

    def records(self, event: Mapping[str, Any]) -> list[Record]:
        """Return what a show log would say of this event: nothing, a record, or a turn's beginning before it."""
        kind, body = event.get("type"), dict(event)
        match kind:
            case "show_started":
                body |= self._show(event)
            case "room_reconnecting":
                body = self._connection(event, "connection_down") | {"reason": "its line is down"}
            case "room_resumed":
                body = self._connection(event, "connection_up") | {"room": str(event.get("room", "")), "part": 2}
            case "turn_started":
                self._ruled = True
                body["hints"] = [{"viewer": "", **hint} for hint in _objects(event.get("hints"))]
            case "chunk_aired" if not self._ruled:
                return self._loose(event)
            case "show_ended" if event.get("why") not in _KNOWN_ENDS:
                body |= {"why": "failed", "detail": str(event.get("why"))}
            case _ if kind not in _DEFAULTS:
                return []
            case _:
                pass
        return self._checked(body)

    def _show(self, event: Mapping[str, Any]) -> dict[str, Any]:
        agents = []
        for agent in _objects(event.get("agents")):
            stance = agent.get("stance")
            plain = {"name": str(agent.get("id")), "emoji": "", "color": ""}
            agents.append({**plain, **agent, "stance": stance if stance in _STANCES else "neutral"})
        self._ruled = bool(event.get("turns"))
        title = event.get("format_title") or event.get("format") or ""
        return {"agents": agents, "motion": event.get("motion") or event.get("title") or "", "format_title": title}

    def _loose(self, event: Mapping[str, Any]) -> list[Record]:
        """A line of an agent that knows no turns: whoever speaks after another one begins a turn."""
        speaker, text = str(event.get("speaker", "")), str(event.get("text", ""))
        records = []
        if speaker != self._speaker:
            self._speaker = speaker
            self._turns += 1
            start = {"type": "turn_started", "at": event.get("at"), "turn": self._turns - 1, "speaker": speaker}
            records = self._checked({"seq": event.get("seq"), **start})
        elif text and not text[0].isspace():
            text = f" {text}"  # such agents send line by line, without the white space that would part the lines
        return records + self._checked({**event, "turn": self._turns - 1, "index": 0, "text": text})

    @staticmethod
    def _connection(event: Mapping[str, Any], kind: str) -> dict[str, Any]:
        known = {name: event.get(name) for name in ("seq", "at")}
        return {**known, "type": kind, "agent": event.get("agent"), "target": "the stage"}

    @staticmethod
    def _checked(body: Mapping[str, Any]) -> list[Record]:
        seq = body.get("seq")
        fields = {name: value for name, value in body.items() if value is not None and name != "seq"}
        defaults = _DEFAULTS.get(str(body.get("type")), {})
        record = Record(seq if isinstance(seq, int) else 0, json.dumps({**defaults, **fields}))
        try:
            decode(record)
        except LogError:
            return []
        return [record]


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
