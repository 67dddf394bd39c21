import tomllib
from importlib.resources import files
from typing import get_args

import pytest

from debate_caster.show.apologies import Cause, apology_for

TABLES = tomllib.loads(files("debate_caster.show").joinpath("apologies.toml").read_text("utf-8"))


@pytest.mark.parametrize("language", ["en", "EN-gb", "de-AT", "pt_BR"])
def test_an_apology_is_in_the_language_of_the_debate(language: str) -> None:
    assert apology_for(language, 0) in TABLES[language[:2].lower()]["failed"]


def test_a_language_without_a_table_gets_english() -> None:
    assert apology_for("tlh", 0) == apology_for("en", 0)


@pytest.mark.parametrize("cause", get_args(Cause))
@pytest.mark.parametrize("language", TABLES)
def test_one_turns_apology_differs_from_the_next_ones_and_fits_one_chunk(language: str, cause: Cause) -> None:
    lines = TABLES[language][cause]

    assert apology_for(language, 0, cause) != apology_for(language, 1, cause)
    assert len(set(lines)) == len(lines)
    assert all(20 < len(line) <= 140 and line.endswith(".") for line in lines)
