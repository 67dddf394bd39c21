"""Scenarios, models and shows for tests of the performance, built in code."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from debate_caster.clock import Clock, VirtualClock, run_virtual
from debate_caster.errors import ModelError
from debate_caster.llm.conversation import (
    LLM,
    Delta,
    Finished,
    ReasoningDelta,
    Request,
    Reviewer,
    TextDelta,
    UsageReported,
)
from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.scenario import Rundown, Scenario, plan
from debate_caster.scenario.script import (
    AgentScript,
    Audience,
    Budget,
    Format,
    ModelScript,
    Pacing,
    Persona,
    PhaseScript,
    TurnScript,
)
from debate_caster.show.control_desk import Answer as DeskAnswer
from debate_caster.show.control_desk import ControlDesk, Order, token_digest
from debate_caster.show.director import perform
from debate_caster.show.events import ShowEnded, ShowEvent, ShowStarted, VoteClosed, decode, encode, stream_of
from debate_caster.show.hints import HintDesk, Remark
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.show_time import ShowTime
from debate_caster.show.transcript import Transcript
from debate_caster.show.vote_desk import VoteDesk

SHOW = "evening-1"
TOKEN = "a producer's token, long enough"


def show_started(at: datetime) -> ShowStarted:
    """A log's first event, for tests of what comes after it."""
    return ShowStarted(
        at=at, show="s", scenario="x", motion="m", title="t", format="f", seed=1, agents=(), phases=(), turns=2
    )


def make_format(*, rounds: int = 2, words: int = 40, moderator: bool = False) -> Format:
    turns = [
        TurnScript(who="for", kind="opening", role="Opens", words=words, instruction="Make your case."),
        TurnScript(who="against", kind="opening", words=words, instruction="Make your case against {to}.", to="for.1"),
    ]
    talk = (
        TurnScript(who="for", kind="rebuttal", words=words, instruction="Answer {to}.", to="previous"),
        TurnScript(who="against", kind="rebuttal", words=words, instruction="Answer {to}.", to="previous"),
    )
    if moderator:
        turns.insert(0, TurnScript(who="moderator", kind="moderation", words=30, instruction="Welcome everybody."))
    phases = [PhaseScript(key="opening", title="Openings", turns=tuple(turns))]
    if rounds > 1:
        phases.append(PhaseScript(key="clash", title="Clash", repeat=rounds - 1, turns=talk))
    return Format(
        key="test-format",
        title="Test format",
        sides=("for", "against"),
        side_titles={"for": "Proposition", "against": "Opposition"},
        stances={"for": "for", "against": "against"},
        rules="Be brief.",
        phases=tuple(phases),
    )


def make_scenario(**changes: Any) -> Scenario:
    """Ada for, Ben against, one model; ``rounds``, ``words`` and ``moderator`` go to the format."""
    rules = make_format(**{name: changes.pop(name) for name in ("rounds", "words", "moderator") if name in changes})
    agents = [
        AgentScript(id="ada", persona=_persona("ada", "Ada"), name="Ada", side="for", model="m"),
        AgentScript(id="ben", persona=_persona("ben", "Ben"), name="Ben", side="against", model="m"),
    ]
    if any(turn.who == "moderator" for phase in rules.phases for turn in phase.turns):
        agents.append(AgentScript(id="mod", persona=_persona("mod", "Mo"), name="Mo", model="m", moderator=True))
    settings: dict[str, Any] = {
        "key": "trams",
        "path": Path("trams.yaml"),
        "motion": "Trams should be free.",
        "title": "Free trams?",
        "format": rules,
        "agents": tuple(agents),
        "models": {"m": ModelScript(name="m")},
        "pacing": Pacing(),
        "audience": Audience(),
        "budget": Budget(),
    }
    return Scenario(**(settings | changes))


def _persona(key: str, name: str) -> Persona:
    return Persona(key=key, name=name, style=f"{name} is calm.", beliefs=("Facts count.",), manner="Short sentences.")


def words_of(count: int, *, sentence: int = 8) -> str:
    """Return ``count`` words in sentences of ``sentence``."""
    words = [f"word{number}" for number in range(count)]
    groups = [" ".join(words[start : start + sentence]).capitalize() for start in range(0, count, sentence)]
    return ". ".join(groups) + "."


@dataclass(slots=True)
class Reply:
    """What a scripted model does with one call: waits, thinks, says ``text``, then ends as told."""

    text: str = ""
    first_token_s: float = 0.5
    words_per_s: float = 40.0
    thought: str = ""
    error: ModelError | None = None
    error_after: int | None = None
    ends: str = "stop"
    usage: tuple[int, int] | None = (100, 50)
    hangs: bool = False

    async def deltas(self, clock: Clock) -> AsyncGenerator[Delta]:
        if self.error is not None and self.error_after is None:
            raise self.error
        await clock.sleep(self.first_token_s)
        if self.thought:
            yield ReasoningDelta(self.thought)
        for index, word in enumerate(self.text.split(" ")):
            if self.error is not None and index == self.error_after:
                raise self.error
            yield TextDelta(word if index == 0 else f" {word}")
            await clock.sleep(1 / self.words_per_s)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        if self.usage:
            yield UsageReported(*self.usage)
        if self.ends:
            yield Finished("stop" if self.ends == "stop" else "length")


Answer = Callable[[Request, int], Reply]


class ScriptedLLM:
    """Answers each call as ``answer(request, number of the call)`` says; remembers requests and how streams ended."""

    def __init__(self, clock: Clock, answer: Answer | Iterable[Reply]) -> None:
        self._clock = clock
        if callable(answer):
            self._answer: Answer = answer
        else:
            replies = list(answer)
            self._answer = lambda _request, call: replies[call] if call < len(replies) else Reply(words_of(20))
        self.asked: list[Request] = []
        self.asked_at: list[float] = []
        self.open_streams = 0

    def stream(self, request: Request) -> Any:
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta]]:
        reply = self._answer(request, len(self.asked))
        self.asked.append(request)
        self.asked_at.append(self._clock.monotonic())
        self.open_streams += 1
        deltas = reply.deltas(self._clock)
        try:
            yield deltas
        finally:
            self.open_streams -= 1
            await deltas.aclose()

    async def close(self) -> None:
        pass


def outage(kind: str = "connect", *, retryable: bool = True) -> ModelError:
    return ModelError("m", kind, "scripted", retryable=retryable)


@dataclass(slots=True)
class Evening:
    """A show that was performed in virtual time, and everything there is to see of it."""

    ended: ShowEnded
    events: list[ShowEvent]
    transcript: Transcript
    llm: ScriptedLLM
    declined: list[str | None] = field(default_factory=list)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def text_of(self, turn: int) -> str:
        return "".join(event.text for event in self.events if event.type == "chunk_aired" and event.turn == turn)

    def prompt_of(self, turn: int) -> str:
        asked = [request for request in self.llm.asked if request.cue and request.cue.turn == turn]
        return "\n".join(message.content for message in asked[-1].messages)

    def seconds(self, event: ShowEvent) -> float:
        return (event.at - self.events[0].at).total_seconds()


def log_of(events: Sequence[ShowEvent], show: str = SHOW) -> MemoryEventLog:
    """Return a log that holds these events of a show, as a program that was killed there leaves it."""
    log = MemoryEventLog()
    asyncio.run(log.append(stream_of(show), [encode(event) for event in events], expect=0))
    return log


Interlude = Callable[["Backstage"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Backstage:
    """What happens beside the show may use this."""

    clock: VirtualClock
    desk: HintDesk
    writer: ShowLogWriter
    stop: asyncio.Event
    llm: ScriptedLLM
    votes: VoteDesk
    control: ControlDesk
    log: EventLog

    async def order(self, command: str, **fields: Any) -> DeskAnswer:
        """Have the producer say something now."""
        return await self.control.obey(Order(command, **fields))

    async def until(self, seconds: float) -> None:
        """Wait until so many seconds after the show's beginning."""
        await self.clock.sleep_until(seconds)


def perform_evening(
    scenario: Scenario,
    answer: Answer | Sequence[Reply] | None = None,
    *,
    rundown: Rundown | None = None,
    beside: Interlude | None = None,
    remarks: Mapping[float, Remark] | None = None,
    make_log: Callable[[], EventLog] = MemoryEventLog,
    seed: int = 1,
    tallies: Mapping[str, Mapping[str, Mapping[str, int]]] | None = None,
    log: EventLog | None = None,
    others: Mapping[str, Answer] | None = None,
    reviewers: Sequence[Reviewer] = (),
) -> Evening:
    """Perform a scenario in virtual time: ``remarks`` come at their seconds, ``beside`` runs next to the show.

    ``tallies`` are what targets count, by target and vote, 0.3 s after the vote was closed; they take votes, and count
    nothing of a vote that is not there. ``log`` is one that exists already. Models in ``others``
    have answers of their own.
    """

    given = log

    async def main(clock: VirtualClock) -> Evening:
        log = given or make_log()
        writer = await ShowLogWriter.open(log, SHOW, clock=clock)
        desk = HintDesk(scenario, writer, clock=clock)
        llm = ScriptedLLM(clock, answer if answer is not None else (lambda _request, _call: Reply(words_of(30))))
        stop = asyncio.Event()
        declined: list[str | None] = []

        async def viewers() -> None:
            for at, remark in sorted((remarks or {}).items()):
                await clock.sleep_until(at)
                declined.append(await desk.offer(remark))

        rows = rundown or plan(scenario)
        time = ShowTime(clock)
        votes = VoteDesk(scenario, rows, writer, clock=time)
        control = ControlDesk(scenario, rows, writer, desk, votes, time=time, clock=clock, digest=token_digest(TOKEN))
        for target in tallies or {}:
            votes.takes_votes(target)

        async def count(target: str, counted: Mapping[str, Mapping[str, int]]) -> None:
            async with log.tail(stream_of(SHOW), 0) as records:
                async for record in records:
                    event = decode(record)
                    if isinstance(event, VoteClosed) and event.vote in counted:
                        await clock.sleep(0.3)
                        await votes.count(target, event.vote, counted[event.vote])

        async with _no_group(), asyncio.TaskGroup() as tasks:
            company = [tasks.create_task(viewers())]
            company += [tasks.create_task(count(target, counted)) for target, counted in (tallies or {}).items()]
            if beside is not None:
                backstage = Backstage(clock, desk, writer, stop, llm, votes, control, log)
                company.append(tasks.create_task(_run(beside, backstage)))
            llms: dict[str, LLM] = dict.fromkeys(scenario.models, llm)
            llms |= {name: ScriptedLLM(clock, own) for name, own in (others or {}).items()}
            ended = await perform(
                scenario,
                rows,
                llms,
                writer,
                desk,
                clock=clock,
                random=Random(seed),
                stop=stop,
                votes=votes,
                control=control,
                reviewers=reviewers,
            )
            for task in company:
                task.cancel()
        records = await log.read(stream_of(SHOW), 0, limit=100_000)
        return Evening(ended, [decode(record) for record in records], writer.transcript, llm, declined)

    return run_virtual(main)


@asynccontextmanager
async def _no_group() -> AsyncGenerator[None]:
    """Raise what ended a task group as what it was."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _run(interlude: Interlude, backstage: Backstage) -> None:
    await interlude(backstage)
