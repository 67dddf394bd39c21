import stat
from pathlib import Path

import pytest

from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.resumption import Keepsake, broken_off, debate_digest, kept_on_file, taken_up
from debate_caster.errors import SetupError
from tests.show.stage_props import make_scenario


def keepsake(show: str = "homework-1") -> Keepsake:
    return Keepsake(
        show=show, scenario="/debates/homework.yaml", digest=debate_digest(make_scenario()), seed=7, speed=1.0,
        stage="embedded", host="127.0.0.1", port=8765, allow_public=False, key="the key", producer_token="the token",
    )  # fmt: skip


def leave(folder: DataFolder, *shows: str) -> None:
    for show in shows:
        with kept_on_file(folder, keepsake(show)):
            pass  # and its process dies


def test_what_a_show_needs_to_go_on_is_there_for_its_owner_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    leave(folder, "homework-1")

    with taken_up(folder, "home") as resumption:
        assert resumption.keepsake == keepsake()
    (path,) = folder.shows.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "the key" not in repr(resumption.keepsake)
    assert "the token" not in repr(resumption.keepsake)


def test_a_show_that_runs_is_not_taken_up(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with (
        kept_on_file(folder, keepsake()),
        pytest.raises(SetupError, match="is running"),
        taken_up(folder, "homework-1"),
    ):
        raise AssertionError("two processes would perform it")
    assert broken_off(folder) == ["homework-1"]


def test_a_show_that_is_over_leaves_nothing(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with kept_on_file(folder, keepsake()) as resumption:
        assert broken_off(folder) == []
        resumption.forget()

    assert broken_off(folder) == []
    with pytest.raises(SetupError, match="no show was broken off"), taken_up(folder, "latest"):
        raise AssertionError("there is none")


def test_the_latest_is_the_one_that_nobody_performs(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    leave(folder, "homework-1")
    with kept_on_file(folder, keepsake("homework-2")), taken_up(folder, "latest") as resumption:
        assert resumption.keepsake.show == "homework-1"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("home", "2 shows begin with 'home'"),
        ("", "no show '' was broken off"),
        ("friday", "no show 'friday' was broken off"),
        ("../desks/x", "was broken off"),
    ],
)
def test_a_show_is_named_clearly_or_not_at_all(wanted: str, says: str, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    leave(folder, "homework-1", "homework-2")

    with pytest.raises(SetupError, match=says), taken_up(folder, wanted):
        raise AssertionError("which one?")


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    leave(folder, "homework-1")
    (folder.shows / "homework-1.json").write_text("{")

    with pytest.raises(SetupError, match=r"damaged.*Remove the file"), taken_up(folder, "homework-1"):
        raise AssertionError("nothing to go on with")


def test_another_debate_is_refused_and_other_models_are_not(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    leave(folder, "homework-1")
    scenario = make_scenario()
    models = {name: script.model_copy(update={"temperature": 0.1}) for name, script in scenario.models.items()}
    agents = tuple(agent.model_copy(update={"model": "another"}) for agent in scenario.agents)

    with taken_up(folder, "homework-1") as resumption:
        resumption.check(scenario.model_copy(update={"models": models, "agents": agents}))
        for changed in ({"motion": "Another one"}, {"agents": scenario.agents[:1]}):
            with pytest.raises(SetupError, match="is not the debate"):
                resumption.check(scenario.model_copy(update=changed))
