"""A file that several processes share: whose it is, how it grows older versions up, and which errors it ends in."""

import asyncio
import sqlite3
from contextlib import aclosing, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from debate_caster.errors import LogError
from debate_caster.log.database import Database, from_ms, in_ms, transaction


def opened(path: Path, *, version: int = 2, application_id: int = 77) -> Database:
    schema = "CREATE TABLE IF NOT EXISTS words (word TEXT, length INTEGER) STRICT"
    steps = {1: "ALTER TABLE words ADD COLUMN length INTEGER;"}
    return Database(path, name="words", application_id=application_id, version=version, schema=schema, steps=steps)


def written(db: sqlite3.Connection) -> list[tuple[str, int | None]]:
    return db.execute("SELECT word, length FROM words").fetchall()


async def test_a_file_of_an_older_version_is_brought_up_to_date_and_keeps_what_it_has(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "words.db")) as old:
        old.executescript(
            "PRAGMA application_id = 77; PRAGMA user_version = 1; CREATE TABLE words (word TEXT) STRICT; "
            "INSERT INTO words VALUES ('tea');"
        )
    async with aclosing(opened(tmp_path / "words.db")) as first, aclosing(opened(tmp_path / "words.db")) as second:
        found = await asyncio.wait_for(first.run(written), 10), await second.run(written)

    assert found == ([("tea", None)], [("tea", None)])


@pytest.mark.parametrize(
    ("version", "application_id", "problem"), [(3, 77, "newer debate-caster"), (2, 78, "another program's file")]
)
async def test_what_is_not_ours_or_newer_than_we_is_not_touched(
    version: int, application_id: int, problem: str, tmp_path: Path
) -> None:
    async with aclosing(opened(tmp_path / "words.db", version=version, application_id=application_id)) as other:
        await other.run(written)
    before = (tmp_path / "words.db").read_bytes()
    async with aclosing(opened(tmp_path / "words.db")) as ours:
        with pytest.raises(LogError, match=problem):
            await ours.run(written)

    assert (tmp_path / "words.db").read_bytes() == before


async def test_a_folder_that_can_not_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with aclosing(opened(tmp_path / "file" / "words.db")) as words:
        with pytest.raises(LogError, match="folder can't be used"):
            await words.run(written)


async def test_a_transaction_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def half(db: sqlite3.Connection) -> None:
        with transaction(db):
            db.execute("INSERT INTO words VALUES ('milk', 4)")
            raise LogError("words", "no more")

    async with aclosing(opened(tmp_path / "words.db")) as words:
        with pytest.raises(LogError, match="no more"):
            await words.run(half)

        assert await words.run(written) == []


def test_instants_keep_their_milliseconds() -> None:
    at = datetime(2026, 11, 27, 19, 0, 0, 125_000, tzinfo=UTC)

    assert from_ms(in_ms(at)) == at


async def test_a_transaction_that_cannot_be_committed_is_over_and_the_next_one_is_stored(tmp_path: Path) -> None:
    def refer_to_nothing(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(
            "CREATE TABLE line (id INTEGER PRIMARY KEY, of INTEGER REFERENCES line DEFERRABLE INITIALLY DEFERRED)"
        )
        with transaction(db):
            db.execute("INSERT INTO line VALUES (1, 2)")  # which is noticed at the end

    def write(db: sqlite3.Connection) -> None:
        with transaction(db):
            db.execute("INSERT INTO words VALUES ('tea', 3)")

    async with aclosing(opened(tmp_path / "words.db")) as file:
        with pytest.raises(LogError, match="FOREIGN KEY"):
            await file.run(refer_to_nothing)
        await file.run(write)
        assert await file.run(written) == [("tea", 3)]


async def test_an_error_for_which_sqlite_itself_rolls_back_is_told_as_it_is(tmp_path: Path) -> None:
    def write_twice(db: sqlite3.Connection) -> None:
        db.execute("CREATE UNIQUE INDEX one ON words (word)")
        with transaction(db):
            for _ in range(2):
                db.execute("INSERT OR ROLLBACK INTO words VALUES ('tea', 3)")

    async with aclosing(opened(tmp_path / "words.db")) as file:
        with pytest.raises(LogError, match="UNIQUE constraint"):
            await file.run(write_twice)
        assert await file.run(written) == []
