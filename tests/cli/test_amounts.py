import pytest

from debate_caster.cli.amounts import counted, size


@pytest.mark.parametrize(("number", "said"), [(0, "0 shows"), (1, "1 show"), (2, "2 shows")])
def test_only_one_of_something_is_said_in_the_singular(number: int, said: str) -> None:
    assert counted(number, "show") == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0.0 KB"),
        (950, "0.9 KB"),
        (12_345, "12 KB"),
        (1_500_000, "1.5 MB"),
        (2 * 10**9, "2.0 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_sizes_are_said_in_the_unit_that_makes_them_short(count: int, said: str) -> None:
    assert size(count) == said
