"""Connections: one for each agent and target, over the Pulsar protocol."""

from debate_caster.broadcast.connection import AgentConnection, DeliveryReport
from debate_caster.broadcast.credentials import Credentials
from debate_caster.broadcast.direction import Direction
from debate_caster.broadcast.remarks import ViewerRemark
from debate_caster.broadcast.rooms import TargetRooms
from debate_caster.broadcast.target import ConnectionLimits, EarlierRun, ShowIdentity, Target

__all__ = [
    "AgentConnection",
    "ConnectionLimits",
    "Credentials",
    "DeliveryReport",
    "Direction",
    "EarlierRun",
    "ShowIdentity",
    "Target",
    "TargetRooms",
    "ViewerRemark",
]
