import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.errors import ProtocolError
from debate_caster.stage.agents import FEATURES
from debate_caster.stage.pages import SECURITY_HEADERS
from debate_caster.stage.vocabulary import (
    CASTER_EVENTS,
    HINT_FATES,
    STAGE_EVENTS,
    check_caster_event,
    encode_event,
    show_time,
)

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
AT = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


def documented(section: str, column: int = 1) -> set[str]:
    """Return the words in code type in one column of a section's table."""
    text = PROTOCOL.partition(section)[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`([a-z_]+)`", row[column - 1])}


def test_the_public_events_are_those_of_the_protocols_page() -> None:
    assert documented("## 3. Public events") == CASTER_EVENTS.keys() | STAGE_EVENTS


def test_the_extensions_are_those_of_the_protocols_page() -> None:
    assert documented("## 1. Agents") == set(FEATURES)


def test_hints_private_fates_are_those_of_the_protocols_page() -> None:
    private = PROTOCOL.partition("Hints' fates that are not public (")[2].partition(")")[0]
    assert set(re.findall(r"`([a-z_]+)`", private)) == HINT_FATES.keys()


def test_no_policy_lets_a_browser_run_what_a_page_contains() -> None:
    assert "unsafe-inline" not in SECURITY_HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": None},
        {"type": ["show_started"]},
        {"type": "money_spent"},
        {"type": "room_closed", "room": "bc_1"},
        {"type": "turn_started", "turn": -1, "speaker": "a"},
        {"type": "turn_started", "turn": True, "speaker": "a"},
        {"type": "show_started", "agents": [{"name": "nobody"}]},
        {"type": "show_started", "agents": {"id": "a"}},
        {"type": "hint_declined"},
    ],
)
def test_what_is_no_public_event_is_refused(event: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        check_caster_event(event)


def test_what_a_newer_caster_adds_stays_and_what_is_the_stages_own_does_not() -> None:
    event = {"type": "phase_started", "phase": 0, "mood": "tense", "seq": 99, "at": "never", "via": "x", "ref": 7}
    assert check_caster_event(event) == {"type": "phase_started", "phase": 0, "mood": "tense"}


@given(text=st.text())
def test_an_event_is_one_line_of_utf8_json_whatever_it_says(text: str) -> None:
    body = encode_event({"type": "x", "text": text}, AT)

    assert "\n" not in body
    assert "\r" not in body
    assert json.loads(body.encode())["text"] == re.sub("[\ud800-\udfff]", "\ufffd", text)


def test_instants_have_milliseconds() -> None:
    assert show_time(AT) == "2026-01-02T03:04:05.678Z"
