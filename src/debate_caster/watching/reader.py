"""What a viewer's frames amount to: which come next, which are repetitions, and when a show is over. No I/O.

A reader outlives connections: each new one asks for what is above ``position``, and the reader sees to it that every
event is handed out once and in order.
"""

import json
from collections.abc import Collection
from typing import Any

__all__ = ["ALL", "ASIDES", "ENDINGS", "PositionLostError", "Reader"]

ALL = "*"
"""In place of a type of event: all of them."""

ASIDES = frozenset({"thought_noted", "tool_called", "tool_answered"})
"""What agents do beside speaking; only who asks for it gets it."""

ENDINGS = frozenset({"show_ended", "room_opened", "room_closed"})
"""What a reader has to see of a show, whatever its caller wants of it, to know when it is over."""

Frame = dict[str, Any]


class PositionLostError(Exception):
    """What came is not what comes next: connect anew, and from the start where the stage has ``another_log``."""

    def __init__(self, reason: str, *, another_log: bool = False) -> None:
        super().__init__(reason)
        self.another_log = another_log


class Reader:
    """``receive`` raw frames in order: of one room, of one speaker, of some types, as far as these are given.

    ``asked_types`` is what the stage is to be asked for. Who names no types is handed all but ``ASIDES``, ``ALL`` is
    all of them; the stage is asked for all in either case, because what is missing is only noticed without gaps.
    """

    def __init__(
        self,
        *,
        after: int = 0,
        room: str | None = None,
        speaker: str | None = None,
        types: Collection[str] = (),
    ) -> None:
        self.position = after
        self.epoch: object = None
        self.show: str | None = None
        self.summary: Frame = {}
        self.viewers: int | None = None
        self.over = False
        self.ended = False
        all_types = not types or ALL in types
        self.asked_types = (ALL,) if all_types else (*types, *sorted(ENDINGS - set(types)))
        self._types = frozenset() if all_types else frozenset(types)
        self._left_out = frozenset() if types else ASIDES
        self._room = room
        self._filtered = not all_types or room is not None or speaker is not None
        self._open: set[str] = set()
        self._over_at_pong = False

    @property
    def greeted_after_the_end(self) -> bool:
        """Whether nothing but history will come: a ``pong`` then says that all of it is there."""
        return self._over_at_pong

    def receive(self, raw: str | bytes) -> list[Frame]:
        """Take in a frame; return it if it concerns the caller, and nothing otherwise.

        Raises:
            PositionLostError: An event is missing, or the stage counts in another log.
        """
        try:
            frame = json.loads(raw)
        except (ValueError, RecursionError):
            return []
        if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
            return []
        if isinstance(seq := frame.get("seq"), int):
            return self._take_event(frame, seq)
        match frame["type"]:
            case "hello":
                return self._greet(frame)
            case "reset":
                return self._start_over(frame)
            case "pong":
                self.over = self.over or self._over_at_pong
                return []
            case "viewers" if isinstance(frame.get("count"), int):
                self.viewers = frame["count"]
            case _:
                pass
        return [frame]

    def start_over(self, reason: str) -> Frame:
        """Forget the position; return the ``reset`` that tells the caller so, as if the stage had sent it."""
        reset = {"type": "reset", "epoch": self.epoch, "reason": reason, "show": self.show}
        self._start_over(reset)
        return reset

    def _take_event(self, event: Frame, seq: int) -> list[Frame]:
        if seq <= self.position:
            return []
        if not self._filtered and seq != self.position + 1:
            raise PositionLostError(f"event {seq} came after {self.position}")
        self.position = seq
        match event["type"]:
            case "room_opened":
                self._open.add(str(event.get("room")))
            case "room_closed":
                self._open.discard(str(event.get("room")))
            case "show_ended":
                self.ended = True
            case _:
                pass
        self.over = self.ended and (not self._open or bool(self.summary.get("replay")))
        wanted = event["type"] in self._types if self._types else event["type"] not in self._left_out
        return [event] if wanted else []

    def _greet(self, hello: Frame) -> list[Frame]:
        summary = hello.get("show")
        summary = summary if isinstance(summary, dict) else {}
        if self.epoch is not None and hello.get("epoch") != self.epoch and hello.get("after"):
            # Our position does not count in this log: what would come next is not what comes next.
            self.epoch = hello.get("epoch")
            raise PositionLostError("the stage's log is another one", another_log=True)
        self.epoch = hello.get("epoch")
        self.summary = summary
        if self.show is None and isinstance(summary.get("id"), str):
            self.show = summary["id"]
        if isinstance(summary.get("viewers"), int):
            self.viewers = summary["viewers"]
        agents = [agent for agent in summary.get("agents") or () if isinstance(agent, dict)]
        rooms = {str(agent.get("room")) for agent in agents if agent.get("state") in ("live", "reconnecting")}
        if self.position:
            self._open |= rooms if self._room is None else rooms & {self._room}
        self._over_at_pong = summary.get("state") == "ended" and (bool(summary.get("replay")) or not rooms)
        return [hello]

    def _start_over(self, reset: Frame) -> list[Frame]:
        self.position, self.ended, self.over = 0, False, False
        self.epoch = reset.get("epoch", self.epoch)
        self._open.clear()
        return [reset]
