import asyncio

import pytest

from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.errors import ReviewError, SetupError
from debate_caster.llm.conversation import Reviewer
from debate_caster.scenario.script import Audience, HookScript, ModelScript, Moderation, Pacing
from debate_caster.show.apologies import Cause, apology_for
from debate_caster.show.events import (
    ChunkAired,
    MoneySpent,
    SpeechHeldBack,
    ThoughtNoted,
    TurnEnded,
    TurnStarted,
    encode,
)
from debate_caster.show.moderation import Gate, Objection
from debate_caster.show.public import public_body
from tests.show.stage_props import Evening, Reply, make_scenario, outage, perform_evening, words_of

BAD = "blarg"
LISTED = Moderation(words=(BAD,), shipped_words=False)
GUILTY = (
    f"Trams are for everybody, and for me. Nobody likes a {BAD} on a tram at night. The rest is silence, my friends."
)


class Fickle:
    """A reviewer that answers as told: a reason, an error, or nothing against it. Remembers what it was shown."""

    def __init__(self, *answers: str | ReviewError, by: str = "hook", objects_to: str = "") -> None:
        self.by, self._answers, self._objects_to = by, list(answers), objects_to
        self.seen: list[tuple[str, str]] = []

    async def review(self, text: str, before: str) -> str:
        self.seen.append((text, before))
        answer = self._answers.pop(0) if self._answers else ""
        if isinstance(answer, ReviewError):
            raise answer
        return answer or ("not here" if self._objects_to and self._objects_to in text else "")


def judge(gate: Gate, text: str, before: str = "") -> Objection | None:
    async def main(_clock: VirtualClock) -> Objection | None:
        return await gate.review(text, before)

    return run_virtual(main)


def moderated(answer: Reply, *reviewers: Reviewer, **changes: object) -> Evening:
    """A show whose first turn gets the answer, and every other one something harmless."""
    return perform_evening(
        make_scenario(**({"moderation": LISTED} | changes)),
        lambda request, _call: answer if request.cue and request.cue.turn == 0 else Reply(words_of(20)),
        reviewers=reviewers,
    )


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("", f"You {BAD}!"),
        ("", "You ＢＬＡＲＧ!"),  # noqa: RUF001 - full width letters are the point
        ("", "You bl\u200bar\u00adg!"),
        ("You are a bad ", "word indeed."),
        ("x" * 500 + " You are a bad", " word indeed."),
        ("路面電車は。" * 50 + "bad", " word!"),
    ],
)
def test_a_listed_word_is_found_however_it_is_written_or_cut(before: str, text: str) -> None:
    assert judge(Gate((BAD, "bad word")), text, before) == Objection("words", "a word of the list")


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("", "It begins with 0123456789."),
        ("路面電車は。" * 50 + "01234", "56789。"),
        ("It begins with 0 1 2" + " - " * 300 + "3 4.", " 5, 6, 7, 8, 9."),
        ("０１２３４５６７８", "９"),  # noqa: RUF001 - full width digits are the point
    ],
)
def test_the_mark_of_the_instructions_is_found_however_it_is_spaced_or_cut(before: str, text: str) -> None:
    gate = Gate(()).keeping("0123456789")

    assert judge(gate, text, before) == Objection("prompt", "its own instructions")
    assert judge(gate, before or "It begins with 012345678.") is None


@pytest.mark.parametrize("text", ["A blargh is a fish.", "Words are bad.", "می‌خواهم"])
def test_other_words_pass(text: str) -> None:
    assert judge(Gate((BAD, "bad word")), text) is None


def test_words_that_come_with_the_program_depend_on_the_language() -> None:
    def gate(language: str, *, shipped: bool = True) -> Gate:
        return Gate.of(make_scenario(language=language, moderation=Moderation(shipped_words=shipped)))

    assert (
        judge(gate("de-AT"), "Untermensch") == judge(gate("tlh"), "wetback") == Objection("words", "a word of the list")
    )
    assert judge(gate("en"), "Untermensch") is None
    assert judge(gate("../../etc"), "wetback") is not None
    assert judge(gate("en", shipped=False), "wetback") is None


def test_reviewers_see_what_came_before_and_are_not_asked_about_what_the_list_refuses() -> None:
    reviewer = Fickle()
    gate = Gate((BAD,), [reviewer])

    assert judge(gate, "Second.", "First. ") is None
    assert judge(gate, BAD) is not None
    assert reviewer.seen == [("Second.", "First. ")]


def test_who_gives_no_answer_is_asked_once_more_and_then_objects() -> None:
    down = ReviewError("hook", "status 500")

    assert judge(Gate((), [Fickle(down, "")]), "Fine.") is None
    assert judge(Gate((), [Fickle(down, down)]), "Fine.") == Objection("hook", "no answer")


@pytest.mark.parametrize("moderation", [Moderation(hook=HookScript(url="http://h")), Moderation(provider="m")])
def test_a_show_does_not_begin_without_the_reviewers_that_it_wants(moderation: Moderation) -> None:
    with pytest.raises(SetupError, match="wants asked who is not there"):
        perform_evening(make_scenario(moderation=moderation))


def test_what_is_refused_is_neither_aired_nor_written_down_anywhere() -> None:
    evening = moderated(Reply(GUILTY))

    assert evening.text_of(0).startswith("Trams are for everybody,")
    assert GUILTY.startswith(evening.text_of(0))
    assert not any(BAD in encode(event) or "silence" in encode(event) for event in evening.events)
    assert BAD not in evening.prompt_of(1) + evening.prompt_of(2)
    [held] = evening.of(SpeechHeldBack)
    assert (held.turn, held.speaker, held.model, held.by, held.reason) == (0, "ada", "m", "words", "a word of the list")
    first = evening.of(TurnEnded)[0]
    assert (first.how, first.apology, first.detail) == ("aborted", False, "held back (words: a word of the list)")
    assert public_body(held, air_thoughts=True) is None
    assert "detail" not in (public_body(first, air_thoughts=True) or {})
    assert evening.ended.why == "completed"


def test_whoever_answers_while_the_speech_is_still_on_air_has_read_no_word_of_what_was_refused() -> None:
    evening = moderated(Reply(GUILTY, words_per_s=1000), pacing=Pacing(lead_min_s=4.0, lead_max_s=4.0))

    asked = evening.llm.asked_at[1]
    ended = evening.seconds(evening.of(TurnEnded)[0])
    assert asked < ended
    assert "Trams are for everybody," in evening.prompt_of(1)
    assert BAD not in evening.prompt_of(1)
    assert "silence" not in evening.prompt_of(1)


def test_a_model_is_hung_up_on_once_it_has_said_what_may_not_be_aired() -> None:
    evening = moderated(Reply(f"{BAD.title()}! " + words_of(30), words_per_s=1, usage=None))

    spent = next(event for event in evening.of(MoneySpent) if event.turn == 0)
    assert spent.outcome == "held_back"
    assert evening.seconds(spent) == evening.seconds(evening.of(SpeechHeldBack)[0]) < 15
    assert evening.llm.open_streams == 0


def test_where_the_first_words_are_refused_the_agent_says_that_much() -> None:
    evening = moderated(Reply(f"You {BAD}, you. And more of it."))

    assert evening.text_of(0) == apology_for("en", 0, "held_back")
    assert evening.of(TurnEnded)[0].apology
    assert evening.of(TurnStarted)[0].model == ""


def test_a_model_that_stands_in_is_looked_at_like_any_other() -> None:
    models = {"m": ModelScript(name="m", fallback="n"), "n": ModelScript(name="n")}
    evening = perform_evening(
        make_scenario(models=models, moderation=LISTED),
        lambda _request, _call: Reply(error=outage(retryable=False)),
        others={"n": lambda _request, _call: Reply(GUILTY)},
    )

    assert {event.model for event in evening.of(SpeechHeldBack)} == {"n"}
    assert not any(BAD in event.text for event in evening.of(ChunkAired))


def test_half_a_speech_that_is_used_for_want_of_a_better_one_is_looked_at() -> None:
    evening = moderated(
        Reply(GUILTY + " " + words_of(8), error=outage("cut"), error_after=20, words_per_s=1000),
        Fickle(objects_to="rest is silence"),
        moderation=Moderation(shipped_words=False),
    )

    assert "silence" not in evening.text_of(0)


def test_with_a_reviewer_that_never_answers_nothing_is_aired_and_the_show_ends() -> None:
    class Down:
        by = "hook"

        async def review(self, text: str, before: str) -> str:
            raise ReviewError("hook", "no answer within 3 s")

    evening = perform_evening(
        make_scenario(rounds=5, moderation=Moderation(hook=HookScript(url="http://h"))), reviewers=[Down()]
    )

    aired = [evening.text_of(turn.turn) for turn in evening.of(TurnEnded)]
    causes: list[Cause] = ["held_back", "held_back", "ending"]
    assert aired == [apology_for("en", turn, cause) for turn, cause in enumerate(causes)]
    assert (evening.ended.why, evening.ended.detail) == ("failed", "3 turns in a row without a word (held back)")


def test_a_slow_reviewer_keeps_nothing_from_being_aired_in_time() -> None:
    class Slow:
        by = "hook"

        def __init__(self, clock_s: float) -> None:
            self._clock_s = clock_s

        async def review(self, text: str, before: str) -> str:
            await asyncio.sleep(self._clock_s)
            return ""

    quick = moderated(Reply(words_of(40)), moderation=Moderation())
    slow = moderated(Reply(words_of(40)), Slow(0.2), moderation=Moderation(hook=HookScript(url="http://h")))

    assert [event.text for event in slow.of(ChunkAired)] == [event.text for event in quick.of(ChunkAired)]
    assert slow.seconds(slow.events[-1]) - quick.seconds(quick.events[-1]) < 1.0


def test_the_list_alone_takes_no_time() -> None:
    with_words = moderated(Reply(words_of(40)))
    without = moderated(Reply(words_of(40)), moderation=Moderation(shipped_words=False))

    assert [event.at for event in with_words.events] == [event.at for event in without.events]


@pytest.mark.parametrize(("aired", "noted"), [(True, ["Fine."]), (False, [f"Call it {BAD}.", "Fine."])])
def test_thoughts_that_viewers_may_see_are_looked_at_as_well(aired: bool, noted: list[str]) -> None:
    evening = moderated(Reply(words_of(20), thought=f"Call it {BAD}.\n\nFine."), audience=Audience(air_thoughts=aired))

    assert [event.text for event in evening.of(ThoughtNoted) if event.turn == 0] == noted
    assert [event.what for event in evening.of(SpeechHeldBack)] == ["thought"] * aired
