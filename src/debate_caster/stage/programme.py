"""The programme: all shows of a stage, live and past, and which agent may take part in which.

Owns the tasks of the live shows, through the task group it is given, and the time an agent has to come back.
"""

import asyncio
import hmac
import random
import re
import secrets
import weakref
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog

from debate_caster.clock import Clock
from debate_caster.errors import ForgottenError, LogError, SetupError
from debate_caster.log import EventLog
from debate_caster.pulsar.messages import ShowClaim
from debate_caster.stage.air import event_of, stream_of
from debate_caster.stage.archive import Archive, digest
from debate_caster.stage.hints import HintRates
from debate_caster.stage.metrics import Counters
from debate_caster.stage.producers import token_rates
from debate_caster.stage.rooms import Host, Room
from debate_caster.stage.shows import Show
from debate_caster.stage.summary import Summary
from debate_caster.stage.vocabulary import show_time

__all__ = ["DeniedError", "Programme"]

logger = structlog.get_logger()

LONGEST_SILENCE_S = 10.0
"""A replay makes no more of a silence, in the show's seconds: it was paused, or its process dead for a day."""

RESUME_S = 60.0
"""How long a dropped agent's room waits for it: what Pulsar's protocol page promises."""

SHOW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")

LISTED = 200
"""Shows in the lobby's list at most, unless it asks for fewer."""


class DeniedError(Exception):
    """A broadcast may not start; ``reason`` is the word for ``broadcast_denied``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Programme:
    """``live`` holds the shows that have not ended, oldest first; past ones are read when somebody asks.

    ``winding_down`` says that the stage waits for their ends, to close.

    ``on_lost`` is called with a show whose log somebody else has begun to write.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        clock: Clock,
        counters: Counters,
        tasks: asyncio.TaskGroup,
        max_shows: int,
        chance: random.Random,
    ) -> None:
        self.live: dict[str, Show] = {}
        self.winding_down = False
        self.archive = Archive(log, clock)
        self._log, self._clock, self._counters, self._tasks = log, clock, counters, tasks
        self._max_shows, self._chance = max_shows, chance
        self._rates, self._token_rates = HintRates(clock), token_rates(clock)
        self._past: weakref.WeakValueDictionary[str, Show] = weakref.WeakValueDictionary()
        self._opening = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False
        self.on_lost: Callable[[Show], None] = lambda _show: None

    async def load(self) -> None:
        """Take up what the log knows: list the past, and give the agents of unfinished shows time to come back.

        Raises:
            LogError: The log can't be read.
        """
        await self.archive.load()
        for identity, opened in list(self.archive.opened.items()):
            if identity in self.archive.ended or identity in self.archive.forgotten:
                continue
            show = self._new(identity)
            show.summary.replay, show.producers.key = opened.replay, opened.producer
            try:
                await show.revive()
            except LogError as exc:
                logger.warning("show_unreadable", show=identity, error=str(exc))
                continue
            await self._take_up(show)

    # -- shows ---------------------------------------------------------------------------------------------------

    async def find(self, identity: str) -> Show | None:
        """Return a show, live or past; None when there is no such.

        Raises:
            ForgottenError: There was one, and it has been removed.
            LogError: The log can't be read.
        """
        if show := self.live.get(identity):
            return show
        await self._catch_up()
        if identity in self.archive.forgotten:
            raise ForgottenError(stream_of(identity))
        if show := self._past.get(identity):
            return show
        if identity not in self.archive.ended:
            return None
        show = self._new(identity)
        show.summary = Summary.from_json(self.archive.ended[identity])
        show.air.epoch = show.summary.epoch
        show.air.head = show.summary.head = show.fan_out.position = await self._log.last_seq(stream_of(identity))
        show.over.set()
        self._past[identity] = show
        return show

    async def newest(self) -> Show | None:
        """Return the newest live show, or else the newest."""
        if self.live:
            airing = [show for show in self.live.values() if not show.summary.ended]
            return (airing or list(self.live.values()))[-1]
        await self._catch_up()
        for identity in reversed(self.archive.ended):
            return await self.find(identity)
        return None

    async def listing(self, limit: int = LISTED) -> list[Mapping[str, Any]]:
        """Return summaries, newest first, live ones before ended ones; past replays are left out."""
        await self._catch_up()
        summaries: list[Mapping[str, Any]] = [show.as_json() for show in reversed(self.live.values())]
        for identity in reversed(self.archive.ended):
            if len(summaries) >= limit + len(self.live):
                break
            if identity not in self.archive.ended.replays and identity not in self.live:
                summaries.append(self.archive.ended[identity])
        summaries.sort(key=lambda summary: summary["started_at"] or "", reverse=True)
        summaries.sort(key=lambda summary: summary["state"] == "ended")
        return summaries[:limit]

    # -- rooms ---------------------------------------------------------------------------------------------------

    async def open_room(self, host: Host, title: str, claim: ShowClaim | None, *, category: str) -> Room:
        """Open an agent's room, in the show that it claims or in one of its own.

        Raises:
            DeniedError: The show is another caster's, has ended, or there are too many.
            LogError: The log can't be written.
        """
        async with self._opening:  # two rooms of a new show must not both create it
            show = await self._claimed(claim) if claim else await self._create(f"s-{secrets.token_hex(5)}", None)
            order = claim.order if claim else 0
            started_at = show_time(self._clock.now())
            title = title or (claim.title if claim else "") or "Untitled broadcast"
            room = Room(Room.new_id(), show.id, host, title, started_at, order=order, category=category or "talk")
            earlier = [other for other in show.rooms.values() if other.host.agent == host.agent] if claim else []
            for other in earlier:  # the agent goes on: what its caster numbers, it numbers through the whole show
                await other.settle()
                room.last_ref = max(room.last_ref, other.last_ref)
            if claim:
                show.summary.title = show.summary.title or claim.title
                show.summary.motion = show.summary.motion or claim.motion
                show.summary.language = show.summary.language or claim.language
            else:
                show.announce({
                    "type": "show_started", "show": show.id, "title": title, "motion": "", "language": "",
                    "format": "broadcast", "format_title": "Broadcast", "agents": [host.as_json()], "phases": [],
                    "turns": 0, "hints_open": True,
                })  # fmt: skip
            show.open_room(room)
            for other in earlier:
                if other.link is None:
                    show.close_room(other, "replaced")
            return room

    def room(self, identity: str) -> tuple[Show, Room] | None:
        """Return an open room and its show."""
        for show in self.live.values():
            room = show.rooms.get(identity)
            if room is not None and room.state != "closed":
                return show, room
        return None

    def room_of(self, host: str, show: str) -> tuple[Show, Room] | None:
        """Return the open room that a host has in a live show."""
        live = self.live.get(show)
        if live is None:
            return None
        return next(((live, room) for room in reversed(live.open_rooms) if room.host.id == host), None)

    def open_rooms(self) -> list[tuple[Show, Room]]:
        return [(show, room) for show in self.live.values() for room in show.open_rooms]

    def await_return(self, show: Show, room: Room) -> None:
        """Close the room unless its agent comes back in time."""
        room.grace = self._run(self._close_later(show, room))

    def welcome_back(self, show: Show, room: Room) -> None:
        """The agent is back in time."""
        if room.grace is not None:
            room.grace.cancel()
            room.grace = None
        show.resume_room(room)

    # -- replay --------------------------------------------------------------------------------------------------

    async def replay(self, identity: str, *, speed: float) -> Show:
        """Air a past show again, as a show of its own, ``speed`` times as fast; return it as soon as it has begun.

        Silences are kept up to ``LONGEST_SILENCE_S``.

        Raises:
            SetupError: There is no such show, or ``speed`` is not above 0.
            LogError: The log can't be read or written.
        """
        if not speed > 0:
            raise SetupError(f"speed must be above 0, got {speed}")
        last = await self._log.last_seq(stream_of(identity))
        if not last:
            raise SetupError(f"there is no show {identity!r}", "List them with `debate-caster shows`.")
        try:
            show = await self._create(f"replay-{secrets.token_hex(3)}-{identity}"[:100], None, replay=True)
        except DeniedError as exc:
            raise SetupError(f"the stage is full: {len(self.live)} shows are live") from exc
        self._run(self._re_air(identity, show, last, speed))
        return show

    async def _re_air(self, identity: str, show: Show, last: int, speed: float) -> None:
        try:
            await self._re_air_events(identity, show, last, speed)
        except LogError as exc:
            logger.warning("replay_failed", show=show.id, error=str(exc))
            show.end("failed", "The log of the show could not be read.")

    async def _re_air_events(self, identity: str, show: Show, last: int, speed: float) -> None:
        before: datetime | None = None
        due = self._clock.monotonic()
        after, ended = 0, False
        while after < last and not ended:
            records = await self._log.read(stream_of(identity), after, limit=200)
            if not records:
                break
            for record in records:
                after = record.seq
                event = event_of(record)
                at = datetime.fromisoformat(event.pop("at"))
                silence_s = (at - (before or at)).total_seconds()
                before = at
                due += max(0.0, min(silence_s, LONGEST_SILENCE_S)) / speed
                await self._clock.sleep_until(due)
                for private in ("via", "ref"):
                    event.pop(private, None)
                if event["type"] == "show_started":
                    event["show"] = show.id
                if event["type"] == "show_ended":
                    ended = True
                    show.end(event["why"], event.get("detail", ""))
                else:
                    show.announce(event)
        show.end("completed")

    async def close(self) -> None:
        """Stop airing. Shows that have not ended stay so in the log, for the next stage to take up."""
        self._closed = True
        for task in list(self._running):
            task.cancel()

    # -- behind the scenes ---------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        """Take notice of what was removed; a log that can't be read just now is no reason to know nothing."""
        with suppress(LogError):
            await self.archive.catch_up()

    async def _take_up(self, show: Show) -> None:
        """Go on with a show that the last stage did not see to its end."""
        ended = show.summary.ended
        if ended and not show.open_rooms:
            await self.archive.note_ended(show.id, show.as_json())
            return
        self._start(show)
        for room in show.open_rooms:
            if ended:
                show.close_room(room, "stage_restarted")
            else:
                show.suspend_room(room)
                self.await_return(show, room)
        if not show.open_rooms:
            show.end("interrupted", "the stage was stopped")

    async def _claimed(self, claim: ShowClaim) -> Show:
        key = digest(claim.key)
        if not SHOW_ID.fullmatch(claim.id):
            raise DeniedError("show_id")
        if known := self.archive.opened.get(claim.id):
            if known.key is None or not hmac.compare_digest(known.key, key):
                raise DeniedError("show_key")
            show = self.live.get(claim.id)
            if show is None or show.summary.ended:
                raise DeniedError("show_ended")
            return show
        return await self._create(claim.id, key, producer=claim.producer)

    async def _create(self, identity: str, key: str | None, *, producer: str = "", replay: bool = False) -> Show:
        if len(self.live) >= self._max_shows:
            raise DeniedError("too_many_shows")
        await self.archive.note_opened(identity, key=key, producer=producer, replay=replay)
        show = self._new(identity)
        show.producers.key = producer
        show.summary.replay = replay
        self._start(show)
        return show

    def _new(self, identity: str) -> Show:
        return Show(
            identity,
            log=self._log,
            clock=self._clock,
            counters=self._counters,
            rates=self._rates,
            token_rates=self._token_rates,
            chance=self._chance,
            note_ended=self._ended,
        )

    def _start(self, show: Show) -> None:
        self.live[show.id] = show
        self._run(self._perform(show))

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if self._closed:
            task.cancel()
        return task

    async def _perform(self, show: Show) -> None:
        with structlog.contextvars.bound_contextvars(show=show.id):
            logger.info("show_opened")
            try:
                await show.run()
            except LogError as exc:
                logger.warning("show_not_archived", error=str(exc))
            finally:
                del self.live[show.id]
            if show.lost.is_set():
                self.on_lost(show)
            logger.info("show_over", why=show.summary.why, events=show.summary.head)

    async def _ended(self, show: Show) -> None:
        # Whoever holds the show (its viewers, their hints) goes on using it; others find it by way of the archive.
        self._past[show.id] = show
        await self.archive.note_ended(show.id, show.as_json() | {"viewers": 0})

    async def _close_later(self, show: Show, room: Room) -> None:
        await self._clock.sleep(RESUME_S)
        room.grace = None
        show.close_room(room, "host_disconnected")
