"""Every command that reads what others wrote, over data that would steer a terminal: nothing of it comes out."""

import asyncio
import json
import sys
import unicodedata
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from debate_caster.calendar.ledger import Entry, Ledger
from debate_caster.cli import session
from debate_caster.cli.data_folder import DataFolder
from debate_caster.clock import ManualClock
from debate_caster.episodes.annals import Archive
from debate_caster.log import EventLog, MemoryEventLog
from debate_caster.scenario.yaml_source import compose
from debate_caster.settings import Settings
from debate_caster.show.events import AgentCast, PhaseCast, ShowEvent, encode, stream_of
from debate_caster.stage import open_stage
from debate_caster.stage.archive import Archive as StageArchive
from tests.cli.stage_play import play
from tests.cli.test_commands import Say, at_home, say
from tests.cli.test_printable import ESCAPE_SEQUENCES
from tests.episodes.seasons import duel
from tests.scenario.files import DUEL, write
from tests.stage.people import agent_on

__all__ = ["at_home", "say"]

EVIL = "x".join(sequence for sequence in ESCAPE_SEQUENCES if not any(unicodedata.category(c) == "Cs" for c in sequence))
SHOW = "evil-1"
ALLOWED = "\n\t\u200d"
"""Line ends, tabs, and what joins emoji."""


def steering(text: str) -> list[str]:
    """What of an output a terminal might obey, or hide words by."""
    return [ascii(c) for c in text if c not in ALLOWED and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"}]


def hostile_show() -> list[ShowEvent]:
    """A show in which everything that is text is hostile, but for what the program itself makes up."""
    agents = tuple(
        AgentCast(id=key, name=f"N{EVIL}", emoji=EVIL, color="#123456", side=key, side_title=f"S{EVIL}", style=EVIL)
        for key in ("ada", "ben")
    )
    phases = (PhaseCast(key="opening", title=f"P{EVIL}", turns=2),)
    changes = {
        "show": SHOW, "motion": f"Motion {EVIL}", "title": f"T{EVIL}", "format_title": EVIL, "format": EVIL,
        "scenario": EVIL, "language": EVIL, "agents": agents, "phases": phases, "name": EVIL, "detail": EVIL,
        "role": EVIL, "key": EVIL, "error": EVIL,
    }  # fmt: skip
    return [
        event.model_copy(update={name: value for name, value in changes.items() if name in type(event).model_fields})
        for event in play(f"Words {EVIL}", f"more {EVIL}", motion=EVIL)
    ]


async def keep_all(folder: DataFolder) -> None:
    """Fill a data folder: both logs, a calendar with its history, a persona's memory."""
    folder.make()
    async with folder.open(folder.show_log) as log:
        await log.append(stream_of(SHOW), [encode(event) for event in hostile_show()], expect=0)
    async with folder.open(folder.air_log) as log:
        await keep_aired(log)
    ledger, now = Ledger(folder.calendar), datetime(2026, 6, 1, tzinfo=UTC)
    entries = '[{"cron": "0 20 * * FRI", "timezone": "Europe/Paris"}]'
    await ledger.admit("evil", title=f"T{EVIL}", path=f"{EVIL}.yaml", entries=entries, now=now)
    slots = [datetime(2026, 6, 5, 18, tzinfo=UTC) + timedelta(weeks=week) for week in range(2)]
    why: Any = f"missed {EVIL}"  # as a newer program, or a damaged file, may have it
    rows = [
        Entry("evil", slots[0], slots[0], f"0 20 * * FRI {EVIL}", "ran", why, f"evil-{EVIL}"),
        Entry("evil", slots[1], slots[1], f"0 20 * * FRI {EVIL}", "skipped", why, None),
    ]
    await ledger.record(rows, handled_until={"evil": slots[1]}, owner="us", now=slots[1])
    await ledger.aclose()
    met = duel(1, result="won", said=f"Said {EVIL}")
    cast = {key: f"{name}{EVIL}" for key, name in met.cast.items()}
    hostile = met.model_copy(update={"motion": f"Motion {EVIL}", "cast": met.cast | cast})
    Archive(folder.seasons).change("evil", lambda annals: annals.with_episode(hostile))


async def keep_aired(log: EventLog) -> None:
    """A show that only the stage knows: another agent's, with an id that is as hostile as an id may be."""
    at = datetime(2026, 6, 1, tzinfo=UTC)
    show = f"theirs{EVIL}"
    archive = StageArchive(log, ManualClock(start=at))
    await archive.load()
    await archive.note_opened(show, key=None)
    aired = [
        {"at": at.isoformat(), "type": "show_started", "show": show, "motion": EVIL, "title": EVIL},
        {"at": at.isoformat(), "type": "chunk_aired", "room": "r", "speaker": EVIL, "index": 0, "text": EVIL},
        {"at": at.isoformat(), "type": "show_ended", "why": EVIL, "detail": EVIL},
    ]
    await log.append(f"air/{show}", [json.dumps(event) for event in aired], expect=0)
    summary = {"id": show, "motion": EVIL, "title": EVIL, "state": "ended", "started_at": at.isoformat()}
    await archive.note_ended(show, summary)


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    """A folder of scenarios, most of them wrong, each in a way that has its words repeated."""
    quoted = json.dumps(EVIL)
    taken = [character for character in dict.fromkeys(EVIL) if not compose(Path(), json.dumps(character)).problems]
    title = json.dumps(f"Fine {''.join(taken)}")
    schedule = 'schedule: {cron: "0 9 * * *", timezone: UTC}'
    write(tmp_path, "plans/fine.yaml", f"title: {title}\n{DUEL.strip()}\n{schedule}\n")
    wrong = {
        "escaped": f"{DUEL}title: {quoted}\n{quoted}: 1\nmodels: {{{quoted}: {{provider: {quoted}}}}}\n",
        "values": f"{DUEL.replace('duel', quoted)}language: {quoted}\naudience: {{filter: [{quoted}]}}\n",
        "cron": f"{DUEL}schedule: {{cron: {quoted}, timezone: {quoted}}}\ntargets: [{{url: {quoted}}}]\n",
        "raw": f"motion: {EVIL}\n",
    }
    for name, text in wrong.items():
        write(tmp_path, f"plans/{name}.yaml", text)
    for number, character in enumerate(dict.fromkeys(EVIL)):
        write(
            tmp_path,
            f"plans/one/{number}.yaml",
            f"motion: a{character}b\n? {character}: [{character}, &{character} x]\n",
        )
        write(tmp_path, f"plans/two/{number}.yaml", f"{DUEL}title: {json.dumps(f'T{character}')}\n")
    for name in ("\x1b]0;owned\x07", "\u202egpj", "\x9b31m", "\U000e0041"):
        write(tmp_path, f"plans/{name}.yaml", DUEL.replace("duel", "no-such-format"))
        write(tmp_path, f"plans/personas/{name}.yaml", "name: X\n")
    return tmp_path / "plans"


READING = [
    ["shows"], ["shows", "--json"], ["export", "evil-1"], ["export", "evil-1", "--format", "html"],
    ["export", "evil-1", "--format", "json"], ["export", f"theirs{EVIL[:20]}"], ["export", EVIL.replace("\0", "")],
    ["persona", "ada"], ["persona", "ada", "--json"], ["persona", EVIL.replace("\0", "")],
    ["schedule", "list", "plans"], ["schedule", "list", "plans", "--json"], ["schedule", "next", "plans"],
    ["schedule", "next", "plans", "--json"], ["schedule", "next"], ["schedule", "list"],
    ["schedule", "history"], ["schedule", "history", "--json"],
    ["schedule", "money"], ["schedule", "export", "plans"], ["schedule", "export", "plans/fine.yaml"],
    ["schedule", "simulate", "plans", "--from", "2026-06-01", "--to", "2026-06-08"],
    ["check", "plans"], ["check", "plans/one", "plans/two"], ["doctor", "plans"], ["doctor"],
    ["prune", "--dry-run", "--keep-shows", "1"], ["rehearse", "plans/fine.yaml", "--transcript"],
    ["rehearse", "plans/escaped.yaml"], ["run", "plans/raw.yaml"], ["backup", "kept"],
    ["replay", "evil-1", "--port", "0", "--speed", "900"],
]  # fmt: skip


@pytest.mark.parametrize("terminal", [True, False], ids=["on-a-terminal", "in-a-pipe"])
def test_no_command_prints_what_steers_a_terminal(
    terminal: bool, say: Say, plans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(keep_all(DataFolder(Settings().data_dir)))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(session, "is_terminal", lambda _stream: terminal)
    told = {}
    for arguments in READING:
        if not terminal and arguments[0] == "export":
            continue  # a file or a pipe gets what was said, to the letter
        if terminal and arguments[0] == "replay":
            continue  # draws on a terminal, with sequences of its own
        said = say(*arguments)
        told[" ".join(arguments)] = said
        assert steering(said.out) == [], arguments
        assert steering(said.err) == [], arguments
    for command in ("shows", "schedule history", "persona ada"):
        assert "[31m" in told[command].out, f"{command}: what is harmless of it is there to see"
    assert "plans/]0;owned.yaml:" in told["check plans"].out
    assert told["rehearse plans/fine.yaml --transcript"].status == 0


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["as-text", "as-json"])
async def test_watching_a_hostile_stage_prints_nothing_that_steers_a_terminal(options: list[str]) -> None:
    async with open_stage(log=MemoryEventLog()) as stage, agent_on(stage) as mallory, agent_on(stage) as eve:
        agents = [{"id": name, "name": EVIL, "emoji": EVIL, "side": EVIL, "style": EVIL} for name in ("ada", "ben")]
        for number, agent in enumerate((mallory, eve)):
            await agent.register(f"agent-{number}", style=EVIL, features=["debate_show", "text_ack"])
            claim = {
                "id": "evil",
                "key": "a key of theirs",
                "title": EVIL,
                "motion": EVIL,
                "agent": "ada",
                "order": number,
            }
            await agent.start(topic=EVIL, show=claim)
        show = mallory.show
        events: list[dict[str, Any]] = [
            {"type": "show_started", "motion": EVIL, "title": EVIL, "agents": agents, "phases": [{"title": EVIL}]},
            {"type": "phase_started", "phase": 0, "key": EVIL, "title": EVIL, "speaker": EVIL},
            {"type": "turn_started", "turn": 0, "phase": 0, "speaker": EVIL, "role": EVIL, "kind": EVIL,
             "hints": [{"id": EVIL, "name": EVIL, "text": EVIL}]},
            {"type": "hint_used", "hint": EVIL, "name": EVIL, "text": EVIL, "turn": 0, "speaker": EVIL},
            {"type": "turn_ended", "turn": 0, "speaker": EVIL, "how": EVIL, "detail": EVIL},
            {"type": EVIL, "text": EVIL},
        ]  # fmt: skip
        for event in events:
            await mallory.say("show_event", broadcastId=mallory.room, event=event)
        await mallory.stream(f"Words {EVIL}", turn=0, index=0)
        await eve.stream(f"More {EVIL}")
        command = [sys.executable, "-m", "debate_caster", "watch", *options, stage.show_url(show)]
        watching = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
        assert watching.stdout is not None
        async with asyncio.timeout(60):
            first = await watching.stdout.readline()
        for agent in (mallory, eve):
            await agent.say("broadcast_end", broadcastId=agent.room, reason=EVIL)
        async with asyncio.timeout(60):
            out, err = await watching.communicate()

    printed = (first + out).decode()
    assert "More " in printed
    assert "[31m" in printed
    assert steering(printed) == []
    assert steering(err.decode()) == []
