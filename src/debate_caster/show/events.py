"""The show log's events: every decision of a show, private to the caster.

Past tense, one union, discriminated by ``type``. Writing is strict, reading ignores unknown fields, so that a newer
writer does not break us. ``encode`` leaves ``seq`` out: the log adds it.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from debate_caster.errors import LogError
from debate_caster.log import Record

__all__ = [
    "SCHEMA_VERSION",
    "AgentCast",
    "ChunkAired",
    "ConnectionDown",
    "ConnectionUp",
    "EpochBegan",
    "HintAccepted",
    "HintDeclined",
    "HintExpired",
    "HintHeld",
    "HintOffered",
    "HintTaken",
    "HintUsed",
    "MoneySpent",
    "Pause",
    "PhaseCast",
    "PhaseStarted",
    "ProducerActed",
    "ProducerCommand",
    "ShowEnded",
    "ShowEnding",
    "ShowEvent",
    "ShowPaused",
    "ShowResumed",
    "ShowStarted",
    "SpeechHeldBack",
    "Stake",
    "ThoughtNoted",
    "ToolAnswered",
    "ToolCalled",
    "TurnEnded",
    "TurnPrepared",
    "TurnStarted",
    "Usage",
    "VerdictGiven",
    "VoteChoice",
    "VoteClosed",
    "VoteCounted",
    "VoteName",
    "VoteOpened",
    "decode",
    "encode",
    "stream_of",
]

SCHEMA_VERSION = 1


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Event(_Value):
    seq: int = Field(default=0, description="Place in the show's stream, from 1; 0 before it is stored.")
    at: datetime


class AgentCast(_Value):
    """An agent as its show names it; ``side_title`` is for people."""

    id: str
    name: str
    emoji: str
    color: str
    side: str | None = None
    side_title: str = ""
    stance: Literal["for", "against", "neutral"] = "neutral"
    moderator: bool = False
    style: str = ""
    voice: dict[str, str | float] = {}
    model: str = ""


class PhaseCast(_Value):
    key: str
    title: str
    turns: int


class HintTaken(_Value):
    """A hint as a prompt got it; ``name`` is what the viewer calls itself, maybe empty."""

    id: str
    viewer: str
    name: str = ""
    text: str


class Usage(_Value):
    """Tokens of a turn over all its attempts; ``estimated`` where a provider did not say."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = Decimal(0)
    estimated: bool = False
    attempts: int = 0


class ShowStarted(_Event):
    type: Literal["show_started"] = "show_started"
    schema_version: int = SCHEMA_VERSION
    show: str
    scenario: str
    motion: str
    title: str
    language: str = "en"
    format: str
    format_title: str = ""
    seed: int
    agents: tuple[AgentCast, ...]
    phases: tuple[PhaseCast, ...]
    turns: int
    hints_open: bool = True
    max_hint_chars: int = 280
    hint_interval_s: float = Field(default=5.0, description="Least time between two hints of one viewer, in seconds.")


class EpochBegan(_Event):
    """Somebody has taken over writing; the first writer's epoch is 0. Whoever wrote before can add nothing any more."""

    type: Literal["epoch_began"] = "epoch_began"
    epoch: int


class PhaseStarted(_Event):
    """``speaker`` is the agent of the phase's first turn."""

    type: Literal["phase_started"] = "phase_started"
    phase: int
    key: str
    title: str
    speaker: str


class Stake(_Value):
    """The most that one call of a model may take."""

    model: str
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal = Decimal(0)


class TurnPrepared(_Event):
    """The prompt is built and the model is being asked: the speaker is thinking, nothing is on air yet.

    ``stake`` counts as spent where the process dies before the call is settled: its provider bills it all the same.
    """

    type: Literal["turn_prepared"] = "turn_prepared"
    turn: int
    phase: int
    speaker: str
    hints: tuple[str, ...] = ()
    prompt_digest: str
    prompt_words: int
    stake: Stake | None = None


class TurnStarted(_Event):
    """The speaker is on air from here. ``model`` is whose words these are, empty for an apology of the program's."""

    type: Literal["turn_started"] = "turn_started"
    turn: int
    phase: int
    speaker: str
    side: str | None = None
    role: str = ""
    kind: str = "speech"
    addresses: str = ""
    max_words: int
    hints: tuple[HintTaken, ...] = ()
    prompt_digest: str = ""
    model: str = ""


class ThoughtNoted(_Event):
    type: Literal["thought_noted"] = "thought_noted"
    turn: int
    speaker: str
    text: str


class ToolCalled(_Event):
    type: Literal["tool_called"] = "tool_called"
    turn: int
    speaker: str
    call: str
    name: str
    arguments: str = ""


class ToolAnswered(_Event):
    type: Literal["tool_answered"] = "tool_answered"
    turn: int
    speaker: str
    call: str
    text: str


class ChunkAired(_Event):
    """``index`` counts from 0 in its turn; the turn's chunks joined are its speech, byte for byte."""

    type: Literal["chunk_aired"] = "chunk_aired"
    turn: int
    index: int
    speaker: str
    text: str
    due: float = Field(default=0.0, description="Planned instant on the show's monotonic clock, in seconds.")


class SpeechHeldBack(_Event):
    """A piece of a speech, or of thinking, that was not aired and never will be; its text is nowhere.

    ``by`` is who objected: words (the list), provider or hook. ``chars`` is how long it was. What follows such a piece
    of a speech is not aired either.
    """

    type: Literal["speech_held_back"] = "speech_held_back"
    turn: int
    speaker: str
    model: str
    by: str
    reason: str
    chars: int
    what: Literal["speech", "thought"] = "speech"


class TurnEnded(_Event):
    """How a turn ended.

    ``completed`` by the speaker, ``clipped`` at its limit, ``aborted`` with what was aired so far standing, or
    ``skipped``: without a word, or, by the producer, with those that were aired. ``kind`` is the turn's. ``again`` says
    that it was broken off through no fault of its own, and is held again under the next number. ``apology`` says that
    what was aired is no speech: there was none, and the program said so in the speaker's name. ``held_back`` says that
    the speech, or the rest of it, was not let on air.
    """

    type: Literal["turn_ended"] = "turn_ended"
    turn: int
    speaker: str
    how: Literal["completed", "clipped", "aborted", "skipped"]
    kind: str = "speech"
    detail: str = ""
    again: bool = False
    apology: bool = False
    held_back: bool = False
    chunks: int = 0
    words: int = 0
    usage: Usage = Usage()
    first_token_s: float | None = None
    first_sentence_s: float | None = None


class HintOffered(_Event):
    """What arrived, before screening. ``viewer`` is an opaque id; ``source`` the target it came through."""

    type: Literal["hint_offered"] = "hint_offered"
    hint: str
    viewer: str
    name: str = ""
    text: str
    to: str = ""
    source: str = ""


class HintHeld(_Event):
    """As ``hint_accepted``, but the producer is to approve it first."""

    type: Literal["hint_held"] = "hint_held"
    hint: str
    viewer: str
    name: str = ""
    text: str
    to: str = ""


class HintAccepted(_Event):
    """``to`` is the agent or side it is for, empty for whoever speaks next; ``text`` is the cleaned text."""

    type: Literal["hint_accepted"] = "hint_accepted"
    hint: str
    viewer: str
    name: str = ""
    text: str
    to: str = ""


class HintDeclined(_Event):
    """``reason`` is one word.

    too_long, empty, duplicate, too_fast, filtered, unknown_addressee, closed, full; muted, or producer, who may still
    decline a hint that was accepted.
    """

    type: Literal["hint_declined"] = "hint_declined"
    hint: str
    viewer: str
    reason: str


class HintUsed(_Event):
    type: Literal["hint_used"] = "hint_used"
    hint: str
    viewer: str
    turn: int
    speaker: str


class HintExpired(_Event):
    """``reason``: lifetime or show_ended."""

    type: Literal["hint_expired"] = "hint_expired"
    hint: str
    viewer: str
    reason: str


class MoneySpent(_Event):
    """One attempt of one model call, settled. ``speaker`` is who was to say the words.

    ``outcome`` is ``lost`` where the process that made the call has died, and what it took is not known.
    """

    type: Literal["money_spent"] = "money_spent"
    turn: int
    speaker: str = ""
    model: str
    attempt: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal = Decimal(0)
    estimated: bool = False
    outcome: str = "completed"


class ConnectionUp(_Event):
    type: Literal["connection_up"] = "connection_up"
    agent: str
    target: str
    room: str
    dialect: str = ""
    part: int = 1


class ConnectionDown(_Event):
    """``delivered`` counts chunks known to have arrived, ``sent`` those handed to a socket."""

    type: Literal["connection_down"] = "connection_down"
    agent: str
    target: str
    reason: str
    sent: int = 0
    delivered: int = 0
    final: bool = False


VoteName = Literal["before", "after"]
"""Which vote: before the first argument, or after the last."""


class VoteChoice(_Value):
    """A side, or ``undecided``; ``title`` is for people."""

    id: str
    title: str


class VoteOpened(_Event):
    """``seconds`` is how long the vote is open at least."""

    type: Literal["vote_opened"] = "vote_opened"
    vote: VoteName
    method: Literal["swing", "single"]
    choices: tuple[VoteChoice, ...]
    seconds: float


class VoteClosed(_Event):
    type: Literal["vote_closed"] = "vote_closed"
    vote: VoteName


class VoteCounted(_Event):
    """What a target counted, by choice. It comes after the vote was closed, once from each target that takes votes."""

    type: Literal["vote_counted"] = "vote_counted"
    vote: VoteName
    target: str
    counts: dict[str, int]


class VerdictGiven(_Event):
    """Who won the votes. ``before`` and ``after`` are those of all targets together, None where nobody counted any.

    ``leaders`` are the sides in front: one where ``won``. ``changes`` are shares gained since ``before``, from -1 to 1;
    of a single vote, shares. ``why`` says why there is no result.
    """

    type: Literal["verdict_given"] = "verdict_given"
    method: Literal["swing", "single"]
    outcome: Literal["won", "tied", "no_result"]
    leaders: tuple[str, ...] = ()
    changes: dict[str, float] = {}
    before: dict[str, int] | None = None
    after: dict[str, int] | None = None
    why: Literal["not_taken", "no_votes", "one_sided", ""] = ""


ProducerCommand = Literal[
    "pause",
    "resume",
    "skip",
    "end",
    "inject",
    "context",
    "approve",
    "decline",
    "mute",
    "unmute",
    "approval_on",
    "approval_off",
    "open_vote",
    "close_vote",
]


class ProducerActed(_Event):
    """What the show's producer has ordered; it takes effect behind this. ``by`` is who it says it is.

    ``text`` is for ``inject`` and ``context``, ``hint`` for ``approve`` and ``decline``, ``viewer`` for ``mute`` and
    ``unmute``.
    """

    type: Literal["producer_acted"] = "producer_acted"
    command: ProducerCommand
    by: str = ""
    text: str = ""
    hint: str = ""
    viewer: str = ""


Pause = Literal["producer", "models"]
"""Who holds a show: its producer, or models of which none answers."""


class ShowPaused(_Event):
    """Nothing is aired from here until ``show_resumed``."""

    type: Literal["show_paused"] = "show_paused"
    why: Pause = "producer"


class ShowResumed(_Event):
    type: Literal["show_resumed"] = "show_resumed"


ShowEnding = Literal["completed", "budget", "producer", "interrupted", "failed"]


class ShowEnded(_Event):
    type: Literal["show_ended"] = "show_ended"
    why: ShowEnding
    detail: str = ""


ShowEvent = Annotated[
    ShowStarted
    | EpochBegan
    | PhaseStarted
    | TurnPrepared
    | TurnStarted
    | ThoughtNoted
    | ToolCalled
    | ToolAnswered
    | ChunkAired
    | SpeechHeldBack
    | TurnEnded
    | HintOffered
    | HintHeld
    | HintAccepted
    | HintDeclined
    | HintUsed
    | HintExpired
    | VoteOpened
    | VoteClosed
    | VoteCounted
    | VerdictGiven
    | ProducerActed
    | ShowPaused
    | ShowResumed
    | MoneySpent
    | ConnectionUp
    | ConnectionDown
    | ShowEnded,
    Field(discriminator="type"),
]
# The cache is shared by the whole process: what people say, which never comes again, would fill it with 16,000 strings
# that are strewn over the memory of the hours in which they were said.
_adapter: TypeAdapter[ShowEvent] = TypeAdapter(ShowEvent, config=ConfigDict(cache_strings="keys"))


def encode(event: ShowEvent) -> str:
    """Return the event as the log stores it: a JSON object without ``seq``."""
    return event.model_dump_json(exclude={"seq"})


def decode(record: Record) -> ShowEvent:
    """Return the event of a log record, its ``seq`` filled in.

    Raises:
        LogError: The record is not an event of a show log.
    """
    try:
        event = _adapter.validate_json(record.body)
    except ValidationError as exc:
        raise LogError("show", f"record {record.seq}: {exc.errors()[0]['msg']}") from exc
    return event.model_copy(update={"seq": record.seq})


def stream_of(show: str) -> str:
    """Return the name of the show's log stream."""
    return f"show/{show}"
