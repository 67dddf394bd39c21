"""A notice as each kind of receiver takes it: our JSON, a Discord message, a Slack message.

Titles, motions and names were written by others, models among them. In a chat they are text: they mention nobody, hide
no link and stay within the lengths that the services take.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from debate_caster.addresses import is_loopback
from debate_caster.announce.notices import Notice
from debate_caster.pulsar.text import truncate, utf16_length
from debate_caster.scenario.script import NoticeFormat

__all__ = ["DISCORD_DESCRIPTION", "DISCORD_TITLE", "SLACK_HEADER", "SLACK_SECTION", "body_of"]

DISCORD_TITLE = 256
DISCORD_DESCRIPTION = 4096
"""Longest title and description of an embed (https://discord.com/developers/docs/resources/message)."""

SLACK_HEADER = 150
SLACK_SECTION = 3000
"""Longest text of a header and of a section block (https://docs.slack.dev/reference/block-kit/blocks)."""

_LINE = 900
"""Longest line of a message: motion, names and result together stay below every limit above."""

_HEADINGS = {
    "scheduled": "🗓️ Scheduled",
    "starting_soon": "⏰ Starting soon",
    "live": "🔴 Live now",
    "ended": "🏁 Ended",
}

_ENDINGS = {
    "completed": "",
    "producer": "The producer ended it early.",
    "budget": "It ended early, at its budget's limit.",
    "interrupted": "It was broken off.",
    "failed": "It failed.",
}

_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]+")
_DISCORD_MARKUP = re.compile(r"[\\`*_~|<>\[\]()#@-]|(?<=:)/|(?<=\bwww)\.|(?<=\d)\.(?=\s)", re.IGNORECASE)


def body_of(notice: Notice, format: NoticeFormat) -> bytes:  # noqa: A002 - what authors call it
    """Return the body of the request that says it."""
    match format:
        case "json":
            return _bytes(notice.model_dump(mode="json"))
        case "discord":
            return _bytes(_discord(notice))
        case "slack":
            return _bytes(_slack(notice))


def _discord(notice: Notice) -> dict[str, Any]:
    starts_at = int(notice.show.starts_at.timestamp())
    when = f"<t:{starts_at}:F> (<t:{starts_at}:R>)"  # in each reader's own time zone
    lines = [_fitted(line, _LINE, _discord_text) for line in _lines(notice)]
    if notice.type in ("scheduled", "starting_soon"):
        lines.append(when)
    embed: dict[str, Any] = {
        "title": _fitted(notice.show.title, DISCORD_TITLE, _discord_text),
        "description": "\n".join(lines),
    }
    if page := _page(notice):
        embed["url"] = page
    return {"content": _HEADINGS[notice.type], "embeds": [embed], "allowed_mentions": {"parse": []}}


def _slack(notice: Notice) -> dict[str, Any]:
    heading = _HEADINGS[notice.type]
    title = _fitted(f"{heading}: {notice.show.title}", SLACK_HEADER, _slack_text)
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title)}]
    if lines := [_fitted(line, _LINE, _slack_text) for line in _lines(notice)]:
        blocks.append({"type": "section", "text": _plain("\n".join(lines))})
    ours = []  # written by us alone, so that it may be markup
    if notice.type in ("scheduled", "starting_soon"):
        ours.append(_slack_date(notice.show.starts_at))
    if page := _page(notice):
        ours.append(f"<{_slack_text(page).replace('|', '%7C')}|Watch>")
    if ours:
        text = {"type": "mrkdwn", "text": " · ".join(ours), "verbatim": True}
        blocks.append({"type": "section", "text": text})
    return {"text": title, "mrkdwn": False, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _lines(notice: Notice) -> Iterator[str]:
    """Yield what there is to say below the title."""
    show, result = notice.show, notice.result
    if show.motion and show.motion != show.title:
        yield show.motion
    if debaters := [f"{agent.emoji} {agent.name}".strip() for agent in show.agents if not agent.moderator]:
        yield (" vs " if len(debaters) == 2 else ", ").join(debaters)
    if result is not None:
        if ending := _ENDINGS.get(result.why, ""):
            yield ending
        if result.vote is not None:
            yield f"{result.vote.sentence}."


def _page(notice: Notice) -> str:
    """Return the show's page, where others can get there; a chat's readers sit at machines of their own."""
    host = urlsplit(notice.show.url).hostname
    return "" if host is None or is_loopback(host) else notice.show.url


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _slack_date(at: datetime) -> str:
    return f"<!date^{int(at.timestamp())}^{{date_long_pretty}}, {{time}}|{at:%Y-%m-%d %H:%M} UTC>"


def _discord_text(text: str) -> str:
    return _DISCORD_MARKUP.sub(lambda sign: f"\\{sign[0]}", text)


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fitted(text: str, limit: int, escape: Callable[[str], str]) -> str:
    """Return the text on one line and escaped, shortened so that it then has at most ``limit`` UTF-16 units."""
    plain = " ".join(_INVISIBLE.sub(" ", text).split())
    whole = escape(plain)
    room = limit
    while utf16_length(whole) > limit:
        room -= 1 + (utf16_length(whole) - limit) // 8  # an escaped sign is five times as long at most
        whole = escape(truncate(plain, room).rstrip()) + "…"
    return whole


def _bytes(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
