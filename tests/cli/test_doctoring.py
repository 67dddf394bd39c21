"""``doctor`` as a user types it: one thing at a time is broken, and it says which and how to mend it."""

import http.server
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.server

from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.doctoring import look_in_time
from debate_caster.cli.findings import Finding, fine
from debate_caster.cli.folder_checkup import LEAST_FREE, LITTLE_FREE, look_at_database, look_at_folder, look_at_space
from debate_caster.cli.installation import look_at_packages, look_at_python, requirements
from debate_caster.cli.scenario_checkup import read_scenarios
from debate_caster.cli.server_checkup import look_at_servers
from debate_caster.cli.stage_checkup import look_at_port
from debate_caster.cli.time_checkup import look_at_clock, look_at_time_zones
from debate_caster.clock import ManualClock, SystemClock
from debate_caster.settings import Settings
from tests.cli.test_commands import Said, Say, at_home, keep_past_shows, say
from tests.end_to_end.programs import write_scenario
from tests.llm.test_reviewing import document, office

__all__ = ["at_home", "say"]

KEY = "not-a-real-key-of-anybody"
KEY_NAME = "DOCTORED_KEY"


@dataclass
class Server:
    """Models, a hook and a broadcast target on loopback; ``status`` and ``date`` are what it answers with."""

    address: str = ""
    stage: str = ""
    status: int = 200
    date: str = ""
    models: Sequence[str] = ("parrot",)
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found.asked.append((self.path, self.headers.get("Authorization", "")))
            body = json.dumps({"data": [{"id": name} for name in found.models]}).encode()
            self.send_response_only(found.status)
            self.send_header("Date", found.date or format_datetime(datetime.now(UTC), usegmt=True))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *about: object) -> None:
            """Who has seen the head of an answer may hang up."""

    with ExitStack() as stack:
        web = stack.enter_context(Quiet(("127.0.0.1", 0), Handler))
        stack.enter_context(in_thread(lambda: web.serve_forever(poll_interval=0.01), web.shutdown))
        stage = stack.enter_context(websockets.sync.server.serve(lambda socket: None, "127.0.0.1", 0))
        stack.enter_context(in_thread(stage.serve_forever, stage.shutdown))
        found.address = f"http://127.0.0.1:{web.server_port}"
        found.stage = f"ws://127.0.0.1:{stage.socket.getsockname()[1]}/ws"
        yield found


@contextmanager
def in_thread(work: Callable[[], object], end: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        end()
        thread.join()


@contextmanager
def listening() -> Iterator[int]:
    """Take a port, and let nobody in."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        yield taken.getsockname()[1]


def nobodys_port() -> int:
    with listening() as port:
        return port


@dataclass
class Machine:
    """A machine on which a show would go well; faults are seeded into it."""

    folder: DataFolder
    here: Path
    server: Server
    monkeypatch: pytest.MonkeyPatch
    arguments: list[str] = field(default_factory=lambda: ["--port", "0"])
    held: ExitStack = field(default_factory=ExitStack)

    def scenario(self, *, model: dict[str, Any] | None = None, **changes: Any) -> None:
        script = {"provider": "openai", "base_url": f"{self.server.address}/v1", "model": "parrot"}
        models = {"cloud": script | {"api_key": f"${{{KEY_NAME}}}"} | (model or {}), "own": {"provider": "rehearsal"}}
        target = {"name": "pulsar", "url": self.server.stage}
        hook = {"hook": {"url": f"{self.server.address}/hook"}}
        write_scenario(self.here, **({"models": models, "targets": [target], "moderation": hook} | changes))


@pytest.fixture
def machine(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, at_home: None) -> Iterator[Machine]:
    del at_home  # first, so that the settings are read in this test's folder
    monkeypatch.setenv(KEY_NAME, KEY)
    keep_past_shows("first-1")
    folder = DataFolder(Settings().data_dir)
    folder.path.chmod(0o700)
    machine = Machine(folder, tmp_path, server, monkeypatch)
    machine.scenario()
    with machine.held:
        yield machine


def doctor(say: Say, machine: Machine) -> tuple[Said, list[dict[str, str]]]:
    said = say("doctor", "homework.yaml", "--json", *machine.arguments)
    return said, [json.loads(line) for line in said.out.splitlines()]


# -- faults, one at a time ---------------------------------------------------------------------------------------------


def a_file_where_the_folder_was(machine: Machine) -> None:
    (machine.here / "file").write_text("")
    machine.arguments += ["--data-dir", str(machine.here / "file" / "data")]


def a_damaged_log(machine: Machine) -> None:
    content = bytearray(machine.folder.show_log.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    machine.folder.show_log.write_bytes(content)


def no_database(machine: Machine) -> None:
    machine.folder.air_log.write_bytes(b"It is not the database that was expected. " * 100)


def a_log_of_a_newer_program(machine: Machine) -> None:
    with closing(sqlite3.connect(machine.folder.show_log)) as database:
        database.execute("PRAGMA user_version = 99")


def somebody_elses_calendar(machine: Machine) -> None:
    with closing(sqlite3.connect(machine.folder.calendar)) as database:
        database.execute("CREATE TABLE birthdays (day)")


def a_log_that_is_held(machine: Machine) -> None:
    database = machine.held.enter_context(closing(sqlite3.connect(machine.folder.show_log, isolation_level=None)))
    database.execute("BEGIN IMMEDIATE")
    machine.monkeypatch.setattr("debate_caster.cli.folder_checkup.BUSY_TIMEOUT_S", 0.05)


def a_taken_port(machine: Machine) -> None:
    machine.arguments += ["--port", str(machine.held.enter_context(listening()))]


def a_public_address(machine: Machine) -> None:
    machine.arguments += ["--host", "0.0.0.0"]  # noqa: S104 - what is to be refused


def keys_for_everybody(machine: Machine) -> None:
    machine.folder.signing_keys.write_text("k" * 40)
    machine.folder.signing_keys.chmod(0o644)
    machine.arguments += ["--tickets"]


def a_typing_error(machine: Machine) -> None:
    machine.scenario(formatt="duel")


def no_key(machine: Machine) -> None:
    machine.monkeypatch.delenv(KEY_NAME)


def a_refused_key(machine: Machine) -> None:
    machine.server.status = 401
    machine.scenario(moderation={})


def a_server_that_is_not_there(machine: Machine) -> None:
    machine.scenario(model={"base_url": f"http://127.0.0.1:{nobodys_port()}/v1"})


def a_server_that_has_moved(machine: Machine) -> None:
    machine.server.status = 301


def a_hook_that_fails(machine: Machine) -> None:
    machine.server.status = 503
    machine.scenario(models={"own": {"provider": "rehearsal"}})


def a_target_that_is_not_there(machine: Machine) -> None:
    machine.scenario(targets=[{"name": "pulsar", "url": f"ws://127.0.0.1:{nobodys_port()}"}])


def a_target_that_refuses(machine: Machine) -> None:
    machine.server.status = 403
    machine.scenario(
        models={"own": {"provider": "rehearsal"}},
        moderation={},
        targets=[{"name": "pulsar", "url": machine.server.address.replace("http", "ws"), "token": f"${{{KEY_NAME}}}"}],
    )


def a_wrong_clock(machine: Machine) -> None:
    machine.server.date = "Sat, 01 Jan 2000 00:00:00 GMT"


FAULTS = [
    pytest.param(a_file_where_the_folder_was, "data folder", "is no folder", "--data-dir", id="folder"),
    pytest.param(a_damaged_log, "data folder", "show-log.db is damaged", "Restore your last backup", id="damaged"),
    pytest.param(no_database, "data folder", "air-log.db is damaged", "Restore your last backup", id="no-database"),
    pytest.param(a_log_of_a_newer_program, "data folder", "a newer debate-caster", "pip install --upgrade", id="newer"),
    pytest.param(somebody_elses_calendar, "data folder", "another program's database", "Move it away", id="foreign"),
    pytest.param(a_log_that_is_held, "data folder", "holds it locked", "End that program", id="locked"),
    pytest.param(a_taken_port, "stage", "is taken", "name another port with --port", id="port"),
    pytest.param(a_public_address, "stage", "is not opened on", "--allow-public", id="public"),
    pytest.param(keys_for_everybody, "stage", "others may read", "rm ", id="keys"),
    pytest.param(a_typing_error, "scenario", "homework.yaml:", "debate-caster check", id="typing-error"),
    pytest.param(no_key, "secret", f"{KEY_NAME} is not set", f"{KEY_NAME}=…", id="no-key"),
    pytest.param(a_refused_key, "model", f"refuses the key in {KEY_NAME}", f"valid key in {KEY_NAME}", id="refused"),
    pytest.param(a_server_that_is_not_there, "model", "does not answer", "base_url", id="no-server"),
    pytest.param(a_server_that_has_moved, "model", "sends us elsewhere", "base_url", id="moved"),
    pytest.param(a_hook_that_fails, "hook", "fails (status 503)", "the hook's server", id="hook"),
    pytest.param(a_target_that_is_not_there, "target", "no connection", "Start that server", id="no-target"),
    pytest.param(a_target_that_refuses, "target", "status 403", f"valid token in {KEY_NAME}", id="target-refuses"),
    pytest.param(a_wrong_clock, "clock", "s ahead of the clock of 127.0.0.1", "NTP", id="clock"),
]


@pytest.mark.parametrize(("fault", "about", "what", "cure"), FAULTS)
def test_a_fault_is_found_alone_with_its_cure(
    fault: Callable[[Machine], None], about: str, what: str, cure: str, machine: Machine, say: Say
) -> None:
    fault(machine)

    said, findings = doctor(say, machine)

    failures = [finding for finding in findings if finding["grade"] == "failure"]
    assert (said.status, said.err) == (1, "")
    assert [failure["about"] for failure in failures] == [about]
    assert what in failures[0]["what"]
    assert cure in failures[0]["cure"]


def test_a_machine_without_a_fault_has_none(machine: Machine, say: Say) -> None:
    before = {path.name for path in machine.folder.path.iterdir()}

    said, findings = doctor(say, machine)

    assert (said.status, said.err) == (0, "")
    assert [finding for finding in findings if finding["grade"] != "ok"] == []
    assert {finding["about"] for finding in findings} == {
        "Python", "packages", "time zones", "data folder", "disk", "stage", "scenario", "secret", "clock", "model",
        "hook", "target",
    }  # fmt: skip
    assert {path.name for path in machine.folder.path.iterdir()} == before


def test_no_model_is_made_to_say_a_word_and_nobody_else_gets_the_key(machine: Machine, say: Say) -> None:
    doctor(say, machine)

    assert sorted(machine.server.asked) == [("/hook", ""), ("/v1/models", f"Bearer {KEY}")]


def test_a_server_is_asked_once_however_many_scenarios_name_it(machine: Machine, say: Say) -> None:
    (machine.here / "other.yaml").write_text((machine.here / "homework.yaml").read_text())

    said = say("doctor", ".", "--json", "--port", "0")

    assert said.out.count('"about": "model"') == 2
    assert len(machine.server.asked) == 2


@pytest.mark.parametrize("form", ["--json", "--color=never"])
def test_no_secret_is_printed_even_where_a_server_gives_it_back(form: str, machine: Machine, say: Say) -> None:
    machine.server.models = (KEY,)

    said = say("doctor", "homework.yaml", form, "--port", "0")

    assert "did you mean" in said.out or "choose from" in said.out
    assert KEY not in said.out + said.err


def test_without_scenarios_nobody_is_asked(machine: Machine, say: Say) -> None:
    said = say("doctor", "--port", "0")

    assert said.status == 0
    assert machine.server.asked == []
    assert said.out.endswith("\nnothing is wrong: a show can go on air\n")


def test_a_model_that_another_stands_in_for_fails_no_show(machine: Machine, say: Say) -> None:
    base_url = f"http://127.0.0.1:{nobodys_port()}"
    machine.scenario(model={"base_url": base_url, "fallback": "own"}, moderation={})

    said, findings = doctor(say, machine)

    (finding,) = [finding for finding in findings if finding["grade"] != "ok"]
    assert said.status == 0
    assert (finding["about"], finding["grade"]) == ("model", "warning")
    assert finding["what"].endswith("; its fallback stands in")


def test_a_model_that_its_server_does_not_list_may_be_a_typing_error(machine: Machine, say: Say) -> None:
    machine.scenario(model={"model": "parot"})

    said, findings = doctor(say, machine)

    (finding,) = [finding for finding in findings if finding["grade"] != "ok"]
    assert said.status == 0
    assert (finding["grade"], finding["cure"]) == ("warning", "Mend `model`: did you mean 'parrot'?")


@pytest.mark.parametrize(("form", "status", "grade"), [("json", 404, "ok"), ("discord", 404, "warning")])
def test_a_receiver_that_nobody_is_behind_fails_no_show(
    form: str, status: int, grade: str, machine: Machine, say: Say
) -> None:
    machine.server.status = status
    machine.monkeypatch.setenv("DOCTORED_HOOK", f"{machine.server.address}/webhooks/secret-part")
    receiver = {"url": "${DOCTORED_HOOK}", "format": form}
    machine.scenario(models={"own": {"provider": "rehearsal"}}, moderation={}, announce=[receiver])

    said, findings = doctor(say, machine)

    assert said.status == 0
    assert [finding["grade"] for finding in findings if finding["about"] == "announce"] == [grade]
    assert [path for path, _ in machine.server.asked] == ["/webhooks/secret-part"]
    assert "secret-part" not in said.out


def test_a_scheduled_show_of_unknown_cost_is_none_where_money_is_limited(machine: Machine, say: Say) -> None:
    machine.monkeypatch.setenv("DEBATE_CASTER_MONEY_PER_DAY", "5")
    machine.scenario(schedule={"cron": "0 20 * * FRI", "timezone": "Europe/Paris"})

    said, findings = doctor(say, machine)

    (failure,) = [finding for finding in findings if finding["grade"] == "failure"]
    assert said.status == 1
    assert "nobody knows what a show costs" in failure["what"]
    assert "`price`" in failure["cure"]


def test_a_folder_is_the_same_by_its_relative_path(machine: Machine, say: Say) -> None:
    machine.arguments += ["--data-dir", os.path.relpath(machine.folder.path)]

    said, findings = doctor(say, machine)

    assert said.status == 0
    assert [finding["what"] for finding in findings if finding["about"] == "data folder"] == [
        f"{machine.folder.path} can be written, and is nobody else's",
        *(what for finding in findings if (what := finding["what"]).startswith("show-log.db")),
    ]


def test_a_private_address_is_asked_only_where_the_scenario_allows_it(machine: Machine, say: Say) -> None:
    machine.scenario(model={"base_url": "http://10.0.0.1/v1"})

    said, findings = doctor(say, machine)

    (failure,) = [finding for finding in findings if finding["grade"] == "failure"]
    assert said.status == 1
    assert "not a public address" in failure["what"]
    assert machine.server.asked == []


def test_a_target_whose_name_leads_into_a_private_network_is_told_with_its_cure(machine: Machine, say: Say) -> None:
    async def inside(_host: str, _port: int) -> list[str]:
        return ["10.0.0.1"]

    machine.monkeypatch.setattr("debate_caster.addresses.look_up", inside)
    machine.scenario(targets=[{"name": "pulsar", "url": "wss://pulsar.example/ws"}])

    _, findings = doctor(say, machine)

    (failure,) = [finding for finding in findings if finding["grade"] == "failure"]
    assert failure["what"] == "pulsar: pulsar.example: pulsar.example is not at a public address"
    assert failure["cure"].startswith("Say `allow_private: true`")


def test_a_name_that_is_no_setting_is_a_warning(machine: Machine, say: Say) -> None:
    machine.monkeypatch.setenv("DEBATE_CASTER_PROT", "9000")

    said, findings = doctor(say, machine)

    (finding,) = [finding for finding in findings if finding["grade"] != "ok"]
    assert (said.status, said.err) == (0, "")
    assert (finding["about"], finding["cure"]) == ("settings", "Did you mean DEBATE_CASTER_PORT?")


def test_who_uses_the_folder_is_said_and_is_no_fault(machine: Machine, say: Say) -> None:
    with machine.folder.claim_air_log() as claimed:
        said, findings = doctor(say, machine)

    assert claimed
    assert said.status == 0
    assert "a stage is using" in findings[0]["what"]


def test_a_line_has_a_mark_and_below_what_is_wrong_stands_its_cure(machine: Machine, say: Say) -> None:
    no_key(machine)

    said = say("doctor", "homework.yaml", "--port", "0", "--quiet")

    assert said.out == (
        f"✗ secret  {KEY_NAME} is not set, and homework.yaml needs it\n"
        f"          → Set it in the environment, or with a line {KEY_NAME}=… in .env\n"
        "\n"
        "1 failure: a show would fail\n"
    )


# -- what can't be seeded from outside ---------------------------------------------------------------------------------


def test_every_package_that_the_program_requires_is_looked_at() -> None:
    required = dict(requirements())

    (finding,) = look_at_packages(required.items())

    assert {"openai", "pydantic", "pyyaml", "websockets"} <= set(required)
    assert "pytest" not in required
    assert finding.grade == "ok"


@pytest.mark.parametrize(
    ("required", "what", "cure"),
    [
        ([("debate-of-nobody", "1.0")], "is missing", "pip install debate-of-nobody"),
        ([("structlog", "9999.1")], "is too old: at least 9999.1", "pip install --upgrade structlog"),
    ],
)
def test_a_package_that_is_missing_or_old_is_found(required: list[tuple[str, str]], what: str, cure: str) -> None:
    (finding,) = look_at_packages(required)

    assert finding.grade == "failure"
    assert what in finding.what
    assert cure in finding.cure


def test_a_package_without_its_module_is_broken() -> None:
    (finding,) = look_at_packages([("structlog", "1")], is_there=lambda module: False)

    assert (finding.grade, "--force-reinstall structlog" in finding.cure) == ("failure", True)


@pytest.mark.parametrize(
    ("had", "least", "enough"),
    [("2.14", "2.14.0", True), ("2.9", "2.14", False), ("2.14.0rc1", "2.14", True), ("2026.11.15", "2026.1", True)],
)
def test_versions_are_compared_by_their_numbers(had: str, least: str, enough: bool) -> None:
    (finding,) = look_at_packages([("regex", least)], version_of=lambda package: had)

    assert (finding.grade == "ok") is enough


def test_a_python_or_a_sqlite_that_is_too_old_is_found() -> None:
    old_python, old_sqlite = (
        [finding.what for finding in look_at_python(version, sqlite)]
        for version, sqlite in (((3, 10, 9), (3, 40, 0)), ((3, 11, 0), (3, 31, 1)))
    )

    assert old_python == ["Python 3.10.9 is too old: at least 3.11 is needed"]
    assert old_sqlite == ["the SQLite 3.31.1 in this Python is too old: at least 3.37.0 is needed"]


@pytest.mark.parametrize(
    ("free", "grade"), [(LEAST_FREE - 1, "failure"), (LITTLE_FREE - 1, "warning"), (LITTLE_FREE, "ok")]
)
def test_a_disk_with_little_room_is_found(free: int, grade: str, tmp_path: Path) -> None:
    (finding,) = look_at_space(DataFolder(tmp_path / "new"), free=lambda place: free)

    assert finding.grade == grade
    assert str(tmp_path) in finding.what


def test_a_network_disk_is_found(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\nserver:/x {tmp_path.parent} nfs4 rw 0 0\n")

    network, fit = look_at_folder(DataFolder(tmp_path / "data"), mounts=str(mounts))

    assert (network.grade, fit.grade) == ("warning", "ok")
    assert "nfs4" in network.what


def test_a_folder_that_others_may_look_into_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    (finding,) = look_at_folder(DataFolder(tmp_path), mounts=os.devnull)

    assert (finding.grade, finding.cure) == ("warning", f"chmod 700 {tmp_path}")


def test_a_folder_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    (finding,) = look_at_folder(DataFolder(tmp_path / "a" / "b"), mounts=os.devnull)

    assert finding.grade == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_database_too_big_to_be_looked_through_in_time_is_left_to_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "big.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE things (text)")
        database.executemany("INSERT INTO things VALUES (?)", [("x" * 200,)] * 5000)
        database.commit()

    (finding,) = look_at_database(path, 0, 0, clock=SystemClock(), look_s=-1)

    assert (finding.grade, finding.what) == ("ok", "big.db (1.1 MB) can be written; `backup` tells if it is whole")


def test_a_machine_without_time_zones_can_read_no_schedule() -> None:
    (finding,) = look_at_time_zones(())

    assert (finding.grade, finding.cure) == ("failure", "python -m pip install tzdata")


@pytest.mark.parametrize(
    ("seen", "grade"),
    [
        ([], "ok"),
        ([("a", 2.0)], "ok"),
        ([("a", -60.0)], "warning"),
        ([("a", 3600.0)], "failure"),
        ([("a", 3600.0), ("b", -1.0)], "ok"),
    ],
)
def test_our_clock_is_right_where_any_other_agrees(seen: list[tuple[str, float]], grade: str) -> None:
    (finding,) = look_at_clock(ManualClock(), seen)

    assert finding.grade == grade


async def test_what_hangs_is_found_and_not_waited_for() -> None:
    let_go = threading.Event()

    def hang() -> list[Finding]:
        let_go.wait(60)
        return [fine("disk", "it came back")]

    try:
        (finding,) = await look_in_time("disk", hang, clock=SystemClock(), timeout_s=0.02)
    finally:
        let_go.set()

    assert (finding.about, finding.grade) == ("disk", "failure")
    assert "within 0.02 s" in finding.what


async def test_a_server_that_takes_its_time_is_not_waited_for_and_holds_up_no_other(tmp_path: Path) -> None:
    async with office(b"", limit=0) as silent, office(document({"data": [{"id": "parrot"}]})) as quick:
        models = {
            name: {"provider": "openai", "base_url": desk.url, "model": "parrot"}
            for name, desk in (("silent", silent), ("quick", quick))
        }
        path = write_scenario(tmp_path, models=models, moderator={"persona": "vera", "model": "quick"})
        (read,) = read_scenarios([path], {}, shortest_period_s=300, money_is_limited=False).scenarios
        survey = await look_at_servers([read], clock=SystemClock(), timeout_s=2)

    slow, fit = survey.findings
    assert (slow.grade, fit.grade) == ("failure", "ok")
    assert "no answer within 2 s" in slow.what


@pytest.mark.parametrize(("asked_for", "in_use", "grade"), [(True, False, "failure"), (True, True, "warning"),
                                                            (False, False, "warning")])  # fmt: skip
def test_a_taken_port_costs_a_show_only_where_it_was_asked_for_and_is_not_our_own(
    asked_for: bool, in_use: bool, grade: str
) -> None:
    with listening() as port:
        settings = Settings.model_construct({"port"} if asked_for else set(), port=port)
        (finding,) = look_at_port(settings, in_use=in_use)

    assert finding.grade == grade
    assert f"port {port} of 127.0.0.1 is taken" in finding.what


def test_what_is_wrong_has_a_cure_and_nothing_else_has() -> None:
    for grade, cure in (("ok", "Do something"), ("failure", "")):
        with pytest.raises(ValueError, match="has a cure"):
            Finding("disk", grade, "it is there", cure)  # type: ignore[arg-type]  # a Grade each


def test_a_program_that_can_not_be_imported_says_how_to_mend_it(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['structlog'] = None\n"
        "from debate_caster.cli.command_line import main; sys.exit(main(['doctor']))"
    )

    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "debate-caster: the package structlog is broken: structlog is not in it. "
        "Mend it with: python -m pip install --force-reinstall structlog\n"
    )
