"""What was said in a show, read from its air log: as Markdown, JSON, or one page of HTML that needs no network."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from debate_caster.booklet import Booklet, Hint, Speaker, Speech, as_html, as_markdown, instant, manner
from debate_caster.stage.summary import Summary
from debate_caster.verdict_words import verdict_lines, verdict_sentence

__all__ = ["FORMATS", "AirTranscript"]

JSON_VERSION = 1

FORMATS: Final[Mapping[str, str]] = {
    "html": "text/html; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
}
"""The forms there are, each with its media type."""

ENDINGS: Final = {
    "completed": "The show ran to its end.",
    "budget": "The show ended early: a limit of its budget was reached.",
    "producer": "The show was ended by its producer.",
    "interrupted": "The show was interrupted.",
    "failed": "The show failed.",
}

NEW_SPEECH_AFTER_S = 60.0
"""Lines of an agent without turns belong to one speech unless so much lies between them, as on the page."""


@dataclass(slots=True)
class _Turn:
    turn: int
    speaker: str
    phase: int | None = None
    role: str = ""
    kind: str = ""
    addresses: str = ""
    how: str = ""
    apology: bool = False
    held_back: bool = False
    words: int | None = None
    chunks: dict[int, str] = field(default_factory=dict)
    hints: dict[str, Hint] = field(default_factory=dict)
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def text(self) -> str:
        return "".join(text for _, text in sorted(self.chunks.items()))


class AirTranscript:
    """``take`` a show's air events in order; they may be those of any agent's."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._turns: dict[tuple[int, str], _Turn] = {}
        self._loose: _Turn | None = None
        self._ruled = False
        self._started_at: datetime | None = None
        self._choices: dict[str, str] = {}
        self._ended: tuple[str, str, datetime | None] | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in the next event."""
        at = _time(event.get("at"))
        self._started_at = self._started_at or at
        match event.get("type"):
            case "show_started":
                self._ruled = self._ruled or bool(event.get("turns"))
            case "turn_started":
                self._begin(event, at)
            case "chunk_aired":
                self._say(event, at)
            case "turn_ended":
                turn = self._turn(event)
                turn.how, turn.words, turn.ended_at = str(event.get("how") or "completed"), event.get("words"), at
                turn.apology, turn.held_back = event.get("apology") is True, event.get("held_back") is True
            case "hint_used":
                self._turn(event).hints[str(event.get("hint"))] = _hint(event)
            case "vote_opened":
                self._choices |= {str(one.get("id")): str(one.get("title")) for one in event.get("choices") or ()}
            case "show_ended" if self._ended is None:
                self._ended = (str(event.get("why", "")), str(event.get("detail", "")), at)
            case _:
                pass

    def render(self, form: str) -> str:
        """Return the transcript in one of ``FORMATS``."""
        match form:
            case "md":
                return as_markdown(self._booklet())
            case "json":
                return self._as_json()
            case _:
                return as_html(self._booklet())

    def _begin(self, event: Mapping[str, Any], at: datetime | None) -> None:
        self._ruled = True
        turn = self._turn(event)
        turn.started_at = at
        turn.phase = event["phase"] if isinstance(event.get("phase"), int) else None
        turn.role, turn.kind = str(event.get("role") or ""), str(event.get("kind") or "")
        turn.addresses = str(event.get("addresses") or "")
        for hint in event.get("hints") or ():
            turn.hints[str(hint.get("id"))] = _hint(hint)

    def _say(self, event: Mapping[str, Any], at: datetime | None) -> None:
        text = str(event.get("text", ""))
        if self._ruled and isinstance(event.get("turn"), int):
            turn = self._turn(event)
            index = event["index"] if isinstance(event.get("index"), int) else len(turn.chunks)
            turn.chunks.setdefault(index, text)
        else:
            turn = self._loose_turn(str(event.get("speaker", "")), at)
            said = turn.chunks.get(len(turn.chunks) - 1, "")
            apart = " " if said and not said[-1].isspace() and not text[:1].isspace() else ""
            turn.chunks[len(turn.chunks)] = apart + text
            turn.ended_at = at
        turn.started_at = turn.started_at or at

    def _turn(self, event: Mapping[str, Any]) -> _Turn:
        number = event["turn"] if isinstance(event.get("turn"), int) else 0
        speaker = str(event.get("speaker", ""))
        return self._turns.setdefault((number, speaker), _Turn(number, speaker))

    def _loose_turn(self, speaker: str, at: datetime | None) -> _Turn:
        """Return the speech that a line of an agent without turns belongs to."""
        last = self._loose
        if last is not None and last.speaker == speaker:
            paused = at and last.ended_at and (at - last.ended_at).total_seconds() > NEW_SPEECH_AFTER_S
            if not paused:
                return last
        number = len(self._turns)
        self._loose = self._turns[number, speaker] = _Turn(number, speaker, how="completed")
        return self._loose

    def _ordered(self) -> list[_Turn]:
        turns = [turn for turn in self._turns.values() if turn.chunks or turn.how]
        return sorted(turns, key=lambda turn: turn.turn)

    def _phase_title(self, phase: int | None) -> str:
        phases = self._summary.phases
        return str(phases[phase].get("title", "")) if phase is not None and 0 <= phase < len(phases) else ""

    def _booklet(self) -> Booklet:
        summary, ended = self._summary, self._ended
        used = sum(len(turn.hints) for turn in self._turns.values())
        return Booklet(
            title=summary.title or summary.motion or "Untitled broadcast",
            motion=summary.motion,
            language=summary.language or "en",
            format_title=summary.format_title or summary.format,
            started_at=self._started_at or datetime.fromtimestamp(0, UTC),
            speakers=tuple(_speaker(agent) for agent in summary.agents),
            speeches=tuple(
                Speech(
                    turn=turn.turn,
                    phase=self._phase_title(turn.phase),
                    speaker=turn.speaker,
                    text=turn.text,
                    how=manner(
                        turn.how or ("aborted" if ended else "completed"),
                        apology=turn.apology,
                        held_back=turn.held_back,
                    ),
                    role=turn.role,
                    hints=tuple(turn.hints.values()),
                    started_at=turn.started_at,
                )
                for turn in self._ordered()
            ),
            ending=ENDINGS.get(ended[0], "The show has ended.") if ended else "",
            remarks=f"Hints from viewers used: {used}." if used else "",
            result=self._result(),
        )

    def _result(self) -> tuple[str, ...]:
        verdict = self._summary.verdict
        if verdict is None:
            return ()
        return verdict_sentence(verdict, self._choices), *verdict_lines(verdict, self._choices)

    def _as_json(self) -> str:
        summary, ended = self._summary, self._ended
        told = {
            "version": JSON_VERSION,
            "show": summary.id,
            "title": summary.title,
            "motion": summary.motion,
            "language": summary.language,
            "format": summary.format,
            "started_at": instant(self._started_at),
            "ended_at": instant(ended[2]) if ended else None,
            "ended": {"why": ended[0], "detail": ended[1]} if ended else None,
            "agents": [{key: agent[key] for key in agent if key not in ("room", "state")} for agent in summary.agents],
            "phases": summary.phases,
            "verdict": summary.verdict,
            "speeches": [
                {
                    "turn": turn.turn,
                    "phase": turn.phase,
                    "speaker": turn.speaker,
                    "role": turn.role,
                    "kind": turn.kind,
                    "addresses": turn.addresses,
                    "how": turn.how or None,
                    "apology": turn.apology,
                    "held_back": turn.held_back,
                    "text": turn.text,
                    "words": turn.words,
                    "hints": [{"id": key, "name": hint.name, "text": hint.text} for key, hint in turn.hints.items()],
                    "started_at": instant(turn.started_at),
                    "ended_at": instant(turn.ended_at),
                }
                for turn in self._ordered()
            ],
        }
        return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def _speaker(agent: Mapping[str, Any]) -> Speaker:
    part = "moderator" if agent.get("moderator") else agent.get("side_title") or agent.get("side") or ""
    name = agent.get("name") or agent["id"]
    return Speaker(str(agent["id"]), str(name), str(agent.get("emoji", "")), str(agent.get("color", "")), str(part))


def _hint(source: Mapping[str, Any]) -> Hint:
    return Hint(str(source.get("name") or ""), str(source.get("text") or ""))


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
