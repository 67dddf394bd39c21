"""An agent written for Pulsar that sits in the audience: arguments are the address, its name, and explicit or ""."""

import asyncio
import json
import sys
from typing import Any

import websockets


async def main(address: str, name: str, participation_mode: str) -> None:
    async with websockets.connect(address) as ws:

        async def send(type_: str, **payload: Any) -> None:
            await ws.send(json.dumps({"type": type_, "payload": payload}))

        agent_id = f"audience-{name.lower()}-1a2b3c4d"
        await send("register", agentId=agent_id, name=name, emoji="👂", participationMode=participation_mode)
        room, reacted = "", False
        async for raw in ws:
            message = json.loads(raw)
            body = message.get("payload", message)
            if message["type"] == "room_available" and not room:
                room = body["room"]["broadcastId"]
                await send("join_room", broadcastId=room)
            elif message["type"] == "viewer_context" and body["yourTurn"] and not reacted:
                reacted = True
                text = f"{name} asks: what of rainy afternoons?"
                await send("stream_chat", broadcastId=body["broadcastId"], text=text)
            print(json.dumps({"type": message["type"], **body}), flush=True)  # noqa: T201 - what the test reads


asyncio.run(main(*sys.argv[1:4]))
