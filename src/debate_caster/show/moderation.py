"""What stands between a speech and the air: a list of words, and whoever else is asked. Fail-closed.

Nothing is taken for the air, or written into the log, before everybody who is asked has let it pass. Who gives no
answer objects.
"""

import functools
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from importlib.resources import files

import structlog

from debate_caster.errors import ReviewError, SetupError
from debate_caster.llm.conversation import Reviewer
from debate_caster.scenario.script import Scenario
from debate_caster.show.screening import WordFilter, normalized

__all__ = ["Gate", "Objection"]

logger = structlog.get_logger()

ATTEMPTS = 2
"""How often a reviewer is asked about one text before its silence counts as an objection."""

PHRASE_CHARS = 200
"""So much of what was said before counts: an unwanted phrase may begin in one chunk and end in the next."""

ALWAYS = "en"
"""Words of this language are unwanted in every debate, besides those of its own."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Who objected to a text, and why; never the text."""

    by: str
    reason: str

    def __str__(self) -> str:
        return f"{self.by}: {self.reason}"


class Gate:
    """One show's. The list of words costs no time to speak of; reviewers are asked one after the other."""

    def __init__(self, words: Sequence[str], reviewers: Sequence[Reviewer] = (), *, thoughts: bool = False) -> None:
        self._words, self._reviewers, self._thoughts = WordFilter(words), tuple(reviewers), thoughts
        self._canary = ""

    @classmethod
    def of(cls, scenario: Scenario, reviewers: Sequence[Reviewer] = ()) -> "Gate":
        """Return the gate that a scenario asks for.

        Raises:
            SetupError: It wants somebody asked who is not among the reviewers.
        """
        moderation = scenario.moderation
        wanted = {name for name in ("provider", "hook") if getattr(moderation, name) is not None}
        if missing := wanted - {reviewer.by for reviewer in reviewers}:
            raise SetupError(f"the scenario's moderation wants asked who is not there: {', '.join(sorted(missing))}")
        shipped = _shipped_words(scenario.language) if moderation.shipped_words else ()
        return cls((*moderation.words, *shipped), reviewers, thoughts=scenario.audience.air_thoughts)

    def keeping(self, canary: str) -> "Gate":
        """Return a gate that also objects to ``canary``, however it is spaced and punctuated."""
        gate = copy(self)
        gate._canary = _letters(canary)
        return gate

    async def review(self, text: str, before: str = "") -> Objection | None:
        """Return the first objection to airing ``text`` behind ``before``, which has passed; None where there is none.

        Safe to cancel: nothing has passed then.
        """
        heard = _tail(before) + text
        if self._words.finds(heard):
            return Objection("words", "a word of the list")
        if self._canary and self._canary in _letters(before)[1 - len(self._canary) :] + _letters(text):
            return Objection("prompt", "its own instructions")
        for reviewer in self._reviewers:
            if reason := await self._ask(reviewer, text, before):
                return Objection(reviewer.by, reason)
        return None

    async def review_thought(self, text: str) -> Objection | None:
        """As ``review``, for thinking; what viewers never see passes."""
        return await self.review(text) if self._thoughts else None

    async def _ask(self, reviewer: Reviewer, text: str, before: str) -> str:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await reviewer.review(text, before)
            except ReviewError as exc:
                logger.warning("review_failed", by=exc.by, detail=exc.detail, attempt=attempt)
        return "no answer"


def _letters(text: str) -> str:
    """Return the letters and digits of a text in one case, all else left out."""
    return "".join(filter(str.isalnum, normalized(text).casefold()))


def _tail(text: str) -> str:
    """Return the end of a text, from the beginning of a word where there are spaces."""
    if len(text) <= PHRASE_CHARS:
        return text
    end = text[-PHRASE_CHARS:]
    return end.partition(" ")[2] or end


@functools.cache
def _shipped_words(language: str) -> tuple[str, ...]:
    """Return the words that come with the program for a language tag such as ``de-AT``; English ones are among them."""
    folder = files(__package__).joinpath("unwanted_words")
    words: list[str] = []
    for key in dict.fromkeys((language.replace("_", "-").partition("-")[0].casefold(), ALWAYS)):
        file = folder.joinpath(f"{key}.txt")
        lines = file.read_text(encoding="utf-8").splitlines() if key.isalpha() and file.is_file() else []
        words += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return tuple(words)
