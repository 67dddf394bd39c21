"""The vectors in tests/vectors/pulsar.json, and values in the form they have there."""

import dataclasses
import json
from pathlib import Path
from typing import Any

__all__ = ["VECTORS", "as_fields"]

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "pulsar.json").read_text("utf-8"))


def as_fields(value: Any) -> dict[str, Any]:
    """Return a message's fields that are not at their default, as JSON has them."""
    fields = {}
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if held != default:
            fields[field.name] = _plain(held)
    return fields


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return as_fields(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
