"""What viewers say on a target, picked out of everything that a server pushes.

A server repeats itself (``viewer_context`` brings old lines again), echoes our own agents' lines as if viewers had said
them, and tells of rooms that are none of ours. What remains is a viewer's remark; whether it becomes a hint, the show
decides.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from debate_caster.pulsar.replies import HintGiven, LiveUpdate, Reply, RoomLine, ViewerContext

__all__ = ["RemarkSieve", "ViewerRemark"]

REMEMBERED = 2000
"""Remarks remembered to recognise a repetition; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True)
class ViewerRemark:
    """Something a viewer said to ``agent``, whose room it was said in.

    ``id`` is the server's where it gives one (our stage knows the fate of a hint by it); ``viewer`` is an opaque id,
    the same for everything one viewer says; ``to`` is whom it names, maybe empty; ``target`` where it came from.
    """

    id: str
    viewer: str
    name: str
    text: str
    to: str
    target: str
    agent: str


class RemarkSieve:
    """One agent's on one target. ``is_ours(line)`` says whether one of the show's own agents said it."""

    def __init__(self, *, agent: str, target: str, is_ours: Callable[[RoomLine], bool]) -> None:
        self._agent, self._target, self._is_ours = agent, target, is_ours
        self._seen: OrderedDict[str, None] = OrderedDict()

    def sift(self, reply: Reply, *, room: str) -> list[ViewerRemark]:
        """Return what is new in ``reply``, said by viewers of ``room``, the agent's own (empty: it has no name)."""
        match reply:
            case ViewerContext(hints=hints) if hints:
                return [remark for hint in hints if (remark := self._from_hint(hint))]
            case LiveUpdate() | ViewerContext() if reply.room in {"", room}:
                return [remark for line in reply.lines if (remark := self._from_line(line, room))]
            case _:
                return []

    def _from_hint(self, hint: HintGiven) -> ViewerRemark | None:
        if not hint.text.strip() or not self._is_new(f"hint {hint.id}"):
            return None
        viewer = hint.viewer or f"{self._target}:{hint.name}"
        return ViewerRemark(hint.id, viewer, hint.name, hint.text, hint.to, self._target, self._agent)

    def _from_line(self, line: RoomLine, room: str) -> ViewerRemark | None:
        if line.role != "viewer" or not line.text.strip() or self._is_ours(line):
            return None
        # The same line comes with an id and, in a context, without: it is known by who said what.
        digest = hashlib.sha256("\0".join((room, line.agent_id or line.name, line.text)).encode()).hexdigest()[:24]
        known_id = bool(line.id) and f"line {line.id}" in self._seen
        if known_id or not self._is_new(digest):
            return None
        if line.id:
            self._is_new(f"line {line.id}")
        viewer = f"{self._target}:{line.agent_id or line.name or 'anonymous'}"
        return ViewerRemark(line.id or digest, viewer, line.name, line.text, "", self._target, self._agent)

    def _is_new(self, key: str) -> bool:
        if key in self._seen:
            self._seen.move_to_end(key)
            return False
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True
