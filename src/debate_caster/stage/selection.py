"""Which of a show's events somebody asked for: ``room=``, ``speaker=`` and ``types=`` of docs/protocol.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

__all__ = ["ASIDES", "EVERYTHING", "SPEECH", "Selectable", "Selection"]

ASIDES: Final = frozenset({"thought_noted", "tool_called", "tool_answered"})
"""What agents do beside speaking: long, and of no use to most. Only who names them gets them."""

ALL: Final = "*"
"""In place of a type: all of them, asides too."""

TYPES_LIMIT = 40
ID_LIMIT = 64


class Selectable(Protocol):
    """What an event is selected by."""

    @property
    def type(self) -> str: ...
    @property
    def room(self) -> str: ...
    @property
    def speaker(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """One room's events and those of no room, one speaker's and those of nobody, some types; empty stands for all.

    Without ``asides``, types that are not named come without them.
    """

    room: str = ""
    speaker: str = ""
    types: frozenset[str] = frozenset()
    asides: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Selection":
        """Read a request's query."""
        named = frozenset(kind for kind in query.get("types", "").split(",")[:TYPES_LIMIT] if kind)
        everything = ALL in named
        return cls(
            room=query.get("room", "")[:ID_LIMIT],
            speaker=query.get("speaker", "")[:ID_LIMIT],
            types=frozenset() if everything else named,
            asides=everything,
        )

    def takes(self, event: Selectable) -> bool:
        if (self.room and event.room and event.room != self.room) or (
            self.speaker and event.speaker and event.speaker != self.speaker
        ):
            return False
        return event.type in self.types if self.types else self.asides or event.type not in ASIDES


SPEECH: Final = Selection()
"""What who names nothing gets."""

EVERYTHING: Final = Selection(asides=True)
