import json
import os
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr

from debate_caster.cli.command_line import main
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.directing import FIELDS, Desk, left_for_producers, new_token, producer_url, stage_base
from debate_caster.cli.show_commands import CONTROL_COMMANDS
from debate_caster.errors import SetupError
from debate_caster.show.events import ProducerCommand

TOKEN = "the-token-of-this-shows-producer"


class FakeStage(ThreadingHTTPServer):
    """Answers every POST with what it is told to, and remembers it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[tuple[str, str, dict[str, Any]]] = []
        self.status, self.answer = 200, b'{"type":"control_done","ok":true,"message":"done"}'
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeStage

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def stage() -> Iterator[FakeStage]:
    with FakeStage() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("DEBATE_CASTER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBATE_CASTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_the_commands_are_those_that_a_show_obeys() -> None:
    assert set(CONTROL_COMMANDS) == set(get_args(ProducerCommand))
    assert set(FIELDS) < set(CONTROL_COMMANDS)


def test_a_show_of_this_machine_needs_no_more_than_its_name(
    stage: FakeStage, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with left_for_producers(DataFolder(data), Desk("friday-1", stage.url, TOKEN)):
        assert main(["control", "friday-1", "pause", "--by", "Kim"]) == 0
        assert main(["control", "fri", "inject", "Two", "minutes."]) == 0
        assert main(["control", "latest", "context"]) == 0

    assert stage.posted == [
        ("/api/shows/friday-1/control", f"Bearer {TOKEN}", {"command": "pause", "by": "Kim"}),
        ("/api/shows/friday-1/control", f"Bearer {TOKEN}", stage.posted[1][2]),
        ("/api/shows/friday-1/control", f"Bearer {TOKEN}", stage.posted[2][2]),
    ]
    assert (stage.posted[1][2]["text"], stage.posted[2][2]["text"]) == ("Two minutes.", "")
    assert capsys.readouterr().out.splitlines() == ["done"] * 3


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (409, "refused", 1),
        (504, "no_answer", 1),
        (429, "too_fast", 1),
        (403, "wrong_token", 2),
        (404, "no_such_show", 2),
    ],
)
def test_a_refusal_is_said_and_what_kind_of_it_is_the_status(
    stage: FakeStage, status: int, code: str, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.status, stage.answer = status, json.dumps({"error": code, "message": f"No.\x1b[31m {TOKEN}"}).encode()

    assert main(["control", "s1", "skip", "--url", stage.url, "--token", TOKEN]) == expected

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("debate-caster: No.")
    assert "\x1b" not in said.err
    assert TOKEN not in said.err


def test_a_token_is_not_taken_elsewhere_by_a_redirection(stage: FakeStage) -> None:
    with FakeStage() as other:
        stage.status, stage.headers = 307, {"Location": f"{other.url}/api/shows/s1/control"}
        assert main(["control", "s1", "skip", "--url", stage.url, "--token", TOKEN]) == 1
        assert other.posted == []


def test_the_producers_page_says_where_and_by_which_token(stage: FakeStage) -> None:
    page = producer_url(Desk("friday 1", stage.url, TOKEN))

    assert page == f"{stage.url}/producer/friday%201#token={TOKEN}"
    assert main(["control", "latest", "skip", "--url", page]) == 0
    assert stage.posted[0][:2] == ("/api/shows/friday%201/control", f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["latest", "pause"],
        ["s1", "pause", "now", "--url", "http://127.0.0.1:1"],
        ["s1", "inject", "--url", "http://127.0.0.1:1", "--token", TOKEN],
        ["s1", "pause", "--url", "http://127.0.0.1:1"],
        ["s1", "pause", "--url", "ftp://127.0.0.1", "--token", TOKEN],
        ["s1", "pause", "--url", "http://me:secret@127.0.0.1", "--token", TOKEN],
        ["s1", "pause", "--url", "http://127.0.0.1:1", "--token", TOKEN],
        ["s1", "dance"],
    ],
)
def test_what_can_not_work_is_bad_input(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["control", *arguments]) == 2
    assert capsys.readouterr().err


def test_a_beginning_that_fits_two_shows_is_none(stage: FakeStage, data: Path) -> None:
    folder = DataFolder(data)
    with (
        left_for_producers(folder, Desk("friday-1", stage.url, TOKEN)),
        left_for_producers(folder, Desk("friday-2", stage.url, TOKEN)),
    ):
        assert main(["control", "friday", "pause"]) == 2
        assert main(["control", "friday-2", "pause"]) == 0
    assert [path for path, *_ in stage.posted] == ["/api/shows/friday-2/control"]


def test_a_desk_is_its_owners_alone_and_gone_when_the_show_is(data: Path) -> None:
    with left_for_producers(DataFolder(data), Desk("s1", "http://127.0.0.1:1", TOKEN)):
        (path,) = (data / "desks").iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()
    with left_for_producers(DataFolder(data), None):
        assert not list((data / "desks").iterdir())


def test_what_a_killed_program_left_is_no_show_however_late_it_is(stage: FakeStage, data: Path) -> None:
    folder = DataFolder(data)
    with left_for_producers(folder, Desk("s1", stage.url, TOKEN)):
        dead = folder.desks / "s1-later.json"
        dead.write_text('{"show": "s1-later", "stage": "http://127.0.0.1:2", "token": "old"}', encoding="utf-8")
        assert main(["control", "latest", "pause"]) == 0
        assert main(["control", "s", "resume"]) == 0
        assert not dead.exists()
    assert [path for path, *_ in stage.posted] == ["/api/shows/s1/control"] * 2


def test_a_show_that_is_taken_up_after_its_program_was_killed_is_directed_anew(data: Path) -> None:
    folder, left = DataFolder(data), '{"show": "s1", "stage": "http://127.0.0.1:2", "token": "old"}'
    folder.desks.mkdir(parents=True)
    (folder.desks / "s1.json").write_text(left, encoding="utf-8")

    with left_for_producers(folder, Desk("s1", "http://127.0.0.1:1", TOKEN)):
        (path,) = folder.desks.iterdir()
        assert json.loads(path.read_text(encoding="utf-8"))["token"] == TOKEN
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "http://h:1", "http://h:1/", "ws://h:1/ws", "http://h:1/shows/s1", "http://h:1/producer/s1#token=x",
        "http://h:1/overlay/s1", "ws://h:1/watch",
    ],
)  # fmt: skip
def test_any_address_of_a_stage_leads_to_its_pages(url: str) -> None:
    assert stage_base(url) == "http://h:1"
    assert stage_base(url.replace("http://", "https://").replace("ws://", "wss://")) == "https://h:1"


def test_a_stage_below_a_folder_is_found_there() -> None:
    assert stage_base("https://h/debates/shows/s1") == "https://h/debates"
    with pytest.raises(SetupError):
        stage_base("h:1")


def test_tokens_are_long_random_and_new_each_time_unless_one_was_chosen() -> None:
    tokens = {new_token(None) for _ in range(50)}
    assert len(tokens) == 50
    assert min(map(len, tokens)) >= 32
    assert new_token(SecretStr(TOKEN)) == TOKEN


def test_a_token_that_could_be_guessed_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEBATE_CASTER_PRODUCER_TOKEN", "hunter2")

    assert main(["control", "latest", "pause"]) == 2
    said = capsys.readouterr().err
    assert "DEBATE_CASTER_PRODUCER_TOKEN" in said
    assert "hunter2" not in said
