"""What a benchmark reports: one figure beside the limit it must keep."""

from dataclasses import dataclass

__all__ = ["Figure"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    ``limit`` is the requirement in words (``<= 1.25``), empty for a figure that only helps to read the others; ``ok``
    says whether it is kept; ``how`` says in one sentence how the number was taken.
    """

    name: str
    value: float
    unit: str
    limit: str
    ok: bool
    how: str
