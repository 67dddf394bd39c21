"""What to say next on a Pulsar server, to whom, and when: pacing, joining what has piled up, and no line twice.

Pure: time and the other connections' state are given, lines come out. An agent has one lane for its own room and, when
it mirrors, one for each other agent's room; each goes on at the first chunk that has not been delivered there, so that
a broken connection or a room opened anew loses nothing and repeats nothing.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from debate_caster.broadcast.rooms import LEAD, TargetRooms
from debate_caster.broadcast.target import ConnectionLimits
from debate_caster.pulsar.text import split_text, starts_alike, truncate, utf16_length

__all__ = ["Lane", "Line", "Outbox", "Piece"]

_LINES_REMEMBERED = 10
"""v1 compares with this many of an agent's latest lines; v2 with the last one."""

_MIRRORED_CHUNKS_KEPT = 400
"""Chunks kept for a room that is away, some 20 minutes of one agent's speech; then the oldest are given up."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk of the show's log: ``ref`` is its sequence number there."""

    ref: int
    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """What goes out in one frame. ``host`` is the agent whose room it is for; ``text`` is as sent, lead included.

    ``refs`` are those of the chunks that end in it; where none does, it has ``cut`` characters of the first one. A line
    that no chunk is in, a room's first one, has neither, and 0 for ``first_ref``.
    """

    host: str
    turn: int
    first_ref: int
    text: str
    refs: tuple[int, ...]
    cut: int = 0

    @property
    def is_blank(self) -> bool:
        return not self.text.strip()


class Lane:
    """Chunks on their way into one room."""

    def __init__(self, host: str, *, limit: int, capacity: int | None = None) -> None:
        self.host = host
        self.given_up = 0
        self._limit, self._capacity = limit, capacity
        self._waiting: deque[Piece] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def position(self, offered: int) -> int:
        """Return up to where everything is delivered, given that the log has been read up to ``offered``."""
        return self._waiting[0].ref - 1 if self._waiting else offered

    def offer(self, piece: Piece) -> None:
        self._waiting.append(piece)
        if self._capacity is not None and len(self._waiting) > self._capacity:
            self._waiting.popleft()
            self.given_up += 1

    def compose(self) -> Line | None:
        """Return the next line: as many chunks of one turn as fit, or the start of one that does not."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        text, units = "", 0
        refs: list[int] = []
        for piece in self._waiting:
            units += utf16_length(piece.text)
            if piece.turn != first.turn or (refs and units > self._limit):
                break
            text += piece.text
            refs.append(piece.ref)
        if len(refs) == 1 and utf16_length(text) > self._limit:
            text = split_text(text, self._limit)[0]
            return Line(self.host, first.turn, first.ref, text, (), len(text))
        return Line(self.host, first.turn, first.ref, text, tuple(refs))

    def settle(self, line: Line) -> None:
        """Take out what has been delivered. A line whose chunks were given up meanwhile changes nothing."""
        if not self._waiting or self._waiting[0].ref != line.first_ref:
            return
        for _ in line.refs:
            self._waiting.popleft()
        if line.cut:
            self._waiting[0] = replace(self._waiting[0], text=self._waiting[0].text[line.cut :])


class Outbox:
    """All lanes of one agent on one target. Lives as long as the show, over any number of connections."""

    def __init__(self, agent: str, others: Iterable[str], rooms: TargetRooms, limits: ConnectionLimits) -> None:
        self.agent = agent
        self.offered = 0
        self._rooms, self._limits = rooms, limits
        self._own = Lane(agent, limit=limits.text_units)
        self._mirrors = [
            Lane(other, limit=limits.chat_units, capacity=_MIRRORED_CHUNKS_KEPT) for other in others if other != agent
        ]
        self._preface: Line | None = None
        self._sent_at: dict[str, float] = {}
        self._recent: deque[tuple[float, str]] = deque(maxlen=_LINES_REMEMBERED)
        self._held_until: dict[str, float] = {}
        self._lost_rooms: set[str] = set()
        self._impatient_at: tuple[int, float] = (0, 0.0)

    @property
    def is_full(self) -> bool:
        return len(self._own) >= self._limits.window

    @property
    def own_waiting(self) -> int:
        return len(self._own)

    @property
    def given_up(self) -> int:
        return sum(lane.given_up for lane in self._mirrors)

    def offer(self, ref: int, piece: Piece | None = None) -> None:
        """Take in what the log has at ``ref``: a chunk of this agent, or something that is not for this outbox."""
        self.offered = ref
        if piece is not None:
            for lane in (self._own, *self._mirrors):
                lane.offer(piece)
        self._report()

    def preface(self, text: str, *, turn: int) -> None:
        """Say ``text`` before anything else, in the own room alone; "" for nothing. It is no chunk of the show."""
        self._preface = Line(self.agent, turn, 0, truncate(text, self._limits.text_units), ()) if text else None

    @property
    def is_prefaced(self) -> bool:
        """Whether the own room has still to hear its first line."""
        return self._preface is not None

    @property
    def own_position(self) -> int:
        """Up to where everything of the agent's own has been delivered, as far as the log was read."""
        return self._own.position(self.offered)

    def is_done(self, ended_at: int) -> bool:
        """Whether everything up to the show's end is out, ours in all open rooms and the others' in ours."""
        if self.offered < ended_at or len(self._own):
            return False
        if any(len(lane) for lane in self._mirrors if self._destination(lane)):
            return False
        mirrored = self._rooms.mirrored_position(self.agent) if self._mirrors else None
        return mirrored is None or mirrored >= ended_at

    def next(self, now: float) -> Line | float | None:
        """Return the line that is due, or when one will be, or None: something else has to happen first."""
        if self._preface is not None:
            ready, first = self._prepared(self._own, self._preface, now)
            return first if ready <= now else ready
        due: float | None = None
        for lane in (self._own, *self._mirrors):
            line = lane.compose()
            if line is None or not self._may_go(lane, line):
                continue
            ready, line = self._prepared(lane, line, now)
            if ready <= now:
                return line
            due = ready if due is None else min(due, ready)
        return due

    def sent(self, line: Line, now: float) -> None:
        """Note that the line is on its way: from here on it counts for pacing and repetition."""
        self._sent_at[line.host] = now
        self._recent.append((now, line.text))

    def settle(self, line: Line) -> None:
        """Note that the line has arrived."""
        if line is self._preface:
            self._preface = None
        for lane in (self._own, *self._mirrors):
            if lane.host == line.host:
                lane.settle(line)
        self._report()

    def hold(self, host: str, until: float) -> None:
        """Say nothing in ``host``'s room before ``until``."""
        self._held_until[host] = until

    def room_lost(self, room: str) -> None:
        """Note that a room of somebody else's does not take our lines: wait for its next one."""
        self._lost_rooms.add(room)

    def _destination(self, lane: Lane) -> str | None:
        room = self._rooms.room_of(lane.host)
        return None if room in self._lost_rooms else room

    def _may_go(self, lane: Lane, line: Line) -> bool:
        """A mirrored line follows itself in the own room, and what its host has said before in the host's."""
        if lane is self._own:
            return True
        if self._destination(lane) is None or self.own_position < max([line.first_ref, *line.refs]):
            return False
        return self._rooms.position(lane.host) >= line.first_ref - 1

    def _prepared(self, lane: Lane, line: Line, now: float) -> tuple[float, Line]:
        """Return when the line may go at the earliest, and how it must look."""
        ready = max(self._sent_at.get(lane.host, now - self._limits.line_interval_s) + self._limits.line_interval_s,
                    self._held_until.get(lane.host, now))  # fmt: skip
        if lane is not self._own:
            return ready, replace(line, text=self._told_apart(line.text, now))
        alike = [at for at, text in self._recent if starts_alike(text, line.text)]
        ready = max([ready, *(at + self._limits.duplicate_window_s for at in alike)])
        return max(ready, self._patience(line, now)), line

    def _told_apart(self, text: str, now: float) -> str:
        """Return the text with as many leads as make it differ from what was said lately; always one."""
        recent = [said for at, said in self._recent if now - at < self._limits.duplicate_window_s]
        text = LEAD + text
        while any(starts_alike(said, text) for said in recent):
            text = LEAD + text
        return text

    def _patience(self, line: Line, now: float) -> float:
        """Return until when to wait for the others' earlier lines; they are worth a moment, not a pause."""
        mirrored = self._rooms.mirrored_position(self.agent) if self._mirrors else None
        if mirrored is None or mirrored >= line.first_ref - 1:
            return now
        if self._impatient_at[0] != line.first_ref:
            self._impatient_at = (line.first_ref, now + self._limits.order_patience_s)
        return self._impatient_at[1]

    def _report(self) -> None:
        self._rooms.advance(self.agent, self.own_position)
        for lane in self._mirrors:
            self._rooms.advance_mirror(self.agent, lane.host, lane.position(self.offered))
