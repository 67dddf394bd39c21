# ruff: noqa: RUF001 - signs of other scripts are what these tests are about
import time
from itertools import pairwise

import pytest
import regex  # type: ignore[import-untyped]  # comes without types
from hypothesis import example, given, settings
from hypothesis import strategies as st

from debate_caster.scenario.script import Pacing
from debate_caster.show.chunking import Chunker
from debate_caster.show.measures import reading_units

ENGLISH = (
    "Good evening, everyone. Tonight we ask whether trams should be free! Some say no; others, like me, say yes. "
    "It costs 3.50 a ride, e.g. in the U.S. or at Dr. Hall's. We should stop paying, and we should start riding now."
)

WORDS = st.sampled_from(
    [
        "word",
        "Wort,",
        "mot.",
        "слово;",
        "字。",
        "是的，",
        "हाँ।",
        "กขค",
        "👨‍👩‍👧",
        "🇩🇪",
        "e\u0301",
        "한글",
        "…",
        "\n",
        " ",
        "\u200d",
        "a" * 60,
    ]
)
TEXT = st.one_of(
    st.text(max_size=400), st.lists(WORDS, max_size=120).map(" ".join), st.lists(WORDS, max_size=120).map("".join)
)


def chunks_of(text: str, cuts: list[int], chunker: Chunker) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    chunks = [chunk for start, end in pairwise(places) for chunk in chunker.feed(text[start:end])]
    return chunks + chunker.flush()


@settings(max_examples=400)
@given(TEXT, st.lists(st.integers(0, 600), max_size=40), st.integers(40, 300), st.floats(1, 100))
@example("\r\n" * 30, [1, 3, 5], 40, 16.0)
@example("🇩🇪" * 60, list(range(120)), 40, 16.0)
def test_joined_chunks_are_the_text_and_no_grapheme_is_cut(
    text: str, cuts: list[int], max_chars: int, least_units: float
) -> None:
    chunks = chunks_of(text, cuts, Chunker(least_units=least_units, max_chars=max_chars))

    assert "".join(chunks) == text
    assert all(0 < len(chunk) <= max_chars for chunk in chunks)
    graphemes = [found.end() for found in regex.finditer(r"\X", text)]
    if all(len(grapheme) <= 30 for grapheme in regex.findall(r"\X", text)):
        ends = [sum(map(len, chunks[: count + 1])) for count in range(len(chunks))]
        assert set(ends) <= set(graphemes)


def test_a_delta_at_a_time_or_all_at_once_makes_no_difference_to_prose() -> None:
    whole = chunks_of(ENGLISH, [], Chunker())
    by_letter = chunks_of(ENGLISH, list(range(len(ENGLISH))), Chunker())

    assert whole == by_letter


def test_the_first_chunk_is_the_first_clause_and_comes_with_the_space_behind_it() -> None:
    chunker = Chunker(least_units=40)

    assert chunker.feed("Good evening,") == []
    assert chunker.feed(" ") == ["Good evening,"]


def test_later_chunks_are_whole_sentences_that_take_an_interval_to_read() -> None:
    chunks = chunks_of(ENGLISH, [], Chunker(least_units=40))

    assert chunks == [
        "Good evening,",
        " everyone. Tonight we ask whether trams should be free!",
        " Some say no; others, like me, say yes.",
        " It costs 3.50 a ride, e.g. in the U.S. or at Dr. Hall's.",
        " We should stop paying, and we should start riding now.",
    ]
    assert all(reading_units(chunk) >= 0.7 * 40 for chunk in chunks[1:])


def test_chinese_is_cut_at_its_own_marks() -> None:
    text = (
        "各位晚上好，今天我们讨论电车。电车应该免费吗？我认为应该。因为城市属于所有的人，而不只是有钱的人。谢谢大家。"
    )

    chunks = chunks_of(text, [], Chunker(least_units=40))

    assert chunks[0] == "各位晚上好，"
    assert all(chunk[-1] in "。？，" for chunk in chunks)


def test_thai_without_spaces_is_cut_between_graphemes_by_length() -> None:
    text = "เสรีภาพเป็นสิ่งสำคัญสำหรับทุกคน" * 20

    chunks = chunks_of(text, [], Chunker(max_chars=100))

    assert "".join(chunks) == text
    assert min(map(len, chunks[:-1])) > 80


def test_a_long_clause_is_cut_before_a_space() -> None:
    text = "word " * 100

    chunks = chunks_of(text.strip(), [], Chunker(max_chars=80))

    assert all(chunk.strip().split() == ["word"] * len(chunk.split()) for chunk in chunks)
    assert max(map(len, chunks)) <= 80


def test_a_grapheme_longer_than_a_chunk_does_not_stop_the_show() -> None:
    text = "a" + "\u0301" * 500

    chunks = chunks_of(text, [100, 200], Chunker(max_chars=100))

    assert "".join(chunks) == text
    assert max(map(len, chunks)) <= 100


def test_the_least_length_follows_from_the_scenario_s_pacing() -> None:
    slow, fast = Chunker.of(Pacing()), Chunker.of(Pacing(min_interval_s=0.0))
    text = "This is a first sentence of some length. Short one here now. And another one there. Then it ends."

    assert len(chunks_of(text, [], slow)) < len(chunks_of(text, [], fast))


@pytest.mark.parametrize("piece", ["、a", "a, ", "。好"])
def test_no_text_is_slow_to_cut_into_long_chunks(piece: str) -> None:
    chunker = Chunker(least_units=10_000, max_chars=3500)
    before = time.process_time()
    for start in range(0, 3000, 10):
        chunker.feed((piece * 1500)[start : start + 10])

    assert time.process_time() - before < 20, "minutes, where each place has all before it looked through again"
