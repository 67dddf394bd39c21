"""A whole show that a producer directs: scenario, director, connections, a real stage, a Pulsar server beside it."""

import asyncio
import os
from pathlib import Path
from typing import Any

from debate_caster.broadcast import Target
from debate_caster.clock import SystemClock
from debate_caster.log import MemoryEventLog
from debate_caster.runner import ShowOutcome, run_show
from debate_caster.scenario import load_scenario
from debate_caster.stage import Stage, open_stage
from tests.broadcast.scenes import own_text
from tests.end_to_end.programs import write_scenario
from tests.pulsar_servers.pulsar_v1 import PulsarV1
from tests.stage.people import Person, browser, viewer_of

TOKEN = "the-token-of-this-shows-producer"
PACING = {"chars_per_second": 200, "min_interval_s": 0.2, "gap_s": 0.3, "lead_min_s": 0.1, "lead_max_s": 0.3}


class Producer:
    """Orders over HTTP, and the desk over a WebSocket."""

    def __init__(self, stage: Stage, person: Person) -> None:
        self._stage, self.person = stage, person

    async def order(self, command: str, token: str = TOKEN, **fields: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        address = f"{self._stage.url}/api/shows/s1/control"
        async with (
            browser() as session,
            session.post(address, json={"command": command, **fields}, headers=headers) as answer,
        ):
            return answer.status, await answer.json()

    async def desk(self, **wanted: Any) -> dict[str, Any]:
        """Wait for a desk that looks like this."""
        while True:
            frame = await self.person.hear("desk")
            if all(frame[name] == value for name, value in wanted.items()):
                return frame


async def test_a_hint_is_approved_a_turn_skipped_and_a_pulsar_room_hears_it_all(tmp_path: Path) -> None:
    path = write_scenario(tmp_path, pacing=PACING, audience={"approval": True}, moderator="vera")
    log, clock = MemoryEventLog(), SystemClock()
    async with (
        open_stage(log=MemoryEventLog()) as stage,
        PulsarV1(clock) as pulsar,
        asyncio.TaskGroup() as tasks,
    ):
        show = tasks.create_task(
            run_show(
                load_scenario(path, env=os.environ),
                log=log,
                targets=[Target("stage", stage.agents_url), Target("pulsar", pulsar.url)],
                clock=clock,
                show_id="s1",
                seed=1,
                producer_token=TOKEN,
            )
        )
        await until_live(stage)
        async with viewer_of(stage, "?show=s1") as seat, viewer_of(stage, "?show=s1") as viewer:
            producer = Producer(stage, seat)
            await seat.say("producer", token=TOKEN)
            await seat.hear("producer_welcome")
            first = await producer.desk()
            await viewer.say("hint", text="What about the parents?", name="Mia")
            desk = await producer.desk()
            while not desk["hints"]:
                desk = await producer.desk()
            (hint,) = desk["hints"]
            waiting = await viewer.hear("hint_fate")
            wrong = await producer.order("approve", "another" * 5, hint=hint["id"])
            approved = await producer.order("approve", hint=hint["id"], by="Kim")
            queued = await viewer.hear("hint_fate")
            used = await viewer.hear("hint_used")
            skipped = await producer.order("skip")
            unsaid = await producer.order("approve", hint=hint["id"])
            while not (acts := (await producer.desk())["acts"]):
                pass  # desks from before the acts wait on the seat, as many as the machine was slow
            await producer.order("end")
            ended = await viewer.hear("show_ended")
        outcome: ShowOutcome = await show

    assert first["approval"]
    assert (hint["state"], hint["name"], hint["text"]) == ("waiting", "Mia", "What about the parents?")
    assert (waiting["state"], queued["state"], used["hint"]) == ("waiting", "queued", hint["id"])
    assert (wrong[0], approved[0], skipped[0], unsaid[0]) == (403, 200, 200, 409)
    assert [(act["command"], act["by"]) for act in acts][:1] == [("approve", "Kim")]
    assert outcome.ended.why == ended["why"] == "producer"
    spoken: dict[str, str] = {}
    for speech in outcome.transcript.speeches:
        spoken[speech.speaker] = spoken.get(speech.speaker, "") + speech.text
    assert len(pulsar.rooms) == 3
    for agent in ("wren", "otis", "vera"):
        assert own_text(pulsar, agent) == spoken.get(agent, "")


async def until_live(stage: Stage) -> None:
    """Wait until the show is on the stage."""
    async with asyncio.timeout(60), browser() as session:
        while True:
            async with session.get(f"{stage.url}/api/shows/s1") as answer:
                if answer.status == 200 and (await answer.json())["agents"]:
                    return
            await asyncio.sleep(0.02)
