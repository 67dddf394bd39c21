"""What several commands share: their options, the forms of what is typed for them, and how help is laid out."""

import argparse
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

__all__ = [
    "Commands",
    "above_zero",
    "add_command",
    "counted",
    "duration",
    "key_option",
    "names",
    "output_options",
    "over_budget_option",
    "port",
    "seconds",
    "stage_options",
    "whole",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a command is added: argparse gives its class no public name."""


def add_command(commands: Commands, name: str, summary: str, text: str, examples: str) -> argparse.ArgumentParser:
    """Return a new command; ``summary`` stands in the list of all, ``text`` and ``examples`` in its own help."""
    word = "examples" if "\n" in examples else "example"
    return commands.add_parser(
        name,
        help=summary,
        description=text,
        epilog=f"{word}:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


class _Another(argparse.Action):
    """Takes an option that may be given several times, in the form that its setting has: apart by spaces."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before} {values}" if before else values)


def stage_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", metavar="H", help="address that the stage listens on (default: 127.0.0.1)")
    command.add_argument(
        "--port",
        type=port,
        metavar="N",
        help="port of the stage, 0 for any (default: 8765, or the next one that is free)",
    )
    command.add_argument(
        "--allow-public",
        action="store_true",
        default=None,
        help="let others reach the stage: needed for any other host",
    )
    command.add_argument(
        "--allow-host",
        action=_Another,
        metavar="NAME",
        dest="allow_hosts",
        help="name by which others reach the stage, besides this machine's own; may be given several times",
    )
    command.add_argument(
        "--open-stage",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let agents in without a token (default: only where nobody but this machine reaches the stage)",
    )
    command.add_argument(
        "--tickets",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let viewers in with a ticket only: `token create --role viewer` makes them (default: whoever comes)",
    )
    key_option(command)


def key_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="keys that tokens are signed with, one a line, the newest first (default: in the data folder)",
    )


def over_budget_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--over-budget",
        action="store_true",
        help="give the show although the day or the month may not have the money for it",
    )


def output_options(command: argparse.ArgumentParser, *, data_dir: bool = True) -> None:
    if data_dir:
        command.add_argument(
            "--data-dir", type=Path, metavar="DIR", help="folder of logs and secrets (default: the user's data folder)"
        )
    command.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        help="least level logged to stderr (default: info)",
    )
    command.add_argument("--color", choices=("auto", "always", "never"), help="colours (default: auto)")
    command.add_argument("--quiet", action="store_true", help="print results only, not what happens meanwhile")


def port(text: str) -> int:
    number = whole(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return number


def whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def duration(text: str) -> timedelta:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not (number.isascii() and number.isdigit()) or len(number) > 8:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time: 90s, 30m, 2h or 7d")
    return timedelta(seconds=int(number) * units[unit])


def counted(text: str) -> int:
    if (number := whole(text)) == 0:
        raise argparse.ArgumentTypeError("0 would be none: at least 1")
    return number


def names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


def above_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 (and up to 10000)")
    return number
