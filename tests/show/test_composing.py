"""When models are asked, and what they are told: seen from whole evenings."""

import pytest

from debate_caster.scenario.script import Pacing
from debate_caster.show.events import (
    HintTaken,
    HintUsed,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
)
from debate_caster.show.hints import Remark
from debate_caster.show.transcript import INTERJECTION
from tests.show.stage_props import Backstage, Evening, Reply, log_of, make_scenario, perform_evening, words_of


def gaps(evening: Evening) -> list[float]:
    ends = {event.turn: evening.seconds(event) for event in evening.of(TurnEnded)}
    starts = {event.turn: evening.seconds(event) for event in evening.of(TurnStarted)}
    return [starts[turn] - ends[turn - 1] for turn in sorted(starts) if turn]


def test_a_model_s_thinking_time_is_no_dead_air() -> None:
    evening = perform_evening(
        make_scenario(rounds=5), lambda _request, _call: Reply(words_of(40), first_token_s=1.5, words_per_s=15)
    )

    assert gaps(evening) == pytest.approx([1.5] * 9, abs=0.01)


def test_without_read_ahead_viewers_wait_for_the_model() -> None:
    evening = perform_evening(
        make_scenario(pacing=Pacing(read_ahead=False)),
        lambda _request, _call: Reply(words_of(40), first_token_s=3.0, words_per_s=15),
    )

    assert min(gaps(evening)) > 3.0


def test_a_fast_model_is_asked_only_shortly_before_its_turn() -> None:
    evening = perform_evening(make_scenario(rounds=3), lambda _request, _call: Reply(words_of(40), first_token_s=0.2))

    starts = {event.turn: evening.seconds(event) for event in evening.of(TurnStarted)}
    asked = {
        request.cue.turn: at for request, at in zip(evening.llm.asked, evening.llm.asked_at, strict=True) if request.cue
    }
    leads = [starts[turn] - asked[turn] for turn in range(2, 6)]
    assert leads == pytest.approx([leads[0]] * 4, abs=0.2)
    assert 0.5 <= max(leads) <= 1.0


def test_the_next_prompt_holds_the_speech_on_air_in_full() -> None:
    said = [f"Number {number}. {words_of(30)} The end of {number}." for number in range(4)]

    evening = perform_evening(make_scenario(), [Reply(text, first_token_s=2.0) for text in said])

    prepared = {event.turn: event.seq for event in evening.of(TurnPrepared)}
    ended = {event.turn: event.seq for event in evening.of(TurnEnded)}
    for turn in range(1, 4):
        assert prepared[turn] < ended[turn - 1]
        assert said[turn - 1] in evening.prompt_of(turn)


def test_a_hint_given_five_seconds_before_a_turn_is_in_that_turn_s_prompt() -> None:
    scenario = make_scenario(rounds=3)
    undisturbed = perform_evening(scenario)
    start = next(undisturbed.seconds(event) for event in undisturbed.of(TurnStarted) if event.turn == 3)

    evening = perform_evening(scenario, remarks={start - 5.0: Remark("h1", "v1", "And the night buses?", name="Mia")})

    assert [(event.hint, event.turn, event.speaker) for event in evening.of(HintUsed)] == [("h1", 3, "ben")]
    assert '{"viewer": "Mia", "hint": "And the night buses?"}' in evening.prompt_of(3)
    assert all("night buses" not in evening.prompt_of(turn) for turn in (0, 1, 2, 4, 5))


def test_a_hint_waits_for_the_agent_it_names() -> None:
    evening = perform_evening(make_scenario(rounds=3), remarks={3.0: Remark("h1", "v1", "Who pays?", to="Ada")})

    assert [(event.turn, event.speaker) for event in evening.of(HintUsed)] == [(2, "ada")]
    assert evening.llm.asked[2].cue is not None
    assert [hint.text for hint in evening.llm.asked[2].cue.hints] == ["Who pays?"]


def test_a_turn_is_logged_with_the_digest_of_its_own_prompt() -> None:
    evening = perform_evening(
        make_scenario(rounds=4, pacing=Pacing(gap_s=5.0, lead_max_s=20.0)),
        lambda _request, call: Reply("Hm." if call % 2 else words_of(20), first_token_s=4.0),
    )

    prepared = {event.turn: event.prompt_digest for event in evening.of(TurnPrepared)}
    assert {event.turn: event.prompt_digest for event in evening.of(TurnStarted)} == prepared
    assert len(set(prepared.values())) == 8


def test_a_turn_that_gives_way_to_a_line_keeps_its_hints_and_is_asked_again() -> None:
    async def inject(show: Backstage) -> None:
        while not any(prepared.hints for prepared in show.writer.transcript.prepared):
            await show.clock.sleep(0.05)
        assert (await show.order("inject", text="One moment.")).ok

    evening = perform_evening(
        make_scenario(moderator=True), beside=inject, remarks={1.0: Remark("h1", "v1", "And the costs?", to="ben")}
    )

    line = next(start for start in evening.of(TurnStarted) if start.kind == INTERJECTION)
    (used,) = evening.of(HintUsed)
    assert (used.hint, used.turn, used.speaker) == ("h1", line.turn + 1, "ben")
    prepared = [(event.turn, event.speaker) for event in evening.of(TurnPrepared)]
    assert prepared.count((line.turn, "ben")) == prepared.count((line.turn, "mod")) == 1
    assert (line.turn + 1, "ben") in prepared
    assert "And the costs?" in evening.prompt_of(line.turn + 1)
    assert evening.llm.open_streams == 0


def test_the_line_is_asked_for_at_once_and_follows_the_speech_on_air_after_the_usual_gap() -> None:
    async def inject(show: Backstage) -> None:
        await show.until(8)
        await show.order("inject", text="One moment.")

    evening = perform_evening(make_scenario(moderator=True), beside=inject)

    line = next(start for start in evening.of(TurnStarted) if start.kind == INTERJECTION)
    before = next(end for end in evening.of(TurnEnded) if end.turn == line.turn - 1)
    assert evening.seconds(line) - evening.seconds(before) == pytest.approx(1.5, abs=0.01)


def test_nobody_is_asked_for_a_turn_that_is_not_due_because_of_a_pause() -> None:
    async def pause(show: Backstage) -> None:
        await show.until(3)
        await show.order("pause")
        asked = len(show.llm.asked)
        await show.until(300)
        assert len(show.llm.asked) == asked
        await show.order("resume")

    evening = perform_evening(make_scenario(words=120), lambda _request, _call: Reply(words_of(110)), beside=pause)

    assert evening.ended.why == "completed"


def test_a_moderator_whose_turn_is_held_again_gets_none_of_the_hints_that_an_older_program_gave_it() -> None:
    whole = perform_evening(make_scenario(moderator=True))
    start = next(event for event in whole.events if isinstance(event, TurnStarted))
    hint = HintTaken(id="h1", viewer="v1", name="Mia", text="And the night buses?")
    before = whole.events[: whole.events.index(start)]
    assert start.speaker == "mod"

    evening = perform_evening(
        make_scenario(moderator=True), log=log_of([*before, start.model_copy(update={"hints": (hint,)})])
    )

    (broken_off, *held, _) = evening.of(TurnEnded)
    assert (broken_off.speaker, broken_off.again) == ("mod", True)
    assert held[0].speaker == "mod"
    assert all("night buses" not in repr(request) for request in evening.llm.asked)
