from debate_caster.show.measures import count_words
from debate_caster.show.recap import recap, shortened
from debate_caster.show.transcript import Speech
from tests.show.stage_props import words_of


def speech(turn: int, speaker: str, text: str) -> Speech:
    return Speech(turn, 0, speaker, text, "completed")


def test_a_speech_is_shortened_to_its_first_sentence() -> None:
    text = "Trams should be free for everyone who lives here. The second sentence is left out. So is the third."

    assert shortened(text, 20) == "Trams should be free for everyone who lives here."


def test_where_the_first_sentence_says_little_the_second_is_kept_too() -> None:
    assert shortened("Thank you. Trams should be free for everyone who lives here. No more.", 20) == (
        "Thank you. Trams should be free for everyone who lives here."
    )


def test_a_long_sentence_is_cut_in_any_script() -> None:
    assert shortened("word " * 100, 10) == "word word word word word word word word word word…"
    assert count_words(shortened("電車は無料であるべきです" * 20, 10)) <= 11


def test_a_recap_keeps_everybody_s_first_word_and_the_latest_and_counts_the_rest() -> None:
    speeches = [speech(turn, "ab"[turn % 2], f"Number {turn} here. {words_of(30)}") for turn in range(20)]

    lines = recap(speeches, max_words=60)

    assert [line.speaker for line in lines[:2]] == ["a", "b"]
    assert "Number 19" in lines[-1].text
    assert sum(line.left_out for line in lines) == 20 - len(lines)
    assert sum(count_words(line.text) for line in lines) <= 60


def test_a_recap_is_the_same_each_time_and_skips_what_was_not_said() -> None:
    speeches = [speech(0, "a", "Something."), speech(1, "b", "")]

    assert recap(speeches, max_words=50) == recap(speeches, max_words=50)
    assert [line.speaker for line in recap(speeches, max_words=50)] == ["a"]
