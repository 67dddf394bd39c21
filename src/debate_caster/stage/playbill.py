"""The port through which the stage learns which shows are coming; who plans them is none of its business."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from debate_caster.stage.vocabulary import show_time

__all__ = ["ComingShow", "Playbill"]


@dataclass(frozen=True, slots=True)
class ComingShow:
    """A planned show, under the id that it will have on the air. ``agents`` are as in a show's summary."""

    id: str
    title: str
    motion: str
    language: str
    format: str
    format_title: str
    starts_at: datetime
    agents: Sequence[Mapping[str, Any]] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as docs/protocol.md, section 2, lays it down."""
        return {
            "id": self.id,
            "title": self.title,
            "motion": self.motion,
            "language": self.language,
            "format": self.format,
            "format_title": self.format_title,
            "state": "coming",
            "starts_at": show_time(self.starts_at),
            "agents": list(self.agents),
        }


class Playbill(Protocol):
    """What is planned. All of it may be shown to anybody."""

    def coming(self, limit: int, *, each: int) -> Sequence[ComingShow]:
        """Return the next shows, the nearest first; of each series at most ``each``."""
        ...

    def problems(self) -> Sequence[str]:
        """Return what is wrong with the plan in sentences; shows that are not named in them come as planned."""
        ...

    def failing(self) -> str | None:
        """Return why no show can start at all just now, None where they can."""
        ...
