import dataclasses
import math

import pytest

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.errors import ModelError, SetupError
from debate_caster.llm import (
    Delta,
    Finished,
    HeardHint,
    Message,
    ReasoningDelta,
    Request,
    TextDelta,
    UsageReported,
    estimate_prompt_tokens,
    guarded,
)
from debate_caster.llm.rehearsal import REHEARSAL_FAULTS, RehearsalLLM
from tests.llm.doubles import REQUEST, take, take_until_error, visible
from tests.llm.test_speechwriter import SAID, cue

SPEAKING = Request(
    (Message("system", "You are Ada."), Message("user", SAID)),
    max_tokens=400,
    cue=cue(opponent="Bruno Vale", opponent_said=SAID, hints=(HeardHint("Mara", "What about vans?"),)),
)


def rehearsed(request: Request = SPEAKING, *, seed: int = 1, times: int = 1, **options: object) -> list[list[Delta]]:
    async def main(clock: VirtualClock) -> list[list[Delta]]:
        llm = RehearsalLLM(clock=clock, random_seed=seed, **options)  # type: ignore[arg-type]  # passed through
        return [await take(llm, request) for _ in range(times)]

    return run_virtual(main)


def test_it_speaks_to_the_cue_and_reports_usage_and_end() -> None:
    [deltas] = rehearsed()
    *_, usage, end = deltas
    speech = visible(deltas)

    assert "Bruno Vale" in speech
    assert "Mara" in speech
    assert isinstance(usage, UsageReported)
    assert usage.completion_tokens == math.ceil(len(speech.split()) * 4 / 3)
    assert 0 < usage.prompt_tokens <= estimate_prompt_tokens(SPEAKING.messages)
    assert end == Finished("stop")


def test_usage_never_goes_above_what_is_reserved_for_a_prompt() -> None:
    for content in ("", "a b c d e f g h " * 20, "、。" * 50, "x" * 400):
        request = dataclasses.replace(SPEAKING, messages=(Message("user", content),))
        [deltas] = rehearsed(request)
        [usage] = [delta for delta in deltas if isinstance(delta, UsageReported)]
        assert usage.prompt_tokens <= estimate_prompt_tokens(request.messages)
        assert usage.completion_tokens <= request.max_tokens


def test_seed_and_request_decide_everything() -> None:
    assert rehearsed() == rehearsed()
    first, second = rehearsed(times=2)
    assert first == second
    assert visible(rehearsed(seed=2)[0]) != visible(first)


def test_its_thoughts_are_reasoning_and_never_text() -> None:
    [deltas] = rehearsed()
    thought = next(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))

    assert thought
    assert thought not in visible(deltas)


def test_words_come_when_they_should() -> None:
    async def main(clock: VirtualClock) -> tuple[list[float], str]:
        llm = RehearsalLLM(clock=clock, first_token_s=1.5, words_per_s=10.0)
        times, text = [], ""
        async with llm.stream(SPEAKING) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    times.append(clock.monotonic())
                    text += delta.text
        return times, text

    times, text = run_virtual(main)

    assert times == pytest.approx([1.5 + place / 10 for place in range(len(text.split()))])


def test_a_fast_model_sends_several_words_at_once() -> None:
    [deltas] = rehearsed(words_per_s=1000.0)

    assert len([delta for delta in deltas if isinstance(delta, TextDelta)]) <= 4
    assert visible(deltas) == visible(rehearsed(words_per_s=5.0)[0])


def test_it_stops_where_its_tokens_end_and_says_so() -> None:
    [deltas] = rehearsed(dataclasses.replace(SPEAKING, max_tokens=40))
    [usage] = [delta for delta in deltas if isinstance(delta, UsageReported)]

    assert len(visible(deltas).split()) == 30
    assert usage.completion_tokens <= 40
    assert deltas[-1] == Finished("length")


def test_without_a_cue_it_speaks_about_the_last_user_message() -> None:
    question = "Should robots be allowed to vote in local elections?"
    request = Request(
        (Message("user", "Hi."), Message("assistant", "Hello."), Message("user", question)), max_tokens=200
    )

    [deltas] = rehearsed(request)

    assert "robots" in visible(deltas) or "elections" in visible(deltas)


@pytest.mark.parametrize(
    "messages", [(), (Message("system", "x"),), (Message("user", ""),), (Message("user", "\ud800"),)]
)
def test_no_prompt_is_too_bare(messages: tuple[Message, ...]) -> None:
    [deltas] = rehearsed(Request(messages, max_tokens=50))

    assert visible(deltas)


@pytest.mark.parametrize("fault", sorted(set(REHEARSAL_FAULTS) - {"slow", "length"}))
def test_a_rehearsed_fault_ends_as_the_real_one_does(fault: str) -> None:
    async def main(clock: VirtualClock) -> tuple[list[Delta], ModelError | None, list[Delta]]:
        llm = guarded(RehearsalLLM(clock=clock, faults=(fault, "")), clock=clock, name="m")
        taken, error = await take_until_error(llm, SPEAKING)
        return taken, error, await take(llm, SPEAKING)

    taken, error, healthy = run_virtual(main)
    spoken, whole = visible(taken), visible(healthy)

    assert error is not None
    assert error.kind == ("malformed" if fault == "empty" else fault)
    assert error.retryable == (fault not in {"refused", "filtered", "overlong"})
    match fault:
        case "connect" | "rate_limited" | "refused" | "provider" | "silent" | "empty":
            assert spoken == ""
        case "overlong":
            assert spoken.startswith(whole)
        case _:
            assert whole.startswith(spoken)
            assert len(spoken.split()) == len(whole.split()) // 2


def test_a_fault_can_be_told_when_to_strike_and_how_long_to_wait() -> None:
    async def main(clock: VirtualClock) -> list[tuple[int, float | None]]:
        llm = RehearsalLLM(clock=clock, faults=("cut:3", "cut:0", "rate_limited:7"))
        results = []
        for _ in range(3):
            taken, error = await take_until_error(llm, SPEAKING)
            results.append((len(visible(taken).split()), error.retry_after_s if error else None))
        return results

    assert run_virtual(main) == [(3, None), (0, None), (0, 7.0)]


def test_length_and_slowness_are_no_errors() -> None:
    async def main(clock: VirtualClock) -> tuple[Delta, float]:
        llm = RehearsalLLM(clock=clock, first_token_s=1.0, faults=("length", "slow"))
        ended = (await take(llm, SPEAKING))[-1]
        since = clock.monotonic()
        async with llm.stream(SPEAKING) as deltas:
            await anext(deltas)
            return ended, clock.monotonic() - since

    assert run_virtual(main) == (Finished("length"), 10.0)


@pytest.mark.parametrize("fault", ["explode", "cut:x", "cut:-1", "cut:1:2", ":3"])
def test_an_unknown_fault_is_refused_before_the_show(fault: str) -> None:
    async def main(clock: VirtualClock) -> None:
        with pytest.raises(SetupError, match="no fault"):
            RehearsalLLM(clock=clock, faults=(fault,))

    run_virtual(main)


def test_closing_is_safe_at_any_time() -> None:
    async def main(clock: VirtualClock) -> str:
        llm = RehearsalLLM(clock=clock)
        await llm.close()
        await llm.close()
        return visible(await take(llm, REQUEST))

    assert run_virtual(main)
