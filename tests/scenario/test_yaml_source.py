import json
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.scenario.yaml_source import MAX_DEPTH, MAX_VALUES, Document, Mark, compose, key_path
from tests.effort import calls_in
from tests.scenario.files import short

FILE = Path("file.yaml")


def problems(text: str) -> list[str]:
    return [short(problem) for problem in compose(FILE, text).problems]


def data(document: Document) -> object:
    assert document.root is not None
    return document.root.data()


@pytest.mark.parametrize("piece", ["9", "9_", "eyJ-"])
def test_no_value_is_slow_to_look_at(piece: str) -> None:
    before = time.process_time()
    compose(FILE, f"a: {piece * (250_000 // len(piece))}x")

    assert time.process_time() - before < 20, "hours, where every place is looked at from every other"


def test_values_know_where_they_stand() -> None:
    document = compose(FILE, "name: Ada\nlist:\n  - x\n  - {k: 1.5}\nblock: |\n  one\n  two\n")

    root = document.root
    assert root is not None
    assert document.problems == []
    assert root.data() == {"name": "Ada", "list": ["x", {"k": 1.5}], "block": "one\ntwo\n"}
    assert root.key_marks == {"name": Mark(1, 1), "list": Mark(2, 1), "block": Mark(5, 1)}
    places = {key_path(path): (node.mark.line, node.mark.column) for path, node in root.walk()}
    assert places == {
        "": (1, 1),
        "name": (1, 7),
        "list": (3, 3),
        "list[0]": (3, 5),
        "list[1]": (4, 5),
        "list[1].k": (4, 9),
        "block": (5, 8),
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\na: 2\n", "2:1: a: this key stands here twice, first on line 1: remove one"),
        ("a: &x 1\n", "1:4: a: anchors (&x) are not taken: write values out where they are used"),
        ("a: &x {b: 1}\n", "1:4: a: anchors (&x) are not taken: write values out where they are used"),
        ("a: *x\n", "1:4: a: aliases (*x) are not taken: write the value out"),
        ("a: {<<: {b: 1}}\n", "1:5: a.<<: merge keys are not taken: write the keys out"),
        (
            "a: !!python/object:os.system ls\n",
            "1:4: a: tags ('tag:yaml.org,2002:python/object:os.system') are not taken: remove it",
        ),
        ("a: !!str 5\n", "1:4: a: tags ('tag:yaml.org,2002:str') are not taken: remove it"),
        ("a: !%1b[31m x\n", "1:4: a: tags ('!\\x1b[31m') are not taken: remove it"),
        ("1: x\n", '1:1: 1: a key must be text: write "1"'),
        ("true: x\n", '1:1: true: a key must be text: write "true"'),
        ("? [a, b]\n: x\n", "1:3: a key must be text, not a list or a mapping"),
        ("? {a: no}\n: {b: no}\n", "1:3: a key must be text, not a list or a mapping"),
        ("? *a\n: x\n", "1:3: aliases (*a) are not taken: write the value out"),
        (
            "no: x\n",
            "1:1: no: 'no' is true or false to some readers of YAML: write \"no\" if it is text, or true or false",
        ),
        (
            "sk-abcdefghijklmnopqrst: 1\n",
            "1:1: this looks like a secret: take it out, and write ${NAME} in an api_key, token or secret",
        ),
        ('"\\e": 1\n', "1:1: the character U+001B can't stand in a text: remove it"),
        ('a: "\\ud800"\n', "1:4: a: the character U+D800 can't stand in a text: remove it"),
        ("", "1:1: the file is empty"),
        ("# only words\n", "1:1: the file is empty"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document begins here: a file holds one; remove the '---'"),
        ("a: 1\nb: \x07\n", "2:4: the character U+0007 can't stand in a file: remove it"),
        ("\x00", "1:1: the character U+0000 can't stand in a file: remove it"),
        ("a: b: c\n", "1:5: a ': ' stands where none is expected: put a text that holds one in quotes"),
        ("a:\n\tb: 1\n", "2:1: a tab stands here: indent with spaces"),
        ("a: @b\n", "1:4: a text can't begin with this character: put it in quotes"),
        ("a: 1\nb\nc: 2\n", "3:1: this is not 'key: value': check the colon, the indentation and the quotes above"),
        ('a: "b\n', "2:1: a quote is opened and never closed"),
        (
            "a:\n  - b\n c: 1\n",
            "3:2: this does not line up with what stands above: check the indentation and the quotes",
        ),
        (
            "a: [b\nc: 1\n",
            "2:2: a [list] or {mapping} is not closed, or lacks a comma; quote texts that hold [ ] { } or ,",
        ),
        ("%YAML 9.0\n---\na: 1\n", "1:1: not YAML: found incompatible YAML document (version 1.* is required)"),
        ('a: "\\UFFFFFFFF"\n', "1:7: the escape that ends here is no character: remove it"),
        ('a: "\\U00110000"\n', "1:7: the escape that ends here is no character: remove it"),
    ],
)
def test_everything_else_is_refused_with_its_place_and_cure(text: str, complaint: str) -> None:
    assert problems(text) == [complaint]


def test_what_is_wrong_in_one_value_hides_nothing_in_another() -> None:
    assert [problem.line for problem in compose(FILE, "a: no\nb: *x\nc: 20:30\nd: fine\nd: twice\n").problems] == [
        1,
        2,
        3,
        5,
    ]


def test_the_value_of_a_refused_key_goes_nowhere() -> None:
    document = compose(FILE, "a: {x: 1}\na: {y: [no, {z: 2}]}\nb: 3\n")

    assert data(document) == {"a": {"x": 1}, "b": 3}
    assert len(document.problems) == 1


def test_nesting_has_a_limit() -> None:
    assert problems("[" * MAX_DEPTH + "]" * MAX_DEPTH) == []
    assert problems("[" * (MAX_DEPTH + 1)) == [f"1:{MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH} levels"]
    assert problems("- " * MAX_DEPTH + "x") == []
    assert problems("- " * (MAX_DEPTH + 1) + "x") == [f"1:{2 * MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH} levels"]


LIST_BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "calls_at_most"),
    [
        pytest.param(LIST_BOMB, 50_000, id="list-bomb"),
        pytest.param(MERGE_BOMB, 50_000, id="merge-bomb"),
        pytest.param("[" * 3000, 10_000, id="deep-flow"),
        pytest.param("- " * 3000, 10_000, id="deep-block"),
        pytest.param("{a: " * 3000, 10_000, id="deep-mapping"),
        pytest.param("? " * 3000, 10_000, id="deep-key"),
        pytest.param("".join(f"persona-{n}: {{name: x}}\n" for n in range(10_000)), 1_500_000, id="10000-personas"),
        pytest.param("".join(f"k{n}: v\n" for n in range(10_000)), 1_500_000, id="10000-keys"),
        pytest.param("a: " + "9" * 100_000, 300_000, id="huge-integer"),
    ],
)
def test_a_bomb_is_refused_quickly_and_without_growing(text: str, calls_at_most: int) -> None:
    document, calls = calls_in(lambda: compose(FILE, text))

    assert document.problems
    assert calls < calls_at_most, "from 1,300 to 975,000 were counted; many times as many where nothing stops it"
    tracemalloc.start()
    try:
        compose(FILE, text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20 * 1024 * 1024
    if document.root is not None:
        assert sum(1 for _ in document.root.walk()) <= MAX_VALUES


@given(st.text(alphabet="ab:-?[]{}&*!|>'\"%#\n \t,0~\\\x00\u2028é", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    document = compose(FILE, text)

    assert document.root is not None or document.problems


@given(
    st.recursive(
        st.text(alphabet="abc xyz", min_size=1, max_size=8).filter(lambda text: text.strip() not in {"y", ""}),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="pqr", min_size=1), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_what_json_writes_is_read_back_as_it_was(value: object) -> None:
    document = compose(FILE, json.dumps(value))

    assert document.problems == []
    assert data(document) == value


def test_a_tree_answers_only_for_what_it_is() -> None:
    root = compose(FILE, "a: [1]\nb: {c: text}\nd: &x broken\n").root

    assert root is not None
    first, second = root.members()["a"], root.members()["b"]
    assert first.get("c") is None
    assert first.members() == {}
    assert second.entries() == []
    assert second.members()["c"].text == "text"
    assert root.members()["d"].text is None


def test_a_path_reads_as_people_write_it() -> None:
    assert key_path(("agents", 0, "side")) == "agents[0].side"
    assert key_path((3,)) == "[3]"
    assert key_path(()) == ""
    assert len(key_path(("k" * 500,))) == 60
