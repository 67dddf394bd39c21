"""The stage: a Pulsar-compatible server that shows what agents broadcast to whoever watches."""

from debate_caster.stage.server import Stage, StageLimits, open_stage

__all__ = ["Stage", "StageLimits", "open_stage"]
