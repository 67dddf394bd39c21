"""A show as its correspondent reports it: live once it is, ended with its result, each once."""

import asyncio
import json
from pathlib import Path

from debate_caster.announce.correspondent import Correspondent
from debate_caster.clock import VirtualClock, run_virtual
from debate_caster.log import MemoryEventLog
from debate_caster.runner import run_show
from debate_caster.scenario import Scenario
from tests.announce.receivers import Receiver, at_work, receiver, scenario, script

PAGE = "https://debates.example/shows/friday-1"


async def give(debate: Scenario, correspondent: Correspondent, clock: VirtualClock, log: MemoryEventLog) -> None:
    async with correspondent.on_site(log):
        outcome = await run_show(debate, log=log, clock=clock, seed=1, show_id="friday-1")
    await correspondent.conclude(outcome.transcript)


def told(target: Receiver) -> list[dict[str, object]]:
    return [json.loads(body) for body in target.bodies]


def test_a_show_is_live_when_it_has_begun_and_ends_with_its_result(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> tuple[list[dict[str, object]], float]:
        async with receiver() as target:
            debate = scenario(tmp_path, script(target.url))
            async with at_work(clock, debate) as courier:
                correspondent = Correspondent(courier, debate, show="friday-1", page=PAGE)
                giving = asyncio.create_task(give(debate, correspondent, clock, MemoryEventLog()))
                while not target.ids:
                    await clock.sleep(0.1)
                live_after_s = clock.monotonic()
                await giving
                await give(debate, correspondent, clock, MemoryEventLog())
                assert await courier.drained(10) == 0
            return told(target), live_after_s

    (live, ended), live_after_s = run_virtual(main)

    assert live_after_s < 5
    assert (live["id"], ended["id"]) == ("friday-1.live", "friday-1.ended")
    assert live["result"] is None
    show, result = ended["show"], ended["result"]
    assert isinstance(show, dict)
    assert isinstance(result, dict)
    assert show == live["show"]
    assert (show["scenario"], show["url"]) == ("friday", PAGE)
    assert {agent["side"] for agent in show["agents"] if not agent["moderator"]} == {"for", "against"}
    assert (result["why"], result["vote"]) == ("completed", None)
    assert result["on_air_s"] > 60
    assert result["turns"] > 2


def test_a_dead_receiver_neither_delays_a_show_nor_ends_it(tmp_path: Path) -> None:
    async def lasts(clock: VirtualClock, *, dead: bool) -> float:
        async with receiver(None) as target:
            debate = scenario(tmp_path, *([script(target.url)] if dead else []))
            async with at_work(clock, debate) as courier:
                log = MemoryEventLog()
                await give(debate, Correspondent(courier, debate, show="friday-1", page=PAGE), clock, log)
            return clock.monotonic()

    assert run_virtual(lambda clock: lasts(clock, dead=True)) == run_virtual(lambda clock: lasts(clock, dead=False))
