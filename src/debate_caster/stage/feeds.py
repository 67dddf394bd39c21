"""The stage's shows as other programs subscribe to them: JSON Feed, RSS and iCalendar. Pure: summaries in, text out."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

__all__ = ["calendar", "headline", "json_feed", "pitch", "rss", "show_address"]

Summary = Mapping[str, Any]

TITLE = "debate-caster"
ABOUT = "Live debates between AI agents, steered by their audience"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CALENDAR_SIGNS = re.compile(r"([\\;,])")
_FOLD_BYTES = 74


def headline(summary: Summary) -> str:
    """Return what a show is called in one line."""
    return " ".join(str(summary.get("motion") or summary.get("title") or "A debate").split())


def pitch(summary: Summary) -> str:
    """Return who debates in which format, in one line."""
    speakers = " · ".join(_speaker(agent) for agent in summary.get("agents") or ())
    parts = [str(summary.get("format_title") or summary.get("format") or ""), speakers]
    return " ".join(": ".join(part for part in parts if part).split())


def show_address(base: str, summary: Summary) -> str:
    """Return the address of a show's page; a coming one has none before it begins, and is announced in the lobby."""
    if summary.get("state") == "coming":
        return f"{base}/"
    return f"{base}/shows/{quote(str(summary['id']), safe='')}"


def json_feed(summaries: Sequence[Summary], *, base: str) -> str:
    """Return a JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    items = [
        {
            "id": str(summary["id"]),
            "url": show_address(base, summary),
            "title": headline(summary),
            "content_text": _description(summary),
            "language": summary.get("language") or None,
            "date_published": summary.get("started_at"),
            "tags": [summary["state"]],
        }
        for summary in summaries
    ]
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": TITLE,
        "description": ABOUT,
        "home_page_url": f"{base}/",
        "feed_url": f"{base}/feed.json",
        "items": [{key: value for key, value in item.items() if value is not None} for item in items],
    }
    return json.dumps(feed, ensure_ascii=False)


def rss(summaries: Sequence[Summary], *, base: str) -> str:
    """Return the shows as RSS 2.0 (https://www.rssboard.org/rss-specification)."""
    items = "".join(
        f"<item><title>{_xml(headline(summary))}</title><link>{_xml(show_address(base, summary))}</link>"
        f'<guid isPermaLink="false">{_xml(str(summary["id"]))}</guid>'
        f"<description>{_xml(escape(_description(summary)))}</description>"  # readers take a description for HTML
        + (f"<pubDate>{format_datetime(at, usegmt=True)}</pubDate>" if (at := _time(summary.get("started_at"))) else "")
        + "</item>"
        for summary in summaries
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>'
        f"<title>{TITLE}</title><link>{_xml(base)}/</link><description>{ABOUT}</description>{items}</channel></rss>\n"
    )


def calendar(summaries: Sequence[Summary], *, base: str, now: datetime) -> str:
    """Return the shows as iCalendar (RFC 5545)."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//debate-caster//stage//EN", f"X-WR-CALNAME:{TITLE}"]
    for summary in summaries:
        started, ended = _time(summary.get("started_at") or summary.get("starts_at")), _time(summary.get("ended_at"))
        if started is None:
            continue
        lines += [
            "BEGIN:VEVENT",
            f"UID:{_calendar_text(str(summary['id']))}@debate-caster",
            f"DTSTAMP:{now:%Y%m%dT%H%M%SZ}",
            f"DTSTART:{started:%Y%m%dT%H%M%SZ}",
            *([f"DTEND:{max(started, ended):%Y%m%dT%H%M%SZ}"] if ended else []),
            f"SUMMARY:{_calendar_text(headline(summary))}",
            f"DESCRIPTION:{_calendar_text(pitch(summary))}",
            f"URL:{show_address(base, {**summary, 'state': ''})}",  # by the time of the event the page is there
            "END:VEVENT",
        ]
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VCALENDAR"])


def _description(summary: Summary) -> str:
    parts = [pitch(summary) or headline(summary)]
    if at := _time(summary.get("starts_at")):
        parts.insert(0, f"Live on {at:%Y-%m-%d at %H:%M} UTC.")
    return " ".join(parts)


def _speaker(agent: Mapping[str, Any]) -> str:
    side = "moderator" if agent.get("moderator") else agent.get("side_title") or agent.get("side") or ""
    name = str(agent.get("name") or agent.get("id") or "")
    return f"{name} ({side})" if side else name


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _xml(text: str) -> str:
    return escape(_NOT_XML.sub("", text))


def _calendar_text(text: str) -> str:
    printable = "".join(sign for sign in text if sign >= " " and sign != "\x7f")
    return _CALENDAR_SIGNS.sub(r"\\\1", printable)


def _folded(line: str) -> str:
    """Fold a line so that no part has more than 75 bytes, and no character is torn."""
    parts, size = [""], 0
    for sign in line:
        length = len(sign.encode(errors="replace"))
        if size + length > _FOLD_BYTES:
            parts.append("")
            size = 1
        parts[-1] += sign
        size += length
    return "\r\n ".join(parts)
