"""Where a stage's viewers connect, from whatever address of it a person has at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode, urlsplit

from debate_caster.addresses import is_loopback
from debate_caster.errors import SetupError

__all__ = ["StageAddress"]

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


@dataclass(frozen=True, slots=True)
class StageAddress:
    """A stage's viewers' entrance. ``show`` is the one that the address named, None where it named none."""

    base: str
    is_loopback: bool
    show: str | None = None

    @classmethod
    def of(cls, url: str) -> "StageAddress":
        """Read the address of a stage (``http://127.0.0.1:8765``), of a show's page or overlay, or of ``/watch``.

        Raises:
            SetupError: It is none of these.
        """
        try:
            parts = urlsplit(url.strip())
            host, _ = parts.hostname, parts.port
        except ValueError as exc:
            raise SetupError(f"{url!r} is no address: {exc}") from exc
        if parts.scheme not in _SCHEMES or not host:
            raise SetupError(f"{url!r} is not the address of a stage", "It is to look like http://127.0.0.1:8765")
        if parts.username is not None or parts.password is not None:
            raise SetupError("the address of a stage holds no user and no password")
        show = None
        folders = [folder for folder in parts.path.split("/") if folder]
        if folders[-1:] == ["watch"]:
            folders = folders[:-1]
        elif folders[-2:-1] and folders[-2] in ("shows", "overlay"):
            show = unquote(folders[-1])
            folders = folders[:-2]
        path = "/".join((*folders, "watch"))
        return cls(f"{_SCHEMES[parts.scheme]}://{parts.netloc}/{path}", is_loopback(host), show)

    def watch_url(
        self, *, show: str | None, room: str | None, speaker: str | None, types: Sequence[str], after: int
    ) -> str:
        """Return the address of the WebSocket that gives these events."""
        asked = {"show": show, "room": room, "speaker": speaker, "types": ",".join(types), "after": str(after)}
        return f"{self.base}?{urlencode({name: value for name, value in asked.items() if value}, quote_via=quote)}"
