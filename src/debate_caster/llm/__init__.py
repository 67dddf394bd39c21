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

__all__ = [
    "LLM",
    "Cue",
    "Delta",
    "Finished",
    "HeardHint",
    "Message",
    "ReasoningDelta",
    "Request",
    "TextDelta",
    "ToolCallDelta",
    "UsageReported",
]
