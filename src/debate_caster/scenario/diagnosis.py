"""From what a schema finds wrong to what an author needs: the place in the file, the key, and the cure."""

import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar, Union

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json

from debate_caster.scenario import manuscript
from debate_caster.scenario.scalars import clipped, shown
from debate_caster.scenario.script import LANGUAGE, NAME
from debate_caster.scenario.yaml_source import Document, Mark, Node

__all__ = ["nearest", "validate"]

M = TypeVar("M", bound=BaseModel)

Location = tuple[str | int, ...]


_LONGEST_COMPARED = 100
"""Characters. No name of ours is longer, and to compare two takes the square of their lengths."""


def validate(document: Document, model: type[M]) -> M | None:
    """Return the document's values as ``model``; None where they are not one, with every reason reported."""
    root = document.root
    if root is None:
        return None
    if not isinstance(root.value, dict):
        if not root.broken:
            document.report(root.mark, "the file must hold 'key: value' lines")
        return None
    _report_forgotten(document, root)
    try:
        value = model.model_validate_json(to_json(root.data()))
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False):
            _report(document, root, model, error)
        return None
    return None if document.problems else value


def nearest(word: str, choices: Iterable[str], *, what: str = "") -> str:
    """Return how a message about an unknown word ends: the nearest choice, or all where none is near."""
    choices = list(choices)
    comparable = [choice for choice in choices if max(len(word), len(choice)) <= _LONGEST_COMPARED]
    if close := difflib.get_close_matches(word, comparable, n=1):
        return f"did you mean {close[0]!r}?"
    if not choices:
        return f"there is no {what} to choose from" if what else "there is nothing to choose from"
    listed = ", ".join(choice[:_LONGEST_COMPARED] for choice in choices[:20]) + (", …" if len(choices) > 20 else "")
    return f"choose from {listed}"


_SECRET_PLACES = {
    ("announce", "secret"),
    ("announce", "url"),
    ("models", "api_key"),
    ("moderation", "secret"),
    ("targets", "token"),
}
_INTERPOLATION = re.compile(r"\$\{[^}]*\}?")


_SECRET_KEY = re.compile(r"(?i)(x-)?api[_-]?key|((access|auth)[_-])?token|secret|password|authorization")


def _report_forgotten(document: Document, root: Node) -> None:
    """Report what a schema can't see: values left empty, and secrets (or ``${…}``) where none belong."""
    for path, node in root.walk():
        if node.broken:
            continue
        free = path[:1] == ("models",) and path[2:3] == ("extra",)
        if node.value is None and not free and path[-1:] and path[-1] not in manuscript.NULLABLE:
            node.broken = True
            line = document.lines[node.mark.line - 1] if node.mark.line <= len(document.lines) else ""
            hint = "; a value that begins with '#' must be quoted" if " #" in line else ""
            document.report(node.mark, f"no value stands here: write one, or remove the key{hint}", *path)
        elif free and isinstance(node.value, str) and _SECRET_KEY.fullmatch(str(path[-1])):
            node.broken = True
            document.report(node.mark, "a secret never stands in a file: only api_key takes one, as ${NAME}", *path)
        elif isinstance(node.value, str) and _INTERPOLATION.search(node.value) and not _may_hold_secret(path):
            node.broken = True
            document.report(
                node.mark, "${…} is filled in only in an api_key, token or secret: write the text out", *path
            )


def _may_hold_secret(path: Location) -> bool:
    return len(path) == 3 and (path[0], path[2]) in _SECRET_PLACES


def _report(document: Document, root: Node, model: type[BaseModel], error: ErrorDetails) -> None:
    location, mark, node = _place(root, error)
    if node.broken and error["type"] != "extra_forbidden":
        return  # the value itself is reported already
    if error["type"] == "too_short" and len(node.entries()) >= error["ctx"]["min_length"]:
        return  # enough are there; the schema counts only the sound ones, and the others are reported
    document.report(mark, _message(model, error, location), *location)


def _place(root: Node, error: ErrorDetails) -> tuple[Location, Mark, Node]:
    """Return where in the file an error is: path, place and the value there.

    Steps that are no key or index of the file name a branch of a union; they are left out. The walk ends at a value
    that is reported already.
    """
    node, mark, path = root, root.mark, list[str | int]()
    key_mark = root.mark
    steps = error["loc"]
    for number, step in enumerate(steps):
        is_last = number == len(steps) - 1
        below = node.get(step) if isinstance(step, str) else dict(enumerate(node.entries())).get(step)
        if below is not None:
            path.append(step)
            key_mark = node.key_marks.get(str(step), below.mark)
            mark = key_mark if is_last and error["type"] == "extra_forbidden" else below.mark
            node = below
            if node.broken:
                break
        elif is_last and error["type"] == "missing":
            path.append(step)
        elif step == "[key]":
            mark = key_mark
    return tuple(path), mark, node


_CURES = {
    manuscript.COLOR: "write a colour as '#rrggbb', in quotes",
    manuscript.LINE: "write some text, on one line",
    manuscript.LIST_FILE: "name a .txt file beside the scenario, or write a list: lines that begin with '- '",
    manuscript.REFERENCE: "a secret never stands in a file: write ${NAME}, and set NAME in the environment",
    manuscript.HTTP_URL: "write an address such as http://localhost:11434/v1, without user name, '?' or '#'",
    manuscript.ANNOUNCE_URL: "write ${NAME}, or an address such as https://host/path, without user name and '#'",
    manuscript.WEBSOCKET_URL: "write an address such as wss://host/path, without user name, '?' or '#'",
    LANGUAGE: "write a language tag such as en or pt-BR",
    NAME: "a name has small letters, digits and hyphens, at most 63, and begins with a letter or digit",
}
_WANTED = {
    "string_type": "text is wanted: put it in quotes",
    "int_type": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "float_type": "a number is wanted",
    "decimal_type": "a number is wanted",
    "decimal_parsing": "a number is wanted",
    "bool_type": "true or false is wanted",
    "tuple_type": "a list is wanted: lines that begin with '- '",
    "dict_type": "lines of 'key: value' are wanted",
    "model_type": "lines of 'key: value' are wanted",
    "missing": "this key is missing",
    "finite_number": "a finite number is wanted",
    "date_from_datetime_parsing": "a day is wanted, as 'YYYY-MM-DD' in quotes",
    "date_from_datetime_inexact": "a day is wanted, as 'YYYY-MM-DD' in quotes",
    "date_parsing": "a day is wanted, as 'YYYY-MM-DD' in quotes",
    "date_type": "a day is wanted, as 'YYYY-MM-DD' in quotes",
}


def _message(model: type[BaseModel], error: ErrorDetails, location: Location) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        word = str(location[-1])
        choices = [key for found in _models_at(model, location[:-1]) for key in found.model_fields]
        return f"unknown key {shown(word)}: {nearest(word, choices)}"
    names_persona = location[-1] in {"persona", "moderator"} or (location[0] == "agents" and len(location) == 2)
    if kind == "model_type" and names_persona:
        return "a persona's name is wanted, or lines of 'key: value'"
    if kind == "string_pattern_mismatch":
        if names_persona:
            return "name a persona as its file in personas/ is called, without folders and without '.yaml'"
        return _CURES[context["pattern"]]
    return _WANTED.get(kind) or _limit(kind, context) or clipped(error["msg"])


def _limit(kind: str, context: Mapping[str, Any]) -> str:
    match kind:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"choose from {context['expected']}"
        case "greater_than_equal":
            return f"must be {context['ge']:g} or more"
        case "less_than_equal":
            return f"must be {context['le']:g} or less"
        case "greater_than":
            return f"must be more than {context['gt']:g}"
        case "string_too_short":
            return "no text stands here"
        case "string_too_long":
            return f"longer than {context['max_length']} characters"
        case "too_short":
            return f"at least {context['min_length']} are needed, here are {context['actual_length']}"
        case "too_long":
            return f"at most {context['max_length']} are taken"
        case _:
            return ""


def _models_at(annotation: Any, location: Location) -> list[type[BaseModel]]:
    """Return which models may stand at a location below a type, so that their keys can be suggested."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _models_at(arguments[0], location)
    if origin in {Union, types.UnionType}:
        return [found for argument in arguments for found in _models_at(argument, location)]
    if origin is tuple and location:
        return _models_at(arguments[0], location[1:])
    if origin is dict and location:
        return _models_at(arguments[1], location[1:])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not location:
            return [annotation]
        field = annotation.model_fields.get(str(location[0]))
        return _models_at(field.annotation, location[1:]) if field else []
    return []
