import pytest

from debate_caster.llm.phrasebook import LANGUAGES, open_phrasebook, read_lines

ONLY_ENGLISH = {"thesis_claim_for", "thesis_claim_against"}


@pytest.mark.parametrize("tag", ["en", "en-GB", "EN", "de-AT", "fr_CA", "es-419"])
def test_a_language_tag_finds_its_language(tag: str) -> None:
    assert open_phrasebook(tag).language == tag[:2].lower()


@pytest.mark.parametrize("tag", ["ja", "pt-BR", "", "xx-en", "../de"])
def test_other_languages_fall_back_to_english(tag: str) -> None:
    assert open_phrasebook(tag) is open_phrasebook("en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_can_say_everything(language: str) -> None:
    book, english = open_phrasebook(language), open_phrasebook("en")

    assert set(book.tables) | ONLY_ENGLISH == set(english.tables)
    assert all(book.tables.values())
    assert not book.styles[-1][0], "the last style must suit everybody"
    for lens in book.lenses:
        assert len(lens.reasons_for) >= 2
        assert len(lens.reasons_against) >= 2
        assert lens.questions


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_stands_twice(language: str) -> None:
    book = open_phrasebook(language)
    lines = [line for lines in book.tables.values() for line in lines]
    lines += [line for _, lines in book.styles for line in lines]
    lines += [line for lens in book.lenses for line in (*lens.reasons_for, *lens.reasons_against, *lens.questions)]

    assert sorted(lines) == sorted(set(lines))


@pytest.mark.parametrize("language", LANGUAGES)
def test_quotations_use_the_languages_own_marks(language: str) -> None:
    book = open_phrasebook(language)
    opening, closing = book.quotes

    for table in ("takeup", "between", "hint_question", "answer_start"):
        for line in book.lines(table):
            assert opening in line, line
            assert closing in line, line


def test_a_slot_that_nobody_fills_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown slot"):
        read_lines(["Hello {stranger}"])
