"""What can be typed about what is kept, who may come in, and whether all is well."""

from pathlib import Path

from debate_caster.cli.command_options import (
    Commands,
    add_command,
    counted,
    duration,
    key_option,
    output_options,
    stage_options,
)

__all__ = [
    "add_backup",
    "add_doctor",
    "add_export",
    "add_persona",
    "add_prune",
    "add_restore",
    "add_schema",
    "add_shows",
    "add_token",
]


def add_shows(commands: Commands) -> None:
    shows = add_command(
        commands,
        "shows",
        "list past shows",
        "List the shows in the data directory, newest first.",
        "  debate-caster shows",
    )
    shows.add_argument("--json", action="store_true", help="as JSON Lines")
    shows.add_argument("--limit", type=counted, default=50, metavar="N", help="how many at most (default: 50)")
    output_options(shows)


def add_persona(commands: Commands) -> None:
    persona = add_command(
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
    output_options(persona)


def add_token(commands: Commands) -> None:
    token = add_command(
        commands,
        "token",
        "make a token that lets an agent on a stage, or a viewer in",
        "A stage that others reach lets only agents in that have a token, one with\n"
        "--tickets only viewers that have one; whoever has the stage's key makes them. A viewer's lets in one\n"
        "browser, until it expires.",
        "  debate-caster token create --role agent --show friday-1 --expires 2h",
    )
    create = add_command(
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
        "--expires", type=duration, default="2h", metavar="T", help="after how long: 30m, 2h, 7d (default: 2h)"
    )
    key_option(create)
    output_options(create)


def add_export(commands: Commands) -> None:
    export = add_command(
        commands,
        "export",
        "write a past show's transcript",
        "Write the transcript of a past show as Markdown, JSON, or one HTML file that needs no network.",
        "  debate-caster export latest\n  debate-caster export latest --format html -o debate.html",
    )
    export.add_argument("show", metavar="SHOW", help="a show's id, the beginning of one, or `latest`")
    export.add_argument("--format", choices=("md", "json", "html"), default="md", help="(default: md)")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to (default: stdout)")
    output_options(export)


def add_backup(commands: Commands) -> None:
    backup = add_command(
        commands,
        "backup",
        "copy the data directory to a new folder, also while shows run",
        "Copy both logs, the calendar, the annals, the agents' secrets and the signing keys to a new folder, as one\n"
        "consistent whole. Nothing need be stopped for it. The copy holds secrets: keep it as you keep passwords.",
        "  debate-caster backup backups/2026-11-21",
    )
    backup.add_argument("destination", type=Path, metavar="DEST", help="the folder to make; it must not be in use")
    output_options(backup)


def add_restore(commands: Commands) -> None:
    restore = add_command(
        commands,
        "restore",
        "make a data directory from a backup",
        "Make a data directory from a backup, after looking whether the backup is whole. Overwrites nothing.",
        "  debate-caster restore backups/2026-11-21 --data-dir ./data",
    )
    restore.add_argument("source", type=Path, metavar="SRC", help="a folder that `backup` made")
    output_options(restore)


def add_prune(commands: Commands) -> None:
    prune = add_command(
        commands,
        "prune",
        "remove old shows from the data directory",
        "Remove the shows that are no longer to be kept, also while others run, and give their room on the disk back.\n"
        "A show that is on the air or can go on stays; so do the calendar's history and what personas remember.\n"
        "`serve` does the same once a day where DEBATE_CASTER_KEEP_SHOWS or DEBATE_CASTER_KEEP_DAYS is set.",
        "  debate-caster prune --keep-days 90 --dry-run\n  debate-caster prune --keep-shows 100",
    )
    prune.add_argument("--keep-shows", type=counted, metavar="N", help="keep the N newest shows (default: all)")
    prune.add_argument("--keep-days", type=counted, metavar="D", help="keep shows for D days (default: for ever)")
    prune.add_argument("--dry-run", action="store_true", help="only say which shows would be removed")
    output_options(prune)


def add_doctor(commands: Commands) -> None:
    doctor = add_command(
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
    stage_options(doctor)
    doctor.add_argument("--json", action="store_true", help="as JSON Lines, one for each finding")
    output_options(doctor)


def add_schema(commands: Commands) -> None:
    schema = add_command(
        commands,
        "schema",
        "print the JSON Schema of a kind of file, for editors",
        "Print a JSON Schema; an editor that knows it completes keys and marks mistakes.",
        "  debate-caster schema > scenario.schema.json\n  debate-caster schema persona",
    )
    schema.add_argument("kind", nargs="?", choices=("scenario", "persona", "format"), default="scenario")
    output_options(schema, data_dir=False)
