from hypothesis import given
from hypothesis import strategies as st

from debate_caster.llm.cleaning import PIECE_CHARS, TextCleaner, pieces


def cleaned(*parts: str) -> str:
    cleaner = TextCleaner()
    return "".join([*(cleaner.feed(part) for part in parts), cleaner.flush()])


def test_control_characters_go_and_newline_and_tab_stay() -> None:
    assert cleaned("a\x00b\x1b[31mc\r\nd\te\x7f\x9bf") == "ab[31mc\nd\tef"


def test_a_character_sent_in_two_halves_arrives_whole() -> None:
    assert cleaned("go \ud83d", "\ude80!") == "go 🚀!"


def test_a_half_that_stays_alone_is_marked() -> None:
    assert cleaned("a\ud83d", "b") == "a\ufffdb"
    assert cleaned("a\ude80b") == "a\ufffdb"
    assert cleaned("a\ud83d") == "a\ufffd"


def test_nothing_else_is_held_back() -> None:
    assert TextCleaner().feed("e\u0301 👩\u200d") == "e\u0301 👩\u200d"


@given(st.lists(st.text(alphabet=st.characters(), max_size=20), max_size=6))
def test_the_result_is_always_text_and_never_controls(parts: list[str]) -> None:
    text = cleaned(*parts)

    assert text.encode("utf-8").decode("utf-8") == text
    assert not any(ord(char) < 32 and char not in "\n\t" for char in text)


@given(st.text(max_size=3 * PIECE_CHARS))
def test_joined_pieces_are_the_text_and_none_is_over_8_kib(text: str) -> None:
    cut = list(pieces(text * 3))

    assert "".join(cut) == text * 3
    assert all(0 < len(piece.encode("utf-8", "surrogatepass")) <= 8192 for piece in cut)
