from itertools import pairwise

import pytest

from debate_caster.errors import FencedError, LogError
from debate_caster.log import MemoryEventLog
from debate_caster.scenario.script import Audience, Budget, ModelScript, Pacing
from debate_caster.show.apologies import apology_for
from debate_caster.show.events import (
    ChunkAired,
    HintUsed,
    MoneySpent,
    PhaseStarted,
    ShowEnded,
    ThoughtNoted,
    TurnEnded,
    TurnStarted,
    decode,
    stream_of,
)
from debate_caster.show.hints import Remark
from tests.show.stage_props import (
    SHOW,
    Backstage,
    Reply,
    make_scenario,
    outage,
    perform_evening,
    words_of,
)


def test_a_show_runs_from_its_first_event_to_its_last() -> None:
    evening = perform_evening(make_scenario())

    kinds = [event.type for event in evening.events]
    assert kinds[0] == "show_started"
    assert kinds[-1] == "show_ended"
    assert kinds.count("show_ended") == 1
    assert [event.seq for event in evening.events] == list(range(1, len(kinds) + 1))
    assert [event.turn for event in evening.of(TurnEnded)] == [0, 1, 2, 3]
    assert [event.phase for event in evening.of(PhaseStarted)] == [0, 1]
    assert evening.ended.why == "completed"


def test_a_turn_is_prepared_then_started_then_spoken_then_ended() -> None:
    evening = perform_evening(make_scenario())

    for turn in range(4):
        own = [event.type for event in evening.events if getattr(event, "turn", None) == turn]
        steps = [step for step in own if step != "money_spent"]
        assert steps[:3] == ["turn_prepared", "turn_started", "chunk_aired"]
        assert steps[-1] == "turn_ended"
        assert set(steps[2:-1]) == {"chunk_aired"}


def test_joined_chunks_are_what_the_model_said() -> None:
    said = [f"Number {number}. {words_of(25)}" for number in range(4)]

    evening = perform_evening(make_scenario(), [Reply(text) for text in said])

    assert [evening.text_of(turn) for turn in range(4)] == said
    assert [speech.text for speech in evening.transcript.speeches] == said


def test_the_first_chunk_of_the_show_is_aired_as_soon_as_the_model_has_it() -> None:
    evening = perform_evening(make_scenario(), [Reply("Right then, here we go. " + words_of(20), words_per_s=10)])

    first = evening.of(ChunkAired)[0]
    assert first.text == "Right then, here we go."
    assert evening.seconds(first) == pytest.approx(0.5 + 5 / 10)


def test_chunks_of_one_agent_keep_their_distance_across_turns_too() -> None:
    evening = perform_evening(
        make_scenario(rounds=6, pacing=Pacing(gap_s=0.0, chars_per_second=200.0)),
        lambda _request, call: Reply(["Yes.", "No, never. Not here."][call % 2]),
    )

    for agent in ("ada", "ben"):
        instants = [evening.seconds(event) for event in evening.of(ChunkAired) if event.speaker == agent]
        assert len(instants) > 5
        assert all(later - earlier >= 2.0 - 1e-6 for earlier, later in pairwise(instants))


def test_every_chunk_is_aired_at_the_instant_that_was_planned() -> None:
    evening = perform_evening(make_scenario())

    for chunk in evening.of(ChunkAired):
        assert evening.seconds(chunk) == pytest.approx(chunk.due, abs=1e-5)


def test_a_speech_over_its_limit_is_clipped_at_a_sentence_end_and_the_model_hung_up_on() -> None:
    endless = Reply(words_of(4000), words_per_s=400, usage=None)

    evening = perform_evening(make_scenario(words=40), lambda _request, _call: endless)

    assert {event.how for event in evening.of(TurnEnded)} == {"clipped"}
    assert all(event.words == 40 for event in evening.of(TurnEnded))
    assert evening.text_of(0) == words_of(4000)[: len(words_of(40))]
    assert evening.llm.open_streams == 0


def test_a_reply_that_ran_into_the_model_s_limit_is_never_completed() -> None:
    evening = perform_evening(
        make_scenario(), lambda _request, _call: Reply("One whole sentence is here. And this one is not", ends="length")
    )

    assert {event.how for event in evening.of(TurnEnded)} == {"clipped"}
    assert evening.text_of(0) == "One whole sentence is here."


def test_a_reply_without_its_end_is_aborted_and_what_was_aired_stands() -> None:
    cut = Reply(words_of(60), words_per_s=3, error=outage("cut"), error_after=30)

    evening = perform_evening(make_scenario(words=80), [cut])

    first = evening.of(TurnEnded)[0]
    assert first.how == "aborted"
    assert "cut" in first.detail
    assert words_of(60).startswith(evening.text_of(0))
    assert evening.text_of(0).endswith(".")
    assert [event.how for event in evening.of(TurnEnded)][1:] == ["completed"] * 3
    assert evening.ended.why == "completed"


def test_a_reply_that_ends_without_a_word_about_its_end_is_not_completed() -> None:
    evening = perform_evening(make_scenario(), [Reply(words_of(20), ends="", words_per_s=2)])

    assert evening.of(TurnEnded)[0].how == "aborted"


def test_a_reply_without_its_end_that_nobody_has_heard_is_tried_again() -> None:
    whole = Reply("Again, and to the end. " + words_of(20))
    evening = perform_evening(
        make_scenario(), [Reply(words_of(40)), Reply(words_of(20), ends="", words_per_s=1000), whole]
    )

    assert evening.text_of(1) == whole.text
    assert [event.how for event in evening.of(TurnEnded)] == ["completed"] * 4


def test_a_failure_before_the_first_visible_word_is_tried_again() -> None:
    evening = perform_evening(make_scenario(), [Reply(error=outage()), Reply(error=outage()), Reply(words_of(20))])

    assert [event.how for event in evening.of(TurnEnded)] == ["completed"] * 4
    assert [event.outcome for event in evening.of(MoneySpent)][:3] == ["connect", "connect", "completed"]
    assert evening.of(TurnEnded)[0].usage.attempts == 3


def test_a_speech_that_fails_while_nobody_has_seen_it_is_tried_again_and_viewers_see_no_word_twice() -> None:
    half = Reply(words_of(40), words_per_s=100, first_token_s=0.1, error=outage("cut"), error_after=30)
    whole = Reply("Second attempt. " + words_of(20), first_token_s=0.1)

    evening = perform_evening(make_scenario(), [Reply(words_of(40)), half, whole])

    assert evening.text_of(1) == whole.text
    assert [event.how for event in evening.of(TurnEnded)] == ["completed"] * 4


def test_when_every_attempt_fails_the_sentences_of_the_last_good_one_are_aired() -> None:
    half = Reply(words_of(40), words_per_s=100, first_token_s=0.1, error=outage("cut"), error_after=30)
    dead = Reply(error=outage())

    evening = perform_evening(make_scenario(), [Reply(words_of(40)), half, dead, dead])

    assert evening.text_of(1)
    assert words_of(40).startswith(evening.text_of(1))
    assert evening.of(TurnEnded)[1].how == "aborted"


def test_a_model_that_never_answers_costs_its_turn_and_not_the_show() -> None:
    evening = perform_evening(
        make_scenario(),
        lambda request, _call: (
            Reply(error=outage(retryable=False)) if request.cue and request.cue.turn == 1 else Reply(words_of(20))
        ),
    )

    assert [event.how for event in evening.of(TurnEnded)] == ["completed", "aborted", "completed", "completed"]
    assert [event.apology for event in evening.of(TurnEnded)] == [False, True, False, False]
    assert "connect" in evening.of(TurnEnded)[1].detail
    assert evening.text_of(1) == apology_for("en", 1)
    assert apology_for("en", 1) not in evening.prompt_of(2) + evening.prompt_of(3)
    assert evening.ended.why == "completed"


def test_a_reply_of_blanks_is_no_speech() -> None:
    evening = perform_evening(make_scenario(), [Reply("\n  \n")])

    assert [event.how for event in evening.of(TurnEnded)][:2] == ["aborted", "completed"]
    assert evening.text_of(0) == apology_for("en", 0)


def test_a_moderator_apologises_as_well_and_the_debate_goes_on() -> None:
    evening = perform_evening(
        make_scenario(moderator=True),
        lambda request, _call: (
            Reply(error=outage(retryable=False)) if request.cue and request.cue.turn == 0 else Reply(words_of(20))
        ),
    )

    assert (evening.of(TurnStarted)[0].speaker, evening.text_of(0)) == ("mod", apology_for("en", 0))
    assert [event.apology for event in evening.of(TurnEnded)] == [True, False, False, False, False]
    assert evening.ended.why == "completed"


def test_an_apology_belongs_to_no_model_and_uses_no_hint() -> None:
    evening = perform_evening(
        make_scenario(rounds=3),
        lambda request, _call: (
            Reply(error=outage(retryable=False)) if request.cue and request.cue.turn == 1 else Reply(words_of(30))
        ),
        remarks={1.0: Remark("h1", "v1", "What about snow?")},
    )

    starts = evening.of(TurnStarted)
    assert [start.model for start in starts][:3] == ["m", "", "m"]
    assert [len(start.hints) for start in starts][:3] == [0, 0, 1]


def test_a_line_of_the_producers_waits_for_the_end_of_an_apology() -> None:
    async def inject(stage: Backstage) -> None:
        async with stage.log.tail(stream_of(SHOW), 0) as records:
            async for record in records:
                event = decode(record)
                if isinstance(event, ChunkAired) and event.turn == 1:
                    await stage.order("inject", text="We have a fault.")
                    return

    evening = perform_evening(
        make_scenario(moderator=True),
        lambda request, _call: (
            Reply(error=outage(retryable=False)) if request.cue and request.cue.turn == 1 else Reply(words_of(20))
        ),
        beside=inject,
    )

    assert [(event.turn, event.apology, event.kind) for event in evening.of(TurnEnded)][1:3] == [
        (1, True, "opening"),
        (2, False, "interjection"),
    ]
    assert evening.ended.why == "completed"


def test_the_producer_may_cut_an_apology() -> None:
    async def skip(stage: Backstage) -> None:
        async with stage.log.tail(stream_of(SHOW), 0) as records:
            async for record in records:
                event = decode(record)
                if isinstance(event, ChunkAired) and event.turn == 1:
                    await stage.order("skip")
                    return

    evening = perform_evening(
        make_scenario(),
        lambda request, _call: (
            Reply(error=outage(retryable=False)) if request.cue and request.cue.turn == 1 else Reply(words_of(20))
        ),
        beside=skip,
    )

    assert (evening.of(TurnEnded)[1].how, evening.of(TurnEnded)[1].apology) == ("skipped", True)
    assert evening.ended.why == "completed"


def test_the_stand_in_speaks_when_the_first_model_has_given_up_before_its_first_word() -> None:
    models = {"m": ModelScript(name="m", fallback="n"), "n": ModelScript(name="n")}

    evening = perform_evening(
        make_scenario(models=models),
        lambda _request, _call: Reply(error=outage()),
        others={"n": lambda _request, _call: Reply(words_of(20))},
    )

    assert [event.how for event in evening.of(TurnEnded)] == ["completed"] * 4
    assert {event.model for event in evening.of(TurnStarted)} == {"n"}
    assert [(event.model, event.attempt, event.outcome) for event in evening.of(MoneySpent) if event.turn == 0] == [
        ("m", 1, "connect"),
        ("m", 2, "connect"),
        ("m", 3, "connect"),
        ("n", 4, "completed"),
    ]
    asked = [request for request in evening.llm.asked if request.cue and request.cue.turn == 2]
    assert words_of(20) in "".join(message.content for message in asked[0].messages)


def test_a_stand_in_is_not_asked_once_a_word_is_on_air() -> None:
    models = {"m": ModelScript(name="m", fallback="n"), "n": ModelScript(name="n")}

    evening = perform_evening(
        make_scenario(models=models, words=200),
        lambda _request, _call: Reply(words_of(150), words_per_s=4, error=outage("cut"), error_after=100),
        others={"n": lambda _request, _call: Reply(words_of(20))},
    )

    first = evening.of(TurnEnded)[0]
    assert (first.how, first.apology) == ("aborted", False)
    assert evening.text_of(0).endswith(".")
    assert {event.model for event in evening.of(MoneySpent) if event.turn == 0} == {"m"}


def test_an_outage_ends_the_show_as_failed_before_every_turn_was_tried() -> None:
    evening = perform_evening(make_scenario(rounds=10), lambda _request, _call: Reply(error=outage(retryable=False)))

    assert evening.ended.why == "failed"
    assert [event.apology for event in evening.of(TurnEnded)] == [True] * 3
    assert "connect" in evening.ended.detail


def test_a_show_in_which_nobody_said_a_word_has_failed() -> None:
    evening = perform_evening(make_scenario(rounds=1), lambda _request, _call: Reply(error=outage(retryable=False)))

    assert evening.ended.why == "failed"


def test_hints_of_a_skipped_turn_go_to_the_next_one() -> None:
    evening = perform_evening(
        make_scenario(rounds=3),
        lambda request, _call: (
            Reply(error=outage(retryable=False)) if request.cue and request.cue.turn == 1 else Reply(words_of(30))
        ),
        remarks={1.0: Remark("h1", "v1", "What about snow?")},
    )

    assert [(event.hint, event.turn) for event in evening.of(HintUsed)] == [("h1", 2)]


def test_thinking_is_noted_and_never_spoken() -> None:
    evening = perform_evening(
        make_scenario(), lambda _request, _call: Reply(words_of(20), thought="Secret plan.\n\nB.")
    )

    assert [event.text for event in evening.of(ThoughtNoted)][:2] == ["Secret plan.", "B."]
    assert all("Secret" not in event.text for event in evening.of(ChunkAired))


def test_stopping_lets_the_chunk_on_air_stand_and_ends_the_show_at_once() -> None:
    async def producer(backstage: Backstage) -> None:
        await backstage.clock.sleep(5.0)
        backstage.stop.set()

    evening = perform_evening(
        make_scenario(), lambda _request, _call: Reply(words_of(40), words_per_s=4), beside=producer
    )

    assert evening.ended.why == "interrupted"
    assert evening.seconds(evening.events[-1]) == pytest.approx(5.0)
    assert [event.type for event in evening.events][-3:] == ["money_spent", "turn_ended", "show_ended"]
    ended = evening.of(TurnEnded)[-1]
    assert (ended.how, ended.chunks) == ("aborted", len(evening.of(ChunkAired)))
    assert evening.llm.open_streams == 0


def test_a_turn_that_was_prepared_when_the_show_stopped_is_closed_too() -> None:
    async def producer(backstage: Backstage) -> None:
        while all(prepared.turn < 1 for prepared in backstage.writer.transcript.prepared):
            await backstage.clock.sleep(0.1)
        backstage.stop.set()

    evening = perform_evening(
        make_scenario(), lambda _request, _call: Reply(words_of(30), first_token_s=2.5), beside=producer
    )

    assert [(event.turn, event.how) for event in evening.of(TurnEnded)] == [(0, "aborted"), (1, "skipped")]
    assert evening.ended.why == "interrupted"


def test_a_cancelled_show_still_writes_its_end() -> None:
    log = MemoryEventLog()

    async def canceller(backstage: Backstage) -> None:
        await backstage.clock.sleep(4.0)
        raise RuntimeError("the house is on fire")

    with pytest.raises(RuntimeError):
        perform_evening(make_scenario(), beside=canceller, make_log=lambda: log)

    bodies = [record.body for record in log._streams[stream_of(SHOW)]]
    assert sum('"show_ended"' in body for body in bodies) == 1
    assert '"interrupted"' in bodies[-1]


class BreakingLog(MemoryEventLog):
    """Fails at the ``n``-th append, once or for good."""

    def __init__(self, error: type[LogError], at: int, *, for_good: bool) -> None:
        super().__init__()
        self._error, self._at, self._for_good = error, at, for_good
        self._calls = 0

    async def append(self, stream: str, bodies: object, *, expect: int, epoch: int = 0) -> int:
        self._calls += 1
        if self._calls == self._at or (self._for_good and self._calls > self._at):
            raise self._error(stream, "scripted")
        assert isinstance(bodies, list)
        return await super().append(stream, bodies, expect=expect, epoch=epoch)


@pytest.mark.parametrize("for_good", [True, False])
def test_a_log_that_fails_ends_the_show_and_nothing_unlogged_is_aired(for_good: bool) -> None:
    log = BreakingLog(LogError, 6, for_good=for_good)

    with pytest.raises(LogError, match="scripted"):
        perform_evening(make_scenario(), make_log=lambda: log)

    bodies = [record.body for record in log._streams[stream_of(SHOW)]]
    assert sum('"show_ended"' in body for body in bodies) == (0 if for_good else 1)


def test_a_fenced_writer_stops_without_another_word() -> None:
    log = BreakingLog(FencedError, 6, for_good=False)

    with pytest.raises(FencedError):
        perform_evening(make_scenario(), make_log=lambda: log)

    assert all('"show_ended"' not in record.body for record in log._streams[stream_of(SHOW)])


def test_an_error_in_the_program_ends_the_show_as_failed_and_is_not_hidden() -> None:
    log = MemoryEventLog()

    def broken(_request: object, call: int) -> Reply:
        if call == 1:
            raise ZeroDivisionError
        return Reply(words_of(20))

    with pytest.raises(ZeroDivisionError):
        perform_evening(make_scenario(), broken, make_log=lambda: log)

    assert '"failed"' in log._streams[stream_of(SHOW)][-1].body


def test_no_turn_begins_that_could_not_end_in_time() -> None:
    evening = perform_evening(make_scenario(rounds=20, budget=Budget(max_minutes=1.0)))

    assert evening.ended.why == "budget"
    assert "min" in evening.ended.detail
    assert evening.seconds(evening.events[-1]) <= 60.0
    assert {event.how for event in evening.of(TurnEnded)} == {"completed"}


def test_a_speech_that_outlasts_the_budget_ends_with_a_sentence() -> None:
    long_words = " ".join(["Extraordinarily incomprehensible circumlocutions notwithstanding acknowledged."] * 30)

    evening = perform_evening(
        make_scenario(words=80, budget=Budget(max_minutes=0.75)), lambda _request, _call: Reply(long_words)
    )

    last = evening.of(TurnEnded)[-1]
    assert last.how == "clipped"
    assert evening.text_of(last.turn).endswith(".")
    assert evening.seconds(evening.events[-1]) <= 45.0


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(words_of(60), words_per_s=0.4), id="slow"),
        pytest.param(Reply(words_of(60), first_token_s=500.0), id="silent"),
        pytest.param(Reply("To begin with, a word of thanks.", hangs=True), id="stalled"),
        pytest.param(Reply(error=outage()), id="failing"),
    ],
)
def test_no_model_makes_a_show_last_longer_than_its_budget(reply: Reply) -> None:
    evening = perform_evening(
        make_scenario(rounds=40, budget=Budget(max_minutes=1.0)),
        lambda _request, call: reply if call else Reply(words_of(20)),
    )

    assert evening.seconds(evening.events[-1]) <= 60.5
    assert evening.ended.why in {"budget", "failed"}
    assert evening.llm.open_streams == 0


def test_a_model_that_hangs_in_mid_speech_does_not_keep_the_show_on_air() -> None:
    evening = perform_evening(
        make_scenario(words=60, budget=Budget(max_minutes=0.6)),
        lambda _request, _call: Reply(words_of(24), hangs=True),
    )

    assert evening.ended.why == "budget"
    assert evening.seconds(evening.events[-1]) == pytest.approx(36.0, abs=1.0)
    assert [event.how for event in evening.of(TurnEnded)] == ["clipped"]
    assert evening.of(TurnEnded)[0].usage.attempts == 1
    assert evening.llm.open_streams == 0


def test_a_model_that_is_silent_until_the_time_is_over_ends_the_show() -> None:
    evening = perform_evening(
        make_scenario(budget=Budget(max_minutes=1.0)),
        lambda _request, call: Reply(words_of(30), first_token_s=1000.0 if call == 1 else 0.5),
    )

    assert evening.ended.why == "budget"
    assert evening.seconds(evening.events[-1]) == pytest.approx(60.0, abs=0.1)
    assert [event.how for event in evening.of(TurnEnded)] == ["completed", "skipped"]


def test_a_token_budget_closes_the_show_after_the_current_speech() -> None:
    evening = perform_evening(make_scenario(rounds=10, budget=Budget(max_tokens=2500)))

    assert evening.ended.why == "budget"
    assert [event.how for event in evening.of(TurnEnded)][-1] == "completed"
    spent = evening.transcript.spent
    assert spent.prompt_tokens + spent.completion_tokens <= 2500


def test_a_show_goes_on_where_its_log_ends() -> None:
    log = MemoryEventLog()

    async def producer(backstage: Backstage) -> None:
        while backstage.writer.transcript.next_turn < 2:
            await backstage.clock.sleep(0.5)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        perform_evening(make_scenario(), beside=producer, make_log=lambda: log)
    stream = log._streams[stream_of(SHOW)]
    while '"show_ended"' in stream[-1].body or '"turn_ended"' in stream[-1].body:
        stream.pop()

    evening = perform_evening(make_scenario(), make_log=lambda: log)

    ended = [(event.turn, event.speaker, event.how, event.again) for event in evening.of(TurnEnded)]
    assert ended == [
        (0, "ada", "completed", False),
        (1, "ben", "aborted", True),
        (2, "ben", "completed", False),
        (3, "ada", "completed", False),
        (4, "ben", "completed", False),
    ]
    assert [event.turn for event in evening.of(TurnStarted)] == [0, 1, 2, 3, 4]
    assert len(evening.of(ShowEnded)) == 1
    assert evening.ended.why == "completed"


def test_the_opener_is_never_told_to_answer_anybody() -> None:
    evening = perform_evening(make_scenario())

    opener = evening.llm.asked[0].cue
    assert opener is not None
    assert (opener.opponent, opener.opponent_said) == ("", "")
    assert "no opponent has spoken" in evening.prompt_of(0)
    assert "rebut" not in evening.prompt_of(0).lower()
    assert "Answer" not in evening.prompt_of(0)


def test_hints_that_no_turn_took_expire_with_the_show_or_before() -> None:
    async def late_viewer(backstage: Backstage) -> None:
        while backstage.writer.transcript.next_turn < 11:
            await backstage.clock.sleep(0.5)
        await backstage.desk.offer(Remark("late", "v2", "Last?"))

    evening = perform_evening(
        make_scenario(rounds=6, audience=Audience(max_hints_per_turn=0, hint_lifetime_turns=2)),
        remarks={2.0: Remark("early", "v1", "First?")},
        beside=late_viewer,
    )

    fates = {event.hint: event.reason for event in evening.events if event.type == "hint_expired"}
    assert fates == {"early": "lifetime", "late": "show_ended"}
