import os
import threading
from pathlib import Path

import pytest

from debate_caster.errors import ScenarioError
from debate_caster.scenario.source_file import MAX_BYTES, read_text


def refusal(path: Path, within: Path | None = None) -> str:
    with pytest.raises(ScenarioError) as caught:
        read_text(path, within=within)
    return str(caught.value)


def test_text_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfmotion: caf\xc3\xa9\r\n")

    assert read_text(path) == "motion: café\r\n"


def test_a_file_may_be_as_long_as_the_limit_and_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert len(read_text(path)) == MAX_BYTES

    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert refusal(path) == f"{path}: it is longer than 256 KiB"


def test_what_is_not_utf8_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"title: x\nmotion: caf\xe9\n")

    assert refusal(path) == f"{path}:2:12: this byte is not UTF-8: save the file as UTF-8"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.yaml") == f"{tmp_path}/a.yaml: there is no such file"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: it is not a plain file"


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    outcome: list[str] = []
    reader = threading.Thread(target=lambda: outcome.append(refusal(tmp_path / "a.yaml")), daemon=True)
    reader.start()
    reader.join(5)

    assert outcome == [f"{tmp_path}/a.yaml: it is not a plain file"]


@pytest.mark.parametrize("device", ["/dev/zero", "/proc/self/mem"])
def test_a_device_is_refused(device: str) -> None:
    assert "it " in refusal(Path(device))


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    assert refusal(tmp_path / "plain" / "b") == f"{tmp_path}/plain/b: it can't be opened: Not a directory"


def test_a_path_that_is_none_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a\0b") == f"{tmp_path / 'a'}\0b: this is not a path to a file"
    (tmp_path / "loop").symlink_to("loop")
    assert "loop: " in refusal(tmp_path / "loop")


def test_a_link_may_lead_within_the_folder_and_not_out_of_it(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside.yaml"
    inside.mkdir()
    (inside / "real.yaml").write_text("a: 1")
    outside.write_text("secret: 1")
    (inside / "near.yaml").symlink_to("real.yaml")
    (inside / "far.yaml").symlink_to(outside)
    (inside / "environment.yaml").symlink_to("/proc/self/environ")

    assert read_text(inside / "near.yaml", within=inside) == "a: 1"
    complaint = "it leads out of the scenario's folder: put the file itself there"
    assert refusal(inside / "far.yaml", within=inside) == f"{inside}/far.yaml: {complaint}"
    assert refusal(inside / "environment.yaml", within=inside) == f"{inside}/environment.yaml: {complaint}"
    assert refusal(inside / ".." / "outside.yaml", within=inside).endswith(complaint)


def test_a_file_that_can_not_be_read_is_refused() -> None:
    if not os.path.exists("/proc/self/mem"):
        pytest.skip("needs /proc")

    assert refusal(Path("/proc/self/mem")).startswith("/proc/self/mem: it can't be read: ")
