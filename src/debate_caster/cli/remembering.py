"""``persona``: what a persona remembers of earlier episodes, and having it forget."""

from debate_caster.cli.amounts import counted
from debate_caster.cli.data_folder import DataFolder
from debate_caster.cli.past_shows import table
from debate_caster.cli.printable import json_line, printable
from debate_caster.cli.session import RAN, Session
from debate_caster.episodes.annals import Annals, Archive, Episode, Part
from debate_caster.episodes.memories import meetings, record_of, times, told_record
from debate_caster.errors import SetupError

__all__ = ["persona"]


def persona(session: Session) -> int:
    """Show what there is of a persona in every series, or remove it.

    Raises:
        SetupError: Nothing is remembered of that persona, or the annals can't be used.
    """
    name, archive = session.options.name, Archive(DataFolder(session.settings.data_dir).seasons)
    every = [archive.read(series) for series in archive.series()]
    found = [annals for annals in every if any(_has(annals, name))]
    if not found:
        known = sorted({part.persona for annals in every for episode in annals.episodes for part in episode.parts})
        raise SetupError(
            f"nothing is remembered of {name!r} in {session.settings.data_dir}",
            f"There is memory of: {', '.join(known) or 'nobody'}.",
        )
    if session.options.forget:
        for annals in found:
            archive.change(annals.series, lambda current: current.without_memory_of(name))
        session.remark(f"{name} has forgotten {counted(sum(sum(_has(annals, name)) for annals in found), 'episode')}")
        return RAN
    for place, annals in enumerate(found):
        if session.options.json:
            session.say(json_line(_facts(annals, name)))
        else:
            for line in [*([""] if place else []), *_told(session, annals, name)]:
                session.say(printable(line))
    return RAN


def _has(annals: Annals, name: str) -> list[bool]:
    return [episode.part(name) is not None for episode in annals.episodes]


def _told(session: Session, annals: Annals, name: str) -> list[str]:
    parts = [(episode, part) for episode in annals.episodes if (part := episode.part(name))]
    record = record_of([part.result for _, part in parts])
    results = told_record(record) or "the audience has not voted"
    lines = [
        f"{parts[-1][1].name} · {annals.title or annals.series} · {counted(record.episodes, 'episode')} · {results}"
    ]
    for found in sorted(meetings(annals, name).values(), key=len, reverse=True):
        between = told_record(record_of([mine.result for _, mine, _ in found])) or "no result"
        lines.append(f"  met {found[-1][2].name} {times(len(found))}: {between}")
    rows = [
        (str(episode.number), f"{episode.at:%Y-%m-%d}", part.side_title or "-", _result(episode, part), episode.motion)
        for episode, part in reversed(parts)
    ]
    return [*lines, *table(("EPISODE", "DATE", "SIDE", "RESULT", "MOTION"), rows, columns=session.columns)]


def _result(episode: Episode, part: Part) -> str:
    """Return how the vote went, and of which kind it was."""
    return f"{part.result} ({episode.method})" if part.result and episode.method else part.result or "-"


def _facts(annals: Annals, name: str) -> dict[str, object]:
    parts = [(episode, part) for episode in annals.episodes if (part := episode.part(name))]
    record = record_of([part.result for _, part in parts])
    return {
        "persona": name,
        "series": annals.series,
        "record": {"episodes": record.episodes, "won": record.won, "lost": record.lost, "tied": record.tied},
        "met": {other: len(found) for other, found in meetings(annals, name).items()},
        "episodes": [
            {"number": episode.number, "show": episode.show, "motion": episode.motion, "method": episode.method}
            | part.model_dump(exclude={"persona"})
            for episode, part in parts
        ],
    }
