import dataclasses
import json
from random import Random
from typing import Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debate_caster.llm import Cue, HeardHint
from debate_caster.llm.phrasebook import LANGUAGES, open_phrasebook
from debate_caster.llm.speechwriter import write_speech
from debate_caster.llm.wording import count_words, sentences, tidy

KINDS = ("opening", "speech", "rebuttal", "question", "answer", "exchange", "moderation", "closing")
Stance = Literal["for", "against", "neutral"]

MOTIONS = {
    "en": "This house would ban private cars from city centres",
    "de": "Dieses Haus würde Autos aus der Innenstadt verbannen",
    "fr": "Il faut interdire les voitures dans les centres-villes",
    "es": "Hay que prohibir los coches en las ciudades",
}
SAID = "Good evening. Delivery vans would circle the town all night without a single place to stop. Who wants that?"


def cue(**changes: object) -> Cue:
    plain = Cue(
        speaker="Ada Sharp",
        emoji="🦉",
        style="dry, precise, fond of numbers",
        beliefs=("Streets are for people first.", "What gets measured gets mended."),
        manner="short sentences",
        motion="This house would ban private cars from city centres",
        language="en",
        side="proposition",
        stance="for",
        role="",
        kind="rebuttal",
        turn=3,
        max_words=120,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]  # names are the dataclass's own


def write(instruction: str = "", heard: str = "", seed: str = "1", **changes: object) -> str:
    return write_speech(cue(**changes), seed=seed, heard=heard, instruction=instruction).text


def test_a_rebuttal_takes_up_the_opponents_last_point_in_their_words() -> None:
    speech = write(opponent="Bruno Vale", opponent_said=SAID)

    assert "Bruno Vale" in speech
    assert "Delivery vans would circle the town all night" in speech


def test_an_opener_quotes_nobody() -> None:
    speech = write(kind="opening", turn=0)

    assert "private cars" in speech
    assert "“This house would ban private cars from city centres.”" in speech or "we should ban private cars" in speech


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_turn_answers_its_hints_and_names_the_viewers(kind: str) -> None:
    hints = (HeardHint("Mara", "What about wheelchairs in the snow?"), HeardHint("Tom", "Think of the corner bakery"))

    speech = write(kind=kind, opponent="Bruno Vale", opponent_said=SAID, hints=hints)

    for expected in ("Mara", "wheelchairs in the snow?", "Tom", "corner bakery"):
        assert expected in speech


def test_a_persona_that_thanks_nobody_names_nobody() -> None:
    speech = write(hints=(HeardHint("Mara", "What about wheelchairs?"),), thanks_viewers=False)

    assert "wheelchairs" in speech
    assert "Mara" not in speech


def test_an_answer_quotes_the_question() -> None:
    speech = write(kind="answer", opponent="Bruno Vale", opponent_said="I have one question. Who pays for the buses?")

    assert "“Who pays for the buses?”" in speech


def test_a_question_asks() -> None:
    assert write(kind="question", max_words=30, opponent="Bruno Vale", opponent_said=SAID).endswith("?")


def test_a_moderator_welcomes_then_hands_over_then_closes() -> None:
    welcome = write(kind="moderation", stance="neutral", turn=0, addresses="Bruno Vale")
    between = write(
        kind="moderation", stance="neutral", turn=4, opponent="Bo", opponent_said=SAID, addresses="Bruno Vale"
    )
    closing = write("Turn 10 of 10, farewell. Sum up.", kind="moderation", stance="neutral", turn=9)

    assert "This house would ban private cars from city centres" in welcome
    assert "Bruno Vale" in welcome
    assert "Delivery vans" in between
    assert "Bruno Vale" in between
    assert any(line in closing for line in open_phrasebook("en").lines("thanks"))


@pytest.mark.parametrize(
    ("instruction", "closes"),
    [
        ("Thank both sides and close the debate.", True),
        ("Turn 11 of 11.", True),
        ("Turn 1 of 11. Thank the speaker.", False),
        ("Turn 11 of 111. Give the floor to Bo.", False),
    ],
)
def test_a_moderator_closes_the_show_when_it_ends_and_not_before(instruction: str, closes: bool) -> None:
    speech = write(instruction, kind="moderation", stance="neutral", opponent="Bo", opponent_said=SAID)

    assert any(line in speech for line in open_phrasebook("en").lines("thanks")) == closes


def test_a_closing_asks_for_the_right_vote() -> None:
    endings = {stance: write(kind="closing", stance=stance) for stance in ("for", "against")}

    assert sentences(endings["for"]) != sentences(endings["against"])
    for stance, speech in endings.items():
        lines = open_phrasebook("en").lines(f"closing_end_{stance}")
        assert any(line.split("”")[-1].strip() in speech for line in lines)


def test_persona_beliefs_and_style_are_woven_in() -> None:
    speech = write(max_words=160)

    assert "Streets are for people first." in speech or "What gets measured gets mended." in speech
    styles = [lines for match, lines in open_phrasebook("en").styles if "dry" in match or "number" in match]
    assert any(line in speech for lines in styles for line in lines)


def test_two_personas_do_not_sound_the_same() -> None:
    dry = write(turn=4, speaker="Ada", style="dry, fond of numbers", manner="", beliefs=("Money talks.",))
    warm = write(turn=6, speaker="Bo", style="a warm storyteller", manner="", beliefs=("Trees last.",), heard=dry)

    assert not set(sentences(dry)) & set(sentences(warm))


@pytest.mark.parametrize("language", ["de", "fr", "es"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_show_in_another_language_is_spoken_in_it(language: str, kind: str) -> None:
    speech = write(language=language, motion=MOTIONS[language], kind=kind, beliefs=(), opponent="Bo", opponent_said="")
    words = speech.casefold().replace("'", " ").split()
    own = sum(word in open_phrasebook(language).stopwords for word in words)
    english = sum(word in open_phrasebook("en").stopwords for word in words)

    assert own > 2 * english


def test_beliefs_in_english_stay_out_of_a_german_speech() -> None:
    assert "for people" not in write(language="de", motion="Autos raus aus der Stadt", kind="speech", max_words=200)


def test_the_same_seed_and_cue_say_the_same() -> None:
    assert write(opponent="Bo", opponent_said=SAID) == write(opponent="Bo", opponent_said=SAID)


def test_another_seed_says_something_else() -> None:
    assert len({write(seed=str(seed)) for seed in range(10)}) == 10


@pytest.mark.parametrize(
    "wrap", [str, json.dumps, lambda text: text.replace(" ", "\n")], ids=["plain", "json", "wrapped"]
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_over_a_whole_show_hardly_a_sentence_is_said_twice(language: str, wrap: object) -> None:
    assert callable(wrap)
    said: list[tuple[str, str]] = []
    sides: tuple[tuple[str, Stance], ...] = (("Ada Sharp", "for"), ("Bruno Vale", "against"))
    for turn in range(16):
        speaker, stance = sides[turn % 2]
        kind = "opening" if turn < 2 else "closing" if turn > 13 else ("rebuttal", "speech")[turn % 3 == 0]
        opponent, opponent_said = said[-1] if said else ("", "")
        heard = wrap("\n".join(text for _, text in said))
        speech = write(
            heard=heard,
            speaker=speaker,
            stance=stance,
            kind=kind,
            turn=turn,
            language=language,
            motion=MOTIONS[language],
            opponent=opponent,
            opponent_said=opponent_said,
            beliefs=(),
        )
        said.append((speaker, speech))

    all_sentences = [one for _, text in said for one in sentences(text)]
    repeated = len(all_sentences) - len(set(all_sentences))
    assert repeated <= 0.1 * len(all_sentences)


def test_a_speech_fills_most_of_its_time() -> None:
    for words in (80, 150, 250):
        speech = write(opponent="Bruno Vale", opponent_said=SAID, max_words=words)
        assert 0.75 * words <= count_words(speech) <= words


junk = st.text(alphabet=st.characters(), max_size=60)
prose = st.sampled_from(
    ["", SAID, "車は町から出て行くべきだ。なぜ\uff1f", "x" * 500, "{motion} {0} %s", "“quoted” «only»", "a. b! c?\n\nd"]
)
texts = junk | prose
hints = st.lists(st.builds(HeardHint, viewer=texts, text=texts), max_size=3).map(tuple)
cues = st.builds(
    Cue,
    speaker=prose,
    emoji=st.just("🦉"),
    style=prose,
    beliefs=st.lists(prose, max_size=2).map(tuple),
    manner=st.just("dry"),
    motion=texts | st.sampled_from(list(MOTIONS.values())),
    language=st.sampled_from([*LANGUAGES, "ja", ""]),
    side=st.just(""),
    stance=st.sampled_from(get_args(Stance)),
    role=st.just(""),
    kind=st.sampled_from([*KINDS, "topic", "something-new"]),
    turn=st.integers(0, 2000),
    max_words=st.integers(-1, 300) | st.integers(1, 20),
    opponent=texts,
    opponent_said=texts,
    hints=hints,
    thanks_viewers=st.booleans(),
    addresses=prose,
)


@settings(max_examples=500, deadline=None)
@given(cues, prose, prose)
def test_no_cue_whatsoever_crashes_or_goes_over_its_words(any_cue: Cue, heard: str, instruction: str) -> None:
    speech = write_speech(any_cue, seed="1", heard=heard, instruction=instruction)

    assert speech.text.strip()
    assert count_words(speech.text) <= max(any_cue.max_words, 1)
    assert tidy(speech.text) == speech.text


def test_a_long_transcript_costs_no_time_to_speak_of() -> None:
    heard = " ".join(Random(1).choices(SAID.split(), k=8000))

    assert write(heard=heard)


@pytest.mark.parametrize("max_words", [3, 80])
@pytest.mark.parametrize(
    "text", ["Two minutes to the vote", "One. Two! Three?", "🦉", "…", "投票まであと二分です", "word " * 300]
)
def test_what_the_producer_wants_said_is_said_and_nothing_else(text: str, max_words: int) -> None:
    speech = write_speech(cue(kind="interjection", to_say=text, max_words=max_words), seed="1").text

    assert 0 < count_words(speech) <= max_words
    if count_words(text) <= max_words:
        assert speech.rstrip(".") == text.rstrip(".")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("result", ["won", "lost", "tied", ""])
def test_an_opening_speaks_of_the_meeting_before(language: str, result: str) -> None:
    changes = {"rival": "Bruno Vale", "rival_motion": "Trams are slow.", "rival_result": result}

    speech = write(kind="opening", turn=0, language=language, motion=MOTIONS[language], **changes)

    assert "Bruno Vale" in speech
    assert "Trams are slow" in speech
    assert "Trams are slow." not in speech
    assert "Bruno Vale" not in write(kind="rebuttal", language=language, motion=MOTIONS[language], **changes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_topic_is_one_sentence_about_what_is_asked_for_and_another_each_time(language: str) -> None:
    topics = [
        write(kind="topic", turn=turn, language=language, motion="Bread, tea and time", max_words=30)
        for turn in range(6)
    ]

    assert len(set(topics)) == 6
    assert all("Bread, tea and time" in topic and len(sentences(topic)) == 1 for topic in topics)
