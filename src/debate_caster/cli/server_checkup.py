"""Whether everybody answers whom a show would call: models' servers, hooks, broadcast targets.

Each is asked once however many scenarios name it, all side by side, each with a deadline. No model is made to say a
word, no agent is registered: what is asked costs nothing and leaves nothing behind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from debate_caster.addresses import is_loopback
from debate_caster.broadcast import ConnectionLimits, Target
from debate_caster.cli.findings import Finding
from debate_caster.cli.scenario_checkup import ReadScenario
from debate_caster.cli.server_answers import of_hook, of_model, of_receiver, of_target, softened
from debate_caster.clock import Clock
from debate_caster.errors import DebateCasterError
from debate_caster.llm.destinations import OPENAI_URL
from debate_caster.llm.probing import Answer, ask_for_models, ask_for_sign_of_life
from debate_caster.runner import targets_of
from debate_caster.scenario.script import ModelScript

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
    models = [(read, script, _server_of(script)) for read in scenarios for script in _models_of(read)]
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
        servers = tasks.create_task(_each(ask_server, (server for _, _, server in models), turns))
        places = [*(office for _, office in hooks), *(office for _, _, office in receivers)]
        offices = tasks.create_task(_each(ask_office, places, turns))
        stages = tasks.create_task(_each(ask_target, (target for _, target in aims), turns))
    verdicts = {
        (read.scenario.path, script.name): of_model(read, script, server.host, servers.result()[server])
        for read, script, server in models
    }
    findings = [
        *(softened(read, script, verdicts) for read, script, _ in models),
        *(of_hook(read, hook.host, offices.result()[hook]) for read, hook in hooks),
        *(of_receiver(read, script, office.host, offices.result()[office]) for read, script, office in receivers),
        *(of_target(target, cure, stages.result()[target]) for cure, target in aims),
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


def _models_of(read: ReadScenario) -> Iterator[ModelScript]:
    """Yield the models with a server that a show may call, but for those whose key is known to be missing."""
    scenario = read.scenario
    called = {script.name: script for name in read.first_asked for script in scenario.models_for(name)}
    if scenario.moderation.provider is not None:
        called.setdefault(scenario.moderation.provider, scenario.models[scenario.moderation.provider])
    for script in called.values():
        if script.provider == "openai" and not read.lacks("models", script.name, "api_key"):
            yield script


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


def _clocks(answers: Mapping[_Server, Answer | DebateCasterError]) -> list[tuple[str, float]]:
    """Return by how much whose clock is ahead: those of other machines, where there are any."""
    seen = [
        (server, answer.ahead_s)
        for server, answer in answers.items()
        if isinstance(answer, Answer) and answer.ahead_s is not None
    ]
    others = [pair for pair in seen if not is_loopback(urlsplit(pair[0].base_url).hostname or "")]
    return [(server.host, ahead_s) for server, ahead_s in others or seen]
