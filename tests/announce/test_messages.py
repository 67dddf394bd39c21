"""What receivers get: our JSON as the documentation has it, and messages in which others' words stay text."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from debate_caster.announce.messages import DISCORD_DESCRIPTION, DISCORD_TITLE, SLACK_HEADER, SLACK_SECTION, body_of
from debate_caster.announce.notices import AgentFacts, Notice, Result, ShowFacts, Vote
from debate_caster.pulsar.text import utf16_length
from debate_caster.scenario.script import NoticeFormat, NoticeKind

PAGE = Path(__file__).parents[2] / "docs" / "announcements.md"
STARTS_AT = datetime(2026, 11, 27, 19, 0, tzinfo=UTC)


def about(
    kind: NoticeKind = "live",
    *,
    title: str = "Friday night",
    motion: str = "",
    url: str = "https://debates.example/shows/friday-1",
    names: tuple[str, ...] = (),
    result: Result | None = None,
) -> Notice:
    agents = tuple(AgentFacts(id=f"a{number}", name=name) for number, name in enumerate(names))
    facts = ShowFacts(
        id="friday-1", scenario="friday", title=title, motion=motion, starts_at=STARTS_AT, url=url, agents=agents
    )
    return Notice(id=f"friday-1.{kind}", type=kind, at=STARTS_AT, show=facts, result=result)


def message(notice: Notice, form: NoticeFormat) -> dict[str, Any]:
    loaded = json.loads(body_of(notice, form))
    assert isinstance(loaded, dict)
    return loaded


def texts(node: Any) -> list[str]:
    """Return every text in a message, without our own links and dates."""
    if isinstance(node, dict):
        return [text for key, value in node.items() if node.get("type") != "mrkdwn" for text in texts(value)]
    return [text for value in node for text in texts(value)] if isinstance(node, list) else [str(node)]


def test_the_json_is_what_the_documentation_says() -> None:
    example = PAGE.read_text().partition("```json\n")[2].partition("```")[0]
    notice = Notice.model_validate_json(example)

    assert json.loads(body_of(notice, "json")) == json.loads(example)


def test_a_discord_message_says_what_where_and_when() -> None:
    vote = Vote(sentence="For wins the vote by a swing of +12.5 points", method="swing", outcome="won")
    said = message(about("starting_soon", motion="Tea is better.", names=("Wren", "Otis")), "discord")
    over = message(about("ended", result=Result(why="producer", on_air_s=60, turns=4, vote=vote)), "discord")

    assert said == {
        "content": "⏰ Starting soon",
        "embeds": [
            {
                "title": "Friday night",
                "description": "Tea is better.\nWren vs Otis\n<t:1795806000:F> (<t:1795806000:R>)",
                "url": "https://debates.example/shows/friday-1",
            }
        ],
        "allowed_mentions": {"parse": []},
    }
    assert over["embeds"][0]["description"].split("\n") == [
        "The producer ended it early.", "For wins the vote by a swing of +12.5 points.",
    ]  # fmt: skip


def test_a_slack_message_says_what_where_and_when() -> None:
    said = message(about("scheduled", motion="Tea is better."), "slack")

    assert said["text"] == "🗓️ Scheduled: Friday night"
    assert [block["type"] for block in said["blocks"]] == ["header", "section", "section"]
    assert said["blocks"][1]["text"] == {"type": "plain_text", "text": "Tea is better.", "emoji": False}
    assert said["blocks"][2]["text"]["text"] == (
        "<!date^1795806000^{date_long_pretty}, {time}|2026-11-27 19:00 UTC> · "
        "<https://debates.example/shows/friday-1|Watch>"
    )
    assert (said["unfurl_links"], said["unfurl_media"], said["mrkdwn"]) == (False, False, False)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:8765/shows/friday-1", "http://localhost:1/shows/friday-1"])
def test_a_chat_gets_no_link_that_leads_its_readers_to_their_own_machines(url: str) -> None:
    discord, slack = (message(about(url=url), form) for form in ("discord", "slack"))

    assert "url" not in discord["embeds"][0]
    assert "Watch" not in json.dumps(slack)


@pytest.mark.parametrize(
    ("text", "in_discord", "in_slack"),
    [
        ("@everyone", "\\@everyone", "@everyone"),
        ("<@123> <!channel>", "\\<\\@123\\> \\<!channel\\>", "&lt;@123&gt; &lt;!channel&gt;"),
        ("[free](https://e.example)", "\\[free\\]\\(https:\\//e.example\\)", "[free](https://e.example)"),
        ("**a** _b_ `c` ~~d~~ ||e||", "\\*\\*a\\*\\* \\_b\\_ \\`c\\` \\~\\~d\\~\\~ \\|\\|e\\|\\|", None),
        ("a\nb\u202ec\x00d", "a b c d", "a b c d"),
        ("# big\n- item", "\\# big \\- item", None),
    ],
)
def test_what_others_wrote_stays_text(text: str, in_discord: str, in_slack: str | None) -> None:
    discord, slack = (message(about(title=text, motion="Tea."), form) for form in ("discord", "slack"))

    assert discord["embeds"][0]["title"] == in_discord
    assert discord["allowed_mentions"] == {"parse": []}
    if in_slack is not None:
        assert slack["text"] == slack["blocks"][0]["text"]["text"] == f"🔴 Live now: {in_slack}"
    assert slack["blocks"][0]["text"]["type"] == "plain_text"


@given(
    title=st.text(alphabet=st.sampled_from("a<&>*@👩‍👩‍👧 \n-é"), min_size=1, max_size=900),
    motion=st.text(alphabet=st.sampled_from("a<&>*@👩 \n"), max_size=5000),
    names=st.lists(st.text(alphabet="a<*🌱", min_size=1, max_size=200), max_size=12),
)
@example(title="<" * 900, motion="*" * 5000, names=["a" * 200] * 12)
def test_no_message_is_longer_than_its_service_takes(title: str, motion: str, names: list[str]) -> None:
    vote = Vote(sentence="<" * 3000, method="swing", outcome="won")
    notice = about(
        "ended",
        title=title,
        motion=motion,
        names=tuple(names),
        result=Result(why="failed", on_air_s=1, turns=1, vote=vote),
    )
    [embed] = message(notice, "discord")["embeds"]
    slack = message(notice, "slack")

    assert utf16_length(embed["title"]) <= DISCORD_TITLE
    assert utf16_length(embed["description"]) <= DISCORD_DESCRIPTION
    assert utf16_length(slack["blocks"][0]["text"]["text"]) <= SLACK_HEADER
    assert all(utf16_length(block["text"]["text"]) <= SLACK_SECTION for block in slack["blocks"][1:])
    assert all("<" not in text for text in texts(slack))
