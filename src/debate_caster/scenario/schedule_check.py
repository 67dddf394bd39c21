"""What can be wrong with a schedule beyond its shape: crons that never or too often fire, unknown zones, jitter."""

from debate_caster.scenario.diagnosis import nearest
from debate_caster.scenario.recurrence import cron_problem, least_distance_s, zone_names, zone_problem
from debate_caster.scenario.yaml_source import Document, Node

__all__ = ["check_schedule"]

Path = tuple[str | int, ...]


def check_schedule(document: Document, root: Node, *, shortest_period_s: float) -> None:
    """Report what is wrong with the entries of ``schedule``, at its place in the file."""
    schedule = root.get("schedule")
    if schedule is None:
        return
    if isinstance(schedule.value, list):
        for index, entry in enumerate(schedule.entries()):
            _check_entry(document, entry, ("schedule", index), shortest_period_s)
    else:
        _check_entry(document, schedule, ("schedule",), shortest_period_s)


def _check_entry(document: Document, entry: Node, path: Path, shortest_period_s: float) -> None:
    zone, cron, jitter = entry.get("timezone"), entry.get("cron"), entry.get("jitter_s")
    if zone is not None and zone.text is not None and (problem := zone_problem(zone.text)):
        cure = nearest(zone.text, zone_names()) if problem.startswith("there is") else ""
        document.report(zone.mark, ": ".join(part for part in (problem, cure) if part), *path, "timezone")
    if cron is None or cron.text is None:
        return
    if not _quoted(document, cron):
        message = "put the cron in quotes: a line that begins with a star is none in YAML"
        document.report(cron.mark, message, *path, "cron")
    elif problem := cron_problem(cron.text, shortest_period_s=shortest_period_s):
        document.report(cron.mark, problem, *path, "cron")
    elif jitter is not None and isinstance(jitter.value, int):
        least = least_distance_s(cron.text)
        if least is not None and jitter.value >= least:
            document.report(jitter.mark, f"must be less than the {least:g} s between two slots", *path, "jitter_s")


def _quoted(document: Document, node: Node) -> bool:
    line = document.lines[node.mark.line - 1] if node.mark.line <= len(document.lines) else ""
    return line[node.mark.column - 1 : node.mark.column] in {'"', "'", ">", "|"}
