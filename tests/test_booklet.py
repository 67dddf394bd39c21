from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from debate_caster.booklet import Booklet, Hint, Speaker, Speech, as_html, as_markdown

AT = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)
VECTORS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>", "javascript:alert(1)", "[x](javascript:alert(1))", "![x](http://e.example/x)",
    "<!--", "]]>", "&lt;b&gt;", "\u202e<b>", "<iframe srcdoc='<script>'>", "{{7*7}}", "<math><mtext></p><style>",
]  # fmt: skip


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


def booklet(text: str) -> Booklet:
    speaker = Speaker("a", text, text, text, text)
    speech = Speech(0, text, "a", text, text, text, (Hint(text, text),), AT)
    return Booklet(text, text, text, text, AT, (speaker,), (speech,), "The end.", "")


@pytest.mark.parametrize("vector", VECTORS)
def test_whatever_is_written_anywhere_becomes_no_element_and_no_attribute(vector: str) -> None:
    plain, hostile = Tags(), Tags()
    plain.feed(as_html(booklet("plain")))
    hostile.feed(as_html(booklet(vector)))

    assert hostile.seen <= plain.seen
    assert hostile.attributes == plain.attributes


@pytest.mark.parametrize("vector", VECTORS)
def test_markdown_holds_no_tag_and_no_link_that_somebody_wrote(vector: str) -> None:
    text = as_markdown(booklet(vector))

    assert "<" not in text
    assert "](" not in text.replace("\\]", "")


def test_speeches_of_one_phase_stand_under_one_heading() -> None:
    speeches = tuple(Speech(number, phase, "a", "Words.") for number, phase in enumerate(("One", "One", "Two", "")))
    made = Booklet("T", "", "en", "Duel", AT, (Speaker("a", "Ada"),), speeches)

    assert [line for line in as_markdown(made).splitlines() if line.startswith("## ")] == ["## One", "## Two"]
    assert as_html(made).count("<h2") == 2


def test_who_is_not_listed_goes_by_the_id() -> None:
    assert Booklet("T", "", "en", "", AT, (), ()).speaker("x") == Speaker("x", "x")
