import ast
import json
import logging
import re
import sys
import time
import unicodedata
import warnings
from collections.abc import Callable, Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from debate_caster.cli.log_output import HIDDEN, LogOutput, Redaction, to_stderr

SECRET = "sekret-4711-value"

Open = Callable[..., list[str]]

WORD = r'(?:"(?:[^"\\]|\\.)*"|[^\s"=]+)'
FIELD = re.compile(rf' ({WORD})=("(?:[^"\\]|\\.)*"|[^\s"]+)')


def fields_of(line: str) -> dict[str, str]:
    """Read the fields of a line for people as its reader would: nothing else may be left in it."""
    head = re.match(r"\d\d:\d\d:\d\d [a-z]+ +\w+", line)
    assert head, line
    rest = line[head.end() :]
    assert not FIELD.sub("", rest), line
    return {plain(key): plain(value) for key, value in FIELD.findall(rest)}


def plain(word: str) -> str:
    return str(ast.literal_eval(word if word.startswith('"') else f'"{word}"'))


@pytest.fixture
def opened() -> Iterator[Open]:
    outputs: list[LogOutput] = []

    def make(*, level: str = "info", as_json: bool = True, color: bool = False) -> list[str]:
        lines: list[str] = []
        redaction = Redaction([SecretStr(SECRET)])
        outputs.append(LogOutput(level=level, as_json=as_json, color=color, redaction=redaction, emit=lines.append))
        return lines

    yield make
    for output in outputs:
        output.restore()


def test_an_event_is_one_line_of_json_with_what_is_bound(opened: Open) -> None:
    lines = opened()

    with structlog.contextvars.bound_contextvars(show="s1", agent="ada"):
        structlog.get_logger().info("turn_failed", turn=3, why="it is\nso")

    event = json.loads(lines[0])
    assert list(event)[:3] == ["at", "level", "event"]
    assert event | {"at": ""} == {
        "at": "", "level": "info", "event": "turn_failed", "show": "s1", "agent": "ada", "turn": 3, "why": "it is\nso",
    }  # fmt: skip
    assert "\n" not in lines[0]


def test_a_line_for_people_names_its_facts(opened: Open) -> None:
    lines = opened(as_json=False)

    structlog.get_logger().warning("room_lost", room="bc_1", detail="gone away")

    assert lines[0][9:] == 'warning room_lost detail="gone away" room=bc_1'


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('x" level="admin', r'"x\" level=\"admin"'),
        ("x level=admin", '"x level=admin"'),
        ("x\u3000level=admin", '"x\u3000level=admin"'),
        (r"x\" y", r'"x\\\" y"'),
        ('"', r'"\""'),
        ("", '""'),
        ("a\nb", r"a\nb"),
        (r"a\nb", r"a\\nb"),
        (3, "3"),
        (["a b", 'c"d'], r'["a b", "c\"d"]'),
    ],
)
def test_a_value_is_one_field_whatever_it_is(opened: Open, value: object, shown: str) -> None:
    lines = opened(as_json=False)

    structlog.get_logger().info("said", agent=value, last=1)

    assert lines[0][9:] == f"info    said agent={shown} last=1"


def test_what_an_error_says_is_no_line_of_the_log(opened: Open) -> None:
    lines = opened(as_json=False)

    forged = "bad\n12:00:00 info    producer_admitted show=s1\r12:00:01 error  x\u202812:00:02 info    y"
    structlog.get_logger().error("failed", exc_info=ValueError(forged))

    first, *others = lines[0].split("\n")
    assert first[9:] == "error   failed"
    assert others[-2] == "    | ValueError: bad"
    assert others[-1] == r"    | 12:00:00 info    producer_admitted show=s1\r12:00:01 error  x\u202812:00:02 info    y"
    assert all(line.startswith("    | ") for line in others)


def test_colour_marks_the_level_only_where_wanted(opened: Open) -> None:
    lines = opened(as_json=False, color=True)

    structlog.get_logger().error("bad")

    assert "\x1b[31merror" in lines[0]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_is_logged_without_the_secrets_in_it(opened: Open, *, as_json: bool) -> None:
    lines = opened(as_json=as_json)

    try:
        int(f"bad key {SECRET}")
    except ValueError:
        structlog.get_logger().exception("failed")

    assert "ValueError: invalid literal for int() with base 10: 'bad key [hidden]'" in lines[0]
    assert "test_log_output.py" in lines[0]
    assert SECRET not in lines[0]


def test_lesser_levels_are_dropped(opened: Open) -> None:
    lines = opened(level="warning")

    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")

    assert [json.loads(line)["event"] for line in lines] == ["loud"]


def test_libraries_and_warnings_are_heard(opened: Open) -> None:
    lines = opened()

    logging.getLogger("aiohttp.server").error("trouble with %s", SECRET)
    logging.getLogger("asyncio").debug("about itself")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)

    events = [json.loads(line) for line in lines]
    assert [(event["event"], event["library"]) for event in events] == [
        ("library_message", "aiohttp.server"),
        ("python_warning", "py.warnings"),
    ]
    assert events[0]["message"] == f"trouble with {HIDDEN}"
    assert "old ways" in events[1]["message"]


def test_logging_is_put_back() -> None:
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    output = LogOutput(level="debug", as_json=True, color=False, redaction=Redaction(), emit=to_stderr)

    output.restore()

    assert (root.level, root.handlers) == before
    assert not structlog.is_configured()


@pytest.mark.parametrize(
    "key", ["api_key", "apikey", "Authorization", "auth_token", "token", "password", "client_secret", "Cookie"]
)
def test_what_is_named_like_a_secret_is_hidden(key: str) -> None:
    assert Redaction().value({key: "whatever", "inner": [{key: "whatever"}]}) == {key: HIDDEN, "inner": [{key: HIDDEN}]}


@pytest.mark.parametrize("key", ["prompt_tokens", "max_tokens", "keyboard", "tokens"])
def test_what_only_sounds_like_a_secret_is_shown(key: str) -> None:
    assert Redaction().value({key: "12"}) == {key: "12"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdef", f"Authorization: Bearer {HIDDEN}"),
        ("GET /x?api_key=abc&y=1", f"GET /x?api_key={HIDDEN}&y=1"),
        ("wss://user:pass@host/x", f"wss://user:{HIDDEN}@host/x"),
        ("key sk-proj-abcdefghijklmnop1234 refused", f"key {HIDDEN} refused"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYWdlbnQifQ.c2lnbmF0dXJl came", f"token {HIDDEN} came"),
        ("GET /x?key=abc&token=def&y=1", f"GET /x?key={HIDDEN}&token={HIDDEN}&y=1"),
        ("x-api-key: abc, x", f"x-api-key: {HIDDEN}, x"),
        ("{'api_key': 'a b c', 'n': 1}", f"{{'api_key': '{HIDDEN}', 'n': 1}}"),
        ('{"api_key": "abc", "n": 1}', f'{{"api_key": "{HIDDEN}", "n": 1}}'),
        (r'"{\"api_key\": \"abc\", \"n\": 1}"', rf'"{{\"api_key\": \"{HIDDEN}\", \"n\": 1}}"'),
        ('{"client_secret":"abc","access_token":"def"}', f'{{"client_secret":"{HIDDEN}","access_token":"{HIDDEN}"}}'),
        ('{"password": "hunter2"}', f'{{"password": "{HIDDEN}"}}'),
        ("login with password=hunter2 failed", f"login with password={HIDDEN} failed"),
        ("Authorization: Token abc", f"Authorization: Token {HIDDEN}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {HIDDEN}"),
        ("'Authorization': 'Basic abc'", f"'Authorization': 'Basic {HIDDEN}'"),
        ("Authorization: 1234-5678", f"Authorization: {HIDDEN}"),
        ("sent Basic dXNlcjpwYXNz and bearer 12345678", f"sent Basic {HIDDEN} and bearer {HIDDEN}"),
        ("API key AIzaSyA-1234567890abcdefghijklmnopqrstu is bad", f"API key {HIDDEN} is bad"),
        (
            "POST https://hooks.slack.com/services/T0/B0/xyz failed",
            f"POST https://hooks.slack.com/services/{HIDDEN} failed",
        ),
        ("'https://discord.com/api/webhooks/1/a-x'", f"'https://discord.com/api/webhooks/{HIDDEN}'"),
        ("https://discordapp.com/api/v10/webhooks/1/a", f"https://discordapp.com/api/v10/webhooks/{HIDDEN}"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert Redaction().text(text) == shown
    assert Redaction().text(shown) == shown, "what is hidden is not hidden once more"


@pytest.mark.parametrize(
    "text",
    [
        "the risk-free option",
        "http://host:8765/shows",
        "A basic income is a basic assumption: basic rights for all.",
        "Basic assumptions matter to the bearer of bad news, and to a standard-bearer for them.",
        "The secret: nobody knows. The password: never share it! A token: one word.",
        "An API key: that is what they ask for.",
        "Without authorization: nothing. With authorization, everything; the author: Ada.",
        "max_tokens=5, tokens=7 and 'prompt_tokens': 12",
        "It was on Slack, at https://slack.com/services, and on https://discord.com/channels/1/2.",
        'She said "secret" and he said: "token", "key" and "password".',
        "Alza la voz; AIza is no key.",
    ],
)
def test_what_a_debate_says_is_shown(text: str) -> None:
    assert Redaction().text(text) == text


@pytest.mark.parametrize(
    "piece",
    ['"a', "a-", "api_key: '", "api_key: \\", "authorization: ", "bearer ", "eyJaaaaaaaa-", "x://", "'secret' ", '\\"'],
)
def test_no_text_is_slow_to_look_through(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    before = time.process_time()
    Redaction().text(text)
    Redaction().text(f'"{text}')

    assert time.process_time() - before < 60, "minutes, where every place is looked at from every other"


@given(st.text(min_size=4, max_size=40), st.text(), st.text())
def test_a_known_secret_is_in_no_text(secret: str, before: str, after: str) -> None:
    redaction = Redaction([secret])

    assert secret not in redaction.text(before + secret + after).replace(HIDDEN, "\0")


def test_a_secret_within_another_does_not_uncover_it() -> None:
    redaction = Redaction(["abcd", "abcd-efgh", None, "no"])

    assert redaction.text("abcd-efgh abcd no") == f"{HIDDEN} {HIDDEN} no"


@given(st.text(), st.text(), st.text())
def test_no_text_can_forge_a_line_or_steer_the_terminal(text: str, key: str, complaint: str) -> None:
    facts = {"text": text, f"key {key}": text}
    expected = {name: Redaction().field(name, value) for name, value in facts.items()}
    for as_json in (True, False):
        lines: list[str] = []
        output = LogOutput(level="info", as_json=as_json, color=False, redaction=Redaction(), emit=lines.append)
        try:
            structlog.get_logger().info("said", **facts)
            structlog.get_logger().info("failed", exc_info=ValueError(complaint))
        finally:
            output.restore()
        said, (failed, *others) = lines[0], lines[1].split("\n")
        for line in (said, failed, *others):
            assert not [c for c in line if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]
        if as_json:
            assert json.loads(said).items() >= expected.items()
            assert not others
        else:
            assert fields_of(said) == expected
            assert fields_of(failed) == {}
            assert others
            assert all(line.startswith("    | ") for line in others)


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    class Gone:
        def write(self, text: str) -> int:
            tried.append(text)
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())

    to_stderr("anybody there?")

    assert "anybody there?" in "".join(tried)
