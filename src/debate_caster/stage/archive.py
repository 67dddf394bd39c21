"""What the stage remembers beside the air logs, so that a lobby need not read whole logs: two small streams of facts.

``stage/shows`` says that a show was opened, and what it was like when it ended; ``stage/agents`` binds agent ids to
secrets.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from debate_caster.clock import Clock
from debate_caster.errors import FencedError, LogError
from debate_caster.log import EventLog
from debate_caster.pulsar.text import without_surrogates
from debate_caster.stage.vocabulary import show_time

__all__ = ["Archive", "digest"]

SHOWS = "stage/shows"
AGENTS = "stage/agents"

ATTEMPTS = 20
"""Facts have no order among each other, so one that comes second simply tries again behind the other."""


def digest(secret: str) -> str:
    """Return what is stored of a secret: secrets are long and random, so a plain hash gives nothing away."""
    return hashlib.sha256(without_surrogates(secret).encode()).hexdigest()


class Archive:
    """The stage's own facts. ``load`` first; ``opened`` holds a fact and ``ended`` a summary by show, newest last."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self.ended: dict[str, dict[str, Any]] = {}
        self.opened: dict[str, dict[str, Any]] = {}
        self._secrets: dict[str, str] = {}
        self._log, self._clock = log, clock
        self._heads = {SHOWS: 0, AGENTS: 0}
        self._noting = asyncio.Lock()  # a crowd of agents that comes at once must not race itself

    async def load(self) -> None:
        """Read the facts.

        Raises:
            LogError: The log can't be read.
        """
        async for fact in self._facts(SHOWS):
            if fact.get("type") == "show_opened":
                self.opened[fact["show"]] = fact
            elif fact.get("type") == "show_ended":
                self.ended[fact["show"]] = fact["summary"]
        async for fact in self._facts(AGENTS):
            self._secrets.setdefault(fact["agent"], fact["secret_sha256"])

    async def note_opened(self, show: str, *, key: str | None, producer: str = "", replay: bool = False) -> None:
        """Remember that the show exists, and the digests of its caster's key and of its producer's token."""
        fact: dict[str, Any] = {"type": "show_opened", "show": show, "key_sha256": key, "replay": replay}
        fact |= {"producer_sha256": producer} if producer else {}
        await self._note(SHOWS, fact)
        self.opened[show] = fact

    async def note_ended(self, show: str, summary: Mapping[str, Any]) -> None:
        """Remember what the show was like, for the lobby."""
        self.ended[show] = dict(summary)
        await self._note(SHOWS, {"type": "show_ended", "show": show, "summary": summary})

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
        while records := await self._log.read(stream, self._heads[stream]):
            for record in records:
                self._heads[stream] = record.seq
                yield json.loads(record.body)

    async def _note(self, stream: str, fact: Mapping[str, Any]) -> None:
        body = json.dumps({"at": show_time(self._clock.now()), **fact}, ensure_ascii=False, separators=(",", ":"))
        async with self._noting:
            for _ in range(ATTEMPTS):
                try:
                    head = await self._log.append(stream, [without_surrogates(body)], expect=self._heads[stream])
                except FencedError:
                    self._heads[stream] = await self._log.last_seq(stream)
                else:
                    self._heads[stream] = head
                    return
        raise LogError(stream, "others write it without a pause")
