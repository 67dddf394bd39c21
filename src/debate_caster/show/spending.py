"""What a show has spent, as its log has it: over all of its processes, also those that died."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from debate_caster.log import EventLog
from debate_caster.show.events import MoneySpent, TurnPrepared, decode, stream_of
from debate_caster.show.transcript import still_at_stake

__all__ = ["Spending", "spending_of"]

_MARKS = ('"money_spent"', '"turn_prepared"', '"turn_ended"', '"show_ended"')
"""One of these is in every record that counts; who writes these words in another one has it decoded for nothing."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Money so far, and when any was last spent; None where none was."""

    cost: Decimal = Decimal(0)
    last: datetime | None = None


async def spending_of(log: EventLog, show: str) -> Spending:
    """Return what a show has spent; nothing where there is no such show. Some milliseconds for a show of hours.

    A call that nobody settled, since its process died, counts with the most that it may have cost.

    Raises:
        LogError: The log can't be read, or is not a show's.
    """
    spent, after = Spending(), 0
    at_stake: tuple[TurnPrepared, ...] = ()
    while records := await log.read(stream_of(show), after):
        after = records[-1].seq
        for record in records:
            if not any(mark in record.body for mark in _MARKS):
                continue
            event = decode(record)
            at_stake = still_at_stake(at_stake, event)
            if isinstance(event, MoneySpent):
                spent = Spending(spent.cost + event.cost, event.at)
    for asked in at_stake:
        if asked.stake is not None:
            spent = Spending(
                spent.cost + asked.stake.cost, asked.at if spent.last is None else max(spent.last, asked.at)
            )
    return spent
