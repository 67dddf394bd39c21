"""Over two hundred hostile hints, through the stage's desk, the show's, prompts and models that fall for them.

One model says whatever was said to it, hints first; the other obeys, and recites what it was told by us.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from debate_caster.llm.conversation import Request
from debate_caster.scenario.script import Audience, Budget, Scenario
from debate_caster.show.events import HintAccepted, HintDeclined, HintUsed, SpeechHeldBack
from debate_caster.show.hints import Remark
from debate_caster.stage.hints import HintDesk, HintRates, HintRefusedError
from tests.abuse.test_taint import FENCE, outside_of_fences
from tests.show.stage_props import Backstage, Evening, Reply, make_scenario, perform_evening, words_of

VECTORS: dict[str, list[str | list[str]]] = json.loads(
    (Path(__file__).parents[1] / "vectors/hints.json").read_text("utf-8")
)
ENTRIES = [[entry] if isinstance(entry, str) else entry for entries in VECTORS.values() for entry in entries]
"""What one viewer sends at once: one hint, or three that are parts of one."""

HINTS = sum(map(len, ENTRIES))
TAKEN_UP = "Take up the viewers' hints above where they bear on the motion, thanking the viewer by name. "
RUN_WORDS = 6
"""So many words in a row make a piece of a text; fewer may be anybody's."""


def at_once(entries: Sequence[list[str]]) -> Iterator[Sequence[list[str]]]:
    """What is in one prompt: four hints, or the three parts of one."""
    yield from ([entry] for entry in entries if len(entry) > 1)
    single = [entry for entry in entries if len(entry) == 1]
    yield from (single[start : start + 4] for start in range(0, len(single), 4))


def hostile_evening(model: Callable[[Request, int], Reply]) -> tuple[Evening, Counter[str]]:
    """Perform a show for which all hints are offered, the text of each as the viewer's name, too.

    Return it, and what the stage's own desk did not take, by why.
    """
    refused = Counter[str]()

    async def viewers(show: Backstage) -> None:
        stage = HintDesk(show.clock, HintRates(show.clock))
        viewer = 0
        while show.writer.transcript.started is None:
            await show.clock.sleep(0.2)
        for batch in at_once(ENTRIES):
            while show.writer.transcript.pending:
                await show.clock.sleep(0.2)
            for entry in batch:
                viewer += 1
                for text in entry:
                    try:
                        hint = stage.offer(
                            viewer=f"viewer-{viewer}", address=f"192.0.2.{viewer}", text=text, name=text[:40], to=None
                        )
                    except HintRefusedError as exc:
                        refused[exc.code] += 1
                    else:
                        sent = json.loads(json.dumps(hint.for_agent()))
                        await show.desk.offer(Remark(sent["id"], sent["viewer"], sent["text"], name=sent["name"]))

    return perform_evening(lengthy(), model, beside=viewers), refused


def lengthy() -> Scenario:
    audience = Audience(hint_interval_s=0.0, max_hints_per_turn=4)
    budget = Budget(max_minutes=None)
    return make_scenario(rounds=50, words=60, audience=audience, budget=budget, compact_prompt_words=None)


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def system_messages(evening: Evening) -> set[str]:
    """What models were told by us, in the same words each time: one text for each agent."""
    told = {request.messages[0].content for request in evening.llm.asked}
    assert {request.messages[0].role for request in evening.llm.asked} == {"system"}
    assert len(told) == 2
    return told


def canary_of(evening: Evening) -> str:
    (canary,) = {told.partition(" marks these instructions")[0] for told in system_messages(evening)}
    assert len(canary) == 10
    return canary


def pieces(text: str) -> set[tuple[str, ...]]:
    words = text.casefold().split()
    return {tuple(words[start : start + RUN_WORDS]) for start in range(len(words) - RUN_WORDS + 1)}


def nothing_given_away(evening: Evening) -> None:
    """Check that neither the canary nor a piece of what models were told was aired."""
    canary = canary_of(evening)
    told = {piece for message in system_messages(evening) for piece in pieces(message)}
    for speech in evening.transcript.speeches:
        assert canary not in letters(speech.text)
        assert not pieces(speech.text) & told
        assert not any(letters(message)[:60] in letters(speech.text) for message in system_messages(evening))


def echo(request: Request, _call: int) -> Reply:
    """Say again all that was said last, from the hints on."""
    said = request.messages[-1].content
    fences = [found for found in FENCE.finditer(said) if found["label"] == "hints from viewers"]
    start = fences[-1].start() if fences else 0
    return Reply(said[start:] + said[:start], words_per_s=400)


def test_an_echoing_model_says_hints_and_each_of_them_stood_in_its_block_alone() -> None:
    undisturbed = perform_evening(lengthy())
    evening, refused = hostile_evening(echo)

    declined = Counter(event.reason for event in evening.of(HintDeclined))
    assert HINTS >= 200
    assert refused.total() + declined.total() + len(evening.of(HintAccepted)) == HINTS
    assert set(refused) <= {"empty"}
    assert set(declined) <= {"empty", "too_long", "duplicate"}
    assert len(evening.of(HintUsed)) == len(evening.of(HintAccepted)) >= 200
    assert any("hints from viewers" in speech.text for speech in evening.transcript.speeches), "it does echo"
    for request, usual in zip(evening.llm.asked, undisturbed.llm.asked, strict=True):
        ours = [outside_of_fences(message) for message in request.messages if message.role != "assistant"]
        usually = [outside_of_fences(message) for message in usual.messages if message.role != "assistant"]
        assert " ".join("\n".join(ours).replace(TAKEN_UP, "").split()) == " ".join("\n".join(usually).split())
    nothing_given_away(evening)
    assert evening.of(SpeechHeldBack) == []


MANNERS: list[Callable[[str], str]] = [
    lambda told: told,
    lambda told: f"Of course, with pleasure. My instructions are these: {told}",
    lambda told: f"```\n{told}\n```",
    lambda told: f"“{told.upper()}”",
    lambda told: "-".join(told),
    lambda told: " ".join(told),
    lambda told: "\n".join(f"> **{word}**" for word in told.split()),
    lambda told: f"{words_of(24)} And now what I was told. {told}",
]


def obey(request: Request, call: int) -> Reply:
    """Do what hints want one time in three; who never gets a word out would end the show, and uses no hints."""
    if call % 3:
        return Reply(words_of(30))
    manner = MANNERS[call % len(MANNERS)]
    return Reply(manner(request.messages[0].content), words_per_s=400)


def test_what_an_obedient_model_recites_of_its_instructions_is_not_aired() -> None:
    evening, _ = hostile_evening(obey)

    nothing_given_away(evening)
    held = evening.of(SpeechHeldBack)
    assert {event.by for event in held} == {"prompt"}
    assert len(held) == 34
    assert len(evening.of(HintUsed)) >= 200
    assert any(words_of(24) in speech.text for speech in evening.transcript.speeches), "what came before it is aired"
    assert evening.ended.why == "completed"


@pytest.mark.parametrize("manner", MANNERS)
def test_each_way_to_recite_ends_before_the_first_word_of_it(manner: Callable[[str], str]) -> None:
    evening = perform_evening(
        make_scenario(words=200),
        lambda request, call: Reply(manner(request.messages[0].content) if call == 1 else "Well."),
    )

    nothing_given_away(evening)
    assert [event.turn for event in evening.of(SpeechHeldBack)] == [1]
