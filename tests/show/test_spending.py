from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from debate_caster.errors import LogError
from debate_caster.log import MemoryEventLog
from debate_caster.show.events import (
    ChunkAired,
    MoneySpent,
    ShowEnded,
    Stake,
    TurnEnded,
    TurnPrepared,
    encode,
    stream_of,
)
from debate_caster.show.spending import Spending, spending_of

NOW = datetime(2026, 6, 1, 20, tzinfo=UTC)


def spent(cost: str, *, after_s: float) -> str:
    at = NOW + timedelta(seconds=after_s)
    event = MoneySpent(at=at, turn=0, model="m", attempt=1, prompt_tokens=10, completion_tokens=5, cost=Decimal(cost))
    return encode(event)


async def test_money_is_what_all_attempts_of_all_processes_cost_and_nothing_that_was_said() -> None:
    log = MemoryEventLog()
    said = encode(ChunkAired(at=NOW, turn=0, speaker="a", index=0, text='{"type":"money_spent","cost":"9"}'))
    bodies = [spent("0.1", after_s=1), said, *[spent("0.00000001", after_s=number) for number in range(2, 600)], said]
    await log.append(stream_of("friday"), bodies, expect=0)
    await log.append(stream_of("friday"), [spent("0.2", after_s=700)], expect=len(bodies), epoch=2)
    await log.append(stream_of("saturday"), [spent("5", after_s=800)], expect=0)

    assert await spending_of(log, "friday") == Spending(Decimal("0.30000598"), NOW + timedelta(seconds=700))


def asked(turn: int, cost: str) -> str:
    stake = Stake(model="m", prompt_tokens=100, completion_tokens=50, cost=Decimal(cost))
    return encode(
        TurnPrepared(at=NOW, turn=turn, phase=0, speaker="a", prompt_digest="d", prompt_words=80, stake=stake)
    )


def settled(turn: int, outcome: str) -> str:
    return encode(
        MoneySpent(
            at=NOW, turn=turn, model="m", attempt=1, prompt_tokens=1, completion_tokens=1, cost=Decimal("0.1"),
            outcome=outcome,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("later", "cost"),
    [
        ([], "2"),
        ([settled(0, "completed")], "0.1"),
        ([settled(0, "cancelled")], "0.1"),
        ([settled(0, "timeout")], "2.1"),  # another attempt follows at once
        ([settled(0, "timeout"), encode(TurnEnded(at=NOW, turn=0, speaker="a", how="skipped"))], "0.1"),
        ([asked(1, "3"), settled(0, "completed")], "3.1"),
        ([asked(0, "3")], "3"),
        ([encode(ShowEnded(at=NOW, why="completed"))], "0"),
    ],
)
async def test_a_call_that_nobody_settled_counts_with_the_most_it_may_have_cost(later: list[str], cost: str) -> None:
    log = MemoryEventLog()
    await log.append(stream_of("friday"), [asked(0, "2"), *later], expect=0)

    assert (await spending_of(log, "friday")).cost == Decimal(cost)


async def test_a_show_that_never_began_has_spent_nothing() -> None:
    assert await spending_of(MemoryEventLog(), "friday") == Spending(Decimal(0), None)


async def test_a_record_of_money_that_is_damaged_is_an_error_not_a_zero() -> None:
    log = MemoryEventLog()
    await log.append(stream_of("friday"), ['{"type":"money_spent","cost":"much"}'], expect=0)

    with pytest.raises(LogError):
        await spending_of(log, "friday")
