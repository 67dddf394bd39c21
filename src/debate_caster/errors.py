"""The errors that we raise on purpose, split by who has to act.

DebateCasterError
├── ScenarioError      the author: a file can't become a show
├── SetupError         the operator: settings, ports, keys, disk, usage
├── ModelError         a peer: a model failed (``retryable`` says whether another try may help)
├── ReviewError        a peer: nobody could say whether a text may be aired
├── BroadcastError     a peer: a broadcast target refused us or broke the protocol
│   └── ProtocolError  what arrived is not a message of the protocol
├── WatchError         a peer: a stage does not let us watch, and never will
├── BudgetExhaustedError  the show's own limit: nothing more may be spent
└── LogError           the log could not be read or written
    ├── ForgottenError what was there has been removed for good
    └── FencedError    somebody else has written at that place: this writer must stop
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BroadcastError",
    "BudgetExhaustedError",
    "DebateCasterError",
    "FencedError",
    "ForgottenError",
    "LogError",
    "ModelError",
    "Problem",
    "ProtocolError",
    "ReviewError",
    "ScenarioError",
    "SetupError",
    "WatchError",
    "matters_most",
]


class DebateCasterError(Exception):
    """Base class: catch this to catch everything we raise on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one file; ``line`` and ``column`` count from 1, 0 where the place is not known."""

    path: Path
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else str(self.path)
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ScenarioError(DebateCasterError):
    """Files can't become a show: their author has to act. Carries every problem found in one pass."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class SetupError(DebateCasterError):
    """The surroundings are not as needed: the operator has to act. ``cure`` says how."""

    def __init__(self, problem: str, cure: str = "") -> None:
        super().__init__(problem, cure)
        self.problem, self.cure = problem, cure

    def __str__(self) -> str:
        return f"{self.problem}. {self.cure}" if self.cure else self.problem


class ModelError(DebateCasterError):
    """A model call failed.

    Attributes:
        model: The name the scenario gives the model.
        kind: A constant word for logs and metrics: ``connect``, ``rate_limited``, ``refused``, ``silent``, ``stalled``,
            ``overlong``, ``cut``, ``truncated``, ``filtered``, ``malformed``, ``provider``, ``unavailable`` (not even
            asked, since its provider is down).
        retryable: Whether the same call may succeed when made again. Decided where the error is born.
        retry_after_s: What the peer asked us to wait, in seconds, or None.
    """

    def __init__(
        self, model: str, kind: str, detail: str, *, retryable: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(model, kind, detail)
        self.model, self.kind, self.detail = model, kind, detail
        self.retryable, self.retry_after_s = retryable, retry_after_s

    def __str__(self) -> str:
        return f"model {self.model!r}: {self.kind}: {self.detail}"


class ReviewError(DebateCasterError):
    """A reviewer gave no clear answer about a text, which must not be aired then. ``by`` says which one."""

    def __init__(self, by: str, detail: str) -> None:
        super().__init__(by, detail)
        self.by, self.detail = by, detail

    def __str__(self) -> str:
        return f"review by {self.by}: {self.detail}"


class BroadcastError(DebateCasterError):
    """A broadcast target refused us, or went away for good. ``cure`` says what to do about it, where that is known."""

    def __init__(self, target: str, detail: str, cure: str = "") -> None:
        super().__init__(target, detail, cure)
        self.target, self.detail, self.cure = target, detail, cure

    @property
    def reason(self) -> str:
        """What happened and what to do, for whoever knows which target it is about."""
        return f"{self.detail}. {self.cure}" if self.cure else self.detail

    def __str__(self) -> str:
        return f"target {self.target}: {self.reason}"


class ProtocolError(BroadcastError):
    """What arrived is not a message of the protocol."""


class WatchError(DebateCasterError):
    """A stage has turned us away for good, or is none.

    Attributes:
        code: The WebSocket close code (docs/protocol.md, "Close codes") or HTTP status it said so with, or None.
    """

    def __init__(self, stage: str, detail: str, *, code: int | None = None) -> None:
        super().__init__(stage, detail)
        self.stage, self.detail, self.code = stage, detail, code

    def __str__(self) -> str:
        return f"stage {self.stage}: {self.detail}"


class BudgetExhaustedError(DebateCasterError):
    """The show's limit does not cover the next call.

    Attributes:
        limit: Which limit: ``tokens``, ``money`` or ``minutes``.
    """

    def __init__(self, limit: str, detail: str) -> None:
        super().__init__(limit, detail)
        self.limit, self.detail = limit, detail

    def __str__(self) -> str:
        return f"budget for {self.limit} reached: {self.detail}"


class LogError(DebateCasterError):
    """The event log could not be read or written; nothing of the attempt was stored.

    Attributes:
        passing: Whether the same may succeed later, once somebody has made room or let go. Decided where it is born.
    """

    def __init__(self, stream: str, detail: str, *, passing: bool = False) -> None:
        super().__init__(stream, detail)
        self.stream, self.detail, self.passing = stream, detail, passing

    def __str__(self) -> str:
        return f"log stream {self.stream!r}: {self.detail}"


class FencedError(LogError):
    """The stream's last sequence number is not the expected one: another writer is at work. Nothing was stored."""


class ForgottenError(LogError):
    """The stream was removed from the log for good. Who was reading it has not read it to its end."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream, "it has been removed")


def matters_most(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error to raise instead of a group, for callers that wait for one thing and decide by its type.

    That is a log's, and of those first the one that says that somebody else writes; then the first.
    """
    leaves: list[BaseException] = []
    rest: list[BaseException] = [group]
    while rest:
        exc = rest.pop(0)
        if isinstance(exc, BaseExceptionGroup):
            rest = [*exc.exceptions, *rest]
        else:
            leaves.append(exc)
    for kind in (FencedError, LogError):
        for exc in leaves:
            if isinstance(exc, kind):
                return exc
    return leaves[0]
