"""What can be typed about the calendar of recurring shows: `schedule` and its actions."""

from pathlib import Path

from debate_caster.cli.command_options import Commands, add_command, output_options, over_budget_option, whole
from debate_caster.version import __version__

__all__ = ["add_schedule"]


def add_schedule(commands: Commands) -> None:
    schedule = add_command(
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
    coming.add_argument("--count", type=whole, default=10, metavar="N", help="how many (default: 10)")
    history = actions.add_parser("history", help="what became of past slots, newest first")
    history.add_argument("name", nargs="?", metavar="NAME", help="only one scenario's")
    history.add_argument("--limit", type=whole, default=50, metavar="N", help="how many at most (default: 50)")
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
    output_options(simulate)
    export = actions.add_parser("export", help="hand the schedules over to a scheduler of your own")
    export.add_argument(
        "scenarios", nargs="+", type=Path, metavar="SCENARIO", help="scenario files, or folders of them"
    )
    export.add_argument("--format", choices=("crontab", "systemd", "kubernetes"), default="crontab")
    export.add_argument("--image", default=f"debate-caster:{__version__}", help="kubernetes: (default: %(default)s)")
    output_options(export)
    run_now = actions.add_parser("run-now", help="have a running `serve` give a show now, besides its slots")
    over_budget_option(run_now)
    money = actions.add_parser("money", help="what shows have cost today and this month, and what is left")
    money.add_argument("--json", action="store_true", help="as JSON Lines")
    pause = actions.add_parser("pause", help="skip a scenario's slots until `resume`")
    resume = actions.add_parser("resume", help="let a scenario's slots start shows again")
    for action in (run_now, pause, resume):
        action.add_argument("name", metavar="NAME", help="a scenario's name: its file's, without folder and .yaml")
    for action in (listing, coming, history, run_now, money, pause, resume):
        output_options(action)
