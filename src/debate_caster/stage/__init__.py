"""The stage: a Pulsar-compatible server that shows what agents broadcast to whoever watches."""

from debate_caster.stage.playbill import ComingShow, Playbill
from debate_caster.stage.server import Stage, StageLimits, open_stage
from debate_caster.stage.tokens import TokenDesk

__all__ = ["ComingShow", "Playbill", "Stage", "StageLimits", "TokenDesk", "open_stage"]
