"""The ballot box of a show: one vote for each viewer, the last one counts, and none after the close.

What is open and what is closed follows the show's public events alone, so that a box made anew from the air log is
where the old one was. Votes themselves are kept in a stream of their own, under digests of the viewers' ids, for a
stage that is started again while a vote is open. Who has won is the caster's to say.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from debate_caster.clock import Clock
from debate_caster.errors import FencedError, LogError
from debate_caster.log import EventLog
from debate_caster.stage.hints import network_of
from debate_caster.stage.rates import Rates
from debate_caster.stage.refusals import RefusedError
from debate_caster.stage.vocabulary import json_bytes

__all__ = ["BallotBox", "VoteRefusedError", "votes_stream_of"]

logger = structlog.get_logger()

VOTERS_LIMIT = 50_000
"""Viewers who may vote in one poll: ten times the audience that a stage is made for, and 10 MB."""

VIEWER_BURST, VIEWER_PER_S = 5, 1 / 2
ADDRESS_BURST, ADDRESS_PER_S = 60, 3.0
"""A viewer may change its mind at once a few times, then every 2 s. All viewers behind one address are a class of
students, not an army of made-up ids: 120 of them within the usual 20 s."""

TALLY_INTERVAL_S = 1.0
"""How often viewers hear the standing of an open vote, and votes are written to disk, at most."""

LONGEST_CHOICE = 64


class VoteRefusedError(RefusedError):
    """``code``: no_vote, vote_closed, bad_choice, bad_request, too_fast or full."""


@dataclass(slots=True)
class _Poll:
    vote: str
    method: str
    choices: tuple[dict[str, str], ...]
    seconds: float
    opened_at: str
    open: bool = True
    ballots: dict[bytes, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        votes = Counter(self.ballots.values())
        return {choice["id"]: votes[choice["id"]] for choice in self.choices}

    def takes(self, choice: str) -> bool:
        return any(known["id"] == choice for known in self.choices)


class BallotBox:
    """``note`` every event that was aired; ``run`` tells viewers the standing and stores votes, for ever.

    ``counted`` are the counts that have been aired, by vote.
    """

    def __init__(self, log: EventLog, show: str, *, clock: Clock) -> None:
        self.counted: dict[str, dict[str, int]] = {}
        self._log, self._stream, self._clock = log, votes_stream_of(show), clock
        self._viewers = Rates(clock, burst=VIEWER_BURST, per_second=VIEWER_PER_S)
        self._addresses = Rates(clock, burst=ADDRESS_BURST, per_second=ADDRESS_PER_S)
        self._poll: _Poll | None = None
        self._unstored: dict[tuple[str, bytes], str] = {}
        self._head = 0
        self._news = asyncio.Event()

    # -- what the show says --------------------------------------------------------------------------------------

    def note(self, event: Mapping[str, Any]) -> None:
        """Follow the show: a vote is open between its two events, and never after the show's end."""
        match event.get("type"):
            case "vote_opened":
                choices = tuple({"id": one["id"], "title": one.get("title") or one["id"]} for one in event["choices"])
                self._poll = _Poll(
                    event["vote"], event.get("method", ""), choices, event.get("seconds", 0.0), event.get("at", "")
                )
            case "vote_closed" if self._poll is not None and self._poll.vote == event["vote"]:
                self._poll.open = False
            case "vote_counted":
                self.counted[event["vote"]] = dict(event["counts"])
            case "show_ended" if self._poll is not None:
                self._poll.open = False
            case _:
                pass

    def uncounted(self) -> dict[str, Any] | None:
        """Return the event that says how a vote went that is closed and was not counted yet, if there is one."""
        poll = self._poll
        if poll is None or poll.open or poll.vote in self.counted:
            return None
        counts = poll.counts()
        return {"type": "vote_counted", "vote": poll.vote, "counts": counts, "votes": sum(counts.values())}

    def as_json(self) -> dict[str, Any] | None:
        """Return the vote that is open and how it stands, as a summary has it."""
        poll = self._poll
        if poll is None or not poll.open:
            return None
        facts = {"method": poll.method, "choices": poll.choices, "seconds": poll.seconds, "opened_at": poll.opened_at}
        return {"vote": poll.vote, **facts, **self._standing(poll)}

    # -- what viewers say ----------------------------------------------------------------------------------------

    def cast(self, *, viewer: str, address: str, choice: object, vote: object = None) -> dict[str, Any]:
        """Take a viewer's vote instead of its last one; return what to tell the viewer.

        ``vote`` says which vote is meant; where it is None, the one that is open.

        Raises:
            VoteRefusedError: There is no vote, or it is over, or this is no choice, or it comes too soon after others.
        """
        if not isinstance(choice, str) or len(choice) > LONGEST_CHOICE or not (vote is None or isinstance(vote, str)):
            raise VoteRefusedError("bad_request", "'choice' is to be one of the vote's choices, 'vote' its name.")
        poll = self._poll
        if poll is None:
            raise VoteRefusedError("no_vote", "There is no vote in this show now.")
        if not poll.open or vote not in {None, poll.vote}:
            raise VoteRefusedError("vote_closed", "This vote is over: votes that come late do not count.")
        if not poll.takes(choice):
            raise VoteRefusedError("bad_choice", "That is none of the choices.")
        network = network_of(address)
        if wait_s := max(self._viewers.wait_s(viewer), self._addresses.wait_s(network)):
            raise VoteRefusedError("too_fast", "Too many votes at once: wait a little.", retry_after=wait_s)
        voter = digest(viewer)
        if voter not in poll.ballots and len(poll.ballots) >= VOTERS_LIMIT:
            raise VoteRefusedError("full", "More people vote than this stage can count.")
        self._viewers.take(viewer)
        self._addresses.take(network)
        if poll.ballots.get(voter) != choice:
            poll.ballots[voter] = choice
            self._unstored[poll.vote, voter] = choice
            self._news.set()
        return self._taken(poll, choice)

    def choice_of(self, viewer: str) -> dict[str, Any] | None:
        """Return what to tell a viewer who comes back about its vote in the poll that is open; None without one."""
        poll = self._poll
        choice = poll.ballots.get(digest(viewer)) if poll is not None and poll.open else None
        return self._taken(poll, choice) if poll is not None and choice is not None else None

    # -- in the background ---------------------------------------------------------------------------------------

    async def run(self, tell: Callable[[bytes], Awaitable[None]]) -> None:
        """Store votes and tell viewers how an open vote stands, for ever, at most once a second."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._store()
            if self._poll is not None and self._poll.open:
                await tell(json_bytes({"type": "vote_tally", "vote": self._poll.vote, **self._standing(self._poll)}))
            await self._clock.sleep(TALLY_INTERVAL_S)

    async def load(self) -> None:
        """Take up the votes that were stored for a poll that has not been counted.

        Raises:
            LogError: The log can't be read.
        """
        poll = self._poll
        if poll is None or poll.vote in self.counted:
            return
        while records := await self._log.read(self._stream, self._head):
            for record in records:
                self._head = record.seq
                ballot = json.loads(record.body)
                if ballot["vote"] == poll.vote and poll.takes(ballot["choice"]):
                    poll.ballots[bytes.fromhex(ballot["voter"])] = ballot["choice"]

    async def _store(self) -> None:
        """Write what is new. A log that can't be written costs nobody a vote: it only would not outlive this stage."""
        ballots, self._unstored = self._unstored, {}
        if not ballots:
            return
        bodies = [
            json.dumps({"vote": vote, "voter": voter.hex(), "choice": choice}, separators=(",", ":"))
            for (vote, voter), choice in ballots.items()
        ]
        try:
            if not self._head:
                self._head = await self._log.last_seq(self._stream)
            self._head = await self._log.append(self._stream, bodies, expect=self._head)
        except LogError as exc:
            logger.warning("votes_not_stored", stream=self._stream, votes=len(bodies), error=str(exc))
            self._unstored = ballots | self._unstored
            self._head = 0 if isinstance(exc, FencedError) else self._head

    @staticmethod
    def _standing(poll: _Poll) -> dict[str, Any]:
        return {"counts": poll.counts(), "votes": len(poll.ballots)}

    @staticmethod
    def _taken(poll: _Poll, choice: str) -> dict[str, Any]:
        return {"type": "vote_taken", "vote": poll.vote, "choice": choice}


def votes_stream_of(show: str) -> str:
    """Return the name of the stream of a show's votes in the event log."""
    return f"votes/{show}"


def digest(viewer: str) -> bytes:
    """Return what is kept of a viewer's id, which is its secret."""
    return hashlib.sha256(f"vote {viewer}".encode()).digest()[:16]
