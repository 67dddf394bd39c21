"""Viewers who flood a show with hints: ``flooding_program.py PORT SHOW CLIENTS PER_S SECONDS``.

Each client has an address and an id of its own and one connection. All together give so many hints a second, then wait
for their answers and say how often each status came: ``{"202": 30, "429": 970}``.
"""

import asyncio
import json
import sys
from collections import Counter
from contextlib import suppress


async def flood(port: int, show: str, client: int, number: int, per_s: float) -> Counter[str]:
    local = (f"127.0.3.{client + 1}", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=local)
    hearing = asyncio.create_task(hear(reader, number))
    loop = asyncio.get_running_loop()
    began = loop.time()
    with suppress(ConnectionError):
        for count in range(number):
            body = json.dumps({"text": f"What of point {client}-{count}?", "viewer": f"flooder-{client:04}"})
            head = f"POST /api/shows/{show}/hints HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}"
            writer.write(f"{head}\r\nContent-Type: application/json\r\n\r\n{body}".encode())
            await writer.drain()
            await asyncio.sleep(began + (count + 1) / per_s - loop.time())
    answered = await hearing
    writer.transport.abort()
    return answered


async def hear(reader: asyncio.StreamReader, number: int) -> Counter[str]:
    """Count answers by their status until all are there, or the stage has hung up."""
    answered: Counter[str] = Counter()
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        for _ in range(number):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
            answered[head.split(" ", 2)[1]] += 1
    return answered


async def main(port: int, show: str, clients: int, per_s: int, seconds: int) -> None:
    each = per_s / clients
    floods = [asyncio.create_task(flood(port, show, client, int(each * seconds), each)) for client in range(clients)]
    answered: Counter[str] = Counter()
    for flooding in floods:
        answered += await flooding
    sys.stdout.write(json.dumps(answered))


asyncio.run(main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])))
