from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import pytest

from debate_caster.clock import ManualClock
from debate_caster.errors import FencedError
from debate_caster.log import MemoryEventLog
from debate_caster.scenario.script import Budget
from debate_caster.show.events import EpochBegan, ShowEvent, ShowPaused, TurnEnded, stream_of
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.transcript import fold
from tests.cli.stage_play import play
from tests.faults.invariants import as_fields, broken_in
from tests.show.stage_props import log_of, make_scenario, perform_evening


async def test_who_was_taken_over_from_adds_nothing() -> None:
    log = MemoryEventLog()
    stale = await ShowLogWriter.open(log, "s1", clock=ManualClock())
    await stale.append(play()[0])
    heir = await ShowLogWriter.open(log, "s1", clock=ManualClock())
    await heir.take_over()

    with pytest.raises(FencedError):
        await stale.append(ShowPaused(at=stale.now()))
    late = await ShowLogWriter.open(log, "s1", clock=ManualClock(), epoch=0)
    await late.take_over()
    with pytest.raises(FencedError):
        await heir.append(ShowPaused(at=heir.now()))
    with pytest.raises(FencedError):  # even who knows where the log ends
        await log.append(stream_of("s1"), ["{}"], expect=3, epoch=1)
    assert (heir.transcript.epoch, late.transcript.epoch) == (1, 2)


def test_a_show_that_is_cut_off_anywhere_goes_on_to_its_end() -> None:
    scenario = make_scenario()
    whole = perform_evening(scenario)
    turns = len(whole.of(TurnEnded))
    for length in range(1, len(whole.events)):
        kept = whole.events[:length]

        evening = perform_evening(scenario, log=log_of(kept))

        assert evening.events[:length] == kept
        assert broken_in(as_fields(evening.events)) == []
        assert evening.ended.why == "completed"
        held = [event for event in evening.of(TurnEnded) if not event.again]
        assert [event.how for event in held] == ["completed"] * turns, f"cut off after {length} events"
        assert len(evening.of(TurnEnded)) == turns + (fold(kept).open is not None)


def test_what_was_spent_before_counts() -> None:
    whole = perform_evening(make_scenario())
    kept = whole.events[: len(whole.events) // 2]

    def suffices(max_tokens: int, *, before: Sequence[ShowEvent]) -> bool:
        evening = perform_evening(
            make_scenario(budget=Budget(max_tokens=max_tokens)), log=log_of(before) if before else None
        )
        assert evening.ended.why in {"completed", "budget"}
        return evening.ended.why == "completed"

    least = bisect_left(range(200_000), True, key=partial(suffices, before=()))

    assert fold(kept).spent.prompt_tokens > 10
    assert suffices(least, before=kept)
    assert not suffices(least - 1, before=kept)


def test_time_off_the_air_is_no_time_on_air() -> None:
    events = play("One.", "Two.")
    morning = [event.model_copy(update={"at": event.at + timedelta(hours=9)}) for event in events[7:]]

    state = fold([*events[:7], EpochBegan(at=morning[0].at, epoch=1), *morning])

    assert state.on_air_s == 6 + len(morning) - 1
