"""The persona and format files that a scenario names: its own folder first, then those that come with the program."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from debate_caster.errors import Problem, ScenarioError
from debate_caster.scenario.diagnosis import validate
from debate_caster.scenario.manuscript import PersonaFile
from debate_caster.scenario.rulebook import read_format
from debate_caster.scenario.script import Format, Persona
from debate_caster.scenario.source_file import read_text
from debate_caster.scenario.yaml_source import Document, compose

__all__ = ["SUFFIX", "Library", "Loaded", "as_persona", "open_document", "shipped_folder"]

SUFFIX = ".yaml"

_KEPT = 64
"""Files of personas and formats whose last contents are kept: every scenario and every episode names some of them."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """What a file holds, or what is wrong with it."""

    value: T | None
    problems: tuple[Problem, ...] = ()


class Library:
    """Looks names up for the scenarios of one folder; reads each file once.

    Names must be checked against ``script.NAME`` before: then they hold no path. Links that lead out of the folder
    are refused.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._personas: dict[str, Loaded[Persona] | None] = {}
        self._formats: dict[str, Loaded[Format] | None] = {}

    def persona(self, name: str) -> Loaded[Persona] | None:
        """Return the persona, None where there is no file of that name."""
        if name not in self._personas:
            self._personas[name] = self._find("personas", name, _read_persona)
        return self._personas[name]

    def format(self, name: str) -> Loaded[Format] | None:
        """Return the format, None where there is no file of that name."""
        if name not in self._formats:
            self._formats[name] = self._find("formats", name, _read_format)
        return self._formats[name]

    def names(self, kind: str) -> list[str]:
        """Return which ``personas`` or ``formats`` there are."""
        found = {path.stem for folder in self._shelves(kind) for path in _files(folder)}
        return sorted(found)

    def own(self, kind: str) -> list[Path]:
        """Return the scenario folder's own files of a kind."""
        return _files(self.folder / kind)

    def _shelves(self, kind: str) -> tuple[Path, Path]:
        return self.folder / kind, shipped_folder(kind)

    def _find(self, kind: str, name: str, read: Callable[[Path, str, str], Loaded[T]]) -> Loaded[T] | None:
        own, shipped = (shelf / f"{name}{SUFFIX}" for shelf in self._shelves(kind))
        # A link to nowhere counts as there: it is refused with its reason rather than passed over.
        path, within = (own, self.folder) if os.path.lexists(own) else (shipped, shipped.parent)
        if not os.path.lexists(path):
            return None
        try:
            return read(path, read_text(path, within=within), name)
        except ScenarioError as exc:
            return Loaded(None, tuple(exc.problems))


def open_document(path: Path, *, within: Path | None = None) -> Document:
    """Read a file into a document; never raises: what is wrong stands in its problems."""
    try:
        text = read_text(path, within=within)
    except ScenarioError as exc:
        return Document(path, [], problems=list(exc.problems))
    return compose(path, text)


def as_persona(written: PersonaFile, key: str) -> Persona:
    """Return a persona file's contents under its key."""
    return Persona(key=key, **{name: getattr(written, name) for name in PersonaFile.model_fields})


def shipped_folder(kind: str) -> Path:
    """Return where the ``personas`` or ``formats`` that come with the program are.

    The wheel holds the personas beside this module; in a checkout they are where authors look for them, in
    ``scenarios/``.
    """
    here = Path(__file__).parent / kind
    return here if here.is_dir() else Path(__file__).parents[3] / "scenarios" / kind


@lru_cache(_KEPT)
def _read_persona(path: Path, text: str, key: str) -> Loaded[Persona]:
    document = compose(path, text)
    written = validate(document, PersonaFile)
    return Loaded(as_persona(written, key) if written is not None else None, tuple(document.problems))


@lru_cache(_KEPT)
def _read_format(path: Path, text: str, key: str) -> Loaded[Format]:
    document = compose(path, text)
    return Loaded(read_format(document, key), tuple(document.problems))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))
