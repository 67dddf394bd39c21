"""The hints of a show as its producer sees them: the latest ones, each with what has become of it."""

from collections import OrderedDict
from typing import Any

from debate_caster.booklet import instant
from debate_caster.show.events import (
    HintAccepted,
    HintDeclined,
    HintExpired,
    HintHeld,
    HintOffered,
    HintUsed,
    ShowEvent,
)
from debate_caster.show.screening import clean_line

__all__ = ["SETTLED", "HintBoard"]

HINTS_KEPT = 200
SETTLED = frozenset({"used", "declined", "expired"})
TEXT_CHARS = 500
"""How much of a hint that was declined is shown; others are as long as the scenario lets them be."""


class HintBoard:
    """``take`` the events of one show in order; ``entries`` are the last hints, oldest first."""

    def __init__(self) -> None:
        self._hints: OrderedDict[str, dict[str, Any]] = OrderedDict()

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [dict(entry) for entry in self._hints.values() if entry["state"] != "offered"]

    def take(self, event: ShowEvent) -> None:
        match event:
            case HintOffered():
                self._hints[event.hint] = {
                    "id": event.hint,
                    "viewer": event.viewer,
                    "name": event.name,
                    "text": clean_line(event.text, TEXT_CHARS),
                    "to": event.to,
                    "at": instant(event.at),
                    "state": "offered",
                }
                if len(self._hints) > HINTS_KEPT:
                    self._forget_one()
            case HintHeld() | HintAccepted():
                state = "waiting" if isinstance(event, HintHeld) else "queued"
                self._note(event.hint, state=state, text=event.text, to=event.to)
            case HintDeclined() | HintExpired():
                state = "declined" if isinstance(event, HintDeclined) else "expired"
                self._note(event.hint, state=state, reason=event.reason)
            case HintUsed():
                self._note(event.hint, state="used")
            case _:
                pass

    def _forget_one(self) -> None:
        """Forget the oldest of those that are decided, so that none pushes one off that waits; else the oldest."""
        settled = (hint for hint, entry in self._hints.items() if entry["state"] in SETTLED)
        del self._hints[next(settled, None) or next(iter(self._hints))]

    def _note(self, hint: str, **facts: str) -> None:
        if (entry := self._hints.get(hint)) is not None:
            entry.update(facts)
