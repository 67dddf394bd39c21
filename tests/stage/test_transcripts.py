import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from debate_caster.stage.summary import Summary
from debate_caster.stage.transcripts import AirTranscript

ADA = {"id": "ada", "name": "Ada", "emoji": "🦉", "color": "#c44dff", "side": "for", "side_title": "Proposition"}
BEN = {"id": "ben", "name": "Ben", "emoji": "🦊", "color": "#4dc4ff", "moderator": True}
STARTED = {
    "type": "show_started", "show": "s1", "title": "Homework", "motion": "Ban homework", "language": "en",
    "format": "duel", "format_title": "Duel", "turns": 2, "agents": [ADA, BEN],
    "phases": [{"key": "open", "title": "Openings", "turns": 2}],
}  # fmt: skip
HINT = {"id": "h1", "name": "Mia", "text": "What of the cost?"}


def transcript(*events: dict[str, Any]) -> AirTranscript:
    """Fold events that come one a second."""
    summary = Summary("s1")
    made = AirTranscript(summary)
    for seq, event in enumerate(events, 1):
        timed = {"at": f"2026-11-20T19:{seq // 60:02}:{seq % 60:02}.000Z", "seq": seq, **event}
        summary.apply(timed, seq)
        made.take(timed)
    return made


def turn(number: int, speaker: str, *chunks: str, hints: tuple[dict[str, str], ...] = ()) -> list[dict[str, Any]]:
    begun = {"type": "turn_started", "turn": number, "speaker": speaker, "phase": 0, "role": "opener", "hints": hints}
    said = [
        {"type": "chunk_aired", "room": "r", "turn": number, "index": index, "speaker": speaker, "text": text}
        for index, text in enumerate(chunks)
    ]
    return [begun, *said, {"type": "turn_ended", "turn": number, "speaker": speaker, "how": "completed", "words": 2}]


def test_a_debate_is_told_in_the_order_of_its_turns_with_its_hints_and_its_end() -> None:
    whole = [*turn(0, "ada", "One. ", "Two."), *turn(1, "ben", "Three.", hints=(HINT,))]
    told = transcript(STARTED, *whole, {"type": "show_ended", "why": "completed", "detail": ""})

    markdown, recounted = told.render("md"), json.loads(told.render("json"))

    assert markdown == (
        "# Homework\n\n**Motion:** Ban homework\n\nDuel, 2026-11-20 19:00 UTC\n\n"
        "- 🦉 **Ada**, Proposition\n- 🦊 **Ben**, moderator\n\n## Openings\n\n### 🦉 Ada, opener\n\nOne. Two.\n\n"
        "### 🦊 Ben, opener\n\n> Hint from Mia: What of the cost?\n\nThree.\n\n*The show ran to its end.*\n"
    )
    assert [speech["text"] for speech in recounted["speeches"]] == ["One. Two.", "Three."]
    assert recounted["speeches"][1]["hints"] == [HINT]
    assert recounted["ended"] == {"why": "completed", "detail": ""}
    assert recounted["started_at"] == "2026-11-20T19:00:01.000Z"


def test_what_a_cut_connection_delivered_late_stands_where_it_belongs() -> None:
    late = turn(0, "ada", "One. ", "Two.")
    told = transcript(STARTED, late[0], late[2], *turn(1, "ben", "Three."), late[1], late[3])

    speeches = json.loads(told.render("json"))["speeches"]

    assert [(speech["speaker"], speech["text"]) for speech in speeches] == [("ada", "One. Two."), ("ben", "Three.")]


def test_an_agent_without_turns_is_told_in_speeches() -> None:
    lines = [{"type": "chunk_aired", "room": "r", "speaker": "x", "index": n, "text": t} for n, t in enumerate("abc")]
    other = {"type": "chunk_aired", "room": "q", "speaker": "y", "index": 0, "text": "Well."}
    told = transcript({"type": "show_started", "title": "Talk", "agents": [], "turns": 0}, *lines, other, lines[0])

    speeches = json.loads(told.render("json"))["speeches"]

    assert [(speech["speaker"], speech["text"]) for speech in speeches] == [("x", "a b c"), ("y", "Well."), ("x", "a")]


def test_a_show_that_goes_on_is_told_as_far_as_it_is() -> None:
    told = transcript(STARTED, *turn(0, "ada", "One. ")[:2])

    assert told.render("md").endswith("One.\n")
    assert json.loads(told.render("json"))["ended"] is None


def test_a_turn_without_a_speech_says_why() -> None:
    sorry, held, whole = turn(0, "ada", "Sorry."), turn(1, "ben", "One."), turn(2, "ada", "Two.")
    sorry[-1] |= {"how": "aborted", "apology": True}
    held[-1] |= {"how": "aborted", "apology": False, "held_back": True}
    told = transcript(STARTED, *sorry, *held, *whole)

    headings = [line for line in told.render("md").splitlines() if line.startswith("###")]
    marks = [(speech["apology"], speech["held_back"]) for speech in json.loads(told.render("json"))["speeches"]]
    assert headings == [
        "### 🦉 Ada, opener, no speech, an apology",
        "### 🦊 Ben, opener, held back",
        "### 🦉 Ada, opener",
    ]
    assert marks == [(True, False), (False, True), (False, False)]


def test_what_breaks_off_with_the_show_says_so() -> None:
    told = transcript(STARTED, *turn(0, "ada", "One. ")[:2], {"type": "show_ended", "why": "interrupted"})

    assert "### 🦉 Ada, opener, broken off" in told.render("md")
    assert told.render("md").endswith("*The show was interrupted.*\n")


@settings(max_examples=50, deadline=None)
@given(st.permutations([*turn(0, "ada", "One. ", "Two."), *turn(1, "ben", "Three.")]))
def test_the_order_of_arrival_changes_nothing_that_is_said(events: list[dict[str, Any]]) -> None:
    told = transcript(STARTED, *events)

    speeches = json.loads(told.render("json"))["speeches"]

    assert [speech["text"] for speech in speeches] == ["One. Two.", "Three."]


def test_what_came_of_the_vote_is_told_and_stays_text() -> None:
    choices = [{"id": "for", "title": "<b>Pro"}, {"id": "undecided", "title": "Undecided"}]
    opened = {"type": "vote_opened", "vote": "after", "method": "single", "choices": choices, "seconds": 20}
    verdict = {
        "method": "single", "outcome": "won", "leaders": ["for"], "changes": {"for": 0.75}, "before": None,
        "after": {"for": 3, "undecided": 1}, "why": "",
    }  # fmt: skip

    told = transcript(STARTED, opened, {"type": "verdict_given", **verdict})

    assert json.loads(told.render("json"))["verdict"] == verdict
    assert (
        "## The vote\n\n**&lt;b&gt;Pro wins the vote with 75 %.**\n\n"
        "- &lt;b&gt;Pro: 75 % (3 votes)\n- Undecided: 25 % (1 vote)\n"
    ) in told.render("md")
    page = told.render("html")
    assert "<strong>&lt;b&gt;Pro wins the vote with 75 %.</strong>" in page
    assert "<b>" not in page
