from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from debate_caster.errors import ModelError
from debate_caster.llm.conversation import Request
from debate_caster.scenario.script import Audience, Budget
from debate_caster.show.apologies import apology_for
from debate_caster.show.events import (
    ChunkAired,
    EpochBegan,
    MoneySpent,
    ShowPaused,
    ShowResumed,
    TurnEnded,
    VoteClosed,
    VoteOpened,
)
from tests.faults.invariants import as_fields, broken_in
from tests.show.stage_props import (
    Backstage,
    Evening,
    Reply,
    log_of,
    make_scenario,
    outage,
    perform_evening,
    words_of,
)

PROBE_S = 30.0
"""After how long a model that is out may be asked again, in these tests."""

AN_HOUR = timedelta(hours=1)

Answer = Callable[[Request, int], Reply]


def out(cause: ModelError | None = None) -> Reply:
    error = ModelError("m", "unavailable", "scripted", retryable=False, retry_after_s=PROBE_S)
    error.__cause__ = cause or outage()
    return Reply(error=error)


def out_for(**rounds: int) -> Answer:
    """Return a model that is out when it is asked for a turn (``t1=3``), so many times, and answers then."""
    left = {int(turn.removeprefix("t")): count for turn, count in rounds.items()}

    def answer(request: Request, _call: int) -> Reply:
        turn = request.cue.turn if request.cue else 0
        if left.get(turn, 0) == 0:
            return Reply(words_of(20))
        left[turn] -= 1
        return out()

    return answer


def ends_of(evening: Evening) -> list[tuple[str, bool]]:
    return [(event.how, event.apology) for event in evening.of(TurnEnded)]


def pauses(evening: Evening) -> list[float]:
    starts, ends = evening.of(ShowPaused), evening.of(ShowResumed)
    return [(end.at - start.at).total_seconds() for start, end in zip(starts, ends, strict=True)]


def test_a_show_waits_for_its_models_and_loses_no_turn() -> None:
    evening = perform_evening(make_scenario(), out_for(t1=3))

    [pause], [start], [end] = pauses(evening), evening.of(ShowPaused), evening.of(ShowResumed)
    assert ends_of(evening) == [("completed", False)] * 4
    assert start.why == "models"
    assert 2 * PROBE_S < pause < 3 * PROBE_S + 5
    assert not [event for event in evening.events[start.seq : end.seq - 1] if isinstance(event, ChunkAired)]
    assert evening.transcript.outage_s == pytest.approx(pause)
    assert evening.ended.why == "completed"
    assert broken_in(as_fields(evening.events)) == []


def test_a_model_that_is_back_in_time_is_not_waited_for() -> None:
    def answer(request: Request, call: int) -> Reply:
        return out() if call == 1 else Reply(words_of(120))

    evening = perform_evening(make_scenario(words=150), answer)

    called = [event.outcome for event in evening.of(MoneySpent)]
    assert called == ["completed", "unavailable", "completed", "completed", "completed"]
    assert len(evening.of(ShowPaused)) <= 1
    paused = [event.at for event in evening.of(ShowPaused)]
    assert all(at >= evening.of(TurnEnded)[0].at for at in paused)


def test_what_is_on_air_is_said_to_its_end_before_the_show_waits() -> None:
    evening = perform_evening(make_scenario(words=100), out_for(t1=2))

    [pause] = evening.of(ShowPaused)
    assert evening.events[pause.seq - 2].type in ("turn_ended", "money_spent")
    assert evening.of(TurnEnded)[0].seq < pause.seq
    assert evening.of(TurnEnded)[0].how == "completed"


def test_a_show_waits_so_long_and_then_says_goodbye() -> None:
    evening = perform_evening(make_scenario(budget=Budget(max_outage_s=200)), out_for(t1=1000))

    assert pauses(evening) == [pytest.approx(200)]
    assert ends_of(evening) == [("completed", False), ("aborted", True)]
    assert evening.text_of(1) == apology_for("en", 1, "ending")
    assert (evening.ended.why, evening.ended.detail) == ("failed", "no model answered for too long")
    assert len([event for event in evening.of(MoneySpent) if event.turn == 1]) <= 200 / PROBE_S + 2
    assert broken_in(as_fields(evening.events)) == []


def test_all_outages_of_a_show_together_last_so_long() -> None:
    evening = perform_evening(make_scenario(budget=Budget(max_outage_s=100)), out_for(t1=2, t2=1, t3=1000))

    assert len(pauses(evening)) == 3
    assert sum(pauses(evening)) == pytest.approx(100)
    assert [how for how, _ in ends_of(evening)] == ["completed", "completed", "completed", "aborted"]


def test_a_show_that_may_not_wait_says_goodbye_at_once() -> None:
    evening = perform_evening(make_scenario(budget=Budget(max_outage_s=0)), out_for(t1=1))

    assert (evening.of(ShowPaused), evening.text_of(1)) == ([], apology_for("en", 1, "ending"))
    assert evening.ended.why == "failed"


def test_what_only_an_operator_can_mend_is_not_waited_for() -> None:
    def answer(request: Request, _call: int) -> Reply:
        turn = request.cue.turn if request.cue else 0
        return out(outage("refused", retryable=False)) if turn == 1 else Reply(words_of(20))

    evening = perform_evening(make_scenario(), answer)

    assert evening.of(ShowPaused) == []
    assert ends_of(evening) == [("completed", False), ("aborted", True), ("completed", False), ("completed", False)]


def test_half_a_speech_that_is_there_is_aired_rather_than_waited_for() -> None:
    def answer(request: Request, call: int) -> Reply:
        turn = request.cue.turn if request.cue else 0
        if turn != 1:
            return Reply(words_of(20))
        return Reply(words_of(30), words_per_s=1000, error=outage("cut"), error_after=20) if call == 1 else out()

    evening = perform_evening(make_scenario(), answer)

    assert [event.outcome for event in evening.of(MoneySpent) if event.turn == 1] == ["cut", "unavailable"]
    assert evening.of(ShowPaused) == []
    assert (evening.of(TurnEnded)[1].how, evening.of(TurnEnded)[1].apology) == ("aborted", False)
    assert words_of(30).startswith(evening.text_of(1))


def test_a_wait_for_models_is_no_time_on_air_and_closes_no_vote() -> None:
    scenario = make_scenario(budget=Budget(max_minutes=1.5), audience=Audience(votes="swing", vote_s=20))

    evening = perform_evening(scenario, out_for(t0=4), tallies={"stage": {}})

    [opened], [closed] = evening.of(VoteOpened)[:1], evening.of(VoteClosed)[:1]
    assert evening.ended.why == "completed"
    assert evening.transcript.on_air_s < 90 < evening.seconds(evening.events[-1])
    assert (closed.at - opened.at).total_seconds() >= 20 + pauses(evening)[0] - 1


def test_a_waiting_show_knows_what_its_producer_may_do() -> None:
    told: list[tuple[bool, str]] = []
    allowed: list[list[str]] = []

    async def direct(stage: Backstage) -> None:
        await _until_paused(stage)
        allowed.append(stage.control.may())
        for command in ("pause", "resume", "skip"):
            answer = await stage.order(command)
            told.append((answer.ok, answer.message))

    evening = perform_evening(make_scenario(), out_for(t1=1000), beside=direct)

    assert "pause" not in allowed[0]
    assert "resume" not in allowed[0]
    assert told == [
        (False, "the show is paused already: it waits for a model"),
        (False, "the show waits for a model, and goes on by itself once one answers"),
        (True, "the turn is skipped"),
    ]
    assert [how for how, _ in ends_of(evening)] == ["completed", "skipped", "completed", "completed"]
    assert evening.ended.why == "completed"


def test_a_producers_own_pause_comes_first_and_costs_no_patience() -> None:
    async def direct(stage: Backstage) -> None:
        while len(stage.llm.asked) < 2:
            await stage.clock.sleep(0.1)
        await stage.order("pause")
        await stage.clock.sleep(1000.0)
        assert stage.writer.transcript.paused_by == "producer"
        await stage.order("resume")

    evening = perform_evening(make_scenario(), out_for(t1=35), beside=direct)

    assert [event.why for event in evening.of(ShowPaused)] == ["producer", "models"]
    assert evening.transcript.outage_s == pytest.approx(pauses(evening)[1])
    assert ends_of(evening) == [("completed", False)] * 4


def test_one_pause_holds_a_show_at_a_time() -> None:
    held: list[bool] = []

    async def direct(stage: Backstage) -> None:
        await stage.until(1.0)
        await stage.order("pause")
        held.append(await stage.control.hold_for_models())
        await stage.control.go_on()
        held.append(stage.writer.transcript.paused)
        await stage.order("resume")

    evening = perform_evening(make_scenario(), beside=direct)

    assert held == [False, True]
    assert [event.why for event in evening.of(ShowPaused)] == ["producer"]


@pytest.mark.parametrize(("command", "why"), [("end", "producer"), ("stop", "interrupted")])
def test_a_show_that_waits_can_be_ended(command: str, why: str) -> None:
    async def end(stage: Backstage) -> None:
        await _until_paused(stage)
        if command == "end":
            await stage.order("end")
        else:
            stage.stop.set()

    evening = perform_evening(make_scenario(), out_for(t1=1000), beside=end)

    assert evening.ended.why == why
    assert evening.seconds(evening.events[-1]) < 60
    assert [(event.turn, event.how) for event in evening.of(TurnEnded)] == [(0, "completed"), (1, "skipped")]


def test_a_show_whose_program_dies_while_it_waits_goes_on_and_has_no_more_patience_than_before() -> None:
    whole = perform_evening(make_scenario(budget=Budget(max_outage_s=100)), out_for(t1=1000))

    for seq in range(whole.of(ShowPaused)[0].seq, whole.of(ShowResumed)[0].seq):
        kept = [event.model_copy(update={"at": event.at - AN_HOUR}) for event in whole.events[:seq]]
        scenario = make_scenario(budget=Budget(max_outage_s=100))
        taken_over = EpochBegan(at=whole.events[0].at, seq=seq + 1, epoch=1)

        evening = perform_evening(scenario, out_for(t2=1000), log=log_of([*kept, taken_over]))

        assert evening.transcript.outage_s == pytest.approx(100)
        assert ends_of(evening) == [("completed", False), ("completed", False), ("aborted", True)]
        assert broken_in(as_fields(evening.events)) == []


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(10), id="10"),
        pytest.param(range(400), id="400", marks=[pytest.mark.soak, pytest.mark.timeout(120)]),
    ],
)
def test_whatever_models_and_a_producer_do_no_word_is_aired_in_a_pause_and_every_turn_ends(seeds: range) -> None:
    for seed in seeds:
        evening = _random_evening(Random(seed))

        assert [event.turn for event in evening.of(TurnEnded)] == list(range(len(evening.of(TurnEnded))))
        assert evening.llm.open_streams == 0
        paused = False
        for event in evening.events:
            assert not (paused and isinstance(event, ChunkAired)), f"seed {seed}: aired in a pause"
            if isinstance(event, ShowPaused | ShowResumed):
                assert paused is isinstance(event, ShowResumed), f"seed {seed}: {event.type} again"
                paused = not paused


def _random_evening(random: Random) -> Evening:
    """Perform a show of a model that is now in, now out, under a producer who does now this, now that."""

    def answer(_request: Request, _call: int) -> Reply:
        kind, words = random.random(), random.randint(1, 60)
        if kind < 0.35:
            return out()
        if kind < 0.45:
            return Reply(error=outage(random.choice(["connect", "silent", "filtered"]), retryable=kind < 0.42))
        if kind < 0.55:
            return Reply(words_of(30), words_per_s=1000, error=outage("cut"), error_after=random.randint(0, 29))
        return Reply(words_of(words), words_per_s=random.choice([5, 50, 1000]))

    async def direct(stage: Backstage) -> None:
        while True:
            await stage.clock.sleep(random.choice([0.3, 2, 7, 25]))
            await stage.order(random.choice(["pause", "resume", "resume", "skip", "inject"]), text="Say this.")

    budget = Budget(max_outage_s=random.choice([0, 60, 200]), max_minutes=random.choice([None, 2, 60]))
    scenario = make_scenario(moderator=random.random() < 0.5, rounds=random.randint(1, 3), budget=budget)
    return perform_evening(scenario, answer, beside=direct if random.random() < 0.7 else None)


async def _until_paused(stage: Backstage) -> None:
    while not stage.writer.transcript.paused:
        await stage.clock.sleep(1.0)
