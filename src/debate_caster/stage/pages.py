"""The pages, styles and scripts that the stage serves from the package's ``web`` folder, with their headers."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["SECURITY_HEADERS", "Page", "page", "page_of"]

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer: whatever an agent or a viewer wrote can't run, be framed, or load anything from elsewhere."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "woff2": "font/woff2",
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
    "webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A file as it goes over the wire; ``etag`` changes with its content."""

    content_type: str
    body: bytes
    compressed: bytes
    etag: str


def page(name: str) -> Page | None:
    """Return a file of the ``web`` folder itself; None when there is no such."""
    return _pages().get(name)


@cache
def _pages() -> Mapping[str, Page]:
    """Read the folder, once in the process's life."""
    return {
        entry.name: page_of(_TYPES[kind], entry.read_bytes())
        for entry in (files("debate_caster.stage") / "web").iterdir()
        if entry.is_file() and (kind := entry.name.rpartition(".")[2]) in _TYPES
    }


def page_of(content_type: str, body: bytes) -> Page:
    """Return a page with this body, ready for the wire."""
    return Page(content_type, body, gzip.compress(body, mtime=0), f'"{hashlib.sha256(body).hexdigest()[:20]}"')
