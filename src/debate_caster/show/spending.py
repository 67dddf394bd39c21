"""What a show has spent, as its log has it: over all of its processes, also those that died."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from debate_caster.log import EventLog
from debate_caster.show.events import MoneySpent, decode, stream_of

__all__ = ["Spending", "spending_of"]

_MARK = '"money_spent"'
"""In every such record; who writes these words in another one has it decoded for nothing."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Money so far, and when any was last spent; None where none was."""

    cost: Decimal = Decimal(0)
    last: datetime | None = None


async def spending_of(log: EventLog, show: str) -> Spending:
    """Return what a show has spent; nothing where there is no such show. Some milliseconds for a show of hours.

    Raises:
        LogError: The log can't be read, or is not a show's.
    """
    spent, after = Spending(), 0
    while records := await log.read(stream_of(show), after):
        after = records[-1].seq
        for record in records:
            if _MARK in record.body and isinstance(event := decode(record), MoneySpent):
                spent = Spending(spent.cost + event.cost, event.at)
    return spent
