"""What of a receiver's address the log must not say, and what it may."""

from pathlib import Path

import pytest

from debate_caster.cli.announcing import hide_secrets
from debate_caster.cli.log_output import HIDDEN, Redaction
from tests.announce.receivers import scenario, script

TOKEN = "x7Kq2mVb9TzLp4Rw8NcYd6Hs"


@pytest.fixture
def redaction(tmp_path: Path) -> Redaction:
    chat = script(f"https://hooks.example.org/services/T0AB12CD34EF56GH/{TOKEN}/show", secret="canary-secret")
    hidden = Redaction()
    hide_secrets(hidden, scenario(tmp_path, chat, script("https://hooks.example.org/debate-announcements?to=1")))
    return hidden


def test_words_of_an_address_stay_readable_in_the_log(redaction: Redaction) -> None:
    line = {"event": "show_started", "show": "friday-1", "to": "hooks.example.org", "why": "debate-announcements"}

    assert redaction(None, "", dict(line)) == line


@pytest.mark.parametrize("part", [TOKEN, "T0AB12CD34EF56GH"])
def test_every_part_that_nobody_could_guess_is_hidden_wherever_it_stands(part: str, redaction: Redaction) -> None:
    assert redaction.text(f"no answer from {part}.") == f"no answer from {HIDDEN}."


@pytest.mark.parametrize(
    "whole",
    [
        f"https://hooks.example.org/services/T0AB12CD34EF56GH/{TOKEN}/show",
        "https://hooks.example.org/debate-announcements?to=1",
        "canary-secret",
    ],
)
def test_a_whole_address_and_a_secret_are_hidden(whole: str, redaction: Redaction) -> None:
    assert redaction.text(f"POST {whole} failed") == f"POST {HIDDEN} failed"
