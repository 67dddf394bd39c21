"""What the rehearsal model can say, by language: the data files in ``rehearsal_phrases``, checked and frozen.

A file has tables of lines (``tables``), lenses through which to look at any motion (``lens``: reasons for and against,
and questions to ask), and asides by a persona's style (``style``). ``match`` holds beginnings of words that tie a lens
or a style to a persona. Lines have slots; one whose slot can't be filled is passed over:

``{motion}`` the motion with its full stop, ``{motion_bare}`` without, ``{claim}`` the motion as it stands after
"that", ``{topic}`` a noun phrase of the motion, ``{belief}`` one of the persona, ``{opponent}`` who spoke last,
``{quote}`` from what they said, ``{viewer}``, ``{hint}`` and ``{hint_topic}`` of a hint, ``{addresses}`` who speaks
next, ``{lens}`` a lens's name, ``{rival}`` an opponent of earlier episodes ``{earlier}``
what it was about then, ``{about}`` what a series is about.
"""

import functools
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from string import Formatter
from typing import Any, Literal

__all__ = ["LANGUAGES", "Lens", "Phrasebook", "has_phrasebook", "open_phrasebook", "read_lines"]

LANGUAGES = ("en", "de", "fr", "es")
"""Languages with a file; the first stands in for all others."""

SLOTS = frozenset(
    {"motion", "motion_bare", "claim", "topic", "belief", "opponent", "quote", "addresses", "lens"}
    | {"viewer", "hint", "hint_topic", "rival", "earlier", "about"}
)


@dataclass(frozen=True, slots=True)
class Lens:
    """One way of looking at any motion. ``label`` is what it is called in a sentence."""

    key: str
    label: str
    match: tuple[str, ...]
    reasons_for: tuple[str, ...]
    reasons_against: tuple[str, ...]
    questions: tuple[str, ...]

    def reasons(self, stance: Literal["for", "against"]) -> tuple[str, ...]:
        return self.reasons_for if stance == "for" else self.reasons_against


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """All lines of one language. ``styles`` ends with the one that suits everybody.

    ``stopwords`` never make a topic; a topic that follows one of ``articles`` is spoken of with ``article``;
    ``joiners`` hold two words of one together ("freedom of speech"). A verb follows ``verb_markers`` ("should"),
    perhaps after ``verb_companions`` ("not", "be").
    """

    language: str
    quotes: tuple[str, str]
    default_topic: str
    stopwords: frozenset[str]
    articles: frozenset[str]
    article: str
    joiners: frozenset[str]
    verb_markers: frozenset[str]
    verb_companions: frozenset[str]
    nouns_are_capitalised: bool
    claims: tuple[tuple[re.Pattern[str], str], ...]
    farewell: tuple[str, ...]
    styles: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    lenses: tuple[Lens, ...]
    tables: dict[str, tuple[str, ...]]

    def lines(self, table: str) -> tuple[str, ...]:
        """Return a table's lines; a language may do without a table."""
        return self.tables.get(table, ())


def has_phrasebook(language: str) -> bool:
    """Say whether the rehearsal model speaks the language of a tag such as ``de-AT``."""
    return _key(language) in LANGUAGES


def _key(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].casefold()


@functools.cache
def open_phrasebook(language: str) -> Phrasebook:
    """Return the phrasebook of a language tag such as ``de-AT``; English for languages without a file."""
    key = _key(language)
    if key not in LANGUAGES:
        return open_phrasebook(LANGUAGES[0])
    raw = files(__package__).joinpath("rehearsal_phrases", f"{key}.toml").read_text(encoding="utf-8")
    return _read(key, tomllib.loads(raw))


def _read(language: str, data: dict[str, Any]) -> Phrasebook:
    lenses = tuple(
        Lens(
            key=lens["key"],
            label=lens.get("label", lens["key"]),
            match=tuple(lens["match"]),
            reasons_for=read_lines(lens["for"]),
            reasons_against=read_lines(lens["against"]),
            questions=read_lines(lens["ask"]),
        )
        for lens in data["lens"]
    )
    opening, closing = data["quotes"]
    return Phrasebook(
        language=language,
        quotes=(opening, closing),
        default_topic=data["default_topic"],
        stopwords=frozenset(data["stopwords"].split()),
        articles=frozenset(data["articles"].split()),
        article=data["article"],
        joiners=frozenset(data["joiners"].split()),
        verb_markers=frozenset(data["verb_markers"].split()),
        verb_companions=frozenset(data["verb_companions"].split()),
        nouns_are_capitalised=data.get("nouns_are_capitalised", False),
        claims=tuple((re.compile(pattern, re.IGNORECASE), form) for pattern, form in data["claims"]),
        farewell=tuple(data["farewell"]),
        styles=tuple((tuple(style["match"]), read_lines(style["lines"])) for style in data["style"]),
        lenses=lenses,
        tables={name: read_lines(lines) for name, lines in data["tables"].items()},
    )


def read_lines(lines: list[str]) -> tuple[str, ...]:
    """Return the lines of a table.

    Raises:
        ValueError: A line has a slot that nobody fills.
    """
    for line in lines:
        slots = {name for _, name, _, _ in Formatter().parse(line) if name is not None}
        if not slots <= SLOTS:
            raise ValueError(f"unknown slot in {line!r}")
    return tuple(lines)
