from datetime import timedelta
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from debate_caster.calendar.timetable import Spliced, Timetable, show_id_of
from tests.calendar.plans import at, entry


def slots(*entries: object, begin: str = "06-01 00:00", count: int = 5) -> list[str]:
    timetable = Timetable("friday", entries)  # type: ignore[arg-type]  # entries come from plans.entry
    return [f"{slot.at:%m-%d %H:%M}" for slot in islice(timetable.after(at(begin)), count)]


def test_the_id_of_a_slots_show_names_the_scenario_and_the_instant_in_utc() -> None:
    assert show_id_of("friday", at("11-27 19:00")) == "friday-20261127-190000z"


def test_several_entries_are_one_series_and_an_instant_named_twice_is_one_slot() -> None:
    assert slots(entry("0 20 * * *"), entry("0 8,20 * * *"), count=4) == [
        "06-01 08:00", "06-01 20:00", "06-02 08:00", "06-02 20:00",
    ]  # fmt: skip


def test_a_scenario_without_a_schedule_has_no_slots() -> None:
    assert slots() == []


def test_the_last_day_counts_in_the_entrys_own_zone() -> None:
    kolkata = entry("30 2 * * *", "Asia/Kolkata", until=at("06-03 00:00").date())

    assert slots(kolkata) == ["06-01 21:00", "06-02 21:00"]


def test_a_blackout_stays_in_sight_unless_one_asks_for_shows() -> None:
    timetable = Timetable("friday", [entry(blackout=(at("06-02 00:00").date(),), count=2)])

    everything = list(islice(timetable.after(at("06-01 00:00")), 4))
    shows = list(timetable.after(at("06-01 00:00"), started={}))

    assert [slot.blackout for slot in everything] == [False, True, False, False]
    assert [slot.at for slot in shows] == [at("06-01 20:00"), at("06-03 20:00")]


@given(st.integers(0, 3600))
def test_jitter_is_within_its_limit_and_always_the_same(most: int) -> None:
    def delays() -> list[timedelta]:
        timetable = Timetable("friday", [entry("0 * * * *", jitter_s=most)])
        return [slot.due - slot.at for slot in islice(timetable.after(at("06-01 00:00")), 30)]

    assert delays() == delays()
    assert all(timedelta() <= delay <= timedelta(seconds=most) for delay in delays())
    assert most < 60 or len(set(delays())) > 5


def test_over_an_edit_the_old_slots_hold_up_to_it_and_the_new_ones_after_it() -> None:
    old, new = Timetable("friday", [entry("0 20 * * *")]), Timetable("friday", [entry("0 19,21 * * *")])
    spliced = Spliced(old, at("06-02 20:30"), new)

    assert [f"{slot.at:%d %H}" for slot in islice(spliced.after(at("06-01 00:00")), 5)] == [
        "01 20", "02 20", "02 21", "03 19", "03 21",
    ]  # fmt: skip
    assert [f"{slot.at:%d %H}" for slot in islice(spliced.after(at("06-03 00:00")), 1)] == ["03 19"]
