"""Prunes that are killed: each show is whole or gone, and the next start removes what is left."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.retention import Retention
from debate_caster.clock import ManualClock
from tests.cli.archives import archive_of, lists, logs_of, traces

SHOWS = ("older", "old", "new")
POINTS = ("mark:1", "mark:2", "mark:3", "mark:4", "sweep:1", "sweep:3", "shrink:1")
"""Of each show its air log and what belongs to it are marked, then its show log."""


async def test_a_prune_survives_kill_9_at_any_step(tmp_path: Path) -> None:
    await archive_of(tmp_path / "whole", SHOWS, lines=["x" * 600] * 400)
    script = Path(__file__).with_name("dying_prunes.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, tmp_path, *POINTS, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert [line for line in said.decode().splitlines() if line.isdigit()] == ["9"] * len(POINTS)

    for point in POINTS:
        folder = DataFolder(tmp_path / point)
        listed, lobby = await lists(folder, ManualClock())
        assert listed == lobby, point
        if point != "mark:1":
            assert "old" not in listed, "its air log was gone"
        async with logs_of(folder) as logs:
            retention = Retention(folder, *logs, clock=ManualClock())
            await retention.mend()
            await retention.give_back()
        for show in SHOWS:
            wanted = {f"show/{show}", f"air/{show}", f"votes/{show}", f"stage/ended/{show}"}
            assert await traces(folder, show) == (wanted if show in listed else set()), point
        assert await lists(folder, ManualClock()) == (listed, listed)
        for path in (folder.show_log, folder.air_log):
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), point
                assert connection.execute("PRAGMA freelist_count").fetchone() == (0,), point
