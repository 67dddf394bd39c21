"""``announce``: what ``check`` says of addresses, secrets and kinds, and what a scenario holds that was loaded."""

from pathlib import Path

import pytest

from debate_caster.errors import ScenarioError
from debate_caster.scenario import load_scenario
from tests.scenario.files import DUEL, found_in, write

PUBLIC = "https://h.example/x"


def plan(folder: Path, entry: str) -> Path:
    return write(folder, "friday.yaml", DUEL + f"announce:\n  - {{{entry}}}\n")


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (f"url: '{PUBLIC}?wait=true', on: [live, ended], secret: '${{KEY}}'", []),
        ("url: 'http://127.0.0.1:9/x'", []),
        ("url: 'http://10.0.0.1/x', allow_private: true", []),
        ("url: '${HOOK}', format: slack", []),
        ("format: json", ["7:5: announce[0].url: this key is missing"]),
        (f"url: '{PUBLIC}', on: [live, over]", ["announce[0].on[1]: choose from 'scheduled', 'starting_soon', 'live'"]),
        (f"url: '{PUBLIC}', on: [live, live]", ["7:45: announce[0].on[1]: live stands here already: remove one"]),
        (f"url: '{PUBLIC}', on: []", ["announce[0].on: at least 1 are needed"]),
        (f"url: '{PUBLIC}', format: teams", ["announce[0].format: choose from 'json', 'discord' or 'slack'"]),
        (f"url: '{PUBLIC}', before_s: 5", ["announce[0].before_s: must be 30 or more"]),
        (f"url: '{PUBLIC}', befor_s: 50", ["announce[0].befor_s: unknown key 'befor_s': did you mean 'before_s'?"]),
        ("url: ftp://h.example/x", ["announce[0].url: write ${NAME}, or an address such as https://host/path"]),
        ("url: 'https://me:canary@h.example/x'", ["announce[0].url: write ${NAME}, or an address"]),
        ("url: 'http://10.0.0.1/x'", ["announce[0].url: 10.0.0.1 is not a public address. Say `allow_private: true`"]),
        (
            "url: 'https://discord.com/api/webhooks/1/canary', format: discord",
            ["who knows this address may post there"],
        ),
        ("url: 'https://hooks.slack.com/services/T/B/canary'", ["who knows this address may post there"]),
        (f"url: '{PUBLIC}', secret: canary", ["announce[0].secret: a secret never stands in a file"]),
        ("url: '${HOOK}', format: discord, secret: '${KEY}'", ["announce[0].secret: a discord message is not signed"]),
    ],
)
def test_every_mistake_is_named_at_its_place(entry: str, found: list[str], tmp_path: Path) -> None:
    problems = found_in(plan(tmp_path, entry))

    assert len(problems) == len(found), problems
    assert all(wanted in problem for wanted, problem in zip(found, problems, strict=True)), problems
    assert "canary" not in str(problems)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("https://discord.com/api/webhooks/1/canary", ""),
        ("http://127.0.0.1:9/canary", ""),
        ("http://h.example/canary", "with http:// everybody on the way could read this address, which is a secret"),
        ("http://10.0.0.1/canary", "with http:// everybody on the way"),
        ("https://10.0.0.1/canary", "10.0.0.1 is not a public address"),
        ("canary", "the environment variable HOOK holds no http:// or https:// address"),
        ("https://[canary", "the environment variable HOOK holds no http:// or https:// address"),
        ("can ary", "the environment variable HOOK holds spaces or line breaks"),
    ],
)
def test_an_address_of_the_environment_is_looked_at_and_never_repeated(value: str, found: str, tmp_path: Path) -> None:
    problems = found_in(plan(tmp_path, "url: '${HOOK}'"), {"HOOK": value})

    assert len(problems) == bool(found), problems
    assert all(found in problem for problem in problems), problems
    assert "canary" not in str(problems)


def test_what_is_not_set_is_a_problem_only_where_it_is_needed(tmp_path: Path) -> None:
    path = plan(tmp_path, "url: '${HOOK}', secret: '${KEY}'")

    assert load_scenario(path, env={}, secrets_required=False).announce[0].url is None
    with pytest.raises(ScenarioError, match="HOOK is not set") as caught:
        load_scenario(path, env={"KEY": "k"})
    assert len(caught.value.problems) == 1


def test_a_loaded_scenario_holds_addresses_and_secrets_out_of_sight(tmp_path: Path) -> None:
    path = plan(tmp_path, "url: '${HOOK}', secret: '${KEY}', before_s: 60, on: [scheduled]")
    scenario = load_scenario(path, env={"HOOK": "https://h.example/canary", "KEY": "canary"})
    [script] = scenario.announce

    assert script.url is not None
    assert script.secret is not None
    assert (script.url.get_secret_value(), script.secret.get_secret_value()) == ("https://h.example/canary", "canary")
    assert (script.on, script.before_s, script.format) == (("scheduled",), 60, "json")
    assert "canary" not in repr(scenario) + str(scenario.model_dump())


def test_on_is_a_key_and_still_no_value(tmp_path: Path) -> None:
    [problem] = found_in(write(tmp_path, "friday.yaml", DUEL + "title: on\n"))

    assert "is true or false to some readers of YAML" in problem
