"""Builds models and reviewers from what the scenario says: the right back-end, models behind the guard they all get.

All servers differ only by address, name and key: OpenAI, OpenRouter, vLLM, Ollama (``http://127.0.0.1:11434/v1``),
llama.cpp (``http://127.0.0.1:8080/v1``); the last two need no key.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, assert_never

from debate_caster.clock import Clock
from debate_caster.llm.conversation import LLM, Reviewer
from debate_caster.llm.deadlines import Deadlines
from debate_caster.llm.guard import guarded
from debate_caster.llm.retrying import Breakers

if TYPE_CHECKING:
    from debate_caster.scenario.script import ModelScript, Moderation

__all__ = ["open_llm", "open_reviewers"]


def open_llm(
    script: "ModelScript",
    *,
    clock: Clock,
    seed: int = 0,
    deadlines: Deadlines | None = None,
    breakers: Breakers | None = None,
) -> LLM:
    """Return a model ready for a show; nothing is connected yet. Close it at the end.

    ``seed`` is the show's; a seed in the script goes before it. Models that share ``breakers``, an address and the name
    there share a circuit breaker.

    Raises:
        SetupError: The script can't work: an address that is none, an option that is the show's, an unknown fault.
    """
    breaker = None
    llm: LLM
    match script.provider:
        case "rehearsal":
            from debate_caster.llm.rehearsal import RehearsalLLM

            llm = RehearsalLLM(
                clock=clock,
                random_seed=seed if script.seed is None else script.seed,
                first_token_s=script.first_token_s,
                words_per_s=script.words_per_s,
                faults=script.faults,
                name=script.name,
            )
        case "openai":
            # Here, since importing openai takes 0.5 s, and httpx2 half of it.
            from debate_caster.llm.destinations import OPENAI_URL
            from debate_caster.llm.openai import OpenAILLM

            llm = OpenAILLM(
                name=script.name,
                model=script.model,
                clock=clock,
                base_url=script.base_url,
                api_key=script.api_key,
                temperature=script.temperature,
                top_p=script.top_p,
                seed=script.seed,
                extra=script.extra,
                allow_private=script.allow_private,
            )
            if breakers is not None:
                breaker = breakers.of(script.base_url or OPENAI_URL, script.model)
        case other:
            assert_never(other)
    return guarded(llm, clock=clock, name=script.name, deadlines=deadlines, breaker=breaker, thinks=script.thinks)


@asynccontextmanager
async def open_reviewers(
    moderation: "Moderation", models: Mapping[str, "ModelScript"], *, clock: Clock
) -> AsyncGenerator[Sequence[Reviewer]]:
    """Open whoever is to be asked by HTTP before anything is aired, until the end of the block; maybe nobody.

    Raises:
        SetupError: An address is none, or may not be gone to.
    """
    if moderation.provider is None and moderation.hook is None:
        yield ()
        return
    from debate_caster.llm import reviewing  # here, since importing an HTTP client takes its time

    async with reviewing.open_reviewers(moderation, models, clock=clock) as reviewers:
        yield reviewers
