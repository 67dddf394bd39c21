"""``run`` and ``serve`` in this process: where a show goes, what is said of it, and what its end means."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from debate_caster.cli.command_line import main
from tests.end_to_end.programs import write_scenario

FAST = ("--speed", "50", "--port", "0")

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a scenario that is as fast as can be, with changes, in an empty folder; return status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)

    def perform(*arguments: str, **changes: Any) -> tuple[int, list[str], list[str]]:
        status = main(["run", str(write_scenario(tmp_path, **changes)), *arguments])
        captured = capfd.readouterr()
        return status, captured.out.splitlines(), captured.err.splitlines()

    return perform


def test_a_show_of_its_own_stage_is_said_with_its_page_and_its_end(run: Run) -> None:
    status, out, err = run(*FAST)

    assert status == 0
    assert out[0].startswith("Watch: http://127.0.0.1:")
    assert out[-1].endswith("The debate has run to its end.")
    (producer,) = [line for line in err if line.startswith("Producer: ")]
    assert producer.partition("#")[0] == out[0].replace("Watch:", "Producer:").replace("/shows/", "/producer/")
    assert {json.loads(line)["level"] for line in err if line != producer} == {"info"}


def test_quiet_says_where_to_watch_and_nothing_else(run: Run) -> None:
    status, out, err = run(*FAST, "--quiet")

    assert (status, err) == (0, [])
    assert [line.partition(" ")[0] for line in out] == ["Watch:"]


def test_without_a_stage_somebody_is_told_that_nobody_can_watch(run: Run) -> None:
    status, out, err = run("--speed", "50", "--stage", "none")

    assert status == 0
    assert not any(line.startswith("Watch:") for line in out)
    assert any("nobody can watch" in line for line in err)


def test_events_on_stdout_leave_it_to_them(run: Run) -> None:
    status, out, err = run(*FAST, "--events", "-", "--seed", "11")

    events = [json.loads(line) for line in out]
    assert status == 0
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["seed"] == 11
    assert sum(line.startswith("Watch:") for line in err) == 1


def test_events_can_go_to_a_file(run: Run) -> None:
    status, _, _ = run("--speed", "50", "--stage", "none", "--events", "kept.jsonl")

    assert status == 0
    assert json.loads(Path("kept.jsonl").read_text().splitlines()[-1])["type"] == "show_ended"


def test_a_file_for_events_that_cannot_be_written_is_status_2(run: Run) -> None:
    status, _, err = run(*FAST, "--events", "no/such/folder/x")

    assert status == 2
    assert "can't be written" in err[-1]


def test_a_show_that_its_budget_closes_is_status_1_and_says_why(run: Run) -> None:
    status, out, err = run(*FAST, pacing={}, budget={"max_minutes": 0.4})

    assert status == 1
    assert "its budget is used up" in out[-1]
    assert any(line.startswith("debate-caster: The debate was closed: its budget is used up: ") for line in err)


def test_a_show_whose_models_all_fail_is_status_1_and_says_why(run: Run) -> None:
    model = {"provider": "rehearsal", "faults": ["refused"] * 40}

    status, _, err = run(*FAST, models={"broken": model})

    assert status == 1
    assert any(line.startswith("debate-caster: The debate has failed: ") for line in err)


def test_a_stage_that_is_no_address_is_status_2(run: Run) -> None:
    status, _, err = run("--stage", "ftp://example.org")

    assert status == 2
    assert "--stage ftp://example.org: the address must be ws://" in err[-1]


def test_a_token_does_not_go_over_the_network_in_the_clear(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBATE_CASTER_STAGE_TOKEN", "secret-of-the-stage")

    status, _, err = run("--stage", "http://stage.example")

    assert status == 2
    assert "a token goes over wss:// only" in err[-1]
    assert "secret-of-the-stage" not in "".join(err)


def test_a_stage_that_is_not_there_is_status_1(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]

    status, _, err = run("--speed", "50", "--stage", f"http://127.0.0.1:{port}")

    assert status == 1
    assert "no target was reached" in err[-1]


def test_the_operators_stage_may_be_in_a_private_network_and_its_secrets_stay_off_the_internet(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inside(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr("debate_caster.addresses.look_up", inside)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]

    status, _, err = run("--speed", "50", "--stage", f"ws://stage.invalid:{port}")
    assert status == 1
    assert "127.0.0.1" in "".join(err)  # it was asked, and is not there
    assert "allow_private" not in "".join(err)

    status, _, err = run("--stage", "ws://8.8.8.8:8765")
    assert status == 2
    assert "everybody on the way could read the agents' secrets. Write wss://" in err[-1]


def test_a_public_stage_has_to_be_allowed(run: Run) -> None:
    status, _, err = run(*FAST, "--host", "192.0.2.1")

    assert status == 2
    assert "192.0.2.1" in err[-1]
    assert "--allow-public" in err[-1]


def test_a_usual_port_that_is_taken_gives_way_to_the_next(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("debate_caster.cli.session.Session.given", lambda _session, _setting: False)
        status, out, err = run("--speed", "50", "--port", str(port))

    assert status == 0
    assert f"port {port} is taken: using " in "\n".join(err)
    assert f":{port}/" not in out[0]


def test_the_page_is_opened_and_stays_up_for_a_while(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    status, out, err = run(*FAST, "--open", "--linger", "0.1")

    assert status == 0
    assert [f"Watch: {page}" for page in opened] == out[:1]
    assert "The page stays up for 0.1 s." in err


def test_the_page_of_a_stage_with_tickets_is_opened_with_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    status, out, _ = run(*FAST, "--open", "--tickets")

    assert status == 0
    page, _, ticket = opened[0].partition("#ticket=")
    assert [f"Watch: {page}"] == out[:1], "what is printed may be copied to anybody"
    assert ticket.count(".") == 2


def test_a_scenarios_own_target_may_be_called_stage_too(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]

    status, _, err = run(*FAST, targets=[{"name": "stage", "url": f"ws://127.0.0.1:{port}/"}])

    assert status == 0
    assert any("wren on stage: " in line for line in err)


def after(seconds: float, *numbers: signal.Signals) -> None:
    """Send ourselves signals in a while, counted from when somebody listens for them: else they would end the tests."""
    before = signal.getsignal(numbers[0])

    def send() -> None:
        while signal.getsignal(numbers[0]) == before:
            time.sleep(0.01)
        time.sleep(seconds)
        for number in numbers:
            os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


def test_a_signal_ends_a_show_with_status_130(run: Run) -> None:
    after(1.0, signal.SIGTERM)

    status, out, _ = run("--port", "0", pacing={})

    assert status == 130
    assert out[-1].endswith("The debate was interrupted.")


def test_a_signal_ends_the_serving_of_a_stage_with_status_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    after(0.7, signal.SIGTERM)

    status = main(["serve", "--port", "0", "--data-dir", "data"])

    out = capfd.readouterr().out.splitlines()
    assert status == 0
    assert [line.partition(":")[0] for line in out] == ["Stage", "Agents"]
