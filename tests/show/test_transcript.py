from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from debate_caster.errors import LogError
from debate_caster.log import MemoryEventLog
from debate_caster.scenario.script import Audience, Budget
from debate_caster.show.events import (
    ChunkAired,
    ConnectionDown,
    ConnectionUp,
    HintAccepted,
    HintUsed,
    MoneySpent,
    PhaseStarted,
    ShowEnded,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
    encode,
    stream_of,
)
from debate_caster.show.hints import Remark
from debate_caster.show.transcript import Transcript, fold, read_transcript
from tests.show.stage_props import Backstage, Reply, make_scenario, outage, perform_evening, show_started, words_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = show_started(AT)


def turn_started(turn: int) -> TurnStarted:
    return TurnStarted(at=AT, turn=turn, phase=0, speaker="ada", max_words=50)


def chunk(turn: int, index: int) -> ChunkAired:
    return ChunkAired(at=AT, turn=turn, index=index, speaker="ada", text=f"{turn}.{index} ")


def turn_ended(turn: int, how: str = "completed") -> TurnEnded:
    return TurnEnded.model_validate({"at": AT, "turn": turn, "speaker": "ada", "how": how})


def is_legal(transcript: Transcript) -> bool:
    """What may be said of any state, however its log goes on."""
    tally = transcript.hints
    turns = [speech.turn for speech in transcript.speeches]
    to_come = len(turns) + (transcript.open is not None)
    return all(
        (
            turns == list(range(len(turns))),
            transcript.next_turn == len(turns),
            transcript.open is None or transcript.open.started.turn == transcript.next_turn,
            [prepared.turn for prepared in transcript.prepared]
            == list(range(to_come, to_come + len(transcript.prepared))),
            len(transcript.prepared) <= 2,
            tally.offered
            == tally.used
            + tally.expired
            + tally.declined
            + len((*transcript.pending, *transcript.held, *transcript.undecided)),
            all(speech.how == "skipped" or speech.text for speech in transcript.speeches),
            transcript.ended is None or not (transcript.open or transcript.pending or transcript.held),
            sum(usage.attempts for _, usage in transcript.spent_by_model) == transcript.spent.attempts,
        )
    )


LOGS = 1_000 if settings().max_examples > 100 else 12
"""Shows that are looked at after each event: the first number in `make soak`."""


@pytest.mark.timeout(300)
@settings(max_examples=LOGS, deadline=None)
@given(st.integers(0, 10**9))
@example(5597)
def test_every_prefix_of_any_show_s_log_is_a_legal_state(seed: int) -> None:
    random = Random(seed)

    def answer(_request: object, _call: int) -> Reply:
        return random.choice(
            [
                Reply(
                    words_of(random.randint(1, 90)),
                    first_token_s=random.uniform(0, 3),
                    words_per_s=random.uniform(3, 90),
                ),
                Reply(words_of(50), error=outage("cut"), error_after=random.randint(0, 49), words_per_s=20),
                Reply(error=outage(retryable=random.random() < 0.5)),
                Reply("  "),
                Reply(words_of(20), ends="length", thought="Hm."),
            ]
        )

    async def producer(backstage: Backstage) -> None:
        await backstage.clock.sleep(random.uniform(0, 120))
        backstage.stop.set()

    evening = perform_evening(
        make_scenario(
            rounds=random.randint(1, 4),
            moderator=random.random() < 0.3,
            audience=Audience(hint_interval_s=0.0, hint_lifetime_turns=random.randint(1, 3)),
            budget=Budget(max_tokens=random.choice([None, 3000, 20_000])),
        ),
        answer,
        beside=producer if random.random() < 0.5 else None,
        remarks={
            random.uniform(0, 90): Remark(
                f"h{n}", f"v{n % 3}", f"Point {n}?", to=random.choice(["", "ada", "for", "x"])
            )
            for n in range(random.randint(0, 8))
        },
        seed=seed,
    )

    transcript = Transcript()
    for event in evening.events:
        transcript = transcript.advance(event)
        assert is_legal(transcript), event
    assert transcript == evening.transcript
    assert transcript.ended is not None


def test_a_speech_is_its_chunks_joined() -> None:
    transcript = fold([STARTED, turn_started(0), chunk(0, 0), chunk(0, 1), turn_ended(0)])

    assert [speech.text for speech in transcript.speeches] == ["0.0 0.1 "]
    assert transcript.next_turn == 1


def test_the_next_turn_may_be_prepared_while_one_is_on_air() -> None:
    prepared = TurnPrepared(at=AT, turn=1, phase=0, speaker="ben", prompt_digest="d", prompt_words=9)
    transcript = fold([STARTED, turn_started(0), chunk(0, 0), prepared, turn_ended(0)])

    assert transcript.prepared == (prepared,)
    assert fold([turn_started(1)], start=transcript).prepared == ()


def test_spending_is_added_up_by_model() -> None:
    def spent(model: str, cost: str) -> MoneySpent:
        return MoneySpent(
            at=AT, turn=0, model=model, attempt=1, prompt_tokens=10, completion_tokens=5, cost=Decimal(cost)
        )

    transcript = fold([STARTED, spent("a", "0.5"), spent("b", "0.25"), spent("a", "0.5")])

    assert transcript.spent.cost == Decimal("1.25")
    assert dict(transcript.spent_by_model)["a"].prompt_tokens == 20


def test_connections_come_and_go_even_after_the_end() -> None:
    up = ConnectionUp(at=AT, agent="ada", target="stage", room="r1")
    down = ConnectionDown(at=AT, agent="ada", target="stage", reason="ended")

    assert fold([STARTED, up]).connected == {("ada", "stage")}
    assert fold([STARTED, up, ShowEnded(at=AT, why="completed"), down]).connected == frozenset()


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([turn_started(0)], id="nothing-before-the-beginning"),
        pytest.param([STARTED, STARTED], id="one-beginning"),
        pytest.param([STARTED, chunk(0, 0)], id="chunk-outside-a-turn"),
        pytest.param([STARTED, turn_started(0), chunk(0, 1)], id="chunk-missing"),
        pytest.param([STARTED, turn_started(0), chunk(1, 0)], id="chunk-of-another-turn"),
        pytest.param([STARTED, turn_started(1)], id="turn-missing"),
        pytest.param([STARTED, turn_started(0), turn_started(0)], id="turn-twice"),
        pytest.param([STARTED, turn_ended(0)], id="completed-without-a-start"),
        pytest.param([STARTED, ShowResumed(at=AT)], id="resumed-without-a-pause"),
        pytest.param([STARTED, ShowPaused(at=AT), ShowPaused(at=AT)], id="paused-twice"),
        pytest.param([STARTED, turn_started(0), ShowEnded(at=AT, why="completed")], id="end-during-a-turn"),
        pytest.param([STARTED, ShowEnded(at=AT, why="completed"), turn_started(0)], id="turn-after-the-end"),
        pytest.param([STARTED, HintAccepted(at=AT, hint="h", viewer="v", text="t")], id="hint-not-offered"),
        pytest.param([STARTED, HintUsed(at=AT, hint="h", viewer="v", turn=0, speaker="ada")], id="hint-not-accepted"),
        pytest.param(
            [STARTED, TurnPrepared(at=AT, turn=3, phase=0, speaker="a", prompt_digest="", prompt_words=1)],
            id="prepared-too-early",
        ),
    ],
)
def test_an_event_that_cannot_follow_is_refused(events: list[ShowEvent]) -> None:
    with pytest.raises(LogError):
        fold(events)


def test_agents_are_found_by_id() -> None:
    transcript = perform_evening(make_scenario(rounds=1)).transcript

    assert transcript.agent("ada").name == "Ada"
    with pytest.raises(KeyError):
        transcript.agent("eve")


async def test_a_state_is_read_from_the_log_in_pages() -> None:
    log = MemoryEventLog()
    events: list[ShowEvent] = [
        STARTED,
        PhaseStarted(at=AT, phase=0, key="p", title="P", speaker="ada"),
        turn_started(0),
        chunk(0, 0),
        turn_ended(0),
    ]
    await log.append(stream_of("s"), [encode(event) for event in events], expect=0)

    assert await read_transcript(log, "s", page=2) == fold(
        event.model_copy(update={"seq": seq}) for seq, event in enumerate(events, start=1)
    )
    assert (await read_transcript(log, "nobody")).started is None
