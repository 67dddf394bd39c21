"""What personas remember: facts that are true, in the words that they may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.episodes.annals import Annals, Episode, Part
from debate_caster.episodes.memories import meetings, recollection, record_of, times, told_record
from debate_caster.show.measures import count_words
from tests.episodes.seasons import duel, episode

RESULTS = st.sampled_from(["won", "lost", "tied", ""])


@st.composite
def seasons(draw: st.DrawFn) -> Annals:
    opponents = draw(st.lists(st.sampled_from(["ben", "cleo", "dan"]), max_size=40))
    said = st.sampled_from(
        ["", "Facts count.", "Ein sehr langer Satz, der nirgends endet " * 3, "事実は大切です。" * 9]
    )
    return Annals(
        episodes=tuple(
            duel(number, result=draw(RESULTS), against=other, said=draw(said))
            for number, other in enumerate(opponents, start=1)
        )
    )


@given(seasons(), st.integers(40, 300))
def test_a_recap_never_has_more_words_than_it_may(annals: Annals, words: int) -> None:
    found = recollection(annals, "ada", company=("ada", "ben", "cleo"), words=words)

    assert (found is None) == (not annals.episodes)
    if found is not None:
        assert 0 < count_words(found.text) <= words


def test_it_tells_the_record_whom_one_meets_again_and_the_last_time() -> None:
    annals = Annals(
        episodes=(
            duel(1, result="won"),
            duel(2, result="lost", against="cleo"),
            duel(3, result="won", said="Facts count, and so do people."),
        )
    )

    found = recollection(annals, "ada", company=("ada", "ben"), words=120)

    assert found is not None
    assert found.text == (
        "You have been on this show 3 times before; by the audience's votes you have won 2, lost 1. "
        "You have met Ben here twice: won 2. "
        "Last time the motion was “Motion 3.”, your side was “Proposition” and you won. "
        "You said then: “Facts count, and so do people.” "
        "Earlier: “Motion 2.”, your side was “Proposition” and you lost. "
        "Earlier: “Motion 1.”, your side was “Proposition” and you won."
    )
    assert (found.rival, found.earlier, found.result) == ("Ben", "Motion 3.", "won")


def test_what_a_rival_of_today_said_last_time_is_remembered_too() -> None:
    said = duel(1).model_copy(
        update={
            "parts": (
                Part(persona="ada", name="Ada", side="for", said="I began."),
                Part(persona="ben", name="Ben", side="against", said="I answered."),
            )
        }
    )

    found = recollection(Annals(episodes=(said,)), "ada", company=("ada", "ben"), words=120)

    assert found is not None
    assert "Ben said then: “I answered.”" in found.text


def test_a_rival_of_long_ago_comes_with_what_it_was_about() -> None:
    first = duel(1, result="tied", against="cleo")
    parts = (first.parts[0], first.parts[1].model_copy(update={"said": "Cleo spoke."}))
    annals = Annals(episodes=(first.model_copy(update={"parts": parts}), duel(2)))

    found = recollection(annals, "ada", company=("ada", "cleo"), words=120)

    assert found is not None
    assert (
        "You have met Cleo here once: tied 1; the last time it was about “Motion 1.”. Cleo said then: “Cleo spoke.” "
        "Last time the motion was “Motion 2.”"
    ) in found.text


def test_who_is_new_remembers_nothing_and_who_meets_strangers_has_no_rival() -> None:
    annals = Annals(episodes=(duel(1, result="won"),))

    assert recollection(annals, "cleo", company=("ada", "cleo"), words=120) is None
    found = recollection(annals, "ada", company=("ada", "cleo"), words=120)
    assert found is not None
    assert (found.rival, found.earlier, found.result) == ("", "", "")
    assert "Ben" not in found.text


def test_an_episode_that_has_not_ended_is_not_remembered() -> None:
    going_on = duel(1).model_copy(update={"ended": False})

    assert recollection(Annals(episodes=(going_on,)), "ada", company=("ada", "ben"), words=120) is None


def test_a_moderator_has_met_nobody_and_remembers_moderating() -> None:
    with_moderator: Episode = episode(
        1, *duel(1, result="won").parts, Part(persona="vera", name="Vera", moderator=True)
    )
    annals = Annals(episodes=(with_moderator,))

    found = recollection(annals, "vera", company=("ada", "ben", "vera"), words=120)

    assert found is not None
    assert (
        found.text == "You have been on this show once before. Last time the motion was “Motion 1.”, and you moderated."
    )
    assert meetings(annals, "vera") == {}
    assert list(meetings(annals, "ada")) == ["ben"]


def test_who_is_on_the_same_side_is_no_rival_and_without_sides_everybody_is() -> None:
    together = episode(1, Part(persona="ada", name="Ada", side="for"), Part(persona="ben", name="Ben", side="for"))
    free = episode(1, Part(persona="ada", name="Ada"), Part(persona="ben", name="Ben"))

    assert meetings(Annals(episodes=(together,)), "ada") == {}
    assert list(meetings(Annals(episodes=(free,)), "ada")) == ["ben"]


@pytest.mark.parametrize(("count", "words"), [(1, "once"), (2, "twice"), (3, "3 times")])
def test_how_often_is_said_as_people_say_it(count: int, words: str) -> None:
    assert times(count) == words


def test_a_record_counts_what_was_decided() -> None:
    record = record_of(["won", "", "lost", "tied", "won"])

    assert (record.episodes, record.decided) == (5, 4)
    assert told_record(record) == "won 2, lost 1, tied 1"
    assert told_record(record_of([""])) == ""
