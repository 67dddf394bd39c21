import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.scenario.scalars import clipped, fit_to_show, resolve, shown, unfit_character


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-17", -17),
        ("+4", 4),
        ("1.5", 1.5),
        ("2e3", 2000.0),
        ("no way", "no way"),
        ("yes, and", "yes, and"),
        ("10:65", "10:65"),
        ("v1.2.3", "v1.2.3"),
        ("2026-13", "2026-13"),
        ("nullify", "nullify"),
        ("-", "-"),
    ],
)
def test_a_plain_scalar_stands_for_what_every_reader_of_yaml_takes_it_for(text: str, value: object) -> None:
    complaint, found = resolve(text, plain=True)

    assert complaint == ""
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "no",
            "'no' is true or false to some readers of YAML: write \"no\" if it is text, or true or false",
        ),
        (
            "True",
            "'True' is true or false to some readers of YAML: write \"True\" if it is text, or true or false",
        ),
        ("Null", "'Null' is nothing to some readers of YAML: write \"Null\" if it is text"),
        ("20:30", "'20:30' is a number in base 60 to some readers of YAML: write \"20:30\" if it is text"),
        ("1:00:00", "'1:00:00' is a number in base 60 to some readers of YAML: write \"1:00:00\" if it is text"),
        ("2026-11-20", "'2026-11-20' is a date to some readers of YAML: write \"2026-11-20\" if it is text"),
        ("0o17", "'0o17' is an octal number to some readers of YAML: write \"0o17\" if it is text"),
        ("007", "'007' is an octal number to some readers of YAML: write \"007\" if it is text"),
        ("0x1F", "'0x1F' is a number in another base to some readers of YAML: write \"0x1F\" if it is text"),
        (".inf", "'.inf' is a number that is none to some readers of YAML: write \".inf\" if it is text"),
        ("1_000", "'1_000' is a number to some readers of YAML: write \"1_000\" if it is text"),
        ("089", "'089' is a number to some readers of YAML: write \"089\" if it is text"),
        ("<<", "'<<' is something special to some readers of YAML: write \"<<\" if it is text"),
        ("9" * 16, "numbers of more than 15 digits are not taken"),
        ("1e999", "this number is too large"),
    ],
)
def test_a_plain_scalar_that_readers_differ_about_is_refused_with_the_cure(text: str, complaint: str) -> None:
    assert resolve(text, plain=True) == (complaint, None)


@pytest.mark.parametrize("text", ["no", "20:30", "1_000", "null", "true", "12", ""])
def test_quoted_text_is_text(text: str) -> None:
    assert resolve(text, plain=False) == ("", text)


@given(st.text())
def test_any_scalar_is_taken_or_refused_with_a_reason(text: str) -> None:
    for plain in (True, False):
        complaint, value = resolve(text, plain=plain)

        assert not (complaint and value is not None)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x9b", "\x7f", "\ud800", "\u202e", "\u2066"])
def test_a_character_that_plays_with_the_terminal_is_refused(character: str) -> None:
    assert unfit_character(f"a{character}b") == character
    assert resolve(f"a{character}b", plain=False)[0] == (
        f"the character U+{ord(character):04X} can't stand in a text: remove it"
    )


def test_line_breaks_tabs_emoji_and_joiners_are_fine() -> None:
    assert unfit_character("a\n\tb 👩\u200d🚀 שלום\u200f") == ""


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefghijklmnop1234",
        "sk-proj-abcdefghijklmnop1234",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
        "ghp_abcdefghijklmnopqrstuvwxyz",
        "github_pat_abcdefghijklmnopqrstuvwxyz",
        "xoxb-1234567890-abc",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA1234567890abcdefghijklmnopqrstu",
        "hf_abcdefghijklmnopqrstuv",
        "0123456789abcdef0123456789abcdef",
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_what_looks_like_a_secret_is_refused_and_not_repeated(secret: str, plain: bool) -> None:
    complaint, value = resolve(f"Bearer {secret}", plain=plain)

    assert complaint == "this looks like a secret: take it out, and write ${NAME} in an api_key, token or secret"
    assert value is None
    assert not fit_to_show(secret)


def test_long_text_is_cut_for_messages() -> None:
    assert clipped("a" * 60) == "a" * 60
    assert clipped("a" * 61) == "a" * 57 + "..."
    assert shown("it's\n") == '"it\'s\\n"'
