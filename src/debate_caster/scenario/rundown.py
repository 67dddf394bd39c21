"""The rundown: all turns of a show in order, a pure function of its scenario."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from debate_caster.scenario.script import AgentScript, Format, Scenario, Stance, TurnKind, TurnScript

__all__ = ["PLACEHOLDER", "RESPONDING", "Phase", "PlacedTurn", "Rundown", "Turn", "arrange", "plan"]

PLACEHOLDER = re.compile(r"\{(\w*)\}")
"""What stands for a name in an instruction: ``{next}``, ``{to}`` or ``{side}``."""

RESPONDING: frozenset[TurnKind] = frozenset({"rebuttal", "question", "answer", "exchange"})
"""Kinds of turn that take up what an opponent has said; nobody can be asked for one before an opponent has spoken."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase; ``turns`` are indices into the rundown's turns."""

    index: int
    key: str
    title: str
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. ``index`` counts from 0 over the whole show.

    ``speaker`` and ``addresses`` are agent ids (``addresses`` may be empty); ``opens`` says that no opponent has spoken
    before, so that nothing may ask for a rebuttal; ``max_words`` is where the speech is clipped. An interjection is in
    no rundown: it is put in while a show goes on.
    """

    index: int
    phase: int
    speaker: str
    side: str | None
    stance: Stance
    role: str
    kind: TurnKind | Literal["interjection"]
    max_words: int
    instruction: str
    addresses: str = ""
    opens: bool = False


@dataclass(frozen=True, slots=True)
class Rundown:
    """Phases and turns of a show."""

    phases: tuple[Phase, ...]
    turns: tuple[Turn, ...]

    @property
    def max_words(self) -> int:
        """How many words are spoken at most."""
        return sum(turn.max_words for turn in self.turns)


@dataclass(frozen=True, slots=True)
class PlacedTurn:
    """A turn before it is numbered, and where in the format it comes from.

    ``names`` holds what the placeholders of its instruction stand for; a name that there is not is missing.
    """

    phase_script: int
    turn_script: int
    script: TurnScript
    speaker: AgentScript
    addressee: AgentScript | None
    opens: bool
    names: dict[str, str]


def plan(scenario: Scenario) -> Rundown:
    """Return the rundown. Pure and total: a loaded scenario always has one.

    A phase of which nothing is left, since the scenario has no moderator, is not in it.
    """
    rules = scenario.format
    phases: list[Phase] = []
    turns: list[Turn] = []
    placed = arrange(rules, scenario.agents)
    for source, phase in enumerate(rules.phases):
        first = len(turns)
        turns.extend(
            _numbered(rules, entry, index=index, phase=len(phases))
            for index, entry in enumerate((entry for entry in placed if entry.phase_script == source), start=first)
        )
        if len(turns) > first:
            phases.append(Phase(len(phases), phase.key, phase.title, tuple(range(first, len(turns)))))
    return Rundown(tuple(phases), tuple(turns))


def arrange(rules: Format, agents: Sequence[AgentScript]) -> list[PlacedTurn]:
    """Return every turn of the format with its speaker: what ``plan`` numbers and the checks of a format look at.

    Raises:
        KeyError: A turn's ``who`` or ``to`` names nobody; a loaded format has no such turn.
    """
    seating = _Seating(rules, agents)
    drafts: list[tuple[int, int, TurnScript, AgentScript, AgentScript | None]] = []
    for phase_script, phase in enumerate(rules.phases):
        for repetition in range(phase.repeat):
            for turn_script, turn in enumerate(phase.turns):
                if turn.if_moderator and seating.moderator is None:
                    continue
                for speaker in seating.speakers(turn.who, repetition):
                    addressee = seating.addressee(turn.to, speaker)
                    drafts.append((phase_script, turn_script, turn, speaker, addressee))
                    seating.note(speaker)
    heard: list[AgentScript] = []
    placed = []
    for index, (phase_script, turn_script, turn, speaker, addressee) in enumerate(drafts):
        names = {}
        if index + 1 < len(drafts):
            names["next"] = drafts[index + 1][3].name
        if addressee is not None:
            names["to"] = addressee.name
        if speaker.side is not None:
            names["side"] = rules.side_titles.get(speaker.side, speaker.side)
        opens = not any(_opposed(rules, speaker, other) for other in heard)
        placed.append(PlacedTurn(phase_script, turn_script, turn, speaker, addressee, opens, names))
        if speaker not in heard:
            heard.append(speaker)
    return placed


def _numbered(rules: Format, placed: PlacedTurn, *, index: int, phase: int) -> Turn:
    script, speaker = placed.script, placed.speaker
    kind, instruction = script.kind, script.instruction
    if placed.opens and script.opener_instruction:
        instruction = script.opener_instruction
        kind = "opening" if kind in RESPONDING else kind
    return Turn(
        index=index,
        phase=phase,
        speaker=speaker.id,
        side=speaker.side,
        stance=_stance(rules, speaker),
        role=script.role or placed.names.get("side") or ("Moderator" if speaker.moderator else "Speaker"),
        kind=kind,
        max_words=script.words,
        instruction=PLACEHOLDER.sub(lambda found: placed.names.get(found[1], found[0]), instruction).strip(),
        addresses=placed.addressee.id if placed.addressee else "",
        opens=placed.opens,
    )


def _stance(rules: Format, agent: AgentScript) -> Stance:
    return rules.stances.get(agent.side, "neutral") if agent.side is not None else "neutral"


def _opposed(rules: Format, speaker: AgentScript, other: AgentScript) -> bool:
    """Say whether ``other`` can have said something for ``speaker`` to answer.

    Allied sides (the two government teams of a British parliamentary debate) are no opponents; where nobody has a
    side, and for the moderator, every other debater counts.
    """
    if other.moderator or other.id == speaker.id:
        return False
    if speaker.moderator or speaker.side is None or other.side is None:
        return True
    stances = _stance(rules, speaker), _stance(rules, other)
    return stances[0] != stances[1] if set(stances) != {"neutral"} else speaker.side != other.side


class _Seating:
    """Who sits where while the turns are dealt: remembers whose go it is on each side and who spoke last."""

    def __init__(self, rules: Format, agents: Iterable[AgentScript]) -> None:
        agents = tuple(agents)
        self.moderator = next((agent for agent in agents if agent.moderator), None)
        self._teams = {side: [a for a in agents if a.side == side and not a.moderator] for side in rules.sides}
        if rules.sides:
            rows = zip_longest(*self._teams.values())
            self._debaters = [agent for row in rows for agent in row if agent is not None]
        else:
            self._debaters = [agent for agent in agents if not agent.moderator]
        self._turns_of_side: Counter[str] = Counter()
        self._spoken: list[AgentScript] = []

    def speakers(self, who: str, repetition: int) -> list[AgentScript]:
        if who == "moderator":
            return [self.moderator] if self.moderator else []
        if who == "each":
            return self._round(repetition)
        if who == "each-side":
            return [self._take(side) for side in self._teams]
        return [self._numbered(who) if "." in who else self._take(who)]

    def _round(self, repetition: int) -> list[AgentScript]:
        """Return every debater, beginning with another one in each repetition, and never with who spoke last."""
        debaters = self._debaters
        first = repetition % len(debaters) if len(debaters) > 2 else 0
        if self._spoken and debaters[first].id == self._spoken[-1].id:
            first = (first + 1) % len(debaters)
        return debaters[first:] + debaters[:first]

    def addressee(self, to: str, speaker: AgentScript) -> AgentScript | None:
        if not to:
            return None
        if to == "moderator":
            return self.moderator
        if to == "previous":
            return next((agent for agent in reversed(self._spoken) if agent.id != speaker.id), None)
        return self._numbered(to) if "." in to else self._next(to)

    def note(self, speaker: AgentScript) -> None:
        if not speaker.moderator and not (self._spoken and self._spoken[-1].id == speaker.id):
            self._spoken = [*self._spoken[-1:], speaker]

    def _numbered(self, name: str) -> AgentScript:
        side, _, number = name.partition(".")
        team = self._teams[side]
        return team[(int(number) - 1) % len(team)]

    def _next(self, side: str) -> AgentScript:
        team = self._teams[side]
        return team[self._turns_of_side[side] % len(team)]

    def _take(self, side: str) -> AgentScript:
        agent = self._next(side)
        self._turns_of_side[side] += 1
        return agent
