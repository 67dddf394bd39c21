"""Where a model's server may be: the way out for its HTTP requests, closed to private networks unless opened.

A scenario from somebody else may name any ``base_url``, and a name may lead anywhere. So a name is looked up and
its addresses are checked before, and the connection goes to the very address that was.
"""

import asyncio
import os
import ssl
from functools import cache
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from debate_caster.addresses import Objection, destinations_of, is_loopback, objection_to, objection_to_addresses
from debate_caster.errors import SetupError

__all__ = [
    "OPENAI_URL",
    "ForbiddenAddressError",
    "NoCertificatesError",
    "PublicTransport",
    "check_destination",
    "checked_client",
    "checked_transport",
    "goes_through_proxy",
    "server_of",
    "trust_in",
]

OPENAI_URL: Final = "https://api.openai.com/v1"
"""Where ``provider: openai`` goes without a ``base_url``."""


class ForbiddenAddressError(httpx2.TransportError):
    """The name leads to no public address; ``objection`` is to where it leads."""

    def __init__(self, objection: Objection, *, request: httpx2.Request) -> None:
        super().__init__(str(objection), request=request)
        self.objection = objection


class NoCertificatesError(SetupError):
    """Whose certificates this machine trusts can't be read now; the operator may mend that while we run."""


def check_destination(scheme: str, host: str, *, name: str, has_key: bool) -> None:
    """Refuse what can be seen to be wrong before anything is sent; for servers that are to be public or our own.

    ``name`` is what errors call the server.

    Raises:
        SetupError: The host is an address of a private network, or a key would cross the internet in the clear.
    """
    if objection := objection_to(scheme, host, has_key=has_key):
        raise SetupError(f"{name}: {objection.problem}", objection.cure)


def server_of(url: str, *, name: str) -> tuple[str, str]:
    """Return scheme and host of an HTTP address; ``name`` is what errors call it.

    Raises:
        SetupError: It is none.
    """
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if scheme not in {"http", "https"} or not host:
        raise SetupError(f"{name} is not an address", "Write http://… or https://….")
    return scheme, host


def trust_in(scheme: str, host: str) -> ssl.SSLContext:
    """Return whose certificates count for a server: those that this machine trusts, as they were when first read.

    With plain HTTP on this machine no certificate is asked for, so that none need be read: there nobody's count.

    Raises:
        NoCertificatesError: They can't be read.
    """
    if scheme == "http" and is_loopback(host):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return _certificates()
    except OSError as exc:  # what OpenSSL says is one as well
        said = [f"{name}={os.environ[name]}" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        cure = f"Mend what the environment says: {', '.join(said)}." if said else "Install ca-certificates."
        raise NoCertificatesError(f"the certificates that this machine trusts can't be read: {exc}", cure) from exc


@cache
def _certificates() -> ssl.SSLContext:
    """Read them once: it takes 0.1 s, in which the event loop stands still, and many shows may begin together."""
    return httpx2.create_ssl_context()


def checked_transport(scheme: str, host: str, connect_timeout_s: float) -> "PublicTransport | None":
    """Return what keeps requests out of private networks; None where they go to ourselves, or to the user's proxy."""
    if is_loopback(host) or goes_through_proxy(scheme, host):
        return None
    return PublicTransport(httpx2.AsyncHTTPTransport(trust_in(scheme, host)), connect_timeout_s=connect_timeout_s)


def checked_client(
    url: str,
    *,
    name: str,
    timeout_s: float,
    allow_private: bool,
    has_key: bool = False,
) -> httpx2.AsyncClient:
    """Return a client for requests to an address that somebody's scenario names; it follows no redirect.

    Args:
        url: The address.
        name: What errors call it.
        timeout_s: How long each step of a request may take; a look-up as well.
        allow_private: Whether it may lead into a private network; our own machine is never one.
        has_key: Whether what is sent must not be read on the way.

    Raises:
        SetupError: It is none, or can be seen to lead where it must not; or the certificates can't be read.
    """
    scheme, host = server_of(url, name=name)
    if not allow_private:
        check_destination(scheme, host, name=name, has_key=has_key)
    return httpx2.AsyncClient(
        timeout=timeout_s,
        follow_redirects=False,
        trust_env=not is_loopback(host),  # a proxy can't reach our own machine
        verify=trust_in(scheme, host),
        transport=checked_transport(scheme, host, timeout_s) if not allow_private else None,
    )


def goes_through_proxy(scheme: str, host: str) -> bool:
    """Say whether the environment sends such requests to a proxy, whose affair it is then where they end."""
    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(host)


class PublicTransport(httpx2.AsyncBaseTransport):
    """Connects to public addresses only. ``inner`` gets each request with the checked address in its URL."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, connect_timeout_s: float) -> None:
        self._inner, self._connect_timeout_s = inner, connect_timeout_s

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        addresses = await self._addresses(request)
        request.extensions = {**request.extensions, "sni_hostname": host}  # what the certificate must be for
        url = request.url
        for number, address in enumerate(addresses, 1):
            request.url = url.copy_with(host=address)
            try:
                return await self._inner.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("a name without addresses was let through")

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _addresses(self, request: httpx2.Request) -> list[str]:
        """Return the addresses to try.

        Raises:
            ForbiddenAddressError: One of them is not public.
            httpx2.ConnectError: The name has none.
            httpx2.ConnectTimeout: Nobody says whether it has.
        """
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)

        def check(addresses: list[str]) -> None:
            if objection := objection_to_addresses(host, addresses):
                raise ForbiddenAddressError(objection, request=request)

        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return await destinations_of(host, port, check=check)
        except OSError as exc:  # a timeout is one
            kind = httpx2.ConnectTimeout if isinstance(exc, TimeoutError) else httpx2.ConnectError
            raise kind(f"{host} can't be looked up: {exc.strerror or 'no answer'}", request=request) from exc
