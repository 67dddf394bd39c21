"""``backup`` and ``restore`` as a user types them, and over a data folder that is being written."""

import asyncio
import json
import sqlite3
import stat
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from debate_caster.announce.outbox import Outbox
from debate_caster.calendar.ledger import Ledger
from debate_caster.cli.backups import ORDER, make_backup, take_back
from debate_caster.cli.command_line import main
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.resumption import Keepsake, broken_off, kept_on_file
from debate_caster.cli.signing_keys import signing_keys
from debate_caster.clock import ManualClock
from debate_caster.episodes.annals import Archive
from debate_caster.errors import SetupError
from debate_caster.log import SqliteEventLog
from debate_caster.settings import Settings
from tests.announce.receivers import notice
from tests.cli.test_commands import Say, at_home, keep_past_shows, say
from tests.episodes.seasons import duel

__all__ = ["at_home", "say"]

KEEPSAKE = Keepsake(
    show="cut-1", scenario="cut.yaml", digest="d", seed=1, speed=1.0, stage="none", host="127.0.0.1", port=0,
    allow_public=False, key="k" * 32, producer_token="t" * 32,
)  # fmt: skip


@pytest.fixture
def folder() -> DataFolder:
    """Return a data folder with something of everything in it."""
    folder = DataFolder(Settings().data_dir)
    keep_past_shows("first-1", "second-2")
    with kept_on_file(folder, KEEPSAKE):
        pass
    Archive(folder.seasons).change("tea", lambda annals: annals.model_copy(update={"episodes": (duel(1),)}))
    signing_keys(folder.signing_keys)
    folder.agents.mkdir()
    (folder.agents / "stage.ada.1.json").write_text('{"secret": "s"}')
    (folder.agents / "stage.ada.1.lock").touch()

    async def make_databases() -> None:
        async with folder.open(folder.air_log) as log:
            await log.append("air:first-1", ["{}"], expect=0)
        ledger = Ledger(folder.calendar)
        await ledger.ask("tea", ManualClock().now())
        await ledger.aclose()
        async with aclosing(Outbox(folder.announcements)) as outbox:
            await outbox.put(["someone"], notice("ended"), ManualClock().now())

    asyncio.run(make_databases())
    return folder


def whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def found(path: Path) -> set[str]:
    return {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}


def test_what_was_backed_up_and_restored_shows_exports_and_goes_on_as_before(
    folder: DataFolder, tmp_path: Path, say: Say
) -> None:
    first = say("backup", tmp_path / "copy")
    second = say("restore", tmp_path / "copy", "--data-dir", tmp_path / "new")
    restored = DataFolder(tmp_path / "new")

    assert (first.status, second.status) == (0, 0), first.err + second.err
    for command in (
        ["shows", "--json"],
        ["export", "first-1", "--format", "json"],
        ["export", "second-2", "--format", "html"],
        ["persona", "ada", "--json"],
    ):
        assert say(*command, "--data-dir", restored.path).out == say(*command).out != ""
    assert broken_off(restored) == ["cut-1"]
    assert signing_keys(restored.signing_keys) == signing_keys(folder.signing_keys)
    assert (restored.agents / "stage.ada.1.json").read_bytes() == (folder.agents / "stage.ada.1.json").read_bytes()
    assert all(whole(path) for path in (restored.show_log, restored.air_log, restored.calendar, restored.announcements))


def test_a_backup_holds_something_of_every_kind_and_no_lock_or_draft(folder: DataFolder, tmp_path: Path) -> None:
    (folder.shows / "half.draft").touch()

    make_backup(folder, tmp_path / "copy", clock=ManualClock())

    names = found(tmp_path / "copy") - {"backup.json"}
    for pattern in ORDER:
        assert any(Path(name).match(pattern) for name in names), pattern
    assert {Path(name).suffix for name in names} == {".json", ".db", ""}


def test_only_its_owner_may_look_into_a_backup_and_what_is_restored(folder: DataFolder, tmp_path: Path) -> None:
    make_backup(folder, tmp_path / "copy", clock=ManualClock())
    take_back(tmp_path / "copy", DataFolder(tmp_path / "new"))

    for root in (tmp_path / "copy", tmp_path / "new"):
        for path in (root, *root.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_a_log_that_is_written_meanwhile_is_restored_up_to_one_moment(tmp_path: Path) -> None:
    folder, written = DataFolder(tmp_path / "live"), 0
    async with folder.open(folder.show_log) as log:
        await log.append("show:live", ["event 1"], expect=0)
        copying = asyncio.create_task(asyncio.to_thread(make_backup, folder, tmp_path / "copy", clock=ManualClock()))
        written = 1
        while not copying.done() and written < 5000:
            written = await log.append("show:live", [f"event {written + 1}"], expect=written)
        await copying
        await log.append("show:live", ["after"], expect=written)

    take_back(tmp_path / "copy", DataFolder(tmp_path / "new"))

    restored = DataFolder(tmp_path / "new").show_log
    assert whole(restored)
    log_again = SqliteEventLog(restored)
    try:
        records = await log_again.read("show:live", 0, limit=10_000)
        assert [record.body for record in records] == [f"event {seq}" for seq in range(1, len(records) + 1)]
        assert 1 <= len(records) <= written
        assert await log_again.append("show:live", ["goes on"], expect=len(records)) == len(records) + 1
    finally:
        await log_again.close()


def test_a_commit_under_way_is_neither_waited_for_nor_copied(folder: DataFolder, tmp_path: Path) -> None:
    with closing(sqlite3.connect(folder.show_log, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE events SET body = 'half'")

        make_backup(folder, tmp_path / "copy", clock=ManualClock())

        writer.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "copy" / "show-log.db")) as copy:
        assert copy.execute("SELECT count(*) > 0, sum(body = 'half') FROM events").fetchone() == (1, 0)


def test_a_backup_in_a_used_folder_is_refused_and_changes_nothing(folder: DataFolder, tmp_path: Path, say: Say) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine.txt").write_text("mine")

    said = say("backup", tmp_path / "copy")

    assert said.status == 2
    assert "is in use: nothing is overwritten. Name another folder." in said.err
    assert found(tmp_path / "copy") == {"mine.txt"}


def test_a_restore_over_a_data_folder_in_use_is_refused(folder: DataFolder, tmp_path: Path, say: Say) -> None:
    say("backup", tmp_path / "copy")
    before = found(folder.path)

    said = say("restore", tmp_path / "copy")

    assert said.status == 2
    assert "nothing is overwritten. Move it away first" in said.err
    assert found(folder.path) == before


def test_a_backup_of_nothing_is_refused(say: Say, tmp_path: Path) -> None:
    said = say("backup", tmp_path / "copy")

    assert said.status == 2
    assert "nothing is kept in" in said.err
    assert not (tmp_path / "copy").exists()


def test_a_damaged_database_makes_no_backup(folder: DataFolder, tmp_path: Path, say: Say) -> None:
    content = bytearray(folder.show_log.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    folder.show_log.write_bytes(content)

    said = say("backup", tmp_path / "copy")

    assert said.status == 2
    assert str(folder.show_log) in said.err
    assert not (tmp_path / "copy").exists()
    assert not list(tmp_path.glob("*.draft"))


@pytest.mark.parametrize("name", ["show-log.db", "shows/cut-1.json", "signing-keys"])
@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_damaged_backup_restores_nothing(folder: DataFolder, tmp_path: Path, say: Say, name: str, harm: str) -> None:
    make_backup(folder, tmp_path / "copy", clock=ManualClock())
    path = tmp_path / "copy" / name
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"#")

    said = say("restore", tmp_path / "copy", "--data-dir", tmp_path / "new")

    assert said.status == 2
    assert f"is damaged: {name} " in said.err
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".*.draft"))


@pytest.mark.parametrize(
    "name", ["../outside.json", "shows/../../outside.json", "/etc/passwd", "shows/a/b.json", "other.db", "a\0.db", ""]
)
def test_a_backup_that_names_other_files_is_refused(folder: DataFolder, tmp_path: Path, name: str) -> None:
    make_backup(folder, tmp_path / "copy", clock=ManualClock())
    manifest = tmp_path / "copy" / "backup.json"
    stored = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(stored | {"files": {name: "0" * 64}}))

    with pytest.raises(SetupError, match="does not say what is in it"):
        take_back(tmp_path / "copy", DataFolder(tmp_path / "new"))


def test_a_backup_of_a_newer_program_is_left_to_it(folder: DataFolder, tmp_path: Path) -> None:
    make_backup(folder, tmp_path / "copy", clock=ManualClock())
    manifest = tmp_path / "copy" / "backup.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"form": 2, "program": "9.0"}))

    with pytest.raises(SetupError, match=r"made by debate-caster 9\.0"):
        take_back(tmp_path / "copy", DataFolder(tmp_path / "new"))


def test_a_folder_that_is_no_backup_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restore", str(tmp_path), "--data-dir", str(tmp_path / "new")]) == 2
    assert "is no backup: its backup.json can't be read" in capsys.readouterr().err
