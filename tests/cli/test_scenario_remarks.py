from pathlib import Path

import pytest

from debate_caster.cli.scenario_remarks import remarks_on
from debate_caster.scenario import load_scenario

SCENARIO = """\
motion: This house would plant more trees
language: {language}
format: duel
agents:
  - {{persona: wren, side: for, model: {model}}}
  - {{persona: otis, side: against, model: {model}}}
models:
  ours: {{provider: rehearsal}}
  theirs: {{provider: openai, model: x, base_url: "http://127.0.0.1:9/v1"}}
"""


@pytest.mark.parametrize(
    ("language", "model", "said"),
    [
        ("de-AT", "ours", False),
        ("ja", "ours", True),
        ("ja", "theirs", False),
    ],
)
def test_who_hears_another_language_than_the_shows_is_told(
    tmp_path: Path, language: str, model: str, said: bool
) -> None:
    path = tmp_path / "trees.yaml"
    path.write_text(SCENARIO.format(language=language, model=model))
    scenario = load_scenario(path, env={})

    assert any("English" in remark for remark in remarks_on(scenario)) is said


def test_a_rehearsal_has_no_other_model(tmp_path: Path) -> None:
    path = tmp_path / "trees.yaml"
    path.write_text(SCENARIO.format(language="ja", model="theirs"))

    (remark,) = remarks_on(load_scenario(path, env={}), everybody_rehearses=True)

    assert "'ja'" in remark
