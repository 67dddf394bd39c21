import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.llm import Message, estimate_prompt_tokens, estimate_tokens


@pytest.mark.parametrize(
    ("text", "least"),
    [
        pytest.param("1234567890", 10, id="digits-one-by-one-as-in-llama-2"),
        pytest.param("{[(;:)]}", 8, id="signs"),
        pytest.param("éüßñçåø", 7, id="latin-letters"),
        pytest.param("Дебаты", 6, id="cyrillic"),
        pytest.param("討論", 6, id="chinese-by-the-byte"),
        pytest.param("👩‍🚀", 11, id="emoji-by-the-byte"),
        pytest.param("a b c d e f", 6, id="words-of-one-letter"),
    ],
)
def test_the_worst_that_a_tokeniser_does_is_covered(text: str, least: int) -> None:
    assert estimate_tokens(text) >= least


def test_english_prose_comes_out_at_no_more_than_three_times_the_rule_of_thumb() -> None:
    prose = "It is rather hard to say who would pay for all of this in ten years, and nobody has asked. " * 50

    assert len(prose) / 4 <= estimate_tokens(prose) <= 3 * len(prose) / 4


@given(st.text())
def test_no_text_has_more_tokens_than_bytes_or_less_than_none(text: str) -> None:
    assert 0 <= estimate_tokens(text) <= len(text.encode("utf-8", "surrogatepass"))


@given(st.text(alphabet=st.characters(min_codepoint=0x600)))
def test_scripts_we_know_nothing_about_count_by_the_byte(text: str) -> None:
    assert estimate_tokens(text) == len(text.encode("utf-8", "surrogatepass"))


@given(st.text(), st.text())
def test_two_texts_have_no_fewer_than_both_together_would(one: str, other: str) -> None:
    assert estimate_tokens(one + other) <= estimate_tokens(one) + estimate_tokens(other)


def test_a_prompt_counts_what_stands_around_its_messages() -> None:
    empty = estimate_prompt_tokens([Message("system", ""), Message("user", "")])

    assert empty >= 2 * 5 + 3
    assert estimate_prompt_tokens([Message("system", "ab"), Message("user", "")]) == empty + 1
