"""How long text is, in words and in reading time, whatever language it is in."""

import math

import regex  # type: ignore[import-untyped]  # comes without types

__all__ = ["CHARS_PER_WORD", "WordCount", "count_words", "has_words", "reading_s", "reading_units"]

CHARS_PER_WORD = 6.8
"""Characters of a word of debate prose, space included (955,064 words of lechmazur/debate)."""

HAN_UNITS, KANA_UNITS, HANGUL_UNITS = 5.0, 3.5, 4.0
"""How many letters of English are read in the time of one such character.

A Han character is a syllable in Mandarin, a kana one in Japanese. Speakers make 6.19 syllables a second in English,
5.18 in Mandarin and 7.84 in Japanese (Pellegrino, Coupé and Marsico 2011, doi:10.1353/lan.2011.0057), and a syllable of
English has about 4.4 letters, space included: 4.4 * 6.19 / 5.18 = 5.3 and 4.4 * 6.19 / 7.84 = 3.5. Hangul lies between.
"""

CHARS_PER_WORD_WITHOUT_SPACES = {"cjk": 1.7, "thai": 4.5}
"""Characters of a word where none are written between words: 1.7 in Chinese and Japanese, 4.5 in Thai, Lao, Khmer and
Burmese, vowel signs and tone marks not counted."""

_WIDE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_HAN = regex.compile(r"\p{Han}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_HANGUL = regex.compile(r"\p{Hangul}")
_MARK = regex.compile(r"\p{M}")
_CJK = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
_THAI = regex.compile(r"[[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]--\p{M}]", regex.V1)
_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_SOMETHING = regex.compile(r"[\p{L}\p{N}\p{P}\p{S}]")


def count_words(text: str) -> int:
    """Return the number of words: what spaces part, and a share of each run of characters without spaces."""
    if text.isascii() or not _SPACELESS.search(text):
        return len(text.split())
    return sum(map(_words_of_token, text.split()))


def has_words(text: str) -> bool:
    """Whether a viewer would see anything: spaces, controls and invisible marks alone are nothing."""
    return _SOMETHING.search(text) is not None


def reading_units(text: str) -> float:
    """Return the length of ``text`` in letters of English that take as long to read; marks take no time."""
    if text.isascii():
        return float(len(text))
    units = float(len(text) - len(_MARK.findall(text)))
    if _WIDE.search(text):
        units += (HAN_UNITS - 1) * len(_HAN.findall(text))
        units += (KANA_UNITS - 1) * len(_KANA.findall(text))
        units += (HANGUL_UNITS - 1) * len(_HANGUL.findall(text))
    return units


def reading_s(text: str, chars_per_second: float) -> float:
    """Return how long ``text`` takes to read, in seconds."""
    return reading_units(text) / chars_per_second


class WordCount:
    """``count_words`` of a text that comes in pieces: each of them is looked at once, however small it is."""

    def __init__(self) -> None:
        self._whole = 0
        self._begun = False
        self._cjk = self._thai = 0

    @property
    def words(self) -> int:
        """How many words there are in the pieces joined."""
        return self._whole + (_words_of(self._cjk, self._thai) if self._begun else 0)

    def add(self, text: str) -> None:
        """Take the next piece."""
        for number, token in enumerate(text.split()):
            if number or text[0].isspace():
                self._end_word()
            self._begun = True
            if not token.isascii():
                cjk, thai = _spaceless(token)
                self._cjk, self._thai = self._cjk + cjk, self._thai + thai
        if text[-1:].isspace():
            self._end_word()

    def _end_word(self) -> None:
        self._whole, self._begun, self._cjk, self._thai = self.words, False, 0, 0


def _words_of_token(token: str) -> int:
    return _words_of(*_spaceless(token))


def _spaceless(token: str) -> tuple[int, int]:
    """Return how many characters without spaces there are in it: Chinese and Japanese ones, and those like Thai."""
    return len(_CJK.findall(token)), len(_THAI.findall(token))


def _words_of(cjk: int, thai: int) -> int:
    if not cjk and not thai:
        return 1
    words = cjk / CHARS_PER_WORD_WITHOUT_SPACES["cjk"] + thai / CHARS_PER_WORD_WITHOUT_SPACES["thai"]
    return max(1, math.ceil(words))
