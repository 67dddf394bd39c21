"""Which names a stage answers to, and which pages may change something: the ``Host`` and ``Origin`` of a request."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from debate_caster.addresses import is_loopback
from debate_caster.errors import SetupError

__all__ = ["CURE", "HostPolicy", "host_names", "own_names"]

CURE = "Its operator names it with --allow-host (DEBATE_CASTER_ALLOW_HOSTS), or as DEBATE_CASTER_PUBLIC_URL."
"""What to do about a name that the stage does not answer to, and should."""

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Which ``Host`` and ``Origin`` headers are let in.

    Names count as ours only where somebody said so, so that no website can have its own name lead here (DNS
    rebinding). On loopback these are loopback names and ``hosts``. A stage that others reach (``addresses``) answers to
    any IP address as well, which no website has for a name, and to who says none, which browsers never do.

    A browser's request to change something, or to open a WebSocket, must come from our own pages, or from an origin
    that the operator named; programs send no ``Origin``.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    addresses: bool = False

    def admits_host(self, host: str) -> bool:
        if not host:
            return self.addresses
        try:
            name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
        except ValueError:
            return False
        return name in self.hosts or is_loopback(name) or (self.addresses and _is_address(name))

    def admits_origin(self, origin: str | None, host: str) -> bool:
        if origin is None or origin in self.origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in {"http", "https"} and bool(parts.netloc) and parts.netloc.lower() == host.lower()


def own_names(host: str) -> frozenset[str]:
    """Return what a machine is called that listens on ``host``: that, if it is a name, and what it calls itself.

    The latter is its host name, whole and without its domain, and what that is in its network.
    """
    whole = socket.gethostname().lower().removesuffix(".")
    first = whole.partition(".")[0]
    listening = host.lower().removesuffix(".")
    return frozenset({name for name in (whole, first, first and f"{first}.local", listening) if _NAME.fullmatch(name)})


def host_names(names: Iterable[str]) -> frozenset[str]:
    """Return names as ``HostPolicy`` compares them.

    Raises:
        SetupError: One is no name of a host.
    """
    found = frozenset(name.strip().lower().removesuffix(".") for name in names)
    for name in sorted(found):
        if not _NAME.fullmatch(name):
            raise SetupError(f"{name!r} is no name of a host", "It looks like debates.example, without a port.")
    return found


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
