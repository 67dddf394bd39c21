import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from debate_caster.cli.service_manager import ServiceManager
from debate_caster.clock import ManualClock, VirtualClock, run_virtual


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    """Listen as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.bind(address)
        ears.setblocking(False)
        yield ears


def heard(ears: socket.socket) -> list[str]:
    messages = []
    try:
        while True:
            messages.append(ears.recv(4096).decode())
    except BlockingIOError:
        return messages


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_is_told_at_its_address(tmp_path: Path, abstract: bool) -> None:
    name = f"debate-caster-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with listening(f"\0{name}" if abstract else name) as ears:
        manager = ServiceManager({"NOTIFY_SOCKET": f"@{name}" if abstract else name}, clock=ManualClock())
        manager.tell("READY=1", "STATUS=The stage is open")

        assert heard(ears) == ["READY=1\nSTATUS=The stage is open"]


@pytest.mark.parametrize(("address", "complaints"), [("", 0), ("relative", 0), ("/nowhere/notify", 1)])
def test_where_nobody_listens_that_is_noted_at_most(address: str, complaints: int) -> None:
    with capture_logs() as logs:
        ServiceManager({"NOTIFY_SOCKET": address}, clock=ManualClock()).tell("READY=1")

    assert [(line["event"], line["told"]) for line in logs] == [("service_manager_not_told", "READY=1")] * complaints


def beats(tmp_path: Path, environment: Mapping[str, str], *, seconds: float, lives: list[bool]) -> int:
    """Return how many signs of life there were in that time; ``lives`` are the answers, of which the last one stays."""

    async def main(clock: VirtualClock) -> int:
        with listening(str(tmp_path / "notify")) as ears:
            answers = iter(lives[:-1])
            manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")} | dict(environment), clock=clock)
            async with manager.fed(lambda: next(answers, lives[-1])):
                await clock.sleep(seconds)
            told = heard(ears)
            await clock.sleep(seconds)
            assert heard(ears) == [], "no sign of life after the block"
        assert set(told) <= {"WATCHDOG=1"}
        return len(told)

    return run_virtual(main)


def test_signs_of_life_come_three_times_as_often_as_they_must(tmp_path: Path) -> None:
    assert beats(tmp_path, {"WATCHDOG_USEC": "60000000"}, seconds=119, lives=[True]) == 6


def test_who_is_not_on_watch_gives_no_sign_of_life_until_it_is_again(tmp_path: Path) -> None:
    lives = [True, False, False, True]
    assert beats(tmp_path, {"WATCHDOG_USEC": "60000000"}, seconds=119, lives=lives) == 4


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}],
)
def test_where_no_sign_of_life_is_wanted_of_us_none_is_given(tmp_path: Path, environment: Mapping[str, str]) -> None:
    assert beats(tmp_path, environment, seconds=119, lives=[True]) == 0


def test_a_manager_is_asked_for_patience_as_long_as_we_need_it_and_no_longer(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> list[str]:
        with listening(str(tmp_path / "notify")) as ears:
            manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}, clock=clock)
            async with manager.patient():
                await clock.sleep(89)
            told = heard(ears)
            await clock.sleep(89)
            assert heard(ears) == []
        return told

    assert run_virtual(main) == ["EXTEND_TIMEOUT_USEC=30000000"] * 9
