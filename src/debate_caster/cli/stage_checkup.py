"""Whether a stage can be opened as the settings say: its address, its port, the keys of its tokens."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from debate_caster.cli.findings import Finding, fine
from debate_caster.cli.signing_keys import key_file_of, signing_keys
from debate_caster.cli.stage_access import check_host, is_open_to_agents
from debate_caster.errors import SetupError
from debate_caster.settings import Settings

__all__ = ["look_at_keys", "look_at_port"]

STAGE: Final = "stage"


def look_at_port(settings: Settings, *, in_use: bool) -> Iterator[Finding]:
    """Find out whether the stage can listen. ``in_use``: some stage is using the data folder, maybe on this port.

    Asks the resolver where the host is a name: not for the event loop.
    """
    host, port = settings.host, settings.port
    try:
        check_host(settings)
    except SetupError as exc:
        yield Finding(STAGE, "failure", exc.problem, exc.cure)
        return
    try:
        _listen(host, port)
    except OSError as exc:
        yield _refused(settings, exc, in_use=in_use)
    else:
        yield fine(STAGE, f"port {port} of {host} is free" if port else f"any free port of {host} will be taken")


def look_at_keys(settings: Settings) -> Iterator[Finding]:
    """Find out whether the keys can be used that tokens are signed with; those that are not there yet will be made."""
    path = key_file_of(settings)
    if not os.path.lexists(path):
        return
    needed = settings.tickets or not is_open_to_agents(settings)
    try:
        signing_keys(path)
    except SetupError as exc:
        yield Finding(STAGE, "failure" if needed else "warning", exc.problem, exc.cure)
    else:
        yield fine(STAGE, f"the keys of tokens in {path} can be used")


def _listen(host: str, port: int) -> None:
    """Listen for an instant, as the stage does.

    Raises:
        OSError: That can't be.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with closing(socket.socket(family, kind, protocol)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1)


def _refused(settings: Settings, exc: OSError, *, in_use: bool) -> Finding:
    host, port = settings.host, settings.port
    cure = "Name another port with --port or DEBATE_CASTER_PORT"
    if isinstance(exc, socket.gaierror) or exc.errno == errno.EADDRNOTAVAIL:
        return Finding(
            STAGE, "failure", f"{host} is no address of this machine", "Use 127.0.0.1, or name it with --host"
        )
    if exc.errno in (errno.EACCES, errno.EPERM):
        return Finding(STAGE, "failure", f"this user may not listen on port {port}", cure)
    if exc.errno != errno.EADDRINUSE:
        return Finding(STAGE, "failure", f"port {port} of {host} can't be listened on ({exc.strerror})", cure)
    if "port" not in settings.model_fields_set:
        what = f"port {port} of {host} is taken: a stage will take the next one that is free"
        return Finding(STAGE, "warning", what, f"End what listens there, or {_then(cure)}")
    if in_use:
        what = f"port {port} of {host} is taken, it may be by the stage that is using the data folder"
        return Finding(STAGE, "warning", what, f"If it is not that one: {_then(cure)}")
    return Finding(STAGE, "failure", f"port {port} of {host} is taken", f"End what listens there, or {_then(cure)}")


def _then(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
