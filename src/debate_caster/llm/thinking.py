"""Parts visible text from the thinking that many open models write into it, between tags. Sans-I/O.

A tag may arrive cut anywhere. What could be the beginning of a tag is held back until it is one or is not, so that
not a character of reasoning reaches the air.
"""

import re

from debate_caster.llm.conversation import ReasoningDelta, TextDelta

__all__ = ["ThoughtFilter"]

_NAMES = ("think", "thinking", "thought", "thoughts", "reasoning")
_TAGS: dict[str, int] = {
    **{f"<{name}>": 1 for name in _NAMES},
    **{f"</{name}>": -1 for name in _NAMES},
    "[think]": 1,  # Mistral
    "[/think]": -1,
    "◁think▷": 1,  # Kimi
    "◁/think▷": -1,
    "<|begin_of_thought|>": 1,
    "<|end_of_thought|>": -1,
}
_TAG = re.compile("|".join(map(re.escape, _TAGS)), re.IGNORECASE | re.ASCII)
_LONGEST = max(map(len, _TAGS))
_BEGINNINGS = frozenset(tag[:length] for tag in _TAGS for length in range(1, len(tag)))


class ThoughtFilter:
    """Feed it text as it comes; take what is visible and what is thought, in order.

    Tags nest, since a model thinking about tags must not open its head; one without its end hides the rest of the
    reply. White space before the first visible character is left out: it is what stood between thought and speech.
    """

    def __init__(self) -> None:
        self._held = ""
        self._depth = 0
        self._spoken = False

    def feed(self, text: str) -> list[TextDelta | ReasoningDelta]:
        text = self._held + text
        deltas: list[TextDelta | ReasoningDelta] = []
        place = 0
        for tag in _TAG.finditer(text):
            self._pass_on(text[place : tag.start()], deltas)
            self._depth = max(self._depth + _TAGS[tag.group().lower()], 0)  # an end without a beginning is dropped
            place = tag.end()
        rest = text[place:]
        held = _possible_beginning(rest)
        self._held = rest[len(rest) - held :]
        self._pass_on(rest[: len(rest) - held], deltas)
        return deltas

    def flush(self) -> list[TextDelta | ReasoningDelta]:
        """Return what was held back: the reply is over, so it was no tag."""
        held, self._held = self._held, ""
        deltas: list[TextDelta | ReasoningDelta] = []
        self._pass_on(held, deltas)
        return deltas

    def _pass_on(self, text: str, deltas: list[TextDelta | ReasoningDelta]) -> None:
        if self._depth:
            if text:
                deltas.append(ReasoningDelta(text))
            return
        if not self._spoken:
            text = text.lstrip()
        if text:
            self._spoken = True
            deltas.append(TextDelta(text))


def _possible_beginning(text: str) -> int:
    """Return the length of the longest end of ``text`` with which a tag may begin."""
    tail = text[-_LONGEST:].lower()
    return next((length for length in range(min(len(tail), _LONGEST - 1), 0, -1) if tail[-length:] in _BEGINNINGS), 0)
