import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.scenario.rundown import RESPONDING, plan
from debate_caster.scenario.script import Format, PhaseScript, Scenario, Stance, TurnScript
from tests.scenario.companies import SHIPPED_FORMATS, company, every_company, shipped_format
from tests.scenario.golden_tables import GOLDEN, tables

EVERY_SHOW = [
    pytest.param(
        scenario, id=f"{name}-{len(scenario.agents)}-{'moderated' if scenario.agents[-1].moderator else 'plain'}"
    )
    for name in SHIPPED_FORMATS
    for scenario in every_company(shipped_format(name))
]

ASKS_FOR_AN_ANSWER = re.compile(
    r"(?i)rebut|refut|answer|respond|reply|take up|crossfire|has said|have said|said before|oppo|negative|con\b"
)


def turn(
    who: str, *, to: str = "", instruction: str = "Speak.", if_moderator: bool = False, **more: object
) -> TurnScript:
    values = {"who": who, "to": to, "instruction": instruction, "if_moderator": if_moderator, **more}
    return TurnScript.model_validate(values)


def rules(*turns: TurnScript, sides: str = "for against", repeat: int = 1, **stances: Stance) -> Format:
    names = tuple(sides.split())
    return Format(
        key="test",
        title="Test",
        sides=names,
        side_titles={side: side.title() for side in names},
        stances=stances or {"for": "for", "against": "against"},
        max_agents=6,
        phases=(PhaseScript(key="only", title="Only", repeat=repeat, turns=turns),),
    )


def speakers(scenario: Scenario) -> str:
    return " ".join(turn.speaker for turn in plan(scenario).turns)


@pytest.mark.parametrize("name", SHIPPED_FORMATS)
def test_the_rundown_of_each_format_is_the_one_on_file(name: str) -> None:
    assert tables(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("scenario", EVERY_SHOW)
def test_turns_are_numbered_through_and_phases_hold_them_all(scenario: Scenario) -> None:
    rundown = plan(scenario)

    assert [turn.index for turn in rundown.turns] == list(range(len(rundown.turns)))
    assert [index for phase in rundown.phases for index in phase.turns] == list(range(len(rundown.turns)))
    assert [phase.index for phase in rundown.phases] == list(range(len(rundown.phases)))
    for phase in rundown.phases:
        assert {rundown.turns[index].phase for index in phase.turns} == {phase.index}
    assert rundown.max_words == sum(turn.max_words for turn in rundown.turns)


@pytest.mark.parametrize("scenario", EVERY_SHOW)
def test_the_opener_is_never_told_to_rebut(scenario: Scenario) -> None:
    rundown = plan(scenario)
    stance = {agent.id: scenario.format.stances.get(agent.side or "", "neutral") for agent in scenario.agents}
    moderators = {agent.id for agent in scenario.agents if agent.moderator}
    heard: set[str] = set()

    for turn in rundown.turns:
        opponents = {
            other
            for other in heard - moderators - {turn.speaker}
            if turn.speaker in moderators or stance[other] == "neutral" or stance[other] != stance[turn.speaker]
        }
        assert turn.opens == (not opponents)
        if turn.opens and turn.speaker not in moderators:
            assert turn.kind not in RESPONDING
            assert not ASKS_FOR_AN_ANSWER.search(turn.instruction), turn.instruction
            assert not turn.addresses
        heard.add(turn.speaker)
    assert sum(turn.opens and turn.speaker not in moderators for turn in rundown.turns) >= 1


@pytest.mark.parametrize("scenario", EVERY_SHOW)
def test_everybody_speaks_and_nobody_twice_running(scenario: Scenario) -> None:
    rundown = plan(scenario)

    assert {turn.speaker for turn in rundown.turns} == {agent.id for agent in scenario.agents}
    for before, after in zip(rundown.turns, rundown.turns[1:], strict=False):
        assert before.speaker != after.speaker
        assert after.addresses != after.speaker


@pytest.mark.parametrize("scenario", EVERY_SHOW)
def test_a_moderator_begins_and_ends_the_show(scenario: Scenario) -> None:
    rundown = plan(scenario)
    moderated = scenario.agents[-1].moderator

    assert (rundown.turns[0].speaker == "mod") is moderated
    assert (rundown.turns[-1].speaker == "mod") is moderated
    if moderated:
        assert sum(turn.speaker == "mod" for turn in rundown.turns) >= 3
        assert all(turn.kind == "moderation" for turn in rundown.turns if turn.speaker == "mod")


@pytest.mark.parametrize("scenario", EVERY_SHOW)
def test_sides_get_the_same_number_of_words_within_a_fifth(scenario: Scenario) -> None:
    words: Counter[str] = Counter()
    for turn in plan(scenario).turns:
        if turn.stance != "neutral":
            words[turn.stance] += turn.max_words

    assert not words or max(words.values()) <= 1.2 * min(words.values())


@pytest.mark.parametrize("scenario", EVERY_SHOW)
def test_instructions_hold_no_placeholder_and_name_whom_they_address(scenario: Scenario) -> None:
    rundown = plan(scenario)

    for turn, after in zip(rundown.turns, [*rundown.turns[1:], None], strict=True):
        assert not re.search(r"[{}]", turn.instruction)
        if turn.speaker == "mod" and after is not None:
            name = next(agent.name for agent in scenario.agents if agent.id == after.speaker)
            assert name in turn.instruction


def test_a_team_takes_turns() -> None:
    scenario = company(rules(turn("for"), turn("against"), repeat=3), 5, moderated=False)

    assert speakers(scenario) == "ann bob cyd dee eli bob"


def test_a_numbered_speaker_wraps_round_in_a_smaller_team() -> None:
    scenario = company(rules(turn("for.1"), turn("for.2"), turn("for.3"), turn("against.2")), 3, moderated=False)

    assert speakers(scenario) == "ann cyd ann bob"


def test_each_goes_round_the_sides_and_each_side_takes_one_of_each() -> None:
    assert speakers(company(rules(turn("each")), 5, moderated=True)) == "ann bob cyd dee eli"
    assert speakers(company(rules(turn("each-side"), turn("each-side")), 5, moderated=True)) == "ann bob cyd dee"


def test_each_round_of_three_begins_with_another_speaker() -> None:
    scenario = company(rules(turn("each"), sides="", repeat=3), 3, moderated=False)

    assert speakers(scenario) == "ann bob cyd bob cyd ann cyd ann bob"


def test_two_speak_in_turn_however_often() -> None:
    assert speakers(company(rules(turn("each"), sides="", repeat=3), 2, moderated=False)) == "ann bob ann bob ann bob"


def test_a_turn_for_the_moderator_falls_away_where_there_is_none() -> None:
    format_ = rules(turn("moderator"), turn("for", if_moderator=True, to="moderator"), turn("against"))

    assert speakers(company(format_, 2, moderated=True)) == "mod ann bob"
    assert speakers(company(format_, 2, moderated=False)) == "bob"


def test_a_phase_of_which_nothing_is_left_is_not_in_the_rundown() -> None:
    format_ = rules(turn("for")).model_copy(
        update={
            "phases": (
                PhaseScript(key="hello", title="Hello", turns=(turn("moderator"),)),
                PhaseScript(key="talk", title="Talk", turns=(turn("for"),)),
            )
        }
    )

    rundown = plan(company(format_, 2, moderated=False))

    assert [(phase.index, phase.key, phase.turns) for phase in rundown.phases] == [(0, "talk", (0,))]
    assert rundown.turns[0].phase == 0


def test_a_turn_may_address_a_side_a_speaker_the_moderator_or_who_spoke_last() -> None:
    format_ = rules(
        turn("for", to="against"),
        turn("against", to="for.2"),
        turn("for", to="moderator"),
        turn("moderator", to="previous"),
        turn("for.2", to="previous"),
    )

    assert [turn.addresses for turn in plan(company(format_, 4, moderated=True)).turns] == [
        "bob",
        "cyd",
        "mod",
        "cyd",
        "bob",
    ]
    assert [turn.addresses for turn in plan(company(format_, 4, moderated=False)).turns] == ["bob", "cyd", "", "bob"]


def test_nobody_has_spoken_before_the_first_turn() -> None:
    assert plan(company(rules(turn("for", to="previous")), 2, moderated=False)).turns[0].addresses == ""


def test_placeholders_stand_for_names_and_sides() -> None:
    format_ = rules(turn("for", to="against", instruction="{side}: ask {to}, then {next}."), turn("against"))

    assert plan(company(format_, 2, moderated=False)).turns[0].instruction == "For: ask Bob, then Bob."


def test_a_placeholder_without_a_name_stays_as_it_is() -> None:
    format_ = rules(turn("each", instruction="{side} {to} {next} {other} {}"), sides="")

    assert plan(company(format_, 2, moderated=False)).turns[1].instruction == "{side} {to} {next} {other} {}"


def test_who_opens_gets_the_openers_instruction_and_kind() -> None:
    script = turn("each", kind="exchange", to="previous", instruction="Answer {to}.", opener_instruction="Begin.")

    first, second = plan(company(rules(script), 2, moderated=False)).turns

    assert (first.opens, first.kind, first.instruction) == (True, "opening", "Begin.")
    assert (second.opens, second.kind, second.instruction) == (False, "exchange", "Answer Ann.")


def test_an_openers_instruction_leaves_the_kind_of_a_speech() -> None:
    script = turn("each", kind="speech", opener_instruction="Begin.")

    assert plan(company(rules(script), 2, moderated=False)).turns[0].kind == "speech"


def test_an_ally_is_no_opponent_and_neutral_sides_are() -> None:
    allied = rules(turn("each"), sides="first ally foe", first="for", ally="for", foe="against")
    neutral = rules(turn("each"), sides="red blue", red="neutral", blue="neutral")

    assert [turn.opens for turn in plan(company(allied, 3, moderated=False)).turns] == [True, True, False]
    assert [turn.opens for turn in plan(company(neutral, 4, moderated=False)).turns] == [True, False, False, False]


def test_a_role_left_out_is_the_side_or_the_part_played() -> None:
    sided = plan(company(rules(turn("for"), turn("moderator")), 2, moderated=True)).turns
    loose = plan(company(rules(turn("each", role="Guest"), turn("each"), sides=""), 2, moderated=False)).turns

    assert [turn.role for turn in sided] == ["For", "Moderator"]
    assert [turn.role for turn in loose] == ["Guest", "Guest", "Speaker", "Speaker"]


WHO = st.sampled_from(["for", "against", "for.1", "for.2", "against.3", "each", "each-side", "moderator"])
TO = st.sampled_from(["", "for", "against", "for.2", "moderator", "previous"])


@given(
    turns=st.lists(
        st.builds(lambda who, to, only: turn(who, to=to, if_moderator=only), WHO, TO, st.booleans()), min_size=1
    ),
    repeat=st.integers(1, 4),
    debaters=st.integers(2, 6),
    moderated=st.booleans(),
)
def test_every_format_has_a_rundown_and_it_is_always_the_same(
    turns: list[TurnScript], repeat: int, debaters: int, moderated: bool
) -> None:
    scenario = company(rules(*turns, repeat=repeat), debaters, moderated=moderated)

    rundown = plan(scenario)

    assert rundown == plan(scenario)
    assert {turn.speaker for turn in rundown.turns} <= {agent.id for agent in scenario.agents}
    for phase in rundown.phases:
        assert phase.turns
