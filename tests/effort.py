"""Work that is counted, where a time would say how busy the machine is."""

import sys
from collections.abc import Callable
from typing import TypeVar

__all__ = ["calls_in"]

T = TypeVar("T")


def calls_in(work: Callable[[], T]) -> tuple[T, int]:
    """Return what the work returns, and how many calls and returns this thread has made for it.

    What is written in C is one call, however long it takes: a regular expression, a query.
    """
    count = 0

    def tally(*_: object) -> None:
        nonlocal count
        count += 1

    earlier = sys.getprofile()
    sys.setprofile(tally)
    try:
        result = work()
    finally:
        sys.setprofile(earlier)
    return result, count
