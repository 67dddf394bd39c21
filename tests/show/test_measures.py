import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.show.measures import WordCount, count_words, has_words, reading_s, reading_units


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("  \n ", 0),
        ("Three short words", 3),
        ("It's co-operative, isn't it?", 4),
        ("Свобода слова важна", 3),
        ("स्वतंत्रता सबसे ज़रूरी है", 4),
        ("自由はとても大切です。", 6),
        ("เสรีภาพเป็นสิ่งสำคัญ", 4),
        ("한국어 문장 입니다", 3),
    ],
)
def test_words_are_counted_in_any_script(text: str, words: int) -> None:
    assert count_words(text) == words


@given(st.text(), st.text())
def test_more_text_never_has_fewer_words(first: str, second: str) -> None:
    assert count_words(f"{first} {second}") >= max(count_words(first), count_words(second))


def test_a_han_character_takes_longer_to_read_than_a_letter_and_a_mark_no_time() -> None:
    assert reading_units("letters") == 7.0
    assert reading_units("自由") == 10.0
    assert reading_units("e\u0301") == 1.0
    assert reading_s("x" * 40, 20.0) == 2.0


@pytest.mark.parametrize(
    ("text", "seen"), [("", False), (" \n\t", False), ("\u200b\u200d", False), ("?", True), ("ก", True)]
)
def test_invisible_text_has_no_words(text: str, seen: bool) -> None:
    assert has_words(text) is seen


@given(st.lists(st.text("aé好กิ \n\u2003")))
def test_words_are_counted_in_pieces_as_in_the_whole(pieces: list[str]) -> None:
    count = WordCount()
    for piece in pieces:
        count.add(piece)

    assert count.words == count_words("".join(pieces))
