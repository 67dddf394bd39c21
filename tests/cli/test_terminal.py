import io
import unicodedata

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debate_caster.cli.outlet import Outlet
from debate_caster.cli.printable import display_width
from debate_caster.cli.terminal import Screen, TerminalView
from debate_caster.clock import ManualClock
from debate_caster.show.events import ShowEvent
from tests.cli.stage_play import play, records
from tests.cli.test_printable import ESCAPE_SEQUENCES


class Terminal:
    """A terminal as it would look, with what has scrolled off its top."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.columns = columns
        self.stream = io.StringIO()
        self.outlet = Outlet(self.stream)
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self._parser = pyte.Stream(self.screen)
        self._parser.listener = self.screen
        self._fed = 0
        self.screen.set_mode(pyte.modes.LNM)  # the driver of a real terminal makes CR LF of a newline

    def look(self) -> list[str]:
        written = self.stream.getvalue()
        self._parser.feed(written[self._fed :])
        self._fed = len(written)
        above = [
            "".join(row[column].data for column in range(self.columns)).rstrip() for row in self.screen.history.top
        ]
        lines = above + [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines


async def shown(events: list[ShowEvent], terminal: Terminal, *, color: bool = False) -> list[str]:
    view = TerminalView(terminal.outlet, width=lambda: terminal.columns, clock=ManualClock(), color=color)
    for record in records(events):
        await view.show(record)
    terminal.outlet.close()
    return terminal.look()


async def test_the_whole_debate_scrolls_by_and_the_last_lines_leave_at_the_end() -> None:
    lines = await shown(play("Homework eats the evening. ", "And it teaches little."), Terminal())

    assert "This house would ban homework" in lines
    assert any("Ada · Proposition · opener" in line for line in lines)
    assert "  Homework eats the evening. And it teaches little." in lines
    assert "  • hint from Mia to Ada: What about rest?" in lines
    assert "  • Ben's turn was skipped: the model is silent" in lines
    assert lines[-1].strip() == "• The debate has run to its end."
    assert not any(line.startswith("●") for line in lines)


async def test_while_it_airs_the_last_line_says_who_speaks_the_phase_the_clock_and_the_hints() -> None:
    terminal = Terminal()
    events = play("Homework eats ")[:-3]
    clock = ManualClock()
    view = TerminalView(terminal.outlet, width=lambda: 80, clock=clock, color=False)

    for record in records(events):
        await view.show(record)
    clock.advance(75)
    await view.refresh(viewers=3)

    lines = terminal.look()
    assert lines[-1] == "● 01:15 · Opening · turn 1/2 · Ada speaks · 3 viewers · hints 1 used, 0 waiting"
    assert lines[-2] == "  Homework eats"


async def test_a_log_line_goes_above_the_live_ones() -> None:
    terminal = Terminal()
    view = TerminalView(terminal.outlet, width=lambda: 80, clock=ManualClock(), color=False)
    for record in records(play("Homework eats ")[:-3]):
        await view.show(record)

    view.print_line("warning: a target is away")
    await view.refresh()

    lines = terminal.look()
    assert lines[-3:-1] == ["warning: a target is away", "  Homework eats"]
    assert lines[-1].startswith("● ")


@pytest.mark.parametrize("columns", [20, 40, 79, 80, 200])
async def test_speeches_wrap_at_the_terminals_width(columns: int) -> None:
    text = "Homework 宿題は子供の夜を食べてしまう and the evening is short, is it not? " * 6
    pieces = [text[start : start + 37] for start in range(0, len(text), 37)]

    lines = await shown(play(*pieces), Terminal(columns))

    assert all(display_width(line) < columns for line in lines)
    spoken = "".join("".join(lines).replace("─", "").split())
    assert "".join(text.split()) in spoken


async def test_a_terminal_that_gets_narrower_loses_no_word() -> None:
    terminal = Terminal(80)
    width = 80
    view = TerminalView(terminal.outlet, width=lambda: width, clock=ManualClock(), color=False)
    events = records(
        play("one two three four five six seven eight nine ten ", "eleven twelve thirteen fourteen fifteen")
    )
    for record in events[:7]:
        await view.show(record)

    width = 30
    await view.refresh()
    for record in events[7:]:
        await view.show(record)
    terminal.outlet.close()

    words = " ".join(" ".join(terminal.look()).split())
    assert "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen" in words


async def test_each_speaker_has_a_colour_of_the_terminals_own() -> None:
    terminal = Terminal()

    await shown(play("Hello. "), terminal, color=True)

    written = terminal.stream.getvalue()
    assert "\x1b[1;36m🦉 Ada" in written
    assert "\x1b[35m🦊 Ben" in written


async def test_without_colour_only_the_cursor_is_moved() -> None:
    terminal = Terminal()

    await shown(play("Hello. "), terminal)

    written = terminal.stream.getvalue()
    assert "\x1b" in written
    assert "\x1b" not in written.replace("\x1b[J", "").replace("\x1b[1A", "")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=80), st.sampled_from(ESCAPE_SEQUENCES)), min_size=1, max_size=8))
async def test_nothing_a_model_says_steers_the_terminal(lines: list[str]) -> None:
    lines = [line.encode("utf-8", "replace").decode() for line in lines]  # no lone surrogate gets into a log
    terminal = Terminal()

    await shown(play(*lines, motion="".join(lines)), terminal)

    ours = terminal.stream.getvalue().replace("\x1b[J", "").replace("\x1b[1A", "")
    allowed = "\n\r\u200d"
    assert not [c for c in ours if c not in allowed and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"}]


def test_live_lines_are_erased_and_drawn_below_what_is_printed() -> None:
    screen = Screen()

    assert screen.draw((), ("half a line", "status")) == "half a line\nstatus"
    assert screen.draw(("above",)) == "\r\x1b[1A\x1b[Jabove\nhalf a line\nstatus"
    assert screen.draw((), ()) == "\r\x1b[1A\x1b[J"
    assert screen.draw(("after",)) == "after\n"
