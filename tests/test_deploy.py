"""What stands in ``deploy/`` fits the program that it starts."""

import configparser
import shlex
from pathlib import Path

from debate_caster.cli.command_line import parser

UNIT = Path(__file__).parent.parent / "deploy" / "debate-caster.service"


def sections() -> configparser.RawConfigParser:
    unit = configparser.RawConfigParser(strict=True, comment_prefixes=("#",), inline_comment_prefixes=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names of settings have capitals
    unit.read_string(UNIT.read_text(encoding="utf-8"))
    return unit


def test_the_unit_starts_a_command_that_there_is() -> None:
    program, *arguments = shlex.split(sections()["Service"]["ExecStart"])
    options = parser().parse_args(arguments)

    assert program.startswith("/")
    assert (options.command, [str(path) for path in options.scenarios]) == ("serve", ["/etc/debate-caster/scenarios"])
    assert str(options.data_dir) == "/var/lib/debate-caster"


def test_the_unit_waits_for_us_watches_us_and_gives_us_a_folder_of_our_own() -> None:
    service = sections()["Service"]

    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert int(service["WatchdogSec"]) > 30, "longer than a calendar may be lost in a slow disk"
    assert (service["DynamicUser"], service["StateDirectory"]) == ("yes", "debate-caster")
    assert service["ProtectSystem"] == "strict"
