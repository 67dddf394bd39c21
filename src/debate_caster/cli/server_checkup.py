"""Whether everybody answers whom a show would call: models' servers, hooks, broadcast targets.

Each is asked once however many scenarios name it, all side by side, each with a deadline. No model is made to say a
word, no agent is registered: what is asked costs nothing and leaves nothing behind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from debate_caster.addresses import is_loopback
from debate_caster.broadcast import ConnectionLimits, Target
from debate_caster.cli.findings import Finding, Grade, fine
from debate_caster.cli.scenario_checkup import ReadScenario
from debate_caster.clock import Clock
from debate_caster.errors import BroadcastError, DebateCasterError, ModelError, SetupError
from debate_caster.llm.destinations import OPENAI_URL
from debate_caster.llm.probing import Answer, ask_for_models, ask_for_sign_of_life
from debate_caster.runner import targets_of
from debate_caster.scenario import Scenario
from debate_caster.scenario.diagnosis import nearest
from debate_caster.scenario.scalars import clipped
from debate_caster.scenario.script import AnnounceScript, ModelScript

__all__ = ["Survey", "look_at_servers"]

ANSWER_TIMEOUT_S: Final = 8.0
"""For one answer, look-up and TLS included. A show gives a connection 5 s, and a target 10 s."""

SIDE_BY_SIDE: Final = 16
"""Servers asked at the same time; scenarios name a handful."""

Place = TypeVar("Place", bound=Hashable)
Said = TypeVar("Said")


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, and by how many seconds the clocks of servers are ahead of ours."""

    findings: tuple[Finding, ...] = ()
    clocks: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Server:
    """Where a model is: what is the same for several models is asked once."""

    base_url: str
    api_key: SecretStr | None
    allow_private: bool

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc


@dataclass(frozen=True, slots=True)
class _Office:
    """Whoever else is told or asked by HTTP. The address may be a secret, all but its host."""

    url: SecretStr
    allow_private: bool

    @property
    def host(self) -> str:
        return urlsplit(self.url.get_secret_value()).netloc


async def look_at_servers(
    scenarios: Sequence[ReadScenario],
    targets: Sequence[tuple[str, Target]] = (),
    *,
    clock: Clock,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> Survey:
    """Ask whom the shows of these scenarios would call.

    ``targets`` are others to broadcast to, each with how to name a new token for it.
    """
    models = [(read, script) for read in scenarios for script in _models_of(read)]
    hooks = [
        (read, _Office(SecretStr(script.url), script.allow_private))
        for read in scenarios
        if (script := read.scenario.moderation.hook) is not None
    ]
    receivers = [
        (read, script, _Office(script.url, script.allow_private))
        for read in scenarios
        for script in read.scenario.announce
        if script.url is not None
    ]
    aims = [*_targets_of(scenarios), *targets]
    limits = replace(ConnectionLimits(), reply_timeout_s=timeout_s)

    async def ask_server(server: _Server) -> Answer:
        return await ask_for_models(
            server.base_url,
            name=server.host,
            api_key=server.api_key,
            allow_private=server.allow_private,
            clock=clock,
            timeout_s=timeout_s,
        )

    async def ask_office(office: _Office) -> Answer:
        return await ask_for_sign_of_life(
            office.url.get_secret_value(),
            name=office.host,
            allow_private=office.allow_private,
            clock=clock,
            timeout_s=timeout_s,
        )

    async def ask_target(target: Target) -> None:
        from debate_caster.broadcast.socket import open_socket  # here: websockets takes its time

        target.check()
        async with open_socket(target, clock=clock, limits=limits):
            pass

    async with asyncio.TaskGroup() as tasks:
        turns = asyncio.Semaphore(SIDE_BY_SIDE)
        servers = tasks.create_task(_each(ask_server, (_server_of(script) for _, script in models), turns))
        places = [*(office for _, office in hooks), *(office for _, _, office in receivers)]
        offices = tasks.create_task(_each(ask_office, places, turns))
        stages = tasks.create_task(_each(ask_target, (target for _, target in aims), turns))
    verdicts = {
        (read.scenario.path, script.name): _of_model(read, script, servers.result()[_server_of(script)])
        for read, script in models
    }
    findings = [
        *(_softened(read, script, verdicts) for read, script in models),
        *(_of_hook(read, hook, offices.result()[hook]) for read, hook in hooks),
        *(_of_receiver(read, script, office, offices.result()[office]) for read, script, office in receivers),
        *(_of_target(target, cure, stages.result()[target]) for cure, target in aims),
    ]
    return Survey(tuple(dict.fromkeys(findings)), tuple(_clocks(servers.result())))


async def _each(
    ask: Callable[[Place], Awaitable[Said]], places: Iterable[Place], turns: asyncio.Semaphore
) -> dict[Place, Said | DebateCasterError]:
    """Ask at each place once; an error of ours is an answer, too."""
    answers: dict[Place, Said | DebateCasterError] = {}

    async def ask_one(place: Place) -> None:
        async with turns:
            try:
                answers[place] = await ask(place)
            except DebateCasterError as exc:
                answers[place] = exc

    async with asyncio.TaskGroup() as tasks:
        for place in dict.fromkeys(places):
            tasks.create_task(ask_one(place))
    return answers


# -- whom a show calls -------------------------------------------------------------------------------------------------


def _models_of(read: ReadScenario) -> Iterator[ModelScript]:
    """Yield the models with a server that a show may call, but for those whose key is known to be missing."""
    scenario = read.scenario
    called = {script.name: script for name in _first_asked(scenario) for script in scenario.models_for(name)}
    if scenario.moderation.provider is not None:
        called.setdefault(scenario.moderation.provider, scenario.models[scenario.moderation.provider])
    for script in called.values():
        if script.provider == "openai" and not read.lacks("models", script.name, "api_key"):
            yield script


def _first_asked(scenario: Scenario) -> list[str]:
    """Return the models that are asked first, by name; others stand in for them."""
    source = scenario.season.topic_from if scenario.season is not None else None
    return [agent.model for agent in scenario.agents] + ([source.llm] if source is not None else [])


def _server_of(script: ModelScript) -> _Server:
    return _Server(script.base_url or OPENAI_URL, script.api_key, script.allow_private)


def _targets_of(scenarios: Iterable[ReadScenario]) -> Iterator[tuple[str, Target]]:
    for read in scenarios:
        for index, target in enumerate(targets_of(read.scenario)):
            place = ("targets", index, "token")
            if not read.lacks(*place):
                variable = read.variable(*place)
                cure = f"Put a valid token in {variable}" if variable else "Give the target a token: ${NAME}"
                yield cure, target


# -- what their answers mean -------------------------------------------------------------------------------------------


def _of_model(read: ReadScenario, script: ModelScript, answer: Answer | DebateCasterError) -> Finding:
    server, where = _server_of(script), f"{read.scenario.path}, model {script.name!r}"
    host, variable = server.host, read.variable("models", script.name, "api_key")

    def found(grade: Grade, what: str, cure: str) -> Finding:
        return Finding("model", grade, f"{where}: {what}", cure)

    if isinstance(answer, DebateCasterError):
        problem, cure = _told(answer, host, "base_url")
        return found("failure", problem, cure)
    match answer.status:
        case 200 if answer.models is None:
            return fine("model", f"{where}: {host} answers, and does not say which models it has")
        case 200 if _has(answer.models or frozenset(), script.model):
            return fine("model", f"{where}: {host} has {script.model}{f' and takes {variable}' if variable else ''}")
        case 200:
            near = nearest(script.model, sorted(clipped(name) for name in answer.models or ()))
            return found("warning", f"{host} does not list {script.model!r}", f"Mend `model`: {near}")
        case 401 | 403:
            if variable:
                return found("failure", f"{host} refuses the key in {variable}", f"Put a valid key in {variable}")
            return found("failure", f"{host} wants a key", "Give the model an api_key: ${NAME}, and set NAME")
        case 402 | 429:
            what = f"{host} serves no more just now (status {answer.status})"
            return found("warning", what, "Look at the account's credit and limits, or give the model a fallback")
        case status if 300 <= status < 400:
            what = f"{host} sends us elsewhere (status {status}), and a show follows nobody"
            return found("failure", what, "Write the address where it is now in base_url")
        case status if status >= 500:
            what = f"{host} fails (status {status})"
            return found("failure", what, "Look at its log or its status page, or give the model a fallback")
        case status:
            what = f"{host} answers, but has no list of models there (status {status})"
            return found("warning", what, "Look whether base_url is right: most servers' ends in /v1")


def _has(models: Iterable[str], wanted: str) -> bool:
    """Say whether a list has a model: with its tag, with the usual one, or without one that is the asker's wish."""
    return not {wanted, f"{wanted}:latest", wanted.partition(":")[0]}.isdisjoint(models)


def _softened(read: ReadScenario, script: ModelScript, found: Mapping[tuple[Path, str], Finding]) -> Finding:
    """Return what was found of a model, which is less bad where another one stands in for it."""
    path, scenario = read.scenario.path, read.scenario
    finding = found[path, script.name]
    if finding.grade != "failure" or script.name == scenario.moderation.provider:
        return finding
    chains = [scenario.models_for(name) for name in _first_asked(scenario)]
    concerned = [chain for chain in chains if script in chain]
    if all(any(_stands(read, other, found) for other in chain) for chain in concerned):
        return replace(finding, grade="warning", what=f"{finding.what}; its fallback stands in")
    return finding


def _stands(read: ReadScenario, script: ModelScript, found: Mapping[tuple[Path, str], Finding]) -> bool:
    if script.provider == "rehearsal":
        return True
    finding = found.get((read.scenario.path, script.name))
    return finding is not None and finding.grade != "failure"


def _of_hook(read: ReadScenario, hook: _Office, answer: Answer | DebateCasterError) -> Finding:
    where = f"{read.scenario.path}, moderation hook"
    if isinstance(answer, DebateCasterError):
        problem, cure = _told(answer, hook.host, "its url")
        return Finding("hook", "failure", f"{where}: {problem}", cure)
    if answer.status >= 500:
        what = f"{where}: {hook.host} fails (status {answer.status}), and nothing is aired unasked"
        return Finding("hook", "failure", what, "Look at the log of the hook's server")
    return fine("hook", f"{where}: {hook.host} answers")


def _of_receiver(
    read: ReadScenario, script: AnnounceScript, office: _Office, answer: Answer | DebateCasterError
) -> Finding:
    where = f"{read.scenario.path}, announcements"
    if isinstance(answer, DebateCasterError):
        problem, cure = _told(answer, office.host, "its url")
        return Finding("announce", "warning", f"{where}: {problem}", cure)
    if answer.status >= 500:
        what = f"{where}: {office.host} fails (status {answer.status})"
        return Finding("announce", "warning", what, "Look at that server's log, or its status page")
    if script.format == "discord" and answer.status in (401, 403, 404):  # which others answer to any GET
        what = f"{where}: {office.host} knows no such webhook (status {answer.status})"
        return Finding("announce", "warning", what, "Make a new webhook in the channel's settings, and use its address")
    return fine("announce", f"{where}: {office.host} answers")


def _of_target(target: Target, cure: str, answer: DebateCasterError | None) -> Finding:
    host = urlsplit(target.url).netloc
    match answer:
        case None:
            return fine("target", f"{target.name}: {host} lets us in")
        case BroadcastError():
            what = f"{target.name}: {host}: {answer.detail}"
            if "HTTP status 401" in answer.detail or "HTTP status 403" in answer.detail:
                return Finding("target", "failure", what, cure)
            return Finding("target", "failure", what, _reachable(target.host, "its url"))
        case _:
            return Finding("target", "failure", f"{target.name}: {host}: {answer}", "Mend its url")


def _told(error: DebateCasterError, host: str, address: str) -> tuple[str, str]:
    """Return what stands in the way of an answer, and the cure; ``address`` is what the scenario calls the address."""
    match error:
        case SetupError():
            return error.problem, error.cure or f"Mend {address}"
        case ModelError():
            return f"{host} does not answer ({error.detail})", _reachable(host, address)
        case _:
            return str(error), f"Mend {address}"


def _reachable(host: str, address: str) -> str:
    """Return what to do about a server that does not answer; ``host`` may have a port."""
    cure = f"Start that server, or mend {address}"
    if is_loopback(urlsplit(f"//{host}").hostname or ""):
        return cure
    return f"{cure}; or look at this machine's network and proxy settings"


def _clocks(answers: Mapping[_Server, Answer | DebateCasterError]) -> list[tuple[str, float]]:
    """Return by how much whose clock is ahead: those of other machines, where there are any."""
    seen = [
        (server, answer.ahead_s)
        for server, answer in answers.items()
        if isinstance(answer, Answer) and answer.ahead_s is not None
    ]
    others = [pair for pair in seen if not is_loopback(urlsplit(pair[0].base_url).hostname or "")]
    return [(server.host, ahead_s) for server, ahead_s in others or seen]
