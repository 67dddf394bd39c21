"""What can be typed: the commands, their options and their help. Imports nothing heavy, so that ``--version`` is quick.

Exit status: 0 the show ran to its end; 1 it ended early, and says why; 2 bad input or usage; 130 interrupted, 0 for a
stage that SIGTERM ends.
"""

import argparse
import os
from collections.abc import Sequence
from importlib import import_module
from threading import Thread

from debate_caster.cli import schedule_commands, show_commands, upkeep_commands
from debate_caster.cli.program import INTERRUPTED, run_from_shell
from debate_caster.version import __version__

__all__ = ["main", "parser", "run_from_shell"]

WITH_STAGE = ("run", "serve", "replay")
"""Commands that open a stage of their own, as a rule."""

EXIT_STATUS = """\
exit status:
  0  the show ran to its end
  1  it ended early, and says why
  2  bad input or usage
  130  interrupted (Ctrl-C or SIGTERM); a second signal ends at once.
       SIGTERM is how `serve` is meant to end: 0. Its first signal waits for
       shows, its second ends them, its third ends at once
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status. Raises nothing that a user could cause."""
    try:
        whole = parser()
        options = whole.parse_args(argv)
        if options.command == "run" and options.scenario is None and options.resume is None:
            whole.error("run needs a SCENARIO, or --resume SHOW")
        if options.command == "run" and options.resume is not None and options.slot is not None:
            whole.error("--slot gives a show of the schedule and goes on with it by itself: leave --resume out")
        if options.command == "run" and options.over_budget and options.slot is not None:
            whole.error("--slot gives a show of the schedule, which keeps to the budget: leave --over-budget out")
    except SystemExit as exc:  # argparse has printed help, the version, or what is wrong
        return exc.code if isinstance(exc.code, int) else 2
    # Pydantic would look through every installed package for plugins, of which there are none of ours.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if options.command in WITH_STAGE:
        # Its import reads the machine's certificates, twice, which leaves the interpreter free for our own imports.
        Thread(target=import_module, args=("aiohttp",), daemon=True).start()
    try:
        try:
            from debate_caster.cli.session import perform
        except ImportError as exc:
            from debate_caster.cli.installation import lament

            lament(exc)
            return 1 if options.command == "doctor" else 2
        return perform(options)
    except KeyboardInterrupt:
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="debate-caster",
        description="Perform debates between LLM agents, live: a YAML scenario goes on air, viewers steer it.",
        epilog="A first show, without a key or a network:\n  debate-caster run scenarios/demo.yaml\n\n"
        "Every option's default is a setting: DEBATE_CASTER_PORT=9000, or a line of a .env file.\n\n" + EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"debate-caster {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for add in (
        show_commands.add_run,
        show_commands.add_check,
        show_commands.add_rehearse,
        show_commands.add_serve,
        schedule_commands.add_schedule,
        show_commands.add_watch,
        show_commands.add_control,
        upkeep_commands.add_shows,
        upkeep_commands.add_persona,
        upkeep_commands.add_token,
        show_commands.add_replay,
        upkeep_commands.add_export,
        upkeep_commands.add_backup,
        upkeep_commands.add_restore,
        upkeep_commands.add_prune,
        upkeep_commands.add_doctor,
        upkeep_commands.add_schema,
    ):
        add(commands)
    return whole
