"""Which network addresses are this machine's own, the public internet's or neither; and where a name leads, checked."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, NamedTuple

__all__ = [
    "Objection",
    "destinations_of",
    "is_loopback",
    "is_public",
    "objection_to",
    "objection_to_addresses",
    "written_address",
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_OPEN_IT: Final = "Say `allow_private: true` for it in the scenario if it is meant to be there."

_MOST_TRIED: Final = 3
"""Addresses of one name that are tried, one after the other."""

_SECRETS_IN_THE_CLEAR: Final = {
    "http": ("its key", "Write https://… instead."),
    "ws": (
        "the agents' secrets",
        "Write wss://… instead, or `allow_private: true` if it is in a private network.",
    ),
}
"""By scheme: what everybody on the way could read, and the cure."""

_CARRIERS = tuple(ipaddress.ip_network(network) for network in ("::ffff:0:0/96", "64:ff9b::/96"))
"""IPv6 addresses that only carry an IPv4 address, in their last 4 bytes: mapped, and translated (RFC 6052)."""

_ASSIGNED = ipaddress.ip_network("192.0.0.0/24")
"""For protocols (RFC 6890); Python takes some of it for public."""

_NUMBERS = re.compile(r"[0-9a-fA-FxX]+(?:\.[0-9a-fA-FxX]+){0,3}")


class Objection(NamedTuple):
    """What is wrong with where a server is to be, and what to do about it; as a string, both."""

    problem: str
    cure: str

    def __str__(self) -> str:
        return f"{self.problem}. {self.cure}"


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's own, and nobody else's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_public(address: str) -> bool:
    """Say whether an address is on the public internet, also where it hides another one in itself.

    Raises:
        ValueError: It is no address.
    """
    return all(_is_public(found) for found in _within(ipaddress.ip_address(address.partition("%")[0])))


def written_address(host: str) -> str:
    """Return the address that ``host`` is when it is no name, in its usual form: ``127.1`` is 127.0.0.1. Else ""."""
    host = host.strip("[]").rstrip(".")
    with suppress(ValueError):
        return str(ipaddress.ip_address(host.partition("%")[0]))
    with suppress(OSError):
        if not _NUMBERS.fullmatch(host):
            return ""
        return socket.inet_ntoa(socket.inet_aton(host))  # takes 2130706433, 0x7f.1 and 0177.0.0.1, as resolvers do
    return ""


def objection_to(scheme: str, host: str, *, has_key: bool) -> Objection | None:
    """Say what can be seen to be wrong with a server that is to be public or our own; None for nothing."""
    if is_loopback(host):
        return None
    written = written_address(host)
    if written and (objection := objection_to_addresses(host, [written])):
        return objection
    if has_key and scheme in _SECRETS_IN_THE_CLEAR:
        secrets, cure = _SECRETS_IN_THE_CLEAR[scheme]
        return Objection(f"with {scheme}:// everybody on the way could read {secrets}", cure)
    return None


def objection_to_addresses(host: str, addresses: Iterable[str]) -> Objection | None:
    """Say what is wrong with a server that is to be public and has these addresses; None for nothing."""
    if all(is_public(address) for address in addresses):
        return None
    return Objection(f"{host} is not {'' if written_address(host) else 'at '}a public address", _OPEN_IT)


async def destinations_of(host: str, port: int, *, check: Callable[[list[str]], None]) -> list[str]:
    """Look a name up and return the addresses to try, one after the other: at least one, each of them checked.

    Whoever connects goes to the very addresses that are returned: a second look-up could answer otherwise.

    Args:
        host: The name, or an address.
        port: Where on it.
        check: Raises for addresses that must not be gone to; gets all that the name has. What it raises is let through.

    Raises:
        OSError: There is no address, or nobody says whether there is.
    """
    found = await look_up(host, port)
    check(found)
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
    return found[:_MOST_TRIED]


async def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a name as the resolver says them now, in its order; the next look-up may say others.

    Raises:
        OSError: It has none, or nobody says.
    """
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def _within(address: Address) -> list[Address]:
    found = [address]
    if isinstance(address, ipaddress.IPv6Address):
        found += [inner for inner in (address.sixtofour, *(address.teredo or ())) if inner]
        if _is_carrier(address) or int(address) < 2**32:  # the latter: IPv4-compatible, long out of use
            found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return found


def _is_public(address: Address) -> bool:
    if _is_carrier(address):
        return True  # the address in it is what counts
    if address in _ASSIGNED or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _is_carrier(address: Address) -> bool:
    return any(address in network for network in _CARRIERS)
