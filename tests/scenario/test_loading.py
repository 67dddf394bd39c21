import os
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from debate_caster.errors import ScenarioError
from debate_caster.scenario.loading import check, load_scenario
from debate_caster.scenario.rundown import plan
from tests.scenario.files import DUEL, found_in, short, write

WITH_SECRETS = DUEL + (
    "models:\n"
    "  cloud: {provider: openai, model: big, api_key: '${CLOUD_KEY}', price: {input_per_million: 0.15,"
    " output_per_million: 1}}\n"
    "targets: [{name: pulsar, url: 'wss://example.test/ws', token: '${PULSAR_TOKEN}'}]\n"
)


def test_a_scenario_is_read_with_everything_it_names(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Été à la mer.yaml",
        """
        motion: " The sea is better than the mountains. "
        format: duel
        language: fr
        agents:
          - {persona: mine, side: for, id: first, name: Marie}
          - {persona: {name: Zoë, style: short}, side: against, model: slow}
        moderator: vera
        model: fast
        models:
          slow: {words_per_s: 3}
          fast: {}
        pacing: {gap_s: 0, chars_per_second: 30}
        audience: {hints: false, filter: [spam]}
        budget: {max_minutes: null, max_cost: 0.5}
        compact_prompt_words: null
        """,
    )
    write(tmp_path, "personas/mine.yaml", "name: Mine\nstyle: long\nbeliefs: [one, two]\nvoice: {rate: 2}\n")

    scenario = load_scenario(path, env={})

    assert (scenario.key, scenario.path) == ("ete-a-la-mer", path)
    assert scenario.motion == scenario.title == "The sea is better than the mountains."
    assert scenario.language == "fr"
    assert [(agent.id, agent.name, agent.side, agent.model, agent.moderator) for agent in scenario.agents] == [
        ("first", "Marie", "for", "fast", False),
        ("zoe", "Zoë", "against", "slow", False),
        ("vera", "Vera Lindqvist", None, "fast", True),
    ]
    assert [agent.persona.key for agent in scenario.agents] == ["mine", "zoe", "vera"]
    assert scenario.agents[0].persona.beliefs == ("one", "two")
    assert scenario.agents[0].persona.voice.rate == 2
    assert {name: model.words_per_s for name, model in scenario.models.items()} == {"slow": 3, "fast": 12}
    assert (scenario.pacing.gap_s, scenario.pacing.chars_per_second, scenario.pacing.min_interval_s) == (0, 30, 2)
    assert (scenario.audience.hints, scenario.audience.filter) == (False, ("spam",))
    assert (scenario.budget.max_minutes, scenario.budget.max_cost) == (None, Decimal("0.5"))
    assert scenario.compact_prompt_words is None
    assert [turn.stance for turn in plan(scenario).turns if turn.kind == "opening"] == ["for", "against"]


def test_a_scenario_that_names_no_model_rehearses(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, "a.yaml", DUEL), env={})

    assert list(scenario.models) == ["rehearsal"]
    assert scenario.models["rehearsal"].provider == "rehearsal"
    assert {agent.model for agent in scenario.agents} == {"rehearsal"}
    assert scenario.title == scenario.motion
    assert scenario.budget.max_minutes == 60


def test_the_first_model_is_for_all_who_name_none(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", DUEL + "models: {one: {}, two: {}}\n")

    assert {agent.model for agent in load_scenario(path, env={}).agents} == {"one"}


def test_a_file_whose_name_has_no_latin_letter_still_has_a_key(tmp_path: Path) -> None:
    assert load_scenario(write(tmp_path, "王.yaml", DUEL), env={}).key == "scenario"


def test_secrets_come_from_the_environment_and_show_in_no_text(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", WITH_SECRETS)

    scenario = load_scenario(path, env={"CLOUD_KEY": "canary-1", "PULSAR_TOKEN": "canary-2"})

    cloud, target = scenario.models["cloud"], scenario.targets[0]
    assert cloud.api_key is not None
    assert cloud.api_key.get_secret_value() == "canary-1"
    assert target.token is not None
    assert target.token.get_secret_value() == "canary-2"
    assert cloud.price is not None
    assert cloud.price.input_per_million == Decimal("0.15")
    assert "canary" not in repr(scenario) + str(scenario) + scenario.model_dump_json()


def test_a_hooks_secret_comes_from_the_environment_too(tmp_path: Path) -> None:
    text = DUEL + "moderation: {words: [darn], hook: {url: 'https://h.example/x', secret: '${HOOK_SECRET}'}}"
    path = write(tmp_path, "a.yaml", text)

    moderation = load_scenario(path, env={"HOOK_SECRET": "canary-3"}).moderation

    assert (moderation.words, moderation.shipped_words, moderation.provider) == (("darn",), True, None)
    assert moderation.hook is not None
    assert moderation.hook.secret is not None
    assert moderation.hook.secret.get_secret_value() == "canary-3"
    assert "canary" not in repr(moderation)
    assert found_in(path, {}, secrets_required=True)[0].endswith("HOOK_SECRET is not set: set it to the secret")


def test_an_unset_variable_stops_a_show_and_no_check(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", WITH_SECRETS)
    complaints = [
        "7:50: models.cloud.api_key: the environment variable CLOUD_KEY is not set: set it to the secret",
        "8:63: targets[0].token: the environment variable PULSAR_TOKEN is not set: set it to the secret",
    ]

    with pytest.raises(ScenarioError) as caught:
        load_scenario(path, env={"CLOUD_KEY": ""})

    assert [short(problem) for problem in caught.value.problems] == complaints
    assert found_in(path) == []
    assert found_in(path, secrets_required=True) == complaints
    assert load_scenario(path, env={}, secrets_required=False).models["cloud"].api_key is None


@pytest.mark.parametrize("value", ["canary\n", " canary", "can ary", "canary\x00"])
def test_a_secret_with_spaces_or_line_breaks_is_refused_and_not_repeated(tmp_path: Path, value: str) -> None:
    path = write(tmp_path, "a.yaml", WITH_SECRETS)

    complaints = found_in(path, {"CLOUD_KEY": value})

    assert complaints == [
        "7:50: models.cloud.api_key: the environment variable CLOUD_KEY holds spaces or line breaks: "
        "set it to the secret alone"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "models: {a: {provider: openai, model: m, api_key: sk-canarycanarycanary1}}",
        "models: {a: {provider: openai, model: m, api_key: canary}}",
        "models: {a: {provider: openai, model: m, apikey: canary-value}}",
        "models: {a: {provider: openai, model: m, extra: {token: canary}}}",
        "models: {a: {provider: openai, model: m, base_url: 'http://me:canary@host/'}}",
        "targets: [{name: a, url: 'wss://host/?key=canary'}]",
        "targets: [{name: a, url: 'wss://host/', token: canary}]",
        "background: my key is sk-canarycanarycanary1",
        "sk-canarycanarycanary1: x",
    ],
)
def test_a_secret_in_a_file_is_refused_and_never_repeated(tmp_path: Path, line: str) -> None:
    complaints = found_in(write(tmp_path, "a.yaml", f"{DUEL}{line}\n"))

    assert complaints
    assert "canary" not in "\n".join(complaints)


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "../../etc/passwd",
        "/etc/passwd",
        "/proc/self/environ",
        "../../../../proc/self/environ",
        "..%2foutside",
        "personas/ada",
        "ada.yaml",
        "ada\\n",
        "a\\0b",
        "C:\\\\x",
        "https://example.test/ada",
        "file:///etc/passwd",
        "~root",
        "Ada",
        ".",
        "",
        "ada ",
        "\u0430da",  # begins with a Cyrillic letter
        "-ada",
        "a" * 64,
    ],
)
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    write(tmp_path, "outside.yaml", "name: hidden words\nstyle: s\n")
    write(tmp_path, "show/personas/other.yaml", "name: X\nstyle: s\n")
    for key in ("format", "persona"):
        text = DUEL.replace("duel", f'"{name}"') if key == "format" else DUEL.replace("ada", f'"{name}"')

        complaints = found_in(write(tmp_path / "show", "a.yaml", text))

        assert complaints
        assert "hidden" not in "\n".join(complaints)
        assert "root:" not in "\n".join(complaints)


def test_a_pipe_among_the_personas_is_refused_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", DUEL)
    (tmp_path / "personas").mkdir()
    os.mkfifo(tmp_path / "personas" / "ada.yaml")

    assert found_in(tmp_path) == ["it is not a plain file"]


def test_every_problem_of_every_file_comes_in_one_pass(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", DUEL + "titel: x\n")
    write(tmp_path, "b.yaml", "motion: [\n")
    write(tmp_path, "c.yaml", DUEL)
    write(tmp_path, ".hidden.yaml", "nonsense")
    write(tmp_path, "notes.txt", "nonsense")
    write(tmp_path, "personas/unused.yaml", "name: X\n")
    write(tmp_path, "personas/ada.yaml", "name: X\nstyle: s\ncolor: blue\n")
    write(tmp_path, "personas/Bad Name.yaml", "name: X\nstyle: s\n")
    write(tmp_path, "formats/unused.yaml", "title: X\nphases: []\n")
    write(tmp_path, "formats/bytes.yaml", "").write_bytes(b"title: \xff")

    problems = check([tmp_path], {})

    assert [f"{problem.path.relative_to(tmp_path)}:{short(problem)}" for problem in problems] == [
        "a.yaml:6:1: titel: unknown key 'titel': did you mean 'title'?",
        "b.yaml:2:1: not YAML: expected the node content, but found '<stream end>'",
        "formats/bytes.yaml:1:8: this byte is not UTF-8: save the file as UTF-8",
        "formats/unused.yaml:2:9: phases: at least 1 are needed, here are 0",
        "personas/Bad Name.yaml:name the file with small letters, digits and hyphens, and .yaml",
        "personas/ada.yaml:3:8: color: write a colour as '#rrggbb', in quotes",
        "personas/unused.yaml:1:1: style: this key is missing",
    ]


def test_loading_reports_the_problems_of_what_the_scenario_names(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", DUEL)
    write(tmp_path, "personas/ada.yaml", "name: X\n")

    with pytest.raises(ScenarioError) as caught:
        load_scenario(path, env={})

    assert str(caught.value) == f"{tmp_path}/personas/ada.yaml:1:1: style: this key is missing"


@pytest.mark.parametrize("word", ["swing", "single", "off", "'off'"])
def test_a_vote_is_one_of_three_words_and_off_needs_no_quotes(tmp_path: Path, word: str) -> None:
    path = write(tmp_path, "a.yaml", DUEL + f"audience: {{votes: {word}, vote_s: 45}}\n")

    audience = load_scenario(path, env={}).audience

    assert (audience.votes, audience.vote_s) == (word.strip("'"), 45)


def test_votes_are_off_unless_a_scenario_wants_them(tmp_path: Path) -> None:
    assert load_scenario(write(tmp_path, "a.yaml", DUEL), env={}).audience.votes == "off"


def test_a_folder_of_personas_or_formats_is_checked_as_such(tmp_path: Path) -> None:
    write(tmp_path, "personas/x.yaml", "name: X\n")
    write(tmp_path, "formats/x.yaml", "title: X\n")

    assert found_in(tmp_path / "personas") == ["1:1: style: this key is missing"]
    assert found_in(tmp_path / "personas" / "x.yaml") == ["1:1: style: this key is missing"]
    assert found_in(tmp_path / "formats" / "x.yaml") == ["1:1: phases: this key is missing"]


def test_paths_count_from_the_working_directory_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "personas/x.yaml", "name: X\n")
    monkeypatch.chdir(tmp_path / "personas")

    assert found_in(Path("x.yaml")) == ["1:1: style: this key is missing"]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    assert found_in(tmp_path) == ["no *.yaml file is in this folder"]
    assert found_in(tmp_path / "none.yaml") == ["there is no such file"]
    assert found_in(tmp_path / "personas" / "ada.yaml") == ["there is no such file"]


def test_a_linked_scenario_reads_the_folder_it_is_linked_into(tmp_path: Path) -> None:
    real = write(tmp_path, "store/a.yaml", DUEL)
    (tmp_path / "shows").mkdir()
    link = tmp_path / "shows" / "a.yaml"
    link.symlink_to(real)
    write(tmp_path, "shows/personas/ada.yaml", "name: Near\nstyle: s\n")

    assert load_scenario(link, env={}).agents[0].name == "Near"


def test_a_scenario_works_in_an_empty_folder(tmp_path: Path) -> None:
    shutil.copy("scenarios/demo.yaml", tmp_path / "demo.yaml")

    assert load_scenario(tmp_path / "demo.yaml", env={}).agents[-1].moderator


def test_a_name_leads_into_no_folder_below(tmp_path: Path) -> None:
    write(tmp_path, "personas/drafts/otis.yaml", "name: Otis\nstyle: dry\n")

    assert found_in(write(tmp_path, "a.yaml", DUEL.replace("ada", '"drafts/otis"')))
