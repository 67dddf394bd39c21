"""The control desk: what the show's producer may do, whether it makes sense now, and how it reaches the show.

Every act is in the show's log, with who did it, before it takes effect; what it amounts to is the log, folded, so that
a show that goes on after a break is directed as it was. The director looks here before each step that viewers notice,
and is woken when something has changed.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, get_args

import structlog

from debate_caster.booklet import instant
from debate_caster.clock import Clock
from debate_caster.errors import FencedError, LogError
from debate_caster.scenario.rundown import Rundown, Turn
from debate_caster.scenario.script import Scenario
from debate_caster.show.events import ProducerActed, ProducerCommand, ShowPaused, ShowResumed, TurnStarted
from debate_caster.show.hints import ID_CHARS, NAME_CHARS, HintDesk
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.screening import clean_line
from debate_caster.show.show_time import ShowTime
from debate_caster.show.vote_desk import VoteDesk

__all__ = ["Answer", "Changes", "ControlDesk", "Order", "token_digest"]

logger = structlog.get_logger()

LONGEST_PAUSE_S = 3600.0
"""A pause that lasts longer was forgotten, and ends the show: nobody is there to let it go on."""

COMMANDS: frozenset[str] = frozenset(get_args(ProducerCommand))
INJECT_CHARS, CONTEXT_CHARS = 500, 1000
NOTES_WAITING = 5
"""Lines for the moderator that may wait to be said."""

DETAIL_CHARS = 200
"""How much of a text is shown in the list of what was done."""


@dataclass(frozen=True, slots=True)
class Order:
    """A producer's command as it comes in: nothing of it has been checked. ``by`` is who it says it is.

    ``turn`` is the one that ``skip`` means, None where that is whichever is on.
    """

    command: str
    text: str = ""
    hint: str = ""
    viewer: str = ""
    by: str = ""
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an order; ``message`` is for people."""

    ok: bool
    message: str


class Changes:
    """Wakes everybody who waits for something to change."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def tell(self) -> None:
        happened, self._next = self._next, asyncio.Event()
        happened.set()

    async def wait(self) -> None:
        """Wait for the next time that something changes."""
        await self._next.wait()


class ControlDesk:
    """One show's. ``admits``, ``obey`` and ``may`` are for connections; the rest is the director's.

    ``time`` is the show's time, which a pause holds; ``clock`` is the producer's, in real seconds. The director has
    ``plan`` say which turn is on, and hangs itself in ``on_skip`` and ``on_inject``. ``digest`` is the token's, empty
    where nobody may direct the show.
    """

    def __init__(
        self,
        scenario: Scenario,
        rundown: Rundown,
        writer: ShowLogWriter,
        hints: HintDesk,
        votes: VoteDesk,
        *,
        time: ShowTime,
        clock: Clock,
        digest: str = "",
    ) -> None:
        self.time, self.digest = time, digest
        self.changes = Changes()
        self.turn: Turn | None = None
        self._following: Turn | None = None
        self.ending = asyncio.Event()
        self.ending_detail = ""
        self.on_skip: Callable[[Turn], None] = lambda _turn: None
        self.on_inject: Callable[[], bool] = lambda: False
        self._has_moderator = any(agent.moderator for agent in scenario.agents)
        self._rundown, self._writer, self._hints, self._votes, self._clock = rundown, writer, hints, votes, clock
        self._skipped: Turn | None = None
        self._acting = asyncio.Lock()
        self._open = True

    # -- for connections -----------------------------------------------------------------------------------------

    def admits(self, token: str) -> bool:
        """Whether this is the producer's token."""
        return bool(self.digest) and hmac.compare_digest(self.digest, token_digest(token))

    async def obey(self, order: Order) -> Answer:
        """Do what the producer says, or say why not; return once it is logged and on its way.

        Raises:
            FencedError: Another writer is at work on this show.
        """
        if order.command not in COMMANDS:
            return Answer(False, f"there is no command {clean_line(order.command, 40)!r}")
        # Whoever gives up waiting does not take the order back: half of one would be worse.
        carrying_out = asyncio.ensure_future(self._carry_out(order))
        return await asyncio.shield(carrying_out)

    async def _carry_out(self, order: Order) -> Answer:
        async with self._acting:
            if not self._open or self._writer.transcript.started is None:
                return Answer(False, "the show is not on")
            act = ProducerActed(
                at=self._writer.now(),
                command=order.command,
                by=clean_line(order.by, NAME_CHARS),
                text=clean_line(order.text, CONTEXT_CHARS if order.command == "context" else INJECT_CHARS),
                hint=clean_line(order.hint, ID_CHARS),
                viewer=clean_line(order.viewer, ID_CHARS),
            )
            try:
                answer = await self._do(act, order.turn)
            except FencedError:
                raise
            except LogError as exc:  # the director meets it too, and knows what to do
                logger.warning("order_lost", command=act.command, error=str(exc))
                return Answer(False, "the show's log can't be written")
            if answer.ok:
                logger.info("producer_acted", command=act.command, by=act.by)
                self.changes.tell()
            return answer

    def may(self) -> list[str]:
        """Return the commands that make sense now."""
        transcript = self._writer.transcript
        if not self._open or transcript.started is None:
            return []
        made_sense = {
            "pause": not transcript.paused,
            "resume": transcript.paused_by == "producer",
            "skip": self.turn is not None and self._skipped is None,
            "end": not self.ending.is_set(),
            "inject": self.turn is not None and len(transcript.notes) < NOTES_WAITING,
            "context": True,
            "approve": bool(transcript.held),
            "decline": bool(transcript.held or transcript.pending),
            "mute": True,
            "unmute": bool(transcript.muted),
            "approval_on": not self._hints.needs_approval,
            "approval_off": self._hints.needs_approval,
            "open_vote": self._votes.may_open() is not None,
            "close_vote": self._votes.is_open() is not None,
        }
        return [command for command, sense in made_sense.items() if sense]

    def standing(self) -> dict[str, Any]:
        """Return how things stand at the desk: what docs/protocol.md calls ``desk``, but for the hints."""
        transcript = self._writer.transcript
        on_air = transcript.open.started if transcript.open is not None else None
        return {
            "paused": transcript.paused,
            "approval": self._hints.needs_approval,
            "context": transcript.context,
            "muted": list(transcript.muted),
            "vote": {"open": self._votes.is_open(), "may_open": self._votes.may_open()},
            "turn": on_air.turn if on_air else None,
            "speaker": on_air.speaker if on_air else None,
            "next": self._next(on_air),
            "may": self.may(),
            "acts": [
                {
                    "at": instant(act.at),
                    "command": act.command,
                    "by": act.by,
                    "detail": clean_line(act.text, DETAIL_CHARS) or act.hint or act.viewer,
                }
                for act in transcript.acts
            ],
        }

    def _next(self, on_air: TurnStarted | None) -> dict[str, Any] | None:
        is_on_air = on_air is not None and self.turn is not None and on_air.turn == self.turn.index
        turn = self._following if is_on_air else self.turn
        return {"turn": turn.index, "speaker": turn.speaker} if turn is not None else None

    # -- for the director ----------------------------------------------------------------------------------------

    def restore(self) -> None:
        """Take up how the show was directed when it was broken off."""
        if self._writer.transcript.paused_by == "producer":
            self.time.hold()

    async def hold_for_models(self) -> bool:
        """Pause the show until ``go_on``; return whether it could be: the producer's own pause comes first.

        Raises:
            LogError: It could not be logged.
        """
        async with self._acting:
            if self._writer.transcript.paused:
                return False
            await self._hold(ShowPaused(at=self._writer.now(), why="models"))
        self.changes.tell()
        return True

    async def go_on(self) -> None:
        """Let the show go on that waits for its models; does nothing where it does not.

        Raises:
            LogError: It could not be logged.
        """
        async with self._acting:
            if self._writer.transcript.paused_by == "models":
                await self._let_go(ShowResumed(at=self._writer.now()))
        self.changes.tell()

    def cuts(self, turn: Turn) -> bool:
        """Whether the producer has skipped the turn."""
        return turn is self._skipped

    def plan(self, turn: Turn | None, following: Turn | None) -> None:
        """Note which turn is on, from the pause before it until its end, and which one follows; None for none."""
        if turn is not self.turn:
            self._skipped = None
        self.turn, self._following = turn, following
        self.changes.tell()

    async def end_forgotten_pause(self) -> None:
        """Wait for ever; end the show when a pause has lasted too long."""
        while True:
            if self._writer.transcript.paused_by != "producer":
                await self.changes.wait()
                continue
            try:
                async with self._clock.timeout(LONGEST_PAUSE_S):
                    while self._writer.transcript.paused_by == "producer":
                        await self.changes.wait()
            except TimeoutError:
                self._end("the pause was forgotten")

    async def close(self) -> None:
        """Take no more orders, and wait for the one that is being carried out."""
        self._open = False
        async with self._acting:
            self.time.release()

    # -- the commands --------------------------------------------------------------------------------------------

    async def _do(self, act: ProducerActed, meant: int | None) -> Answer:
        commands: dict[str, Callable[[ProducerActed], Awaitable[str]]] = {
            "pause": self._pause,
            "resume": self._resume,
            "skip": lambda act: self._skip(act, meant),
            "end": self._end_now,
            "inject": self._inject,
            "context": self._note,
            "approve": self._hints.approve,
            "decline": self._hints.decline,
            "mute": self._mute,
            "unmute": self._unmute,
            "approval_on": self._set_approval,
            "approval_off": self._set_approval,
            "open_vote": self._votes.open_now,
            "close_vote": self._votes.close_now,
        }
        problem = await commands[act.command](act)
        return Answer(False, problem) if problem else Answer(True, self._done(act))

    def _done(self, act: ProducerActed) -> str:
        said = {
            "pause": "the show is paused",
            "resume": "the show goes on",
            "skip": "the turn is skipped",
            "end": "the show ends",
            "inject": "the moderator says it next" if self._has_moderator else "the next prompts have it",
            "context": "every prompt has it from here on" if act.text else "no prompt has it any more",
            "approve": "the hint is queued",
            "decline": "the hint is declined",
            "mute": "the viewer's hints are declined from here on",
            "unmute": "the viewer's hints are taken again",
            "approval_on": "hints wait for you",
            "approval_off": "hints do not wait for you any more",
            "open_vote": "the vote is open",
            "close_vote": "the vote is closed",
        }
        return said[act.command]

    async def _pause(self, act: ProducerActed) -> str:
        if self._writer.transcript.paused_by == "models":
            return "the show is paused already: it waits for a model"
        if self._writer.transcript.paused:
            return "the show is paused already"
        await self._hold(act, ShowPaused(at=act.at))
        return ""

    async def _hold(self, *events: ProducerActed | ShowPaused) -> None:
        self.time.hold()  # before the log knows, or else a chunk could slip in behind it there
        try:
            await self._writer.append(*events)
        except LogError:
            self.time.release()
            raise
        logger.info("show_paused", why=self._writer.transcript.paused_by)

    async def _let_go(self, *events: ProducerActed | ShowResumed) -> None:
        await self._writer.append(*events)
        self.time.release()
        logger.info("show_resumed")

    async def _resume(self, act: ProducerActed) -> str:
        if self._writer.transcript.paused_by == "models":
            return "the show waits for a model, and goes on by itself once one answers"
        if not self._writer.transcript.paused:
            return "nothing is paused"
        await self._let_go(act, ShowResumed(at=act.at))
        return ""

    async def _skip(self, act: ProducerActed, meant: int | None) -> str:
        turn = self.turn
        if turn is None:
            return "there is no turn to skip"
        if meant is not None and turn.index != meant:
            return "that turn is not on"  # it may have ended as the producer's hand came down
        if self.cuts(turn):
            return "that turn is being skipped already"
        await self._writer.append(act)
        if self.turn is turn:  # otherwise it has ended by itself meanwhile
            self._skipped = turn
            self.on_skip(turn)
        return ""

    async def _end_now(self, act: ProducerActed) -> str:
        if self.ending.is_set():
            return "the show is ending already"
        await self._writer.append(act)
        self._end("")
        return ""

    def _end(self, detail: str) -> None:
        self.ending_detail = detail
        self.ending.set()

    async def _inject(self, act: ProducerActed) -> str:
        if not act.text:
            return "there is nothing to say in it"
        if self.turn is None:
            return "no turn is left to say it in"
        if len(self._writer.transcript.notes) >= NOTES_WAITING:
            return f"{NOTES_WAITING} lines wait to be said already"
        await self._writer.append(act)
        return "" if self.on_inject() else "no turn is left to say it in"

    async def _note(self, act: ProducerActed) -> str:
        await self._writer.append(act)
        return ""

    async def _mute(self, act: ProducerActed) -> str:
        if not act.viewer:
            return "whom? `viewer` is missing"
        if act.viewer in self._writer.transcript.muted:
            return "that viewer is muted already"
        await self._hints.mute(act)
        return ""

    async def _unmute(self, act: ProducerActed) -> str:
        if act.viewer not in self._writer.transcript.muted:
            return "that viewer is not muted"
        await self._writer.append(act)
        return ""

    async def _set_approval(self, act: ProducerActed) -> str:
        if self._hints.needs_approval == (act.command == "approval_on"):
            return f"approval is {'on' if self._hints.needs_approval else 'off'} already"
        await self._writer.append(act)
        return ""


def token_digest(token: str) -> str:
    """Return what a stage and a show keep of a producer's token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
