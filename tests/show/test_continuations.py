import tomllib
from datetime import UTC, datetime
from importlib.resources import files
from string import Formatter

import pytest

from debate_caster.pulsar.text import utf16_length
from debate_caster.show.continuations import continuation_of
from debate_caster.show.events import AgentCast, ShowStarted

TABLES = tomllib.loads(files("debate_caster.show").joinpath("continuations.toml").read_text("utf-8"))
APOLOGIES = tomllib.loads(files("debate_caster.show").joinpath("apologies.toml").read_text("utf-8"))

SLOTS = {"motion": {"motion"}, "cast": {"cast"}, "turn": {"turn", "turns"}}


def agent(name: str, side_title: str = "", *, moderator: bool = False) -> AgentCast:
    return AgentCast(
        id=name.casefold(), name=name, emoji="", color="#123456", side_title=side_title, moderator=moderator
    )


def show(language: str = "en", motion: str = "Cats are better {than} dogs") -> ShowStarted:
    return ShowStarted(
        at=datetime(2030, 1, 1, tzinfo=UTC),
        show="s1",
        scenario="cats",
        motion=motion,
        title="Cats",
        language=language,
        format="duel",
        seed=1,
        agents=(agent("Ada", "For"), agent("Otis", "Against"), agent("Kim", moderator=True), agent("Wren")),
        phases=(),
        turns=12,
    )


@pytest.mark.parametrize(
    ("turn", "ended", "stand"),
    [
        (0, False, "The debate is about to begin."),
        (5, False, "Turn 5 of 12."),
        (12, True, "The debate has ended; here follows what was left to say."),
    ],
)
def test_a_room_that_goes_on_says_what_is_debated_who_speaks_for_what_and_how_far_it_is(
    turn: int, stand: str, *, ended: bool
) -> None:
    assert continuation_of(show(), turn=turn, ended=ended) == (
        "This room goes on from an earlier one. The motion: Cats are better {than} dogs. "
        f"Speaking: Ada (For), Otis (Against), Kim (moderator), Wren. {stand}"
    )


@pytest.mark.parametrize(("motion", "shown"), [("Cats?", "Cats? "), ("Cats,\n dogs", "Cats, dogs. "), ("猫", "猫. ")])
def test_a_motion_is_a_sentence_in_one_line(motion: str, shown: str) -> None:
    assert f"The motion: {shown}Speaking" in continuation_of(show(motion=motion), turn=1, ended=False)


@pytest.mark.parametrize("language", ["de-AT", "PT_br", "fr"])
def test_it_is_in_the_language_of_the_debate(language: str) -> None:
    assert continuation_of(show(language), turn=1, ended=False).startswith(TABLES[language[:2].lower()]["goes_on"])


def test_a_language_without_a_table_gets_english() -> None:
    assert continuation_of(show("tlh"), turn=1, ended=False) == continuation_of(show(), turn=1, ended=False)


def test_every_language_of_the_apologies_has_every_line() -> None:
    assert TABLES.keys() == APOLOGIES.keys()
    for language, lines in TABLES.items():
        assert lines.keys() == TABLES["en"].keys(), language
        for key, line in lines.items():
            slots = {slot for _, slot, _, _ in Formatter().parse(line) if slot is not None}
            assert slots == SLOTS.get(key, set()), (language, key)
        assert utf16_length(continuation_of(show(language), turn=1, ended=True)) < 300
