"""The hint desk: screens what viewers offer, and hands each turn the hints it is to take.

The queue is the show's own log, folded: an accepted hint is pending until a turn uses it or its time is over. The desk
itself only remembers who spoke when and which ids it has seen, both bounded.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from debate_caster.clock import Clock
from debate_caster.scenario.rundown import Turn
from debate_caster.scenario.script import Scenario
from debate_caster.show.events import (
    HintAccepted,
    HintDeclined,
    HintExpired,
    HintHeld,
    HintOffered,
    HintTaken,
    HintUsed,
    ProducerActed,
    ShowEvent,
)
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.measures import has_words
from debate_caster.show.screening import WordFilter, clean_line
from debate_caster.show.transcript import PendingHint

__all__ = ["ID_CHARS", "NAME_CHARS", "HintDesk", "Remark"]

T = TypeVar("T")

LEAST_QUEUE, LONGEST_QUEUE = 20, 200
"""Bounds of the number of hints pending at once; between them it is twice what turns can use before a hint expires,
since half of them may name an agent who speaks rarely. More would only wait to expire."""

VIEWER_LIMIT = 3
"""Of these, how many may be one viewer's."""

REMEMBERED = 4096
"""Viewers and hint ids that are remembered; the ones not heard of for longest are forgotten first."""

NAME_CHARS, ID_CHARS, RAW_CHARS = 40, 128, 2000
"""Longest name and id kept, and how much of an offered text is logged before it is screened."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What a viewer says. ``id`` and ``viewer`` are opaque; ``to`` is an agent's id or name, or a side."""

    id: str
    viewer: str
    text: str
    name: str = ""
    to: str = ""
    source: str = ""


class HintDesk:
    """One show's desk. ``offer`` and what the producer may do are for any number of tasks; the rest is the director's.

    With approval on, a hint that passed the screening is held until the producer has decided, or its time is over.
    """

    def __init__(self, scenario: Scenario, writer: ShowLogWriter, *, clock: Clock) -> None:
        self._audience, self._writer, self._clock = scenario.audience, writer, clock
        self._filter = WordFilter(scenario.audience.filter)
        self._addressees = _addressees(scenario)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._heard: OrderedDict[str, float] = OrderedDict()
        self._served: OrderedDict[str, int] = OrderedDict()
        self._taken: dict[int, tuple[HintTaken, ...]] = {}
        self._leaving: set[str] = set()
        self._deciding = asyncio.Lock()
        self._open = True
        usable = scenario.audience.hint_lifetime_turns * scenario.audience.max_hints_per_turn
        self._queue_limit = min(max(2 * usable, LEAST_QUEUE), LONGEST_QUEUE)

    def recall(self, event: ShowEvent) -> None:
        """Remember an event of the show from before it was broken off: an id is offered once, whoever asks again."""
        match event:
            case HintOffered():
                _remember(self._seen, event.hint, None)
            case HintUsed():
                _remember(self._served, event.viewer, self._served.get(event.viewer, 0) + 1)
            case _:
                pass

    async def offer(self, remark: Remark) -> str | None:
        """Screen a remark and log what becomes of it; return why it is declined, None where it is accepted.

        An id that has been offered before is ignored (``repeated``), and so is everything once the show is over
        (``closed``): neither is logged again.

        Raises:
            LogError: The log could not be written.
        """
        async with self._deciding:
            if not self._open or self._writer.transcript.started is None:
                return "closed"
            hint = clean_line(remark.id, ID_CHARS)
            if not hint or hint in self._seen or any(waiting.id == hint for waiting in self._waiting()):
                return "repeated"
            _remember(self._seen, hint, None)
            viewer = clean_line(remark.viewer, ID_CHARS) or "unknown"
            name = clean_line(remark.name, NAME_CHARS)
            name = "" if self._filter.finds(name) else name
            raw = remark.text[:RAW_CHARS].encode("utf-8", "replace").decode()
            to = clean_line(remark.to, ID_CHARS)
            source = clean_line(remark.source, ID_CHARS)
            text = clean_line(remark.text, 2 * self._audience.max_hint_chars)
            reason = self._refusal(remark, viewer, text, to)
            at = self._writer.now()
            offered = HintOffered(at=at, hint=hint, viewer=viewer, name=name, text=raw, to=to, source=source)
            if reason is not None:
                await self._writer.append(offered, HintDeclined(at=at, hint=hint, viewer=viewer, reason=reason))
                return reason
            addressee = self._addressees.get(to.casefold(), "")
            passed = HintHeld if self.needs_approval else HintAccepted
            await self._writer.append(
                offered, passed(at=at, hint=hint, viewer=viewer, name=name, text=text, to=addressee)
            )
            _remember(self._heard, viewer, self._clock.monotonic())
            return None

    # -- for the producer ----------------------------------------------------------------------------------------

    @property
    def needs_approval(self) -> bool:
        """Whether hints wait for the producer, as the scenario says or as the producer has changed it."""
        changed = self._writer.transcript.approval
        return self._audience.approval if changed is None else changed

    async def approve(self, act: ProducerActed) -> str:
        """Log ``act`` and put its hint, which is held, in the queue; return why not, empty where it is done.

        Raises:
            LogError: The log could not be written.
        """
        async with self._deciding:
            held = self._undecided(act.hint)
            if held is None:
                return f"there is no hint {act.hint!r} that waits for you"
            accepted = HintAccepted(
                at=act.at, hint=held.id, viewer=held.viewer, name=held.name, text=held.text, to=held.to
            )
            with self._set_aside(held):
                await self._writer.append(act, accepted)
            return ""

    async def decline(self, act: ProducerActed) -> str:
        """Log ``act`` and decline its hint, held or queued; return why not, empty where it is done.

        Raises:
            LogError: The log could not be written.
        """
        async with self._deciding:
            waiting = next((hint for hint in self._waiting() if hint.id == act.hint), None)
            if waiting is None:
                return f"there is no hint {act.hint!r} that waits"
            if waiting.id in self._aside():
                return "that hint is in a prompt already"
            declined = HintDeclined(at=act.at, hint=waiting.id, viewer=waiting.viewer, reason="producer")
            with self._set_aside(waiting):
                await self._writer.append(act, declined)
            return ""

    async def mute(self, act: ProducerActed) -> None:
        """Log ``act``, and decline what its viewer has waiting, but for what is in a prompt already.

        Raises:
            LogError: The log could not be written.
        """
        async with self._deciding:
            aside = self._aside()
            theirs = [hint for hint in self._waiting() if hint.viewer == act.viewer and hint.id not in aside]
            declined = [HintDeclined(at=act.at, hint=hint.id, viewer=hint.viewer, reason="muted") for hint in theirs]
            with self._set_aside(*theirs):
                await self._writer.append(act, *declined)

    # -- for the director ----------------------------------------------------------------------------------------

    def take(self, turn: Turn) -> tuple[HintTaken, ...]:
        """Return the hints for ``turn``, at most ``max_hints_per_turn``, and set them aside for it.

        Viewers who have had fewer hints used come first, one hint of each before the second of any, then the oldest.
        """
        aside = self._aside()
        rounds: dict[str, int] = {}
        ranked: list[tuple[int, int, PendingHint]] = []
        for order, hint in enumerate(self._writer.transcript.pending):
            if hint.id in aside or not self._is_for(hint, turn):
                continue
            place = self._served.get(hint.viewer, 0) + rounds.get(hint.viewer, 0)
            rounds[hint.viewer] = rounds.get(hint.viewer, 0) + 1
            ranked.append((place, order, hint))
        ranked.sort(key=lambda entry: entry[:2])
        chosen = ranked[: self._audience.max_hints_per_turn]
        taken = tuple(HintTaken(id=hint.id, viewer=hint.viewer, name=hint.name, text=hint.text) for *_, hint in chosen)
        if taken:
            self._taken[turn.index] = taken
        return taken

    def use(self, turn: Turn) -> tuple[HintUsed, ...]:
        """Return the events that say that ``turn`` uses what it took; to be logged with its start."""
        taken = self._taken.pop(turn.index, ())
        self._leaving |= {hint.id for hint in taken}
        for hint in taken:
            _remember(self._served, hint.viewer, self._served.get(hint.viewer, 0) + 1)
        return tuple(
            HintUsed(at=self._writer.now(), hint=hint.id, viewer=hint.viewer, turn=turn.index, speaker=turn.speaker)
            for hint in taken
        )

    def give_back(self, turn: Turn) -> None:
        """Put the hints of a turn that never began back in the queue."""
        self._taken.pop(turn.index, None)

    def expired(self) -> tuple[HintExpired, ...]:
        """Return the events that end the hints which have waited ``hint_lifetime_turns``; to be logged."""
        transcript, aside = self._writer.transcript, self._aside()
        over = [
            hint
            for hint in self._waiting()
            if len(transcript.speeches) - hint.turns_ended >= self._audience.hint_lifetime_turns
            and hint.id not in aside
        ]
        self._leaving |= {hint.id for hint in over}
        return tuple(self._expire(hint, "lifetime") for hint in over)

    async def close(self) -> tuple[HintExpired, ...]:
        """Take nothing more; return the events that end what is still pending, to be logged with the show's end."""
        self._open = False
        async with self._deciding:
            self._taken.clear()
            return tuple(self._expire(hint, "show_ended") for hint in self._waiting())

    def _waiting(self) -> tuple[PendingHint, ...]:
        """Return the hints that nobody has used yet, whether the producer has to approve them or not."""
        transcript = self._writer.transcript
        return (*transcript.held, *transcript.pending)

    def _undecided(self, hint: str) -> PendingHint | None:
        """Return a hint that is held, None where it is not, or is just about to expire."""
        aside = self._aside()
        return next((held for held in self._writer.transcript.held if held.id == hint and hint not in aside), None)

    @contextmanager
    def _set_aside(self, *hints: PendingHint) -> Iterator[None]:
        """Keep hints from being taken or expiring while what the producer decided about them is being logged.

        Where nobody waits to see it logged they stay aside: it may be under way.
        """
        ids = {hint.id for hint in hints}
        self._leaving |= ids
        yield
        self._leaving -= ids

    def _aside(self) -> set[str]:
        """Return the waiting hints that are spoken for: taken by a turn to come, or their end is being logged."""
        self._leaving &= {hint.id for hint in self._waiting()}
        return self._leaving | {hint.id for taken in self._taken.values() for hint in taken}

    def _expire(self, hint: PendingHint, reason: str) -> HintExpired:
        return HintExpired(at=self._writer.now(), hint=hint.id, viewer=hint.viewer, reason=reason)

    def _is_for(self, hint: PendingHint, turn: Turn) -> bool:
        return not hint.to or hint.to in {turn.speaker, turn.side}

    def _refusal(self, remark: Remark, viewer: str, text: str, to: str) -> str | None:
        pending = self._waiting()
        now = self._clock.monotonic()
        heard = self._heard.get(viewer)
        if not self._audience.hints:
            return "closed"
        if viewer in self._writer.transcript.muted:
            return "muted"
        if len(text) > self._audience.max_hint_chars or len(remark.text) > 4 * self._audience.max_hint_chars:
            return "too_long"
        if not has_words(text):
            return "empty"
        if self._filter.finds(text):
            return "filtered"
        if to and to.casefold() not in self._addressees:
            return "unknown_addressee"
        if heard is not None and now - heard < self._audience.hint_interval_s:
            return "too_fast"
        if len(pending) >= self._queue_limit or sum(hint.viewer == viewer for hint in pending) >= VIEWER_LIMIT:
            return "full"
        folded = text.casefold()
        if any(hint.text.casefold() == folded for hint in pending):
            return "duplicate"
        return None


def _addressees(scenario: Scenario) -> dict[str, str]:
    """Return what may stand in ``to``, case-folded, and which agent or side it means; ids win over names and sides.

    A moderator takes no hints: what is said to one is for whoever speaks next.
    """
    known = {side: side for side in scenario.format.sides}
    known |= {title: side for side, title in scenario.format.side_titles.items()}
    heard = {agent.id: "" if agent.moderator else agent.id for agent in scenario.agents}
    known |= {agent.name: heard[agent.id] for agent in scenario.agents}
    known |= heard
    return {clean_line(name, ID_CHARS).casefold(): meant for name, meant in known.items()}


def _remember(memory: OrderedDict[str, T], key: str, value: T) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
