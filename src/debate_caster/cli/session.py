"""One run of a command: settings, log, the way to the terminal, and which exit status an error means."""

import argparse
import importlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TextIO

import structlog

from debate_caster.cli.log_output import LogOutput, Redaction, to_stderr
from debate_caster.cli.outlet import Outlet
from debate_caster.cli.printable import printable
from debate_caster.cli.program import INTERRUPTED, is_ready
from debate_caster.errors import DebateCasterError, ScenarioError, SetupError
from debate_caster.settings import Settings, environment, misspelt_names, read_settings

__all__ = ["BAD_INPUT", "ENDED_EARLY", "INTERRUPTED", "RAN", "Session", "perform"]

RAN: Final = 0
ENDED_EARLY: Final = 1
BAD_INPUT: Final = 2

COMMANDS: Final[Mapping[str, str]] = {
    "run": "debate_caster.cli.airing",
    "check": "debate_caster.cli.checking",
    "schema": "debate_caster.cli.checking",
    "rehearse": "debate_caster.cli.rehearsing",
    "schedule": "debate_caster.cli.scheduling",
    "serve": "debate_caster.cli.serving",
    "persona": "debate_caster.cli.remembering",
    "replay": "debate_caster.cli.staging",
    "token": "debate_caster.cli.tokens",
    "shows": "debate_caster.cli.past_shows",
    "export": "debate_caster.cli.past_shows",
    "watch": "debate_caster.cli.watching",
    "control": "debate_caster.cli.directing",
    "backup": "debate_caster.cli.backups",
    "restore": "debate_caster.cli.backups",
    "prune": "debate_caster.cli.retention",
    "doctor": "debate_caster.cli.doctoring",
}
"""Which module has the function of a command's name; imported only when the command is given."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Session:
    """What a command gets. ``settings`` has the options in it that are settings; ``options`` has the others."""

    options: argparse.Namespace
    settings: Settings
    environment: Mapping[str, str]
    log_output: LogOutput
    redaction: Redaction
    stdout: Outlet
    stderr: Outlet
    color: bool

    def say(self, text: str) -> None:
        """Print a result; it is to be printable."""
        self.stdout.put(f"{text}\n")

    def remark(self, text: str) -> None:
        """Say something in passing, on stderr, unless the user wants quiet."""
        if not self.options.quiet:
            self.stderr.put(f"{printable(self.redaction.text(text))}\n")

    @property
    def on_terminal(self) -> bool:
        """Whether stdout is a terminal that can draw."""
        return is_terminal(self.stdout.stream) and os.environ.get("TERM", "") not in ("", "dumb")

    @property
    def stderr_on_terminal(self) -> bool:
        return is_terminal(self.stderr.stream)

    @property
    def columns(self) -> int:
        """How wide lines may be; in a file or a pipe nothing is cut."""
        if not is_terminal(self.stdout.stream):
            return 10_000
        return shutil.get_terminal_size((80, 24)).columns

    def given(self, setting: str) -> bool:
        """Say whether somebody chose this setting, by option, environment or file."""
        return setting in self.settings.model_fields_set


def is_terminal(stream: TextIO) -> bool:
    with suppress(ValueError, OSError):
        return stream.isatty()
    return False


def perform(options: argparse.Namespace) -> int:
    """Perform the command of ``options`` and return the exit status; every error of ours is said in one line."""
    redaction = Redaction()
    try:
        settings = _with_options(read_settings(), options)
        with _session(options, settings, redaction) as session:
            return _perform(session)
    except SetupError as exc:
        to_stderr(f"debate-caster: {printable(redaction.text(str(exc)))}")
        return BAD_INPUT


def _perform(session: Session) -> int:
    command = session.options.command
    if command != "doctor":  # which says it itself
        for name, meant in misspelt_names(os.environ).items():
            logger.warning("setting_unknown", name=name, did_you_mean=meant)
    status = RAN
    try:
        perform_command = getattr(importlib.import_module(COMMANDS[command]), command)
        is_ready()
        status = perform_command(session)
    except* DebateCasterError as group:
        errors = list(_leaves(group))
        for error in errors:
            _complain(session, error)
        status = BAD_INPUT if all(isinstance(error, ScenarioError | SetupError) for error in errors) else ENDED_EARLY
    except* KeyboardInterrupt:
        status = INTERRUPTED
    except* Exception:  # a bug of ours: handed on to the log, where no secret gets through
        logger.exception("bug", command=command)
        session.stderr.put("debate-caster: that is a bug; the lines above say where. Please report it.\n")
        status = ENDED_EARLY
    return status


def _complain(session: Session, error: BaseException) -> None:
    text = printable(session.redaction.text(str(error)))
    prefix = "" if isinstance(error, ScenarioError) else "debate-caster: "
    session.stderr.put(f"{prefix}{text}\n")


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    """Yield the errors that a TaskGroup has wrapped, each once."""
    said = set()
    for error in group.exceptions:
        for leaf in _leaves(error) if isinstance(error, BaseExceptionGroup) else (error,):
            if str(leaf) not in said:
                said.add(str(leaf))
                yield leaf


def _with_options(settings: Settings, options: argparse.Namespace) -> Settings:
    """Return the settings with the options that were given in place of what the environment says."""
    given = {
        name: value for name, value in vars(options).items() if name in Settings.model_fields and value is not None
    }
    return settings.model_copy(update=given)


@contextmanager
def _session(options: argparse.Namespace, settings: Settings, redaction: Redaction) -> Iterator[Session]:
    named = environment()
    redaction.add([settings.stage_token, settings.producer_token, settings.ticket])
    stdout, stderr = Outlet(sys.stdout), Outlet(sys.stderr)
    for_programs = getattr(options, "events", None) == "-" or getattr(options, "json", False)
    live_view = options.command in ("run", "watch") and not for_programs and is_terminal(sys.stdout)
    talkative = options.command in ("run", "serve", "replay") and not live_view and not options.quiet
    level = settings.log_level or ("info" if talkative else "warning")
    log_output = LogOutput(
        level=level,
        as_json=settings.log_format == "json" or (settings.log_format == "auto" and not is_terminal(sys.stderr)),
        color=_wants_color(settings, sys.stderr),
        redaction=redaction,
        emit=lambda line: stderr.put(f"{line}\n"),
    )
    try:
        yield Session(
            options=options,
            settings=settings,
            environment=named,
            log_output=log_output,
            redaction=redaction,
            stdout=stdout,
            stderr=stderr,
            color=_wants_color(settings, sys.stdout),
        )
    finally:
        log_output.restore()
        stdout.close()
        stderr.close()


def _wants_color(settings: Settings, stream: TextIO) -> bool:
    if settings.color != "auto":
        return settings.color == "always"
    return is_terminal(stream) and not settings.no_color and os.environ.get("TERM", "") not in ("", "dumb")
