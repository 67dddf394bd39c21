import pytest

from debate_caster.show.screening import WordFilter, clean_line


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
