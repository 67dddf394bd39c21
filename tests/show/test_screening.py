import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.show.screening import WordFilter, clean_line, normalized


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("ass", "a class act", False),
        ("ass", "You ASS!", True),
        ("Straße", "STRASSE", True),
        ("bad word", "a bad word here", True),
        ("c++", "I love c++ code", True),
        ("笨蛋", "你是笨蛋吗", True),
        ("damn", "ｄａｍｎ it", True),  # noqa: RUF001 - full width letters are the point
        ("damn", "da\u200cmn", True),
        ("damn", "d\u200dam\u200dn", True),
        ("damn", "da\u034fmn da\u0336mn", True),
        ("ano", "a\u00f1o, an\u0303o", False),
        ("", "anything", False),
    ],
)
def test_the_filter_finds_whole_words_in_any_case(word: str, text: str, found: bool) -> None:
    assert WordFilter([word]).finds(text) is found


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("👨‍👩‍👧 and 👍🏽", "👨‍👩‍👧 and 👍🏽"),
        ("می‌خواهم", "می‌خواهم"),
        ("क्‍ष", "क्‍ष"),
        ("a\u200d\u200db \u200d!", "ab !"),
        ("one\r\ntwo\u2028three\tfour", "one two three four"),
        ("\x1b]52;c;x\x07", "]52;c;x"),
        ("\ufdd0\ue000x", "x"),
    ],
)
def test_a_line_is_cleaned_of_what_cannot_be_seen_and_keeps_what_scripts_need(text: str, cleaned: str) -> None:
    assert clean_line(text, 100) == cleaned


def test_a_long_line_is_cut_between_graphemes() -> None:
    assert clean_line("👨‍👩‍👧" * 10, 12) == "👨‍👩‍👧" * 2


MARKS = "\u0315\u0300\u0323\u0f73\uff9f\u0344\U00010d69"
"""Marks of several classes, some of which are made of others; the last one is newer than some Python."""


@given(st.lists(st.text(f"aé한가{MARKS}") | st.text(MARKS, min_size=30, max_size=60), max_size=4).map("".join))
def test_marks_are_put_in_order_as_unicode_has_it(text: str) -> None:
    assert normalized(text) == unicodedata.normalize("NFKC", text)


def test_no_heap_of_marks_is_slow_to_look_through() -> None:
    before = time.process_time()
    for marks in ("\u0300" * 200_000, "\u0315\u0300" * 100_000):
        assert not WordFilter(["word"]).finds(f"a{marks}")

    assert time.process_time() - before < 20, "minutes, where each mark is compared with all before it"
