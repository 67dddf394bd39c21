"""The live view of a show on a terminal: speeches scroll by, and the last lines say how the show stands.

Plain ANSI that any terminal and tmux know; no full-screen mode, so that the debate can be scrolled and copied.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from debate_caster.cli.amounts import counted
from debate_caster.cli.outlet import Outlet
from debate_caster.cli.printable import display_width, printable, printable_line, shortened, wrapped
from debate_caster.cli.standing import Standing, clock_time
from debate_caster.cli.views import ending, notice
from debate_caster.clock import Clock
from debate_caster.log import Record
from debate_caster.show.events import (
    ChunkAired,
    PhaseStarted,
    ShowEnded,
    ShowStarted,
    TurnEnded,
    TurnStarted,
    decode,
)

__all__ = ["Screen", "TerminalView"]

SPEAKER_COLORS: Final = ("36", "35", "33", "32", "34", "91", "96", "95")
"""Cyan, magenta, yellow, green, blue and brighter ones: the terminal's own palette, readable on dark and light."""

INDENT: Final = "  "


class Screen:
    """Builds what to write so that lines scroll by above a few live ones at the bottom. Safe to use from any thread.

    Live lines are to be narrower than the terminal.
    """

    def __init__(self) -> None:
        self._live: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def draw(self, above: Sequence[str] = (), live: Sequence[str] | None = None) -> str:
        """Return what puts ``above`` over the live lines and, where given, shows other live lines from now on."""
        with self._lock:
            rows = len(self._live)
            erase = "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\x1b[J" if rows else ""
            if live is not None:
                self._live = tuple(live)
            return erase + "".join(f"{line}\n" for line in above) + "\n".join(self._live)

    def leave(self) -> None:
        """Let all live lines but the last one stay where they are, as if they had been printed."""
        with self._lock:
            self._live = self._live[-1:]


class TerminalView:
    """Shows one show. ``color`` adds ANSI colours; ``width`` gives the terminal's columns now."""

    def __init__(self, outlet: Outlet, *, width: Callable[[], int], clock: Clock, color: bool) -> None:
        self._outlet, self._width, self._clock, self._color = outlet, width, clock, color
        self._screen = Screen()
        self._standing = Standing()
        self._paragraph = ""
        self._printed = 0
        self._columns = self._columns_now()
        self._speaker = ""

    async def show(self, record: Record) -> None:
        event = decode(record)
        self._standing.take(event)
        self._note_width()
        lines: list[str] = []
        match event:
            case ShowStarted():
                lines = self._heading(event)
            case PhaseStarted():
                rule = f"── {printable_line(event.title)} "
                lines = ["", self._styled("1", rule + "─" * max(self._columns - display_width(rule), 2))]
            case TurnStarted():
                lines = ["", self._who(event), *self._notes(notice(self._standing, event))]
            case ChunkAired():
                lines = self._speech(event.speaker, printable(event.text))
            case TurnEnded():
                lines = [*self._close_paragraph(), *self._notes(notice(self._standing, event))]
            case ShowEnded():
                lines = [*self._close_paragraph(), "", *self._notes(ending(event), style="1")]
            case _:
                lines = self._notes(notice(self._standing, event))
        if lines or not self._standing.ended:
            await self._outlet.write(self._screen.draw(lines, self._live()))

    async def refresh(self, *, viewers: int | None = None) -> None:
        """Draw the last lines anew: time has gone on, or somebody has come or gone."""
        if viewers is not None:
            self._standing.viewers = viewers
        if self._standing.started_at and not self._standing.ended:
            self._note_width()
            await self._outlet.write(self._screen.draw((), self._live()))

    def print_line(self, line: str) -> None:
        """Put a line of somebody else's, a log's, above the live ones; it is to be printable. Never waits."""
        self._outlet.put(self._screen.draw(line.split("\n")))

    def close(self) -> None:
        """Take the live lines away. Never waits."""
        self._outlet.put(self._screen.draw((), ()))

    def _columns_now(self) -> int:
        return max(self._width() - 1, 10)  # the last column is left free: terminals differ in what a full line does

    def _note_width(self) -> None:
        """Start afresh below what is there when the width has changed: some terminals wrap old lines anew, some cut."""
        if (columns := self._columns_now()) != self._columns:
            self._columns = columns
            self._paragraph, self._printed = "", 0
            self._screen.leave()

    def _styled(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and text else text

    def _speaker_style(self, agent: str) -> str:
        order = list(self._standing.cast)
        return SPEAKER_COLORS[order.index(agent) % len(SPEAKER_COLORS)] if agent in order else "37"

    def _heading(self, event: ShowStarted) -> list[str]:
        lines = [self._styled("1", line) for line in wrapped(printable_line(event.motion), self._columns)]
        for agent in event.agents:
            side = agent.side_title or agent.side or ("moderator" if agent.moderator else "")
            label = " · ".join(
                printable_line(part) for part in (f"{agent.emoji} {agent.name}", side, agent.style) if part
            )
            lines.append(INDENT + self._styled(self._speaker_style(agent.id), shortened(label, self._columns - 2)))
        return lines

    def _who(self, event: TurnStarted) -> str:
        cast = self._standing.cast.get(event.speaker)
        side = (cast.side_title or cast.side or "") if cast else ""
        name = f"{cast.emoji} {cast.name}" if cast else event.speaker
        part = event.role or event.kind
        parts = (name, side, part if part.casefold() not in {side.casefold(), (event.side or "").casefold()} else "")
        label = " · ".join(printable_line(part) for part in parts if part)
        return self._styled(f"1;{self._speaker_style(event.speaker)}", shortened(label, self._columns))

    def _notes(self, text: str, *, style: str = "2") -> list[str]:
        """A remark of ours; it never cuts into a speech: what is unfinished there stays in the live lines."""
        if not text:
            return []
        lines = wrapped(printable_line(text), self._columns - 4)
        return [self._styled(style, INDENT + ("• " if not index else "  ") + line) for index, line in enumerate(lines)]

    def _speech(self, speaker: str, text: str) -> list[str]:
        """Take in a piece of a speech and return the lines that are full; the last one stays among the live ones."""
        lines = self._close_paragraph() if speaker != self._speaker else []
        self._speaker = speaker
        self._paragraph += text
        rows = wrapped(self._paragraph, self._columns - len(INDENT))
        lines += [INDENT + row for row in rows[self._printed : -1]]
        self._printed = len(rows) - 1
        return lines

    def _close_paragraph(self) -> list[str]:
        rows = wrapped(self._paragraph, self._columns - len(INDENT))[self._printed :] if self._paragraph else []
        self._paragraph, self._printed = "", 0
        return [INDENT + row for row in rows if row]

    def _live(self) -> list[str]:
        if self._standing.ended:
            return []
        rows = wrapped(self._paragraph, self._columns - len(INDENT))[-1:] if self._paragraph else []
        return [*(INDENT + row for row in rows if row), self._status()]

    def _status(self) -> str:
        standing = self._standing
        parts = [clock_time(standing.elapsed(self._clock.now())), "paused" if standing.paused else "", standing.phase]
        if standing.turns and standing.turn >= 0:
            parts.append(f"turn {standing.turn + 1}/{standing.turns}")
        if standing.speaking:
            parts.append(f"{standing.name(standing.speaking)} speaks")
        if standing.thinking and standing.thinking != standing.speaking:
            parts.append(f"{standing.name(standing.thinking)} thinks")
        if standing.viewers is not None:
            parts.append(counted(standing.viewers, "viewer"))
        if standing.hints_waiting or standing.hints_used:
            parts.append(f"hints {standing.hints_used} used, {len(standing.hints_waiting)} waiting")
        if standing.down:
            parts.append(f"reconnecting {len(standing.down)}")
        status = shortened("● " + " · ".join(printable_line(part) for part in parts if part), self._columns)
        return self._styled("7", status) if self._color else status
