"""How many tokens a prompt may have, before any provider has counted: an upper bound, for reserving budget."""

import re
import string
from collections.abc import Iterable

from debate_caster.llm.conversation import Message

__all__ = ["estimate_prompt_tokens", "estimate_tokens"]

MESSAGE_TOKENS = 8
"""Around each message: OpenAI's chat format takes 4 (its cookbook), ChatML and the headers of Llama 3 take 5."""

REPLY_TOKENS = 8
"""Once for each prompt: what opens the reply, and a beginning-of-text mark."""

_PAIRED = (string.ascii_letters + " \n").encode()
_LETTERS = re.compile("[\u00a0-\u024f\u0370-\u052f]")


def estimate_tokens(text: str) -> int:
    """Return an upper bound of the tokens of ``text``, for any tokeniser in use.

    All of them are byte-level or fall back to bytes, so no character has more tokens than bytes in UTF-8; that bound is
    taken for every character not named below. Extended Latin, Greek and Cyrillic letters are in each of the
    vocabularies (GPT-2, cl100k, o200k, Llama, Mistral, Gemma, Qwen): one token at most. Digits and signs of ASCII: one
    token at most, as in Llama 2. ASCII letters and spaces: half a token. OpenAI's rule of thumb for English is 4 to a
    token; other languages written with them have fewer, but well over 2. Only random letters come lower, and the prose
    around them has room for some: English comes out at about twice its true number.
    """
    # A whole prompt is estimated for each call: deleting bytes takes 40 us where a pattern takes 10 ms.
    data = text.encode("utf-8", "surrogatepass")
    rest = data.translate(None, _PAIRED)
    paired = len(data) - len(rest)
    letters = 0 if rest.isascii() else len(_LETTERS.findall(rest.decode("utf-8", "surrogatepass")))
    return (paired + 1) // 2 + len(rest) - letters  # such a letter has two bytes


def estimate_prompt_tokens(messages: Iterable[Message]) -> int:
    """Return an upper bound of the tokens of a prompt, what the chat format adds included."""
    return sum(estimate_tokens(message.content) + MESSAGE_TOKENS for message in messages) + REPLY_TOKENS
