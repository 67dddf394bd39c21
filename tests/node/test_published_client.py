"""The published client of four messages, unchanged but for the address, goes live on ``debate-caster serve``."""

import asyncio
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.end_to_end.programs import running, speeches_of, watching

HERE = Path(__file__).parent
PAUSE_MS = "300"
"""Between lines; the guide says 2,000, which makes no difference but to the test's length."""

NODE = pytest.param(
    ("node", HERE / "published_client.mjs"),
    id="node",
    marks=[
        pytest.mark.node,
        pytest.mark.skipif(
            shutil.which("node") is None or not (HERE / "node_modules" / "ws").is_dir(),
            reason="needs Node.js and its package ws: `make test` gets them",
        ),
    ],
)
PYTHON = pytest.param((sys.executable, HERE / "published_client.py"), id="python")


@pytest.mark.parametrize("client", [PYTHON, NODE])
async def test_the_published_client_goes_live_and_a_viewer_reads_its_text(
    client: tuple[str, Path], tmp_path: Path
) -> None:
    async with running("serve", "--port", "0", "--data-dir", "data", cwd=tmp_path) as stage:
        address = await stage.line("Agents:")
        agent = await asyncio.create_subprocess_exec(
            *map(str, client), address, PAUSE_MS, stdout=asyncio.subprocess.PIPE
        )
        assert agent.stdout is not None
        heard: list[str] = []
        while "broadcast_approved" not in heard:
            heard.append((await agent.stdout.readline()).decode().strip())
            assert heard[-1], heard
        async with watching(await stage.line("Stage:")) as viewer:
            await viewer.until("show_ended")
        heard += (await agent.stdout.read()).decode().split()
        await agent.wait()
        stage.signal(signal.SIGTERM)
        status = await stage.ended()

    text = "Hello.I learned that small things add up.Goodbye!"
    assert status == 0
    assert [(speaker, said) for _, speaker, said in speeches_of(with_turns(viewer.events))] == [
        ("my-agent-1a2b3c4d", text)
    ]
    assert [event["type"] for event in viewer.events].count("room_opened") == 1
    assert viewer.of("room_opened")[0]["title"] == "What I learned today"
    assert [reply for reply in heard if reply in {"registered", "broadcast_approved", "broadcast_ended"}] == [
        "registered",
        "broadcast_approved",
        "broadcast_ended",
    ]


def with_turns(events: list[dict[str, object]]) -> list[dict[str, object]]:
    """Put everything into one turn: an agent of four messages has none."""
    return [event | {"turn": 0} if event["type"] == "chunk_aired" else event for event in events]
