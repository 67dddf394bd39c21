"""What ``doctor`` finds, one thing each, with a line on how to mend it. Imports nothing that may be missing."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Grade", "fine"]

Grade = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``about`` is a word or two for a column; only what is ``ok`` has no ``cure``.

    A ``failure`` is what a show would fail by, or would not be seen where its scenario says; a ``warning`` may become
    one, or hurts less.
    """

    about: str
    grade: Grade
    what: str
    cure: str = ""

    def __post_init__(self) -> None:
        if (self.grade == "ok") == bool(self.cure):
            raise ValueError(f"{self.about}: what is wrong has a cure, and nothing else has: {self.what}")


def fine(about: str, what: str) -> Finding:
    """Return that nothing is wrong with something."""
    return Finding(about, "ok", what)
