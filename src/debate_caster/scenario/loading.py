"""From files to scenarios: the one place that reads them. Opens no socket and asks no model."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from debate_caster.errors import Problem, ScenarioError
from debate_caster.scenario.announce_check import check_announce
from debate_caster.scenario.casting import Casting, slug
from debate_caster.scenario.diagnosis import validate
from debate_caster.scenario.library import SUFFIX, Library, as_persona, open_document
from debate_caster.scenario.manuscript import (
    REFERENCE,
    REHEARSAL,
    AgentEntry,
    AnnounceEntry,
    ModelEntry,
    ModerationEntry,
    PersonaFile,
    ScenarioFile,
    SeasonEntry,
)
from debate_caster.scenario.moderation_words import unwanted_words
from debate_caster.scenario.recurrence import SHORTEST_PERIOD_S
from debate_caster.scenario.schedule_check import check_schedule
from debate_caster.scenario.script import (
    NAME,
    AgentScript,
    AnnounceScript,
    Format,
    GuestSeat,
    HookScript,
    ModelScript,
    Moderation,
    Persona,
    Scenario,
    Season,
    TargetScript,
)
from debate_caster.scenario.season_check import check_season
from debate_caster.scenario.yaml_source import Document, Node

__all__ = ["check", "load_scenario", "scenario_files", "secret_variables"]

_SHELVES = {"personas", "formats"}


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a reader of scenarios may rely on, as ``load_scenario`` says."""

    env: Mapping[str, str]
    secrets_required: bool
    shortest_period_s: float


def load_scenario(
    path: Path,
    *,
    env: Mapping[str, str],
    secrets_required: bool = True,
    shortest_period_s: float = SHORTEST_PERIOD_S,
) -> Scenario:
    """Read a scenario with everything it names.

    Args:
        path: The file. Personas and formats come from the folders beside it, or else from the program.
        env: Where ``${NAME}`` is looked up.
        secrets_required: Whether an unset variable is a problem. Where it is not (checking, rehearsing), the secret
            is None.
        shortest_period_s: Least time between two slots of its schedule.

    Raises:
        ScenarioError: With every problem of every file involved.
    """
    document = open_document(path)
    reading = _Reading(env, secrets_required, shortest_period_s)
    scenario = _read_scenario(document, Library(path.parent), reading)
    if scenario is None or document.problems:
        raise ScenarioError(_in_order(document.problems))
    return scenario


def check(
    paths: Iterable[Path],
    env: Mapping[str, str],
    *,
    secrets_required: bool = False,
    shortest_period_s: float = SHORTEST_PERIOD_S,
) -> list[Problem]:
    """Return every problem of every file, by file and line; an empty list means that all can be performed.

    Args:
        paths: Scenario files, or folders: then each of its ``*.yaml`` is a scenario, and the files in its
            ``personas/`` and ``formats/`` are looked at as well, used or not. What is in a folder of one of these
            two names is a persona or a format.
        env: Where ``${NAME}`` is looked up.
        secrets_required: Whether an unset variable is a problem. Off, so that files can be checked where no keys are.
        shortest_period_s: Least time between two slots of a schedule.
    """
    reading = _Reading(env, secrets_required, shortest_period_s)
    problems: list[Problem] = []
    libraries: dict[Path, Library] = {}
    for path in paths:
        files = _files_to_check(path)
        if not files:
            problems.append(Problem(path, 0, 0, "", f"no *{SUFFIX} file is in this folder"))
        for file in files:
            folder = file.parent
            if folder.name in {"", ".."}:
                folder = Path(os.path.abspath(folder))  # for its name and what is above it; links stay as they are
            if folder.name in _SHELVES:
                folder = folder.parent
            library = libraries.setdefault(folder, Library(folder))
            problems.extend(_check_file(file, library, reading))
    return _in_order(problems)


def scenario_files(path: Path) -> list[Path]:
    """Return the scenarios that a path names: itself, or every ``*.yaml`` of a folder; none for a persona or format."""
    if path.is_dir():
        return sorted(file for file in path.glob(f"*{SUFFIX}") if not file.name.startswith("."))
    return [] if _kind(path) in _SHELVES else [path]


def secret_variables(path: Path) -> dict[tuple[str | int, ...], str]:
    """Return the environment variables that a scenario's secrets come from, by their place in the file.

    A place is a path of keys and indices, such as ``("models", "judge", "api_key")``. A file that can't be read has
    none.
    """
    document = open_document(path)
    return {place: name for place, name, _ in _references(document.root)} if document.root is not None else {}


def _files_to_check(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    library = Library(path)
    return [*scenario_files(path), *library.own("personas"), *library.own("formats")]


def _kind(path: Path) -> str:
    return Path(os.path.abspath(path)).parent.name  # links stay as they are


def _check_file(path: Path, library: Library, reading: _Reading) -> Iterable[Problem]:
    kind = _kind(path)
    if kind not in _SHELVES:
        document = open_document(path)
        _read_scenario(document, library, reading)
        return document.problems
    if not re.fullmatch(NAME, path.stem) or path.suffix != SUFFIX:
        return [Problem(path, 0, 0, "", f"name the file with small letters, digits and hyphens, and {SUFFIX}")]
    if not os.path.lexists(path):
        return [Problem(path, 0, 0, "", "there is no such file")]
    found = library.persona(path.stem) if kind == "personas" else library.format(path.stem)
    return found.problems if found is not None else []


def _read_scenario(document: Document, library: Library, reading: _Reading) -> Scenario | None:
    """Return the scenario, None where something is wrong; what, is then in the document's problems."""
    written = validate(document, ScenarioFile)
    root = document.root
    if root is None or not isinstance(root.value, dict):
        return None
    casting = Casting(document, root, library)
    casting.check()
    check_schedule(document, root, shortest_period_s=reading.shortest_period_s)
    topics = check_season(document, root, casting)
    words = unwanted_words(document, root)
    secrets = _secrets(document, root, reading.env, required=reading.secrets_required)
    check_announce(document, root, secrets)
    if written is None or casting.rules is None or document.problems:
        return None
    season = _season(written.season, topics, casting.personas) if written.season else None
    moderation = _moderation(written.moderation, words, secrets.get(("moderation", "hook", "secret")))
    return _assemble(document.path, written, casting.rules, casting, season, moderation, secrets)


def _secrets(
    document: Document, root: Node, env: Mapping[str, str], *, required: bool
) -> dict[tuple[str | int, ...], SecretStr]:
    """Return the secrets that the file refers to, by their place in it; an empty variable counts as unset."""
    found = {}
    for path, name, node in _references(root):
        value = env.get(name, "")
        if any(not character.isprintable() or character.isspace() for character in value):
            message = f"the environment variable {name} holds spaces or line breaks: set it to the secret alone"
            document.report(node.mark, message, *path)
        elif value:
            found[path] = SecretStr(value)
        elif required:
            document.report(node.mark, f"the environment variable {name} is not set: set it to the secret", *path)
    return found


def _may_refer(path: tuple[str | int, ...]) -> bool:
    return path[-1:] in {("api_key",), ("secret",), ("token",)} or (path[:1], path[-1:]) == (("announce",), ("url",))


def _references(root: Node) -> Iterator[tuple[tuple[str | int, ...], str, Node]]:
    """Yield the places of secrets, the variables that they name, and their nodes."""
    for path, node in root.walk():
        if node.text is not None and _may_refer(path) and re.fullmatch(REFERENCE, node.text):
            yield path, node.text[2:-1], node


def _assemble(
    path: Path,
    written: ScenarioFile,
    rules: Format,
    casting: Casting,
    season: Season | None,
    moderation: Moderation,
    secrets: Mapping[tuple[str | int, ...], SecretStr],
) -> Scenario:
    models = written.models or {REHEARSAL: ModelEntry()}
    default = written.model or next(iter(models))
    members = [
        *((member, False) for member in written.agents),
        *([(written.moderator, True)] if written.moderator else []),
    ]
    motion = written.motion or (_first_motion(season) if season else "")
    return Scenario(
        key=slug(path.stem) or "scenario",
        path=path,
        motion=motion.strip(),
        title=(written.title or motion).strip(),
        language=written.language,
        background=written.background.strip(),
        format=rules,
        agents=tuple(
            _agent(member, identity, default, casting.personas, moderator=moderator)
            for (member, moderator), identity in zip(members, casting.ids, strict=True)
        ),
        models={name: _model(name, entry, secrets.get(("models", name, "api_key"))) for name, entry in models.items()},
        pacing=written.pacing,
        audience=written.audience,
        moderation=moderation,
        targets=tuple(
            TargetScript(
                name=target.name,
                url=target.url,
                token=secrets.get(("targets", index, "token")),
                mirror=target.mirror,
                allow_private=target.allow_private,
            )
            for index, target in enumerate(written.targets)
        ),
        announce=tuple(
            _announce(entry, secrets.get(("announce", index, "url")), secrets.get(("announce", index, "secret")))
            for index, entry in enumerate(written.announce)
        ),
        budget=written.budget,
        schedule=written.schedule if isinstance(written.schedule, tuple) else (written.schedule,),
        season=season,
        compact_prompt_words=written.compact_prompt_words,
    )


def _season(written: SeasonEntry, topics: tuple[str, ...], personas: Mapping[str, Persona]) -> Season:
    return Season(
        topics=topics,
        order=written.order,
        seed=written.seed,
        topic_from=written.topic_from,
        swap_sides=written.swap_sides,
        guests=tuple(
            GuestSeat(seat=entry.seat, pool=tuple(personas[name] for name in entry.pool)) for entry in written.guests
        ),
        memory=written.memory,
    )


def _first_motion(season: Season) -> str:
    """Return what stands for the motion as long as no episode has one."""
    return season.topics[0] if season.topics else season.topic_from.about if season.topic_from else ""


def _agent(
    member: str | AgentEntry, identity: str, default_model: str, personas: Mapping[str, Persona], *, moderator: bool
) -> AgentScript:
    entry = AgentEntry(persona=member) if isinstance(member, str) else member
    persona = as_persona(entry.persona, identity) if isinstance(entry.persona, PersonaFile) else personas[entry.persona]
    return AgentScript(
        id=identity,
        persona=persona,
        name=entry.name or persona.name,
        side=entry.side,
        model=entry.model or default_model,
        moderator=moderator,
    )


def _moderation(entry: ModerationEntry, words: tuple[str, ...], secret: SecretStr | None) -> Moderation:
    hook = entry.hook
    return Moderation(
        words=words,
        shipped_words=entry.shipped_words,
        provider=entry.provider,
        hook=HookScript(url=hook.url, secret=secret, timeout_s=hook.timeout_s, allow_private=hook.allow_private)
        if hook is not None
        else None,
    )


def _announce(entry: AnnounceEntry, url: SecretStr | None, secret: SecretStr | None) -> AnnounceScript:
    if not re.fullmatch(REFERENCE, entry.url):
        url = SecretStr(entry.url)
    return AnnounceScript(
        url=url,
        secret=secret,
        format=entry.format,
        on=entry.on,
        before_s=entry.before_s,
        allow_private=entry.allow_private,
    )


def _model(name: str, entry: ModelEntry, api_key: SecretStr | None) -> ModelScript:
    fields = {key: value for key in ModelEntry.model_fields if (value := getattr(entry, key)) is not None}
    return ModelScript(name=name, **{**fields, "api_key": api_key})


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(
        set(problems), key=lambda found: (str(found.path), found.line, found.column, found.key, found.message)
    )
