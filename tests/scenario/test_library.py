from pathlib import Path

import pytest

from debate_caster.scenario import library
from debate_caster.scenario.library import Library, as_persona, open_document, shipped_folder
from debate_caster.scenario.manuscript import PersonaFile
from tests.scenario.files import short, write

PERSONA = "name: Nobody\nstyle: plain\n"


def test_what_comes_with_the_program_is_found_from_any_folder(tmp_path: Path) -> None:
    shelf = Library(tmp_path)
    persona, rules = shelf.persona("ada"), shelf.format("oxford")

    assert persona is not None
    assert persona.value is not None
    assert persona.value.name == "Ada Brandt"
    assert rules is not None
    assert rules.value is not None


def test_a_file_of_ones_own_comes_before_a_shipped_one(tmp_path: Path) -> None:
    write(tmp_path, "personas/ada.yaml", PERSONA)

    found = Library(tmp_path).persona("ada")

    assert found is not None
    assert found.value is not None
    assert (found.value.key, found.value.name) == ("ada", "Nobody")


def test_what_is_wrong_with_a_file_comes_with_it(tmp_path: Path) -> None:
    write(tmp_path, "personas/x.yaml", "name: X\n")
    write(tmp_path, "formats/y.yaml", "title: Mine\n")
    shelf = Library(tmp_path)
    persona, rules = shelf.persona("x"), shelf.format("y")

    assert persona is not None
    assert persona.value is None
    assert [short(problem) for problem in persona.problems] == ["1:1: style: this key is missing"]
    assert rules is not None
    assert rules.value is None
    assert [short(problem) for problem in rules.problems] == ["1:1: phases: this key is missing"]


def test_each_file_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path, "personas/x.yaml", PERSONA)
    shelf = Library(tmp_path)
    first = shelf.persona("x")
    path.unlink()

    assert shelf.persona("x") is first


def test_an_unknown_name_is_nothing(tmp_path: Path) -> None:
    assert Library(tmp_path).persona("nobody") is None
    assert Library(tmp_path).format("none") is None


def test_names_are_ones_own_and_the_shipped_ones(tmp_path: Path) -> None:
    write(tmp_path, "formats/mine.yaml", "")
    write(tmp_path, "formats/.hidden.yaml", "")
    write(tmp_path, "formats/notes.txt", "")
    shelf = Library(tmp_path)

    assert {"mine", "oxford"} <= set(shelf.names("formats"))
    assert {".hidden", "notes"}.isdisjoint(shelf.names("formats"))
    assert shelf.own("formats") == [tmp_path / "formats" / "mine.yaml"]


def test_a_link_out_of_the_folder_is_refused_without_a_word_of_its_contents(tmp_path: Path) -> None:
    outside = write(tmp_path, "outside.yaml", "name: hidden words\nstyle: hidden\n")
    folder = tmp_path / "show"
    (folder / "personas").mkdir(parents=True)
    (folder / "personas" / "ada.yaml").symlink_to(outside)
    (folder / "personas" / "wren.yaml").symlink_to("nowhere.yaml")
    shelf = Library(folder)

    for name, reason in (
        ("ada", "it leads out of the scenario's folder: put the file itself there"),
        ("wren", "there is no such file"),
    ):
        found = shelf.persona(name)
        assert found is not None
        assert found.value is None
        assert [problem.message for problem in found.problems] == [reason]


def test_a_linked_folder_out_of_the_folder_is_refused_as_well(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/x.yaml", PERSONA)
    folder = tmp_path / "show"
    folder.mkdir()
    (folder / "personas").symlink_to(tmp_path / "elsewhere")

    found = Library(folder).persona("x")

    assert found is not None
    assert [problem.message for problem in found.problems] == [
        "it leads out of the scenario's folder: put the file itself there"
    ]


def test_a_wheel_has_the_personas_beside_the_code_and_a_checkout_among_the_scenarios(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "site" / "src" / "package" / "scenario" / "library.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(library, "__file__", str(module))
    assert shipped_folder("personas") == tmp_path / "site" / "scenarios" / "personas"

    (module.parent / "personas").mkdir()
    assert shipped_folder("personas") == module.parent / "personas"


def test_a_persona_takes_the_key_it_is_given() -> None:
    assert as_persona(PersonaFile(name="X", style="plain"), "some-key").key == "some-key"


def test_a_file_that_can_not_be_read_gives_a_document_without_a_tree(tmp_path: Path) -> None:
    document = open_document(tmp_path / "none.yaml")

    assert document.root is None
    assert [problem.message for problem in document.problems] == ["there is no such file"]
