from pathlib import Path

import pytest

from debate_caster.scenario.loading import load_scenario
from tests.scenario.files import DUEL, found_in, write


def moderated(folder: Path, line: str, *more: str) -> Path:
    return write(folder, "a.yaml", DUEL + "\n".join([f"moderation: {{{line}}}", *more]))


def test_words_may_be_a_list_or_stand_in_a_file_beside_the_scenario(tmp_path: Path) -> None:
    write(tmp_path, "unsaid.txt", "# not here\n\ndarn\n  bad word  \n")

    for line in ("words: [darn, bad word]", "words: unsaid.txt"):
        assert load_scenario(moderated(tmp_path, line), env={}).moderation.words == ("darn", "bad word")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("words: none.txt", "moderation.words: none.txt: there is no such file"),
        ("words: empty.txt", "moderation.words: empty.txt: no word stands in it: write one a line"),
        ("words: long.txt", "moderation.words: long.txt, line 2: longer than 80 characters"),
        ("words: many.txt", "many.txt: 10001 words are more than 10000: leave some out, or name a hook"),
        (
            "words: ../unsaid.txt",
            "moderation.words: name a .txt file beside the scenario, or write a list: lines that begin with '- '",
        ),
        (
            "words: out.txt",
            "moderation.words: out.txt: it leads out of the scenario's folder: put the file itself there",
        ),
        ("provider: guard", "moderation.provider: there is no model 'guard': write it under 'models'"),
        ("hook: {url: 'ftp://h/'}", "moderation.hook.url: write an address such as"),
        ("hook: {}", "moderation.hook.url: this key is missing"),
        ("wrods: [a]", "moderation.wrods: "),
    ],
)
def test_a_moderation_that_can_not_work_is_refused(tmp_path: Path, line: str, complaint: str) -> None:
    folder = tmp_path / "shows"
    write(tmp_path, "unsaid.txt", "darn\n")
    write(folder, "empty.txt", "# nothing\n")
    write(folder, "long.txt", "darn\n" + "x" * 81 + "\n")
    write(folder, "many.txt", "darn\n" * 10_001)
    (folder / "out.txt").symlink_to(tmp_path / "unsaid.txt")

    [found] = found_in(moderated(folder, line))

    assert complaint in found


@pytest.mark.parametrize(
    ("models", "complaint"),
    [
        ("models: {guard: {provider: openai, model: m}}", "there is no model 'gard': did you mean 'guard'?"),
        ("models: {gard: {}}", "model 'gard' has no server to ask: name one of provider openai"),
    ],
)
def test_a_provider_is_a_model_with_a_server(tmp_path: Path, models: str, complaint: str) -> None:
    [found] = found_in(moderated(tmp_path, "provider: gard", models))

    assert complaint in found
