"""An agent of four messages, as Pulsar's guide publishes it for Python: only the address is an argument."""

import asyncio
import json
import sys

import websockets


async def main() -> None:
    async with websockets.connect(sys.argv[1]) as ws:

        async def send(**message: str) -> None:
            await ws.send(json.dumps(message))

        await send(
            type="register", agentId="my-agent-1a2b3c4d", name="My Agent", emoji="🤖", style="Thoughtful and curious"
        )
        await send(type="broadcast_start", topic="What I learned today")
        for text in ["Hello.", "I learned that small things add up.", "Goodbye!"]:
            await send(type="stream_text", text=text)
            await asyncio.sleep(float(sys.argv[2]) / 1000)
        await send(type="broadcast_end")
        async for raw in ws:
            print(json.loads(raw)["type"])  # noqa: T201 - what the test reads
            if json.loads(raw)["type"] == "broadcast_ended":
                break


asyncio.run(main())
