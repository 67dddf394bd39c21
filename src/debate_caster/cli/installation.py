"""Whether the program itself is whole: Python, SQLite and the packages it requires.

Imports nothing beyond the standard library, so that it can say that a package is missing without which nothing starts.
"""

import platform
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from importlib.util import find_spec

from debate_caster.cli.findings import Finding, fine

__all__ = ["lament", "look_at_packages", "look_at_python", "requirements"]

LEAST_PYTHON = (3, 11)

LEAST_SQLITE = (3, 37, 0)
"""The first with the STRICT tables that both logs and the calendar are made of."""

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*>=\s*([0-9.]+)")
_IMPORTED_AS = {"pyjwt": "jwt", "python-dotenv": "dotenv", "pyyaml": "yaml"}

_AGAIN = "python -m pip install --upgrade --force-reinstall debate-caster"


def requirements() -> tuple[tuple[str, str], ...]:
    """Return the packages that the program requires, each with its least version; none where it is not installed."""
    try:
        written = metadata.requires("debate-caster") or []
    except metadata.PackageNotFoundError:
        return ()
    found = (_REQUIREMENT.match(line) for line in written if "extra ==" not in line)
    return tuple((match[1], match[2]) for match in found if match)


def look_at_python(
    version: tuple[int, ...] = sys.version_info[:3], sqlite_version: tuple[int, ...] = sqlite3.sqlite_version_info
) -> Iterator[Finding]:
    """Find out whether Python and the SQLite in it are new enough."""
    about, had, sqlite = "Python", _dotted(version), _dotted(sqlite_version)
    if version < LEAST_PYTHON:
        yield Finding(
            about,
            "failure",
            f"Python {had} is too old: at least {_dotted(LEAST_PYTHON)} is needed",
            f"Install Python {_dotted(LEAST_PYTHON)} or newer, and debate-caster with it",
        )
    if sqlite_version < LEAST_SQLITE:
        yield Finding(
            about,
            "failure",
            f"the SQLite {sqlite} in this Python is too old: at least {_dotted(LEAST_SQLITE)} is needed",
            "Take a Python that brings a newer SQLite: those of python.org and uv do",
        )
    if version >= LEAST_PYTHON and sqlite_version >= LEAST_SQLITE:
        yield fine(about, f"{had} with SQLite {sqlite}, {platform.system()} {platform.machine()}")


def look_at_packages(
    required: Iterable[tuple[str, str]],
    *,
    version_of: Callable[[str], str] = metadata.version,
    is_there: Callable[[str], bool] = lambda module: find_spec(module) is not None,
) -> Iterator[Finding]:
    """Find out which of the packages are missing, broken or too old."""
    about, held, count = "packages", list[str](), 0
    for count, (package, least) in enumerate(required, 1):  # noqa: B007 - how many there were
        module = _IMPORTED_AS.get(package, package.replace("-", "_"))
        try:
            had = version_of(package)
        except metadata.PackageNotFoundError:
            yield Finding(about, "failure", f"the package {package} is missing", f"python -m pip install {package}")
            continue
        if not is_there(module):
            yield Finding(
                about,
                "failure",
                f"the package {package} is broken: {module} is not in it",
                f"python -m pip install --force-reinstall {package}",
            )
        elif _numbers(had) < _numbers(least):
            yield Finding(
                about,
                "failure",
                f"the package {package} {had} is too old: at least {least} is needed",
                f"python -m pip install --upgrade {package}",
            )
        else:
            held.append(f"{package} {had}")
    if not count:
        yield Finding(about, "warning", "debate-caster is not installed, so nobody knows what it requires", _AGAIN)
    elif len(held) == count:
        yield fine(about, ", ".join(held))


def lament(error: ImportError) -> None:
    """Say on stderr that the program can't start since something can't be imported, and how to mend that."""
    lacking = [finding for finding in look_at_packages(requirements()) if finding.grade == "failure"]
    told = [(finding.what, finding.cure) for finding in lacking] or [(f"it can't be imported: {error}", _AGAIN)]
    for what, cure in told:
        sys.stderr.write(f"debate-caster: {what}. Mend it with: {cure}\n")


def _dotted(version: Iterable[int]) -> str:
    return ".".join(map(str, version))


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with, without zeros at the end: ``2.14.0rc1`` is 2.14."""
    release = re.match(r"[0-9.]+", version)
    numbers = [int(part) for part in release[0].split(".") if part] if release else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
