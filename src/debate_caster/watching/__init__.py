"""Watching shows from a program: a stage's events as an async iterator that survives whatever happens to the line."""

from debate_caster.watching.address import StageAddress
from debate_caster.watching.stream import EventStream, Status, watch

__all__ = ["EventStream", "StageAddress", "Status", "watch"]
