import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from debate_caster.errors import LogError
from debate_caster.llm.conversation import Request
from debate_caster.log import MemoryEventLog
from debate_caster.scenario import plan
from debate_caster.scenario.script import Audience, Budget, Pacing
from debate_caster.show.control_desk import COMMANDS, LONGEST_PAUSE_S, NOTES_WAITING, Answer
from debate_caster.show.events import (
    ChunkAired,
    HintAccepted,
    HintDeclined,
    HintExpired,
    HintHeld,
    HintUsed,
    ProducerActed,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    TurnEnded,
    TurnStarted,
    VerdictGiven,
    VoteClosed,
    VoteOpened,
    decode,
    encode,
)
from debate_caster.show.hints import Remark
from debate_caster.show.transcript import INTERJECTION, Transcript, fold
from tests.show.stage_props import (
    SHOW,
    TOKEN,
    Backstage,
    Evening,
    Reply,
    make_scenario,
    outage,
    perform_evening,
    words_of,
)
from tests.show.test_transcript import is_legal

WITHIN_S = 1.0
"""How soon the producer's orders take effect."""


def in_seconds(evening: Evening, kind: type[Any]) -> list[float]:
    return [round(evening.seconds(event), 2) for event in evening.of(kind)]


# -- pause ----------------------------------------------------------------------------------------------------------


def test_nothing_is_aired_during_a_pause_and_all_of_it_after() -> None:
    async def pause(show: Backstage) -> None:
        await show.until(8)
        assert (await show.order("pause", by="Kim")).ok
        await show.until(188)
        assert (await show.order("resume", by="Kim")).ok

    paused, plain = perform_evening(make_scenario(), beside=pause), perform_evening(make_scenario())

    (start,), (end,) = in_seconds(paused, ShowPaused), in_seconds(paused, ShowResumed)
    assert [(act.command, act.by) for act in paused.of(ProducerActed)] == [("pause", "Kim"), ("resume", "Kim")]
    assert not [at for at in in_seconds(paused, ChunkAired) if start < at < end]
    assert [speech.text for speech in paused.transcript.speeches] == [
        speech.text for speech in plain.transcript.speeches
    ]


def test_a_pause_shifts_every_instant_and_makes_up_for_nothing_in_a_burst() -> None:
    async def pause(show: Backstage) -> None:
        await show.until(8)
        await show.order("pause")
        await show.until(128)
        await show.order("resume")

    paused, plain = perform_evening(make_scenario(), beside=pause), perform_evening(make_scenario())

    shifted = [at if at < 8 else at + 120 for at in in_seconds(plain, ChunkAired)]
    assert in_seconds(paused, ChunkAired) == pytest.approx(shifted, abs=0.05)


def test_minutes_of_pause_count_against_no_budget() -> None:
    async def pause(show: Backstage) -> None:
        await show.until(5)
        await show.order("pause")
        await show.until(1800)
        await show.order("resume")

    evening = perform_evening(make_scenario(budget=Budget(max_minutes=3)), beside=pause)

    assert evening.ended.why == "completed"
    assert len(evening.transcript.speeches) == 4


def test_a_forgotten_pause_ends_the_show() -> None:
    async def pause(show: Backstage) -> None:
        await show.until(5)
        await show.order("pause")

    evening = perform_evening(make_scenario(), beside=pause)

    assert (evening.ended.why, evening.ended.detail) == ("producer", "the pause was forgotten")
    assert evening.seconds(evening.ended) == pytest.approx(5 + LONGEST_PAUSE_S, abs=0.5)


def test_what_is_paused_can_be_stopped_ended_and_skipped() -> None:
    async def end(show: Backstage) -> None:
        await show.until(5)
        await show.order("pause")
        await show.until(6)
        assert (await show.order("skip")).ok
        await show.until(9)
        await show.order("end")

    evening = perform_evening(make_scenario(), beside=end)

    assert evening.ended.why == "producer"
    assert evening.seconds(evening.ended) == pytest.approx(9, abs=WITHIN_S)
    skipped = evening.of(TurnEnded)[0]
    assert (skipped.turn, skipped.how) == (0, "skipped")
    assert evening.seconds(skipped) == pytest.approx(6, abs=WITHIN_S)
    assert len(evening.of(TurnStarted)) == 1


# -- skip, end ------------------------------------------------------------------------------------------------------


def test_skipping_ends_the_turn_with_the_chunk_on_air_and_the_next_one_follows() -> None:
    async def skip(show: Backstage) -> None:
        await show.until(8)
        assert (await show.order("skip")).ok

    evening = perform_evening(make_scenario(words=120), lambda _request, _call: Reply(words_of(100)), beside=skip)

    first, second = evening.of(TurnEnded)[:2]
    assert (first.how, first.detail, second.how) == ("skipped", "by the producer", "completed")
    assert evening.seconds(first) == pytest.approx(8, abs=WITHIN_S)
    aired = evening.text_of(0)
    assert 0 < len(aired.split()) < 100
    assert evening.transcript.speeches[0].text == aired
    assert first.words == len(aired.split())
    assert aired in evening.prompt_of(1)


def test_a_turn_whose_model_is_still_silent_can_be_skipped() -> None:
    async def skip(show: Backstage) -> None:
        await show.until(30)
        assert (await show.order("skip")).ok

    evening = perform_evening(make_scenario(), [Reply("Never.", first_token_s=500)], beside=skip)

    first = evening.of(TurnEnded)[0]
    assert (first.turn, first.how) == (0, "skipped")
    assert evening.seconds(first) == pytest.approx(30, abs=WITHIN_S)
    assert evening.transcript.speeches[0].text == ""
    assert evening.ended.why == "completed"


def test_an_order_to_skip_a_turn_that_has_ended_meanwhile_costs_the_next_speaker_nothing() -> None:
    """The turn that the producer saw is named in the order, which comes as the next one is on."""

    async def skip(show: Backstage) -> None:
        while not show.writer.transcript.speeches:
            await show.clock.sleep(0.01)
        late = await show.order("skip", turn=0)
        assert (late.ok, late.message) == (False, "that turn is not on")
        assert (await show.order("skip", turn=1)).ok

    evening = perform_evening(make_scenario(rounds=2), beside=skip)

    assert [ended.how for ended in evening.of(TurnEnded)] == ["completed", "skipped", "completed", "completed"]
    assert [act.command for act in evening.of(ProducerActed)] == ["skip"]


def test_turns_that_the_producer_skips_are_no_outage() -> None:
    async def skip(show: Backstage) -> None:
        for seconds in (1, 3, 5, 7, 9):
            await show.until(seconds)
            await show.order("skip")

    slow_at_first = [Reply(words_of(20), first_token_s=20) for _ in range(5)]
    evening = perform_evening(make_scenario(rounds=5), slow_at_first, beside=skip)

    assert evening.ended.why == "completed"


def test_a_turn_that_is_skipped_while_a_line_is_put_before_it_is_skipped_and_the_line_said() -> None:
    async def skip(show: Backstage) -> None:
        while not show.writer.transcript.speeches:
            await show.clock.sleep(0.1)
        assert (await show.order("skip")).ok
        assert (await show.order("inject", text="Next!")).ok

    evening = perform_evening(make_scenario(moderator=True), beside=skip)

    told = [(speech.speaker, speech.kind, speech.how) for speech in evening.transcript.speeches][:4]
    assert [entry[0] for entry in told] == ["mod", "ada", "mod", "ben"]
    assert told[1][2] == "skipped"
    assert told[2][1:] == (INTERJECTION, "completed")


def test_the_end_comes_at_once_and_politely() -> None:
    async def end(show: Backstage) -> None:
        await show.until(8)
        assert (await show.order("end", by="Kim")).ok

    evening = perform_evening(make_scenario(), beside=end)

    assert evening.ended.why == "producer"
    assert evening.seconds(evening.ended) == pytest.approx(8, abs=WITHIN_S)
    assert evening.events[-1] == evening.ended
    assert (evening.of(TurnEnded)[0].how, evening.of(TurnEnded)[0].detail) == ("skipped", "by the producer")


def said_or_words(request: Request, _call: int) -> Reply:
    """Say what the producer wants said, word for word."""
    return Reply((request.cue.to_say if request.cue else "") or words_of(30))


# -- inject, context ------------------------------------------------------------------------------------------------


def test_the_moderator_says_an_injected_line_in_a_turn_of_its_own_at_the_next_boundary() -> None:
    async def inject(show: Backstage) -> None:
        await show.until(8)
        assert (await show.order("inject", text="Two minutes to the vote!")).ok

    evening = perform_evening(make_scenario(moderator=True), beside=inject)

    starts = evening.of(TurnStarted)
    on_air = next(start for start in reversed(starts) if evening.seconds(start) < 8)
    injected = next(start for start in starts if start.kind == INTERJECTION)
    assert (injected.turn, injected.speaker) == (on_air.turn + 1, "mod")
    assert [start.turn for start in starts] == list(range(6))
    assert "The producer wants the audience told: Two minutes to the vote!" in evening.prompt_of(injected.turn)
    assert evening.transcript.notes == ()
    others = [start.speaker for start in starts if start.kind != INTERJECTION]
    assert others == ["mod", "ada", "ben", "ada", "ben"]


def test_the_rundowns_turns_keep_their_numbers_in_prompts_behind_an_interjection() -> None:
    async def inject(show: Backstage) -> None:
        await show.until(8)
        await show.order("inject", text="Hello.")

    evening = perform_evening(make_scenario(moderator=True), beside=inject)

    last = evening.of(TurnStarted)[-1]
    assert last.turn == 5
    assert "Turn 5 of 5" in evening.prompt_of(last.turn)


def test_a_line_that_comes_before_a_turn_has_begun_is_said_before_it() -> None:
    async def inject(show: Backstage) -> None:
        while not show.writer.transcript.speeches:
            await show.clock.sleep(0.1)
        assert (await show.order("inject", text="Wait.")).ok

    evening = perform_evening(make_scenario(moderator=True), beside=inject)

    assert [start.speaker for start in evening.of(TurnStarted)][:3] == ["mod", "mod", "ada"]
    assert [start.turn for start in evening.of(TurnStarted)] == list(range(6))


def test_several_lines_are_said_in_their_order_and_no_more_than_some_wait() -> None:
    answers: list[Answer] = []

    async def inject(show: Backstage) -> None:
        await show.until(8)
        answers.extend([await show.order("inject", text=f"Line {number}.") for number in range(NOTES_WAITING + 1)])

    evening = perform_evening(
        make_scenario(moderator=True),
        said_or_words,
        beside=inject,
    )

    assert [answer.ok for answer in answers] == [True] * NOTES_WAITING + [False]
    injected = [speech.text for speech in evening.transcript.speeches if speech.kind == INTERJECTION]
    assert injected == [f"Line {number}." for number in range(NOTES_WAITING)]
    assert len(evening.transcript.speeches) == 5 + NOTES_WAITING
    assert evening.ended.why == "completed"


def test_a_line_after_the_last_turn_is_said_before_the_end() -> None:
    async def inject(show: Backstage) -> None:
        while show.writer.transcript.next_turn < 4 or show.writer.transcript.open is None:
            await show.clock.sleep(0.5)
        assert (await show.order("inject", text="Good night.")).ok

    evening = perform_evening(make_scenario(moderator=True), beside=inject)

    assert evening.transcript.speeches[-1].kind == INTERJECTION
    assert evening.ended.why == "completed"


def test_without_a_moderator_each_debaters_next_prompt_has_the_line() -> None:
    async def inject(show: Backstage) -> None:
        await show.until(2)
        assert (await show.order("inject", text="Talk about the budget")).ok

    evening = perform_evening(make_scenario(rounds=4), beside=inject)

    having = [turn for turn in range(8) if "The producer's note: Talk about the budget." in evening.prompt_of(turn)]
    assert {turn % 2 for turn in having} == {0, 1} or having == [1]
    assert len(having) <= 2
    assert not [event for event in evening.of(TurnStarted) if event.kind == INTERJECTION]


def test_context_stands_in_every_prompt_until_it_is_taken_back() -> None:
    async def note(show: Backstage) -> None:
        await show.until(2)
        await show.order("context", text="It is raining")
        while show.writer.transcript.next_turn < 4:
            await show.clock.sleep(0.5)
        await show.order("context", text="")

    evening = perform_evening(make_scenario(rounds=5), beside=note)

    having = [turn for turn in range(10) if "The producer's note: It is raining." in evening.prompt_of(turn)]
    assert having == list(range(having[0], having[-1] + 1))
    assert {2, 3} <= set(having) <= set(range(1, 6))


def test_the_producers_words_are_one_printable_line_and_no_longer_than_said() -> None:
    async def note(show: Backstage) -> None:
        await show.until(2)
        await show.order("context", text="a\n\u202eb\x00" + "c" * 5000, by="K\nim" * 40)

    evening = perform_evening(make_scenario(), beside=note)

    (act,) = evening.of(ProducerActed)
    assert act.text.startswith("a bccc")
    assert len(act.text) == 1000
    assert len(act.by) == 40
    assert "\n" not in act.by


# -- hints ----------------------------------------------------------------------------------------------------------

APPROVAL = Audience(approval=True, hint_interval_s=0.0)


def remark(number: int, viewer: str = "v1") -> Remark:
    return Remark(f"h{number}", viewer, f"Ask about number {number}")


def test_with_approval_a_hint_waits_for_the_producer_and_is_used_only_then() -> None:
    async def decide(show: Backstage) -> None:
        await show.until(12)
        assert [hint.id for hint in show.writer.transcript.held] == ["h1", "h2"]
        assert (await show.order("approve", hint="h2")).ok
        assert (await show.order("decline", hint="h1")).ok

    evening = perform_evening(
        make_scenario(rounds=4, audience=APPROVAL), beside=decide, remarks={1.0: remark(1), 2.0: remark(2, "v2")}
    )

    assert [event.hint for event in evening.of(HintHeld)] == ["h1", "h2"]
    assert [event.hint for event in evening.of(HintAccepted)] == ["h2"]
    assert [(event.hint, event.reason) for event in evening.of(HintDeclined)] == [("h1", "producer")]
    assert [event.hint for event in evening.of(HintUsed)] == ["h2"]
    assert in_seconds(evening, HintUsed)[0] > 12
    assert evening.declined == [None, None]


def test_a_hint_that_nobody_decides_about_expires_as_others_do() -> None:
    evening = perform_evening(
        make_scenario(rounds=4, audience=Audience(approval=True, hint_lifetime_turns=2)), remarks={1.0: remark(1)}
    )

    assert [(event.hint, event.reason) for event in evening.of(HintExpired)] == [("h1", "lifetime")]
    assert not evening.of(HintUsed)


def test_approval_is_switched_while_the_show_is_on_and_what_waits_goes_on_waiting() -> None:
    async def switch(show: Backstage) -> None:
        await show.until(2)
        assert (await show.order("approval_on")).ok
        await show.desk.offer(remark(1))
        assert (await show.order("approval_off")).ok
        await show.desk.offer(remark(2, "v2"))
        assert [hint.id for hint in show.writer.transcript.held] == ["h1"]
        assert [hint.id for hint in show.writer.transcript.pending] == ["h2"]

    evening = perform_evening(make_scenario(), beside=switch)

    assert [event.hint for event in evening.of(HintUsed)] == ["h2"]


def test_a_queued_hint_can_be_taken_back_but_not_one_that_is_in_a_prompt() -> None:
    answers: list[Answer] = []

    async def decline(show: Backstage) -> None:
        await show.until(1)
        await show.desk.offer(Remark("h1", "v1", "For Ben alone", to="ben"))
        answers.append(await show.order("decline", hint="h1"))
        await show.desk.offer(Remark("h2", "v2", "For Ben as well", to="ben"))
        while not any(prepared.hints for prepared in show.writer.transcript.prepared):
            await show.clock.sleep(0.1)
        answers.append(await show.order("decline", hint="h2"))

    evening = perform_evening(make_scenario(), beside=decline)

    assert [answer.ok for answer in answers] == [True, False]
    assert "in a prompt" in answers[1].message
    assert [event.hint for event in evening.of(HintUsed)] == ["h2"]


def test_the_hints_of_a_muted_viewer_are_declined_those_that_wait_as_well() -> None:
    async def mute(show: Backstage) -> None:
        await show.until(1)
        await show.desk.offer(remark(1))
        await show.desk.offer(remark(2, "v2"))
        assert (await show.order("mute", viewer="v1")).ok
        assert await show.desk.offer(remark(3)) == "muted"
        assert (await show.order("unmute", viewer="v1")).ok
        assert await show.desk.offer(remark(4)) is None

    evening = perform_evening(make_scenario(audience=Audience(hint_interval_s=0.0)), beside=mute)

    assert [(event.hint, event.reason) for event in evening.of(HintDeclined)] == [("h1", "muted"), ("h3", "muted")]
    assert {event.hint for event in evening.of(HintUsed)} == {"h2", "h4"}


# -- votes ----------------------------------------------------------------------------------------------------------

SWING = Audience(votes="swing", vote_s=60.0)
TALLIES = {"main": {"before": {"for": 4, "against": 4, "undecided": 2}, "after": {"for": 3, "against": 6}}}


def test_closing_the_first_vote_lets_the_first_debater_begin() -> None:
    async def close(show: Backstage) -> None:
        await show.until(20)
        assert (await show.order("close_vote")).ok
        assert not (await show.order("close_vote")).ok

    evening = perform_evening(make_scenario(audience=SWING), beside=close, tallies=TALLIES)

    assert in_seconds(evening, VoteClosed)[0] == pytest.approx(20, abs=WITHIN_S)
    assert in_seconds(evening, TurnStarted)[0] < 20 + 4 + WITHIN_S
    assert [event.vote for event in evening.of(VoteClosed)] == ["before", "after"]
    assert evening.of(VerdictGiven)[0].outcome == "won"


def test_closing_the_last_vote_brings_the_verdict() -> None:
    async def close(show: Backstage) -> None:
        while show.writer.transcript.poll("after") is None:
            await show.clock.sleep(0.5)
        await show.clock.sleep(5)
        assert (await show.order("close_vote")).ok

    evening = perform_evening(make_scenario(audience=SWING), beside=close, tallies=TALLIES)

    opened, closed = in_seconds(evening, VoteOpened)[1], in_seconds(evening, VoteClosed)[1]
    assert closed - opened == pytest.approx(5.5, abs=WITHIN_S)
    assert evening.seconds(evening.ended) - closed < 2


def test_the_last_vote_can_be_opened_early_and_is_not_held_twice() -> None:
    async def open_(show: Backstage) -> None:
        assert not (await show.order("open_vote")).ok  # the first one is about to open by itself
        while len(show.writer.transcript.speeches) < 2:
            await show.clock.sleep(0.5)
        assert (await show.order("open_vote")).ok
        assert not (await show.order("open_vote")).ok

    evening = perform_evening(make_scenario(audience=SWING), beside=open_, tallies=TALLIES)

    assert [event.vote for event in evening.of(VoteOpened)] == ["before", "after"]
    assert [event.vote for event in evening.of(VoteClosed)] == ["before", "after"]
    assert in_seconds(evening, VoteClosed)[1] - in_seconds(evening, VoteOpened)[1] >= 60
    assert evening.of(VerdictGiven)


def test_a_pause_keeps_an_open_vote_open() -> None:
    async def pause(show: Backstage) -> None:
        await show.until(10)
        await show.order("pause")
        await show.until(110)
        await show.order("resume")

    evening = perform_evening(make_scenario(audience=SWING), beside=pause, tallies=TALLIES)

    assert in_seconds(evening, VoteClosed)[0] == pytest.approx(160, abs=WITHIN_S)


def test_a_show_without_votes_opens_none() -> None:
    async def open_(show: Backstage) -> None:
        await show.until(2)
        assert (await show.order("open_vote")) == Answer(False, "there is no vote to open now")

    perform_evening(make_scenario(), beside=open_, tallies=TALLIES)


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "fields", "why"),
    [
        ("resume", {}, "nothing is paused"),
        ("approve", {"hint": "h9"}, "no hint 'h9'"),
        ("decline", {"hint": "h9"}, "no hint 'h9'"),
        ("inject", {"text": " \n"}, "nothing to say"),
        ("mute", {}, "`viewer` is missing"),
        ("unmute", {"viewer": "v1"}, "is not muted"),
        ("approval_off", {}, "off already"),
        ("close_vote", {}, "no vote is open"),
        ("fly", {}, "no command 'fly'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason_and_is_not_logged(
    command: str, fields: dict[str, str], why: str
) -> None:
    answers: list[Answer] = []

    async def order(show: Backstage) -> None:
        await show.until(5)
        answers.append(await show.order(command, **fields))

    evening = perform_evening(make_scenario(), beside=order)

    assert not answers[0].ok
    assert why in answers[0].message
    assert not evening.of(ProducerActed)


def test_once_the_show_is_over_nothing_is_obeyed() -> None:
    kept: list[Backstage] = []

    async def keep(show: Backstage) -> None:
        kept.append(show)

    perform_evening(make_scenario(), beside=keep)

    assert kept[0].control.may() == []
    assert kept[0].control.standing()["next"] is None
    assert asyncio.run(kept[0].order("pause")) == Answer(False, "the show is not on")


def test_only_the_right_token_is_admitted() -> None:
    async def try_(show: Backstage) -> None:
        assert show.control.admits(TOKEN)
        assert not show.control.admits(TOKEN + " ")
        assert not show.control.admits("")
        show.control.digest = ""
        assert not show.control.admits("")

    perform_evening(make_scenario(), beside=try_)


def test_may_names_what_would_be_obeyed_now() -> None:
    seen: dict[str, list[str]] = {}

    async def look(show: Backstage) -> None:
        await show.until(8)
        seen["on air"] = show.control.may()
        await show.order("pause")
        seen["paused"] = show.control.may()
        seen["standing"] = [str(show.control.standing()[name]) for name in ("paused", "turn", "speaker", "next")]
        await show.order("resume")

    perform_evening(make_scenario(), beside=look)

    assert {"pause", "skip", "end", "inject", "context", "mute", "approval_on"} == set(seen["on air"])
    assert set(seen["paused"]) == set(seen["on air"]) - {"pause"} | {"resume"}
    assert seen["standing"] == ["True", "0", "ada", "{'turn': 1, 'speaker': 'ben'}"]


def test_what_comes_next_is_told_with_a_line_that_was_put_before_it() -> None:
    seen: list[Any] = []

    async def look(show: Backstage) -> None:
        await show.until(8)
        seen.append(show.control.standing()["next"])
        await show.order("inject", text="One moment.")
        seen.append(show.control.standing()["next"])

    perform_evening(make_scenario(moderator=True), beside=look)

    assert [entry["speaker"] for entry in seen] == ["ada", "mod"]
    assert seen[0]["turn"] == seen[1]["turn"]


# -- a show that goes on after a break ------------------------------------------------------------------------------


def test_a_show_that_goes_on_is_directed_as_it_was() -> None:
    log = MemoryEventLog()

    async def direct(show: Backstage) -> None:
        await show.until(6)
        for command, fields in (
            ("approval_on", {}),
            ("mute", {"viewer": "v9"}),
            ("context", {"text": "Be kind"}),
            ("inject", {"text": "Welcome back."}),
            ("pause", {}),
        ):
            assert (await show.order(command, **fields)).ok
        await show.clock.sleep(5)
        raise LogError("show", "the power went")

    with pytest.raises(LogError):
        perform_evening(make_scenario(moderator=True), beside=direct, log=log)
    crashed = asyncio.run(_without_end(log))

    async def go_on(show: Backstage) -> None:
        await show.clock.sleep(50)
        assert show.writer.transcript.paused
        assert await show.desk.offer(remark(1, "v9")) == "muted"
        assert await show.desk.offer(remark(2)) is None
        assert [hint.id for hint in show.writer.transcript.held] == ["h2"]
        assert (await show.order("resume")).ok

    evening = perform_evening(make_scenario(moderator=True), beside=go_on, log=crashed)

    assert evening.ended.why == "completed"
    assert any(speech.kind == INTERJECTION and speech.text for speech in evening.transcript.speeches)
    assert [event.command for event in evening.of(ProducerActed)][-1] == "resume"
    assert "The producer's note: Be kind." in evening.prompt_of(evening.of(TurnStarted)[-1].turn)


async def _without_end(log: MemoryEventLog) -> MemoryEventLog:
    """Return a copy of a show's log up to its pause, as a program that was killed there leaves it."""
    stream = f"show/{SHOW}"
    events = [decode(record) for record in await log.read(stream, 0, limit=10_000)]
    return await _log_of(events[: next(place for place, event in enumerate(events) if event.type == "show_paused") + 1])


# -- whatever the producer does -------------------------------------------------------------------------------------

ORDERS = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=12),
        st.sampled_from(sorted(COMMANDS - {"end"})),
        st.sampled_from(["", "h1", "h2", "v1", "Say this.", "Go on\nand on"]),
    ),
    max_size=14,
)


@example(  # a line put in while the last turn ends
    orders=[
        *[
            (pause_s, "approval_off", "")
            for pause_s in (4.757817175316724, 6.675106600005705, 6.0, 6.0, 8.530254567001936)
        ],
        (8.897905030990183, "inject", "h1"),
        (3.5360599919707036, "skip", ""),
        (0.0, "inject", "Say this."),
    ],
    moderator=True,
    approval=True,
    votes="off",
    silent=set(),
    gap_s=0.0,
    max_tokens=None,
)
@settings(max_examples=40, deadline=None)
@given(
    orders=ORDERS,
    moderator=st.booleans(),
    approval=st.booleans(),
    votes=st.sampled_from(["off", "swing", "single"]),
    silent=st.sets(st.integers(0, 8), max_size=2),
    gap_s=st.sampled_from([0.0, 1.5]),
    max_tokens=st.sampled_from([None, 2500]),
)
def test_whatever_the_producer_does_the_show_stays_whole_and_ends(
    orders: list[tuple[float, str, str]],
    moderator: bool,
    approval: bool,
    votes: Any,
    silent: set[int],
    gap_s: float,
    max_tokens: int | None,
) -> None:
    async def direct(show: Backstage) -> None:
        for pause_s, command, argument in orders:
            await show.clock.sleep(pause_s)
            await show.order(command, text=argument, hint=argument, viewer=argument, by="Kim")

    scenario = make_scenario(
        moderator=moderator,
        audience=Audience(approval=approval, votes=votes, vote_s=10, hint_interval_s=0.0),
        pacing=Pacing(gap_s=gap_s),
        budget=Budget(max_tokens=max_tokens),
    )
    evening = perform_evening(
        scenario,
        lambda _request, call: Reply(error=outage(retryable=False)) if call in silent else Reply(words_of(25)),
        beside=direct,
        remarks={1.0: remark(1), 4.0: remark(2, "v2")},
        tallies=TALLIES,
    )

    state = Transcript()
    paused = False
    for event in evening.events:
        state = state.advance(event)
        assert is_legal(state)
        paused = state.paused
        assert not (paused and isinstance(event, ChunkAired | TurnStarted))
    assert state == fold(evening.events)
    assert evening.events[-1].type == "show_ended"
    assert not state.paused
    for speech in state.speeches:
        assert speech.text == evening.text_of(speech.turn)
    if max_tokens is not None:
        assert state.spent.prompt_tokens + state.spent.completion_tokens <= max_tokens
    assert [event.command for event in evening.of(ProducerActed)] == [act.command for act in state.acts]


@settings(max_examples=15, deadline=None)
@given(
    orders=ORDERS, moderator=st.booleans(), votes=st.sampled_from(["off", "swing", "single"]), cut=st.floats(0.0, 1.0)
)
def test_wherever_a_directed_show_is_broken_off_it_goes_on_to_its_end(
    orders: list[tuple[float, str, str]], moderator: bool, votes: Any, cut: float
) -> None:
    scenario = make_scenario(
        moderator=moderator, audience=Audience(votes=votes, vote_s=10, hint_interval_s=0.0, approval=True)
    )

    async def direct(show: Backstage) -> None:
        for pause_s, command, argument in orders:
            await show.clock.sleep(pause_s)
            await show.order(command, text=argument, hint=argument, viewer=argument)

    async def go_on(show: Backstage) -> None:
        await show.clock.sleep(1)
        await show.order("resume")

    first = perform_evening(scenario, beside=direct, remarks={1.0: remark(1), 4.0: remark(2, "v2")}, tallies=TALLIES)
    breaks = [place for place, (one, next_) in enumerate(pairwise(first.events), start=1) if one.at != next_.at]
    kept = first.events[: breaks[int(cut * (len(breaks) - 1))]]  # what is stored together is there together
    log = asyncio.run(_log_of(kept))
    evening = perform_evening(scenario, beside=go_on, tallies=TALLIES, log=log)

    state = Transcript()
    for event in evening.events:
        state = state.advance(event)
        assert is_legal(state)
    assert evening.events[: len(kept)] == kept
    assert evening.ended.why == "completed"
    spoke = [speech.speaker for speech in state.speeches if speech.kind != INTERJECTION and not speech.again]
    assert spoke == [turn.speaker for turn in plan(scenario).turns]
    assert state.held == state.pending == ()
    if moderator:
        said = [act for act in state.acts if act.command == "inject"]
        told = [speech for speech in state.speeches if speech.kind == INTERJECTION and not speech.again]
        assert len(told) == len(said)


async def _log_of(events: list[ShowEvent]) -> MemoryEventLog:
    log = MemoryEventLog()
    await log.append(f"show/{SHOW}", [encode(event) for event in events], expect=0)
    return log
