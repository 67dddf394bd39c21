import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/reliability.md").read_text("utf-8")
NAMED = set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TABLE))

OWN = {Path(__file__).name, "test_invariants.py"}
"""Tests of what tests of faults use."""


@cache
def named_tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


def test_every_test_that_the_table_names_is_there() -> None:
    assert NAMED
    assert [name for path, name in sorted(NAMED) if name not in named_tests(ROOT / path)] == []


def test_every_fault_that_is_tested_stands_in_the_table() -> None:
    files = [path for path in (ROOT / "tests/faults").glob("test_*.py") if path.name not in OWN]
    tested = {(str(path.relative_to(ROOT)), name) for path in files for name in named_tests(path)}
    assert tested - NAMED == set()
