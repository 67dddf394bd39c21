"""The annals on disk: whole, private, and gone when they are to be gone."""

import threading
from pathlib import Path

import pytest

from debate_caster.episodes.annals import Annals, Archive
from debate_caster.errors import SetupError
from debate_caster.scenario.script import Recollection
from tests.episodes.seasons import duel


@pytest.fixture(params=["on-disk", "in-memory"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    return Archive(tmp_path / "seasons" if request.param == "on-disk" else None)


def test_what_was_changed_is_read_again(archive: Archive) -> None:
    first, second = duel(1, result="won", said="Facts count."), duel(2)

    for one in (first, second):
        archive.change("trams", lambda annals, one=one: annals.with_episode(one))  # type: ignore[misc]  # bound early

    assert archive.read("trams").episodes == (first, second)
    assert archive.series() == ["trams"]
    assert archive.read("trams").next_number == 3
    assert archive.read("other") == Annals(series="other")


def test_an_episode_takes_the_place_of_the_one_of_the_same_show() -> None:
    begun = duel(1).model_copy(update={"ended": False, "parts": ()})

    annals = Annals().with_episode(begun).with_episode(duel(2)).with_episode(duel(1))

    assert annals.episodes == (duel(1), duel(2))
    assert annals.without_show("show-1").episodes == (duel(2),)


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "seasons")

    archive.change("trams", lambda annals: annals.with_episode(duel(1)))

    assert (tmp_path / "seasons").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "seasons").iterdir())


def test_changes_at_once_are_made_one_after_the_other(tmp_path: Path) -> None:
    def add_ten(first: int) -> None:
        archive = Archive(tmp_path)
        for number in range(first, first + 10):
            archive.change("trams", lambda annals, number=number: annals.with_episode(duel(number)))  # type: ignore[misc]

    threads = [threading.Thread(target=add_ten, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(Archive(tmp_path).read("trams").episodes) == 30


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"version": 2}', b'{"episodes": [{"number": "x"}]}'])
def test_a_damaged_file_is_named_with_its_cure_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trams.json").write_bytes(content)

    with pytest.raises(SetupError, match=r"trams\.json is damaged.*Remove it"):
        Archive(tmp_path).change("trams", lambda annals: annals.with_episode(duel(1)))

    assert (tmp_path / "trams.json").read_bytes() == content


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SetupError, match="can't be"):
        Archive(tmp_path / "file").change("trams", lambda annals: annals.with_episode(duel(1)))


@pytest.mark.parametrize(("in_the_way", "says"), [("trams.json", "can't be read"), ("trams.draft", "can't be written")])
def test_a_file_that_can_not_be_used_is_said_and_nothing_is_lost(tmp_path: Path, in_the_way: str, says: str) -> None:
    archive = Archive(tmp_path)
    (tmp_path / in_the_way).mkdir()

    with pytest.raises(SetupError, match=says):
        archive.change("trams", lambda annals: annals.with_episode(duel(1)))

    (tmp_path / in_the_way).rmdir()
    assert archive.change("trams", lambda annals: annals.with_episode(duel(1))).next_number == 2


def test_forgetting_a_persona_leaves_no_word_of_it_and_keeps_who_was_there() -> None:
    unfinished = duel(3).model_copy(
        update={"ended": False, "parts": (), "recollections": {"ben": Recollection(text="Ada said: “Facts count.”")}}
    )
    annals = Annals(episodes=(duel(1, said="Facts count."), duel(2, against="cleo"), unfinished))

    left = annals.without_memory_of("ada")

    text = left.model_dump_json()
    assert "Ada" not in text
    assert "Facts count" not in text
    assert [episode.cast for episode in left.episodes] == [episode.cast for episode in annals.episodes]
    assert [part.persona for episode in left.episodes for part in episode.parts] == ["ben", "cleo"]
