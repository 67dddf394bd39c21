import pytest

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.errors import ModelError
from debate_caster.llm.conversation import Message, Request
from debate_caster.scenario.script import ModelScript
from debate_caster.show.budget import Bill
from debate_caster.show.metering import MeteredLLM
from tests.show.stage_props import Reply, ScriptedLLM, outage

ASKED = Request((Message("user", "Think of a motion."),), max_tokens=100)


def heard(reply: Reply, *, most: int = 100) -> tuple[list[object], tuple[str, Bill]]:
    """Ask once, take so many deltas at most, and return them with what the call was counted as."""
    calls: list[tuple[str, Bill]] = []

    async def main(clock: VirtualClock) -> list[object]:
        llm, found = ScriptedLLM(clock, [reply]), list[object]()
        metered = MeteredLLM(llm, ModelScript(name="m"), lambda outcome, bill: calls.append((outcome, bill)))
        try:
            async with metered.stream(ASKED) as deltas:
                async for delta in deltas:
                    found.append(delta)
                    if len(found) == most:
                        break
        except ModelError as exc:
            found.append(exc.kind)
        assert llm.open_streams == 0
        return found

    deltas = run_virtual(main)
    (call,) = calls
    return deltas, call


def test_what_the_model_says_is_handed_on_and_its_provider_is_believed() -> None:
    async def plainly(clock: VirtualClock) -> list[object]:
        return [delta async for delta in Reply("Tea is better.").deltas(clock)]

    deltas, (outcome, bill) = heard(Reply("Tea is better."))

    assert deltas == run_virtual(plainly)
    assert (outcome, bill.prompt_tokens, bill.completion_tokens, bill.estimated) == ("completed", 100, 50, False)


@pytest.mark.parametrize(
    ("reply", "most", "outcome", "estimated"),
    [
        (Reply("Tea is better than", usage=None), 2, "completed", True),
        (Reply("Tea is better than", error=outage("stalled"), error_after=3), 100, "stalled", True),
    ],
)
def test_without_a_count_of_its_provider_a_call_is_estimated(
    reply: Reply, most: int, outcome: str, estimated: bool
) -> None:
    _, (how, bill) = heard(reply, most=most)

    assert (how, bill.estimated) == (outcome, estimated)
    assert bill.prompt_tokens > 10
    assert 2 <= bill.completion_tokens < 20


def test_a_call_that_failed_before_a_word_has_cost_nothing() -> None:
    found, (how, bill) = heard(Reply(error=outage("connect")))

    assert (found, how) == (["connect"], "connect")
    assert (bill.prompt_tokens, bill.completion_tokens, float(bill.cost)) == (0, 0, 0.0)
