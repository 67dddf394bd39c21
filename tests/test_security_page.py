"""SECURITY.md says which test proves which defence: the tests that it names are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def named_tests() -> list[tuple[str, str]]:
    """The tests that the page names: (file, function). ``::name`` alone is in the file named before it."""
    named, file = [], ""
    for path, function in re.findall(r"`((?:tests/[\w/]+\.py)?)::(\w+)`", PAGE):
        file = path or file
        named.append((file, function))
    return named


def test_every_test_that_the_page_names_is_there() -> None:
    assert len(named_tests()) > 30
    for file, function in named_tests():
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert function in functions, f"{file} has no {function}"


def test_every_defence_has_a_test() -> None:
    table = PAGE.partition("## Defences")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        assert row.count(" | ") == 2, row
        assert "::" in row, row


@pytest.mark.parametrize("kind", ["run", "dev"])
def test_every_requirement_is_pinned_with_its_hash(kind: str) -> None:
    lines = (ROOT / "requirements" / f"{kind}.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    requirements = [line for line in lines if line.strip() and not line.startswith("#")]

    assert len(requirements) > 20
    for line in requirements:
        assert re.match(r"[a-z0-9._-]+==\S+", line, re.IGNORECASE), line
        assert "--hash=sha256:" in line, line
        assert "://" not in line, "no address of a registry"
