"""Whole shows on servers that behave as the two real Pulsar servers do, with a connection lost in the middle."""

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest

from debate_caster.broadcast import Target
from debate_caster.clock import SystemClock, VirtualClock, run_virtual
from debate_caster.log import MemoryEventLog
from debate_caster.runner import ShowOutcome, run_show
from debate_caster.scenario import load_scenario
from tests.broadcast.scenes import GOES_ON, own_text
from tests.end_to_end.programs import write_scenario
from tests.pulsar_servers.loopback import LoopbackServer
from tests.pulsar_servers.pulsar_v1 import PulsarV1
from tests.pulsar_servers.pulsar_v2 import PulsarV2

CASTS = {
    2: {},
    3: {"format": "roundtable", "agents": [{"persona": "wren"}, {"persona": "otis"}, {"persona": "ada"}]},
}


def spoken(outcome: ShowOutcome, agent: str) -> str:
    return "".join(speech.text for speech in outcome.transcript.speeches if speech.speaker == agent)


def seen(text: str) -> str:
    """Text without what differs between targets: a mirrored line may be led by a mark that nobody sees."""
    return "".join(text.replace("\u2060", "").split())


@pytest.mark.parametrize("agents", [2, 3])
@pytest.mark.parametrize("kind", [PulsarV1, PulsarV2])
def test_the_transcript_is_complete_and_in_order_although_a_connection_drops(
    kind: type[PulsarV1 | PulsarV2], agents: int, tmp_path: Path
) -> None:
    run_virtual(partial(perform_with_a_drop, kind, agents, tmp_path))


async def perform_with_a_drop(
    kind: type[PulsarV1 | PulsarV2], agents: int, tmp_path: Path, clock: VirtualClock
) -> None:
    pacing = {"chars_per_second": 60, "min_interval_s": 2.0, "gap_s": 0.5}
    scenario = load_scenario(write_scenario(tmp_path, pacing=pacing, **CASTS[agents]), env=os.environ)
    log = MemoryEventLog()

    async with kind(clock) as server, asyncio.TaskGroup() as tasks:
        show = tasks.create_task(
            run_show(scenario, log=log, targets=[Target("pulsar", server.url)], clock=clock, seed=3, show_id="s1")
        )
        await server.until(lambda: any(len(room.texts("host")) >= 3 for room in server.rooms_of("otis")), 300)
        assert server.drop("Otis Bell")
    outcome = show.result()

    cast = [agent.id for agent in scenario.agents]
    assert outcome.ended.why == "completed"
    assert len(cast) == agents
    for agent in cast:
        assert own_text(server, agent) == spoken(outcome, agent), f"of {agent} nothing is lost and nothing repeated"
    assert [len(server.rooms_of(agent)) for agent in cast] == [1 + (agent == "otis") for agent in cast]
    assert all(room.ended for room in server.rooms.values())
    goes_on = server.rooms_of("otis")[1].lines[0].text
    assert goes_on.startswith(GOES_ON)
    assert scenario.motion in goes_on
    assert f" of {len(outcome.transcript.speeches)}." in goes_on
    assert goes_on not in str(await log.read("show/s1", 0, limit=10_000))
    assert {report.agent: (report.problem, report.refused) for report in outcome.deliveries} == dict.fromkeys(
        cast, ("", 0)
    )
    # Each room shows the whole debate: what the others said is mirrored into it, in order.
    for host in cast:
        for other in scenario.agents:
            if other.id != host:
                assert seen(mirrored(server, host, other.name)) == seen(spoken(outcome, other.id)), (host, other.id)


async def test_a_show_that_is_hurried_does_not_hurry_the_server(tmp_path: Path) -> None:
    scenario = load_scenario(write_scenario(tmp_path, pacing={"chars_per_second": 60, "gap_s": 0.5}), env=os.environ)
    clock, fast = SystemClock(), SystemClock(speed=8)

    async with PulsarV1(clock) as server:
        targets = [Target("pulsar", server.url)]
        outcome = await run_show(scenario, log=MemoryEventLog(), targets=targets, clock=fast, seed=3)

    for host in scenario.agents:
        assert own_text(server, host.id) == spoken(outcome, host.id)
        for other in scenario.agents:
            if other is not host:
                assert seen(mirrored(server, host.id, other.name)) == seen(spoken(outcome, other.id))
    for agent in {frame.agent_id for frame in server.received}:
        sent = sorted(frame.at for frame in server.received if frame.agent_id == agent)
        assert all(later - earlier >= 1.0 for earlier, later in zip(sent, sent[10:], strict=False)), "10 in a second"


def mirrored(server: LoopbackServer, host: str, name: str) -> str:
    """What the viewers of an agent's rooms, one after the other, read of another agent."""
    lines = [line for room in server.rooms_of(host) for line in room.lines]
    return "".join(line.text for line in lines if line.role == "viewer" and line.name == name)
