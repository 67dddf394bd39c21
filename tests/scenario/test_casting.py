import time
from pathlib import Path

import pytest

from debate_caster.scenario.casting import slug
from tests.scenario.files import found_in, write

OPEN_IT = "Say `allow_private: true` for it in the scenario if it is meant to be there."
PAIR = "agents: [{persona: ada, side: for}, {persona: otis, side: against}]"


def scenario(folder: Path, *lines: str) -> list[str]:
    """Return the problems of a scenario whose first line is its motion."""
    return found_in(write(folder, "show.yaml", "\n".join(["motion: Tea beats coffee.", *lines])))


@pytest.mark.parametrize(
    ("lines", "complaints"),
    [
        (
            ("format: duell", PAIR),
            ["2:9: format: there is no format 'duell': did you mean 'duel'? (or write formats/duell.yaml)"],
        ),
        (
            ("format: duel", "agents: [{persona: adda, side: for}, {persona: otis, side: against}]"),
            ["3:20: agents[0].persona: there is no persona 'adda': did you mean 'ada'? (or write personas/adda.yaml)"],
        ),
        (
            ("format: duel", "agents: [{persona: ada, side: for}, {persona: otis, side: agianst}]"),
            ["3:59: agents[1].side: format duel has no side 'agianst': did you mean 'against'?"],
        ),
        (
            ("format: duel", "agents: [{persona: ada, side: for}, otis]"),
            ["3:37: agents[1]: format duel has sides: write 'side:' with one of for, against"],
        ),
        (
            ("format: oxford", "agents: [{persona: ada, side: for}, {persona: otis, side: for}]"),
            ["3:9: agents: nobody argues the side 'against' (Opposition): give an agent 'side: against'"],
        ),
        (
            ("format: duel", f"{PAIR[:-1]}, {{persona: wren, side: for}}]"),
            ["3:9: agents: the side 'for' (For) takes 1 agent, here are 2"],
        ),
        (
            (
                "format: public-forum",
                "agents: [{persona: ada, side: pro}, {persona: wren, side: pro}, {persona: juno, side: pro}, "
                "{persona: otis, side: con}]",
            ),
            ["3:9: agents: the side 'pro' (Pro) takes 1 to 2 agents, here are 3"],
        ),
        (
            ("format: roundtable", "agents: [ada, otis]"),
            ["3:9: agents: format roundtable takes 3 to 6 agents, here are 2"],
        ),
        (
            ("format: roundtable", "agents: [ada, otis, {persona: wren, side: for}]"),
            ["3:43: agents[2].side: format roundtable has no sides: remove this key"],
        ),
        (
            ("format: roundtable", "agents: [ada, otis, wren]", "audience: {votes: swing}"),
            ["4:19: audience.votes: format roundtable has no sides to vote for: write off, or remove this key"],
        ),
        (
            ("format: duel", PAIR, "moderator: {persona: vera, side: for}"),
            ["4:34: moderator.side: a moderator takes no side: remove this key"],
        ),
        (
            ("format: roundtable", "agents: [ada, otis, ada]"),
            [
                "3:21: agents[2]: 'Ada Brandt' is in the show already: give this agent a 'name'",
                "3:21: agents[2]: the id 'ada' is taken already: give this agent an 'id' of its own",
            ],
        ),
        (
            ("format: roundtable", "agents: [ada, otis, {persona: wren, id: ada, name: otis bell}]"),
            [
                "3:41: agents[2].id: the id 'ada' is taken already: give this agent an 'id' of its own",
                "3:52: agents[2].name: 'otis bell' is in the show already: give this agent a 'name'",
            ],
        ),
        (
            (
                "format: duel",
                "agents: [{persona: ada, side: for, id: against}, {persona: otis, side: against, id: moderator}]",
            ),
            [
                "3:40: agents[0].id: the id 'against' means something else here: give this agent another 'id'",
                "3:85: agents[1].id: the id 'moderator' means something else here: give this agent another 'id'",
            ],
        ),
        (
            ("format: duel", PAIR, "model: big"),
            ["4:8: model: there is no model 'big': write it under 'models'"],
        ),
        (
            (
                "format: duel",
                "agents: [{persona: ada, side: for, model: smrt}, {persona: otis, side: against}]",
                "models: {smart: {}}",
            ),
            ["3:43: agents[0].model: there is no model 'smrt': did you mean 'smart'?"],
        ),
        (
            ("format: duel", PAIR, "models: {big: {provider: openai}}"),
            ["4:15: models.big: provider openai needs 'model': the model's name at the server"],
        ),
        (
            ("format: duel", PAIR, "models: {big: {fallback: smal}, small: {}}"),
            ["4:26: models.big.fallback: there is no model 'smal': did you mean 'small'?"],
        ),
        (
            ("format: duel", PAIR, "models: {big: {fallback: big}}"),
            ["4:26: models.big.fallback: these models only stand in for each other: big → big"],
        ),
        (
            ("format: duel", PAIR, "models: {a: {fallback: b}, b: {fallback: c}, c: {fallback: a}}"),
            ["4:60: models.c.fallback: these models only stand in for each other: c → a → b → c"],
        ),
        (
            (
                "format: duel",
                PAIR,
                "models: {a: {fallback: b}, b: {provider: openai, model: m}, c: {provider: openai, model: m}}",
                "budget: {max_cost: 1}",
            ),
            ["4:31: models.b: budget.max_cost is set, so this model needs a 'price'"],
        ),
        (
            ("format: duel", PAIR, "models: {guard: {provider: openai, model: m}}", "moderation: {provider: gard}"),
            ["5:24: moderation.provider: there is no model 'gard': did you mean 'guard'?"],
        ),
        (
            ("format: duel", PAIR, "moderation: {provider: guard}"),
            ["4:24: moderation.provider: there is no model 'guard': write it under 'models'"],
        ),
        (
            ("format: duel", PAIR, "models: {guard: {}}", "moderation: {provider: guard}"),
            ["5:24: moderation.provider: model 'guard' has no server to ask: name one of provider openai"],
        ),
        (
            ("format: duel", PAIR, "models: {big: {temperature: 1}}"),
            ["4:16: models.big.temperature: only provider openai has this: write 'provider: openai' as well"],
        ),
        (
            ("format: duel", PAIR, "models: {big: {provider: openai, model: m, words_per_s: 3}}"),
            ["4:44: models.big.words_per_s: only provider rehearsal has this: remove it"],
        ),
        (
            ("format: duel", PAIR, "models: {big: {provider: openai, model: m}}", "budget: {max_cost: 1}"),
            ["4:15: models.big: budget.max_cost is set, so this model needs a 'price'"],
        ),
        (
            ("format: duel", PAIR, "targets: [{name: a, url: 'wss://x'}, {name: a, url: 'wss://y'}]"),
            ["4:45: targets[1].name: a target 'a' stands above: choose another name"],
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, lines: tuple[str, ...], complaints: list[str]) -> None:
    assert scenario(tmp_path, *lines) == complaints


@pytest.mark.parametrize(
    "lines",
    [
        ("format: duel", PAIR, "moderator: vera"),
        ("format: duel", PAIR, "moderator: {persona: vera, id: moderator}"),
        ("format: duel", PAIR, "models: {a: {}, big: {provider: openai, model: m}}", "budget: {max_cost: 1}"),
        ("format: duel", PAIR, "models: {big: {provider: openai, model: m}}", "budget: {max_cost: null}"),
        ("format: oxford", f"{PAIR[:-1]}, {{persona: wren, side: for}}]"),
        ("format: roundtable", "agents: [ada, otis, {persona: ada, id: twin, name: Eda}]"),
        (
            "format: duel",
            "agents: [{persona: {name: Zoë, style: s}, side: for}, {persona: {name: 王, style: s}, side: against}]",
        ),
    ],
)
def test_what_fits_together_passes(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert scenario(tmp_path, *lines) == []


def test_a_format_may_require_a_moderator_or_do_without(tmp_path: Path) -> None:
    turns = "[{who: each, instruction: Speak.}, {who: moderator, instruction: Close.}]"
    write(
        tmp_path,
        "formats/court.yaml",
        f"title: Court\nmoderator: required\nphases: [{{key: a, title: A, turns: {turns}}}]",
    )
    write(
        tmp_path,
        "formats/chat.yaml",
        "title: Chat\nmoderator: none\nphases: [{key: a, title: A, turns: [{who: each, instruction: Speak.}]}]",
    )

    assert scenario(tmp_path, "format: court", "agents: [ada, otis]") == [
        "1:1: moderator: format court needs a moderator: write this key"
    ]
    assert scenario(tmp_path, "format: chat", "agents: [ada, otis]", "moderator: vera") == [
        "4:1: moderator: format chat has no moderator: remove this key"
    ]


def test_what_is_wrong_with_a_format_or_persona_is_told_in_its_own_file(tmp_path: Path) -> None:
    write(tmp_path, "personas/zed.yaml", "name: Zed\nstyle: s\nvoice: {pitch: 9}\n")
    write(tmp_path, "formats/mine.yaml", "title: Mine\n")

    assert scenario(tmp_path, "format: mine", "agents: [ada, {persona: zed, side: whatever}]") == [
        "1:1: phases: this key is missing",
        "3:16: voice.pitch: must be 2 or less",
    ]


def test_a_typo_in_one_place_hides_no_problem_in_another(tmp_path: Path) -> None:
    lines = (
        "format: duel",
        "agents:",
        "  - {persona: ada, sied: for, model: x}",
        "  - {persona: nobody, side: fro}",
        "model: z",
    )

    assert scenario(tmp_path, *lines) == [
        "4:5: agents[0]: format duel has sides: write 'side:' with one of for, against",
        "4:20: agents[0].sied: unknown key 'sied': did you mean 'side'?",
        "4:38: agents[0].model: there is no model 'x': write it under 'models'",
        "5:15: agents[1].persona: there is no persona 'nobody': choose from ada, henrik, juno, karla, leonie, marcus, "
        "mira, otis, rosa, sofia, thaddeus, vera, viktor, wren (or write personas/nobody.yaml)",
        "5:29: agents[1].side: format duel has no side 'fro': did you mean 'for'?",
        "6:8: model: there is no model 'z': write it under 'models'",
    ]


def test_values_of_the_wrong_type_are_left_to_the_schema(tmp_path: Path) -> None:
    lines = (
        "format: duel",
        "agents: [{persona: ada, side: 7}, {persona: 7, side: against}]",
        "targets: [{url: 'wss://x'}, 7]",
    )

    assert scenario(tmp_path, *lines) == [
        "3:31: agents[0].side: text is wanted: put it in quotes",
        "3:45: agents[1].persona: a persona's name is wanted, or lines of 'key: value'",
        "4:11: targets[0].name: this key is missing",
        "4:29: targets[1]: lines of 'key: value' are wanted",
    ]


@pytest.mark.parametrize("agents", ["", "agents: x", "agents: 7", "agents: [no, {persona: 7}, 7]", "agents: [{}, {}]"])
def test_agents_that_are_none_are_told_once_and_break_nothing(tmp_path: Path, agents: str) -> None:
    assert scenario(tmp_path, "format: oxford", agents or "title: t")
    assert scenario(tmp_path, "format: roundtable", agents or "title: t")


@pytest.mark.parametrize(
    ("text", "name"),
    [("Ada Brandt", "ada-brandt"), ("Zoë O'Neil", "zoe-o-neil"), ("王", ""), ("--", ""), ("x" * 80, "x" * 63)],
)
def test_a_slug_holds_latin_letters_digits_and_hyphens(text: str, name: str) -> None:
    assert slug(text) == name


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        (
            "base_url: 'http://10.0.0.1/v1'",
            "10.0.0.1 is not a public address. " + OPEN_IT,
        ),
        (
            "base_url: 'http://llm.example/v1', api_key: '${KEY}'",
            "with http:// everybody on the way could read its key. Write https://… instead.",
        ),
        ("base_url: 'http://10.0.0.1/v1', api_key: '${KEY}', allow_private: true", ""),
        ("base_url: 'http://127.0.0.1:11434/v1', api_key: '${KEY}'", ""),
        ("base_url: 'https://llm.example/v1', api_key: '${KEY}'", ""),
    ],
)
def test_a_server_that_no_show_would_go_to_is_told_before_the_show(tmp_path: Path, server: str, complaint: str) -> None:
    lines = (
        "format: duel",
        "agents: [{persona: ada, side: for}, {persona: otis, side: against}]",
        f"models: {{a: {{provider: openai, model: m, {server}}}}}",
    )
    assert scenario(tmp_path, *lines) == ([f"4:52: models.a.base_url: {complaint}"] if complaint else [])


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        (
            "url: 'ws://169.254.169.254/latest/meta-data'",
            "169.254.169.254 is not a public address. " + OPEN_IT,
        ),
        (
            "url: 'wss://[fd00::1]/ws'",
            "fd00::1 is not a public address. " + OPEN_IT,
        ),
        (
            "url: 'ws://pulsar.example/ws'",
            "with ws:// everybody on the way could read the agents' secrets. Write wss://… instead, or "
            "`allow_private: true` if it is in a private network.",
        ),
        ("url: 'ws://10.0.0.1/ws', allow_private: true", ""),
        ("url: 'ws://stage.lan/ws', allow_private: true", ""),
        ("url: 'ws://127.0.0.1:8765/ws', token: '${TOKEN}'", ""),
        ("url: 'ws://localhost:8765/ws'", ""),
        ("url: 'wss://pulsar.example/ws'", ""),
    ],
)
def test_a_target_that_no_show_would_go_to_is_told_before_the_show(tmp_path: Path, target: str, complaint: str) -> None:
    lines = (
        "format: duel",
        "agents: [{persona: ada, side: for}, {persona: otis, side: against}]",
        f"targets: [{{name: a, {target}}}]",
    )
    assert scenario(tmp_path, *lines) == ([f"4:26: targets[0].url: {complaint}"] if complaint else [])


@pytest.mark.parametrize(
    "lines",
    [
        ("models:", "  m:", "    provider: openai", "    model: m", "    base_url: http://%s"),
        ("targets:", "  - name: t", "    url: wss://%s"),
        ("moderation:", "  hook:", "    url: http://%s"),
        ("announce:", "  - url: http://%s"),
        ("moderator:", "  persona:", "    name: %s"),
    ],
)
def test_no_address_or_name_is_slow_to_take_apart(tmp_path: Path, lines: tuple[str, ...]) -> None:
    marks = lines[0].strip(":") + "\u0315\u0300" * 60_000
    before = time.process_time()

    assert scenario(tmp_path, "format: duel", PAIR, *(line.replace("%s", marks) for line in lines))
    assert time.process_time() - before < 8, "longer, where each mark is compared with all before it"


def test_of_many_models_only_as_many_are_suggested_as_there_may_be(tmp_path: Path) -> None:
    models = "".join(f"\n  m-{sign * 6}: {{fallback: n-{sign * 6}}}" for sign in "abcdefghijklmnopqrstuvwxyz")

    told = "\n".join(scenario(tmp_path, "format: duel", PAIR, f"models:{models}"))

    assert "there is no model 'n-tttttt': did you mean 'm-tttttt'?" in told
    assert "there is no model 'n-uuuuuu': choose from" in told, "the time to compare all with all grows with the square"
