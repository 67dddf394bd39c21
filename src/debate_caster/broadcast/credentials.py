"""Who our agents are on each target: an id of their own and its secret, kept in the data directory.

A Pulsar server binds an id to the first secret it sees with it, so both must outlive the process. One file for each
identity, readable by its owner only and locked while in use: when two shows cast the same agent at the same time, the
second gets an identity of its own instead of throwing the first off the air. The lock says which show had it last, so
that one that was broken off gets the very identities that its rooms know.
"""

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from debate_caster.errors import BroadcastError

__all__ = ["Credential", "Credentials"]

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Credential:
    """An agent's id on a target, and the secret that proves it."""

    agent_id: str
    secret: str = field(repr=False)


class Credentials:
    """The identities kept in ``directory``; None keeps them in memory, for rehearsals."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._in_memory: dict[str, Credential] = {}
        self._lent: set[str] = set()

    @contextmanager
    def lend(self, target: str, agent: str, *, show: str = "") -> Iterator[Credential]:
        """Lend an identity of ``agent`` on ``target`` that nobody else is using; made up and stored when new.

        The one that this ``show`` had last, if that can be had.

        Raises:
            BroadcastError: The directory can't be written.
        """
        with ExitStack() as held:
            try:
                credential = self._borrow(target, agent, show, held)
            except OSError as exc:
                raise BroadcastError(target, f"can't keep the agent's secret in {self._directory}: {exc}") from exc
            yield credential

    def _borrow(self, target: str, agent: str, show: str, held: ExitStack) -> Credential:
        stem = f"{_UNSAFE.sub('-', target)[:64]}.{_UNSAFE.sub('-', agent)[:64]}"
        names = [f"{stem}.{number}" for number in range(1, _MOST_AT_ONCE)]
        for name in [*self._had_by(show, names), *names]:
            if name in self._lent:
                continue
            if self._directory is not None and not self._lock(self._directory, name, show, held):
                continue
            self._lent.add(name)
            held.callback(self._lent.discard, name)
            return self._read(name, agent)
        raise BroadcastError(target, f"{_MOST_AT_ONCE} connections of agent {agent!r} at once")

    def _had_by(self, show: str, names: Iterable[str]) -> Iterator[str]:
        """Yield the identities that this show had last."""
        if self._directory is None or not show:
            return
        for name in names:
            try:
                if (self._directory / f"{name}.lock").read_text("utf-8", "replace") == show:
                    yield name
            except FileNotFoundError:
                return

    def _lock(self, directory: Path, name: str, show: str, held: ExitStack) -> bool:
        """Take the identity for this process; the system lets go of it when the process dies."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with ExitStack() as opened:
            opened.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, show.encode(), 0)  # not synced: it is to outlive the process, not the machine
            held.push(opened.pop_all())
        return True

    def _read(self, name: str, agent: str) -> Credential:
        if self._directory is None:
            return self._in_memory.setdefault(name, _made_up(agent))
        path = self._directory / f"{name}.json"
        try:
            stored = json.loads(path.read_text("utf-8"))
            return Credential(str(stored["agent_id"]), str(stored["secret"]))
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as exc:
            raise BroadcastError(path.name, f"{path} is damaged; remove it to broadcast under a new agent id") from exc
        credential = _made_up(agent)
        _write_atomically(path, json.dumps({"agent_id": credential.agent_id, "secret": credential.secret}))
        return credential


def _made_up(agent: str) -> Credential:
    """Return an identity that no stranger will have chosen too."""
    return Credential(f"{_UNSAFE.sub('-', agent)[:64]}-{secrets.token_hex(4)}", secrets.token_urlsafe(32))


def _write_atomically(path: Path, text: str) -> None:
    """Write a file that is whole or not there, readable by its owner only, and on the disk when this returns."""
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
