import subprocess
import sys
import threading
from pathlib import Path

import pytest

from debate_caster.calendar.owners import Owners
from debate_caster.errors import SetupError

JOIN = """
import sys, time
from pathlib import Path
from debate_caster.calendar.owners import Owners
with Owners(Path(sys.argv[1])).join() as name:
    print(name, flush=True)
    time.sleep(60)
"""


def test_who_has_left_is_no_longer_alive(tmp_path: Path) -> None:
    owners = Owners(tmp_path / "owners")
    with owners.join() as name:
        assert owners.alive(name)

    assert not owners.alive(name)
    assert not owners.alive("nobody")


def test_a_killed_process_is_known_to_be_dead_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    owners = Owners(tmp_path)
    with subprocess.Popen([sys.executable, "-c", JOIN, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert owners.alive(name)
        process.kill()
        process.wait()

        assert not owners.alive(name)
    with owners.join() as ours:
        assert [file.name for file in tmp_path.iterdir()] == [ours]


def test_nobody_who_joins_is_taken_for_dead_by_one_who_joins_at_the_same_time(tmp_path: Path) -> None:
    start, lost = threading.Barrier(4), []

    def join_often() -> None:
        start.wait()
        for _ in range(50):
            with Owners(tmp_path).join() as name:
                if not (tmp_path / name).exists():
                    lost.append(name)

    threads = [threading.Thread(target=join_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert lost == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="can't be written"), Owners(tmp_path / "file").join():
        pass
