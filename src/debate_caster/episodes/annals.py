"""The annals: what was given in each episode of a series, who took part and how it ended; one file for each series.

Plain JSON that a person can read and remove. No word of a viewer stands in it: of what was said only what the speaker
said before any hint had been taken into a prompt.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from debate_caster.errors import SetupError
from debate_caster.scenario.script import Recollection

__all__ = ["Annals", "Archive", "Episode", "Part", "Result"]

SUFFIX = ".json"

Result = Literal["won", "lost", "tied", ""]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Part(_Value):
    """How an episode was for a persona. ``result`` is the audience's, empty where it gave none; ``said`` a line."""

    persona: str
    name: str
    side: str | None = None
    side_title: str = ""
    moderator: bool = False
    result: Result = ""
    said: str = ""


class Episode(_Value):
    """One show of a series. ``cast`` names each agent's persona; ``parts`` are known once it has ``ended``.

    ``recollections`` are what the agents remember in it, kept until it has ended: a show that goes on after its process
    died is to go on with the same.
    """

    number: int
    show: str
    motion: str
    at: datetime
    cast: dict[str, str]
    recollections: dict[str, Recollection] = {}
    ended: bool = False
    method: Literal["swing", "single", ""] = ""
    parts: tuple[Part, ...] = ()

    def part(self, persona: str) -> Part | None:
        """Return a persona's part, None where it had none."""
        return next((part for part in self.parts if part.persona == persona), None)


class Annals(_Value):
    """A series so far, oldest episode first."""

    version: Literal[1] = 1
    series: str = ""
    title: str = ""
    episodes: tuple[Episode, ...] = ()

    @property
    def next_number(self) -> int:
        return self.episodes[-1].number + 1 if self.episodes else 1

    def of(self, show: str) -> Episode | None:
        """Return the episode that a show is, None where it is none yet."""
        return next((episode for episode in reversed(self.episodes) if episode.show == show), None)

    def with_episode(self, episode: Episode) -> "Annals":
        """Return the annals with an episode added, or in the place of the one of the same show."""
        kept = tuple(episode if other.show == episode.show else other for other in self.episodes)
        added = () if episode in kept else (episode,)
        return self.model_copy(update={"episodes": (*kept, *added)})

    def without_show(self, show: str) -> "Annals":
        return self.model_copy(update={"episodes": tuple(episode for episode in self.episodes if episode.show != show)})

    def without_memory_of(self, persona: str) -> "Annals":
        """Return the annals with all forgotten that a persona did, and that others remember of it."""
        return self.model_copy(update={"episodes": tuple(_forgotten(episode, persona) for episode in self.episodes)})


class Archive:
    """The annals in a folder, made when first needed; None keeps them in this object.

    Reads and writes files: not for the event loop. Every method raises ``SetupError`` where a file can't be used.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._in_memory: dict[str, Annals] = {}

    def series(self) -> list[str]:
        """Return the names of the series that there are annals of."""
        if self._folder is None:
            return sorted(self._in_memory)
        return sorted(path.stem for path in self._folder.glob(f"*{SUFFIX}"))

    def read(self, series: str) -> Annals:
        """Return a series' annals; empty ones where there are none."""
        if self._folder is None:
            return self._in_memory.get(series, Annals(series=series))
        path = self._folder / f"{series}{SUFFIX}"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return Annals(series=series)
        except OSError as exc:
            raise SetupError(f"{path} can't be read ({exc.strerror})", "Give this user the right to read it.") from exc
        try:
            return Annals.model_validate_json(content)
        except ValidationError as exc:
            raise SetupError(f"{path} is damaged, or of a newer debate-caster", "Remove it to begin anew.") from exc

    def state(self, series: str) -> object:
        """Return something that is another one when a series' annals have changed; costs next to nothing."""
        if self._folder is None:
            return self._in_memory.get(series)
        try:
            found = (self._folder / f"{series}{SUFFIX}").stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def change(self, series: str, changed: Callable[[Annals], Annals]) -> Annals:
        """Replace a series' annals by what ``changed`` makes of them, whole or not at all; others wait."""
        with self._locked(series):
            before = self.read(series)
            after = changed(before)
            if after != before:
                self._write(series, after)
        return after

    @contextmanager
    def _locked(self, series: str) -> Iterator[None]:
        if self._folder is None:
            yield
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / f"{series}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise SetupError(f"{self._folder} can't be written ({exc.strerror})") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, series: str, annals: Annals) -> None:
        if self._folder is None:
            self._in_memory[series] = annals
            return
        path = self._folder / f"{series}{SUFFIX}"
        draft = path.with_suffix(".draft")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(annals.model_dump_json(indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as exc:
            with suppress(OSError):
                draft.unlink()
            raise SetupError(f"{path} can't be written ({exc.strerror})", "Make room, or mend its rights.") from exc


def _forgotten(episode: Episode, persona: str) -> Episode:
    """Return an episode without a persona's part; what anybody remembers in it goes where the persona is in it."""
    if persona not in episode.cast.values():
        return episode
    parts = tuple(part for part in episode.parts if part.persona != persona)
    return episode.model_copy(update={"parts": parts, "recollections": {}})
