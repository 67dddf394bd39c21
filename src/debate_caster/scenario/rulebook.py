"""What makes a format playable, beyond its shape: everybody can be found, gets a word, and has something to answer.

Checked by dealing its turns to stand-ins, for every number of debaters, with and without a moderator.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from debate_caster.scenario.diagnosis import nearest, validate
from debate_caster.scenario.manuscript import FormatFile
from debate_caster.scenario.rundown import PLACEHOLDER, RESPONDING, PlacedTurn, arrange
from debate_caster.scenario.scalars import shown
from debate_caster.scenario.script import AgentScript, Format, Persona, TurnScript
from debate_caster.scenario.yaml_source import Document, Node

__all__ = ["MAX_TURNS", "read_format"]

MAX_TURNS = 1_000
"""Turns of one show; at 60 words each that is five hours on air."""

_GROUPS = ("each", "each-side")
_NAMELESS = {
    "next": "nobody speaks after this turn",
    "to": "this turn addresses nobody",
    "side": "the speaker has no side",
}
"""The placeholders, each with the reason why there may be no name for it."""

_RESERVED = (*_GROUPS, "moderator", "previous", "undecided")


def read_format(document: Document, key: str) -> Format | None:
    """Return the format that a document holds, None where something is wrong with it, which is then reported."""
    written = validate(document, FormatFile)
    if written is None or document.root is None:
        return None
    check = _Check(document, document.root, written)
    check.sides()
    fewest, most = check.sizes()
    rules = Format(
        key=key,
        title=written.title,
        description=written.description.strip(),
        sides=tuple(written.sides),
        side_titles={side: entry.title for side, entry in written.sides.items()},
        stances={side: entry.stance for side, entry in written.sides.items()},
        min_agents=fewest,
        max_agents=most,
        agents_per_side=written.agents_per_side,
        moderator=written.moderator,
        rules=written.rules.strip(),
        phases=written.phases,
    )
    check.phases(rules)
    if not document.problems:
        check.play(rules)
    return None if document.problems else rules


@dataclass(slots=True)
class _Check:
    document: Document
    root: Node
    written: FormatFile

    def sides(self) -> None:
        sides = self.written.sides
        for side in sides:
            if side in _RESERVED:
                self._report(f"{side!r} means something else here: choose another name", "sides", side)
        if len(sides) == 1:
            self._report("one side alone has nobody to argue with: write two or more, or none", "sides")
        if self.written.agents_per_side is not None and not sides:
            self._report("this needs 'sides'", "agents_per_side")

    def sizes(self) -> tuple[int, int]:
        """Return the fewest and the most debaters, within what a ``Format`` takes even where they are refused here."""
        sides, each = len(self.written.sides), self.written.agents_per_side
        fewest = max(self.written.min_agents or 0, sides, 2)
        most = self.written.max_agents or fewest
        if each is not None and sides:
            for key, value in (("min_agents", self.written.min_agents), ("max_agents", self.written.max_agents)):
                if value is not None and value != sides * each:
                    self._report(f"{sides} sides of {each} make {sides * each} agents: remove this key", key)
            if sides * each > 12:
                self._report(
                    f"{sides} sides of {each} make {sides * each} agents, and 12 are the most", "agents_per_side"
                )
            return min(sides * each, 12), min(sides * each, 12)
        if most < fewest:
            self._report(f"must be {fewest} or more, as every side needs somebody", "max_agents")
        return fewest, max(fewest, most)

    def phases(self, rules: Format) -> None:
        first: dict[str, int] = {}
        for index, phase in enumerate(rules.phases):
            if phase.key in first:
                self._report(
                    f"phase {first[phase.key] + 1} has this key already: choose another", "phases", index, "key"
                )
            first.setdefault(phase.key, index)
            for number, turn in enumerate(phase.turns):
                self._turn(rules, turn, "phases", index, "turns", number)

    def _turn(self, rules: Format, turn: TurnScript, *path: str | int) -> None:
        team = (rules.max_agents // len(rules.sides)) if rules.sides else 0
        for key, value, others in (
            ("who", turn.who, ("moderator", *_GROUPS)),
            ("to", turn.to, ("moderator", "previous")),
        ):
            side, dot, number = value.partition(".")
            if value == "moderator" and rules.moderator == "none":
                self._report("this format has no moderator: change 'moderator', or name somebody else", *path, key)
            elif value == "each-side" and not rules.sides:
                self._report("this format has no sides: write 'each'", *path, key)
            elif value in others or (key == "to" and not value):
                continue
            elif side not in rules.sides:
                choices = [*rules.sides, *(f"{name}.{n + 1}" for name in rules.sides for n in range(team)), *others]
                self._report(f"nobody is called {shown(value)}: {nearest(value, choices)}", *path, key)
            elif dot and not (number.isascii() and number.isdigit() and 1 <= int(number[:3]) <= team):
                self._report(f"a side has speakers 1 to {team}: write {side}.1 or the like", *path, key)
        for key in ("instruction", "opener_instruction"):
            for name in PLACEHOLDER.findall(getattr(turn, key)):
                if name not in _NAMELESS:
                    braced = ", ".join(f"{{{known}}}" for known in _NAMELESS)
                    self._report(f"nothing stands for {{{name}}} here: there are {braced}", *path, key)

    def play(self, rules: Format) -> None:
        """Deal the turns to stand-ins and report what can't work, each turn's fault once."""
        reported: set[tuple[int, int]] = set()
        idle = too_long = False
        for agents in _casts(rules):
            placed = arrange(rules, agents)
            if len(placed) > MAX_TURNS and not too_long:
                too_long = True
                self._report(f"this makes {len(placed)} turns, and {MAX_TURNS} are the most", "phases")
            speakers = {entry.speaker.id for entry in placed}
            silent = [agent for agent in agents if agent.id not in speakers]
            if silent and not idle:
                idle = True
                only_moderator = silent == [agent for agent in agents if agent.moderator]
                cure = "the moderator never speaks: write turns for one, or 'moderator: none'"
                other = f"with {_counted(agents)}, somebody never speaks: write a turn for each"
                self._report(cure if only_moderator else other, "phases")
            for entry in placed:
                source = (entry.phase_script, entry.turn_script)
                fault = _fault(entry)
                if fault and source not in reported:
                    reported.add(source)
                    key, message = fault
                    path = ("phases", source[0], "turns", source[1], key)
                    self._report(f"{message} (with {_counted(agents)})", *path)

    def _report(self, message: str, *path: str | int) -> None:
        """Report at a value that is written in the file."""
        node = self.root
        for step in path:
            node = node.members()[step] if isinstance(step, str) else node.entries()[step]
        self.document.report(node.mark, message, *path)


def _fault(placed: PlacedTurn) -> tuple[str, str] | None:
    """Return the key and what is wrong with a turn as it was dealt."""
    script = placed.script
    if placed.opens and not placed.speaker.moderator and script.kind in RESPONDING and not script.opener_instruction:
        return "kind", "no opponent has spoken before: make it an opening, or write an 'opener_instruction'"
    if placed.addressee is not None and placed.addressee.id == placed.speaker.id:
        return "to", "here somebody addresses themselves"
    key = "opener_instruction" if placed.opens and script.opener_instruction else "instruction"
    for name in PLACEHOLDER.findall(getattr(script, key)):
        if name not in placed.names:
            return key, f"{{{name}}} stands for nothing: {_NAMELESS[name]}"
    return None


def _casts(rules: Format) -> Iterator[list[AgentScript]]:
    """Yield stand-ins for every number of debaters, evenly over the sides, with and without a moderator."""
    moderated = {"none": (False,), "required": (True,), "optional": (False, True)}[rules.moderator]
    for count in range(rules.min_agents, rules.max_agents + 1):
        for moderator in moderated:
            debaters = [
                _stand_in(f"debater-{index + 1}", rules.sides[index % len(rules.sides)] if rules.sides else None)
                for index in range(count)
            ]
            yield [*debaters, *([_stand_in("moderator", None, moderator=True)] if moderator else [])]


def _stand_in(name: str, side: str | None, *, moderator: bool = False) -> AgentScript:
    persona = Persona(key=name, name=name, style="stand-in")
    return AgentScript(id=name, persona=persona, name=name, side=side, model="rehearsal", moderator=moderator)


def _counted(agents: list[AgentScript]) -> str:
    debaters = sum(not agent.moderator for agent in agents)
    return f"{debaters} debaters {'and a' if debaters < len(agents) else 'and no'} moderator"
