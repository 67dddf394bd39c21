"""The address by which the world knows a stage, where that is not the one it listens on: behind a proxy."""

from urllib.parse import urlsplit

from aiohttp import web

from debate_caster.errors import SetupError

__all__ = ["PUBLIC_URL", "base_of", "public_origin"]

PUBLIC_URL = web.AppKey("public_url", str)
"""Where an application keeps it; empty where there is none."""

_USUAL_PORTS = {"http": 80, "https": 443}


def public_origin(url: str) -> str:
    """Return an address as browsers write origins: ``https://debates.example``, without path or usual port.

    Raises:
        SetupError: It is none, or more than that: the pages can't be served from below a path.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise SetupError(f"{url!r} is not the public address of a stage: {exc}") from exc
    if parts.scheme not in _USUAL_PORTS or not host or "@" in parts.netloc or parts.path.strip("/") or parts.query:
        raise SetupError(
            f"{url!r} is not the public address of a stage", "It looks like https://debates.example, without a path."
        )
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + ("" if port in (None, _USUAL_PORTS[parts.scheme]) else f":{port}")


def base_of(request: web.Request) -> str:
    """Return the stage's address: the public one, or else the one by which it was asked."""
    return request.app[PUBLIC_URL] or f"{request.scheme}://{request.host}"
