from random import Random

import pytest

from debate_caster.clock import ManualClock, VirtualClock, run_virtual
from debate_caster.errors import ModelError
from debate_caster.llm import (
    CircuitBreaker,
    Delta,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
    guarded,
)
from debate_caster.llm.guard import MAX_REPLY_CHARS
from tests.llm.doubles import REQUEST, ListedLLM, take, take_until_error, thoughts, visible

STOP = Finished("stop")


async def through(*steps: Delta | float | ModelError) -> tuple[list[Delta], ModelError | None]:
    return await take_until_error(guarded(ListedLLM(steps), clock=ManualClock(), name="m"))


async def test_thoughts_leave_the_text_wherever_they_stand_in_it() -> None:
    text = [TextDelta(char) for char in "<think>secret</think> Hello <think>more</think>there"]

    taken, error = await through(ReasoningDelta("apart. "), *text, UsageReported(5, 7), STOP)

    assert (visible(taken), thoughts(taken), error) == ("Hello there", "apart. secretmore", None)
    assert taken[-2:] == [UsageReported(5, 7), STOP]


async def test_of_10_000_pieces_that_are_passed_on_none_holds_a_thought() -> None:
    random, passed = Random(1), 0
    while passed < 10_000:
        speech = " ".join(f"word{number}." for number in range(random.randint(50, 150)))
        place = random.choice([0, random.randint(0, len(speech))])
        text = f"{speech[:place]}<think>SECRET {'SECRET ' * random.randint(0, 9)}</think>{speech[place:]}"
        steps: list[Delta] = [ReasoningDelta("SECRET")] if random.random() < 0.5 else []
        while text:
            cut = random.randint(1, 9)
            steps.append(TextDelta(text[:cut]))
            text = text[cut:]

        taken, error = await through(*steps, STOP)

        pieces = [delta.text for delta in taken if isinstance(delta, TextDelta)]
        assert ("".join(pieces), error) == (speech, None)
        assert not any("S" in piece or "<" in piece for piece in pieces)
        passed += len(pieces)


async def test_a_control_character_can_not_hide_a_tag() -> None:
    taken, _ = await through(TextDelta("<th\x00ink>secret</thi\x1bnk>Hello"), STOP)

    assert (visible(taken), thoughts(taken)) == ("Hello", "secret")


async def test_what_is_held_back_comes_before_the_end() -> None:
    taken, error = await through(TextDelta("I like <"), UsageReported(1, 1), STOP)

    assert (visible(taken), taken[-1], error) == ("I like <", STOP, None)


async def test_a_huge_delta_comes_in_pieces_and_ends_where_no_speech_is_that_long() -> None:
    taken, error = await through(TextDelta("word " * 600_000), STOP)

    assert error is not None
    assert (error.kind, error.retryable) == ("overlong", False)
    assert len(visible(taken)) == MAX_REPLY_CHARS
    assert max(len(delta.text.encode()) for delta in taken if isinstance(delta, TextDelta)) <= 8192


async def test_endless_thinking_is_cut_too() -> None:
    _, error = await through(*[ReasoningDelta("hm " * 30_000)] * 10, TextDelta("Hello"), STOP)

    assert error is not None
    assert error.kind == "overlong"


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        pytest.param((STOP,), "malformed", id="nothing-at-all"),
        pytest.param((TextDelta(""), TextDelta(" \n"), STOP), "malformed", id="nothing-but-space"),
        pytest.param((TextDelta("<think>hm</think>"), STOP), "malformed", id="nothing-but-thought"),
        pytest.param((ReasoningDelta("hm"), Finished("length")), "truncated", id="thought-ate-the-limit"),
    ],
)
async def test_a_reply_without_a_visible_word_is_no_reply(steps: tuple[Delta, ...], kind: str) -> None:
    taken, error = await through(*steps)

    assert visible(taken) == ""
    assert error is not None
    assert (error.kind, error.retryable) == (kind, True)


async def test_a_reply_of_tool_calls_alone_is_one() -> None:
    taken, error = await through(ToolCallDelta("1", "search", "{}"), STOP)

    assert (taken, error) == ([ToolCallDelta("1", "search", "{}"), STOP], None)


async def test_empty_deltas_are_left_out() -> None:
    assert await through(TextDelta(""), ReasoningDelta(""), TextDelta("a"), STOP) == ([TextDelta("a"), STOP], None)


async def test_leaving_early_leaves_the_model_and_closing_closes_it() -> None:
    inner = ListedLLM([TextDelta("a"), TextDelta("b"), STOP])
    llm = guarded(inner, clock=ManualClock(), name="m", breaker=CircuitBreaker(ManualClock()))

    async with llm.stream(REQUEST) as deltas:
        async for _ in deltas:
            break
    await llm.close()

    assert (inner.opened, inner.left, inner.closed) == (1, 1, 1)


def test_a_provider_that_is_down_is_asked_once_in_thirty_seconds() -> None:
    down = ListedLLM([ModelError("m", "connect", "no", retryable=True)])

    async def main(clock: VirtualClock) -> tuple[int, list[str]]:
        llm = guarded(down, clock=clock, name="m", breaker=CircuitBreaker(clock))
        kinds = []
        for _ in range(600):
            _, error = await take_until_error(llm)
            kinds.append(error.kind if error else "")
            await clock.sleep(1.0)
        return len(down.asked), kinds

    asked, kinds = run_virtual(main)

    assert 5 + 19 <= asked <= 5 + 20
    assert set(kinds) == {"connect", "unavailable"}


def test_an_error_dealt_with_inside_the_block_counts_all_the_same() -> None:
    async def main(clock: VirtualClock) -> str:
        breaker = CircuitBreaker(clock, failures_to_open=1)
        llm = guarded(ListedLLM([ModelError("m", "cut", "no", retryable=True)]), clock=clock, breaker=breaker)
        async with llm.stream(REQUEST) as deltas:
            with pytest.raises(ModelError):
                await anext(deltas)
        return breaker.state

    assert run_virtual(main) == "open"


def test_a_probe_that_is_dropped_leaves_room_for_the_next() -> None:
    async def main(clock: VirtualClock) -> list[str]:
        breaker = CircuitBreaker(clock, failures_to_open=1)
        inner = ListedLLM([ModelError("m", "cut", "no", retryable=True)])
        llm = guarded(inner, clock=clock, breaker=breaker)
        await take_until_error(llm)
        inner.steps = [TextDelta("a"), STOP]
        await clock.sleep(31.0)
        states = [breaker.state]
        async with llm.stream(REQUEST):
            states.append(breaker.state)
        states.append(breaker.state)
        await clock.sleep(31.0)
        await take(llm)
        return [*states, breaker.state]

    assert run_virtual(main) == ["open", "half_open", "open", "closed"]


ALOUD = (TextDelta("I must be sly. "), TextDelta("</think>\n\nGood "), TextDelta("evening."), STOP)


async def test_a_model_found_to_think_aloud_is_stopped_and_known_from_then_on() -> None:
    llm = guarded(ListedLLM(ALOUD), clock=ManualClock(), name="m")

    first, error = await take_until_error(llm)
    second = await take(llm)

    assert error is not None
    assert (error.kind, error.retryable) == ("malformed", True)
    assert "evening" not in visible(first)
    assert (visible(second), thoughts(second)) == ("Good evening.", "I must be sly. ")


async def test_a_model_that_is_said_to_think_never_airs_a_thought() -> None:
    taken = await take(guarded(ListedLLM(ALOUD), clock=ManualClock(), name="m", thinks=True))

    assert (visible(taken), thoughts(taken)) == ("Good evening.", "I must be sly. ")


async def test_a_thinking_model_cut_off_in_thought_has_said_nothing() -> None:
    inner = ListedLLM([TextDelta("I must be"), Finished("length")])

    taken, error = await take_until_error(guarded(inner, clock=ManualClock(), name="m", thinks=True))

    assert visible(taken) == ""
    assert error is not None
    assert error.kind == "truncated"


async def test_a_debater_who_speaks_of_tags_loses_one_turn_at_most() -> None:
    tag, plain = (TextDelta("They want </think> here."), STOP), (TextDelta("Plain "), TextDelta("words."), STOP)
    inner = ListedLLM(tag)
    llm = guarded(inner, clock=ManualClock(), name="m")
    await take_until_error(llm)
    said = []

    for reply in (plain, tag, plain):
        inner.steps = reply
        said.append(visible(await take(llm)))

    assert said == ["Plain words.", "They want  here.", "Plain words."]
