"""What a show log amounts to: the state of a show after its events so far, as a frozen value.

A fold: ``Transcript().advance(event)`` for each event in order. Every prefix of a log that a show has written gives a
state that can be worked with; an event that cannot follow is refused. What the state holds is bounded, but for the
speeches themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from debate_caster.errors import LogError
from debate_caster.log import EventLog
from debate_caster.show.events import (
    AgentCast,
    ChunkAired,
    ConnectionDown,
    ConnectionUp,
    EpochBegan,
    HintAccepted,
    HintDeclined,
    HintExpired,
    HintHeld,
    HintOffered,
    HintTaken,
    HintUsed,
    MoneySpent,
    Pause,
    PhaseStarted,
    ProducerActed,
    ShowEnded,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    ShowStarted,
    SpeechHeldBack,
    ThoughtNoted,
    ToolAnswered,
    ToolCalled,
    TurnEnded,
    TurnPrepared,
    TurnStarted,
    Usage,
    VerdictGiven,
    VoteChoice,
    VoteClosed,
    VoteCounted,
    VoteName,
    VoteOpened,
    decode,
    stream_of,
)

__all__ = [
    "INTERJECTION",
    "HintTally",
    "Note",
    "OpenTurn",
    "PendingHint",
    "Poll",
    "Speech",
    "Transcript",
    "fold",
    "read_transcript",
]

NOTHING = Usage()

INTERJECTION: Final = "interjection"
"""The kind of a turn that is not in the rundown: the moderator says what the producer wants said."""

ACTS_KEPT = 50
MUTED_KEPT = 500
NOTES_KEPT = 20
"""Of what the producer did, and of the viewers and notes that it left behind, so many; the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A turn that has ended. ``text`` is its chunks joined; empty where it was skipped before its first one.

    ``again`` says that it was broken off, and that the next one is held in its place; ``apology``, that the text says
    no more than that there is no speech; ``held_back``, that it was not let on air, or not all of it.
    """

    turn: int
    phase: int
    speaker: str
    text: str
    how: Literal["completed", "clipped", "aborted", "skipped"]
    role: str = ""
    kind: str = "speech"
    addresses: str = ""
    hints: tuple[HintTaken, ...] = ()
    detail: str = ""
    again: bool = False
    apology: bool = False
    held_back: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    words: int = 0
    usage: Usage = NOTHING


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """The turn on air; an interjection says ``note``."""

    started: TurnStarted
    chunks: tuple[str, ...] = ()
    note: "Note | None" = None

    @property
    def text(self) -> str:
        return "".join(self.chunks)


@dataclass(frozen=True, slots=True)
class PendingHint:
    """An accepted hint that no turn has used yet; ``turns_ended`` is how many turns were over when it came."""

    id: str
    viewer: str
    name: str
    text: str
    to: str
    turns_ended: int


@dataclass(frozen=True, slots=True)
class Note:
    """What the producer wants said; ``turns_ended`` is how many turns were over when it came."""

    seq: int
    text: str
    turns_ended: int


@dataclass(frozen=True, slots=True)
class HintTally:
    """How many hints were offered, and what became of them."""

    offered: int = 0
    accepted: int = 0
    declined: int = 0
    used: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Poll:
    """A vote that was opened. ``counts`` are what each target counted, by choice, once it was closed."""

    vote: VoteName
    choices: tuple[VoteChoice, ...]
    open: bool = True
    counts: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()

    @property
    def counted_by(self) -> frozenset[str]:
        return frozenset(target for target, _ in self.counts)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A show so far.

    ``started`` is None before its first event; after ``ended`` only connections come and go. ``prepared`` are the turns
    whose models have been asked and which have not begun: two of them in the pause before a short speech. A turn that
    was skipped before its first word has a speech without text. ``held`` are hints that wait for the producer,
    ``notes`` what it wants said and nobody has said yet, ``context`` what every prompt is to say; ``approval`` is None
    where it has left the scenario's setting alone. ``at_stake`` are turns with a model call that is not settled.
    ``epoch`` is who writes, ``on_air_s`` how long the show has been on air, without pauses and without the time between
    two epochs, ``outage_s`` how long it has waited for models.
    ``parts`` are how many rooms an agent has had on a target.
    """

    seq: int = 0
    at: datetime | None = None
    epoch: int = 0
    on_air_s: float = 0.0
    outage_s: float = 0.0
    started: ShowStarted | None = None
    phase: PhaseStarted | None = None
    prepared: tuple[TurnPrepared, ...] = ()
    open: OpenTurn | None = None
    speeches: tuple[Speech, ...] = ()
    undecided: tuple[str, ...] = ()
    pending: tuple[PendingHint, ...] = ()
    held: tuple[PendingHint, ...] = ()
    hints: HintTally = HintTally()
    polls: tuple[Poll, ...] = ()
    verdict: VerdictGiven | None = None
    spent: Usage = NOTHING
    spent_by_model: tuple[tuple[str, Usage], ...] = ()
    at_stake: tuple[TurnPrepared, ...] = ()
    connected: frozenset[tuple[str, str]] = frozenset()
    parts: tuple[tuple[tuple[str, str], int], ...] = ()
    paused_by: Pause | None = None
    approval: bool | None = None
    muted: tuple[str, ...] = ()
    context: str = ""
    notes: tuple[Note, ...] = ()
    acts: tuple[ProducerActed, ...] = ()
    ended: ShowEnded | None = None

    @property
    def paused(self) -> bool:
        return self.paused_by is not None

    @property
    def next_turn(self) -> int:
        """The index of the first turn that has not ended."""
        return self.speeches[-1].turn + 1 if self.speeches else 0

    @property
    def next_place(self) -> int:
        """The place in the rundown of the first turn of it that has not ended."""
        return self.next_turn - sum(speech.kind == INTERJECTION or speech.again for speech in self.speeches)

    @property
    def agents(self) -> tuple[AgentCast, ...]:
        return self.started.agents if self.started else ()

    def poll(self, vote: VoteName) -> Poll | None:
        """Return a vote that was opened, None where it was not."""
        return next((poll for poll in self.polls if poll.vote == vote), None)

    def agent(self, agent_id: str) -> AgentCast:
        """Return an agent of the cast; raises ``KeyError`` for a stranger."""
        for agent in self.agents:
            if agent.id == agent_id:
                return agent
        raise KeyError(agent_id)

    def advance(self, event: ShowEvent) -> "Transcript":
        """Return the state after ``event``.

        Raises:
            LogError: The event cannot follow: nothing that was written by a show looks like this.
        """
        if self.ended is not None and not isinstance(event, ConnectionUp | ConnectionDown):
            raise _illegal(event, "the show has ended")
        if (self.started is None) != isinstance(event, ShowStarted):
            raise _illegal(event, "a show begins with show_started, once")
        on_air_s, outage_s = self.on_air_s, self.outage_s
        if self.at is not None and not (self.ended or isinstance(event, EpochBegan)):
            passed_s = max((event.at - self.at).total_seconds(), 0.0)
            on_air_s += 0.0 if self.paused else passed_s
            outage_s += passed_s if self.paused_by == "models" else 0.0
        after = self._applied(event)
        return replace(after, seq=event.seq or self.seq + 1, at=event.at, on_air_s=on_air_s, outage_s=outage_s)

    def _applied(self, event: ShowEvent) -> "Transcript":
        match event:
            case ShowStarted():
                return replace(self, started=event)
            case EpochBegan():
                if event.epoch <= self.epoch:
                    raise _illegal(event, f"epoch {self.epoch} is not followed by {event.epoch}")
                return replace(self, epoch=event.epoch)
            case PhaseStarted():
                return replace(self, phase=event)
            case TurnPrepared():
                return self._prepare(event)
            case TurnStarted():
                return self._start(event)
            case ChunkAired():
                return self._air(event)
            case TurnEnded():
                return self._end(event)
            case MoneySpent():
                return self._spend(event)
            case HintOffered() | HintHeld() | HintAccepted() | HintDeclined() | HintUsed() | HintExpired():
                return self._hint(event)
            case ProducerActed():
                return self._act(event)
            case ShowPaused() | ShowResumed():
                if self.paused == isinstance(event, ShowPaused):
                    raise _illegal(event, "that is how it is already")
                return replace(self, paused_by=event.why if isinstance(event, ShowPaused) else None)
            case VoteOpened() | VoteClosed() | VoteCounted():
                return self._vote(event)
            case VerdictGiven():
                if self.verdict is not None or any(poll.open for poll in self.polls):
                    raise _illegal(event, "one verdict is given, when all votes are closed")
                return replace(self, verdict=event)
            case ConnectionUp():
                who = (event.agent, event.target)
                parts = dict(self.parts) | {who: event.part}
                return replace(self, connected=self.connected | {who}, parts=tuple(parts.items()))
            case ConnectionDown():
                return replace(self, connected=self.connected - {(event.agent, event.target)})
            case ShowEnded():
                return self._close(event)
            case ThoughtNoted() | ToolCalled() | ToolAnswered() | SpeechHeldBack():
                return self

    def _prepare(self, event: TurnPrepared) -> "Transcript":
        """Take in that a turn is being prepared; maybe anew, since another one was put before it."""
        first = self.next_turn + (self.open is not None)
        expected = self.prepared[-1].turn + 1 if self.prepared else first
        if not first <= event.turn <= expected:
            raise _illegal(event, f"turn {expected} comes next")
        return replace(
            self,
            prepared=(*(entry for entry in self.prepared if entry.turn < event.turn), event),
            at_stake=still_at_stake(self.at_stake, event),
        )

    def _start(self, event: TurnStarted) -> "Transcript":
        if self.open is not None:
            raise _illegal(event, f"turn {self.open.started.turn} is on air")
        if event.turn != self.next_turn:
            raise _illegal(event, f"turn {self.next_turn} comes next")
        said = self.notes[:1] if event.kind == INTERJECTION else ()
        opened = OpenTurn(event, note=said[0] if said else None)
        notes = self.notes[len(said) :]
        return replace(self, open=opened, prepared=self._prepared_after(event.turn), notes=notes)

    def _air(self, event: ChunkAired) -> "Transcript":
        if self.open is None or self.open.started.turn != event.turn or event.index != len(self.open.chunks):
            raise _illegal(event, f"chunk {event.index} of turn {event.turn} is not what comes next")
        return replace(self, open=replace(self.open, chunks=(*self.open.chunks, event.text)))

    def _end(self, event: TurnEnded) -> "Transcript":
        if event.turn != self.next_turn or (self.open is None and event.how != "skipped"):
            raise _illegal(event, f"turn {event.turn} cannot end as {event.how}")
        notes = self.notes
        if self.open is None:
            phase = self.phase.phase if self.phase else 0
            speech = Speech(event.turn, phase, event.speaker, "", event.how, kind=event.kind, ended_at=event.at)
            notes = notes[1:] if event.kind == INTERJECTION else notes
        else:
            start = self.open.started
            if event.again and self.open.note is not None:
                notes = (self.open.note, *notes)
            speech = Speech(
                turn=start.turn,
                phase=start.phase,
                speaker=start.speaker,
                text=self.open.text,
                how=event.how,
                role=start.role,
                kind=start.kind,
                addresses=start.addresses,
                hints=start.hints,
                started_at=start.at,
                ended_at=event.at,
            )
        speech = replace(
            speech,
            detail=event.detail,
            again=event.again,
            apology=event.apology,
            held_back=event.held_back,
            words=event.words,
            usage=event.usage,
        )
        prepared = self._prepared_after(event.turn)
        if not any(agent.moderator for agent in self.agents):  # every debater has had it in a prompt by then
            notes = tuple(note for note in notes if len(self.speeches) + 1 - note.turns_ended < len(self.agents))
        return replace(
            self,
            open=None,
            prepared=prepared,
            speeches=(*self.speeches, speech),
            notes=notes,
            at_stake=still_at_stake(self.at_stake, event),
        )

    def _prepared_after(self, turn: int) -> tuple[TurnPrepared, ...]:
        return tuple(prepared for prepared in self.prepared if prepared.turn > turn)

    def _spend(self, event: MoneySpent) -> "Transcript":
        by_model = dict(self.spent_by_model)
        by_model[event.model] = add_spending(by_model.get(event.model, NOTHING), event)
        return replace(
            self,
            spent=add_spending(self.spent, event),
            spent_by_model=tuple(by_model.items()),
            at_stake=still_at_stake(self.at_stake, event),
        )

    def _act(self, event: ProducerActed) -> "Transcript":
        acted = replace(self, acts=(*self.acts, event)[-ACTS_KEPT:])
        match event.command:
            case "inject":
                note = Note(event.seq or self.seq + 1, event.text, len(self.speeches))
                return replace(acted, notes=(*self.notes, note)[-NOTES_KEPT:])
            case "context":
                return replace(acted, context=event.text)
            case "approval_on" | "approval_off":
                return replace(acted, approval=event.command == "approval_on")
            case "mute":
                return replace(acted, muted=(*self._but(event.viewer), event.viewer)[-MUTED_KEPT:])
            case "unmute":
                return replace(acted, muted=self._but(event.viewer))
            case _:
                return acted  # what comes of it is an event of its own

    def _but(self, viewer: str) -> tuple[str, ...]:
        return tuple(muted for muted in self.muted if muted != viewer)

    def _hint(
        self, event: HintOffered | HintHeld | HintAccepted | HintDeclined | HintUsed | HintExpired
    ) -> "Transcript":
        tally = self.hints
        match event:
            case HintOffered():
                if event.hint in self.undecided or any(hint.id == event.hint for hint in (*self.held, *self.pending)):
                    raise _illegal(event, f"hint {event.hint} has been offered before")
                return replace(
                    self,
                    undecided=(*self.undecided, event.hint),
                    hints=replace(tally, offered=tally.offered + 1),
                )
            case HintHeld():
                hint = PendingHint(event.hint, event.viewer, event.name, event.text, event.to, len(self.speeches))
                return replace(self._waiting_no_more(event, self.undecided), held=(*self.held, hint))
            case HintAccepted():
                before = next((hint for hint in self.held if hint.id == event.hint), None)
                since = before.turns_ended if before else len(self.speeches)
                hint = PendingHint(event.hint, event.viewer, event.name, event.text, event.to, since)
                rest = self._waiting_no_more(event, (*self.undecided, *_ids(self.held)))
                return replace(rest, pending=(*self.pending, hint), hints=replace(tally, accepted=tally.accepted + 1))
            case HintDeclined():
                queued = event.hint in _ids(self.pending)
                tally = replace(tally, declined=tally.declined + 1, accepted=tally.accepted - queued)
                rest = self._waiting_no_more(event, (*self.undecided, *_ids(self.held), *_ids(self.pending)))
                return replace(rest, hints=tally)
            case HintUsed():
                rest = self._waiting_no_more(event, _ids(self.pending))
                return replace(rest, hints=replace(tally, used=tally.used + 1))
            case HintExpired():
                rest = self._waiting_no_more(event, (*_ids(self.held), *_ids(self.pending)))
                return replace(rest, hints=replace(tally, expired=tally.expired + 1))

    def _waiting_no_more(
        self, event: HintHeld | HintAccepted | HintDeclined | HintUsed | HintExpired, among: tuple[str, ...]
    ) -> "Transcript":
        """Take a hint out of wherever it waits; it is to be ``among`` those for which the event makes sense."""
        if event.hint not in among:
            raise _illegal(event, f"hint {event.hint} does not wait for that")
        return replace(
            self,
            undecided=tuple(hint for hint in self.undecided if hint != event.hint),
            held=tuple(hint for hint in self.held if hint.id != event.hint),
            pending=tuple(hint for hint in self.pending if hint.id != event.hint),
        )

    def _vote(self, event: VoteOpened | VoteClosed | VoteCounted) -> "Transcript":
        poll = self.poll(event.vote)
        if isinstance(event, VoteOpened):
            if poll is not None or any(other.open for other in self.polls) or self.verdict is not None:
                raise _illegal(event, "a vote is opened once, when no other is open")
            return replace(self, polls=(*self.polls, Poll(event.vote, event.choices)))
        if poll is None or poll.open != isinstance(event, VoteClosed):
            raise _illegal(event, f"the vote {event.vote!r} {'is still open' if poll and poll.open else 'is not open'}")
        if isinstance(event, VoteClosed):
            changed = replace(poll, open=False)
        elif event.target in poll.counted_by:
            raise _illegal(event, f"{event.target} has counted before")
        else:
            changed = replace(poll, counts=(*poll.counts, (event.target, tuple(event.counts.items()))))
        return replace(self, polls=tuple(changed if other is poll else other for other in self.polls))

    def _close(self, event: ShowEnded) -> "Transcript":
        if self.open is not None:
            raise _illegal(event, f"turn {self.open.started.turn} is still on air")
        return replace(self, ended=event, prepared=(), paused_by=None)


def fold(events: Iterable[ShowEvent], *, start: Transcript | None = None) -> Transcript:
    """Return the state after ``events``, from the beginning or from ``start``; raises ``LogError`` as ``advance``."""
    transcript = start or Transcript()
    for event in events:
        transcript = transcript.advance(event)
    return transcript


async def read_transcript(log: EventLog, show: str, *, start: Transcript | None = None, page: int = 500) -> Transcript:
    """Return the state of a show as its log has it now, read from behind ``start``.

    Its ``started`` is None where there is no such show.

    Raises:
        LogError: The log can't be read, or is not a show's.
    """
    transcript = start or Transcript()
    while records := await log.read(stream_of(show), transcript.seq, limit=page):
        transcript = fold(map(decode, records), start=transcript)
    return transcript


def _ids(hints: Iterable[PendingHint]) -> tuple[str, ...]:
    return tuple(hint.id for hint in hints)


def still_at_stake(before: tuple[TurnPrepared, ...], event: ShowEvent) -> tuple[TurnPrepared, ...]:
    """Return the turns with a call that is not settled, after one more event.

    A call that failed may be followed by another one at once, so its turn's stake stays until the turn has ended.
    """
    match event:
        case TurnPrepared():
            return (*(entry for entry in before if entry.turn != event.turn), event)
        case MoneySpent(outcome="completed" | "clipped" | "cancelled" | "held_back" | "lost") | TurnEnded():
            return tuple(entry for entry in before if entry.turn != event.turn)
        case ShowEnded():
            return ()
        case _:
            return before


def add_spending(total: Usage, spent: MoneySpent) -> Usage:
    """Return ``total`` with one more attempt in it."""
    return Usage(
        prompt_tokens=total.prompt_tokens + spent.prompt_tokens,
        completion_tokens=total.completion_tokens + spent.completion_tokens,
        cost=total.cost + spent.cost,
        estimated=total.estimated or spent.estimated,
        attempts=total.attempts + 1,
    )


def _illegal(event: ShowEvent, problem: str) -> LogError:
    return LogError("show", f"{event.type} (record {event.seq}): {problem}")
