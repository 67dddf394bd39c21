import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from debate_caster.scenario.author_schema import KINDS, Kind, author_schema
from debate_caster.scenario.library import shipped_folder

ROOT = Path(__file__).parents[2]

SHIPPED: list[tuple[Kind, Path]] = [
    *(("scenario", path) for path in sorted((ROOT / "scenarios").glob("*.yaml"))),
    *(("persona", path) for path in sorted((ROOT / "scenarios" / "personas").glob("*.yaml"))),
    *(("format", path) for path in sorted(shipped_folder("formats").glob("*.yaml"))),
    *(("format", path) for path in sorted((ROOT / "scenarios" / "formats").glob("*.yaml"))),
]


def validator(kind: Kind) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(author_schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_on_file_is_the_one_the_loader_has(kind: Kind) -> None:
    """To write them anew: ``debate-caster schema``, or dump ``author_schema`` with two spaces of indentation."""
    stored = (ROOT / "docs" / f"{kind}.schema.json").read_text(encoding="utf-8")

    assert json.loads(stored) == author_schema(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_one(kind: Kind) -> None:
    jsonschema.Draft202012Validator.check_schema(author_schema(kind))


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=lambda value: getattr(value, "name", value))
def test_every_shipped_file_fits_its_schema_and_says_where_it_is(kind: Kind, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    header = text.splitlines()[0]

    validator(kind).validate(yaml.safe_load(text))

    assert header.startswith("# yaml-language-server: $schema=")
    assert (path.parent / header.partition("=")[2]).resolve() == ROOT / "docs" / f"{kind}.schema.json"


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_says_what_it_is_for(kind: Kind) -> None:
    schema = author_schema(kind)
    objects: list[dict[str, Any]] = [schema, *schema.get("$defs", {}).values()]

    for found in objects:
        assert found.get("additionalProperties") is False
        for key, value in found.get("properties", {}).items():
            referred = schema.get("$defs", {}).get(value.get("$ref", "").rpartition("/")[2], {})
            assert value.get("description") or referred.get("description"), f"{found['title']}.{key}"


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("scenario", {"motion": "M", "format": "duel", "agents": ["ada"]}),
        ("scenario", {"motion": "M", "format": "duel", "agents": ["ada", "otis"], "titel": "x"}),
        ("scenario", {"motion": "M", "format": "duel", "agents": ["ada", {"side": "for"}]}),
        ("scenario", {"motion": "M", "format": "duel", "agents": ["ada", "../x"]}),
        ("scenario", {"motion": "M", "format": "duel", "agents": ["ada", "otis"], "title": None}),
        (
            "scenario",
            {"motion": "M", "format": "duel", "agents": ["ada", "otis"], "models": {"a": {"api_key": "sk-1"}}},
        ),
        ("persona", {"name": "X"}),
        ("persona", {"name": "X", "style": "s", "color": "red"}),
        ("format", {"title": "T", "phases": []}),
    ],
)
def test_an_editor_marks_what_the_loader_refuses(kind: Kind, wrong: object) -> None:
    assert not validator(kind).is_valid(wrong)


def test_only_a_limit_may_be_null() -> None:
    scenario = {"motion": "M", "format": "duel", "agents": ["ada", "otis"], "compact_prompt_words": None}

    assert validator("scenario").is_valid({**scenario, "budget": {"max_cost": None, "max_minutes": None}})
    assert '"null"' not in json.dumps([author_schema("persona"), author_schema("format")])
