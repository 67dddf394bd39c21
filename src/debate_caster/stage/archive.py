"""What the stage remembers beside the air logs, so that a lobby need not read whole logs: small streams of facts.

``stage/shows`` says that a show was opened, and that it was removed; ``stage/ended/SHOW`` what it was like when it
ended, to be removed with it; ``stage/agents`` binds agent ids to secrets.
"""

import asyncio
import hashlib
import hmac
import json
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from debate_caster.clock import Clock
from debate_caster.errors import FencedError, ForgottenError, LogError
from debate_caster.log import EventLog
from debate_caster.pulsar.text import without_surrogates
from debate_caster.stage.air import stream_of
from debate_caster.stage.ballots import votes_stream_of
from debate_caster.stage.vocabulary import show_time

__all__ = ["Archive", "Opened", "Summaries", "digest"]

SHOWS = "stage/shows"
ENDED = "stage/ended/"
AGENTS = "stage/agents"

ATTEMPTS = 20
"""Facts have no order among each other, so one that comes second simply tries again behind the other."""


READ_OF_LATE = 256
"""Summaries that are kept as they are asked for: a lobby lists up to 200 shows, the newest."""

PACKED_BITS = -14
"""Deflate without a header, looking 16 KiB back: summaries of the shipped scenarios' shows have 2 to 5."""


def digest(secret: str) -> str:
    """Return what is stored of a secret: secrets are long and random, so a plain hash gives nothing away."""
    return hashlib.sha256(without_surrogates(secret).encode()).hexdigest()


class Opened(NamedTuple):
    """What is known of a show from its opening on: the digests of its caster's key and of its producer's token."""

    key: str | None
    producer: str
    replay: bool


class Summaries(Mapping[str, Mapping[str, Any]]):
    """Summaries of shows, oldest first: years of them, so they are kept packed.

    They resemble each other, so each is packed with the first one at hand, which stays for that, also when its show
    has been dropped: a series' next show takes less than 0.1 KB so, another one of the shipped scenarios 0.3 to 1.7,
    where the text has 2 to 5. What is small is stored among its like, too; larger pieces that stay for years hold
    pages of the heap that would be free otherwise.

    ``replays`` are those of shows that were aired again; a lobby leaves them out without looking at them.
    """

    def __init__(self) -> None:
        self.replays: set[str] = set()
        self._first = b""
        self._packed: dict[str, bytes] = {}
        self._read = lru_cache(READ_OF_LATE)(self._unpacked)

    def keep(self, show: str, summary: Mapping[str, Any]) -> None:
        text = json.dumps(summary, separators=(",", ":")).encode()
        self._first = self._first or text
        packing = zlib.compressobj(wbits=PACKED_BITS, zdict=self._first)
        self._packed[show] = packing.compress(text) + packing.flush()
        if summary.get("replay"):
            self.replays.add(show)

    def drop(self, show: str) -> None:
        """Forget one; harmless where there is none."""
        self._packed.pop(show, None)
        self.replays.discard(show)

    def __getitem__(self, show: str) -> Mapping[str, Any]:
        return self._read(self._packed[show])

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def _unpacked(self, packed: bytes) -> Mapping[str, Any]:
        summary: Mapping[str, Any] = json.loads(zlib.decompressobj(PACKED_BITS, self._first).decompress(packed))
        return summary


class Archive:
    """The stage's own facts. ``load`` first; ``opened`` holds a fact and ``ended`` a summary by show, newest last.

    ``forgotten`` are the shows that were removed, by whichever process; a removed show stays in ``opened``, so that
    nobody gives another one by its id.
    """

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self.ended = Summaries()
        self.opened: dict[str, Opened] = {}
        self.forgotten: set[str] = set()
        self._told: set[str] = set()
        self._secrets: dict[str, str] = {}
        self._log, self._clock = log, clock
        self._heads = {SHOWS: 0, AGENTS: 0}
        self._read = {SHOWS: 0, AGENTS: 0}
        self._noting = asyncio.Lock()  # a crowd of agents that comes at once must not race itself

    async def load(self) -> None:
        """Read the facts.

        Raises:
            LogError: The log can't be read.
        """
        await self.catch_up()
        for info in reversed(await self._log.streams(ENDED)):
            self.ended.keep(info.name.removeprefix(ENDED), json.loads(info.first.body)["summary"])
        for name in await self._log.forgotten(stream_of("")):
            self._drop(name.removeprefix(stream_of("")))
        async for fact in self._facts(AGENTS):
            self._secrets.setdefault(fact["agent"], fact["secret_sha256"])

    async def catch_up(self) -> None:
        """Take notice of shows that another process has removed since.

        Raises:
            LogError: The log can't be read.
        """
        async for fact in self._facts(SHOWS):
            match fact.get("type"):
                case "show_opened":
                    self.opened[fact["show"]] = _opened(fact)
                case "show_ended" if fact["show"] not in self.forgotten:  # by a stage that kept summaries here
                    self.ended.keep(fact["show"], fact["summary"])
                case "show_forgotten":
                    self._told.add(fact["show"])
                    self._drop(fact["show"])
                case _:
                    pass

    async def note_opened(self, show: str, *, key: str | None, producer: str = "", replay: bool = False) -> None:
        """Remember that the show exists, and the digests of its caster's key and of its producer's token."""
        fact: dict[str, Any] = {"type": "show_opened", "show": show, "key_sha256": key, "replay": replay}
        fact |= {"producer_sha256": producer} if producer else {}
        await self._note(SHOWS, fact)
        self.opened[show] = _opened(fact)

    async def note_ended(self, show: str, summary: Mapping[str, Any]) -> None:
        """Remember what the show was like, for the lobby."""
        self.ended.keep(show, summary)
        with suppress(FencedError):  # it has been noted before, maybe by a stage that died of it
            await self._log.append(
                f"{ENDED}{show}", [self._body({"type": "show_ended", "show": show, "summary": summary})], expect=0
            )

    async def forget(self, show: str) -> None:
        """Remove a show that is over: what was aired, its votes and its summary. One that is gone stays gone.

        Raises:
            FencedError: Somebody writes it just now; it is all there.
            LogError: The log can't be read or written.
        """
        ends = {}
        for stream in (stream_of(show), votes_stream_of(show), f"{ENDED}{show}"):
            with suppress(ForgottenError):
                ends[stream] = await self._log.last_seq(stream)
        await self._log.forget(ends)
        self._drop(show)
        if show in self.opened and show not in self._told:
            await self._note(SHOWS, {"type": "show_forgotten", "show": show})
            self._told.add(show)

    @property
    def untold(self) -> set[str]:
        """The shows that were removed by a process that died before other stages could know: ``forget`` them again."""
        return {show for show in self.forgotten - self._told if show in self.opened}

    async def admits(self, agent: str, secret: str | None) -> bool:
        """Say whether this is the agent of that id. The first secret given for an id binds it, here and for good."""
        bound = self._secrets.get(agent)
        if bound is not None:
            return secret is not None and hmac.compare_digest(bound, digest(secret))
        if secret is not None:
            self._secrets[agent] = digest(secret)
            await self._note(AGENTS, {"type": "agent_bound", "agent": agent, "secret_sha256": self._secrets[agent]})
        return True

    async def writable(self) -> bool:
        """Say whether the log takes writes just now, without writing anything."""
        try:
            await self._log.append(SHOWS, [], expect=self._heads[SHOWS])
        except FencedError:
            return True
        except LogError:
            return False
        return True

    async def _facts(self, stream: str) -> AsyncIterator[dict[str, Any]]:
        while records := await self._log.read(stream, self._read[stream]):
            for record in records:
                self._read[stream] = record.seq
                self._heads[stream] = max(self._heads[stream], record.seq)
                yield json.loads(record.body)

    def _drop(self, show: str) -> None:
        self.forgotten.add(show)
        self.ended.drop(show)

    def _body(self, fact: Mapping[str, Any]) -> str:
        at = show_time(self._clock.now())
        return without_surrogates(json.dumps({"at": at, **fact}, ensure_ascii=False, separators=(",", ":")))

    async def _note(self, stream: str, fact: Mapping[str, Any]) -> None:
        body = self._body(fact)
        async with self._noting:
            for _ in range(ATTEMPTS):
                try:
                    head = await self._log.append(stream, [body], expect=self._heads[stream])
                except FencedError:
                    self._heads[stream] = await self._log.last_seq(stream)
                else:
                    self._heads[stream] = head
                    return
        raise LogError(stream, "others write it without a pause")


def _opened(fact: Mapping[str, Any]) -> Opened:
    return Opened(fact.get("key_sha256"), str(fact.get("producer_sha256") or ""), bool(fact.get("replay")))
