import sys
from datetime import UTC, datetime

from debate_caster.log import Record
from debate_caster.show.events import ProducerActed, decode, encode


def test_nobody_keeps_what_was_said_once_its_event_is_gone() -> None:
    said = ProducerActed(
        at=datetime(2026, 1, 1, tzinfo=UTC), command="inject", text="Two minutes are left, then we vote."
    )

    read = decode(Record(1, encode(said)))
    assert isinstance(read, ProducerActed)
    holders = sys.getrefcount(read.text)

    assert read == said.model_copy(update={"seq": 1})
    assert holders == 2, "the event has it, and who counts; a cache would have it for hours"
