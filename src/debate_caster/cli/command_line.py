"""What can be typed: the commands, their options and their help. Imports nothing heavy, so that ``--version`` is quick.

Exit status: 0 the show ran to its end; 1 it ended early, and says why; 2 bad input or usage; 130 interrupted, 0 for a
stage that SIGTERM ends.
"""

import argparse
import os
from collections.abc import Sequence
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from threading import Thread

from debate_caster.cli.program import INTERRUPTED, run_from_shell
from debate_caster.version import __version__

__all__ = ["main", "parser", "run_from_shell"]

CONTROL_COMMANDS = (
    "pause", "resume", "skip", "end", "inject", "context", "approve", "decline", "mute", "unmute", "approval_on",
    "approval_off", "open_vote", "close_vote",
)  # fmt: skip
"""What a producer may order; a test compares this with what the show obeys."""

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

    run = _command(
        commands,
        "run",
        "perform a scenario, live",
        "Perform a scenario: its agents debate, a page shows it, viewers' hints steer it.",
        "  debate-caster run scenarios/demo.yaml --open\n"
        "  debate-caster run scenarios/demo.yaml --stage none --speed 10\n"
        "  debate-caster run --resume latest\n"
        "  debate-caster run scenarios/demo.yaml --events - | jq -r 'select(.type == \"chunk_aired\").text'",
    )
    run.add_argument(
        "scenario", type=Path, nargs="?", metavar="SCENARIO", help="a scenario file (not needed with --resume)"
    )
    _stage_options(run)
    run.add_argument(
        "--stage",
        metavar="URL|embedded|none",
        help="where to broadcast besides the scenario's targets: a stage of its own, another stage's address, "
        "or nowhere (default: embedded)",
    )
    run.add_argument(
        "--slot",
        metavar="due|TIME",
        help="give the show of a slot of the scenario's schedule, once whoever asks for it; `due` is the newest one, "
        "if it may still start (for schedulers of your own: see `schedule export`)",
    )
    run.add_argument("--seed", type=int, metavar="N", help="makes a rehearsal repeatable (default: a new one, logged)")
    run.add_argument(
        "--resume",
        metavar="SHOW",
        help="go on with a show whose process has died: its id, the beginning of it, or `latest`",
    )
    run.add_argument("--speed", type=_above_zero, metavar="X", help="X times as fast (default: 1)")
    run.add_argument("--events", metavar="FILE|-", help="write the show's events as JSON Lines to a file, or to stdout")
    _over_budget_option(run)
    run.add_argument("--open", action="store_true", help="open the page in a browser")
    run.add_argument(
        "--linger",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="keep the page up S seconds after the end (default: 0)",
    )
    _output_options(run)

    check = _command(
        commands,
        "check",
        "find every problem in scenario files",
        "Read scenarios with all they name and report every problem with file:line:column. Opens no socket.",
        "  debate-caster check scenarios/\n  debate-caster check mine.yaml --environment",
    )
    check.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="scenario files, or folders of them")
    check.add_argument(
        "--environment", action="store_true", help="an unset ${VARIABLE} is a problem too, as it will be for `run`"
    )
    _output_options(check, data_dir=False)

    rehearse = _command(
        commands,
        "rehearse",
        "perform a scenario in seconds, on a virtual clock, with the rehearsal model",
        "Perform the whole show in virtual time and print its rundown, its length, and the most it may call and cost.",
        "  debate-caster rehearse scenarios/demo.yaml\n  debate-caster rehearse scenarios/demo.yaml --transcript",
    )
    rehearse.add_argument("scenario", type=Path, metavar="SCENARIO", help="a scenario file")
    rehearse.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, another debate (default: 0)")
    rehearse.add_argument(
        "--episode",
        type=_counted,
        default=1,
        metavar="N",
        help="of a series: perform the episodes up to this one, and print it (default: 1)",
    )
    rehearse.add_argument("--transcript", action="store_true", help="print what was said as well")
    _output_options(rehearse, data_dir=False)

    serve = _command(
        commands,
        "serve",
        "open a stage, and give recurring shows on it",
        "Open the stage. Agents connect to ws://HOST:PORT/ws, people to http://HOST:PORT/. Scenarios that are\n"
        "named, by file or by folder, are given whenever their `schedule` says; their edits take effect by\n"
        "themselves. A second `serve` on the same data directory stands by. Ends with status 0.",
        "  debate-caster serve\n  debate-caster serve scenarios/ --port 9000 --data-dir ./data",
    )
    serve.add_argument("scenarios", nargs="*", type=Path, metavar="SCENARIO", help="scenario files, or folders of them")
    serve.add_argument(
        "--grace-s",
        dest="stop_grace_s",
        type=_whole,
        metavar="S",
        help="how long a first signal lets the shows that are on go on before they are ended (default: 60); a second "
        "signal ends them at once",
    )
    _stage_options(serve)
    _output_options(serve)

    _schedule_command(commands)

    watch = _command(
        commands,
        "watch",
        "watch a show of any stage in the terminal",
        "Show a show as it airs, from its beginning, as `run` does; goes on by itself after a cut line.",
        "  debate-caster watch http://127.0.0.1:8765\n"
        "  debate-caster watch https://stage.example/shows/friday-1\n"
        "  debate-caster watch http://127.0.0.1:8765 friday-1 --json --types chunk_aired | jq -r .text",
    )
    watch.add_argument("url", metavar="URL", help="address of a stage, or of a show's page")
    watch.add_argument("show", nargs="?", metavar="SHOW", help="the show's id (default: the page's, or the newest)")
    watch.add_argument("--json", action="store_true", help="the events as JSON Lines, as the stage sends them")
    watch.add_argument("--after", type=_whole, default=0, metavar="N", help="only what comes after event N")
    watch.add_argument("--room", metavar="ID", help="only one agent's room, and what is nobody's")
    watch.add_argument("--speaker", metavar="ID", help="only what concerns one agent of the show, or nobody")
    watch.add_argument(
        "--types",
        type=_names,
        default=(),
        metavar="A,B",
        help="only events of these types, '*' for all of them (default: all but thoughts and tools)",
    )
    _output_options(watch, data_dir=False)

    control = _command(
        commands,
        "control",
        "direct a show that is on air",
        "Direct a show as its producer's page does: pause or resume it, skip the turn, end the show, have the\n"
        "moderator say something (inject TEXT), give every prompt a note (context TEXT), decide on hints (approve,\n"
        "decline HINT), have hints wait for that (approval_on, approval_off), decline all of a viewer's (mute,\n"
        "unmute VIEWER), open or close a vote. A show that runs on this machine needs nothing more; another one its\n"
        "stage's address and its producer's token.",
        "  debate-caster control latest pause\n"
        '  debate-caster control latest inject "Two minutes to the vote."\n'
        "  DEBATE_CASTER_PRODUCER_TOKEN=… debate-caster control friday-1 skip --url https://stage.example",
    )
    control.add_argument("show", metavar="SHOW", help="the show's id, the beginning of one that runs here, or `latest`")
    control.add_argument("order", metavar="COMMAND", choices=CONTROL_COMMANDS, help=", ".join(CONTROL_COMMANDS))
    control.add_argument("argument", nargs="*", metavar="TEXT|HINT|VIEWER", help="what the command takes")
    control.add_argument("--url", metavar="URL", help="address of the stage, or of the show's producer page")
    control.add_argument(
        "--token",
        metavar="T",
        help="the producer's token (better: DEBATE_CASTER_PRODUCER_TOKEN, which others do not see)",
    )
    control.add_argument("--by", metavar="NAME", help="who does it, for the show's log (default: your user name)")
    _output_options(control)

    shows = _command(
        commands,
        "shows",
        "list past shows",
        "List the shows in the data directory, newest first.",
        "  debate-caster shows",
    )
    shows.add_argument("--json", action="store_true", help="as JSON Lines")
    shows.add_argument("--limit", type=_counted, default=50, metavar="N", help="how many at most (default: 50)")
    _output_options(shows)

    persona = _command(
        commands,
        "persona",
        "show what a persona remembers of earlier episodes, or have it forget",
        "Show how a persona did in the episodes of every series in the data directory, and whom it met. It remembers\n"
        "only in series whose scenario has a `season` with `memory`.",
        "  debate-caster persona otis\n  debate-caster persona otis --forget",
    )
    persona.add_argument("name", metavar="NAME", help="the persona's file in personas/, without .yaml")
    deed = persona.add_mutually_exclusive_group()
    deed.add_argument("--forget", action="store_true", help="remove all of it, also what others remember of it")
    deed.add_argument("--json", action="store_true", help="as JSON Lines, one for each series")
    _output_options(persona)

    token = _command(
        commands,
        "token",
        "make a token that lets an agent on a stage, or a viewer in",
        "A stage that others reach lets only agents in that have a token, one with\n"
        "--tickets only viewers that have one; whoever has the stage's key makes them. A viewer's lets in one\n"
        "browser, until it expires.",
        "  debate-caster token create --role agent --show friday-1 --expires 2h",
    )
    create = _command(
        token.add_subparsers(dest="deed", metavar="create", required=True, title="commands"),
        "create",
        "make one",
        "Make a token and print it. It is signed with the key in the data folder, which is made when there is none.",
        "  debate-caster token create --role agent --expires 7d\n"
        "  debate-caster token create --role viewer --show friday-1 --expires 3h\n"
        "  DEBATE_CASTER_STAGE_TOKEN=$(debate-caster token create --show friday-1) debate-caster run …",
    )
    create.add_argument(
        "--role", choices=("agent", "producer", "viewer"), default="agent", help="whose it is (default: agent)"
    )
    create.add_argument("--show", metavar="SHOW", help="good for this show only (default: any)")
    create.add_argument("--agent", metavar="ID", help="good for this agentId only (default: any)")
    create.add_argument(
        "--expires", type=_duration, default="2h", metavar="T", help="after how long: 30m, 2h, 7d (default: 2h)"
    )
    _key_option(create)
    _output_options(create)

    replay = _command(
        commands,
        "replay",
        "air a past show again, with its page",
        "Air a past show again on a stage of its own; ends when the replay has.",
        "  debate-caster replay latest --speed 4 --open",
    )
    replay.add_argument("show", metavar="SHOW", help="a show's id, the beginning of one, or `latest`")
    replay.add_argument("--speed", type=_above_zero, default=1.0, metavar="X", help="X times as fast (default: 1)")
    replay.add_argument("--open", action="store_true", help="open the page in a browser")
    replay.add_argument(
        "--linger",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="keep the page up S seconds after the end (default: 0)",
    )
    _stage_options(replay)
    _output_options(replay)

    export = _command(
        commands,
        "export",
        "write a past show's transcript",
        "Write the transcript of a past show as Markdown, JSON, or one HTML file that needs no network.",
        "  debate-caster export latest\n  debate-caster export latest --format html -o debate.html",
    )
    export.add_argument("show", metavar="SHOW", help="a show's id, the beginning of one, or `latest`")
    export.add_argument("--format", choices=("md", "json", "html"), default="md", help="(default: md)")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to (default: stdout)")
    _output_options(export)

    backup = _command(
        commands,
        "backup",
        "copy the data directory to a new folder, also while shows run",
        "Copy both logs, the calendar, the annals, the agents' secrets and the signing keys to a new folder, as one\n"
        "consistent whole. Nothing need be stopped for it. The copy holds secrets: keep it as you keep passwords.",
        "  debate-caster backup backups/2026-11-21",
    )
    backup.add_argument("destination", type=Path, metavar="DEST", help="the folder to make; it must not be in use")
    _output_options(backup)

    restore = _command(
        commands,
        "restore",
        "make a data directory from a backup",
        "Make a data directory from a backup, after looking whether the backup is whole. Overwrites nothing.",
        "  debate-caster restore backups/2026-11-21 --data-dir ./data",
    )
    restore.add_argument("source", type=Path, metavar="SRC", help="a folder that `backup` made")
    _output_options(restore)

    prune = _command(
        commands,
        "prune",
        "remove old shows from the data directory",
        "Remove the shows that are no longer to be kept, also while others run, and give their room on the disk back.\n"
        "A show that is on the air or can go on stays; so do the calendar's history and what personas remember.\n"
        "`serve` does the same once a day where DEBATE_CASTER_KEEP_SHOWS or DEBATE_CASTER_KEEP_DAYS is set.",
        "  debate-caster prune --keep-days 90 --dry-run\n  debate-caster prune --keep-shows 100",
    )
    prune.add_argument("--keep-shows", type=_counted, metavar="N", help="keep the N newest shows (default: all)")
    prune.add_argument("--keep-days", type=_counted, metavar="D", help="keep shows for D days (default: for ever)")
    prune.add_argument("--dry-run", action="store_true", help="only say which shows would be removed")
    _output_options(prune)

    doctor = _command(
        commands,
        "doctor",
        "find what a show would fail by, and how to mend it",
        "Look at all that a show needs: Python and the packages, the data directory, the stage's port, the clock and\n"
        "the time zones; and of the scenarios that are named, by file or by folder: whether they are sound, whether\n"
        "their keys are set, and whether the models' servers, the moderation hook and the broadcast targets answer.\n"
        "No model is asked for a word. Of each key only the name is said. Status 1 where a show would fail, or would\n"
        "not be seen where its scenario says; warnings alone are 0.",
        "  debate-caster doctor\n  debate-caster doctor scenarios/ --port 9000 --data-dir ./data\n"
        "  debate-caster doctor scenarios/ --json | jq -r 'select(.grade == \"failure\").cure'",
    )
    doctor.add_argument(
        "scenarios", nargs="*", type=Path, metavar="SCENARIO", help="scenario files, or folders of them"
    )
    _stage_options(doctor)
    doctor.add_argument("--json", action="store_true", help="as JSON Lines, one for each finding")
    _output_options(doctor)

    schema = _command(
        commands,
        "schema",
        "print the JSON Schema of a kind of file, for editors",
        "Print a JSON Schema; an editor that knows it completes keys and marks mistakes.",
        "  debate-caster schema > scenario.schema.json\n  debate-caster schema persona",
    )
    schema.add_argument("kind", nargs="?", choices=("scenario", "persona", "format"), default="scenario")
    _output_options(schema, data_dir=False)
    return whole


def _schedule_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    schedule = _command(
        commands,
        "schedule",
        "look at the calendar of recurring shows, and steer it",
        "The calendar that `serve SCENARIO...` keeps in the data directory.",
        "  debate-caster schedule next --count 3\n  debate-caster schedule history\n"
        "  debate-caster schedule simulate scenarios/ --from 2026-10-01 --to 2026-11-01 --timezone Europe/Paris",
    )
    actions = schedule.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")

    listing = actions.add_parser("list", help="what is on the calendar, and what comes next of each")
    coming = actions.add_parser("next", help="the next shows of all scenarios, in order")
    coming.add_argument("--count", type=_whole, default=10, metavar="N", help="how many (default: 10)")
    history = actions.add_parser("history", help="what became of past slots, newest first")
    history.add_argument("name", nargs="?", metavar="NAME", help="only one scenario's")
    history.add_argument("--limit", type=_whole, default=50, metavar="N", help="how many at most (default: 50)")
    for action in (listing, coming, history):
        action.add_argument("--json", action="store_true", help="as JSON Lines")
    for action in (listing, coming):
        action.add_argument(
            "scenarios", nargs="*", type=Path, metavar="SCENARIO",
            help="scenario files, or folders of them (default: those that the calendar knows)",
        )  # fmt: skip
    simulate = actions.add_parser("simulate", help="what would become of every slot in a time to come")
    simulate.add_argument(
        "scenarios", nargs="+", type=Path, metavar="SCENARIO", help="scenario files, or folders of them"
    )
    simulate.add_argument("--from", dest="begin", required=True, metavar="TIME", help="2026-10-01, or 2026-10-01T18:00")
    simulate.add_argument("--to", dest="end", required=True, metavar="TIME", help="the end, not included")
    simulate.add_argument(
        "--timezone", dest="zone", default="UTC", metavar="ZONE", help="of all these times (default: UTC)"
    )
    simulate.add_argument(
        "--outage", action="append", default=[], metavar="A..B", help="the program is dead from A to B; may be repeated"
    )
    simulate.add_argument("--json", action="store_true", help="as JSON Lines")
    _output_options(simulate)
    export = actions.add_parser("export", help="hand the schedules over to a scheduler of your own")
    export.add_argument(
        "scenarios", nargs="+", type=Path, metavar="SCENARIO", help="scenario files, or folders of them"
    )
    export.add_argument("--format", choices=("crontab", "systemd", "kubernetes"), default="crontab")
    export.add_argument("--image", default=f"debate-caster:{__version__}", help="kubernetes: (default: %(default)s)")
    _output_options(export)
    run_now = actions.add_parser("run-now", help="have a running `serve` give a show now, besides its slots")
    _over_budget_option(run_now)
    money = actions.add_parser("money", help="what shows have cost today and this month, and what is left")
    money.add_argument("--json", action="store_true", help="as JSON Lines")
    pause = actions.add_parser("pause", help="skip a scenario's slots until `resume`")
    resume = actions.add_parser("resume", help="let a scenario's slots start shows again")
    for action in (run_now, pause, resume):
        action.add_argument("name", metavar="NAME", help="a scenario's name: its file's, without folder and .yaml")
    for action in (listing, coming, history, run_now, money, pause, resume):
        _output_options(action)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, text: str, examples: str
) -> argparse.ArgumentParser:
    word = "examples" if "\n" in examples else "example"
    return commands.add_parser(
        name,
        help=summary,
        description=text,
        epilog=f"{word}:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _stage_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", metavar="H", help="address that the stage listens on (default: 127.0.0.1)")
    command.add_argument(
        "--port",
        type=_port,
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
    _key_option(command)


def _key_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="keys that tokens are signed with, one a line, the newest first (default: in the data folder)",
    )


def _over_budget_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--over-budget",
        action="store_true",
        help="give the show although the day or the month may not have the money for it",
    )


def _output_options(command: argparse.ArgumentParser, *, data_dir: bool = True) -> None:
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


def _port(text: str) -> int:
    number = _whole(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return number


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _duration(text: str) -> timedelta:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not (number.isascii() and number.isdigit()) or len(number) > 8:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time: 90s, 30m, 2h or 7d")
    return timedelta(seconds=int(number) * units[unit])


def _counted(text: str) -> int:
    if (number := _whole(text)) == 0:
        raise argparse.ArgumentTypeError("0 would be none: at least 1")
    return number


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


def _above_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 (and up to 10000)")
    return number
