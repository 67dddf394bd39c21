from pathlib import Path
from textwrap import indent

import pytest

from debate_caster.scenario.rulebook import MAX_TURNS, read_format
from debate_caster.scenario.yaml_source import compose
from tests.scenario.companies import SHIPPED_FORMATS, shipped_format
from tests.scenario.files import short

SIDES = "sides: {for: {title: Pro, stance: for}, against: {title: Contra, stance: against}}"
BOTH = """
- {who: for, kind: opening, instruction: Open.}
- {who: against, kind: rebuttal, instruction: Answer.}
"""


def a_format(turns: str = BOTH, *, head: str = SIDES, phase: str = "") -> str:
    """Return the text of a format with one phase; its turns begin on line 7."""
    lines = f"title: Mine\n{head}\nphases:\n  - key: only\n    title: Only\n    {phase or 'repeat: 1'}\n    turns:\n"
    return lines + indent(turns.strip("\n"), "      ") + "\n"


def problems(text: str) -> list[str]:
    document = compose(Path("mine.yaml"), text)
    rules = read_format(document, "mine")
    assert (rules is None) == bool(document.problems)
    return [short(problem) for problem in document.problems]


def test_a_format_is_read_with_its_defaults_filled_in() -> None:
    document = compose(
        Path("mine.yaml"), a_format(head=f"{SIDES}\nmoderator: none\ndescription: '  short '\nrules: |\n  Be kind.")
    )
    rules = read_format(document, "mine")

    assert rules is not None
    assert (rules.key, rules.title, rules.description, rules.rules) == ("mine", "Mine", "short", "Be kind.")
    assert rules.sides == ("for", "against")
    assert rules.side_titles == {"for": "Pro", "against": "Contra"}
    assert rules.stances == {"for": "for", "against": "against"}
    assert (rules.min_agents, rules.max_agents, rules.moderator) == (2, 2, "none")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            a_format(head="sides: {for: {title: Pro, stance: for}, each: {title: C, stance: against}}"),
            [
                "2:47: sides.each: 'each' means something else here: choose another name",
                "9:15: phases[0].turns[1].who: nobody is called 'against': "
                "choose from for, each, for.1, each.1, moderator, each, each-side",
            ],
        ),
        (
            a_format("- {who: for, instruction: x}", head="sides: {for: {title: Pro, stance: for}}"),
            ["2:8: sides: one side alone has nobody to argue with: write two or more, or none"],
        ),
        (
            a_format("- {who: each, instruction: x}", head="agents_per_side: 1"),
            ["2:18: agents_per_side: this needs 'sides'"],
        ),
        (
            a_format(head=f"{SIDES}\nagents_per_side: 2\nmax_agents: 3"),
            ["4:13: max_agents: 2 sides of 2 make 4 agents: remove this key"],
        ),
        (
            a_format(
                "- {who: each, instruction: x}",
                head="agents_per_side: 6\nsides: {a: {title: A, stance: for}, b: {title: B, stance: against}, "
                "c: {title: C, stance: neutral}}",
            ),
            ["2:18: agents_per_side: 3 sides of 6 make 18 agents, and 12 are the most"],
        ),
        (
            a_format("- {who: each, instruction: x}", head="min_agents: 4\nmax_agents: 3"),
            ["3:13: max_agents: must be 4 or more, as every side needs somebody"],
        ),
        (
            a_format("- {who: fro, instruction: x}"),
            ["8:15: phases[0].turns[0].who: nobody is called 'fro': did you mean 'for'?"],
        ),
        (
            a_format("- {who: for, to: agianst, instruction: x}"),
            ["8:24: phases[0].turns[0].to: nobody is called 'agianst': did you mean 'against'?"],
        ),
        (
            a_format("- {who: for.2, instruction: x}\n- {who: for.x, instruction: x}\n- {who: for., instruction: x}"),
            [
                "8:15: phases[0].turns[0].who: a side has speakers 1 to 1: write for.1 or the like",
                "9:15: phases[0].turns[1].who: a side has speakers 1 to 1: write for.1 or the like",
                "10:15: phases[0].turns[2].who: a side has speakers 1 to 1: write for.1 or the like",
            ],
        ),
        (
            a_format("- {who: each-side, instruction: x}", head="max_agents: 3"),
            ["8:15: phases[0].turns[0].who: this format has no sides: write 'each'"],
        ),
        (
            a_format(f"{BOTH}- {{who: moderator, instruction: x}}", head=f"{SIDES}\nmoderator: none"),
            [
                "11:15: phases[0].turns[2].who: this format has no moderator: "
                "change 'moderator', or name somebody else",
            ],
        ),
        (
            a_format('- {who: for, instruction: "Hi {nxt}"}'),
            ["8:33: phases[0].turns[0].instruction: nothing stands for {nxt} here: there are {next}, {to}, {side}"],
        ),
        (
            a_format() + "  - {key: only, title: Again, turns: [{who: for, instruction: x}]}\n",
            ["10:11: phases[1].key: phase 1 has this key already: choose another"],
        ),
    ],
)
def test_a_format_that_does_not_fit_together_is_refused(text: str, complaint: list[str]) -> None:
    assert problems(text) == complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            a_format("- {who: for, kind: rebuttal, instruction: x}\n- {who: against, instruction: x}"),
            "8:26: phases[0].turns[0].kind: no opponent has spoken before: make it an opening, or write an "
            "'opener_instruction' (with 2 debaters and no moderator)",
        ),
        (
            a_format("- {who: each, kind: opening, to: for, instruction: x}"),
            "8:40: phases[0].turns[0].to: here somebody addresses themselves (with 2 debaters and no moderator)",
        ),
        (
            a_format("- {who: for, instruction: x}"),
            "4:3: phases: with 2 debaters and no moderator, somebody never speaks: write a turn for each",
        ),
        (
            a_format(BOTH, head=f"{SIDES}\nmoderator: required"),
            "5:3: phases: the moderator never speaks: write turns for one, or 'moderator: none'",
        ),
        (
            a_format("- {who: each, instruction: 'Go on, {next}'}", head="max_agents: 2"),
            "8:34: phases[0].turns[0].instruction: {next} stands for nothing: nobody speaks after this turn "
            "(with 2 debaters and no moderator)",
        ),
        (
            a_format(
                "- {who: each, to: previous, instruction: x, opener_instruction: 'As {to} said'}", head="max_agents: 2"
            ),
            "8:71: phases[0].turns[0].opener_instruction: {to} stands for nothing: this turn addresses nobody "
            "(with 2 debaters and no moderator)",
        ),
        (
            a_format("- {who: each, instruction: 'For {side}'}", head="max_agents: 2"),
            "8:34: phases[0].turns[0].instruction: {side} stands for nothing: the speaker has no side "
            "(with 2 debaters and no moderator)",
        ),
    ],
)
def test_a_format_that_can_not_be_played_is_refused(text: str, complaint: str) -> None:
    assert complaint in problems(text)


def test_a_show_has_a_greatest_length() -> None:
    turns = "- {who: each, instruction: x}\n" * 11

    assert problems(a_format(turns, head="min_agents: 12\nmax_agents: 12\nmoderator: none", phase="repeat: 8")) == [
        f"6:3: phases: this makes 1056 turns, and {MAX_TURNS} are the most"
    ]


def test_a_turns_fault_is_told_once_however_many_casts_show_it() -> None:
    text = a_format("- {who: each, kind: exchange, instruction: x}", head="max_agents: 12\nmoderator: none")

    assert problems(text) == [
        "9:27: phases[0].turns[0].kind: no opponent has spoken before: make it an opening, or write an "
        "'opener_instruction' (with 2 debaters and no moderator)"
    ]


def test_an_openers_instruction_makes_an_exchange_of_all_playable() -> None:
    text = a_format(
        "- {who: each, kind: exchange, instruction: x, opener_instruction: z}", head="max_agents: 12\nmoderator: none"
    )

    assert problems(text) == []


@pytest.mark.parametrize("name", SHIPPED_FORMATS)
def test_the_shipped_formats_are_playable_and_say_what_they_are(name: str) -> None:
    rules = shipped_format(name)

    assert rules.key == name
    assert rules.description
    assert len(rules.rules.split()) >= 25
    assert rules.moderator == "optional"
