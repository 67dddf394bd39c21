import json
from datetime import UTC, datetime
from typing import get_args

import pytest

from debate_caster.show.events import (
    AgentCast,
    ChunkAired,
    ConnectionDown,
    ConnectionUp,
    EpochBegan,
    HintAccepted,
    HintDeclined,
    HintExpired,
    HintHeld,
    HintOffered,
    HintTaken,
    HintUsed,
    MoneySpent,
    PhaseCast,
    PhaseStarted,
    ProducerActed,
    ShowEnded,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    ShowStarted,
    SpeechHeldBack,
    ThoughtNoted,
    ToolAnswered,
    ToolCalled,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
    VerdictGiven,
    VoteChoice,
    VoteClosed,
    VoteCounted,
    VoteOpened,
)
from debate_caster.show.public import PublicProjection, public_body, sender_of
from debate_caster.stage.vocabulary import check_caster_event

AT = datetime(2026, 1, 1, tzinfo=UTC)
HINT = HintTaken(id="h1", viewer="canary", name="Zoe", text="And birds?")
ADA = AgentCast(id="ada", name="Ada", emoji="🦉", color="#112233", side="for", stance="for", model="canary")

SHARED: list[ShowEvent] = [
    ShowStarted(
        at=AT, show="s1", scenario="canary", motion="Cats rule", title="Cats", format="duel", seed=4711, agents=(ADA,),
        phases=(PhaseCast(key="opening", title="Opening", turns=2),), turns=2,
    ),
    PhaseStarted(at=AT, phase=0, key="opening", title="Opening", speaker="bob"),
    TurnPrepared(at=AT, turn=0, phase=0, speaker="bob", hints=("h1",), prompt_digest="canary", prompt_words=4711),
    TurnStarted(at=AT, turn=0, phase=0, speaker="bob", max_words=90, hints=(HINT,), prompt_digest="canary"),
    TurnEnded(at=AT, turn=0, speaker="bob", how="completed", detail="canary", words=80, first_token_s=47.11),
    HintUsed(at=AT, hint="h1", viewer="canary", turn=0, speaker="bob"),
    VoteOpened(
        at=AT, vote="before", method="swing", seconds=20.0,
        choices=(VoteChoice(id="for", title="For"), VoteChoice(id="undecided", title="Undecided")),
    ),
    VoteClosed(at=AT, vote="before"),
    VerdictGiven(at=AT, method="swing", outcome="won", leaders=("for",), changes={"for": 0.5, "against": -0.5},
        before={"for": 1, "against": 1}, after={"for": 2, "against": 0, "undecided": 0}),
    ShowPaused(at=AT),
    ShowResumed(at=AT),
    ShowEnded(at=AT, why="budget", detail="no tokens left"),
]  # fmt: skip
FATES: list[ShowEvent] = [
    HintHeld(at=AT, hint="h1", viewer="canary", name="Zoe", text="And birds?", to="bob"),
    HintAccepted(at=AT, hint="h1", viewer="canary", name="Zoe", text="And birds?", to="bob"),
    HintDeclined(at=AT, hint="h1", viewer="canary", reason="duplicate"),
    HintExpired(at=AT, hint="h1", viewer="canary", reason="lifetime"),
]
THOUGHTS: list[ShowEvent] = [
    ThoughtNoted(at=AT, turn=0, speaker="bob", text="hm"),
    ToolCalled(at=AT, turn=0, speaker="bob", call="c1", name="search", arguments="{}"),
    ToolAnswered(at=AT, turn=0, speaker="bob", call="c1", text="found"),
]
PRIVATE: list[ShowEvent] = [
    ChunkAired(at=AT, turn=0, index=0, speaker="bob", text="Hello"),
    HintOffered(at=AT, hint="h1", viewer="v", text="And birds?"),
    VoteCounted(at=AT, vote="before", target="canary", counts={"for": 1}),
    ProducerActed(at=AT, command="mute", by="Kim", viewer="canary"),
    MoneySpent(at=AT, turn=0, model="m", attempt=1, prompt_tokens=1, completion_tokens=1),
    ConnectionUp(at=AT, agent="bob", target="t", room="bc_1"),
    ConnectionDown(at=AT, agent="bob", target="t", reason="gone"),
    EpochBegan(at=AT, epoch=1),
    SpeechHeldBack(at=AT, turn=0, speaker="bob", model="m", by="words", reason="a word of the list", chars=9),
]


def by_type(event: ShowEvent) -> str:
    return event.type


def test_no_kind_of_event_is_left_out_here() -> None:
    union = get_args(get_args(ShowEvent)[0])
    assert {type(event) for event in SHARED + FATES + THOUGHTS + PRIVATE} == set(union)


@pytest.mark.parametrize("event", SHARED + FATES + THOUGHTS, ids=by_type)
def test_what_is_public_is_what_a_stage_takes(event: ShowEvent) -> None:
    body = PublicProjection(air_thoughts=True).body(event)
    assert body is not None
    check_caster_event(json.loads(json.dumps(body)))


@pytest.mark.parametrize("event", SHARED + FATES, ids=by_type)
def test_prompts_models_costs_and_viewers_ids_stay_private(event: ShowEvent) -> None:
    said = json.dumps(PublicProjection(air_thoughts=True).body(event))
    assert "canary" not in said
    assert "4711" not in said
    assert "47.11" not in said


@pytest.mark.parametrize("event", THOUGHTS, ids=by_type)
def test_thoughts_are_aired_only_where_the_scenario_says_so(event: ShowEvent) -> None:
    assert public_body(event, air_thoughts=False) is None
    assert public_body(event, air_thoughts=True) is not None


@pytest.mark.parametrize("event", PRIVATE, ids=by_type)
def test_the_rest_is_no_event_of_the_audience(event: ShowEvent) -> None:
    assert public_body(event, air_thoughts=True) is None


def test_a_used_hint_says_what_it_was() -> None:
    used = HintUsed(at=AT, hint="h1", viewer="v", turn=0, speaker="bob")
    expected = {"type": "hint_used", "hint": "h1", "turn": 0, "speaker": "bob", "name": "Zoe", "text": "And birds?"}
    for source in (FATES[0], TurnStarted(at=AT, turn=0, phase=0, speaker="bob", max_words=9, hints=(HINT,))):
        projection = PublicProjection(air_thoughts=False)
        projection.body(source)
        assert projection.body(used) == projection.body(used) == expected


@pytest.mark.parametrize("odd", ["again", "apology", "held_back"])
def test_what_is_odd_about_a_turns_end_is_said_and_nothing_else(odd: str) -> None:
    plain = TurnEnded(at=AT, turn=0, speaker="bob", how="aborted", detail="canary", words=8)
    body = {"type": "turn_ended", "turn": 0, "speaker": "bob", "how": "aborted", "words": 8}

    assert public_body(plain, air_thoughts=True) == body
    assert public_body(plain.model_copy(update={odd: True}), air_thoughts=True) == body | {odd: True}


def test_an_event_is_aired_by_whom_it_concerns_and_otherwise_by_the_lead() -> None:
    senders = {event.type: sender_of(event, "ada") for event in SHARED + FATES + THOUGHTS + PRIVATE}
    assert {type_ for type_, sender in senders.items() if sender == "ada"} == {
        "show_started", "show_ended", "hint_offered", "hint_accepted", "hint_declined", "hint_expired", "money_spent",
        "vote_opened", "vote_closed", "vote_counted", "verdict_given", "hint_held", "producer_acted", "show_paused",
        "show_resumed", "epoch_began",
    }  # fmt: skip
    assert set(senders.values()) == {"ada", "bob"}
