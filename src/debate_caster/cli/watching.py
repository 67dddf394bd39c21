"""``watch``: somebody's show, on any stage, in the terminal as if it were performed here."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from debate_caster.cli.aired import AirTranslator
from debate_caster.cli.interruption import stop_on_signals
from debate_caster.cli.printable import json_line
from debate_caster.cli.session import ENDED_EARLY, INTERRUPTED, RAN, Session
from debate_caster.cli.staging import unless_stopped
from debate_caster.cli.terminal import TerminalView
from debate_caster.cli.views import PlainView
from debate_caster.clock import SystemClock
from debate_caster.companions import alongside
from debate_caster.errors import SetupError, WatchError
from debate_caster.watching import EventStream, Status
from debate_caster.watching import watch as open_stream

__all__ = ["watch"]

REFRESH_S = 1.0
NO_SUCH_SHOW = 4404


def watch(session: Session) -> int:
    """Show a show until it is over; return what its end means."""
    return asyncio.run(_watch(session))


async def _watch(session: Session) -> int:
    options, stop = session.options, asyncio.Event()
    audience = _Audience(session)
    stream = open_stream(
        options.url,
        options.show,
        room=options.room,
        speaker=options.speaker,
        types=options.types,
        after=options.after,
        ticket=session.settings.ticket.get_secret_value() if session.settings.ticket else "",
        on_status=audience.note,
    )
    async with AsyncExitStack() as stack:
        stack.enter_context(stop_on_signals(stop, at_once=audience.close))
        await stack.enter_async_context(stream)
        stack.callback(audience.close)
        await stack.enter_async_context(alongside(audience.keep_fresh(stream)))
        over = await unless_stopped(audience.follow(stream), stop)
    if not over:
        return INTERRUPTED
    return RAN if audience.why in ("completed", "") else ENDED_EARLY


class _Audience:
    """Prints what comes, in the form that the options ask for. ``why`` is how the show ended, empty if unknown."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._translator = AirTranslator()
        self._terminal: TerminalView | None = None
        self._plain: PlainView | None = None
        self._away = False
        self.why = ""
        self._open_view()

    async def follow(self, stream: EventStream) -> None:
        """Print events until there are no more.

        Raises:
            SetupError: There is no such show.
            WatchError: The stage turned us away for good.
        """
        try:
            async for event in stream:
                await self._show(event)
        except WatchError as exc:
            if exc.code == NO_SUCH_SHOW:
                raise SetupError(str(exc), "The stage's page lists what it has.") from exc
            raise

    async def keep_fresh(self, stream: EventStream) -> None:
        """Keep the clock and the count of viewers going, for ever."""
        clock = SystemClock()
        while True:
            await clock.sleep(REFRESH_S)
            if self._terminal is not None:
                await self._terminal.refresh(viewers=stream.viewers)

    def note(self, status: Status) -> None:
        """Say when the stage is out of reach, and when it is back; once each."""
        if status.kind == "waiting" and not self._away:
            self._away = True
            self._remark(f"the stage is out of reach ({status.detail}): trying again")
        elif status.kind == "connected" and self._away:
            self._away = False
            self._remark("the stage is back")

    def close(self) -> None:
        if self._terminal is not None:
            self._terminal.close()

    async def _show(self, event: Mapping[str, Any]) -> None:
        if self._session.options.json:
            await self._session.stdout.write(json_line(dict(event)) + "\n")
        if event["type"] == "reset":
            self._remark("the stage has lost its log: the show begins again")
            self.close()
            self._open_view()
        elif event["type"] == "show_ended":
            self.why = str(event.get("why", ""))
        view = self._terminal or self._plain
        if view is not None:
            for record in self._translator.records(event):
                await view.show(record)

    def _open_view(self) -> None:
        session = self._session
        self._translator = AirTranslator()
        if session.options.json or session.options.quiet:
            return
        if session.on_terminal:
            self._terminal = TerminalView(
                session.stdout, width=lambda: session.columns, clock=SystemClock(), color=session.color
            )
        else:
            self._plain = PlainView(session.stdout)

    def _remark(self, text: str) -> None:
        if self._terminal is not None and self._session.stderr_on_terminal:
            self._terminal.print_line(text)
        else:
            self._session.remark(text)
