import asyncio
from random import Random

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.errors import ModelError
from debate_caster.llm.conversation import Message, Request
from debate_caster.llm.retrying import RetryPolicy
from debate_caster.log import MemoryEventLog
from debate_caster.scenario import plan
from debate_caster.scenario.script import Budget, ModelScript
from debate_caster.show.budget import Treasury
from debate_caster.show.cast import cast_of
from debate_caster.show.events import MoneySpent, ShowEvent, ShowStarted, ThoughtNoted, decode, stream_of
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.moderation import Gate
from debate_caster.show.speech import THOUGHTS_CHARS, LiveSpeech, Studio, Voice
from tests.show.stage_props import Reply, ScriptedLLM, make_scenario, outage, words_of

REQUEST = Request((Message("user", "Speak."),), max_tokens=200)


class Composed:
    """A speech that has been composed by a scripted model, and the log it left."""

    def __init__(self, speech: LiveSpeech, llm: ScriptedLLM, treasury: Treasury, events: list[ShowEvent]) -> None:
        self.speech, self.llm, self.treasury, self.events = speech, llm, treasury, events

    def spent(self) -> list[MoneySpent]:
        return [event for event in self.events if isinstance(event, MoneySpent)]

    def thoughts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, ThoughtNoted)]


def compose(
    *replies: Reply, max_tokens: int | None = None, give_up_s: float | None = None, words: int = 40
) -> Composed:
    async def main(clock: VirtualClock) -> Composed:
        scenario = make_scenario(words=words)
        log = MemoryEventLog()
        writer = await ShowLogWriter.open(log, "s", clock=clock)
        await writer.append(
            ShowStarted(
                at=clock.now(),
                show="s",
                scenario="x",
                motion="m",
                title="t",
                format="f",
                seed=1,
                agents=cast_of(scenario),
                phases=(),
                turns=1,
            )
        )
        treasury = Treasury(Budget(max_tokens=max_tokens), {"m": ModelScript(name="m")}, started=0.0)
        studio = Studio(writer, treasury, RetryPolicy(), clock, scenario.pacing, Gate(()))
        speech = LiveSpeech(plan(scenario).turns[0], studio)
        llm = ScriptedLLM(clock, list(replies))
        composing = asyncio.create_task(speech.compose([Voice("m", llm, REQUEST)], prompt_tokens=30, random=Random(1)))
        if give_up_s is None:
            await composing
        else:
            await clock.sleep(give_up_s)
            composing.cancel()
            await asyncio.wait({composing})
        records = await log.read(stream_of("s"), 0)
        return Composed(speech, llm, treasury, [decode(record) for record in records])

    return run_virtual(main)


def test_times_to_the_first_token_and_the_first_chunk_are_noted() -> None:
    composed = compose(Reply("Well now, friends, " + words_of(20), first_token_s=1.5, words_per_s=10))

    assert composed.speech.first_token_s == 1.5
    assert composed.speech.first_sentence_s is not None
    assert 1.5 < composed.speech.first_sentence_s < 2.5


def test_a_reported_usage_is_charged_as_it_is() -> None:
    composed = compose(Reply(words_of(20), usage=(25, 40)))

    assert composed.speech.usage.prompt_tokens == 25
    assert [(event.completion_tokens, event.estimated, event.outcome) for event in composed.spent()] == [
        (40, False, "completed")
    ]


def test_a_call_that_never_began_costs_nothing_and_one_that_was_cut_is_estimated() -> None:
    composed = compose(
        Reply(error=outage("connect")),
        Reply(words_of(20), error=outage("cut"), error_after=10, first_token_s=0.1),
        Reply(words_of(20)),
    )

    refused, cut, whole = composed.spent()
    assert (refused.prompt_tokens, refused.completion_tokens, refused.outcome) == (0, 0, "connect")
    assert (cut.prompt_tokens, cut.estimated, cut.outcome) == (30, True, "cut")
    assert 0 < cut.completion_tokens <= 200
    assert whole.attempt == 3
    assert composed.speech.usage.attempts == 3


def test_a_speech_given_up_is_settled_and_hung_up_on() -> None:
    composed = compose(Reply(words_of(20), hangs=True), give_up_s=3.0)

    assert [event.outcome for event in composed.spent()] == ["cancelled"]
    assert composed.llm.open_streams == 0


def test_a_first_call_that_can_t_be_afforded_refuses_the_speech() -> None:
    composed = compose(Reply(words_of(20)), max_tokens=100)

    assert composed.speech.refusal is not None
    assert composed.llm.asked == []


def test_a_retry_that_can_t_be_afforded_is_not_made() -> None:
    composed = compose(Reply(words_of(20), error=outage("cut"), error_after=12), Reply(words_of(20)), max_tokens=240)

    assert composed.speech.refusal is None
    assert len(composed.llm.asked) == 1
    assert isinstance(composed.speech.error, ModelError)
    assert composed.speech.draft.how == "aborted"


def test_thinking_is_logged_by_paragraphs_in_order() -> None:
    composed = compose(Reply(words_of(10), thought="First idea.\n\nSecond idea.\n\nThird"))

    assert composed.thoughts() == ["First idea.", "Second idea.", "Third"]


def test_endless_thinking_is_neither_logged_nor_read_without_end() -> None:
    composed = compose(Reply(words_of(10), thought="Hm. " * 100_000, error=None))

    assert sum(map(len, composed.thoughts())) <= THOUGHTS_CHARS
    assert composed.speech.error is not None
    assert composed.speech.error.kind == "overlong"
    assert len(composed.llm.asked) == 1


def test_a_reply_of_blanks_is_no_speech() -> None:
    composed = compose(Reply("   \n  "))

    assert composed.speech.text == ""
    assert composed.speech.error is None


def test_after_the_last_attempt_nothing_more_is_asked() -> None:
    composed = compose(*[Reply(error=outage())] * 3)

    assert len(composed.llm.asked) == 3
    assert composed.speech.composed.is_set()
    assert composed.speech.draft.chunks == ()


def test_no_chunk_is_taken_before_somebody_has_looked_at_it() -> None:
    class Slow:
        by = "hook"

        async def review(self, text: str, before: str) -> str:
            await asyncio.sleep(5.0)
            return ""

    async def main(clock: VirtualClock) -> tuple[str | None, str | None]:
        scenario = make_scenario()
        log = MemoryEventLog()
        writer = await ShowLogWriter.open(log, "s", clock=clock)
        treasury = Treasury(Budget(), {"m": ModelScript(name="m")}, started=0.0)
        gate = Gate((), [Slow()])
        speech = LiveSpeech(
            plan(scenario).turns[0], Studio(writer, treasury, RetryPolicy(), clock, scenario.pacing, gate)
        )
        speech.draft.feed("Nobody has looked at this sentence. Nor at this one, which is longer. And so on.")
        unseen = speech.take()
        looking = asyncio.create_task(speech.end("stop"))
        await speech.wait()
        seen = speech.take()
        looking.cancel()
        await asyncio.wait({looking})
        return unseen, seen

    unseen, seen = run_virtual(main)

    assert unseen is None
    assert seen is not None
    assert seen.startswith("Nobody")
