"""What other sites show of a show: the title and description in its page's head, oEmbed, and who may frame it."""

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from debate_caster.errors import SetupError
from debate_caster.stage.feeds import TITLE, headline, pitch, show_address
from debate_caster.stage.pages import SECURITY_HEADERS, Page, page, page_of

__all__ = ["frame_policy", "oembed", "watch_page"]

_PLAIN_TITLE = b"<title>Debate \xc2\xb7 debate-caster</title>"
_ORIGIN = re.compile(
    r"https?://(?:\*\.)?[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](?::\d{1,5})?"
)

WIDTH, HEIGHT = 800, 600
"""Of an embedded show, in CSS pixels, where nobody asks for less."""


def frame_policy(origins: Iterable[str]) -> str:
    """Return the Content-Security-Policy of pages that these origins may frame; nobody else may.

    Raises:
        SetupError: One of them is no origin.
    """
    allowed = sorted(origins)
    for origin in allowed:
        if not _ORIGIN.fullmatch(origin):
            raise SetupError(f"{origin!r} can't be let frame our pages", "An origin looks like https://example.org")
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    return policy.replace("frame-ancestors 'none'", f"frame-ancestors {' '.join(allowed)}") if allowed else policy


def watch_page(summary: Mapping[str, Any], *, base: str) -> Page:
    """Return the watch page with this show's title and description in its head, for who reads no further."""
    title, about, address = headline(summary), pitch(summary), show_address(base, summary)
    card = f"{base}/api/shows/{address.rpartition('/')[2]}/oembed"
    head = [
        f"<title>{escape(title)} · {TITLE}</title>",
        f'<meta name="description" content="{escape(about)}">',
        '<meta property="og:type" content="website">',
        f'<meta property="og:site_name" content="{TITLE}">',
        f'<meta property="og:title" content="{escape(title)}">',
        f'<meta property="og:description" content="{escape(about)}">',
        f'<meta property="og:url" content="{escape(address)}">',
        f'<link rel="alternate" type="application/json+oembed" href="{escape(card)}" title="{escape(title)}">',
    ]
    plain = page("watch.html")
    if plain is None:
        raise AssertionError("the watch page is part of the package")
    head_bytes = "\n".join(head).encode(errors="replace")
    return page_of(plain.content_type, plain.body.replace(_PLAIN_TITLE, head_bytes, 1))


def oembed(summary: Mapping[str, Any], *, base: str, framed: bool, width: int, height: int) -> dict[str, Any]:
    """Return a show as oEmbed 1.0 (https://oembed.com): a frame where frames are allowed, otherwise a link."""
    card = {"version": "1.0", "title": headline(summary), "provider_name": TITLE, "provider_url": f"{base}/"}
    if not framed:
        return {**card, "type": "link"}
    width, height = min(width, WIDTH), min(height, HEIGHT)
    frame = (
        f'<iframe src="{escape(show_address(base, summary))}" title="{escape(headline(summary))}" '
        f'width="{width}" height="{height}" frameborder="0"></iframe>'
    )
    return {**card, "type": "rich", "html": frame, "width": width, "height": height}
