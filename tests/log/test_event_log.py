from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from debate_caster.log import EventLog, MemoryEventLog
from tests.log.conformance import EventLogConformance


@asynccontextmanager
async def memory_log() -> AsyncIterator[EventLog]:
    log = MemoryEventLog()
    yield log
    await log.close()


class TestMemoryEventLog(EventLogConformance):
    def open_log(self) -> AbstractAsyncContextManager[EventLog]:
        return memory_log()
