import json
import unicodedata

import pytest
import regex  # type: ignore[import-untyped]  # comes without types
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.cli.printable import display_width, escaped, json_line, printable, printable_line, shortened, wrapped

ESCAPE_SEQUENCES = [
    "\x1b[31m", "\x1b[0m", "\x1b[2J", "\x1b[H", "\x1b[1;1H", "\x1b[?25l", "\x1b[?1049h", "\x1b[?1000h", "\x1b[?2004h",
    "\x1b[6n", "\x1b[c", "\x1b[>c", "\x1b[=c", "\x1b[5n", "\x1b[18t", "\x1b[21t", "\x1b[3J", "\x1b[1K", "\x1b[1A",
    "\x1b[999B", "\x1b[s", "\x1b[u", "\x1b[4i", "\x1b[5i", "\x1b[38;2;1;2;3m", "\x1b[38;5;9m", "\x1b[8m", "\x1b[5m",
    "\x1b]0;title\x07", "\x1b]2;title\x1b\\", "\x1b]8;;http://x\x1b\\", "\x1b]52;c;ZXZpbA==\x07", "\x1b]4;1;?\x07",
    "\x1b]10;?\x07", "\x1b]11;#000000\x07", "\x1b]1337;File=:AAAA\x07", "\x1b]777;notify;a;b\x07", "\x1b]9;beep\x07",
    "\x1bP+q544e\x1b\\", "\x1bPq#0;2;0;0;0\x1b\\", "\x1b_Gf=24\x1b\\", "\x1b^private\x1b\\", "\x1bXstring\x1b\\",
    "\x1bc", "\x1b7", "\x1b8", "\x1b=", "\x1b>", "\x1b(0", "\x1b#8", "\x1bN", "\x1bO", "\x1bZ", "\x1bk1\x1b\\",
    "\x9b31m", "\x9d0;title\x9c", "\x90q\x9c", "\x98x\x9c", "\x9ep\x9c", "\x9fa\x9c", "\x84", "\x85", "\x8d", "\x88",
    "\x07", "\x08", "\x0b", "\x0c", "\x0e", "\x0f", "\x7f", "\x00", "\x05", "\x18", "\x1a", "a\rb",
    "\u202e", "\u202d", "\u2066", "\u2067", "\u2069", "\u200e", "\u200f", "\u061c", "\ufeff", "\u00ad", "\u200b",
    "\u2060", "\U000e0001", "\U000e0041", "\U000e007f", "\ud800", "\udfff", "\ue000", "\U000f0000", "\ufffe", "\ufdd0",
]  # fmt: skip


def is_one_grapheme(text: str) -> bool:
    return bool(regex.fullmatch(r"\X", text))


def steers(character: str) -> bool:
    return character not in "\n\t\u200d" and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co"}


@pytest.mark.parametrize("sequence", ESCAPE_SEQUENCES, ids=ascii)
def test_no_escape_sequence_survives(sequence: str) -> None:
    shown = printable(f"before{sequence}after")

    assert not any(steers(character) for character in shown)
    assert shown.startswith("before")
    assert shown.endswith("after")


@given(st.lists(st.one_of(st.text(), st.sampled_from(ESCAPE_SEQUENCES))).map("".join))
def test_nothing_that_steers_a_terminal_is_printed(text: str) -> None:
    for shown in (printable(text), printable_line(text), escaped(text), json_line({"text": text})):
        assert not any(steers(character) for character in shown)
    assert "\n" not in printable_line(text) + escaped(text) + json_line({"text": text})


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_json_line_says_what_was_meant(text: str) -> None:
    assert json.loads(json_line({"text": text})) == {"text": text}


@pytest.mark.parametrize(
    "text", ["plain", "tab\there", "two\nlines", "é à ü", "日本語", "👩‍👩‍👧 family", "नमस्ते", "مرحبا"]
)
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text


def test_windows_line_ends_become_newlines() -> None:
    assert printable("a\r\nb\u2028c") == "a\nb\nc"


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("plain", 5),
        ("日本", 4),
        ("e\u0301", 1),
        ("👩‍👩‍👧", 6),
        ("❤️", 2),
        ("\uff21\uff22", 4),
        ("🇫🇷", 2),
        ("a\tb", 6),
    ],
)
def test_width_counts_columns(text: str, width: int) -> None:
    assert display_width(text) == width


@given(st.text(), st.integers(min_value=2, max_value=120))
def test_no_line_is_wider_than_asked(text: str, width: int) -> None:
    lines = wrapped(printable(text), width)

    assert all(display_width(line) <= width or is_one_grapheme(line) for line in lines)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(min_value=2, max_value=120))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    shown = printable(text)

    assert "".join("".join(wrapped(shown, width)).split()) == "".join(shown.split())


def test_scripts_without_spaces_break_between_characters_but_not_before_a_full_stop() -> None:
    assert wrapped("日本語の文章です。続く", 18) == ["日本語の文章です。", "続く"]
    assert wrapped("日本語の文章です。続く", 17) == ["日本語の文章で", "す。続く"]


@given(st.text(), st.integers(min_value=0, max_value=60))
def test_shortened_text_fits(text: str, width: int) -> None:
    short = shortened(printable_line(text), width)

    assert display_width(short) <= width
    assert short == printable_line(text) or short.endswith("…") or width == 0
