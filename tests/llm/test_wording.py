from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.llm.phrasebook import LANGUAGES, open_phrasebook
from debate_caster.llm.wording import (
    count_words,
    cut_to_words,
    fingerprint,
    is_question,
    quote_from,
    sentence,
    sentences,
    tidy,
    topics_of,
)

SPEECH = "Good evening. Streets without cars are quiet, and shops sell more on them. Who would have thought? I did."
any_text = st.text(alphabet=st.characters(), max_size=200)


@pytest.mark.parametrize(
    ("text", "words"), [("", 0), ("one", 1), ("don't — stop", 3), ("都市に車は", 5), ("👩‍🚀 🎉", 2), ("a\tb\nc", 3)]
)
def test_words_are_counted_generously(text: str, words: int) -> None:
    assert count_words(text) == words


@given(any_text, st.integers(0, 20))
def test_a_cut_text_is_a_beginning_and_never_too_long(text: str, words: int) -> None:
    cut = cut_to_words(text, words)

    assert count_words(cut) <= words or not cut
    assert text.lstrip().startswith(cut) or text.startswith(cut)


@given(any_text)
def test_a_fingerprint_survives_json_and_new_spacing(text: str) -> None:
    plain = "".join(char for char in text if char.isascii() and char.isalnum())

    assert fingerprint(" ".join(plain)) == plain.lower()


def test_a_fingerprint_survives_escapes() -> None:
    assert fingerprint('C\\u2019est "l\\u00e9g\\u00e8re\\"\\nment"') == fingerprint("C\u2019est légère ment")


@pytest.mark.parametrize("seed", range(8))
def test_a_quotation_is_a_run_of_words_with_something_in_it(seed: int) -> None:
    stopwords = open_phrasebook("en").stopwords

    quote = quote_from(SPEECH, max_words=8, random=Random(seed), stopwords=stopwords)

    assert quote == "Streets without cars are quiet"


def test_a_question_is_quoted_where_questions_are_wanted() -> None:
    quote = quote_from(SPEECH, max_words=9, random=Random(1), stopwords=frozenset(), questions=True)

    assert quote == "Who would have thought"


def test_a_long_sentence_is_quoted_with_an_ellipsis() -> None:
    quote = quote_from("one two three four five six seven", max_words=5, random=Random(1), stopwords=frozenset())

    assert quote == "one two three four five…"


def test_quotations_are_not_quoted_and_neither_is_what_is_dull() -> None:
    text = "Ada said “cars are loud things”. Listen carefully to me, Ada Sharp. Engines wake whole families at night."

    quote = quote_from(text, max_words=9, random=Random(3), stopwords=frozenset(), is_dull=lambda part: "Ada" in part)

    assert quote == "Engines wake whole families at night"


@given(any_text, st.integers(1, 20), st.booleans())
def test_whatever_was_said_a_quotation_of_it_is_short_and_in_it(text: str, words: int, questions: bool) -> None:
    quote = quote_from(text, max_words=words, random=Random(1), stopwords=frozenset(), questions=questions)

    assert count_words(quote.removesuffix("…")) <= words
    assert quote.removesuffix("…") in tidy(text)


@pytest.mark.parametrize(
    ("language", "text", "topics"),
    [
        ("en", "This house would ban private cars from city centres", ["private cars", "city centres"]),
        ("en", "Homework should be abolished", ["homework"]),
        ("en", "This house believes that freedom of speech matters more than safety", ["freedom of speech", "safety"]),
        ("en", "AI will do more good than harm", ["AI"]),
        ("en", "Should cities ban cars?", ["cities", "cars"]),
        ("en", "We should colonise Mars", ["Mars"]),
        ("en", "A four-day week should be the norm", ["the four-day week"]),
        (
            "en",
            "A four-day working week should become the norm, at full pay.",
            ["the four-day working week", "full pay"],
        ),
        ("en", "Remote work is better than the office", ["remote work", "the office"]),
        ("en", "", []),
        ("en", "It is what it is", []),
        ("de", "Dieses Haus würde Autos aus der Innenstadt verbannen", ["Autos", "Innenstadt"]),
        ("fr", "Il faut interdire les voitures dans les centres-villes", ["voitures", "centres-villes"]),
        ("fr", "L'école doit abolir les devoirs", ["école", "devoirs"]),
        ("es", "Hay que prohibir los coches en las ciudades", ["coches", "ciudades"]),
    ],
)
def test_topics_are_the_noun_phrases_of_a_motion(language: str, text: str, topics: list[str]) -> None:
    assert topics_of(text, open_phrasebook(language)) == topics


@given(any_text, st.sampled_from(LANGUAGES))
def test_no_text_is_beyond_us(text: str, language: str) -> None:
    assert all(topic.strip() for topic in topics_of(text, open_phrasebook(language)))
    assert all(part.strip() for part in sentences(text))
    assert tidy(tidy(text)) == tidy(text)
    assert tidy(text).isprintable() or not tidy(text).isascii()


def test_a_full_stop_is_added_where_there_is_no_end() -> None:
    assert [sentence(text) for text in ("Yes", "Yes!", "Yes…", "", "Yes ")] == ["Yes.", "Yes!", "Yes…", "", "Yes."]


def test_questions_of_east_and_west_are_questions() -> None:
    assert is_question("Why? ")
    assert is_question("なぜ\uff1f")
    assert not is_question("Why.")
