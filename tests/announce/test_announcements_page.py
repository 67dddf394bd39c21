"""docs/announcements.md: its verifier is executed, its tables are those of the program."""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from debate_caster.announce.courier import LONGEST_WAIT_S, MOST_ATTEMPTS
from debate_caster.announce.postman import ID_HEADER, POST_TIMEOUT_S
from debate_caster.scenario.manuscript import AnnounceEntry
from debate_caster.scenario.script import NoticeKind
from debate_caster.signatures import SIGNATURE_HEADER, signature

PAGE = (Path(__file__).parents[2] / "docs" / "announcements.md").read_text()
NOW = datetime(2026, 11, 27, 19, 0, tzinfo=UTC)
BODY = '{"title": "Bücher"}'.encode()

Verifier = Callable[[str, bytes, bytes, float], bool]


@pytest.fixture(name="is_genuine")
def verifier() -> Verifier:
    code = PAGE.partition("```python\n")[2].partition("```")[0]
    assert len(code.strip().splitlines()) == 5
    names: dict[str, Verifier] = {}
    exec(code, {"hmac": hmac, "hashlib": hashlib}, names)  # noqa: S102 - our own page
    return names["is_genuine"]


def test_the_verifier_of_the_page_takes_what_we_sign(is_genuine: Verifier) -> None:
    assert is_genuine(signature(b"canary", BODY, NOW), BODY, b"canary", NOW.timestamp())


@pytest.mark.parametrize(
    ("header", "body", "secret", "later_s"),
    [
        pytest.param(signature(b"canary", BODY, NOW), BODY + b" ", b"canary", 0, id="another-body"),
        pytest.param(signature(b"canary", BODY, NOW), BODY, b"other", 0, id="another-secret"),
        pytest.param(signature(b"canary", BODY, NOW), BODY, b"canary", 600, id="too-old"),
        pytest.param(signature(b"canary", BODY, NOW).replace("t=1", "t=2"), BODY, b"canary", 0, id="another-time"),
        pytest.param("t=x,v1=é", BODY, b"canary", 0, id="garbage"),
        pytest.param("", BODY, b"canary", 0, id="none"),
    ],
)
def test_the_verifier_of_the_page_refuses_everything_else(
    header: str, body: bytes, secret: bytes, later_s: float, is_genuine: Verifier
) -> None:
    assert not is_genuine(header, body, secret, NOW.timestamp() + later_s)


def test_the_page_has_every_key_every_notice_and_the_numbers() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)

    assert set(AnnounceEntry.model_fields) | set(get_args(NoticeKind)) == set(rows)
    assert f"`{ID_HEADER}`" in PAGE
    assert f"`{SIGNATURE_HEADER}`" in PAGE
    for told in (f"{LONGEST_WAIT_S:g} s", f"After {MOST_ATTEMPTS} attempts", f"within {POST_TIMEOUT_S:g} s"):
        assert told in PAGE
