"""``control``: directs a show from the command line, as its producer's page does; and how ``run`` lets it be found.

A show that runs on this machine leaves its producer's token, and where to bring commands, in a file in the data folder
that only its owner can read.
"""

import fcntl
import getpass
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from pydantic import SecretStr

from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.printable import printable
from debate_caster.cli.session import BAD_INPUT, ENDED_EARLY, RAN, Session
from debate_caster.errors import SetupError

__all__ = ["Desk", "control", "left_for_producers", "new_token", "producer_url", "remove_desk", "stage_base"]

LATEST = "latest"
ANSWER_S = 10.0
"""How long the stage may take to answer: it waits 2 s for the caster itself."""

MAX_ANSWER = 64 * 1024

FIELDS = {
    "inject": "text",
    "context": "text",
    "approve": "hint",
    "decline": "hint",
    "mute": "viewer",
    "unmute": "viewer",
}
"""What a command takes, for those that take something; ``context`` alone makes sense without."""

_PAGES = ("shows", "overlay", "producer")
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a show is directed: at the stage of that address, by whoever has the token."""

    show: str
    stage: str
    token: str = field(repr=False)


def new_token(chosen: SecretStr | None) -> str:
    """Return the token of a show's producer: the one that was chosen, or 192 random bits."""
    return chosen.get_secret_value() if chosen is not None else secrets.token_urlsafe(24)


def producer_url(desk: Desk) -> str:
    """Return the address of the producer's page. The token stands behind the ``#``, which browsers send to nobody."""
    return f"{desk.stage}/producer/{quote(desk.show)}#token={quote(desk.token)}"


@contextmanager
def left_for_producers(folder: DataFolder, desk: Desk | None) -> Iterator[None]:
    """Keep the desk where ``control`` finds it, as long as the block runs."""
    if desk is None:
        yield
        return
    directory = folder.desks
    path = directory / f"{desk.show}.json"
    draft = path.with_suffix(".draft")
    with ExitStack() as held:
        try:
            folder.make()
            directory.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            held.callback(os.close, descriptor)
            # The system frees it when we die, however we die: so nobody directs a show that is dead.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, json.dumps({"show": desk.show, "stage": desk.stage, "token": desk.token}).encode())
            draft.replace(path)
        except OSError as exc:
            raise SetupError(f"the data folder {folder.path} can't be written ({exc.strerror})") from exc
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def remove_desk(folder: DataFolder, show: str) -> None:
    """Remove the desk that a dead process has left of a show; one that is held stays."""
    path = folder.desks / f"{show}.json"
    with suppress(OSError):
        if not _is_held(path):
            path.unlink()


def control(session: Session) -> int:
    """Have a show do something; return 0 where it does, 1 where it is refused or nobody answers."""
    options = session.options
    posted = _posted(options.order, options.argument)
    posted["by"] = options.by or _whoever_types()
    desk = _desk(session)
    session.redaction.add([desk.token])
    status, answer = _ask(desk, posted)
    message = printable(str(answer.get("message") or f"status {status}"))
    if status == 200:
        if not options.quiet:
            session.say(message)
        return RAN
    session.stderr.put(f"debate-caster: {session.redaction.text(message)}\n")
    return BAD_INPUT if status in (400, 401, 403, 404) else ENDED_EARLY


def _posted(order: str, argument: list[str]) -> dict[str, str]:
    """Return the command as the stage takes it.

    Raises:
        SetupError: It takes something else than was given.
    """
    given = " ".join(argument).strip()
    name = FIELDS.get(order)
    if name is None and given:
        raise SetupError(f"`{order}` takes nothing more", "`debate-caster control --help` shows what takes what.")
    if name is not None and not given and order != "context":
        raise SetupError(f"`{order}` needs a {name}", "`debate-caster control --help` shows what takes what.")
    return {"command": order} | ({name: given} if name is not None else {})


def _desk(session: Session) -> Desk:
    """Return the desk that the options and settings name, or else that a running show has left.

    Raises:
        SetupError: There is none.
    """
    options, settings = session.options, session.settings
    chosen = options.token or (settings.producer_token.get_secret_value() if settings.producer_token else "")
    if options.url is not None:
        stage, show, token = _address(options.url)
        token = chosen or token
        if not token:
            raise SetupError(
                "the show's producer token is missing", "Set DEBATE_CASTER_PRODUCER_TOKEN, or use --token."
            )
        return Desk(show if options.show == LATEST and show else options.show, stage, token)
    left = _left(DataFolder(settings.data_dir).desks)
    found = [desk for desk in left if options.show == LATEST or desk.show == options.show] or [
        desk for desk in left if desk.show.startswith(options.show)
    ]
    if not found:
        raise SetupError(
            f"no show {options.show!r} runs on this machine with {settings.data_dir}",
            "For another one give its stage's address: --url https://stage.example",
        )
    if len(found) > 1 and options.show != LATEST:
        raise SetupError(f"{options.show!r} is the beginning of {len(found)} shows", "Type more of it.")
    return Desk(found[0].show, found[0].stage, chosen or found[0].token)


def _left(directory: Path) -> list[Desk]:
    """Return the desks of the shows that run here, the latest first; those of dead processes are removed."""
    found: list[tuple[float, Desk]] = []
    for path in directory.glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            if not _is_held(path):
                path.unlink()
                continue
            kept = json.loads(path.read_text("utf-8"))
            found.append((path.stat().st_mtime, Desk(str(kept["show"]), str(kept["stage"]), str(kept["token"]))))
    return [desk for _, desk in sorted(found, key=lambda entry: entry[0], reverse=True)]


def _is_held(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def stage_base(url: str) -> str:
    """Return the base address of a stage's pages from any of its addresses; raises ``SetupError`` where it is none."""
    return _address(url)[0]


def _address(url: str) -> tuple[str, str, str]:
    """Return a stage's base address from any of its addresses, and the show and the token that it names, if any.

    Raises:
        SetupError: It is none.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise SetupError(f"that is no address: {exc}") from exc
    if parts.scheme not in _SCHEMES or not host or parts.username is not None or parts.password is not None:
        raise SetupError("that is not the address of a stage", "It is to look like http://127.0.0.1:8765")
    folders, show = [folder for folder in parts.path.split("/") if folder], ""
    if folders[-1:] in (["ws"], ["watch"]):
        folders = folders[:-1]
    elif len(folders) > 1 and folders[-2] in _PAGES:
        show, folders = unquote(folders[-1]), folders[:-2]
    name, _, token = parts.fragment.partition("=")
    base = "/".join((f"{_SCHEMES[parts.scheme]}://{parts.netloc}", *folders))
    return base, show, unquote(token) if name == "token" else ""


class _NoRedirects(HTTPRedirectHandler):
    """A token goes where it was sent, and nowhere else."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        return None


def _ask(desk: Desk, posted: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Send a command to the stage; return the status and what it says.

    Raises:
        SetupError: The stage can't be reached, or what answers is none.
    """
    request = Request(  # noqa: S310 - the scheme is http or https
        f"{desk.stage}/api/shows/{quote(desk.show, safe='')}/control",
        data=json.dumps(posted).encode(),
        headers={"Authorization": f"Bearer {desk.token}", "Content-Type": "application/json"},
        method="POST",
    )
    local = urlsplit(desk.stage).hostname in ("127.0.0.1", "localhost", "::1")
    opener = build_opener(_NoRedirects, *([ProxyHandler({})] if local else []))
    try:
        with opener.open(request, timeout=ANSWER_S) as response:
            return response.status, _json(response.read(MAX_ANSWER))
    except HTTPError as exc:
        with exc:
            return exc.code, _json(exc.read(MAX_ANSWER))
    except (URLError, OSError, HTTPException, ValueError) as exc:
        reason = exc.reason if isinstance(exc, URLError) else exc
        raise SetupError(f"the stage {desk.stage} can't be reached: {reason}") from exc


def _json(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {}


def _whoever_types() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
