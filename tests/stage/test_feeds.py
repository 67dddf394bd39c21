import json
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.stage.feeds import calendar, headline, json_feed, pitch, rss

BASE = "http://127.0.0.1:8765"
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
AGENTS = [{"id": "ada", "name": "Ada", "side_title": "Proposition"}, {"id": "m", "name": "Vera", "moderator": True}]


def show(**changes: Any) -> dict[str, Any]:
    return {
        "id": "friday-1", "title": "Friday", "motion": "Ban <b>homework</b> & rest, now; or never", "language": "en",
        "format": "duel", "format_title": "Duel", "state": "ended", "agents": AGENTS,
        "started_at": "2026-11-20T19:00:01.000Z", "ended_at": "2026-11-20T19:30:00.000Z", **changes,
    }  # fmt: skip


def test_a_json_feed_has_an_item_for_each_show() -> None:
    feed = json.loads(json_feed([show(), show(id="live-1", state="live", language="")], base=BASE))

    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert [item["url"] for item in feed["items"]] == [f"{BASE}/shows/friday-1", f"{BASE}/shows/live-1"]
    assert feed["items"][0]["content_text"] == "Duel: Ada (Proposition) · Vera (moderator)"
    assert feed["items"][0]["date_published"] == "2026-11-20T19:00:01.000Z"
    assert "language" not in feed["items"][1]


def test_an_rss_reader_finds_title_address_and_date() -> None:
    (item,) = Xml.fromstring(rss([show()], base=BASE)).iter("item")  # noqa: S314 - our own text

    assert item.findtext("title") == "Ban <b>homework</b> & rest, now; or never"
    assert item.findtext("link") == f"{BASE}/shows/friday-1"
    assert item.findtext("pubDate") == "Fri, 20 Nov 2026 19:00:01 GMT"


def test_a_calendar_has_an_event_for_each_show_and_its_lines_are_short() -> None:
    text = calendar([show(motion="Ärger, " * 40), show(ended_at=None)], base=BASE, now=NOW)
    lines = text.replace("\r\n ", "").split("\r\n")

    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 2
    assert lines.count("DTSTART:20261120T190001Z") == 2
    assert lines.count("DTEND:20261120T193000Z") == 1
    assert "SUMMARY:" + "\\, ".join(["Ärger"] * 40) + "\\," in lines
    assert "SUMMARY:Ban <b>homework</b> & rest\\, now\\; or never" in lines


def test_a_show_without_anything_still_has_a_name() -> None:
    bare: dict[str, Any] = {"id": "s-1", "state": "live", "agents": [], "started_at": None}

    assert (headline(bare), pitch(bare)) == ("A debate", "")
    assert "BEGIN:VEVENT" not in calendar([bare], base=BASE, now=NOW)
    assert "<pubDate>" not in rss([bare], base=BASE)


@given(st.text(max_size=60))
def test_whatever_a_show_is_called_the_feeds_stay_well_formed(name: str) -> None:
    shows = [show(motion=name, title=name, agents=[{"id": name, "name": name}])]

    root = Xml.fromstring(rss(shows, base=BASE))  # noqa: S314 - our own text
    lines = calendar(shows, base=BASE, now=NOW).split("\r\n")

    assert len(list(root.iter("item"))) == 1
    assert len(json.loads(json_feed(shows, base=BASE))["items"]) == 1
    assert all(line.startswith((" ", *"BDESUPVX")) or not line for line in lines)
    assert "\n" not in "".join(lines)


@pytest.mark.parametrize("id_", ["a b", "a/b", "a?b#c", "ä"])
def test_an_id_is_one_part_of_an_address(id_: str) -> None:
    (item,) = json.loads(json_feed([show(id=id_)], base=BASE))["items"]

    assert item["url"].removeprefix(f"{BASE}/shows/").isascii()
    assert not set("/?# ") & set(item["url"].removeprefix(f"{BASE}/shows/"))
