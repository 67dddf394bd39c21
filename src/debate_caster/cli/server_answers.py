"""What the answers mean of those whom a show would call: whether it would fail by them, and what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from debate_caster.addresses import is_loopback
from debate_caster.broadcast import Target
from debate_caster.cli.findings import Finding, Grade, fine
from debate_caster.cli.scenario_checkup import ReadScenario
from debate_caster.errors import BroadcastError, DebateCasterError, ModelError, SetupError
from debate_caster.llm.probing import Answer
from debate_caster.scenario.diagnosis import nearest
from debate_caster.scenario.scalars import clipped
from debate_caster.scenario.script import AnnounceScript, ModelScript

__all__ = ["of_hook", "of_model", "of_receiver", "of_target", "softened"]


def of_model(read: ReadScenario, script: ModelScript, host: str, answer: Answer | DebateCasterError) -> Finding:
    where, variable = f"{read.scenario.path}, model {script.name!r}", read.variable("models", script.name, "api_key")

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


def softened(read: ReadScenario, script: ModelScript, found: Mapping[tuple[Path, str], Finding]) -> Finding:
    """Return what was found of a model, which is less bad where another one stands in for it."""
    path, scenario = read.scenario.path, read.scenario
    finding = found[path, script.name]
    if finding.grade != "failure" or script.name == scenario.moderation.provider:
        return finding
    chains = [scenario.models_for(name) for name in read.first_asked]
    concerned = [chain for chain in chains if script in chain]
    if all(any(_stands(read, other, found) for other in chain) for chain in concerned):
        return replace(finding, grade="warning", what=f"{finding.what}; its fallback stands in")
    return finding


def _stands(read: ReadScenario, script: ModelScript, found: Mapping[tuple[Path, str], Finding]) -> bool:
    if script.provider == "rehearsal":
        return True
    finding = found.get((read.scenario.path, script.name))
    return finding is not None and finding.grade != "failure"


def of_hook(read: ReadScenario, host: str, answer: Answer | DebateCasterError) -> Finding:
    where, cure = f"{read.scenario.path}, moderation hook", "Look at the log of the hook's server"
    return _of_url("hook", "failure", where, host, answer, cure, consequence=", and nothing is aired unasked")


def of_receiver(read: ReadScenario, script: AnnounceScript, host: str, answer: Answer | DebateCasterError) -> Finding:
    where = f"{read.scenario.path}, announcements"
    # Only Discord answers so to a webhook that there is none of; others do to any GET.
    if script.format == "discord" and isinstance(answer, Answer) and answer.status in (401, 403, 404):
        what = f"{where}: {host} knows no such webhook (status {answer.status})"
        return Finding("announce", "warning", what, "Make a new webhook in the channel's settings, and use its address")
    return _of_url("announce", "warning", where, host, answer, "Look at that server's log, or its status page")


def _of_url(
    about: str,
    grade: Grade,
    where: str,
    host: str,
    answer: Answer | DebateCasterError,
    cure: str,
    *,
    consequence: str = "",
) -> Finding:
    """Return what was found of a server that is well if it answers; ``cure`` is for one that fails."""
    if isinstance(answer, DebateCasterError):
        problem, cure = _told(answer, host, "its url")
        return Finding(about, grade, f"{where}: {problem}", cure)
    if answer.status >= 500:
        return Finding(about, grade, f"{where}: {host} fails (status {answer.status}){consequence}", cure)
    return fine(about, f"{where}: {host} answers")


def of_target(target: Target, cure: str, answer: DebateCasterError | None) -> Finding:
    host = urlsplit(target.url).netloc
    match answer:
        case None:
            return fine("target", f"{target.name}: {host} lets us in")
        case BroadcastError():
            what = f"{target.name}: {host}: {answer.detail}"
            if "HTTP status 401" in answer.detail or "HTTP status 403" in answer.detail:
                return Finding("target", "failure", what, cure)
            return Finding("target", "failure", what, answer.cure or _reachable(target.host, "its url"))
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
