"""Plain work on words for the rehearsal model: counting, quoting, finding what a text is about. Pure.

Everything here takes text of strangers: whatever the script or the junk in it, nothing raises.
"""

import re
import unicodedata
from collections.abc import Callable
from random import Random

from debate_caster.llm.phrasebook import Phrasebook

__all__ = [
    "count_words",
    "cut_to_words",
    "fingerprint",
    "is_question",
    "quote_from",
    "sentence",
    "sentences",
    "tidy",
    "topics_of",
]

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts written without spaces: Thai, Lao, Burmese, Khmer, Japanese, Chinese. Each character counts as a word."""

_WIDE_ENDS = "\u3002\uff01\uff1f"
"""Full stop, exclamation and question mark of Chinese and Japanese; no space follows them."""

_TERMINAL = ".!?…" + _WIDE_ENDS
_QUESTION_MARKS = ("?", "\uff1f")
_APOSTROPHES = "'\u2019"
_QUOTE_MARKS = '"“”„‟«»\u2039\u203a\u2018\u201b\u300c\u300d\u300e\u300f'

_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_SENTENCE_END = re.compile(rf"(?<=[{_TERMINAL}])[\"”“»)\]{_APOSTROPHES}]*\s+|(?<=[{_WIDE_ENDS}])|\n+")
_ESCAPES = re.compile(r"\\u[0-9a-f]{4}|\\[bfnrt]|\\|[^a-z0-9\\]+")
_TOKEN = re.compile(rf"[^\W_]+(?:[-{_APOSTROPHES}][^\W_]+)*|[^\w\s]")

TOPIC_WORDS = 4
"""Longest topic; what is longer is a sentence in another language, whose common words we do not know."""

QUOTE_CHARS = 160
"""Longest quotation in characters, for scripts in which words are not counted."""


def count_words(text: str) -> int:
    """Return the number of words, counted generously: whoever counts otherwise finds no more."""
    return max(len(_WORD.findall(text)), len(text.split()))


def cut_to_words(text: str, words: int) -> str:
    """Return the beginning of ``text`` with at most ``words`` words; never mid-word where words are spaced."""
    if count_words(text) <= words:
        return text
    kept = ""
    for part in re.findall(rf"\s*(?:[{_UNSPACED}]|[^\s{_UNSPACED}]+)", text):
        if count_words(kept + part) > words:
            break
        kept += part
    return kept.strip()


def fingerprint(text: str) -> str:
    """Return what is left of a text after any quoting, escaping or re-spacing: its plain ASCII letters and digits."""
    return _ESCAPES.sub("", text.lower())


def tidy(text: str) -> str:
    """Return one line of printable text: white space collapsed, control characters and lone surrogates gone."""
    return " ".join("".join(char for char in text if char.isspace() or _is_fit(char)).split())


def _is_fit(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cs", "Co", "Cn"}


def sentence(text: str) -> str:
    """Return ``text`` with a full stop, unless it has an end of its own."""
    text = text.strip()
    return text if not text or text[-1] in _TERMINAL else text + "."


def is_question(text: str) -> bool:
    return text.rstrip().endswith(_QUESTION_MARKS)


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, tidied, without empty ones."""
    return [tidied for part in _SENTENCE_END.split(text) if (tidied := tidy(part))]


def quote_from(
    text: str,
    *,
    max_words: int,
    random: Random,
    stopwords: frozenset[str],
    is_dull: Callable[[str], bool] = lambda _: False,
    questions: bool = False,
) -> str:
    """Return a few consecutive words of ``text`` that its speaker would know again, without marks at the end.

    Takes a sentence with something in it: words that are neither common nor short. Nothing that is itself in quotation
    marks, and nothing that ``is_dull`` if that can be helped. ``questions`` prefers what is asked. Empty where the text
    has no words.
    """
    found = [part for part in sentences(text) if not any(mark in part for mark in _QUOTE_MARKS)]
    asked = [part for part in found if is_question(part)]
    if questions and asked:
        return _clipped(asked[-1], max_words)
    stated = [part for part in found if not is_question(part)]
    others = [part for part in stated or found if not is_dull(part)] or stated or found
    weights = {part: _weight(part, stopwords) - (not 4 <= count_words(part) <= max_words) for part in others}
    if not weights:
        weights = {max(re.split(f"[{re.escape(_QUOTE_MARKS)}]", tidy(text)), key=len): 0}
    ranked = sorted(weights, key=lambda part: -weights[part])[:3]
    return _clipped(random.choice([part for part in ranked if weights[part] >= weights[ranked[0]] - 1]), max_words)


def _weight(text: str, stopwords: frozenset[str]) -> int:
    """Return how much a sentence says, as far as words can tell; beyond five such words more is not better."""
    words = (word.casefold() for word in _WORD.findall(text))
    return min(sum(len(word) > 3 and word not in stopwords for word in words), 5)


def _clipped(text: str, max_words: int) -> str:
    """Return the beginning of a sentence, cut at a comma where that leaves enough of it, else with an ellipsis."""
    cut = cut_to_words(text, max_words)[:QUOTE_CHARS]
    ellipsis = ""
    if len(cut) < len(text):
        head, comma, _ = cut.rpartition(",")
        if comma and count_words(head) >= 4:
            cut = head
        else:
            ellipsis = "…"
            cut = cut.rpartition(" ")[0] if " " in cut and len(cut) == QUOTE_CHARS else cut
    cut = cut.strip(" \t" + _TERMINAL + ",;:\u2013—-")
    return cut + ellipsis if cut else ""


def topics_of(text: str, book: Phrasebook, *, limit: int = 3) -> list[str]:
    """Return noun phrases of a short text, longest first: runs of words that are neither common nor verbs.

    A guess by word lists, good enough to speak about a motion; empty where nothing is left.
    """
    runs: list[list[str]] = [[]]
    skip = False
    tokens = _TOKEN.findall(tidy(text)[:500])
    for place, token in enumerate(tokens):
        word = token.casefold().replace(_APOSTROPHES[1], "'")
        if word in book.joiners and runs[-1]:
            runs[-1].append(token)
            continue
        if word in book.verb_markers and place:
            skip = True
        elif skip and word in book.verb_companions:
            continue
        elif skip:
            skip = False  # what follows "should" is what is done, not what it is done to
        elif _is_content(token, word, book):
            runs[-1].append(_as_inside(token, first=not place, book=book))
            continue
        runs.append([book.article] if word in book.articles else [])
    phrases = [" ".join(_trimmed(run, book)) for run in runs]
    unique = dict.fromkeys(phrase for phrase in phrases if len(phrase) > 1 and phrase.count(" ") < TOPIC_WORDS)
    return sorted(unique, key=lambda phrase: -len(phrase.split()))[:limit]


def _is_content(token: str, word: str, book: Phrasebook) -> bool:
    bare = word.split("'")
    if not any(char.isalpha() for char in token) or word in book.stopwords or "".join(bare) in book.stopwords:
        return False
    return token[0].isupper() if book.nouns_are_capitalised else True


def _as_inside(token: str, *, first: bool, book: Phrasebook) -> str:
    """Take the capital of a sentence's first word away, unless it is an abbreviation or the language writes it so."""
    if first and not book.nouns_are_capitalised and not any(char.isupper() for char in token[1:]):
        token = token[0].lower() + token[1:]
    return token[2:] if token[1:2] and token[1] in _APOSTROPHES else token  # French: l'école


def _trimmed(run: list[str], book: Phrasebook) -> list[str]:
    """Take from a run's ends what can't stand there alone."""
    while run and run[-1].casefold() in book.joiners:
        run = run[:-1]
    return [] if run == [book.article] else run
