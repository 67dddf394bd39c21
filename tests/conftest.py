"""What holds for every test: no address but loopback, nothing global left behind, no quiet skips."""

import gc
import ipaddress
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings


def _refuse_other_addresses(event: str, args: tuple[object, ...]) -> None:
    """Fail any attempt to reach a host that is not this machine's loopback; audit hooks see every socket."""
    if event != "socket.connect":
        return
    address = args[1]
    if not isinstance(address, tuple):
        return  # a Unix socket, or a netlink one
    host = str(address[0]).partition("%")[0]
    try:
        allowed = ipaddress.ip_address(host).is_loopback
    except ValueError:
        allowed = host in {"localhost", ""}
    if not allowed:
        raise PermissionError(f"a test tried to reach {host}: only loopback is allowed")


# A busy machine is no bug: examples are bounded in number, tests by their own time limit.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
settings.register_profile("thorough", settings.get_profile("suite"), max_examples=500)
settings.load_profile("suite")

sys.addaudithook(_refuse_other_addresses)

# No server of the internet is asked, so none is trusted either; and each process saves the 0.15 s that aiohttp and
# httpx2 take to read all the authorities of a machine. For the processes that tests start as well.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("nobody.pem"))
os.environ.pop("SSL_CERT_DIR", None)


# Who starts the tests in the background, or under nohup, turns these off for them, and so for the programs that they
# interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    gc.freeze()  # thousands of tests and all modules are here to stay: looking through them takes 0.2 s each time


@pytest.fixture(autouse=True)
def structlog_as_it_was() -> Iterator[None]:
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DEBATE_CASTER_") and name != "DEBATE_CASTER_TESTS_MAY_NOT_SKIP":
            monkeypatch.delenv(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("DEBATE_CASTER_TESTS_MAY_NOT_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and here nothing may be: {report.longrepr}"
    return report
