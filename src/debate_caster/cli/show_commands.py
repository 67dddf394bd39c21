"""What can be typed to try, give, follow and direct shows."""

import argparse
from pathlib import Path

from debate_caster.cli.command_options import (
    Commands,
    above_zero,
    add_command,
    counted,
    names,
    output_options,
    over_budget_option,
    seconds,
    stage_options,
    whole,
)

__all__ = [
    "CONTROL_COMMANDS",
    "add_check",
    "add_control",
    "add_rehearse",
    "add_replay",
    "add_run",
    "add_serve",
    "add_watch",
]

CONTROL_COMMANDS = (
    "pause", "resume", "skip", "end", "inject", "context", "approve", "decline", "mute", "unmute", "approval_on",
    "approval_off", "open_vote", "close_vote",
)  # fmt: skip
"""What a producer may order; a test compares this with what the show obeys."""


def add_run(commands: Commands) -> None:
    run = add_command(
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
    stage_options(run)
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
    run.add_argument("--speed", type=above_zero, metavar="X", help="X times as fast (default: 1)")
    run.add_argument("--events", metavar="FILE|-", help="write the show's events as JSON Lines to a file, or to stdout")
    over_budget_option(run)
    _page_options(run)
    output_options(run)


def add_check(commands: Commands) -> None:
    check = add_command(
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
    output_options(check, data_dir=False)


def add_rehearse(commands: Commands) -> None:
    rehearse = add_command(
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
        type=counted,
        default=1,
        metavar="N",
        help="of a series: perform the episodes up to this one, and print it (default: 1)",
    )
    rehearse.add_argument("--transcript", action="store_true", help="print what was said as well")
    output_options(rehearse, data_dir=False)


def add_serve(commands: Commands) -> None:
    serve = add_command(
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
        type=whole,
        metavar="S",
        help="how long a first signal lets the shows that are on go on before they are ended (default: 60); a second "
        "signal ends them at once",
    )
    stage_options(serve)
    output_options(serve)


def add_watch(commands: Commands) -> None:
    watch = add_command(
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
    watch.add_argument("--after", type=whole, default=0, metavar="N", help="only what comes after event N")
    watch.add_argument("--room", metavar="ID", help="only one agent's room, and what is nobody's")
    watch.add_argument("--speaker", metavar="ID", help="only what concerns one agent of the show, or nobody")
    watch.add_argument(
        "--types",
        type=names,
        default=(),
        metavar="A,B",
        help="only events of these types, '*' for all of them (default: all but thoughts and tools)",
    )
    output_options(watch, data_dir=False)


def add_control(commands: Commands) -> None:
    control = add_command(
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
    output_options(control)


def add_replay(commands: Commands) -> None:
    replay = add_command(
        commands,
        "replay",
        "air a past show again, with its page",
        "Air a past show again on a stage of its own; ends when the replay has.",
        "  debate-caster replay latest --speed 4 --open",
    )
    replay.add_argument("show", metavar="SHOW", help="a show's id, the beginning of one, or `latest`")
    replay.add_argument("--speed", type=above_zero, default=1.0, metavar="X", help="X times as fast (default: 1)")
    _page_options(replay)
    stage_options(replay)
    output_options(replay)


def _page_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--open", action="store_true", help="open the page in a browser")
    command.add_argument(
        "--linger",
        type=seconds,
        default=0.0,
        metavar="S",
        help="keep the page up S seconds after the end (default: 0)",
    )
