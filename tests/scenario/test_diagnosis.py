from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from debate_caster.scenario.diagnosis import nearest, validate
from debate_caster.scenario.manuscript import FormatFile, PersonaFile, ScenarioFile
from debate_caster.scenario.yaml_source import compose
from tests.effort import calls_in
from tests.scenario.files import short

SOUND = "motion: M\nformat: duel\nagents: [ada, otis]\n"


def problems(text: str, model: type[ScenarioFile | PersonaFile | FormatFile] = ScenarioFile) -> list[str]:
    document = compose(Path("file.yaml"), text)
    value = validate(document, model)
    assert (value is None) == bool(document.problems)
    return [short(problem) for problem in document.problems]


def test_a_sound_file_becomes_its_values() -> None:
    document = compose(Path("file.yaml"), SOUND)

    value = validate(document, ScenarioFile)

    assert value is not None
    assert value.agents == ("ada", "otis")


def test_a_file_without_a_tree_gives_nothing_more_to_report() -> None:
    document = compose(Path("file.yaml"), "")

    assert validate(document, ScenarioFile) is None
    assert len(document.problems) == 1


@pytest.mark.parametrize(
    ("text", "complaint"), [("- a\n", "1:1: the file must hold 'key: value' lines"), ("!x [a]", None)]
)
def test_a_file_must_be_a_mapping(text: str, complaint: str | None) -> None:
    assert problems(text) == ([complaint] if complaint else ["1:1: tags ('!x') are not taken: remove it"])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("titel: x", "4:1: titel: unknown key 'titel': did you mean 'title'?"),
        ("title:", "4:7: title: no value stands here: write one, or remove the key"),
        ("title: null", "4:8: title: no value stands here: write one, or remove the key"),
        (
            "title: #fff",
            "4:7: title: no value stands here: write one, or remove the key; "
            "a value that begins with '#' must be quoted",
        ),
        ("title: 1984", "4:8: title: text is wanted: put it in quotes"),
        ("title: true", "4:8: title: text is wanted: put it in quotes"),
        ("title: [a]", "4:8: title: text is wanted: put it in quotes"),
        ('title: ""', "4:8: title: write some text, on one line"),
        ('title: "a\\nb"', "4:8: title: write some text, on one line"),
        (f"title: {'a' * 121}", "4:8: title: longer than 120 characters"),
        (
            "title: costs ${HOME}",
            "4:8: title: ${…} is filled in only in an api_key, token or secret: write the text out",
        ),
        ("language: klingon!", "4:11: language: write a language tag such as en or pt-BR"),
        ("moderator: 7", "4:12: moderator: a persona's name is wanted, or lines of 'key: value'"),
        (
            "moderator: ../x",
            "4:12: moderator: name a persona as its file in personas/ is called, without folders and without '.yaml'",
        ),
        (
            "models: {Big One: {}}",
            "4:10: models.Big One: a name has small letters, digits and hyphens, at most 63, "
            "and begins with a letter or digit",
        ),
        ("models: {}", "4:9: models: at least 1 are needed, here are 0"),
        ("models: [a]", "4:9: models: lines of 'key: value' are wanted"),
        ("models: {a: {provder: x}}", "4:14: models.a.provder: unknown key 'provder': did you mean 'provider'?"),
        ("models: {a: {provider: x}}", "4:24: models.a.provider: choose from 'rehearsal' or 'openai'"),
        ("models: {a: {temperature: 3}}", "4:27: models.a.temperature: must be 2 or less"),
        ("models: {a: {top_p: 0}}", "4:21: models.a.top_p: must be more than 0"),
        ("models: {a: {seed: 1.5}}", "4:20: models.a.seed: a whole number is wanted"),
        (
            "models: {a: {api_key: hunter2}}",
            "4:23: models.a.api_key: a secret never stands in a file: write ${NAME}, and set NAME in the environment",
        ),
        (
            'models: {a: {api_key: "Bearer ${KEY}"}}',
            "4:23: models.a.api_key: a secret never stands in a file: write ${NAME}, and set NAME in the environment",
        ),
        (
            "models: {a: {base_url: 'https://me:pw@host/v1'}}",
            "4:24: models.a.base_url: write an address such as http://localhost:11434/v1, "
            "without user name, '?' or '#'",
        ),
        (
            "models: {a: {extra: {headers: {Authorization: abc}}}}",
            "4:47: models.a.extra.headers.Authorization: a secret never stands in a file: "
            "only api_key takes one, as ${NAME}",
        ),
        (
            "models: {a: {price: {input_per_million: 1}}}",
            "4:21: models.a.price.output_per_million: this key is missing",
        ),
        (
            "models: {a: {price: {input_per_million: cheap, output_per_million: 1}}}",
            "4:41: models.a.price.input_per_million: a number is wanted",
        ),
        ("pacing: {gap_s: -1}", "4:17: pacing.gap_s: must be 0 or more"),
        (
            "pacing: {gap_s: 10_0}",
            "4:17: pacing.gap_s: '10_0' is a number to some readers of YAML: write \"10_0\" if it is text",
        ),
        ("pacing: {gap_s: fast}", "4:17: pacing.gap_s: a number is wanted"),
        ("pacing: {lead_min_s: 9}", "4:9: pacing: lead_min_s (9) must not be above lead_max_s (4)"),
        ("pacing: {read_ahead: 1}", "4:22: pacing.read_ahead: true or false is wanted"),
        (
            "audience: {polls: swing}",
            "4:12: audience.polls: unknown key 'polls': choose from hints, max_hints_per_turn, max_hint_chars, "
            "hint_interval_s, approval, hint_lifetime_turns, filter, air_thoughts, votes, vote_s",
        ),
        ("audience: {votes: swung}", "4:19: audience.votes: choose from 'swing', 'single' or 'off'"),
        ("audience: {votes: 1}", "4:19: audience.votes: choose from 'swing', 'single' or 'off'"),
        ("audience: {vote_s: 1}", "4:20: audience.vote_s: must be 5 or more"),
        ("audience: {filter: [a, '']}", "4:24: audience.filter[1]: no text stands here"),
        ("audience: {filter: a}", "4:20: audience.filter: a list is wanted: lines that begin with '- '"),
        (
            "targets: [{name: a, url: 'http://x'}]",
            "4:26: targets[0].url: write an address such as wss://host/path, without user name, '?' or '#'",
        ),
        (
            "targets: [{name: a, url: 'wss://x/?token=abc'}]",
            "4:26: targets[0].url: write an address such as wss://host/path, without user name, '?' or '#'",
        ),
        ("targets: [{nmae: a}]", "4:12: targets[0].nmae: unknown key 'nmae': did you mean 'name'?"),
        ("budget: {max_tokens: 0}", "4:22: budget.max_tokens: must be more than 0"),
        ("background: &x text", "4:13: background: anchors (&x) are not taken: write values out where they are used"),
    ],
)
def test_each_mistake_has_its_place_and_its_cure(line: str, complaint: str) -> None:
    assert complaint in problems(SOUND + line + "\n")


@pytest.mark.parametrize("line", ["titel: x", "title: 1984", "models: {a: {temperature: 3}}", "models: {}", "title:"])
def test_one_mistake_is_told_once(line: str) -> None:
    assert len(problems(SOUND + line + "\n")) == 1


def test_what_is_missing_is_told_at_the_mapping_that_lacks_it() -> None:
    assert problems("# a comment\ntitle: x\nagents: [{side: for}, otis]\n") == [
        "2:1: format: this key is missing",
        "3:10: agents[0].persona: this key is missing",
    ]


def test_a_null_lifts_a_limit_and_stands_in_extra() -> None:
    assert (
        problems(
            f"{SOUND}budget: {{max_minutes: null}}\ncompact_prompt_words: ~\nmodels: {{a: {{extra: {{stop: null}}}}}}\n"
        )
        == []
    )


def test_enough_agents_with_a_mistake_each_are_not_called_too_few() -> None:
    assert problems("motion: M\nformat: duel\nagents: [{persona: ada, sied: for}, {persona: otis, sied: for}]\n") == [
        "3:25: agents[0].sied: unknown key 'sied': did you mean 'side'?",
        "3:53: agents[1].sied: unknown key 'sied': did you mean 'side'?",
    ]
    assert problems("motion: M\nformat: duel\nagents: [ada]\n") == ["3:9: agents: at least 2 are needed, here are 1"]
    assert problems(f"motion: M\nformat: duel\nagents: [{', '.join(['ada'] * 13)}]\n") == [
        "3:9: agents: at most 12 are taken"
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("color: red", "3:8: color: write a colour as '#rrggbb', in quotes"),
        ("emoji: ab", "3:8: emoji: an emoji is one character as people see them"),
        ('emoji: " "', "3:8: emoji: an emoji is one character as people see them"),
        ("beliefs: [a, 7]", "3:14: beliefs[1]: text is wanted: put it in quotes"),
        ("voice: {pitsch: 1}", "3:9: voice.pitsch: unknown key 'pitsch': did you mean 'pitch'?"),
    ],
)
def test_a_persona_is_checked_the_same_way(line: str, complaint: str) -> None:
    assert problems(f"name: X\nstyle: s\n{line}\n", PersonaFile) == [complaint]


@pytest.mark.parametrize("emoji", ["🤖", "⚖️", "👩‍🚀", "🇪🇺", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "王", "👍🏽"])
def test_an_emoji_is_one_character_as_people_see_them(emoji: str) -> None:
    assert problems(f"name: X\nstyle: s\nemoji: {emoji}\n", PersonaFile) == []


def test_a_key_within_a_format_is_suggested_from_its_own_place() -> None:
    text = "title: T\nphases: [{key: a, title: A, turns: [{whom: each, instruction: x}]}]\n"

    assert problems(text, FormatFile) == [
        "2:37: phases[0].turns[0].who: this key is missing",
        "2:38: phases[0].turns[0].whom: unknown key 'whom': did you mean 'who'?",
    ]


def test_a_rule_without_words_of_our_own_speaks_for_itself() -> None:
    class Even(BaseModel):
        number: int = Field(multiple_of=2)

    document = compose(Path("file.yaml"), "number: 3\n")

    assert validate(document, Even) is None
    assert [short(problem) for problem in document.problems] == ["1:9: number: Input should be a multiple of 2"]


def test_suggestions_name_the_nearest_or_all_there_are() -> None:
    assert nearest("sied", ["side", "model"]) == "did you mean 'side'?"
    assert nearest("zzz", ["side", "model"]) == "choose from side, model"
    assert nearest("zzz", [], what="model") == "there is no model to choose from"
    assert nearest("zzz", []) == "there is nothing to choose from"
    assert nearest("q", [f"key-{n}" for n in range(30)]).endswith("key-19, …")


def test_no_name_is_slow_to_suggest_another_for() -> None:
    signs = "".join(map(chr, range(0x4E00, 0x4E00 + 101)))
    suggestion, calls = calls_in(lambda: nearest(signs * 40, [signs[::-1] * 40]))

    assert suggestion == f"choose from {signs[:0:-1]}"
    assert calls < 100_000, "16,000 were counted; seven million, where every sign is compared with every other"
