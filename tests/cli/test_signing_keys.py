import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from debate_caster.cli.signing_keys import signing_keys
from debate_caster.errors import SetupError


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "signing-keys"

    (key,) = signing_keys(path)

    assert len(key) >= 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert signing_keys(path) == (key,)
    assert os.listdir(path.parent) == ["signing-keys"]


def test_programs_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(signing_keys, [tmp_path / "signing-keys"] * 40))

    assert len(keys) == 1


def test_keys_are_lines_and_remarks_are_none(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# of May\n{'n' * 40}\n\n  {'o' * 40}  \n")
    path.chmod(0o600)

    assert signing_keys(path) == ("n" * 40, "o" * 40)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys"
    path.write_text("k" * 40)
    path.chmod(mode)

    with pytest.raises(SetupError, match="others may read"):
        signing_keys(path)


@pytest.mark.parametrize("content", [b"", b"short\n", b"# only a remark\n", b"\xff\xfe" * 40, b"k" * 40 + b"\nshort"])
def test_a_file_without_a_good_key_is_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(SetupError, match="the key file") as refused:
        signing_keys(path)
    assert "short" not in str(refused.value)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe, 0o600)
    folder.mkdir()
    for path in (pipe, folder, Path("/dev/null/keys")):
        with pytest.raises(SetupError, match="the key file"):
            signing_keys(path)
