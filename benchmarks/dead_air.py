"""Dead air between turns while a model needs 1.5 s to its first token, with read-ahead and without; late hints."""

import asyncio
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from benchmarks.figures import Figure
from benchmarks.scripted_show import SteadyLLM, events_of, make_scenario, perform_show
from debate_caster.clock import Clock, SystemClock, VirtualClock, run_virtual
from debate_caster.log import EventLog, MemoryEventLog, SqliteEventLog
from debate_caster.scenario.script import Pacing
from debate_caster.show.events import ShowEvent, TurnEnded, TurnStarted
from debate_caster.show.hints import Remark

FIRST_TOKEN_S = 1.5
WORDS, WORDS_PER_S = 94, 40.0
"""At 20 characters a second some 30 s on air, spoken by the model in less than 3."""

SHOWS, TURNS = 12, 4
VIRTUAL_TURNS = 200


def run() -> list[Figure]:
    on, off, speech_s = asyncio.run(real_shows())
    jittered, heard = run_virtual(virtual_shows)
    how = f"{SHOWS} shows of {TURNS} turns at once on the real clock, SQLite log; speeches of {speech_s:.0f} s"
    return [
        Figure("dead air beyond the gap, read-ahead on, p95", 1000 * p95(on), "ms", "<= 50", p95(on) <= 0.05, how),
        Figure(
            "dead air beyond the gap, read-ahead off, p95", 1000 * p95(off), "ms", "", True, f"in the same run as {how}"
        ),
        Figure(
            "dead air with a first token after 1.0 to 2.0 s, p95",
            1000 * p95(jittered),
            "ms",
            "<= 50",
            p95(jittered) <= 0.05,
            f"{VIRTUAL_TURNS} turns in virtual time, first token evenly spread, so that the lead has to be learned",
        ),
        Figure(
            "hints given 5 s before a turn that are in its prompt",
            heard,
            "",
            "= 1",
            heard == 1.0,
            f"one before each of {VIRTUAL_TURNS - 1} turns in virtual time; starts taken from a run without hints",
        ),
    ]


async def real_shows() -> tuple[list[float], list[float], float]:
    """Return what was beyond the gap with read-ahead and without, and the length of a speech in seconds."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        log = SqliteEventLog(Path(folder) / "log.sqlite")
        async with asyncio.TaskGroup() as tasks:
            for number in range(SHOWS):
                for read_ahead in (True, False):
                    tasks.create_task(_show(log, clock, f"{number}-{read_ahead}", read_ahead=read_ahead))
        on, off, lengths = [], [], []
        for number in range(SHOWS):
            events = await events_of(log, f"{number}-True")
            lengths += speech_lengths(events)
            on += beyond_gap(events)
            off += beyond_gap(await events_of(log, f"{number}-False"))
        await log.close()
    return on, off, sum(lengths) / len(lengths)


async def _show(log: EventLog, clock: Clock, show: str, *, read_ahead: bool) -> None:
    await clock.sleep(Random(show).uniform(0, 2))
    scenario = make_scenario(turns=TURNS, words=120, pacing=Pacing(read_ahead=read_ahead))
    llm = SteadyLLM(clock, first_token_s=lambda: FIRST_TOKEN_S, words=WORDS, words_per_s=WORDS_PER_S)
    await perform_show(scenario, llm, log, clock=clock, show=show)


async def virtual_shows(clock: VirtualClock) -> tuple[list[float], float]:
    """Return dead air with a model of changing speed, and which share of late hints was heard."""
    scenario = make_scenario(turns=VIRTUAL_TURNS, words=120)

    async def perform(remarks: dict[float, Remark]) -> tuple[list[ShowEvent], SteadyLLM]:
        random, log = Random(5), MemoryEventLog()
        llm = SteadyLLM(clock, first_token_s=lambda: random.uniform(1.0, 2.0), words=WORDS, words_per_s=WORDS_PER_S)
        await perform_show(scenario, llm, log, clock=clock, remarks=remarks)
        return await events_of(log), llm

    events, _ = await perform({})
    began = events[0].at
    starts = {event.turn: (event.at - began).total_seconds() for event in events if isinstance(event, TurnStarted)}
    remarks = {
        start - 5.0: Remark(f"hint-{turn}", f"viewer-{turn}", f"What about number {turn}?")
        for turn, start in starts.items()
        if turn
    }
    _, llm = await perform(remarks)
    heard = sum(
        request.cue is not None
        and any(hint.text == f"What about number {request.cue.turn}?" for hint in request.cue.hints)
        for request in llm.asked
    )
    return beyond_gap(events), heard / len(remarks)


def beyond_gap(events: Sequence[ShowEvent]) -> list[float]:
    """Return for each turn but the first how much later than planned it began after the one before, in seconds."""
    ends = {event.turn: event.at for event in events if isinstance(event, TurnEnded)}
    starts = {event.turn: event.at for event in events if isinstance(event, TurnStarted)}
    gap = Pacing().gap_s
    return [(starts[turn] - ends[turn - 1]).total_seconds() - gap for turn in sorted(starts) if turn]


def speech_lengths(events: Sequence[ShowEvent]) -> list[float]:
    starts = {event.turn: event.at for event in events if isinstance(event, TurnStarted)}
    return [(event.at - starts[event.turn]).total_seconds() for event in events if isinstance(event, TurnEnded)]


def p95(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]
