import time

from hypothesis import given
from hypothesis import strategies as st

from debate_caster.scenario.script import Pacing
from debate_caster.show.draft import Draft
from debate_caster.show.measures import count_words, has_words
from tests.show.stage_props import words_of


def fed(text: str, *, max_words: int = 50, size: int = 7, pacing: Pacing | None = None) -> Draft:
    draft = Draft(max_words, pacing or Pacing())
    for start in range(0, len(text), size):
        if not draft.feed(text[start : start + size]):
            return draft
    return draft


def test_a_finished_reply_is_the_speech_word_for_word() -> None:
    draft = fed(words_of(40))
    draft.finish()

    assert draft.how == "completed"
    assert draft.text == "".join(draft.chunks) == words_of(40)


def test_blanks_around_a_reply_and_long_ones_inside_are_not_part_of_it() -> None:
    draft = fed("  \n\nHello there, people of the town." + " " * 300 + "Goodbye.\n\n \n")
    draft.finish()

    assert " ".join(draft.text.split()) == "Hello there, people of the town. Goodbye."
    assert len(draft.text) <= len("Hello there, people of the town. Goodbye.") + 2


def test_a_reply_over_the_limit_is_clipped_at_its_last_whole_sentence() -> None:
    draft = fed(words_of(90), max_words=50)

    assert draft.how == "clipped"
    assert draft.text == words_of(90)[: len(draft.text)]
    assert draft.text.endswith("word47.")
    assert not draft.feed("More.")


def test_chunks_on_air_are_never_taken_back_by_a_clip() -> None:
    draft = Draft(20, Pacing(min_interval_s=0.0))
    draft.feed("This sentence begins like any other, but it goes on, and on, and on, and ")
    aired = [draft.take(), draft.take()]
    draft.feed("on for so long that nobody, not even its author, can remember how it began.")

    assert draft.how == "clipped"
    assert draft.chunks[: len(aired)] == tuple(aired)
    assert count_words(draft.text) <= 20


def test_a_speech_that_is_one_endless_sentence_ends_at_a_clause_or_a_word() -> None:
    assert fed("a clause of words, " * 50, max_words=30).text.endswith(",")
    draft = fed("word " * 200, max_words=30)
    assert (count_words(draft.text), draft.text[-4:]) == (30, "word")


def test_text_without_spaces_is_clipped_too() -> None:
    draft = fed("電車は無料であるべきです" * 60, max_words=50)
    endless = fed("a" * 5000, max_words=50)

    assert draft.how == endless.how == "clipped"
    assert 40 <= count_words(draft.text) <= 50
    assert len(endless.text) <= 16 * 50


def test_a_reply_cut_by_the_model_s_limit_loses_its_half_sentence() -> None:
    half, whole = fed("All is well here. This one is not"), fed("All is well here.")
    half.truncate()
    whole.truncate()

    assert half.text == whole.text == "All is well here."
    assert half.how == whole.how == "clipped"


def test_an_aborted_speech_keeps_its_whole_sentences() -> None:
    draft, begun = fed("All is well here, my friends. This one is not fin"), fed("This one is not")
    draft.abort()
    begun.abort()

    assert draft.how == begun.how == "aborted"
    assert (draft.text, begun.text) == ("All is well here, my friends.", "")


def test_cutting_leaves_what_was_taken() -> None:
    draft = fed(words_of(45))
    taken = draft.take()
    draft.cut()

    assert draft.chunks == (taken,)
    assert draft.take() is None


@given(
    st.lists(st.one_of(st.text(max_size=30), st.sampled_from(["Yes. ", "no, ", "word ", "。", "\n"])), max_size=60),
    st.integers(5, 40),
    st.sampled_from(["finish", "truncate", "abort"]),
    st.integers(0, 5),
)
def test_chunks_joined_are_the_speech_and_each_can_be_seen(deltas: list[str], words: int, end: str, taken: int) -> None:
    draft = Draft(words, Pacing(min_interval_s=0.5))
    aired: list[str] = []
    for delta in deltas:
        more = draft.feed(delta)
        if len(aired) < taken and (chunk := draft.take()) is not None:
            aired.append(chunk)
        if not more:
            break
    getattr(draft, end)()

    assert draft.how is not None
    assert draft.text == "".join(draft.chunks)
    assert list(draft.chunks[: len(aired)]) == aired
    assert all(has_words(chunk) for chunk in draft.chunks)
    assert "".join("".join(deltas).split()).startswith("".join(draft.text.split()))
    assert count_words(draft.text) <= words or aired


def test_no_speech_is_slow_to_take_in_character_by_character() -> None:
    before = time.process_time()
    draft = fed("好" + "a" * 47_990, max_words=3000, size=1)

    assert draft.how is None
    assert time.process_time() - before < 30, "two minutes, where each character has all before it counted again"
