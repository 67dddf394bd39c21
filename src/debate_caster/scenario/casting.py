"""Who takes part: everything a scenario names is looked up, counted and compared with its format's rules.

Works on the file's tree, not on validated values, so that a typo in one place hides no problem in another.
"""

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import urlsplit

from debate_caster.addresses import objection_to
from debate_caster.scenario.diagnosis import nearest
from debate_caster.scenario.library import Library
from debate_caster.scenario.manuscript import LONGEST_ADDRESS, MOST_MODELS, REHEARSAL
from debate_caster.scenario.script import NAME, Format, Persona
from debate_caster.scenario.yaml_source import Document, Mark, Node

__all__ = ["Casting", "slug"]

_OPENAI_ONLY = ("base_url", "model", "api_key", "temperature", "top_p", "seed", "extra", "thinks", "allow_private")
_REHEARSAL_ONLY = ("first_token_s", "words_per_s", "faults")

_LONGEST_NAMED = 255
"""So much of a name or a file's name makes a slug: no sound one is longer, and to normalise more can take a minute."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A debater or the moderator as the file has it, in either of its two shapes."""

    node: Node
    path: Path
    moderator: bool

    @property
    def persona(self) -> tuple[Node | None, Path]:
        """Where the persona is named or written out."""
        if self.node.text is not None:
            return self.node, self.path
        return self.node.get("persona"), (*self.path, "persona")

    @property
    def model(self) -> Node | None:
        return self.node.get("model")

    @property
    def side(self) -> Node | None:
        return self.node.get("side")


@dataclass(slots=True)
class Casting:
    """The checks of one scenario, and what they found on the way.

    After ``check``, and where nothing was wrong, ``rules`` is its format, ``personas`` holds those it names, and
    ``ids`` are the agents' in the file's order, the moderator's last, and ``names`` what viewers read.
    """

    document: Document
    root: Node
    library: Library
    rules: Format | None = None
    personas: dict[str, Persona] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    def check(self) -> None:
        """Report everything that does not fit together."""
        self._find_format()
        entries = [_Entry(node, ("agents", index), False) for index, node in enumerate(self._list("agents"))]
        moderator = self.root.get("moderator")
        everybody = [*entries, *([_Entry(moderator, ("moderator",), True)] if moderator is not None else [])]
        self.names = [self._persona_name(entry) for entry in everybody]
        self._unique_ids(everybody)
        self._unique_names(everybody, self.names)
        self._models(everybody)
        self._moderation()
        self._targets()
        if self.rules is not None:
            self._sides(self.rules, entries)
            self._moderator(self.rules, moderator)
            self._votes(self.rules)

    def _list(self, key: str) -> list[Node]:
        node = self.root.get(key)
        return node.entries() if node is not None else []

    def _report(self, node: Node, message: str, *path: str | int) -> None:
        if not node.broken:
            self.document.report(node.mark, message, *path)

    def _find_format(self) -> None:
        node = self.root.get("format")
        if node is None or node.text is None or not re.fullmatch(NAME, node.text):
            return
        found = self.library.format(node.text)
        if found is None:
            choice = nearest(node.text, self.library.names("formats"))
            self._report(
                node, f"there is no format {node.text!r}: {choice} (or write formats/{node.text}.yaml)", "format"
            )
            return
        self.document.problems.extend(found.problems)
        self.rules = found.value

    def _persona_name(self, entry: _Entry) -> str | None:
        """Look the persona up; return what viewers will read, None where it is not known."""
        named = entry.node.get("name")
        node, path = entry.persona
        name = named.text if named is not None else None
        if node is None or node.broken:
            return name
        if node.text is None:
            written = node.get("name")
            return name or (written.text if written is not None else None)
        if not re.fullmatch(NAME, node.text):
            return name
        found = self.library.persona(node.text)
        if found is None:
            choice = nearest(node.text, self.library.names("personas"))
            self._report(
                node, f"there is no persona {node.text!r}: {choice} (or write personas/{node.text}.yaml)", *path
            )
            return name
        self.document.problems.extend(found.problems)
        if found.value is None:
            return name
        self.personas[node.text] = found.value
        return name or found.value.name

    def _unique_ids(self, entries: list[_Entry]) -> None:
        sides = self.rules.sides if self.rules is not None else ()
        for number, entry in enumerate(entries):
            chosen = entry.node.get("id")
            identity = chosen.text if chosen is not None and chosen.text else _default_id(entry, number)
            node, path = (chosen, (*entry.path, "id")) if chosen is not None else entry.persona
            if node is not None and identity in self.ids:
                self._report(node, f"the id {identity!r} is taken already: give this agent an 'id' of its own", *path)
            elif node is not None and (identity in sides or (identity == "moderator" and not entry.moderator)):
                self._report(
                    node, f"the id {identity!r} means something else here: give this agent another 'id'", *path
                )
            self.ids.append(identity)

    def _unique_names(self, entries: list[_Entry], names: list[str | None]) -> None:
        taken: set[str] = set()
        for entry, name in zip(entries, names, strict=True):
            if name is None:
                continue
            if name.casefold() in taken:
                chosen = entry.node.get("name")
                node, path = (chosen, (*entry.path, "name")) if chosen is not None else entry.persona
                self._report(node or entry.node, f"{name!r} is in the show already: give this agent a 'name'", *path)
            taken.add(name.casefold())

    def _models(self, entries: list[_Entry]) -> None:
        models = self.root.get("models")
        known = models.members() if models is not None else {REHEARSAL: Node(Mark(0, 0))}
        for name, node in known.items():
            self._provider(node, "models", name)
            self._destination(node, "base_url", "models", name, has_key=node.get("api_key") is not None)
        default = self.root.get("model")
        choices = list(islice(known, MOST_MODELS))
        wishes = [(default, ("model",)), *((entry.model, (*entry.path, "model")) for entry in entries)]
        for wish, path in wishes:
            if wish is not None and wish.text is not None and wish.text not in known:
                choice = nearest(wish.text, choices, what="model") if models is not None else "write it under 'models'"
                self._report(wish, f"there is no model {wish.text!r}: {choice}", *path)
        fallbacks = self._fallbacks(known)
        used = [*(wish.text for wish, _ in wishes if wish is not None and wish.text), *list(known)[:1]]
        for name in used:  # it grows behind us
            used += [following for following in [fallbacks.get(name)] if following and following not in used]
        self._prices(known, set(used))

    def _fallbacks(self, known: dict[str, Node]) -> dict[str, str]:
        """Return which model stands in for which; report names that are none, and chains that lead back."""
        fallbacks: dict[str, str] = {}
        for name, model in known.items():
            node = model.get("fallback")
            if node is None or node.text is None:
                continue
            path = ("models", name, "fallback")
            if node.text not in known:
                choice = nearest(node.text, islice(known, MOST_MODELS), what="model")
                self._report(node, f"there is no model {node.text!r}: {choice}", *path)
                continue
            chain = [name, node.text]
            while chain[-1] in fallbacks and chain[-1] != name:
                chain.append(fallbacks[chain[-1]])
            if chain[-1] == name:
                self._report(node, f"these models only stand in for each other: {' → '.join(chain)}", *path)
            else:
                fallbacks[name] = node.text
        return fallbacks

    def _provider(self, node: Node, *path: str) -> None:
        provider = node.get("provider")
        kind = provider.text if provider is not None else "rehearsal"
        if kind == "openai" and node.get("model") is None:
            self._report(node, "provider openai needs 'model': the model's name at the server", *path)
        foreign = {"openai": _REHEARSAL_ONLY, "rehearsal": _OPENAI_ONLY}.get(kind or "", ())
        for key in foreign:
            if key in node.key_marks and key in node.members():
                cure = "write 'provider: openai' as well" if kind == "rehearsal" else "remove it"
                other = "openai" if kind == "rehearsal" else "rehearsal"
                self.document.report(node.key_marks[key], f"only provider {other} has this: {cure}", *path, key)

    def _prices(self, known: dict[str, Node], used: set[str]) -> None:
        budget = self.root.get("budget")
        cap = budget.get("max_cost") if budget is not None else None
        if cap is None or cap.value is None:
            return
        for name, node in known.items():
            provider = node.get("provider")
            if name in used and provider is not None and provider.text == "openai" and node.get("price") is None:
                self._report(node, "budget.max_cost is set, so this model needs a 'price'", "models", name)

    def _destination(self, server: Node, address: str, *path: str | int, has_key: bool) -> None:
        """Report an address that could be seen never to be gone to, or only with its key in the clear."""
        node, private = server.get(address), server.get("allow_private")
        if node is None or node.text is None or (private is not None and private.value is True):
            return
        if len(node.text) > LONGEST_ADDRESS:
            return  # is reported as that
        with suppress(ValueError):  # what is no address is reported as that
            parts = urlsplit(node.text)
            if objection := objection_to(parts.scheme, parts.hostname or "", has_key=has_key):
                self._report(node, str(objection), *path, address)

    def _moderation(self) -> None:
        moderation, models = self.root.get("moderation"), self.root.get("models")
        hook = moderation.get("hook") if moderation is not None else None
        if hook is not None:
            self._destination(hook, "url", "moderation", "hook", has_key=hook.get("secret") is not None)
        wish = moderation.get("provider") if moderation is not None else None
        if wish is None or wish.text is None:
            return
        known = models.members() if models is not None else {}
        provider = known[wish.text].get("provider") if wish.text in known else None
        if wish.text not in known:
            choice = nearest(wish.text, known, what="model") if known else "write it under 'models'"
            self._report(wish, f"there is no model {wish.text!r}: {choice}", "moderation", "provider")
        elif provider is None or provider.text != "openai":
            message = f"model {wish.text!r} has no server to ask: name one of provider openai"
            self._report(wish, message, "moderation", "provider")

    def _targets(self) -> None:
        taken: set[str] = set()
        for index, target in enumerate(self._list("targets")):
            name = target.get("name")
            if name is not None and name.text is not None:
                if name.text in taken:
                    self._report(
                        name, f"a target {name.text!r} stands above: choose another name", "targets", index, "name"
                    )
                taken.add(name.text)
            self._destination(target, "url", "targets", index, has_key=True)  # every agent has a secret of its own

    def _sides(self, rules: Format, entries: list[_Entry]) -> None:
        teams: dict[str, int] = dict.fromkeys(rules.sides, 0)
        certain = True
        for entry in entries:
            side = entry.side
            if not rules.sides:
                if side is not None:
                    self._report(side, f"format {rules.key} has no sides: remove this key", *entry.path, "side")
            elif side is None:
                certain = False
                message = f"format {rules.key} has sides: write 'side:' with one of {', '.join(rules.sides)}"
                self._report(entry.node, message, *entry.path)
            elif side.text is None or side.text not in teams:
                certain = False
                if side.text is not None:
                    choice = nearest(side.text, rules.sides)
                    self._report(side, f"format {rules.key} has no side {side.text!r}: {choice}", *entry.path, "side")
            else:
                teams[side.text] += 1
        agents = self.root.get("agents")
        if agents is None or not isinstance(agents.value, list):
            return
        if certain and teams:
            self._teams(rules, agents, teams)
        elif not rules.min_agents <= len(entries) <= rules.max_agents:
            wanted = _range(rules.min_agents, rules.max_agents)
            self._report(agents, f"format {rules.key} takes {wanted}, here are {len(entries)}", "agents")

    def _teams(self, rules: Format, agents: Node, teams: dict[str, int]) -> None:
        most = rules.agents_per_side or rules.max_agents // len(teams)
        fewest = rules.agents_per_side or 1
        for side, count in teams.items():
            title = rules.side_titles[side]
            if count == 0:
                self._report(
                    agents, f"nobody argues the side {side!r} ({title}): give an agent 'side: {side}'", "agents"
                )
            elif not fewest <= count <= most:
                wanted = _range(fewest, most)
                self._report(agents, f"the side {side!r} ({title}) takes {wanted}, here are {count}", "agents")

    def _moderator(self, rules: Format, moderator: Node | None) -> None:
        if moderator is None and rules.moderator == "required":
            self.document.report(self.root.mark, f"format {rules.key} needs a moderator: write this key", "moderator")
        elif moderator is not None and rules.moderator == "none":
            mark = self.root.key_marks["moderator"]
            self.document.report(mark, f"format {rules.key} has no moderator: remove this key", "moderator")
        side = moderator.get("side") if moderator is not None else None
        if side is not None:
            self._report(side, "a moderator takes no side: remove this key", "moderator", "side")

    def _votes(self, rules: Format) -> None:
        audience = self.root.get("audience")
        votes = audience.get("votes") if audience is not None else None
        if votes is not None and votes.text in {"swing", "single"} and not rules.sides:
            message = f"format {rules.key} has no sides to vote for: write off, or remove this key"
            self._report(votes, message, "audience", "votes")


def _range(fewest: int, most: int) -> str:
    number = str(fewest) if fewest == most else f"{fewest} to {most}"
    return f"{number} agent{'s' if most > 1 else ''}"


def _default_id(entry: _Entry, number: int) -> str:
    node, _ = entry.persona
    if node is not None and node.text is not None and re.fullmatch(NAME, node.text):
        return node.text
    name = node.get("name") if node is not None else None
    return slug(name.text or "" if name is not None else "") or f"agent-{number + 1}"


def slug(text: str) -> str:
    """Return a name fit for addresses, made of the text's letters and digits; empty where it has none in Latin."""
    plain = unicodedata.normalize("NFKD", text[:_LONGEST_NAMED]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")
