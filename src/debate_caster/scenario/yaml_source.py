"""YAML as people write it by hand, read into a tree that knows where everything stands.

Stricter than YAML on purpose: what two readers could take for two different things (``no``, ``20:30``, ``0o17``), what
hides something (aliases, merge keys, duplicate keys, tags) and what is too big to be written by hand is refused. The
parser's events are walked with a stack of our own, so no input can exhaust Python's.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import Reader

from debate_caster.errors import Problem
from debate_caster.scenario.scalars import Scalar, clipped, fit_to_show, resolve, shown

__all__ = ["MAX_DEPTH", "MAX_VALUES", "Document", "Mark", "Node", "compose", "key_path"]

MAX_DEPTH = 20
MAX_VALUES = 3_000
"""Keys and values in one file, 0.04 ms each. The longest shipped file has 300, twelve agents written out some 500."""

TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"

_SWITCHES = frozenset({("audience", "votes")})
"""Keys of which ``off`` is one of the words they take. Both readings mean the same there, so it needs no quotes."""

_NodeStart = AliasEvent | ScalarEvent | MappingStartEvent | SequenceStartEvent


class Mark(NamedTuple):
    """A place in a file; both count from 1, a column is a character."""

    line: int
    column: int


@dataclass(slots=True)
class Node:
    """A value and where it stands. ``broken`` has been reported already: its value means nothing."""

    mark: Mark
    value: "Scalar | dict[str, Node] | list[Node]" = None
    key_marks: dict[str, Mark] = field(default_factory=dict)
    broken: bool = False

    def get(self, key: str) -> "Node | None":
        """Return the value of a key, None where this is not a mapping or has no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def entries(self) -> "list[Node]":
        """Return the items of a list, nothing for anything else."""
        return self.value if isinstance(self.value, list) else []

    def members(self) -> "dict[str, Node]":
        """Return the keys and values of a mapping, nothing for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def text(self) -> str | None:
        """The value where it is text and sound."""
        return self.value if isinstance(self.value, str) and not self.broken else None

    def data(self) -> object:
        """Return the plain values, as JSON has them; None for what is broken."""
        if isinstance(self.value, dict):
            return {key: node.data() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.data() for node in self.value]
        return self.value

    def walk(self, *path: str | int) -> "Iterator[tuple[tuple[str | int, ...], Node]]":
        """Yield this node and all below it, each with its path."""
        yield path, self
        for key, node in self.members().items():
            yield from node.walk(*path, key)
        for index, node in enumerate(self.entries()):
            yield from node.walk(*path, index)


@dataclass(slots=True)
class Document:
    """A file's tree, and everything found wrong with it so far. Without a ``root`` the tree can't be used at all."""

    path: Path
    lines: list[str]
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)

    def report(self, mark: Mark, message: str, *path: str | int) -> None:
        self.problems.append(Problem(self.path, mark.line, mark.column, key_path(path), message))


def key_path(path: tuple[str | int, ...]) -> str:
    """Return a path as people write it: ``agents[0].side``."""
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{clipped(step)}" for step in path)
    return words.removeprefix(".")


def compose(path: Path, text: str) -> Document:
    """Read YAML text; never raises. What is wrong stands in the document's ``problems``."""
    document = Document(path, text.splitlines())
    if found := Reader.NON_PRINTABLE.search(text):
        before = text[: found.start()]
        mark = Mark(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        document.report(mark, f"the character U+{ord(found[0]):04X} can't stand in a file: remove it")
        return document
    composer = _Composer(document)
    loader = _Loader(text)
    try:
        document.root = composer.tree(loader)
    except _TooDeepError:
        document.report(_mark(loader.get_mark()), TOO_DEEP)
    except _CannotGoOnError:
        pass
    except yaml.MarkedYAMLError as exc:
        document.report(_mark(exc.problem_mark or exc.context_mark or loader.get_mark()), _explained(exc))
    except (ValueError, OverflowError):  # the parser hands an escape beyond Unicode to chr()
        document.report(_mark(loader.get_mark()), "the escape that ends here is no character: remove it")
    finally:
        loader.dispose()
    return document


class _CannotGoOnError(Exception):
    """The problem is reported and what follows would mean nothing."""


class _TooDeepError(Exception):
    """What begins here is nested deeper than anything may be."""


class _Loader(yaml.SafeLoader):
    """Does not read far ahead into brackets without end: the time for that grows with the square of their number."""

    def fetch_flow_collection_start(self, TokenClass: type) -> None:  # noqa: N803 - its name there
        if self.flow_level >= MAX_DEPTH:
            raise _TooDeepError
        super().fetch_flow_collection_start(TokenClass)


@dataclass(slots=True)
class _Frame:
    """A mapping or a list being filled.

    ``key`` is the key whose value comes next, None where that key was refused and its value goes nowhere; what is in
    a frame that is ``thrown_away`` needs no complaint of its own.
    """

    node: Node
    path: tuple[str | int, ...]
    key: str | None = None
    at_value: bool = False
    thrown_away: bool = False


class _Composer:
    """Turns the parser's events into nodes."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._stack: list[_Frame] = []
        self._values = 0

    def tree(self, loader: yaml.SafeLoader) -> Node:
        root: Node | None = None
        documents = 0
        while loader.check_event():
            event = loader.get_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
            mark = _mark(event.start_mark)
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._document.report(mark, "a second document begins here: a file holds one; remove the '---'")
                    raise _CannotGoOnError
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                self._stack.pop()
            elif isinstance(event, _NodeStart):
                node = self._node(event, mark)
                root = root or node
        if root is None:
            self._document.report(Mark(1, 1), "the file is empty")
            raise _CannotGoOnError
        return root

    def _node(self, event: _NodeStart, mark: Mark) -> Node:
        self._values += 1
        if self._values > MAX_VALUES:
            self._document.report(mark, f"more than {MAX_VALUES} keys and values: this is not a file written by hand")
            raise _CannotGoOnError
        frame = self._stack[-1] if self._stack else None
        path: tuple[str | int, ...] = ()
        thrown_away = False
        if frame is None:
            node = self._value(event, mark)
        elif isinstance(frame.node.value, dict) and not frame.at_value:
            node, path, thrown_away = self._key(frame, event, mark), frame.path, True
        else:
            path, thrown_away = self._place(frame)
            node = self._value(event, mark, *path, quiet=thrown_away)
            self._store(frame, node)
        if isinstance(node.value, (dict, list)):
            if len(self._stack) >= MAX_DEPTH:
                self._document.report(mark, TOO_DEEP)
                raise _CannotGoOnError
            self._stack.append(_Frame(node, path, thrown_away=thrown_away))
        return node

    @staticmethod
    def _place(frame: _Frame) -> tuple[tuple[str | int, ...], bool]:
        """Return the path of the value that comes next in a frame, and whether it goes nowhere."""
        if isinstance(frame.node.value, list):
            return (*frame.path, len(frame.node.value)), frame.thrown_away
        return (frame.path, True) if frame.key is None else ((*frame.path, frame.key), frame.thrown_away)

    def _value(self, event: _NodeStart, mark: Mark, *path: str | int, quiet: bool = False) -> Node:
        node = Node(mark)
        complaint = _forbidden(event)
        if isinstance(event, MappingStartEvent):
            node.value = {}
        elif isinstance(event, SequenceStartEvent):
            node.value = []
        elif isinstance(event, ScalarEvent) and not complaint:
            plain = event.style is None and not (event.value == "off" and path in _SWITCHES)
            complaint, node.value = resolve(event.value, plain=plain)
        if complaint:
            node.broken = True
            if not quiet:
                self._document.report(mark, complaint, *path)
        return node

    def _key(self, frame: _Frame, event: _NodeStart, mark: Mark) -> Node:
        """Take a key; the value of one that is refused will be read and thrown away."""
        frame.at_value = True
        complaint = _forbidden(event) or self._unfit_key(frame, event)
        if isinstance(event, ScalarEvent) and not complaint:
            frame.key = event.value
            frame.node.key_marks[event.value] = mark
        elif not frame.thrown_away:
            name = [event.value] if isinstance(event, ScalarEvent) and fit_to_show(event.value) else []
            self._document.report(mark, complaint, *frame.path, *name)
        node = Node(mark, broken=True)
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            node.value = {} if isinstance(event, MappingStartEvent) else []
        return node

    @staticmethod
    def _unfit_key(frame: _Frame, event: _NodeStart) -> str:
        if not isinstance(event, ScalarEvent):
            return "a key must be text, not a list or a mapping"
        if event.value == "<<" and event.style is None:
            return "merge keys are not taken: write the keys out"
        # `on` is a key of scenarios, as of many programs' files; that some readers take it for true does no harm here.
        complaint, value = resolve(event.value, plain=event.style is None and event.value != "on")
        if not complaint and not isinstance(value, str):
            return f"a key must be text: write {json.dumps(event.value, ensure_ascii=False)}"
        if not complaint and event.value in frame.node.key_marks:
            first = frame.node.key_marks[event.value]
            return f"this key stands here twice, first on line {first.line}: remove one"
        return complaint

    @staticmethod
    def _store(frame: _Frame, node: Node) -> None:
        if isinstance(frame.node.value, list):
            frame.node.value.append(node)
        elif isinstance(frame.node.value, dict) and frame.key is not None:
            frame.node.value[frame.key] = node
        frame.at_value, frame.key = False, None


def _mark(mark: yaml.error.Mark) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _forbidden(event: _NodeStart) -> str:
    """Return why a value of any kind can't be taken, empty where it can."""
    if isinstance(event, AliasEvent):
        return f"aliases (*{clipped(event.anchor or '')}) are not taken: write the value out"
    if event.anchor is not None:
        return f"anchors (&{clipped(event.anchor)}) are not taken: write values out where they are used"
    if event.tag is not None:
        return f"tags ({shown(event.tag)}) are not taken: remove it"
    return ""


_SYNTAX = (
    ("mapping values are not allowed", "a ': ' stands where none is expected: put a text that holds one in quotes"),
    ("'\\t' that cannot start any token", "a tab stands here: indent with spaces"),
    ("but found ' '", "a text that begins with '*', '&' or '!' must be in quotes"),
    ("that cannot start any token", "a text can't begin with this character: put it in quotes"),
    ("could not find expected ':'", "this is not 'key: value': check the colon, the indentation and the quotes above"),
    ("unexpected end of stream", "a quote is opened and never closed"),
    ("expected <block end>", "this does not line up with what stands above: check the indentation and the quotes"),
    ("expected ',' or", "a [list] or {mapping} is not closed, or lacks a comma; quote texts that hold [ ] { } or ,"),
)


def _explained(exc: yaml.MarkedYAMLError) -> str:
    problem = exc.problem or exc.context or "it can't be read"
    return next((cure for part, cure in _SYNTAX if part in problem), f"not YAML: {problem}")
