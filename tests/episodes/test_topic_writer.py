"""Motions from a model: what is taken, and what is not."""

import time

import pytest

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.episodes.topic_writer import ATTEMPTS, think_of_motion
from debate_caster.errors import ModelError
from debate_caster.llm import Delta, TextDelta
from debate_caster.llm.conversation import Finished, ReasoningDelta
from debate_caster.scenario.script import TopicSource
from debate_caster.show.moderation import Gate
from tests.llm.doubles import ListedLLM

SOURCE = TopicSource(llm="m", about="Trams")
MOTION = "Trams should run all night."
UNWANTED = "blarg"
GATE = Gate([UNWANTED])


def thought_of(*replies: str | ModelError, past: tuple[str, ...] = ()) -> tuple[str, list[ListedLLM]]:
    """Return the motion, and the models that were asked, one for each attempt."""
    asked: list[ListedLLM] = []

    class InTurn(ListedLLM):
        def stream(self, request):  # type: ignore[no-untyped-def]  # as the one it hands over to
            reply = replies[len(asked)]
            steps: list[Delta | float | ModelError] = (
                [reply]
                if isinstance(reply, ModelError)
                else [ReasoningDelta("Hm."), TextDelta(reply), Finished("stop")]
            )
            asked.append(ListedLLM(steps))
            return asked[-1].stream(request)

    async def main(clock: VirtualClock) -> str:
        return await think_of_motion(InTurn(()), SOURCE, past, language="en", clock=clock, number=1, gate=GATE)

    return run_virtual(main), asked


def failure(*, retryable: bool) -> ModelError:
    return ModelError("m", "provider", "status 503", retryable=retryable)


@pytest.mark.parametrize(
    "reply",
    [
        MOTION,
        f"“{MOTION}”",
        f"**{MOTION}**\n\nThis would be a lively one.",
        f"\n\nMotion: {MOTION}",
        f"1. {MOTION}",
        f"- {MOTION}\n- Trams should be blue.",
    ],
)
def test_a_motion_is_taken_out_of_what_models_wrap_it_in(reply: str) -> None:
    assert thought_of(reply)[0] == MOTION


@pytest.mark.parametrize("reply", ["", "No.", "word " * 40, "Trams \x1b[31m should run.", "…"])
def test_what_is_no_motion_is_asked_for_again(reply: str) -> None:
    motion, asked = thought_of(reply, MOTION)

    assert motion == MOTION
    assert len(asked) == 2


def test_no_reply_is_slow_to_unwrap() -> None:
    before = time.process_time()
    thought_of(f"x{' *' * 150_000}x", MOTION)

    assert time.process_time() - before < 20, "half an hour, where the end is looked for from every blank"


def test_what_was_there_before_is_told_and_not_taken() -> None:
    motion, asked = thought_of("trams should run ALL night", MOTION, "Trams should sing.", past=(MOTION,))

    assert motion == "Trams should sing."
    assert len(asked) == ATTEMPTS
    assert MOTION in asked[0].asked[0].messages[-1].content


def test_a_failure_that_may_pass_is_tried_again_and_another_is_not() -> None:
    assert thought_of(failure(retryable=True), MOTION)[0] == MOTION
    with pytest.raises(ModelError, match="503"):
        thought_of(failure(retryable=False), MOTION)


def test_a_motion_that_may_not_be_aired_is_not_taken() -> None:
    motion, asked = thought_of(f"This house would {UNWANTED} everybody", "This house would plant more trees")

    assert motion == "This house would plant more trees"
    assert len(asked) == 2
    with pytest.raises(ModelError, match="filtered: a motion is held back") as caught:
        thought_of(*[f"This house would {UNWANTED} everybody"] * 3)
    assert "everybody" not in str(caught.value)


def test_after_so_many_attempts_it_is_given_up() -> None:
    with pytest.raises(ModelError, match="no motion"):
        thought_of(*["No."] * ATTEMPTS)


def test_a_silent_model_is_not_waited_for_for_ever() -> None:
    class Silent(ListedLLM):
        pass

    async def main(clock: VirtualClock) -> None:
        await think_of_motion(Silent([86_400.0]), SOURCE, (), language="en", clock=clock, number=1, gate=GATE)

    with pytest.raises(ModelError, match="silent: no motion in 60 s"):
        run_virtual(main)
