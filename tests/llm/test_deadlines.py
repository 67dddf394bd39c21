from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.errors import ModelError
from debate_caster.llm import Deadlines, Delta, Finished, ReasoningDelta, TextDelta, UsageReported
from debate_caster.llm.deadlines import DeadlineLLM
from tests.llm.doubles import REQUEST, ListedLLM, take_until_error

LIMITS = Deadlines(first_content_s=30, between_content_s=20, reasoning_s=60, reply_s=120)
STOP = Finished("stop")
FOREVER = 10_000.0


def watched(
    *steps: Delta | float | ModelError, opening_s: float = 0.0
) -> tuple[float, list[Delta], ModelError | None, ListedLLM]:
    """Run a reply under the clocks; return when it was over, what came, and the error."""
    inner = ListedLLM(steps, opening_s=opening_s)

    async def main(clock: VirtualClock) -> tuple[float, list[Delta], ModelError | None]:
        llm = DeadlineLLM(inner, name="m", clock=clock, deadlines=LIMITS)
        taken, error = await take_until_error(llm)
        return clock.monotonic(), taken, error

    return *run_virtual(main), inner


def test_a_reply_in_time_passes_unchanged() -> None:
    at, taken, error, inner = watched(29.0, TextDelta("a"), 19.0, TextDelta("b"), 19.0, UsageReported(1, 2), STOP)

    assert (taken, error) == ([TextDelta("a"), TextDelta("b"), UsageReported(1, 2), STOP], None)
    assert at == 67.0
    assert inner.left == 1


def test_silence_ends_after_thirty_seconds_and_hangs_up() -> None:
    at, taken, error, inner = watched(FOREVER)

    assert (at, taken) == (30.0, [])
    assert error is not None
    assert (error.kind, error.retryable) == ("silent", True)
    assert inner.left == 1


def test_the_first_content_clock_runs_while_the_call_is_being_opened() -> None:
    at, _, error, _ = watched(20.0, TextDelta("late"), STOP, opening_s=15.0)

    assert error is not None
    assert (at, error.kind) == (30.0, "silent")


def test_an_opening_that_never_ends_is_silence() -> None:
    at, _, error, inner = watched(STOP, opening_s=FOREVER)

    assert error is not None
    assert (at, error.kind, inner.opened) == (30.0, "silent", 0)


def test_a_pause_between_contents_is_a_stall() -> None:
    at, taken, error, _ = watched(1.0, TextDelta("a"), FOREVER)

    assert error is not None
    assert (at, taken, error.kind, error.retryable) == (21.0, [TextDelta("a")], "stalled", True)


def test_reasoning_after_the_first_word_does_not_reset_the_content_clock() -> None:
    at, _, error, _ = watched(TextDelta("a"), 8.0, ReasoningDelta("hm"), 8.0, ReasoningDelta("hm"), 8.0, TextDelta("b"))

    assert error is not None
    assert (at, error.kind) == (20.0, "stalled")


def test_thinking_has_a_cap_of_its_own() -> None:
    thinking = [step for _ in range(100) for step in (5.0, ReasoningDelta("hm"))]

    at, taken, error, _ = watched(*thinking, TextDelta("at last"))

    assert error is not None
    assert (at, error.kind, error.retryable) == (60.0, "overlong", False)
    assert taken == [ReasoningDelta("hm")] * 11


def test_a_model_that_thinks_may_take_longer_than_a_silent_one() -> None:
    at, _, error, _ = watched(15.0, ReasoningDelta("hm"), 15.0, ReasoningDelta("hm"), 15.0, TextDelta("a"), STOP)

    assert (at, error) == (45.0, None)


def test_a_pause_in_thinking_is_silence() -> None:
    at, _, error, _ = watched(5.0, ReasoningDelta("hm"), FOREVER)

    assert error is not None
    assert (at, error.kind) == (25.0, "silent")


def test_a_reply_that_trickles_for_ever_is_overlong() -> None:
    at, taken, error, _ = watched(*[step for _ in range(100) for step in (19.0, TextDelta("a"))])

    assert error is not None
    assert (at, len(taken), error.kind, error.retryable) == (120.0, 6, "overlong", False)


def test_the_readers_own_time_is_not_the_models() -> None:
    async def main(clock: VirtualClock) -> list[Delta]:
        inner = ListedLLM([delta for _ in range(10) for delta in (1.0, TextDelta("a"))] + [STOP])
        taken = []
        async with DeadlineLLM(inner, name="m", clock=clock, deadlines=LIMITS).stream(REQUEST) as deltas:
            async for delta in deltas:
                taken.append(delta)
                await clock.sleep(60.0)
        return taken

    assert run_virtual(main) == [TextDelta("a")] * 10 + [STOP]


def test_an_error_of_the_model_passes_unchanged() -> None:
    failure = ModelError("m", "cut", "gone", retryable=True)

    _, taken, error, _ = watched(TextDelta("a"), failure)

    assert (taken, error) == ([TextDelta("a")], failure)
