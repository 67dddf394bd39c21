"""A calendar handed over to another scheduler: crontab lines, systemd units, Kubernetes manifests.

All of them start ``debate-caster run --slot due``, which gives the show of a slot once and does nothing where none is
due. So a unit that fires too often, or twice, costs a start of the program and nothing else.
"""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from debate_caster.errors import SetupError
from debate_caster.scenario.recurrence import CronFields, fields_of
from debate_caster.scenario.script import Scenario, Schedule

__all__ = ["FORMATS", "Program", "exported"]

FORMATS = ("crontab", "systemd", "kubernetes")

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_LEAST_DEADLINE_S = 10
"""Kubernetes looks at its jobs every 10 s, and may never start one whose deadline is below that."""

_LONGEST_NAME = 52
"""Characters of a CronJob's name: its jobs' names are 11 longer and have 63 at most."""


@dataclass(frozen=True, slots=True)
class Program:
    """How the program is started: its path, and its data directory; in Kubernetes the image, with its volumes."""

    command: str
    data_dir: Path
    image: str


def exported(form: str, scenarios: Sequence[Scenario], program: Program) -> str:
    """Return the schedules of the scenarios in one of ``FORMATS``.

    Raises:
        SetupError: A schedule says what that scheduler can't.
    """
    render = {"crontab": _crontab, "systemd": _systemd, "kubernetes": _kubernetes}[form]
    entries = [
        (scenario, entry, scenario.key if number == 0 else f"{scenario.key}-{number + 1}")
        for scenario in scenarios
        for number, entry in enumerate(scenario.schedule)
    ]
    return "\n".join(line for scenario, entry, name in entries for line in render(scenario, entry, name, program))


def _arguments(scenario: Path | str, data_dir: Path | str) -> list[str]:
    return ["run", str(scenario), "--slot", "due", "--data-dir", str(data_dir), "--quiet"]


def _fields(scenario: Scenario, entry: Schedule) -> CronFields:
    fields = fields_of(entry.cron)
    if fields is None:
        raise SetupError(
            f"{scenario.key}: other schedulers have no L, LW or # as in {entry.cron!r}", "Leave it to `serve`."
        )
    return fields


def _crontab(scenario: Scenario, entry: Schedule, _name: str, program: Program) -> Iterator[str]:
    """Fire in every hour: most crons know no time zone but the machine's, and what is due the program knows itself."""
    fields = _fields(scenario, entry)
    # Zones that are half or three quarters of an hour off have other minutes than the machine's.
    minutes = sorted({(minute + shift) % 60 for minute in fields.minutes for shift in _shifts(entry.timezone)})
    command = shlex.join([program.command, *_arguments(scenario.path.absolute(), program.data_dir.absolute())])
    yield f"# {_comment(scenario.title)}: {entry.cron} {entry.timezone}; in other hours nothing is due, nor happens"
    yield f"{','.join(map(str, minutes))} * * * * {command.replace('%', chr(92) + '%')}"


def _shifts(timezone: str) -> tuple[int, ...]:
    """Return by how many minutes past the hour a zone may differ from a machine's whole-hour one, over the year."""
    moments = [datetime(2026, month, 1, tzinfo=UTC).astimezone(ZoneInfo(timezone)) for month in range(1, 13)]
    return tuple({-int((moment.utcoffset() or timedelta()).total_seconds() // 60) % 60 for moment in moments})


def _systemd(scenario: Scenario, entry: Schedule, name: str, program: Program) -> Iterator[str]:
    unit, title = f"debate-caster-{name}", _comment(scenario.title)
    arguments = [program.command, *_arguments(scenario.path.absolute(), program.data_dir.absolute())]
    yield f"# {unit}.service"
    yield "[Unit]"
    yield f"Description=Debate: {title.replace('%', '%%')}"
    yield ""
    yield "[Service]"
    yield "Type=exec"
    yield f"ExecStart={' '.join(_systemd_quoted(argument) for argument in arguments)}"
    yield ""
    yield f"# {unit}.timer"
    yield "[Unit]"
    yield f"Description=Debate by its schedule: {title.replace('%', '%%')}"
    yield ""
    yield "[Timer]"
    for when in _calendar_events(_fields(scenario, entry)):
        yield f"OnCalendar={when} {entry.timezone}"
    yield "AccuracySec=1s"
    yield "Persistent=true"
    yield ""
    yield "[Install]"
    yield "WantedBy=timers.target"
    yield ""


def _calendar_events(fields: CronFields) -> Iterator[str]:
    time = f"{_listed(fields.hours)}:{_listed(fields.minutes)}:00"
    weekdays = "" if fields.weekdays is None else ",".join(_WEEKDAYS[day] for day in fields.weekdays) + " "
    month = _listed(fields.months)
    if fields.either_day and fields.weekdays is not None and fields.days is not None:
        yield f"*-{month}-{_listed(fields.days)} {time}"
        yield f"{weekdays}*-{month}-* {time}"
    else:
        yield f"{weekdays}*-{month}-{_listed(fields.days)} {time}"


def _listed(numbers: tuple[int, ...] | None) -> str:
    return "*" if numbers is None else ",".join(f"{number:02}" for number in numbers)


def _systemd_quoted(argument: str) -> str:
    plain = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return plain if plain == argument and not set(plain) & set(" '\t;") else f'"{plain}"'


def _kubernetes(scenario: Scenario, entry: Schedule, name: str, program: Program) -> Iterator[str]:
    fields = _fields(scenario, entry)
    minute, hour, day, month, weekday = entry.cron.upper().split()
    if not weekday.startswith("*"):  # Sunday is 0 there, and never 7
        weekday = ",".join(map(str, fields.weekdays if fields.weekdays is not None else range(7)))
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": f"debate-{name}"[:_LONGEST_NAME].rstrip("-")},
        "spec": {
            "schedule": f"{minute} {hour} {day} {month} {weekday}",
            "timeZone": entry.timezone,
            # Whether one that runs keeps the next from starting is decided by the program, and is in its history.
            "concurrencyPolicy": "Replace" if entry.overlap == "replace" else "Allow",
            "startingDeadlineSeconds": max(entry.grace_s, _LEAST_DEADLINE_S),
            "jobTemplate": {"spec": {"backoffLimit": 0, "template": {"spec": _pod(scenario, program)}}},
        },
    }
    yield "---"
    yield f"# {_comment(scenario.title)}"
    yield from _yaml(manifest)


def _pod(scenario: Scenario, program: Program) -> dict[str, object]:
    """Return a pod that has the scenarios from a ConfigMap, and keeps its data where all pods find it."""
    return {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "debate-caster",
                "image": program.image,
                "args": _arguments(f"/scenarios/{scenario.path.name}", "/data"),
                "volumeMounts": [
                    {"name": "scenarios", "mountPath": "/scenarios", "readOnly": True},
                    {"name": "data", "mountPath": "/data"},
                ],
            }
        ],
        "volumes": [
            {"name": "scenarios", "configMap": {"name": "debate-caster-scenarios"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "debate-caster-data"}},
        ],
    }


def _yaml(value: object, indent: str = "") -> Iterator[str]:
    """Yield lines of YAML; single values are written as JSON, which is YAML that no reader takes for anything else."""
    items = value.items() if isinstance(value, dict) else [(None, item) for item in value]  # type: ignore[attr-defined]
    for key, item in items:
        head = f"{indent}- " if key is None else f"{indent}{key}:"
        if isinstance(item, dict | list):
            lines = list(_yaml(item, f"{indent}  "))
            if key is None:  # a list's item begins on the line of its dash
                yield head + lines[0].lstrip()
                yield from lines[1:]
            else:
                yield head
                yield from lines
        else:
            yield f"{head}{'' if key is None else ' '}{json.dumps(item, ensure_ascii=True)}"


def _comment(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
