"""What can be wrong with a season beyond its shape: motions, seats, pools and sides that do not fit the scenario."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from debate_caster.errors import ScenarioError
from debate_caster.scenario.casting import Casting
from debate_caster.scenario.diagnosis import nearest
from debate_caster.scenario.manuscript import LINE, LIST_FILE, MOST_AGENTS, REHEARSAL
from debate_caster.scenario.scalars import shown
from debate_caster.scenario.script import NAME
from debate_caster.scenario.source_file import listed, read_text
from debate_caster.scenario.yaml_source import Document, Node

__all__ = ["LONGEST_MOTION", "check_season"]

LONGEST_MOTION = 400
"""In characters."""

SEASON = "season"


def check_season(document: Document, root: Node, casting: Casting) -> tuple[str, ...]:
    """Report what is wrong with ``season`` and with ``motion``, at its place; return the topics, a file's included."""
    season = root.get(SEASON)
    topics: tuple[str, ...] = ()
    if season is not None:
        topics = _topics(document, season)
        _topic_source(document, root, season)
        _order(document, season)
        swap = season.get("swap_sides")
        if swap is not None and swap.value is True and casting.rules is not None and not casting.rules.sides:
            document.report(
                swap.mark, f"format {casting.rules.key} has no sides: remove this key", SEASON, "swap_sides"
            )
        _Guests(document, season, casting).check()
    _motion(document, root, season)
    return topics


def _motion(document: Document, root: Node, season: Node | None) -> None:
    has_topics = season is not None and any(season.get(key) is not None for key in ("topics", "topic_from"))
    motion = root.get("motion")
    if not has_topics and motion is None:
        document.report(root.mark, "this key is missing", "motion")
    elif has_topics and motion is not None and not motion.broken:
        document.report(root.key_marks["motion"], "every episode has a motion of its season: remove this key", "motion")
    if has_topics and root.get("title") is None:
        document.report(root.mark, "a season with topics needs it: write what the series is called", "title")


def _topics(document: Document, season: Node) -> tuple[str, ...]:
    node = season.get("topics")
    if node is None or node.broken:
        return ()
    if node.text is not None:
        return tuple(_from_file(document, node)) if re.fullmatch(LIST_FILE, node.text) else ()
    known: set[str] = set()
    for index, entry in enumerate(node.entries()):
        if entry.text is not None and (text := entry.text.strip()):
            if text.casefold() in known:
                document.report(entry.mark, "this topic stands above already: remove it", SEASON, "topics", index)
            known.add(text.casefold())
    return tuple(entry.text.strip() for entry in node.entries() if entry.text is not None)


def _from_file(document: Document, node: Node) -> Iterator[str]:
    """Yield the topics of a file: its lines, but for empty ones and those that begin with '#'."""
    folder, name = document.path.parent, node.text or ""
    try:
        lines = list(listed(read_text(folder / name, within=folder)))
    except ScenarioError as exc:
        document.report(node.mark, f"{name}: {exc.problems[0].message}", SEASON, "topics")
        return
    known: set[str] = set()
    for number, text in lines:
        problem = ""
        if len(text) > LONGEST_MOTION:
            problem = f"longer than {LONGEST_MOTION} characters"
        elif not re.fullmatch(LINE, text) or not text.isprintable():
            problem = "it holds characters that can't be shown: remove them"
        elif text.casefold() in known:
            problem = "this topic stands above already: remove it"
        if problem:
            document.report(node.mark, f"{name}, line {number}: {problem}", SEASON, "topics")
        known.add(text.casefold())
        yield text
    if not known:
        document.report(node.mark, f"{name}: no topic stands in it: write one a line", SEASON, "topics")


def _topic_source(document: Document, root: Node, season: Node) -> None:
    source = season.get("topic_from")
    wish = source.get("llm") if source is not None else None
    if wish is None or wish.text is None:
        return
    models = root.get("models")
    known = list(models.members()) if models is not None else [REHEARSAL]
    if wish.text not in known:
        choice = nearest(wish.text, known, what="model") if models is not None else "write it under 'models'"
        document.report(wish.mark, f"there is no model {wish.text!r}: {choice}", SEASON, "topic_from", "llm")


def _order(document: Document, season: Node) -> None:
    """Report what would do nothing: its author thinks that it does something."""
    order = season.get("order")
    if order is not None and season.get("topics") is None:
        document.report(
            season.key_marks["order"], "there are no topics to put in order: remove this key", SEASON, "order"
        )
    if season.get("seed") is not None and (order is None or order.text == "rotating"):
        document.report(season.key_marks["seed"], "only 'order: shuffled' has this: remove it", SEASON, "seed")


class _Seat(NamedTuple):
    """A guest's seat as the file has it."""

    number: int
    node: Node
    pool: Node


class _Guests:
    """The checks of ``guests``: nobody may be on stage twice, in any episode."""

    def __init__(self, document: Document, season: Node, casting: Casting) -> None:
        self._document, self._casting = document, casting
        guests = season.get("guests")
        entries = enumerate(guests.entries() if guests is not None else [])
        self._seats = [
            _Seat(number, seat, pool)
            for number, entry in entries
            if (seat := entry.get("seat")) is not None and (pool := entry.get("pool")) is not None
        ]

    def check(self) -> None:
        ids = self._casting.ids
        taken: set[str] = set()
        # By name as viewers read it: personas of two files may share one.
        names = {name.casefold() for name in self._casting.names if name is not None}
        for seat in self._seats:
            path = (SEASON, "guests", seat.number)
            if seat.node.text is not None and seat.node.text not in ids:
                choice = nearest(seat.node.text, islice(ids, MOST_AGENTS + 1), what="agent")
                self._document.report(
                    seat.node.mark, f"no agent has the id {seat.node.text!r}: {choice}", *path, "seat"
                )
            elif seat.node.text in taken:
                self._document.report(seat.node.mark, "this seat has a pool above: write one", *path, "seat")
            taken.add(seat.node.text or "")
            for place, entry in enumerate(seat.pool.entries()):
                self._check_guest(entry, names, (*path, "pool", place))

    def _check_guest(self, entry: Node, names: set[str], path: tuple[str | int, ...]) -> None:
        casting = self._casting
        if entry.text is None or not re.fullmatch(NAME, entry.text):
            return
        found = casting.library.persona(entry.text)
        if found is None:
            choice = nearest(entry.text, casting.library.names("personas"))
            message = f"there is no persona {entry.text!r}: {choice} (or write personas/{entry.text}.yaml)"
            self._document.report(entry.mark, message, *path)
            return
        self._document.problems.extend(found.problems)
        if found.value is None:
            return
        name = found.value.name.casefold()
        if name in names:
            message = f"{shown(found.value.name)} is in the show already, or in a pool: nobody can sit in two seats"
            self._document.report(entry.mark, message, *path)
        names.add(name)
        casting.personas[entry.text] = found.value
