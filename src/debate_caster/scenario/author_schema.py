"""JSON Schema of what authors write, for editors that complete keys and mark mistakes while typing."""

from typing import Any, Literal

from pydantic import BaseModel

from debate_caster.scenario.manuscript import NULLABLE, FormatFile, PersonaFile, ScenarioFile

__all__ = ["KINDS", "Kind", "author_schema"]

Kind = Literal["scenario", "persona", "format"]

KINDS: tuple[Kind, ...] = ("scenario", "persona", "format")

_FILES: dict[Kind, type[BaseModel]] = {"scenario": ScenarioFile, "persona": PersonaFile, "format": FormatFile}


def author_schema(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a kind of file.

    It knows the shape, not the neighbours: whether a persona or a side exists is for ``check`` to say.
    """
    schema = _FILES[kind].model_json_schema(mode="validation")
    schema["title"] = f"debate-caster {kind}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_nulls(schema)}


def _without_nulls(node: Any, key: str = "") -> Any:
    """Drop the nulls that stand for a key left out: in a file, only a limit may be null."""
    if isinstance(node, list):
        return [_without_nulls(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "anyOf" in node and key not in NULLABLE:
        kept = [branch for branch in node["anyOf"] if branch != {"type": "null"}]
        if len(kept) < len(node["anyOf"]):
            rest = {name: value for name, value in node.items() if name not in {"anyOf", "default"}}
            node = {**rest, **(kept[0] if len(kept) == 1 else {"anyOf": kept})}
    return {name: _without_nulls(value, name) for name, value in node.items()}
