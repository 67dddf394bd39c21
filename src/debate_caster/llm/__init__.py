"""Models: what we ask of them, and the edges that provide it."""

from debate_caster.llm.conversation import (
    LLM,
    Cue,
    Delta,
    Finished,
    HeardHint,
    Message,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from debate_caster.llm.deadlines import Deadlines
from debate_caster.llm.estimates import estimate_prompt_tokens, estimate_tokens
from debate_caster.llm.guard import guarded
from debate_caster.llm.retrying import Breakers, CircuitBreaker, RetryPolicy
from debate_caster.llm.workshop import open_llm

__all__ = [
    "LLM",
    "Breakers",
    "CircuitBreaker",
    "Cue",
    "Deadlines",
    "Delta",
    "Finished",
    "HeardHint",
    "Message",
    "ReasoningDelta",
    "Request",
    "RetryPolicy",
    "TextDelta",
    "ToolCallDelta",
    "UsageReported",
    "estimate_prompt_tokens",
    "estimate_tokens",
    "guarded",
    "open_llm",
]
