from debate_caster.llm.phrasebook import open_phrasebook
from debate_caster.llm.repertoire import Repertoire

LINES = ["one line about {topic}", "another line entirely", "third line of them all", "the fourth and last line"]


def repertoire(*, turn: int = 0, heard: str = "", **facts: str) -> Repertoire:
    return Repertoire(open_phrasebook("en"), seed="s", turn=turn, heard=heard, facts=facts, topics=["cars", "cities"])


def test_no_line_is_chosen_twice_in_a_turn() -> None:
    lines = repertoire()

    chosen = [lines.choose("t", LINES, 10) for _ in range(5)]

    assert len(set(chosen[:4])) == 4
    assert chosen[4] == ""


def test_each_turn_begins_further_on_and_two_sides_meet_late() -> None:
    firsts = [repertoire(turn=turn).in_order("t", list(range(10)))[0] for turn in range(10)]

    assert sorted(firsts) == list(range(10))


def test_the_order_belongs_to_the_table_and_the_seed() -> None:
    assert repertoire().in_order("a", list(range(20))) == repertoire().in_order("a", list(range(20)))
    assert repertoire().in_order("a", list(range(20))) != repertoire().in_order("b", list(range(20)))


def test_what_was_heard_is_passed_over_even_with_other_words_in_its_slots() -> None:
    heard = "One  line\\nabout horses, and then \\u201canother line entirely\\u201d, the fourth and last line"

    assert repertoire(heard=heard).choose("t", LINES, 10) == "third line of them all"


def test_when_all_was_heard_an_adornment_is_left_out_and_a_reason_is_said_again() -> None:
    lines = repertoire(heard=" ".join(LINES))

    assert lines.choose("t", LINES, 10, fresh_only=True) == ""
    assert lines.choose("t", LINES, 10) != ""


def test_a_line_is_only_chosen_where_it_fits_and_its_slots_can_be_filled() -> None:
    lines = repertoire()

    assert lines.choose("t", ["too many words for this room"], 5) == ""
    assert lines.choose("t", ["hello {viewer}"], 5) == ""
    assert lines.choose("t", ["hello {viewer}"], 5, {"viewer": "{hint} Mara"}) == "hello {hint} Mara"


def test_topics_take_turns() -> None:
    said = {repertoire(turn=turn).choose("t", ["about {topic}"], 5) for turn in range(4)}

    assert said == {"about cars", "about cities"}


def test_adornments_are_known_again_with_names_in_them() -> None:
    lines = repertoire()

    assert lines.is_adornment("Come on, Bruno Vale.")
    assert lines.is_adornment("Thank you for that, Ada; it saves me a search.")
    assert not lines.is_adornment("Worries have never moved a measuring tape.")
    assert not lines.is_adornment("We become one with the road.")
