"""The vote desk: opens and closes the audience's votes, takes in what targets counted, and gives the verdict.

Nobody votes here: viewers vote where they watch, and only what a target counted is a vote. A show none of whose targets
takes votes has none. What the desk knows is in the show's log, but for who takes votes.
"""

import asyncio
from collections.abc import Mapping

import structlog

from debate_caster.clock import Clock
from debate_caster.errors import FencedError, LogError
from debate_caster.scenario.rundown import Rundown, Turn
from debate_caster.scenario.script import Scenario
from debate_caster.show.events import VerdictGiven, VoteChoice, VoteClosed, VoteCounted, VoteName, VoteOpened
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.voting import UNDECIDED, add_counts, decide

__all__ = ["VoteDesk"]

logger = structlog.get_logger()

COUNTING_S = 10.0
"""How long the end of a show waits for targets to count: as long as they may take to acknowledge a line."""

VOTES_LIMIT = 10**9
"""More for one choice than this is no count of people."""


class VoteDesk:
    """One show's. ``takes_votes`` and ``count`` are for connections; the rest is the director's."""

    def __init__(self, scenario: Scenario, rundown: Rundown, writer: ShowLogWriter, *, clock: Clock) -> None:
        rules = scenario.format
        self._method = scenario.audience.votes if rules.sides else "off"
        self._vote_s, self._sides = scenario.audience.vote_s, rules.sides
        self._choices = (
            *(VoteChoice(id=side, title=rules.side_titles.get(side, side)) for side in rules.sides),
            VoteChoice(id=UNDECIDED, title="Undecided"),
        )
        moderators = {agent.id for agent in scenario.agents if agent.moderator}
        self._opener = next((turn.index for turn in rundown.turns if turn.speaker not in moderators), 0)
        self._writer, self._clock = writer, clock
        self._targets: set[str] = set()
        self._first_open_until = float("-inf")
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
        early = self._writer.transcript.next_turn <= self._opener
        if poll is None and self._method == "swing" and early and await self._open("before", self._vote_s):
            self._first_open_until = self._clock.monotonic() + self._vote_s

    def earliest(self, turn: Turn) -> float:
        """Return before which instant ``turn`` may not begin, on the clock's monotonic time, since a vote is open.

        A moderator may speak meanwhile; the first debater waits.
        """
        return self._first_open_until if turn.index >= self._opener else float("-inf")

    def closing(self, turn: Turn) -> tuple[VoteClosed, ...]:
        """Return what is to be logged before ``turn``: the end of the first vote, if the turn is where it ends."""
        due = turn.index >= self._opener and self._clock.monotonic() >= self._first_open_until - 0.001
        return self.break_off() if due else ()

    def break_off(self) -> tuple[VoteClosed, ...]:
        """Return what closes the vote that is open, if one is."""
        polls = self._writer.transcript.polls
        return tuple(VoteClosed(at=self._writer.now(), vote=poll.vote) for poll in polls if poll.open)

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
        if left_open := self.break_off():
            await self._writer.append(*left_open)
        if transcript.poll("after") is None and seconds > 0 and await self._open("after", seconds):
            await self._clock.sleep(seconds)
            await self._writer.append(VoteClosed(at=self._writer.now(), vote="after"))
        if self._writer.transcript.polls:
            await self._until_counted()
            await self._give_verdict()

    async def _open(self, vote: VoteName, seconds: float) -> bool:
        if not self._targets or self._method == "off":
            logger.info("vote_not_held", vote=vote, reason="no target takes votes")
            return False
        at = self._writer.now()
        opened = VoteOpened(at=at, vote=vote, method=self._method, choices=self._choices, seconds=seconds)
        await self._writer.append(opened)
        return True

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
