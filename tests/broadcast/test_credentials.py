import os
import subprocess
import sys
from pathlib import Path

import pytest

from debate_caster.broadcast.credentials import Credentials
from debate_caster.errors import BroadcastError
from debate_caster.pulsar.messages import AGENT_ID


def test_an_identity_is_kept_for_the_next_time(tmp_path: Path) -> None:
    with Credentials(tmp_path / "new" / "folder").lend("pulsar", "ada") as first:
        pass
    with Credentials(tmp_path / "new" / "folder").lend("pulsar", "ada") as again:
        assert again == first
    assert AGENT_ID.fullmatch(first.agent_id)
    assert first.agent_id.startswith("ada-")
    assert len(first.secret) >= 32


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    with Credentials(tmp_path / "kept").lend("pulsar", "ada"):
        files = sorted((tmp_path / "kept").iterdir())
    assert [file.name for file in files] == ["pulsar.ada.1.json", "pulsar.ada.1.lock"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700


def test_agents_and_targets_have_identities_of_their_own(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    with (
        credentials.lend("pulsar", "ada") as one,
        credentials.lend("pulsar", "bob") as two,
        credentials.lend("stage", "ada") as three,
    ):
        assert len({one.agent_id, two.agent_id, three.agent_id}) == 3
        assert len({one.secret, two.secret, three.secret}) == 3


@pytest.mark.parametrize("on_disk", [True, False])
def test_the_same_agent_twice_at_once_gets_two_identities_and_both_return(tmp_path: Path, on_disk: bool) -> None:
    credentials = Credentials(tmp_path if on_disk else None)
    with credentials.lend("pulsar", "ada") as one, credentials.lend("pulsar", "ada") as two:
        assert one.agent_id != two.agent_id
    with credentials.lend("pulsar", "ada") as again:
        assert again == one


def test_a_show_that_goes_on_gets_the_identity_that_it_had_whoever_else_is_there(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    with credentials.lend("pulsar", "ada", show="first"), credentials.lend("pulsar", "ada", show="second") as had:
        pass  # and both were broken off
    again = Credentials(tmp_path)
    with again.lend("pulsar", "ada", show="second") as one, again.lend("pulsar", "ada", show="third") as other:
        assert one == had != other
        with again.lend("pulsar", "ada", show="second") as late:  # it can't have it twice
            assert late not in (one, other)


def test_an_identity_in_use_by_another_process_is_left_alone(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from debate_caster.broadcast import Credentials\n"
        f"with Credentials(Path({str(tmp_path)!r})).lend('pulsar', 'ada') as c: print(c.agent_id, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = other.stdout.readline().strip()
        with Credentials(tmp_path).lend("pulsar", "ada") as ours:
            assert theirs
            assert ours.agent_id != theirs
        other.kill()  # as a crash would: nothing is cleaned up
    with Credentials(tmp_path).lend("pulsar", "ada") as returned:
        assert returned.agent_id == theirs


def test_names_cannot_leave_the_directory(tmp_path: Path) -> None:
    with Credentials(tmp_path / "kept").lend("../../etc/passwd", "a/../b\0"):
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]
        assert all(path.parent == tmp_path / "kept" for path in tmp_path.rglob("*.json"))


def test_a_damaged_file_is_named_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "pulsar.ada.1.json").write_text("{", "utf-8")
    with (
        pytest.raises(BroadcastError, match=r"pulsar\.ada\.1\.json is damaged"),
        Credentials(tmp_path).lend("pulsar", "ada"),
    ):
        pass
    assert (tmp_path / "pulsar.ada.1.json").read_text("utf-8") == "{"


def test_a_directory_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with (
        pytest.raises(BroadcastError, match="can't keep the agent's secret"),
        Credentials(tmp_path / "file").lend("pulsar", "ada"),
    ):
        pass


def test_an_error_within_is_not_taken_for_one_of_the_files(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), Credentials(tmp_path).lend("pulsar", "ada"):
        raise ConnectionResetError


def test_locks_leave_no_open_files_behind(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with Credentials(tmp_path).lend("pulsar", "ada"), Credentials(tmp_path).lend("pulsar", "ada"):
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_secrets_do_not_show(tmp_path: Path) -> None:
    with Credentials(tmp_path).lend("pulsar", "ada") as credential:
        assert credential.secret not in repr(credential)
