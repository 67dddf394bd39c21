"""What pages say of guards: the table in docs/reliability.md, and the rows of promises that have none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.mutation.guards import Guard

__all__ = ["PAGE", "Outcome", "guards_of", "rewritten", "untried"]

PAGE = "docs/reliability.md"

BEGIN, END = "<!-- guards: written by `make mutate` -->", "<!-- end of guards -->"


SOURCELESS = "tests/test_security_page.py::test_every_requirement_is_pinned_with_its_hash"
"""Looks at files that are no code of ours: there is no guard to take away."""

SOAK = "(`make soak`)"
"""What long tests alone try is left out: the same guards have tests that take less long."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``failed_test`` is the first one that failed without the guard; None where all passed."""

    guard: Guard
    failed_test: str | None


def rewritten(page: str, outcomes: Sequence[Outcome], at: datetime) -> str:
    """Return the page with the table of these outcomes.

    Raises:
        ValueError: The page lacks a marker.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} lacks {BEGIN if not begin else END}")
    held = sum(outcome.failed_test is not None for outcome in outcomes)
    rows = [f"| {one.guard.what} | `{one.guard.file}` | {_told(one)} |" for one in outcomes]
    table = ["| without this guard | taken away in | fails |", "|---|---|---|", *rows]
    told = f"{at:%Y-%m-%d}: {held} of {len(outcomes)} guards are held by a test."
    return "\n".join([f"{before}{begin}", told, "", *table, f"{end}{after}"])


def guards_of(page: str) -> list[str]:
    """Return what the guards of the page's table keep, in its order."""
    rows = page.partition(BEGIN)[2].partition(END)[0].splitlines()
    return [row.split(" | ")[0].removeprefix("| ") for row in rows if row.startswith("| ")][1:]


def untried(page: str, guards: Sequence[Guard]) -> list[str]:
    """Return the tests of each row of a page's tables that names tests of which none is a guard's."""
    tried = {node_id for guard in guards for node_id in guard.node_ids} | {SOURCELESS}
    missing = []
    for line in page.partition(BEGIN)[0].splitlines():
        named, file = [], ""
        for path, function in re.findall(r"`((?:tests/[\w/]+\.py)?)::(\w+)`", line):
            file = path or file
            named.append(f"{file}::{function}")
        if (
            line.startswith("| ")
            and named
            and SOAK not in line
            and not tried & {*named, *(n.partition("::")[0] for n in named)}
        ):
            missing.append(" ".join(named))
    return missing


def _told(outcome: Outcome) -> str:
    return f"`{outcome.failed_test}`" if outcome.failed_test else "**nothing**"
