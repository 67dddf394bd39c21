"""The table of guards stays true to the sources and to the pages; ``make mutate`` is what tries the guards."""

import ast
from datetime import UTC, datetime
from functools import cache
from types import CodeType

import pytest

from tests.mutation.guards import GUARDS, ROOT, Guard
from tests.mutation.page import PAGE, Outcome, guards_of, rewritten, untried


@cache
def source(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def meaning(code: CodeType) -> tuple[object, ...]:
    """Return what is done, wherever it stands: a changed comment or line number changes nothing."""
    constants = tuple(meaning(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_exceptiontable, constants


@cache
def meaning_of(path: str) -> tuple[object, ...]:
    return meaning(compile(source(path), "", "exec"))


@cache
def functions_in(path: str) -> frozenset[str]:
    functions = (
        node for node in ast.parse(source(path)).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return frozenset(function.name for function in functions)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.what)
def test_every_guard_stands_where_the_table_says_and_can_be_taken_away(guard: Guard) -> None:
    mutant = guard.mutate(source(str(guard.path)))

    assert mutant != source(str(guard.path))
    if guard.path.suffix == ".py":
        assert meaning(compile(mutant, "", "exec")) != meaning_of(str(guard.path))


def test_no_two_guards_are_the_same() -> None:
    assert len({guard.what for guard in GUARDS}) == len(GUARDS)
    assert len({(guard.file, guard.code, guard.instead) for guard in GUARDS}) == len(GUARDS)


def test_every_test_that_a_guard_names_is_there() -> None:
    for node_id in {node_id for guard in GUARDS for node_id in guard.node_ids}:
        file, _, function = node_id.partition("::")
        assert (ROOT / file).is_file(), node_id
        assert not function or function in functions_in(file), node_id


def test_promises_that_no_guard_keeps_are_found_and_what_is_no_code_of_ours_is_not() -> None:
    table = (
        "| promise | test |\n|---|---|\n"
        f"| kept | `{GUARDS[0].node_ids[0]}` |\n"
        "| not kept | `tests/x.py::test_y` `::test_z` |\n"
        "| a file | `tests/test_security_page.py::test_every_requirement_is_pinned_with_its_hash` |\n"
        "| many | `tests/faults/test_kills.py::test_a_show_survives_being_killed_at_random_points` (`make soak`) |\n"
    )

    assert untried(table, GUARDS) == ["tests/x.py::test_y tests/x.py::test_z"]


def test_the_page_lists_every_guard() -> None:
    assert guards_of(source(PAGE)) == [guard.what for guard in GUARDS]


def test_the_page_says_that_every_guard_is_held() -> None:
    assert "**nothing**" not in source(PAGE)


def test_a_table_is_written_between_its_markers_and_read_again() -> None:
    page = "Before\n\n<!-- guards: written by `make mutate` -->\nold\n<!-- end of guards -->\n\nAfter\n"
    outcomes = [Outcome(GUARDS[0], "tests/test_x.py::test_y"), Outcome(GUARDS[1], None)]

    written = rewritten(page, outcomes, datetime(2030, 1, 2, tzinfo=UTC))

    assert written.startswith("Before\n\n<!-- guards")
    assert written.endswith("<!-- end of guards -->\n\nAfter\n")
    assert "2030-01-02: 1 of 2 guards" in written
    assert "old" not in written
    assert guards_of(written) == [GUARDS[0].what, GUARDS[1].what]
    with pytest.raises(ValueError, match="lacks"):
        rewritten("no markers", outcomes, datetime(2030, 1, 2, tzinfo=UTC))
