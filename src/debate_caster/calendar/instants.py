"""Instants as the ledger's file has them: milliseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta

__all__ = ["from_ms", "in_ms"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def in_ms(at: datetime) -> int:
    """Return an instant as the file has it."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """Return the instant that stands in the file, UTC."""
    return EPOCH + timedelta(milliseconds=ms)
