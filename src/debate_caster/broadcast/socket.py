"""A WebSocket to a target: opened with care, closed for certain, its library's errors turned into ours.

A name is looked up and its addresses are checked before, and the connection goes to the very address that was.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import gaierror
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from debate_caster.addresses import destinations_of
from debate_caster.broadcast.target import ConnectionLimits, Target
from debate_caster.clock import Clock
from debate_caster.errors import BroadcastError

__all__ = ["DroppedError", "open_socket", "receive", "transmit"]

_HOPELESS = frozenset({401, 403})
_CLOSING_TIMEOUT_S = 2.0
"""For the closing handshake; a peer that does not answer it is cut off."""


class DroppedError(BroadcastError):
    """The connection was lost, or can't be made at present: another try may help."""


class _Connect(connect):
    """Follows no redirect: what we send first holds the agent's secret and the target's token."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@asynccontextmanager
async def open_socket(target: Target, *, clock: Clock, limits: ConnectionLimits) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket; leaving the block closes it, down to the TCP connection, within 2 s.

    Raises:
        DroppedError: There is no connection to be had now.
        MisplacedError: The target may not be where its name leads now.
        BroadcastError: There never will be: a wrong address or certificate, or we are not let in (401, 403).
    """
    try:
        async with clock.timeout(limits.reply_timeout_s):
            socket = await _connect(target, clock, limits)
    except InvalidURI as exc:
        raise BroadcastError(target.name, f"not a WebSocket address: {exc}") from exc
    except InvalidStatus as exc:
        status = exc.response.status_code
        error = BroadcastError if status in _HOPELESS else DroppedError
        raise error(target.name, f"answered with HTTP status {status}") from exc
    except ImportError as exc:
        raise BroadcastError(target.name, f"the proxy of this machine's settings needs a package: {exc}") from exc
    except ssl.SSLCertVerificationError as exc:
        raise BroadcastError(target.name, f"its certificate is not valid: {exc.verify_message}") from exc
    except TimeoutError as exc:
        raise DroppedError(target.name, f"no connection within {limits.reply_timeout_s:g} s") from exc
    except ValueError as exc:  # names no host can have, characters no header can have: not shown, it may be the token
        raise BroadcastError(target.name, "the address or the token can't be used") from exc
    except gaierror as exc:
        raise DroppedError(target.name, f"no connection: {exc.strerror}") from exc
    except (OSError, InvalidHandshake, WebSocketException) as exc:
        raise DroppedError(target.name, f"no connection: {str(exc) or type(exc).__name__}") from exc
    try:
        yield socket
    finally:
        await _close(socket, clock)


async def _connect(target: Target, clock: Clock, limits: ConnectionLimits) -> ClientConnection:
    """Connect to one of the target's addresses, or through the user's proxy, whose affair it is then where it ends.

    With ws:// the proxy and all behind it read what agents prove themselves with, so it is asked only for a target
    that is in a private network as far as this machine can tell.

    Raises:
        MisplacedError: The target may not be where its name leads.
    """
    until = clock.monotonic() + limits.reply_timeout_s
    uri = parse_uri(target.url)
    if target.is_loopback:
        return await _open(target, limits)
    proxy = get_proxy(uri)
    if proxy and uri.secure:
        return await _open(target, limits, proxy=proxy)
    addresses = await destinations_of(uri.host, uri.port, check=target.check_addresses)
    if proxy:
        return await _open(target, limits, proxy=proxy)
    for tried, address in enumerate(addresses[:-1]):
        share_s = (until - clock.monotonic()) / (len(addresses) - tried)
        try:
            async with clock.timeout(share_s):  # one that is silent leaves the others theirs
                return await _open(target, limits, host=address)
        except OSError:  # whatever it was: the last one's reason is the one that is told
            continue
    return await _open(target, limits, host=addresses[-1])


async def _open(
    target: Target, limits: ConnectionLimits, *, proxy: str | None = None, host: str | None = None
) -> ClientConnection:
    """``host``: the address to connect to, under the name that is in the URL; its certificate is for that."""
    headers = {"Authorization": f"Bearer {target.token.get_secret_value()}"} if target.token else None
    where: dict[str, Any] = {"host": host} if host is not None else {}
    return await _Connect(
        target.url,
        additional_headers=headers,
        compression=None,
        proxy=proxy,
        open_timeout=None,  # the caller's timeout is the one that counts
        ping_interval=None,  # lines and heartbeats ask for pongs themselves, and notice a missing one
        close_timeout=None,  # likewise
        max_size=2 * limits.max_frame_bytes,  # what is too long for us is no reason to hang up
        **where,
    )


async def transmit(socket: ClientConnection, frame: str, *, target: str) -> None:
    """Hand a frame to the socket.

    Raises:
        DroppedError: The connection is closed.
    """
    try:
        await socket.send(frame)
    except ConnectionClosed as exc:
        raise DroppedError(target, _farewell(exc)) from exc


async def receive(socket: ClientConnection, *, target: str) -> str | bytes:
    """Wait for a frame; safe to cancel.

    Raises:
        DroppedError: The connection is closed.
    """
    try:
        return await socket.recv()
    except ConnectionClosed as exc:
        raise DroppedError(target, _farewell(exc)) from exc


async def _close(socket: ClientConnection, clock: Clock) -> None:
    """Close; an old socket left half open would later take a new one's registration with it (v1)."""
    try:
        async with clock.timeout(_CLOSING_TIMEOUT_S):
            await socket.close()
            await socket.wait_closed()
    except TimeoutError:
        pass
    finally:
        socket.transport.abort()
    await asyncio.shield(socket.wait_closed())


def _farewell(exc: ConnectionClosed) -> str:
    return f"closed by the peer with code {exc.rcvd.code}" if exc.rcvd else "the connection broke"
