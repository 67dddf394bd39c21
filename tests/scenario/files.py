"""Files for the tests of the scenario package: a folder of scenarios built from a few lines each."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from debate_caster.errors import Problem
from debate_caster.scenario.loading import check

DUEL = """
motion: Tea is better than coffee.
format: duel
agents:
  - {persona: ada, side: for}
  - {persona: otis, side: against}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def found_in(path: Path, env: Mapping[str, str] | None = None, *, secrets_required: bool = False) -> list[str]:
    """Return what ``check`` says of a path, without the path."""
    return [short(problem) for problem in check([path], env or {}, secrets_required=secrets_required)]


def short(problem: Problem) -> str:
    place = f"{problem.line}:{problem.column}: " if problem.line else ""
    return f"{place}{problem.key}: {problem.message}" if problem.key else f"{place}{problem.message}"
