"""Asks a model for the next motion of a series, and takes only what can be one.

The model is told what the series is about and which motions there were; nothing that a viewer wrote.
"""

import re
from collections.abc import Sequence

import structlog

from debate_caster.clock import Clock
from debate_caster.errors import ModelError
from debate_caster.llm.conversation import LLM, Cue, Message, Request, TextDelta
from debate_caster.scenario.script import TopicSource
from debate_caster.show.measures import count_words
from debate_caster.show.moderation import Gate

__all__ = ["ATTEMPTS", "think_of_motion"]

logger = structlog.get_logger()

ATTEMPTS = 3
"""How often a model is asked at most: one slip is chance, three are a model that can't."""

ANSWER_S = 60.0
"""How long one attempt may take, in seconds, a model's thinking included: the audience is waiting for the show."""

PAST_TOLD = 60
"""How many of the last motions the model is told; what it repeats of older ones is noticed all the same."""

LONGEST_WORDS, SHORTEST_WORDS, LONGEST_CHARS = 30, 3, 200
REPLY_TOKENS = 2000
"""Most of it is for models that think first; a motion takes 40."""

_WRAPPING = re.compile(r"^(?:[\s>*#_`“”\"'-]|\d{1,2}[.)]\s|motion\s*:)+|(?<![\s*_`“”\"'])[\s*_`“”\"']+$", re.IGNORECASE)
"""What stands around a motion. The end is looked for from where it can begin, not from each blank of a long run."""


async def think_of_motion(
    llm: LLM, source: TopicSource, past: Sequence[str], *, language: str, clock: Clock, number: int, gate: Gate
) -> str:
    """Return a motion that is in none of ``past``, and that nobody at the ``gate`` objects to: it is aired.

    Raises:
        ModelError: The model failed, or had nothing that can be a motion; the last attempt's.
    """
    known = {_letters(motion) for motion in past}
    failure = ModelError(source.llm, "unavailable", "was not asked", retryable=False)
    for attempt in range(ATTEMPTS):
        try:
            async with clock.timeout(ANSWER_S):
                reply = await _asked(llm, _request(source, past, language, number, attempt))
        except TimeoutError:
            failure = ModelError(source.llm, "silent", f"no motion in {ANSWER_S:g} s", retryable=True)
        except ModelError as exc:
            failure = exc
            if not exc.retryable:
                break
        else:
            motion = _motion_in(reply)
            what = "had that motion before" if motion else "what it wrote is no motion"
            failure = ModelError(source.llm, "malformed", what, retryable=True)
            if motion and _letters(motion) not in known:
                if (objection := await gate.review(motion)) is None:
                    return motion
                failure = ModelError(source.llm, "filtered", f"a motion is held back ({objection})", retryable=True)
        logger.warning("no_motion", model=source.llm, attempt=attempt + 1, kind=failure.kind)
    raise failure


async def _asked(llm: LLM, request: Request) -> str:
    async with llm.stream(request) as deltas:
        return "".join([delta.text async for delta in deltas if isinstance(delta, TextDelta)])


def _request(source: TopicSource, past: Sequence[str], language: str, number: int, attempt: int) -> Request:
    told = "\n".join(f"- {motion}" for motion in past[-PAST_TOLD:])
    before = (
        f"\n\nMotions that there were, none of which may come again, in these or other words:\n{told}" if told else ""
    )
    messages = (
        Message("system", "You set the motions of a series of debates. You answer with one motion, and nothing else."),
        Message(
            "user",
            f"The series is about: {source.about}{before}\n\nWrite the next motion in the language "
            f'"{language}": one plain sentence that reasonable people disagree about, at most 20 words.',
        ),
    )
    cue = Cue(
        speaker="", emoji="", style="", beliefs=(), manner="", motion=source.about, language=language, side="",
        stance="neutral", role="", kind="topic", turn=number + attempt, max_words=LONGEST_WORDS,
    )  # fmt: skip
    return Request(messages, REPLY_TOKENS, seed=number + attempt, cue=cue)


def _motion_in(reply: str) -> str:
    """Return the motion in a model's reply, without what models wrap it in; empty where it has none."""
    line = next((line for line in map(_unwrapped, reply.splitlines()) if line), "")
    is_motion = (
        SHORTEST_WORDS <= count_words(line) <= LONGEST_WORDS and len(line) <= LONGEST_CHARS and line.isprintable()
    )
    return line if is_motion else ""


def _unwrapped(line: str) -> str:
    return _WRAPPING.sub("", line)


def _letters(text: str) -> str:
    return re.sub(r"\W", "", text).casefold()
