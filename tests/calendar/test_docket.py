from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debate_caster.calendar.docket import ON_TIME_S, Docket
from debate_caster.calendar.timetable import Timetable
from tests.calendar.plans import at, entry

HOURLY = Timetable("hourly", [entry("0 * * * *", grace_s=300)])


def test_nothing_is_decided_before_a_slot_is_due() -> None:
    docket = Docket(HOURLY, at("06-01 10:30"))

    assert docket.decide(at("06-01 10:59"), busy=False, queued=False) == []
    assert docket.next is not None
    assert docket.next.at == at("06-01 11:00")


def test_deciding_changes_nothing_until_it_is_settled() -> None:
    docket, now = Docket(HOURLY, at("06-01 10:30")), at("06-01 11:00")

    once, again = (docket.decide(now, busy=False, queued=False) for _ in range(2))
    docket.settle(now, again)

    assert once == again
    assert docket.handled_until == now
    assert docket.decide(now, busy=False, queued=False) == []


@pytest.mark.parametrize(
    ("late_s", "grace_s", "outcome"),
    [(0, 0, "ran"), (ON_TIME_S, 0, "ran"), (31, 0, "skipped"), (31, 60, "caught_up"), (61, 60, "skipped")],
)
def test_a_slot_starts_while_it_is_on_time_or_within_its_grace(late_s: float, grace_s: int, outcome: str) -> None:
    docket = Docket(Timetable("hourly", [entry("0 * * * *", grace_s=grace_s)]), at("06-01 10:30"))
    (decision,) = docket.decide(at("06-01 11:00") + timedelta(seconds=late_s), busy=False, queued=False)

    assert decision.outcome == outcome


def test_of_several_missed_slots_within_their_grace_only_the_newest_starts() -> None:
    docket, now = (
        Docket(Timetable("hourly", [entry("0 * * * *", grace_s=86_400)]), at("06-01 10:30")),
        at("06-01 14:10"),
    )

    decisions = docket.decide(now, busy=False, queued=False)
    docket.settle(now, decisions)

    assert [(f"{one.slot.at:%H:%M}", one.outcome, one.why) for one in decisions] == [
        ("11:00", "skipped", "missed"), ("12:00", "skipped", "missed"), ("13:00", "skipped", "missed"),
        ("14:00", "caught_up", ""),
    ]  # fmt: skip
    assert docket.decide(now, busy=False, queued=False) == []


def test_shows_beyond_the_count_are_no_slots_at_all() -> None:
    rules = entry("0 * * * *", count=2)
    docket = Docket(Timetable("two", [rules]), at("06-01 10:30"), started=Counter({"0 * * * * UTC": 2}))

    assert docket.decide(at("06-01 11:00"), busy=False, queued=False) == []
    assert list(docket.coming(at("06-01 10:30"))) == []


@given(st.lists(st.integers(-7200, 7200), min_size=1, max_size=40))
def test_however_the_clock_is_turned_no_slot_is_decided_twice_and_none_is_lost(steps: list[int]) -> None:
    docket, now, decided = Docket(HOURLY, at("06-01 10:30")), at("06-01 10:30"), []
    latest = now
    for step in steps:
        now += timedelta(seconds=step)
        latest = max(latest, now)
        decisions = docket.decide(now, busy=False, queued=False)
        docket.settle(now, decisions)
        assert sum(decision.outcome != "skipped" for decision in decisions) <= 1
        decided += [decision.slot.at for decision in decisions]

    passed = int((latest - at("06-01 10:00")).total_seconds() // 3600)
    assert decided == [at("06-01 10:00") + timedelta(hours=hour) for hour in range(1, passed + 1)]
