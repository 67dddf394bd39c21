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
    "<|channel|>analysis<|message|>": 1,  # gpt-oss (harmony), where the server does not read it
    "<|channel|>commentary<|message|>": 1,
    "<|channel|>final<|message|>": 0,
    "<|start|>assistant": 0,
    "<|end|>": -1,
    "<|return|>": 0,
}
_ENDS_OF_MESSAGES = frozenset({"<|end|>"})
_TAG = re.compile("|".join(map(re.escape, _TAGS)), re.IGNORECASE | re.ASCII)
_LONGEST = max(map(len, _TAGS))
_BEGINNINGS = frozenset(tag[:length] for tag in _TAGS for length in range(1, len(tag)))


class ThoughtFilter:
    """Feed it text as it comes; take what is visible and what is thought, in order.

    Tags nest, since a model thinking about tags must not open its head; one without its end hides the rest of the
    reply. White space before the first visible character is left out: it is what stood between thought and speech.

    With ``thinking`` the reply is taken to begin in thought without a tag, as it does where the chat template has
    written the beginning already. A reply that then comes to its end without a tag was none of that kind: ``flush``
    returns the whole of it as speech.
    """

    def __init__(self, *, thinking: bool = False) -> None:
        self._held = ""
        self._depth = 1 if thinking else 0
        self._assumed: list[str] | None = [] if thinking else None
        self._spoken = False
        self.unannounced = False
        """Whether a thought ended that had not begun, so that what was passed on as speech was thought."""

    @property
    def assuming(self) -> bool:
        """Whether the reply is still taken for thought without a tag that says so."""
        return self._assumed is not None

    def begins_with_speech(self) -> None:
        """Note that thoughts come apart from the text. Has no effect once text has come."""
        if self._assumed is not None and not self._assumed and not self._held:
            self._assumed, self._depth = None, 0

    def feed(self, text: str) -> list[TextDelta | ReasoningDelta]:
        text = self._held + text
        deltas: list[TextDelta | ReasoningDelta] = []
        place = 0
        for tag in _TAG.finditer(text):
            self._pass_on(text[place : tag.start()], deltas)
            self._take_tag(tag.group().lower())
            place = tag.end()
        rest = text[place:]
        held = _possible_beginning(rest)
        self._held = rest[len(rest) - held :]
        self._pass_on(rest[: len(rest) - held], deltas)
        return deltas

    def flush(self, *, whole: bool = True) -> list[TextDelta | ReasoningDelta]:
        """Return what was held back: the reply is over, so it was no tag. ``whole`` says it was not cut off."""
        held, self._held = self._held, ""
        deltas: list[TextDelta | ReasoningDelta] = []
        self._pass_on(held, deltas)
        if self._assumed is not None and whole:
            said, self._assumed, self._depth = "".join(self._assumed), None, 0
            self._pass_on(said, deltas)
        return deltas

    def _take_tag(self, tag: str) -> None:
        step = _TAGS[tag]
        if self._assumed is not None and step:
            if step > 0 and not "".join(self._assumed).strip():
                self._depth = 0  # the beginning is there after all
            self._assumed = None
        elif step < 0 and not self._depth and self._spoken and tag not in _ENDS_OF_MESSAGES:
            self.unannounced = True
        self._depth = max(self._depth + step, 0)

    def _pass_on(self, text: str, deltas: list[TextDelta | ReasoningDelta]) -> None:
        if self._depth:
            if self._assumed is not None:
                self._assumed.append(text)
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
