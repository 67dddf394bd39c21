import time

import pytest
import regex  # type: ignore[import-untyped]  # the package ships no types
from hypothesis import given, settings
from hypothesis import strategies as st

from debate_caster.pulsar.text import GRAPHEME, split_text, starts_alike, truncate, utf16_length, without_surrogates

FAMILY = "👨‍👩‍👧‍👦"
WORDS = st.text(st.sampled_from("aé. 。\n" + FAMILY + "e\u0301नि한🇫🇷"), max_size=200)


def graphemes(text: str) -> list[str]:
    return regex.findall(r"\X", text)  # type: ignore[no-any-return]  # untyped package


def test_length_is_counted_in_utf16_units() -> None:
    assert utf16_length("aé中") == 3
    assert utf16_length("😀") == 2
    assert utf16_length(FAMILY) == 11


def test_truncating_never_splits_what_a_reader_sees_as_one_character() -> None:
    assert truncate("ab" + FAMILY, 12) == "ab"
    assert truncate("ab" + FAMILY, 13) == "ab" + FAMILY
    assert truncate("x" * 3999 + "😀", 4000) == "x" * 3999
    assert truncate("cafe\u0301", 4) == "caf"


def test_a_grapheme_above_the_limit_is_cut_between_code_points() -> None:
    assert truncate("e" + "\u0301" * 500, 100) == "e" + "\u0301" * 99
    assert truncate("\u200d😀" * 60, 3) in {"\u200d😀", "\u200d"}


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(0, 50))
def test_truncated_text_is_the_start_and_fits(text: str, limit: int) -> None:
    start = truncate(text, limit)
    assert text.startswith(start)
    assert utf16_length(start) <= limit


@settings(deadline=None)
@given(WORDS, st.integers(12, 40))
def test_split_pieces_fit_and_join_to_the_text_again(text: str, limit: int) -> None:
    pieces = split_text(text, limit)
    assert "".join(pieces) == text
    assert all(utf16_length(piece) <= limit for piece in pieces)
    if all(utf16_length(grapheme) <= limit for grapheme in graphemes(text)):
        assert [grapheme for piece in pieces for grapheme in graphemes(piece)] == graphemes(text)


def test_pieces_end_with_a_sentence_where_one_ends_late_enough() -> None:
    assert split_text("One is 3.5 long. Two is not. And three goes on", 36) == [
        "One is 3.5 long. Two is not. ",
        "And three goes on",
    ]
    assert split_text("猫は良い。犬も良い。鳥は飛ぶ。", 11) == ["猫は良い。犬も良い。", "鳥は飛ぶ。"]
    assert split_text("no end of sentence in all of this", 12) == ["no end of ", "sentence in ", "all of this"]


def test_splitting_into_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        split_text("abc", 1)


def test_lines_that_agree_in_their_first_hundred_units_count_as_one() -> None:
    assert starts_alike("x" * 100 + "a", "x" * 100 + "b")
    assert not starts_alike("x" * 99 + "a", "x" * 99 + "b")
    assert starts_alike("😀" * 50 + "a", "😀" * 50 + "b")
    assert starts_alike("yes", "yes")
    assert not starts_alike("yes", "yes!")


@settings(deadline=None)
@given(st.lists(st.characters() | st.characters(categories=["Cs"]), max_size=50).map("".join))
def test_only_surrogates_are_replaced_and_then_a_text_has_its_utf8_form(text: str) -> None:
    cleaned = without_surrogates(text)
    assert cleaned == "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    assert cleaned.encode().decode() == cleaned


@given(st.text("🇩a\u0300\u200d😀\u0600\u0903\n\u0915\u094d") | st.text("🇩", max_size=9))
def test_a_grapheme_is_what_unicode_says(text: str) -> None:
    assert GRAPHEME.findall(text) == regex.findall(r"\X", text)


def test_no_row_of_flags_is_slow_to_take_apart() -> None:
    before = time.process_time()

    assert len(GRAPHEME.findall("🇩" * 400_000)) == 200_000
    assert time.process_time() - before < 20, "minutes, where all flags before each are counted"
