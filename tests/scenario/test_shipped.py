"""What comes with the program: every scenario and persona is sound, and worth somebody's evening."""

from pathlib import Path

import pytest

from debate_caster.scenario.library import Library
from debate_caster.scenario.loading import check, load_scenario
from debate_caster.scenario.rundown import plan
from debate_caster.scenario.script import Persona, Scenario

FOLDER = Path(__file__).parents[2] / "scenarios"
SCENARIOS = {
    path.stem: load_scenario(path, env={"OPENAI_API_KEY": "made-up"}) for path in sorted(FOLDER.glob("*.yaml"))
}


def personas() -> dict[str, Persona]:
    library = Library(FOLDER)
    found = {path.stem: library.persona(path.stem) for path in library.own("personas")}
    return {key: loaded.value for key, loaded in found.items() if loaded is not None and loaded.value is not None}


def luminance(color: str) -> float:
    """Return the relative luminance of WCAG 2."""
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_nothing_shipped_has_a_problem() -> None:
    assert check([FOLDER], {}) == []


def test_there_is_enough_to_choose_from() -> None:
    assert len(SCENARIOS) >= 6
    assert len(personas()) >= 10
    assert {scenario.format.key for scenario in SCENARIOS.values()} == set(Library(FOLDER).names("formats"))
    assert any(scenario.language != "en" for scenario in SCENARIOS.values())
    assert any(model.provider == "openai" for show in SCENARIOS.values() for model in show.models.values())
    assert any(
        len(scenario.agents) == 4 and scenario.agents[-1].moderator and not scenario.format.sides
        for scenario in SCENARIOS.values()
    )


def test_only_one_scenario_needs_a_key() -> None:
    online = [key for key, show in SCENARIOS.items() if any(m.provider != "rehearsal" for m in show.models.values())]

    assert online == ["real-models"]


def test_the_demo_lasts_two_to_three_minutes() -> None:
    """Six characters a word, the space included, as in the speeches of the rehearsal model."""
    demo = SCENARIOS["demo"]
    rundown = plan(demo)

    seconds = rundown.max_words * 6 / demo.pacing.chars_per_second + len(rundown.turns) * demo.pacing.gap_s

    assert 120 <= seconds <= 190


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_every_show_ends_within_its_budget_of_time(scenario: Scenario) -> None:
    rundown = plan(scenario)
    seconds = rundown.max_words * 7 / scenario.pacing.chars_per_second + len(rundown.turns) * scenario.pacing.gap_s

    assert scenario.budget.max_minutes is not None
    assert seconds < scenario.budget.max_minutes * 60


@pytest.mark.parametrize("persona", personas().values(), ids=list(personas()))
def test_a_persona_has_character_and_is_told_apart(persona: Persona) -> None:
    assert len(persona.style.split()) >= 15
    assert len(persona.manner.split()) >= 10
    assert len(persona.beliefs) >= 2
    assert all(belief.endswith((".", "?", "!")) for belief in persona.beliefs)
    assert persona.voice.lang
    assert contrast(persona.color, "#ffffff") >= 4
    assert contrast(persona.color, "#111318") >= 4


def test_no_two_personas_share_name_face_or_colour() -> None:
    cast = list(personas().values())

    for attribute in ("name", "emoji", "color", "style"):
        assert len({getattr(persona, attribute) for persona in cast}) == len(cast)


def test_nobody_argues_in_a_language_that_is_not_the_shows() -> None:
    for scenario in SCENARIOS.values():
        assert {agent.persona.voice.lang.partition("-")[0] for agent in scenario.agents} == {scenario.language}
