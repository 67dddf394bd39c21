"""The vote desk: opens and closes the audience's votes, takes in what targets counted, and gives the verdict.

Nobody votes here: viewers vote where they watch, and only what a target counted is a vote. A show none of whose targets
takes votes has none. What the desk knows is in the show's log, but for who takes votes.
"""

import asyncio
from collections.abc import Mapping

import structlog

from debate_caster.errors import FencedError, LogError
from debate_caster.scenario.rundown import Rundown, Turn
from debate_caster.scenario.script import Scenario
from debate_caster.show.events import (
    ProducerActed,
    VerdictGiven,
    VoteChoice,
    VoteClosed,
    VoteCounted,
    VoteName,
    VoteOpened,
)
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.show_time import Timekeeper
from debate_caster.show.transcript import Poll
from debate_caster.show.voting import UNDECIDED, add_counts, decide

__all__ = ["VoteDesk"]

logger = structlog.get_logger()

COUNTING_S = 10.0
"""How long the end of a show waits for targets to count: as long as they may take to acknowledge a line."""

VOTES_LIMIT = 10**9
"""More for one choice than this is no count of people."""


class VoteDesk:
    """One show's. ``takes_votes`` and ``count`` are for connections; the rest is the director's and the producer's.

    ``clock`` is the show's time: a pause keeps an open vote open.
    """

    def __init__(self, scenario: Scenario, rundown: Rundown, writer: ShowLogWriter, *, clock: Timekeeper) -> None:
        rules = scenario.format
        self._method = scenario.audience.votes if rules.sides else "off"
        self._vote_s, self._sides = scenario.audience.vote_s, rules.sides
        self._choices = (
            *(VoteChoice(id=side, title=rules.side_titles.get(side, side)) for side in rules.sides),
            VoteChoice(id=UNDECIDED, title="Undecided"),
        )
        self._moderators = {agent.id for agent in scenario.agents if agent.moderator}
        if all(turn.speaker in self._moderators for turn in rundown.turns):
            self._moderators = set()
        self._writer, self._clock = writer, clock
        self._targets: set[str] = set()
        self._first_open_until = self._last_open_until = float("-inf")
        self._closing: set[VoteName] = set()
        self._opening = asyncio.Lock()
        self._counting = asyncio.Lock()
        self._news = asyncio.Event()

    # -- for connections -----------------------------------------------------------------------------------------

    def takes_votes(self, target: str) -> None:
        """Note that viewers can vote on a target."""
        self._targets.add(target)

    async def count(self, target: str, vote: str, counts: Mapping[str, int]) -> None:
        """Log what a target counted. A repetition is ignored, and so is the count of a vote that is not closed.

        Raises:
            FencedError: Another writer is at work on this show.
        """
        async with self._counting:
            transcript = self._writer.transcript
            poll = next((poll for poll in transcript.polls if poll.vote == vote), None)
            late = transcript.verdict is not None or transcript.ended is not None
            if poll is None or poll.open or target in poll.counted_by or late:
                return
            votes = {choice.id: min(max(counts.get(choice.id, 0), 0), VOTES_LIMIT) for choice in poll.choices}
            counted = VoteCounted(at=self._writer.now(), vote=poll.vote, target=target, counts=votes)
            try:
                await self._writer.append(counted)
            except FencedError:
                raise
            except LogError as exc:  # the director meets it too, and knows what to do; without a count, no result
                logger.warning("count_lost", target=target, vote=vote, error=str(exc))
            self._news.set()

    # -- for the director ----------------------------------------------------------------------------------------

    async def open_first(self) -> None:
        """Open the vote before the first argument, where there is to be one and somebody to take it."""
        poll = self._writer.transcript.poll("before")
        if poll is not None and poll.open:  # the show goes on after a break: whoever comes back gets the whole time
            self._first_open_until = self._clock.monotonic() + self._vote_s
        async with self._opening:
            if self._method == "swing" and self._writer.transcript.poll("before") is None and not self._argued():
                await self._open("before", self._vote_s)

    def earliest(self, turn: Turn) -> float:
        """Return before which instant ``turn`` may not begin, on the clock's monotonic time, since a vote is open.

        A moderator may speak meanwhile; the first debater waits.
        """
        return self._first_open_until if self._argues(turn) else float("-inf")

    def closing(self, turn: Turn) -> tuple[VoteClosed, ...]:
        """Return what is to be logged before ``turn``: the end of the first vote, if the turn is where it ends."""
        due = self._argues(turn) and self._clock.monotonic() >= self._first_open_until - 0.001
        return self._ends(*(poll for poll in self._open_polls() if poll.vote == "before")) if due else ()

    def last_closing(self) -> tuple[VoteClosed, ...]:
        """Return what closes the vote that is open, if one is; for the end of the show, when nobody else logs."""
        self._closing.clear()
        return self._ends(*self._open_polls())

    async def take_last(self, seconds_left: float | None) -> None:
        """Hold the vote after the last argument, have it counted, and give the verdict; return when that is done.

        Nothing of it happens where it could decide nothing: no vote was held before, or ``seconds_left`` of the show
        is nothing (None is no limit).
        """
        transcript = self._writer.transcript
        seconds = self._vote_s if seconds_left is None else min(self._vote_s, seconds_left)
        if self._method == "off" or transcript.verdict is not None:
            return
        if self._method == "swing" and transcript.poll("before") is None:
            return
        async with self._opening:
            left_open = [poll for poll in self._open_polls() if poll.vote == "before"]
            if left_open:
                await self._writer.append(*self._ends(*left_open))
            poll = self._writer.transcript.poll("after")
            if poll is None and seconds > 0:
                await self._open("after", seconds)
            elif poll is not None and self._last_open_until == float("-inf"):  # the show was broken off meanwhile
                self._last_open_until = self._clock.monotonic() + seconds
        await self._until_closed("after", min(self._last_open_until, self._clock.monotonic() + seconds))
        if self._writer.transcript.polls:
            await self._until_counted()
            await self._give_verdict()

    # -- for the producer ----------------------------------------------------------------------------------------

    def may_open(self) -> VoteName | None:
        """Return the vote that could be opened now, if any: the first while nobody has argued, then the last."""
        transcript = self._writer.transcript
        if self._method == "off" or not self._targets or transcript.verdict is not None or self._open_polls():
            return None
        before = transcript.poll("before")
        if self._method == "swing" and before is None:
            return None if self._argued() else "before"
        return "after" if transcript.poll("after") is None and self._argued() else None

    def is_open(self) -> VoteName | None:
        """Return the vote that is open."""
        return next((poll.vote for poll in self._open_polls()), None)

    async def open_now(self, act: ProducerActed) -> str:
        """Log ``act`` and open the vote that comes next; return why not, empty where it is done.

        Raises:
            LogError: The log could not be written.
        """
        async with self._opening:
            vote = self.may_open()
            if vote is None:
                return "there is no vote to open now"
            await self._open(vote, self._vote_s, act)
            return ""

    async def close_now(self, act: ProducerActed) -> str:
        """Log ``act`` and close the vote that is open; return why not, empty where it is done.

        Raises:
            LogError: The log could not be written.
        """
        async with self._opening:
            closed = self._ends(*self._open_polls())
            if not closed:
                return "no vote is open"
            await self._writer.append(act, *closed)
            self._first_open_until = float("-inf")
            self._news.set()
            return ""

    # -- behind the scenes ---------------------------------------------------------------------------------------

    def _argues(self, turn: Turn) -> bool:
        """Whether the turn is a debater's, or comes after one; from there on the first vote has to be over."""
        return turn.speaker not in self._moderators or self._argued()

    def _argued(self) -> bool:
        """Whether a debater has had the floor."""
        transcript = self._writer.transcript
        on_air = transcript.open is not None and transcript.open.started.speaker not in self._moderators
        return on_air or any(speech.speaker not in self._moderators for speech in transcript.speeches)

    def _open_polls(self) -> list[Poll]:
        """Return the vote that is open and stays so: its end is not being logged."""
        return [poll for poll in self._writer.transcript.polls if poll.open and poll.vote not in self._closing]

    def _ends(self, *polls: Poll) -> tuple[VoteClosed, ...]:
        self._closing |= {poll.vote for poll in polls}
        return tuple(VoteClosed(at=self._writer.now(), vote=poll.vote) for poll in polls)

    async def _open(self, vote: VoteName, seconds: float, *first: ProducerActed) -> None:
        if not self._targets or self._method == "off":
            logger.info("vote_not_held", vote=vote, reason="no target takes votes")
            return
        at = self._writer.now()
        opened = VoteOpened(at=at, vote=vote, method=self._method, choices=self._choices, seconds=seconds)
        await self._writer.append(*first, opened)
        if vote == "before":
            self._first_open_until = self._clock.monotonic() + seconds
        else:
            self._last_open_until = self._clock.monotonic() + seconds

    async def _until_closed(self, vote: VoteName, deadline: float) -> None:
        """Wait until the producer has closed the vote, and close it at its time."""
        while vote in [poll.vote for poll in self._open_polls()]:
            self._news.clear()
            try:
                async with self._clock.timeout(max(deadline - self._clock.monotonic(), 0.0)):
                    await self._news.wait()
            except TimeoutError:
                await self._writer.append(*self._ends(*self._open_polls()))

    async def _until_counted(self) -> None:
        """Wait until every target that takes votes has counted all of them, but not for ever."""
        try:
            async with self._clock.timeout(COUNTING_S):
                while any(self._targets - poll.counted_by for poll in self._writer.transcript.polls):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            logger.warning("votes_not_counted", targets=sorted(self._targets))

    async def _give_verdict(self) -> None:
        async with self._counting:
            if self._method == "off":
                return
            before, after = self._tally("before"), self._tally("after")
            verdict = decide(self._method, self._sides, before=before, after=after)
            given = VerdictGiven(
                at=self._writer.now(),
                method=verdict.method,
                outcome=verdict.outcome,
                leaders=verdict.leaders,
                changes={side: round(float(change), 6) for side, change in verdict.changes},
                before=before,
                after=after,
                why=verdict.why or "",
            )
            await self._writer.append(given)

    def _tally(self, vote: VoteName) -> dict[str, int] | None:
        poll = self._writer.transcript.poll(vote)
        return add_counts(dict(counts) for _, counts in poll.counts) if poll is not None and poll.counts else None
