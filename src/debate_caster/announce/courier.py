"""The courier: takes announcements, keeps them in the outbox, and delivers each until it has arrived or is given up.

Nobody who announces waits for a receiver, and no receiver for another. What can't be written down is lost with a line
in the log: a show goes on without being announced.
"""

import asyncio
import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from debate_caster.announce.notices import Notice
from debate_caster.announce.outbox import Addressee, Outbox, Parcel
from debate_caster.clock import Clock
from debate_caster.errors import LogError
from debate_caster.scenario.script import AnnounceScript, Scenario

if TYPE_CHECKING:
    from debate_caster.announce.postman import Postman

__all__ = ["AT_ONCE", "MOST_ATTEMPTS", "Courier", "receivers_of"]

logger = structlog.get_logger()

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
"""Between two attempts: doubling, each up to a half shorter, so that many do not come back at once."""

MOST_ATTEMPTS = 20
"""After that a receiver is taken for gone: an hour and a half of asking."""

AT_ONCE = 16
"""Receivers that are told at the same time; a slow one holds one of these places for 10 s at most."""

LOOK_EVERY_S = 1.0
"""How often the outbox is looked at while something waits for our receivers."""

IDLE_LOOK_S = 5.0
"""How often while nothing does: another process may have left something."""

EXPIRE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class _Receiver:
    id: str
    script: AnnounceScript

    @property
    def host(self) -> str:
        """What logs call it: its address may be a secret."""
        return urlsplit(self.script.address).hostname or ""


def receivers_of(scenario: Scenario) -> dict[AnnounceScript, str]:
    """Return what the outbox knows whom a scenario tells by: a digest of the address and of the form that it wants.

    Entries for one address are one receiver, unless they have another secret or other leave: those are counted, since
    a digest of a secret would let it be guessed.
    """
    receivers: dict[AnnounceScript, str] = {}
    ways: dict[str, list[tuple[SecretStr | None, bool]]] = {}
    for script in scenario.announce:
        if script.url is None:
            continue
        target, way = f"{script.format} {script.address}", (script.secret, script.allow_private)
        known = ways.setdefault(target, [])
        if way not in known:
            known.append(way)
        number = f" {place}" if (place := known.index(way)) else ""
        receivers[script] = hashlib.sha256(f"{target}{number}".encode()).hexdigest()[:32]
    return receivers


class Courier:
    """Delivers what ``announce`` takes to the receivers of the scenarios that it ``serves``, while ``run`` runs.

    Any number of processes may share one outbox; each announcement is delivered by one of them. One that was delivered
    when its process died before it could write that down is delivered again, with the same id.

    Args:
        outbox: Where announcements are kept.
        clock: The machine's.
        random: For the waits between attempts.
    """

    def __init__(self, outbox: Outbox, *, clock: Clock, random: Random) -> None:
        self._outbox, self._clock, self._random = outbox, clock, random
        self._receivers: dict[str, dict[str, _Receiver]] = {}
        self._postmen: dict[AnnounceScript, Postman] = {}
        self._at_work: dict[str, AnnounceScript] = {}
        self._wake = asyncio.Event()
        self._expire_at = clock.monotonic()
        self._failing = False

    def serve(self, scenario: Scenario) -> None:
        """Take on the receivers of a scenario, as it is now; what waits for one that it no longer names, expires."""
        receivers = {receiver: _Receiver(receiver, script) for script, receiver in receivers_of(scenario).items()}
        if receivers != self._receivers.get(scenario.key, {}):
            self._receivers[scenario.key] = receivers
            self._wake.set()

    async def announce(
        self, scenario: Scenario, notice: Notice, *, to: Callable[[AnnounceScript], bool] = lambda _: True
    ) -> bool:
        """Have those told who want to hear this of the scenario, or those of them that ``to`` picks.

        Whoever has been told before is not told again. Returns once that is written down, False where it can't be.
        """
        wanted = {
            receiver for script, receiver in receivers_of(scenario).items() if notice.type in script.on and to(script)
        }
        now = self._clock.now()
        if not wanted or notice.expires_at <= now:
            return True
        try:
            new = await self._outbox.put(wanted, notice, now)
        except LogError as exc:
            logger.warning("announcement_lost", kind=notice.type, show=notice.show.id, error=str(exc))
            return False
        if new:
            logger.info("announced", kind=notice.type, show=notice.show.id, receivers=new)
            self._wake.set()
        return True

    async def run(self) -> None:
        """Deliver, for ever. Cancelling ends attempts under way; the announcements stay in the outbox."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wake.clear()
                    waiting = 0
                    try:
                        waiting = await self._hand_out(tasks)
                    except LogError as exc:
                        self._note_failure(exc)
                    await self._pause(LOOK_EVERY_S if waiting else IDLE_LOOK_S)
        finally:
            self._at_work.clear()  # one that was cancelled before it began is still there
            await self._dismiss()

    async def drained(self, timeout_s: float) -> int:
        """Wait until everything has been delivered or given up, ``timeout_s`` at most; return how much is left.

        The outbox is asked, again and again: it may be another process that delivers.
        """
        left, wait_s = 0, LOOK_EVERY_S / 32
        try:
            async with self._clock.timeout(timeout_s):
                while (known := self._known()) and (left := await self._outbox.waiting(known)):
                    await self._clock.sleep(wait_s)
                    wait_s = min(wait_s * 1.5, LOOK_EVERY_S)
        except TimeoutError:
            pass
        except LogError as exc:
            self._note_failure(exc)
        return left

    def _known(self) -> dict[Addressee, _Receiver]:
        return {
            (receiver.id, scenario): receiver
            for scenario, of_one in self._receivers.items()
            for receiver in of_one.values()
        }

    async def _pause(self, seconds: float) -> None:
        try:
            async with self._clock.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _hand_out(self, tasks: asyncio.TaskGroup) -> int:
        """Begin to deliver what is due; return how much is in the outbox for our receivers."""
        receivers = self._known()
        await self._expire()  # also for those whom no scenario names any more
        waiting = 0
        if receivers:
            waiting = await self._outbox.waiting(receivers)
            self._failing = False
        await self._dismiss(but={receiver.script for receiver in receivers.values()} if waiting else set())
        free = [addressee for addressee in receivers if addressee[0] not in self._at_work]
        places = AT_ONCE - len(self._at_work)
        if waiting and free and places > 0:
            for parcel in await self._outbox.take(free, self._clock.now(), limit=places):
                receiver = receivers[parcel.addressee]
                self._at_work[receiver.id] = receiver.script
                tasks.create_task(self._deliver(receiver, parcel))
        return waiting

    async def _deliver(self, receiver: _Receiver, parcel: Parcel) -> None:
        try:
            try:
                await self._attempt(receiver, parcel)
            except asyncio.CancelledError:
                await self._outbox.let_go(parcel)
                raise
        except LogError as exc:  # it is delivered again once the lease is over, with the same id
            self._note_failure(exc)
        except Exception:  # a mistake of ours with one announcement: neither a show nor another one is to end for it
            logger.exception("announcement_failed", kind=parcel.notice.type, show=parcel.notice.show.id)
        finally:
            self._at_work.pop(receiver.id, None)
            self._wake.set()

    async def _attempt(self, receiver: _Receiver, parcel: Parcel) -> None:
        notice, attempts = parcel.notice, parcel.attempts + 1
        answer = await self._postman(receiver.script).deliver(notice)
        facts = {"kind": notice.type, "show": notice.show.id, "to": receiver.host, "attempts": attempts}
        if not answer.problem:
            logger.info("announcement_delivered", **facts)
            await self._outbox.close_case(parcel, "delivered")
            return
        wait_s = max(self._wait_s(attempts), answer.retry_after_s)
        until = self._clock.now() + timedelta(seconds=wait_s)
        if answer.final or attempts >= MOST_ATTEMPTS or until >= notice.expires_at:
            logger.warning("announcement_given_up", why=answer.problem, **facts)
            await self._outbox.close_case(parcel, "given up")
        else:
            logger.info("announcement_put_off", why=answer.problem, retry_in_s=round(wait_s, 1), **facts)
            await self._outbox.put_off(parcel, until)

    def _wait_s(self, attempts: int) -> float:
        longest = min(FIRST_WAIT_S * 2.0 ** (attempts - 1), LONGEST_WAIT_S)
        return longest * self._random.uniform(0.5, 1.0)

    def _postman(self, script: AnnounceScript) -> "Postman":
        if script not in self._postmen:
            from debate_caster.announce.postman import Postman  # here, since importing an HTTP client takes its time

            self._postmen[script] = Postman(script, clock=self._clock)
        return self._postmen[script]

    async def _dismiss(self, *, but: Collection[AnnounceScript] = ()) -> None:
        """Let go of the HTTP clients of all but these, and those to whom something is being delivered."""
        for script in self._postmen.keys() - set(but) - set(self._at_work.values()):
            await self._postmen.pop(script).close()

    async def _expire(self) -> None:
        if self._clock.monotonic() < self._expire_at:
            return
        self._expire_at = self._clock.monotonic() + EXPIRE_EVERY_S
        for kind, show in await self._outbox.expire(self._clock.now()):
            logger.warning("announcement_given_up", why="nobody needs to hear it any more", kind=kind, show=show)

    def _note_failure(self, error: LogError) -> None:
        if not self._failing:
            logger.warning("outbox_failing", error=str(error))
        self._failing = True
