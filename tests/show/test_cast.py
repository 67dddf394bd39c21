from debate_caster.scenario.script import Voice
from debate_caster.show.cast import cast_of
from tests.show.stage_props import make_scenario


def test_the_cast_tells_what_viewers_may_know_of_each_agent() -> None:
    ada, ben, mo = cast_of(make_scenario(moderator=True))

    assert (ada.id, ada.name, ada.side, ada.side_title, ada.stance, ada.model) == (
        "ada",
        "Ada",
        "for",
        "Proposition",
        "for",
        "m",
    )
    assert ben.stance == "against"
    assert (mo.moderator, mo.side, mo.side_title, mo.stance) == (True, None, "", "neutral")


def test_a_voice_tells_only_what_it_changes() -> None:
    scenario = make_scenario()
    ada, ben = scenario.agents
    persona = ada.persona.model_copy(update={"voice": Voice(lang="en-GB", pitch=1.2)})
    scenario = scenario.model_copy(update={"agents": (ada.model_copy(update={"persona": persona}), ben)})

    assert [agent.voice for agent in cast_of(scenario)] == [{"lang": "en-GB", "pitch": 1.2}, {}]
