"""The spine: append-only streams of events, kept on disk."""

from debate_caster.log.event_log import EventLog, MemoryEventLog, Record

__all__ = ["EventLog", "MemoryEventLog", "Record"]
