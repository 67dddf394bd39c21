"""``python writer.py FILE STREAM``: append to an event log until killed, saying each acknowledged number."""

import asyncio
import sys
from pathlib import Path

from debate_caster.log import SqliteEventLog


async def write(path: Path, stream: str) -> None:
    log = SqliteEventLog(path)
    last = await log.last_seq(stream)
    while True:
        bodies = [f'{{"number":{last + offset}}}' for offset in range(1, 1 + last % 3 + 1)]
        last = await log.append(stream, bodies, expect=last)
        sys.stdout.write(f"{last}\n")
        sys.stdout.flush()


asyncio.run(write(Path(sys.argv[1]), sys.argv[2]))
