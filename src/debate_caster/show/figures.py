"""What the shows of a process amount to: how they end, chunks on time, hints, connections, tokens and money."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, get_args
from urllib.parse import urlsplit

from debate_caster.figures import OTHER, Figure, Level, Total
from debate_caster.llm.conversation import LLM
from debate_caster.scenario.script import ModelScript, Scenario
from debate_caster.show.budget import Bill
from debate_caster.show.events import (
    ChunkAired,
    ConnectionDown,
    ConnectionUp,
    HintAccepted,
    HintDeclined,
    HintExpired,
    HintHeld,
    HintOffered,
    HintUsed,
    MoneySpent,
    ShowEnded,
    ShowEnding,
    ShowEvent,
    ShowPaused,
    ShowResumed,
    ShowStarted,
)
from debate_caster.show.metering import MeteredLLM
from debate_caster.show.show_time import Timekeeper

__all__ = ["ON_TIME_S", "ShowCount", "ShowFigures"]

ON_TIME_S = 0.05
"""How long after its instant a chunk may be in the show's log, and so on its way, to be on time: nobody sees less."""

ShowState = Literal["preparing", "on_air", "paused", "closing"]
ConnectionState = Literal["connecting", "on_air", "off_air"]

SEASON = "(season)"
"""Who stands for a persona where a model thinks of a season's next motion; no persona can be called so."""

HINT_FATES = ("offered", "held", "accepted", "declined", "used", "expired")


class ShowFigures:
    """Counts all shows that a process gives, from the moment that it is made."""

    def __init__(self) -> None:
        self.ended = Total(
            "debate_caster_shows_ended",
            "Shows that were given, by why they ended",
            ("why",),
            known=[(why,) for why in get_args(ShowEnding)],
        )
        self.chunks = Total("debate_caster_chunks", "Chunks put on the air")
        self.chunks_on_time = Total("debate_caster_chunks_on_time", "Chunks on the air within 50 ms of their instant")
        self.hints = Total(
            "debate_caster_hints",
            "Hints and remarks of all targets, by what became of them",
            ("fate",),
            known=[(fate,) for fate in HINT_FATES],
        )
        who = ("provider", "persona")
        self.calls = Total("debate_caster_model_calls", "Calls of models", ("provider", "outcome"))
        self.tokens_read = Total("debate_caster_tokens_read", "Tokens of prompts, as providers count", who)
        self.tokens_written = Total("debate_caster_tokens_written", "Tokens of replies, as providers count", who)
        self.money = Total("debate_caster_money_spent", "Money for models, in the budgets' currency", who)
        self.losses = Total("debate_caster_connections_lost", "Times that a connection on the air went off it")
        self._counts: set[ShowCount] = set()
        self.figures: Sequence[Figure] = (
            Level("debate_caster_shows", "Shows that are being given", ("state",), self._shows),
            self.ended,
            self.chunks,
            self.chunks_on_time,
            self.hints,
            Level("debate_caster_connections", "Agents' connections to targets", ("state",), self._connections),
            self.losses,
            self.calls,
            self.tokens_read,
            self.tokens_written,
            self.money,
        )

    @contextmanager
    def counting(self, scenario: Scenario, time: Timekeeper) -> "Iterator[ShowCount]":
        """Count one show, planned by ``time``, until the end of the block."""
        count = ShowCount(self, scenario, time)
        self._counts.add(count)
        try:
            yield count
        finally:
            self._counts.discard(count)

    def metered(self, llm: LLM, script: ModelScript) -> LLM:
        """Return a model whose calls count, too, though no show makes them."""
        provider = provider_of(script)
        return MeteredLLM(llm, script, lambda outcome, bill: self.note_call(provider, SEASON, outcome, bill))

    def note_call(self, provider: str, persona: str, outcome: str, spent: MoneySpent | Bill) -> None:
        """Count one call of a model."""
        self.calls.add(provider, outcome)
        self.note_cost(provider, persona, spent.prompt_tokens, spent.completion_tokens, float(spent.cost))

    def note_cost(self, provider: str, persona: str, read: int = 0, written: int = 0, cost: float = 0.0) -> None:
        """Count tokens and money."""
        self.tokens_read.add(provider, persona, amount=read)
        self.tokens_written.add(provider, persona, amount=written)
        self.money.add(provider, persona, amount=cost)

    def _shows(self) -> Mapping[tuple[str, ...], float]:
        states = [count.state for count in self._counts]
        return {(state,): float(states.count(state)) for state in get_args(ShowState)}

    def _connections(self) -> Mapping[tuple[str, ...], float]:
        states = [state for count in self._counts for state in count.connections.values()]
        return {(state,): float(states.count(state)) for state in get_args(ConnectionState)}


class ShowCount:
    """Counts one show. ``take`` is told of every event as soon as it is stored, ``hear`` of every connection."""

    def __init__(self, figures: ShowFigures, scenario: Scenario, time: Timekeeper) -> None:
        self.state: ShowState = "preparing"
        self.connections: dict[tuple[str, str], ConnectionState] = {}
        self._figures, self._time = figures, time
        self._providers = {name: provider_of(model) for name, model in scenario.models.items()}
        self._personas = {agent.id: agent.persona.key for agent in scenario.agents}
        for agent in scenario.agents:  # from 0, so that whoever asks for the increase sees the first call's
            figures.note_cost(self._providers.get(agent.model, OTHER), agent.persona.key)

    def expect(self, agent: str, target: str) -> None:
        """Count a connection that is to come."""
        self.connections[agent, target] = "connecting"

    def hear(self, event: ConnectionUp | ConnectionDown) -> None:
        """Count what has become of a connection."""
        who = (event.agent, event.target)
        if isinstance(event, ConnectionUp):
            self.connections[who] = "on_air"
            return
        if self.connections.get(who) == "on_air" and not event.final:
            self._figures.losses.add()
        if event.final:
            self.connections.pop(who, None)
        else:
            self.connections[who] = "off_air"

    def take(self, events: Sequence[ShowEvent]) -> None:
        """Count events that have just been stored."""
        for event in events:
            self._take(event)

    def _take(self, event: ShowEvent) -> None:
        figures = self._figures
        match event:
            case ShowStarted() | ShowResumed():
                self.state = "on_air"
            case ShowPaused():
                self.state = "paused"
            case ShowEnded():
                self.state = "closing"
                figures.ended.add(event.why)
            case ChunkAired():
                figures.chunks.add()
                if self._time.monotonic() - event.due <= ON_TIME_S:
                    figures.chunks_on_time.add()
            case MoneySpent():
                provider = self._providers.get(event.model, OTHER)
                figures.note_call(provider, self._personas.get(event.speaker, OTHER), event.outcome, event)
            case HintOffered() | HintHeld() | HintAccepted() | HintDeclined() | HintUsed() | HintExpired():
                figures.hints.add(event.type.removeprefix("hint_"))
            case _:
                pass


def provider_of(model: ModelScript) -> str:
    """Return what a model's provider is called: the host of its server, or the provider's own name."""
    return (urlsplit(model.base_url).hostname if model.base_url else None) or model.provider
