# ruff: noqa: RUF001 - signs of other scripts are what these tests are about
import time
from itertools import pairwise

import pytest

from debate_caster.show.boundaries import (
    Strength,
    boundaries,
    ends_sentence,
    is_grapheme_boundary,
    last_grapheme_boundary,
    last_space,
)


def cut(text: str, strength: Strength = Strength.SENTENCE) -> list[str]:
    places = [0, *(found.place for found in boundaries(text) if found.strength >= strength), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize(
    "sentences",
    [
        [
            "One is here.",
            " Two is there!",
            " Is it?",
        ],
        ["“Really?”", " She left.", " (He stayed.)", " End"],
        ["我们同意。", "真的吗？", "是！", "好"],
        ["「はい。」", "そうですね。", "では"],
        ["यह सही है।", " वह गलत है।", " ठीक"],
        ["هل هذا صحيح؟", " نعم.", " حسنا"],
        ["Was nun?!", " Weiter…", " ja"],
        ["A line without a stop", "\nThe next line", "\n\nA paragraph"],
        ["**Bold.**", " Plain"],
    ],
)
def test_sentences_end_where_their_script_ends_them(sentences: list[str]) -> None:
    joined = "".join(sentences)

    assert [piece.strip() for piece in cut(joined)] == [sentence.strip() for sentence in sentences]


@pytest.mark.parametrize(
    "text",
    [
        "It costs 3.50 euros at example.com/a?b=1!c and v2.0.1 runs",
        "Dr. Smith met Prof. Jones and J. R. Tolkien",
        "We use trams, e.g. in the U.S. and elsewhere",
        "Am 3. Oktober feiert man z. B. in Berlin",
        "At 10:30 sharp",
    ],
)
def test_stops_inside_a_sentence_do_not_end_it(text: str) -> None:
    assert cut(text) == [text]


def test_clauses_end_at_commas_colons_and_dashes_but_not_inside_numbers() -> None:
    text = "Well, in 1914–18, with 1,000 men — no: more—much more; 是的，好"

    assert [piece.strip() for piece in cut(text, Strength.CLAUSE)] == [
        "Well,",
        "in 1914–18,",
        "with 1,000 men —",
        "no:",
        "more—",
        "much more;",
        "是的，",
        "好",
    ]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Done.", True),
        ("Done. ", True),
        ("“Done.”", True),
        ("好。", True),
        ("Not yet,", False),
        ("", False),
        ("Dr.", False),
    ],
)
def test_the_end_of_a_sentence_is_known(text: str, ends: bool) -> None:
    assert ends_sentence(text) is ends


@pytest.mark.parametrize("piece", [".", "!", "?…", "!.", " ", "!*"])
def test_no_run_of_marks_is_slow_to_look_through(piece: str) -> None:
    text = f"{piece * (50_000 // len(piece))}x"
    before = time.process_time()
    found = list(boundaries(text))

    assert not found
    assert time.process_time() - before < 20, "days, where a run is looked at again from each of its marks"


def test_a_full_stop_that_another_mark_has_left_over_ends_a_sentence() -> None:
    assert cut("好。!. No", Strength.SENTENCE) == ["好。!", ".", " No"]
    assert cut("好。!.x No", Strength.SENTENCE) == ["好。!", ".x No"]


def test_graphemes_have_no_boundary_inside() -> None:
    family = "👨‍👩‍👧"
    text = f"e\u0301{family}x"

    assert [place for place in range(1, len(text)) if is_grapheme_boundary(text, place)] == [2, 7]
    assert last_grapheme_boundary(text, 6) == 2
    assert last_grapheme_boundary(family, 3) == 0


def test_the_last_space_is_found_before_the_limit() -> None:
    assert last_space("one two three", 8) == 7
    assert last_space("one two three", 7) == 7
    assert last_space("onetwothree", 5) == 0
