from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.llm import TextDelta
from debate_caster.llm.thinking import ThoughtFilter

REPLY = "<think>First I <b>weigh</b> it.</think>\n\nI say < yes, and <thinkers> too."


def filtered(parts: list[str], *, thinking: bool = False, whole: bool = True) -> tuple[str, str]:
    reply = ThoughtFilter(thinking=thinking)
    deltas = [delta for part in parts for delta in reply.feed(part)] + reply.flush(whole=whole)
    spoken = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    return spoken, "".join(delta.text for delta in deltas if not isinstance(delta, TextDelta))


@pytest.mark.parametrize("cut", range(len(REPLY) + 1))
def test_a_tag_cut_anywhere_is_still_a_tag(cut: int) -> None:
    spoken, thought = filtered([REPLY[:cut], REPLY[cut:]])

    assert spoken == "I say < yes, and <thinkers> too."
    assert thought == "First I <b>weigh</b> it."


def test_one_character_at_a_time_makes_no_difference() -> None:
    assert filtered(list(REPLY)) == filtered([REPLY])


tags = st.sampled_from(
    ["<think>", "</think>", "<THINK>", "</Thinking>", "[THINK]", "[/THINK]", "◁think▷", "<thin", "</", "<", "k>"]
)


@given(
    st.lists(tags | st.text(alphabet="ab <>/[]think\u0130\u017f\n", max_size=8), max_size=12), st.data(), st.booleans()
)
def test_where_the_text_is_cut_never_matters(parts: list[str], data: st.DataObject, thinking: bool) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    edges = [0, *cuts, len(text)]

    pieces = [text[start:end] for start, end in pairwise(edges)]

    assert filtered(pieces, thinking=thinking) == filtered([text], thinking=thinking)


@given(st.text(alphabet="abc<>/ ", max_size=20), st.text(alphabet="abc<>/ ", max_size=20))
def test_what_is_between_tags_is_never_spoken(secret: str, speech: str) -> None:
    spoken, thought = filtered([f"<think>{secret}SECRET</think>{speech}"])

    assert "SECRET" not in spoken
    assert thought.endswith("SECRET")
    assert spoken == speech.lstrip()


@pytest.mark.parametrize(
    ("text", "spoken", "thought"),
    [
        pytest.param("<think>a<think>b</think>c</think>d", "d", "abc", id="nested"),
        pytest.param("a</think>b", "ab", "", id="an-end-without-a-beginning"),
        pytest.param("<think>never closed", "", "never closed", id="without-an-end"),
        pytest.param("Yes.<think>hm</think> No.", "Yes. No.", "hm", id="in-mid-speech"),
        pytest.param("1 <", "1 <", "", id="a-beginning-that-was-none"),
        pytest.param("<thinking>a</thinking>b", "b", "a", id="other-names"),
        pytest.param("<Think>a</THINK>b", "b", "a", id="any-case"),
        pytest.param(" \n speech", "speech", "", id="leading-space"),
        pytest.param(
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
            "Yes.",
            "hm",
            id="gpt-oss",
        ),
    ],
)
def test_tags_of_all_kinds(text: str, spoken: str, thought: str) -> None:
    assert filtered([text]) == (spoken, thought)
    assert filtered(list(text)) == (spoken, thought)


def test_plain_text_is_passed_on_at_once() -> None:
    assert ThoughtFilter().feed("Cities are") == [TextDelta("Cities are")]


THINKING_REPLIES = [
    pytest.param("hm</think>\n\nYes.", "Yes.", "hm", id="no-beginning"),
    pytest.param("\n<think>hm</think>Yes.", "Yes.", "\nhm", id="a-beginning-after-all"),
    pytest.param("a<think>b</think>c</think>Yes.", "Yes.", "abc", id="talks-of-tags"),
    pytest.param("hm</think>Yes.<think>hm</think> No.", "Yes. No.", "hmhm", id="thinks-again"),
]


@pytest.mark.parametrize(("text", "spoken", "thought"), THINKING_REPLIES)
def test_a_reply_that_begins_in_thought_is_spoken_from_its_end_on(text: str, spoken: str, thought: str) -> None:
    assert filtered([text], thinking=True) == (spoken, thought)
    assert filtered(list(text), thinking=True) == (spoken, thought)


def test_a_whole_reply_without_a_tag_was_no_thought_and_a_cut_one_stays_hidden() -> None:
    assert filtered(["Cities ", "are."], thinking=True)[0] == "Cities are."
    assert filtered(["Cities ", "are."], thinking=True, whole=False)[0] == ""


def test_thoughts_that_come_apart_leave_the_text_alone() -> None:
    reply = ThoughtFilter(thinking=True)
    reply.begins_with_speech()

    assert reply.feed("Cities are") == [TextDelta("Cities are")]


@pytest.mark.parametrize(
    ("text", "unannounced"), [("hm</think>Yes", True), ("</think>Yes", False), ("Yes<|end|>", False)]
)
def test_an_end_after_speech_says_that_it_was_thought(text: str, unannounced: bool) -> None:
    reply = ThoughtFilter()
    reply.feed(text)

    assert reply.unannounced is unannounced
