from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.clock import ManualClock
from debate_caster.scenario.script import Pacing
from debate_caster.show.pacing import Pacer, longest_speech_s


def make(clock: ManualClock, **pacing: float) -> Pacer:
    return Pacer(Pacing(**pacing), clock)  # type: ignore[arg-type]  # by name, all of them floats


def air(pacer: Pacer, clock: ManualClock, text: str, agent: str = "ada") -> float:
    due = pacer.due(agent)
    clock.advance(due - clock.monotonic())
    pacer.aired(agent, text, due=due)
    return due


def test_the_next_chunk_is_due_when_the_last_one_has_been_read() -> None:
    clock = ManualClock()
    pacer = make(clock, chars_per_second=20.0)

    assert [air(pacer, clock, "x" * 60), air(pacer, clock, "x" * 100), pacer.due("ada")] == [0.0, 3.0, 8.0]


def test_short_chunks_keep_the_least_interval() -> None:
    clock = ManualClock()
    pacer = make(clock)

    assert [air(pacer, clock, "Yes."), air(pacer, clock, "No."), pacer.due("ada")] == [0.0, 2.0, 4.0]


def test_the_interval_holds_for_each_agent_and_not_between_them() -> None:
    clock = ManualClock()
    pacer = make(clock)
    air(pacer, clock, "Yes.")

    assert pacer.due("ben") == pytest.approx(0.2)
    assert pacer.due("ada") == 2.0


def test_a_stall_causes_no_burst_afterwards() -> None:
    clock = ManualClock()
    pacer = make(clock)
    air(pacer, clock, "x" * 60)
    clock.advance(60)

    assert [air(pacer, clock, "x" * 60), pacer.due("ada")] == [60.0, 63.0]


def test_a_chunk_aired_late_keeps_its_distance_to_the_next() -> None:
    clock = ManualClock()
    pacer = make(clock, chars_per_second=1000.0)
    clock.advance(0.5)
    pacer.aired("ada", "x", due=0.0)

    assert pacer.due("ada") == 2.5


@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0, 5)), min_size=2, max_size=40))
def test_no_two_chunks_of_an_agent_are_closer_than_the_interval(chunks: list[tuple[int, float]]) -> None:
    clock = ManualClock()
    pacer = make(clock)
    instants = []
    for length, stall in chunks:
        clock.advance(stall)
        instants.append(air(pacer, clock, "x" * length))

    assert all(later - earlier >= 2.0 - 1e-9 for earlier, later in pairwise(instants))


def test_when_a_speech_will_have_been_read_is_known_beforehand() -> None:
    clock = ManualClock()
    pacer = make(clock)
    chunks = ["x" * 60, "short", "x" * 100]
    foreseen = pacer.read_after("ada", chunks)

    for chunk in chunks:
        air(pacer, clock, chunk)

    assert pacer.read_at == pytest.approx(foreseen) == 10.0


def test_a_pause_counts_from_the_moment_of_having_read() -> None:
    clock = ManualClock()
    pacer = make(clock)
    assert pacer.planned("ben", pause_s=1.5) == 0.0

    air(pacer, clock, "x" * 60)

    assert pacer.planned("ben", pause_s=1.5) == 4.5


def test_a_speech_of_ordinary_words_is_never_longer_than_foreseen() -> None:
    pacing = Pacing()

    assert longest_speech_s(pacing, 150) >= 150 * 6.8 / 20
    assert longest_speech_s(Pacing(chars_per_second=1000.0), 150) > 10
