import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from debate_caster.scenario.script import Persona
from debate_caster.show.hints import Remark
from debate_caster.show.recounting import export_html, export_json, export_markdown
from debate_caster.show.transcript import Transcript, fold
from tests.show.stage_props import Backstage, Evening, Reply, make_scenario, outage, perform_evening, words_of

HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)' style='x",
    "[click](javascript:alert(1)) ![x](https://evil.example/x.png) <https://evil.example>",
    "https://evil.example www.evil.example me@evil.example",
    "# heading\n\n- list\n+ list\n1. list\n2) list\n> quote\n    code\n\n---\n===\n***\n| a | b |\n|---|---|",
    "`code` ~~~ *bold* _it_ ~gone~ $x$ &lt;b&gt; &#60;b&#62;",
    "\u202eevil\u2066\x1b]52;c;x\x07\ufeff",
    "&copy; </main></body></html>",
]


def hostile_evening() -> Evening:
    scenario = make_scenario(title=HOSTILE[0], motion=HOSTILE[1])
    ada, ben = scenario.agents
    ada = ada.model_copy(update={"name": HOSTILE[2]})
    persona = Persona(key="b", name=HOSTILE[3], style="x", emoji="<b>", color="red;}body{display:none")
    ben = ben.model_copy(update={"persona": persona, "name": HOSTILE[3]})
    scenario = scenario.model_copy(update={"agents": (ada, ben)})
    return perform_evening(
        scenario,
        lambda _request, call: Reply(f"So. {HOSTILE[4 + call]} {words_of(12)}"),
        remarks={0.1: Remark("h1", "v1", HOSTILE[5], name=HOSTILE[0])},
    )


class Skeleton(HTMLParser):
    """What a browser would make of a page: its elements, their attributes, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def skeleton_of(page: str) -> Skeleton:
    skeleton = Skeleton()
    skeleton.feed(page)
    skeleton.close()
    return skeleton


def test_nothing_hostile_becomes_an_element_or_an_attribute_of_the_page() -> None:
    page = export_html(hostile_evening().transcript)

    skeleton = skeleton_of(page)
    assert set(skeleton.elements) <= {
        "html", "head", "meta", "title", "style", "body", "main", "header", "p", "time", "h1", "h2", "h3", "ul", "li",
        "span", "bdi", "small", "section", "article", "aside", "q", "a", "footer",
    }  # fmt: skip
    assert skeleton.attributes <= {
        "lang", "charset", "http-equiv", "content", "name", "class", "datetime", "dir", "style", "id", "href",
        "aria-hidden",
    }  # fmt: skip
    assert "<script>alert(1)</script>" in skeleton.text
    assert "display:none" not in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\ufeff]", page)


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = export_html(perform_evening(make_scenario()).transcript)

    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import|<script|<link", page)
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "prefers-color-scheme:dark" in page


def test_the_page_tells_the_whole_show() -> None:
    evening = perform_evening(make_scenario(), remarks={1.0: Remark("h1", "v1", "What about snow?", name="Mia")})

    text = skeleton_of(export_html(evening.transcript)).text

    for told in (
        "Free trams?",
        "Trams should be free.",
        "Ada",
        "Opposition",
        "Openings",
        "Clash",
        "What about snow?",
        "Mia",
    ):
        assert told in text
    for speech in evening.transcript.speeches:
        assert speech.text in text
    assert "The show ran to its end. Hints from viewers: 1; used: 1." in text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<b>*bold*</b>", r"&lt;b&gt;\*bold\*&lt;/b&gt;"),
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("![x](y)", r"!\[x\](y)"),
        ("https://evil.example", r"https:\//evil.example"),
        ("see www.evil.example", r"see www\.evil.example"),
        ("me@evil.example", r"me\@evil.example"),
        ("# no heading", r"\# no heading"),
        ("- no list", r"\- no list"),
        ("1. no list", r"1\. no list"),
        ("    no code", "no code"),
        ("=== no heading", r"\=== no heading"),
        ("&amp; <i>", "&amp;amp; &lt;i&gt;"),
        ("`x` | y ~z~", r"\`x\` \| y \~z\~"),
        ("plain, ordinary text (really).", "plain, ordinary text (really)."),
    ],
)
def test_text_stays_text_in_markdown(text: str, written: str) -> None:
    transcript = perform_evening(make_scenario(motion=text)).transcript

    motion = export_markdown(transcript).split("\n")[2]

    # A motion stands behind a word of ours; what only counts at the start of a line is tried in a speech.
    line_starts = {"# no heading", "- no list", "1. no list", "    no code", "=== no heading"}
    if text in line_starts:
        spoken = perform_evening(
            make_scenario(), lambda _request, _call: Reply(f"Well then, friends:\n{text}")
        ).transcript
        assert f"\n{written}\n" in export_markdown(spoken)
    else:
        assert motion == f"**Motion:** {written}"


def test_no_line_of_a_hostile_show_is_markup_of_its_own() -> None:
    markdown = export_markdown(hostile_evening().transcript)

    assert "<" not in markdown
    assert not re.search(r"(?<!\\)\]\(", markdown)
    for line in markdown.split("\n"):
        if line.startswith(("#", "-", "+", "=")):
            assert re.match(r"#{1,3} |- ", line), line
    assert markdown.count("\n# ") == 0
    assert markdown.startswith("# ")


def test_markdown_tells_who_said_what_in_which_phase_and_how_it_ended() -> None:
    async def producer(backstage: Backstage) -> None:
        while backstage.writer.transcript.next_turn < 3:
            await backstage.clock.sleep(1)
        await backstage.clock.sleep(4)
        backstage.stop.set()

    markdown = export_markdown(perform_evening(make_scenario(), beside=producer).transcript)

    assert "# Free trams?\n\n**Motion:** Trams should be free." in markdown
    assert "## Openings\n\n### 🤖 Ada, Opens\n\nWord0" in markdown
    assert "### 🤖 Ben, Opposition, broken off" in markdown
    assert markdown.endswith("*The show was interrupted.*\n")


def test_json_holds_texts_byte_for_byte_and_adds_up() -> None:
    evening = hostile_evening()

    told: dict[str, Any] = json.loads(export_json(evening.transcript))

    assert told["version"] == 1
    assert [speech["text"] for speech in told["speeches"]] == [evening.text_of(turn) for turn in range(4)]
    assert told["motion"] == HOSTILE[1]
    assert told["ended"] == {"why": "completed", "detail": ""}
    assert told["spent"]["prompt_tokens"] == sum(usage["prompt_tokens"] for usage in told["spent_by_model"].values())
    assert told["started_at"].endswith("Z")
    assert told["hints"] == {"offered": 1, "accepted": 1, "declined": 0, "used": 1, "expired": 0}


def test_an_apology_is_not_told_as_a_speech_that_was_broken_off() -> None:
    evening = perform_evening(
        make_scenario(),
        lambda _request, call: Reply(error=outage(retryable=False)) if call == 1 else Reply(words_of(20)),
    )

    told, speeches = export_markdown(evening.transcript), json.loads(export_json(evening.transcript))["speeches"]
    assert told.count(", no speech, an apology") == 1
    assert "broken off" not in told
    assert [(speech["how"], speech["apology"]) for speech in speeches[:2]] == [("completed", False), ("aborted", True)]


def test_a_show_that_is_still_on_air_is_told_as_far_as_it_is() -> None:
    events = perform_evening(make_scenario()).events
    cut = next(index for index, event in enumerate(events) if event.type == "chunk_aired" and event.index == 1)
    transcript = fold(events[: cut + 1])
    assert transcript.open is not None

    assert transcript.open.text in export_markdown(transcript)
    assert transcript.open.text in skeleton_of(export_html(transcript)).text
    assert json.loads(export_json(transcript))["speeches"][0]["text"] == transcript.open.text


def test_a_log_without_a_beginning_makes_empty_exports_and_no_error() -> None:
    assert export_markdown(Transcript()) == ""
    assert "<main>" in export_html(Transcript())
    assert json.loads(export_json(Transcript()))["speeches"] == []
