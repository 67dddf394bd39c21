"""The spine: append-only streams of events, kept on disk."""

from debate_caster.log.event_log import EventLog, MemoryEventLog, Record, StreamInfo
from debate_caster.log.sqlite import SqliteEventLog

__all__ = ["EventLog", "MemoryEventLog", "Record", "SqliteEventLog", "StreamInfo"]
