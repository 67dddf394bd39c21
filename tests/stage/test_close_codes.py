"""What the page says of close codes is what the stage sends and what our viewers make of it."""

import re
from enum import IntEnum
from pathlib import Path

import pytest

from debate_caster.stage.close_codes import AgentClose, ViewerClose
from debate_caster.watching.stream import FINAL_CLOSE_CODES

ROOT = Path(__file__).parents[2]
STAGE = ROOT / "src" / "debate_caster" / "stage"
SOURCES = "".join(path.read_text("utf-8") for path in STAGE.glob("*.py") if path.name != "close_codes.py")

KINDS: dict[str, type[IntEnum]] = {"viewer": ViewerClose, "agent": AgentClose}

THE_LIBRARYS = {("viewer", 1002), ("viewer", 1007), ("viewer", 1009), ("agent", 1000), ("agent", 1002), ("agent", 1007)}
"""What aiohttp says by itself, of frames before they are messages and to who has closed: tests/abuse hears it."""

BY_PROXIES = {1008}


def page_says() -> dict[tuple[str, int], bool]:
    """Whether to come back, by whom it is told to and code."""
    section = (ROOT / "docs" / "protocol.md").read_text("utf-8").partition("### Close codes\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d{4}) \| ([a-z, ]+) \| .+ \| (yes|no) \|$", section, re.MULTILINE)
    return {(who, int(code)): back == "yes" for code, all_who, back in rows for who in all_who.split(", ")}


def test_the_page_lists_every_code_that_the_stage_sends_and_no_other() -> None:
    ours = {(who, int(code)) for who, kind in KINDS.items() for code in kind}

    assert page_says().keys() == ours | THE_LIBRARYS
    assert not ours & THE_LIBRARYS


@pytest.mark.parametrize("code", [*ViewerClose, *AgentClose], ids=repr)
def test_every_code_of_the_table_is_sent(code: ViewerClose | AgentClose) -> None:
    assert re.search(rf"\b{type(code).__name__}\.{code.name}\b", SOURCES)


def test_nothing_is_closed_with_a_number_that_the_table_does_not_have() -> None:
    assert not re.findall(r"code=\s*\d|(?:hang_up|dismiss|_send_away|TurnedAwayError)\([^)]*\b[14]\d{3}\b", SOURCES)


def test_our_viewers_stay_away_when_they_are_told_to_and_come_back_otherwise() -> None:
    final = {code for (who, code), back in page_says().items() if who == "viewer" and not back}
    source = (STAGE / "web" / "event-stream.js").read_text("utf-8")
    (listed,) = re.findall(r"FINAL_CLOSE_CODES = new Set\(\[([\d, ]+)\]\)", source)

    assert final | BY_PROXIES == FINAL_CLOSE_CODES
    assert final | BY_PROXIES == {int(code) for code in listed.split(", ")}
