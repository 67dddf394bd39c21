import pytest

from debate_caster.errors import LogError
from debate_caster.scenario.script import Audience, Budget
from debate_caster.show.events import (
    ShowEnded,
    TurnPrepared,
    TurnStarted,
    VerdictGiven,
    VoteClosed,
    VoteCounted,
    VoteOpened,
)
from debate_caster.show.hints import Remark
from debate_caster.show.transcript import Transcript, fold
from tests.show.stage_props import Backstage, Evening, Reply, make_scenario, outage, perform_evening, words_of

SWING, SINGLE = Audience(votes="swing", vote_s=20.0), Audience(votes="single", vote_s=15.0)
TALLIES = {"main": {"before": {"for": 4, "against": 4, "undecided": 2}, "after": {"for": 3, "against": 6}}}


def told(evening: Evening) -> list[tuple[str, float]]:
    """Return what was said of votes, when."""
    wanted = (VoteOpened, VoteClosed, VoteCounted, VerdictGiven)
    return [(event.type, round(evening.seconds(event), 1)) for event in evening.events if isinstance(event, wanted)]


def test_the_audience_votes_before_the_first_argument_and_after_the_last() -> None:
    evening = perform_evening(make_scenario(audience=SWING), tallies=TALLIES)

    kinds = [event.type for event in evening.events]
    before, after = evening.of(VoteOpened)
    closings = [place for place, kind in enumerate(kinds) if kind == "vote_closed"]
    assert (before.vote, after.vote, before.seconds) == ("before", "after", 20.0)
    assert kinds.index("vote_opened") < closings[0] < kinds.index("turn_started")
    assert kinds[closings[0] + 1 : closings[0] + 4] == ["phase_started", "turn_started", "chunk_aired"]
    last_end = len(kinds) - 1 - kinds[::-1].index("turn_ended")
    assert kinds[last_end + 1 :] == [
        "vote_opened", "vote_closed", "vote_counted", "verdict_given", "show_ended"
    ]  # fmt: skip
    assert [(choice.id, choice.title) for choice in before.choices] == [
        ("for", "Proposition"), ("against", "Opposition"), ("undecided", "Undecided")
    ]  # fmt: skip


def test_each_vote_is_open_for_its_time_and_the_opener_waits_for_it() -> None:
    evening = perform_evening(make_scenario(audience=SWING), tallies=TALLIES)

    opened = [evening.seconds(event) for event in evening.of(VoteOpened)]
    closed = [evening.seconds(event) for event in evening.of(VoteClosed)]
    assert [end - start for start, end in zip(opened, closed, strict=True)] == pytest.approx([20.0, 20.0], abs=0.01)
    assert evening.seconds(evening.of(TurnStarted)[0]) == pytest.approx(closed[0], abs=0.01)


def test_the_verdict_says_who_gained_most_and_what_was_counted() -> None:
    evening = perform_evening(make_scenario(audience=SWING), tallies=TALLIES)

    (verdict,) = evening.of(VerdictGiven)
    assert (verdict.outcome, verdict.leaders, verdict.why) == ("won", ("against",), "")
    assert verdict.changes == pytest.approx({"for": 1 / 3 - 0.4, "against": 2 / 3 - 0.4}, abs=1e-6)
    assert verdict.before == {"for": 4, "against": 4, "undecided": 2}
    assert verdict.after == {"for": 3, "against": 6, "undecided": 0}
    assert evening.transcript.verdict == verdict


def test_the_opener_s_hints_count_while_the_first_vote_is_open() -> None:
    remark = Remark("h1", "viewer-1", "What about the night shift?")

    evening = perform_evening(make_scenario(audience=SWING), tallies=TALLIES, remarks={12.0: remark})

    assert [hint.text for hint in evening.of(TurnStarted)[0].hints] == ["What about the night shift?"]
    assert evening.seconds(evening.of(TurnPrepared)[0]) > 12.0


def test_a_moderator_may_welcome_people_while_they_vote() -> None:
    scenario = make_scenario(audience=SWING, moderator=True)

    evening = perform_evening(scenario, [Reply(words_of(8))], tallies=TALLIES)

    welcome, opening = evening.of(TurnStarted)[:2]
    assert (welcome.speaker, opening.speaker) == ("mod", "ada")
    assert evening.seconds(welcome) < 5.0
    assert evening.seconds(opening) == pytest.approx(20.0, abs=0.01)
    assert evening.of(VoteClosed)[0].seq < opening.seq


def test_a_single_vote_is_held_after_the_last_argument_alone() -> None:
    evening = perform_evening(make_scenario(audience=SINGLE), tallies=TALLIES)

    (opened,), (verdict,) = evening.of(VoteOpened), evening.of(VerdictGiven)
    assert (opened.vote, opened.seconds) == ("after", 15.0)
    assert (verdict.method, verdict.leaders, verdict.before) == ("single", ("against",), None)


@pytest.mark.parametrize(
    "evening",
    [
        pytest.param(perform_evening(make_scenario(audience=Audience()), tallies=TALLIES), id="switched-off"),
        pytest.param(perform_evening(make_scenario(audience=SWING)), id="nobody-takes-votes"),
    ],
)
def test_a_show_without_votes_is_as_long_as_ever(evening: Evening) -> None:
    assert told(evening) == []
    assert evening.seconds(evening.of(TurnStarted)[0]) < 5.0
    assert evening.ended.why == "completed"


def test_votes_of_several_targets_are_added_up_before_anything_is_decided() -> None:
    tallies = {
        "main": {"before": {"for": 1, "against": 1}, "after": {"for": 1, "against": 0}},
        "other": {"before": {"for": 2, "against": 2}, "after": {"for": 2, "against": 3}},
    }

    evening = perform_evening(make_scenario(audience=SWING), tallies=tallies)

    (verdict,) = evening.of(VerdictGiven)
    assert verdict.after == {"for": 3, "against": 3, "undecided": 0}
    assert verdict.outcome == "tied"


def test_a_target_that_never_counts_delays_the_end_by_ten_seconds_and_no_more() -> None:
    silent = {"main": TALLIES["main"], "silent": {}}

    evening = perform_evening(make_scenario(audience=SWING), tallies=silent)

    (verdict,) = evening.of(VerdictGiven)
    assert verdict.outcome == "won"
    last_close = evening.seconds(evening.of(VoteClosed)[-1])
    assert evening.seconds(evening.of(ShowEnded)[0]) == pytest.approx(last_close + 10.0, abs=0.1)


def test_without_a_count_there_is_no_result() -> None:
    evening = perform_evening(make_scenario(audience=SWING), tallies={"main": {}})

    (verdict,) = evening.of(VerdictGiven)
    assert (verdict.outcome, verdict.why, verdict.before) == ("no_result", "not_taken", None)


def test_repeated_and_unknown_counts_are_ignored() -> None:
    async def pesters(backstage: Backstage) -> None:
        await backstage.clock.sleep(22.0)
        for vote, votes in (("before", 99), ("after", 99), ("lunch", 99)):
            await backstage.votes.count("main", vote, {"for": votes})

    evening = perform_evening(make_scenario(audience=SWING), tallies=TALLIES, beside=pesters)

    assert [event.vote for event in evening.of(VoteCounted)] == ["before", "after"]
    assert evening.of(VerdictGiven)[0].before == TALLIES["main"]["before"]


def test_a_count_is_cut_to_the_choices_and_to_what_can_be() -> None:
    counted = {"main": {"after": {"for": -3, "against": 10**30, "me": 7}}}

    evening = perform_evening(make_scenario(audience=SINGLE), tallies=counted)

    assert evening.of(VoteCounted)[0].counts == {"for": 0, "against": 10**9, "undecided": 0}


def test_a_show_that_is_stopped_closes_its_vote_and_has_no_verdict() -> None:
    async def stops(backstage: Backstage) -> None:
        await backstage.clock.sleep(7.0)
        backstage.stop.set()

    evening = perform_evening(make_scenario(audience=SWING), tallies=TALLIES, beside=stops)

    assert told(evening) == [("vote_opened", 0.0), ("vote_closed", 7.0)]
    assert evening.ended.why == "interrupted"


def test_an_opener_without_a_word_does_not_end_the_vote_before_its_time() -> None:
    mute = [Reply(error=outage(retryable=False))]

    evening = perform_evening(make_scenario(audience=SWING), mute, tallies=TALLIES)

    opened, closed = evening.of(VoteOpened)[0], evening.of(VoteClosed)[0]
    assert evening.seconds(closed) - evening.seconds(opened) >= 20.0 - 0.01
    assert closed.seq < evening.of(TurnStarted)[0].seq


def test_the_last_vote_ends_with_the_show_s_time() -> None:
    whole = perform_evening(make_scenario(audience=SINGLE), tallies=TALLIES)
    minutes = (whole.seconds(whole.of(VoteOpened)[0]) + 60.0) / 60.0

    evening = perform_evening(
        make_scenario(audience=Audience(votes="single", vote_s=600.0), budget=Budget(max_minutes=minutes)),
        tallies=TALLIES,
    )

    opened, closed = evening.of(VoteOpened)[0], evening.of(VoteClosed)[0]
    assert evening.seconds(closed) - evening.seconds(opened) == pytest.approx(60.0, abs=0.1)
    assert evening.of(VerdictGiven)[0].leaders == ("against",)


def test_every_prefix_of_a_log_with_votes_is_a_legal_state() -> None:
    evening = perform_evening(make_scenario(audience=SWING), tallies=TALLIES)

    state = Transcript()
    for event in evening.events:
        state = fold([event], start=state)
        assert sum(poll.open for poll in state.polls) <= 1
    assert [poll.counted_by for poll in state.polls] == [frozenset({"main"}), frozenset({"main"})]


@pytest.mark.parametrize("order", ["closed-first", "opened-twice", "counted-while-open", "counted-twice"])
def test_votes_out_of_order_are_no_show_s_log(order: str) -> None:
    events = perform_evening(make_scenario(audience=SWING), tallies=TALLIES).events
    start = [events[0]]
    opened, closed, counted = (next(event for event in events if event.type == f"vote_{what}")
                               for what in ("opened", "closed", "counted"))  # fmt: skip
    wrong = {
        "closed-first": [closed],
        "opened-twice": [opened, closed, opened],
        "counted-while-open": [opened, counted],
        "counted-twice": [opened, closed, counted, counted],
    }[order]

    with pytest.raises(LogError):
        fold([*start, *wrong])
