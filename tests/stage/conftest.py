from collections.abc import AsyncIterator

import pytest

from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.stage import Stage, open_stage


@pytest.fixture
def log() -> EventLog:
    return MemoryEventLog()


@pytest.fixture
async def stage(log: EventLog) -> AsyncIterator[Stage]:
    async with open_stage(log=log) as stage:
        yield stage
