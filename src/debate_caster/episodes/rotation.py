"""Whose turn it is among choices, by what was chosen before: none twice until all have had theirs. Pure.

It follows from the past alone and not from a number, so that an author may change the choices in mid-season.
"""

from collections.abc import Iterable, Sequence
from random import Random

__all__ = ["next_choice"]


def next_choice(choices: Sequence[str], past: Iterable[str], *, seed: int | None = None) -> str:
    """Return the next of ``choices``, which are different and at least one.

    Args:
        choices: In the order in which they have their turns.
        past: What was chosen before, oldest first; others than ``choices`` do not count.
        seed: Shuffles the choices, anew each time all have been used; None leaves them in order.
    """
    known, used, last, rounds = set(choices), set[str](), "", 0
    for choice in past:
        if choice not in known:
            continue
        if choice in used:  # a round ended before one of these choices was added
            used, rounds = set(), rounds + 1
        used.add(choice)
        last = choice
        if used == known:
            used, rounds = set(), rounds + 1
    order = list(choices)
    if seed is not None:
        Random(f"{seed}/{rounds}").shuffle(order)  # noqa: S311 - an order that can be told beforehand, no secret
    unused = [choice for choice in order if choice not in used]
    return next((choice for choice in unused if choice != last), unused[0])
