"""Models that fail in whole shows: what stands in for them, and what viewers hear when nothing can."""

import asyncio
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from itertools import count, pairwise

import pytest

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.log import MemoryEventLog
from debate_caster.runner import run_show
from debate_caster.scenario.script import Budget, ModelScript, Pacing
from debate_caster.show.apologies import Cause, apology_for
from debate_caster.show.events import (
    ChunkAired,
    MoneySpent,
    ShowEnded,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
    decode,
    stream_of,
)
from tests.faults.invariants import as_fields, broken_in
from tests.llm.faulty_server import FAULTS, SPEECH, Fault, FaultyServer, Received, Reply
from tests.show.stage_props import make_scenario, words_of

MIB = 1024 * 1024
STAND_IN = "The first model has left us. I speak in its place, and I say what it would have said."

HARMLESS: dict[Fault, str] = {
    "": SPEECH,
    "content_list": SPEECH,
    "document": SPEECH,
    "huge_delta": " ".join(["All the words at once."] * 8),
    "no_done": SPEECH,
    "no_goodbye": SPEECH,
    "odd_choices": SPEECH,
    "options_refused": SPEECH,
    "reasoning": SPEECH,
    "role_only": SPEECH,
    "split_utf8": SPEECH,
    "think_tags": SPEECH,
}
"""Oddities that cost no turn, and the words that are aired all the same."""


FILTERED = {"error": {"code": "content_filter", "message": "The prompt was filtered."}}


Server = Reply | Callable[[float], Reply]
"""What a model's server answers, always or at a second of the show."""


class Show:
    """A show of a model that fails and those that stand in for it, each on a server of its own."""

    def __init__(self, events: list[ShowEvent], called_at: list[float], ended: ShowEnded) -> None:
        self.events, self.called_at, self.ended = events, called_at, ended

    @property
    def calls(self) -> int:
        return len(self.called_at)

    def pauses(self) -> list[float]:
        """Return how long each of the show's own pauses lasted, in seconds."""
        starts = [event.at for event in self.events if isinstance(event, ShowPaused) and event.why == "models"]
        ends = [event.at for event in self.events if isinstance(event, ShowResumed)]
        return [(end - start).total_seconds() for start, end in zip(starts, ends, strict=True)]

    def text(self, turn: int) -> str:
        return "".join(event.text for event in self.events if isinstance(event, ChunkAired) and event.turn == turn)

    def turns(self) -> list[TurnEnded]:
        return [event for event in self.events if isinstance(event, TurnEnded)]

    def speaking(self) -> list[str]:
        return [event.model for event in self.events if isinstance(event, TurnStarted)]

    def spent(self) -> list[MoneySpent]:
        return [event for event in self.events if isinstance(event, MoneySpent)]


def perform(first: Server, *others: Server, rounds: int = 1, words: int = 40) -> Show:
    names = ("one", "two", "three")[: 1 + len(others)]

    async def main(clock: VirtualClock) -> Show:
        called_at: list[float] = []

        def answering(server: Server, *, noting: bool) -> Callable[[Received], Reply]:
            def answer(_received: Received) -> Reply:
                if noting:
                    called_at.append(clock.monotonic())
                return server(clock.monotonic()) if callable(server) else server

            return answer

        async with AsyncExitStack() as stack:
            models = {}
            for place, (name, server) in enumerate(zip(names, (first, *others), strict=True)):
                faulty = FaultyServer(answer=answering(server, noting=place == 0))
                url = (await stack.enter_async_context(faulty)).base_url
                following = names[place + 1] if name != names[-1] else None
                models[name] = ModelScript(name=name, provider="openai", base_url=url, model="m", fallback=following)
            scenario = make_scenario(rounds=rounds, words=words)
            agents = tuple(agent.model_copy(update={"model": "one"}) for agent in scenario.agents)
            scenario = scenario.model_copy(update={"agents": agents, "models": models})
            log = MemoryEventLog()
            outcome = await run_show(scenario, log=log, clock=clock, seed=1, show_id="s")
            events = [decode(record) for record in await log.read(stream_of("s"), 0, limit=10_000)]
            assert broken_in(as_fields(events)) == []
            return Show(events, called_at, outcome.ended)

    return run_virtual(main)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in HARMLESS])
def test_whatever_a_model_does_its_stand_in_holds_the_turn(fault: Fault) -> None:
    end = "said_enough" if fault == "unknown_finish" else "stop"
    show = perform(Reply(fault=fault, finish_reason=end), Reply(STAND_IN))

    assert [show.text(turn) for turn in (0, 1)] == [STAND_IN, STAND_IN]
    assert show.speaking() == ["two", "two"]
    assert [turn.how for turn in show.turns()] == ["completed", "completed"]
    assert show.ended.why == "completed"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(fault="refusal", after=0), id="the-model-declines"),
        pytest.param(Reply(fault="content_filter", after=0), id="the-filter-cuts-the-reply"),
        pytest.param(Reply(fault="error_event", after=0, body=FILTERED), id="the-filter-cuts-the-stream"),
        pytest.param(Reply(fault="status", status=400, body=FILTERED), id="the-filter-stops-the-prompt"),
        pytest.param(Reply(fault="status", status=403, body={"error": {"message": "no"}}), id="the-key-may-not"),
    ],
)
def test_a_refusal_before_the_first_word_is_the_stand_ins_turn_and_is_not_asked_for_twice(reply: Reply) -> None:
    show = perform(reply, Reply(STAND_IN))

    assert [show.text(turn) for turn in (0, 1)] == [STAND_IN, STAND_IN]
    assert show.calls == 2
    assert show.ended.why == "completed"


@pytest.mark.parametrize("fault", HARMLESS)
def test_oddities_of_a_model_need_no_stand_in(fault: Fault) -> None:
    show = perform(Reply(fault=fault), Reply(STAND_IN))

    assert [show.text(turn) for turn in (0, 1)] == [HARMLESS[fault]] * 2
    assert show.speaking() == ["one", "one"]


def test_a_provider_that_is_down_is_left_in_peace_and_asked_again_later() -> None:
    show = perform(Reply(fault="status", status=503), Reply(words_of(40)), rounds=6)

    minutes = (show.events[-1].at - show.events[0].at).total_seconds() / 60
    assert show.speaking() == ["two"] * 12
    assert 5 < show.calls <= 5 + 2 * minutes + 1
    assert "unavailable" in {spent.outcome for spent in show.spent()}


@pytest.mark.parametrize("fault", ["content_filter", "refusal"])
def test_where_all_models_fail_viewers_hear_why_and_the_show_ends(fault: Fault) -> None:
    show = perform(Reply(fault=fault, after=0), Reply(fault=fault, after=0), rounds=3)

    causes: list[Cause] = ["failed", "failed", "ending"]
    apologies = [apology_for("en", turn, cause) for turn, cause in enumerate(causes)]
    assert [show.text(turn) for turn in range(3)] == apologies
    assert [(turn.how, turn.apology) for turn in show.turns()] == [("aborted", True)] * 3
    assert show.ended.why == "failed"


@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize(("fault", "until"), [("status", 200), ("silent", 420)])
def test_a_show_whose_models_are_all_out_waits_and_goes_on_when_one_is_back(
    fault: Fault, until: float, models: int
) -> None:
    def out_for_a_while(second: float) -> Reply:
        return Reply(fault=fault, status=503) if 10 < second < until else Reply(words_of(40))

    show = perform(*[out_for_a_while] * models, rounds=3)

    apologies = [turn.apology for turn in show.turns()]
    assert len(apologies) == 6
    assert apologies.count(True) <= 1  # of the turn in which the outage is found out
    assert len(show.pauses()) == 1
    assert show.ended.why == "completed"


@pytest.mark.parametrize("models", [1, 2])
def test_models_that_stay_out_are_asked_seldom_and_the_show_ends_politely(models: int) -> None:
    def out_for_good(second: float) -> Reply:
        return Reply(fault="status", status=503) if second > 10 else Reply(words_of(40))

    show = perform(*[out_for_good] * models, rounds=6)

    last = show.turns()[-1]
    found_out = next(place for place, at in enumerate(show.called_at) if at > 10)
    probes = show.called_at[found_out + 5 :]
    assert show.pauses() == [pytest.approx(Budget().max_outage_s, abs=0.5)]
    assert 5 <= len(probes) <= Budget().max_outage_s / 30 + 1
    assert all(later - sooner >= 30 for sooner, later in pairwise(probes))
    assert (last.how, last.apology, show.text(last.turn)) == ("aborted", True, apology_for("en", last.turn, "ending"))
    assert (show.ended.why, show.ended.detail) == ("failed", "no model answered for too long")


def test_what_viewers_have_heard_stands_and_nobody_says_it_again() -> None:
    long = words_of(120)
    show = perform(Reply(long, fault="cut", after=90, token_s=0.25), Reply(STAND_IN), words=150)

    first = show.turns()[0]
    assert first.how == "aborted"
    assert long.startswith(show.text(0))
    assert show.text(0).endswith(".")
    assert STAND_IN not in show.text(0)
    assert show.ended.why == "completed"


@pytest.mark.parametrize("after", [0, 4, 9, 20])
def test_a_model_that_falls_silent_after_some_words_is_asked_again_or_its_turn_is_over(after: int) -> None:
    assert_no_word_is_said_twice(after)


@pytest.mark.soak
@pytest.mark.parametrize("after", range(21))
def test_a_model_that_falls_silent_after_any_of_its_first_words_is_asked_again_or_its_turn_is_over(after: int) -> None:
    assert_no_word_is_said_twice(after)


def assert_no_word_is_said_twice(after: int) -> None:
    calls = count()
    speech = words_of(30)

    def stalls_once(_second: float) -> Reply:
        return Reply(speech, fault="stalled", after=after) if next(calls) == 0 else Reply(speech)

    show = perform(stalls_once)

    first = show.turns()[0]
    if first.how == "completed":
        assert (show.text(0), first.usage.attempts) == (speech, 2)
    else:
        assert (first.how, first.usage.attempts) == ("aborted", 1)
        assert speech.startswith(show.text(0))
        assert show.text(0).endswith(".")
    assert [turn.how for turn in show.turns()[1:]] == ["completed"]
    assert show.ended.why == "completed"


@pytest.mark.parametrize(
    ("header", "least_s", "most_s"),
    [("1", 1.0, 1.5), ("120", 15.0, 15.5), ("Fri, 31 Dec 2100 23:59:59 GMT", 15.0, 15.5), ("soonish", 0.0, 1.0)],
)
def test_a_model_asks_for_patience_and_gets_as_much_as_a_show_has(header: str, least_s: float, most_s: float) -> None:
    calls = count()

    def busy_once(_second: float) -> Reply:
        refused = Reply(fault="status", status=429, headers=(("Retry-After", header),))
        return refused if next(calls) == 0 else Reply(words_of(20))

    show = perform(busy_once)

    assert least_s <= show.called_at[1] - show.called_at[0] <= most_s
    assert [turn.how for turn in show.turns()] == ["completed", "completed"]


def test_of_two_shows_one_whose_model_asks_for_patience_keeps_nothing_from_the_other() -> None:
    """Two shows share a process, and each other's nothing: not even a provider that limits one of them."""

    async def main(clock: VirtualClock) -> list[list[ShowEvent]]:
        calls = count()

        def busy_once(_received: Received) -> Reply:
            refused = Reply(fault="status", status=429, headers=(("Retry-After", "120"),))
            return refused if next(calls) == 0 else Reply(words_of(30))

        async with FaultyServer(answer=busy_once) as busy, FaultyServer(default=Reply(words_of(30))) as free:
            log = MemoryEventLog()
            async with asyncio.TaskGroup() as tasks:
                for name, server in (("waits", busy), ("goes-on", free)):
                    model = ModelScript(name="m", provider="openai", base_url=server.base_url, model="m")
                    scenario = make_scenario(rounds=2, models={"m": model})
                    tasks.create_task(run_show(scenario, log=log, clock=clock, seed=1, show_id=name))
            names = ("waits", "goes-on")
            return [[decode(record) for record in await log.read(stream_of(name), 0, limit=9_999)] for name in names]

    alone = perform(Reply(words_of(30)), rounds=2)
    waits, goes_on = run_virtual(main)

    def aired(events: Sequence[ShowEvent]) -> tuple[list[str], list[float]]:
        chunks = [event for event in events if isinstance(event, ChunkAired)]
        return [chunk.text for chunk in chunks], [(chunk.at - events[0].at).total_seconds() for chunk in chunks]

    assert aired(goes_on)[0] == aired(waits)[0] == aired(alone.events)[0]
    assert aired(goes_on)[1] == pytest.approx(aired(alone.events)[1], abs=0.05)
    started, first = (
        next(event.at for event in waits if isinstance(event, kind)) for kind in (TurnPrepared, ChunkAired)
    )
    assert 15 <= (first - started).total_seconds() < 20
    for events in (waits, goes_on):
        assert broken_in(as_fields(events)) == []
        assert [event.how for event in events if isinstance(event, TurnEnded)] == ["completed"] * 4


def test_a_show_that_is_stopped_hangs_up_on_its_model_within_a_second() -> None:
    async def main(clock: VirtualClock) -> float:
        async with FaultyServer(default=Reply(words_of(150), token_s=1.0)) as server, asyncio.TaskGroup() as tasks:
            stop = asyncio.Event()
            model = ModelScript(name="m", provider="openai", base_url=server.base_url, model="m")
            scenario = make_scenario(words=150, models={"m": model})
            show = tasks.create_task(run_show(scenario, log=MemoryEventLog(), clock=clock, seed=1, stop=stop))
            await clock.sleep(10)
            stopped_at = clock.monotonic()
            stop.set()
            await server.hangups.wait()
            took_s = clock.monotonic() - stopped_at
            assert (await show).ended.why == "interrupted"
            return took_s

    assert run_virtual(main) <= 1.0


def test_a_model_that_says_10_000_words_a_second_is_heard_at_the_pace_of_a_debate() -> None:
    speech = words_of(20_000)
    perform(Reply(words_of(20)), rounds=1, words=60)  # what is imported, or made once, is not what is measured
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        show = perform(Reply(speech), rounds=2, words=60)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    sys.stdout.write(f"4 replies of {len(speech):,} characters: {(most - before) / MIB:.1f} MiB at most\n")
    assert most - before < 10 * MIB
    pacing = Pacing()
    chunks = [event for event in show.events if isinstance(event, ChunkAired)]
    assert [turn.how for turn in show.turns()] == ["clipped"] * 4
    assert all(turn.words <= 60 for turn in show.turns())
    assert max(len(chunk.text) for chunk in chunks) <= pacing.max_chunk_chars
    for sooner, later in pairwise(chunks):
        assert (later.at - sooner.at).total_seconds() >= pacing.min_interval_s - 0.01 or later.speaker != sooner.speaker
    assert max(spent.completion_tokens for spent in show.spent()) < 1000  # of a reply of some 30,000
