from html.parser import HTMLParser
from typing import Any

import pytest

from debate_caster.errors import SetupError
from debate_caster.log import MemoryEventLog
from debate_caster.stage import Stage, open_stage
from debate_caster.stage.pages import page
from debate_caster.stage.previews import frame_policy, oembed, watch_page
from tests.stage.people import browser
from tests.watching.loopback import talking

BASE = "http://127.0.0.1:8765"


class Head(HTMLParser):
    """The elements of a page, and what its head says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.meta: dict[str, str | None] = {}
        self.links: dict[str, str | None] = {}
        self.tags: list[str] = []
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "meta" and (name := given.get("property") or given.get("name")):
            self.meta[name] = given.get("content")
        if tag == "link" and (kind := given.get("type")):
            self.links[kind] = given.get("href")

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["title"]:
            self.title += data


def summary(text: str = "This house would test") -> dict[str, Any]:
    return {"id": "s1", "motion": text, "format_title": text, "agents": [{"id": "a", "name": text}], "state": "live"}


def test_a_page_says_in_its_head_what_other_sites_show_of_it() -> None:
    head = Head(watch_page(summary(), base=BASE).body.decode())

    assert head.title.strip().startswith("This house would test · debate-caster")
    assert head.meta["og:title"] == "This house would test"
    assert head.meta["og:url"] == f"{BASE}/shows/s1"
    assert head.meta["og:description"] == "This house would test: This house would test"
    assert head.links["application/json+oembed"] == f"{BASE}/api/shows/s1/oembed"


@pytest.mark.parametrize(
    "text",
    [
        "</title><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onload='x",
        "<!--",
        "\\1 \\g<0>",
        "\ud800",
    ],
)
def test_whatever_a_show_is_called_the_page_gets_no_element_from_it(text: str) -> None:
    plain, hostile = Head(watch_page(summary(), base=BASE).body.decode()), Head("")

    hostile = Head(watch_page(summary(text), base=BASE).body.decode())

    assert hostile.tags == plain.tags
    assert hostile.meta.keys() == plain.meta.keys()


def test_the_page_holds_the_title_that_is_replaced() -> None:
    plain = page("watch.html")

    assert plain is not None
    assert plain.body != watch_page(summary(), base=BASE).body


def test_only_origins_may_be_let_frame_the_pages() -> None:
    policy = frame_policy({"https://example.org", "https://*.example.net:8443"})

    assert "frame-ancestors https://*.example.net:8443 https://example.org;" in policy
    assert "frame-ancestors 'none'" in frame_policy(())
    for wrong in (
        "*",
        "example.org",
        "https://a.example; script-src *",
        "https://a b",
        "javascript:x",
        "https://a/path",
    ):
        with pytest.raises(SetupError, match="can't be let frame"):
            frame_policy([wrong])


def test_oembed_is_a_frame_only_where_frames_are_allowed_and_as_small_as_asked_for() -> None:
    framed = oembed(summary('"><b>'), base=BASE, framed=True, width=320, height=9000)
    linked = oembed(summary(), base=BASE, framed=False, width=320, height=200)

    assert (framed["type"], framed["width"], framed["height"]) == ("rich", 320, 600)
    assert Head(framed["html"]).tags == ["iframe"]
    assert linked["type"] == "link"
    assert "html" not in linked


async def test_the_stage_serves_previews_feeds_and_cards(stage: Stage) -> None:
    async with talking(stage) as agent, browser() as session:
        async with session.get(stage.show_url(agent.show)) as answer:
            head, tag = Head(await answer.text()), answer.headers["ETag"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        async with session.get(stage.show_url(agent.show), headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        async with session.get(stage.show_url("nobody")) as answer:
            assert Head(await answer.text()).title.strip() == "Debate · debate-caster"
        async with session.get(head.links["application/json+oembed"] or "") as answer:
            assert (await answer.json())["title"] == "What talker thinks"
        for path, kind in (("feed.json", "feed+json"), ("feed.xml", "rss+xml"), ("calendar.ics", "text/calendar")):
            async with session.get(f"{stage.url}/{path}") as answer:
                assert kind in answer.headers["Content-Type"]
                assert stage.show_url(agent.show) in (await answer.text()).replace("\r\n ", "")

    assert head.meta["og:title"] == "What talker thinks"


async def test_the_operator_can_let_a_site_frame_the_pages_and_nothing_else() -> None:
    allowed = frozenset({"https://example.org"})
    async with open_stage(log=MemoryEventLog(), frame_origins=allowed) as stage, browser() as session:
        for path, framed in (("/shows/s1", True), ("/overlay/s1", True), ("/", False), ("/api/shows", False)):
            async with session.get(stage.url + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert ("frame-ancestors https://example.org" in policy) is framed

    with pytest.raises(SetupError, match="can't be let frame"):
        async with open_stage(log=MemoryEventLog(), frame_origins=frozenset({"everybody"})):
            pass
