import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from debate_caster.clock import ManualClock, VirtualClock, run_virtual
from debate_caster.log import MemoryEventLog
from debate_caster.scenario import Scenario, plan
from debate_caster.scenario.script import Audience
from debate_caster.show.events import (
    HintAccepted,
    HintDeclined,
    HintExpired,
    HintOffered,
    ShowEvent,
    ShowStarted,
    TurnEnded,
    decode,
    stream_of,
)
from debate_caster.show.hints import REMEMBERED, HintDesk, Remark
from debate_caster.show.log_writer import ShowLogWriter
from tests.show.stage_props import make_scenario

DECIDED = (HintAccepted, HintDeclined)


class Counterpart:
    """A desk with its log, on a clock that stands still unless moved."""

    def __init__(self, scenario: Scenario, writer: ShowLogWriter, log: MemoryEventLog, clock: ManualClock) -> None:
        self.scenario, self.writer, self.log, self.clock = scenario, writer, log, clock
        self.desk = HintDesk(scenario, writer, clock=clock)
        self.turns = plan(scenario).turns

    async def say(self, text: str, *, viewer: str = "v1", to: str = "", hint: str = "", name: str = "") -> str | None:
        number = await self.log.last_seq(stream_of("s"))
        return await self.desk.offer(Remark(hint or f"h{number}", viewer, text, name=name, to=to))

    async def events(self) -> list[ShowEvent]:
        return [decode(record) for record in await self.log.read(stream_of("s"), 0, limit=100_000)]

    async def end_turn(self, turn: int) -> None:
        await self.writer.append(TurnEnded(at=self.writer.now(), turn=turn, speaker="ada", how="skipped"))


Open = Callable[..., Awaitable[Counterpart]]


@pytest.fixture
def open_desk() -> Open:
    async def open_(*, rounds: int = 4, **audience: object) -> Counterpart:
        scenario = make_scenario(rounds=rounds, audience=Audience.model_validate({"hint_interval_s": 0.0} | audience))
        log, clock = MemoryEventLog(), ManualClock()
        writer = await ShowLogWriter.open(log, "s", clock=clock)
        await writer.append(
            ShowStarted(
                at=clock.now(),
                show="s",
                scenario="x",
                motion="m",
                title="t",
                format="f",
                seed=1,
                agents=(),
                phases=(),
                turns=8,
            )
        )
        return Counterpart(scenario, writer, log, clock)

    return open_


async def test_an_accepted_hint_is_logged_as_offered_and_as_cleaned(open_desk: Open) -> None:
    desk = await open_desk()
    raw = "  ﬁne\u202e\x07 point,\n\U000e0041really  "

    assert await desk.say(raw, name="Mia\u200b") is None

    _, offered, accepted = await desk.events()
    assert isinstance(offered, HintOffered)
    assert isinstance(accepted, HintAccepted)
    assert offered.text == raw
    assert (accepted.text, accepted.name) == ("fine point, really", "Mia")


@pytest.mark.parametrize(
    ("text", "to", "reason"),
    [
        pytest.param("x" * 281, "", "too_long", id="too-long"),
        pytest.param("\u200b" * 2000, "", "too_long", id="too-long-and-invisible"),
        pytest.param("ﷺ" * 40, "", "too_long", id="longer-once-normalised"),
        pytest.param(" \u200b\u202e ", "", "empty", id="nothing-visible"),
        pytest.param("You DAMN\u200bED fool", "", "filtered", id="filtered-in-disguise"),
        pytest.param("Fine point", "eve", "unknown_addressee", id="nobody-of-that-name"),
    ],
)
async def test_a_hint_is_declined_with_a_reason(open_desk: Open, text: str, to: str, reason: str) -> None:
    desk = await open_desk(filter=("damned",))

    assert await desk.say(text, to=to) == reason

    events = await desk.events()
    assert [event.type for event in events[1:]] == ["hint_offered", "hint_declined"]
    assert desk.desk.take(desk.turns[0]) == ()


async def test_lone_surrogates_do_no_harm(open_desk: Open) -> None:
    desk = await open_desk()

    assert await desk.say("What about \ud83d trams?", name="\udc00") is None


async def test_a_viewer_who_is_too_fast_is_told_so_and_others_are_not(open_desk: Open) -> None:
    desk = await open_desk(hint_interval_s=5.0)

    assert await desk.say("One?") is None
    desk.clock.advance(4.9)
    assert await desk.say("Two?") == "too_fast"
    assert await desk.say("Three?", viewer="v2") is None
    desk.clock.advance(0.1)
    assert await desk.say("Four?") is None


async def test_the_same_words_are_taken_once(open_desk: Open) -> None:
    desk = await open_desk()

    assert await desk.say("What about snow?") is None
    assert await desk.say("WHAT  about snow?", viewer="v2") == "duplicate"


async def test_the_same_id_is_decided_once(open_desk: Open) -> None:
    desk = await open_desk()

    verdicts = [await desk.say("What about snow?", hint="same") for _ in range(5)]

    assert verdicts == [None, *["repeated"] * 4]
    assert [event.type for event in await desk.events()].count("hint_offered") == 1


async def test_no_viewer_fills_the_queue_alone(open_desk: Open) -> None:
    desk = await open_desk()

    verdicts = [await desk.say(f"Point {number}?") for number in range(5)]

    assert verdicts == [None, None, None, "full", "full"]


async def test_where_hints_are_off_every_one_is_declined(open_desk: Open) -> None:
    desk = await open_desk(hints=False)

    assert await desk.say("Hello?") == "closed"


async def test_hints_reach_the_agent_or_side_they_name_and_the_others_whoever_speaks(open_desk: Open) -> None:
    desk = await open_desk()
    for viewer, to in (("v1", "BEN"), ("v2", "Proposition"), ("v3", ""), ("v4", "against")):
        await desk.say(f"To {to or 'all'}?", viewer=viewer, to=to)

    assert [hint.text for hint in desk.desk.take(desk.turns[0])] == ["To Proposition?", "To all?"]
    assert [hint.text for hint in desk.desk.take(desk.turns[1])] == ["To BEN?", "To against?"]


async def test_a_prompt_takes_no_more_hints_than_the_scenario_allows_and_one_of_each_viewer_first(
    open_desk: Open,
) -> None:
    desk = await open_desk(max_hints_per_turn=2)
    for viewer, text in (("v1", "A1?"), ("v1", "A2?"), ("v2", "B1?"), ("v3", "C1?")):
        await desk.say(text, viewer=viewer)

    assert [hint.text for hint in desk.desk.take(desk.turns[0])] == ["A1?", "B1?"]
    await desk.writer.append(*desk.desk.use(desk.turns[0]))
    assert [hint.text for hint in desk.desk.take(desk.turns[1])] == ["C1?", "A2?"]


async def test_hints_given_back_are_taken_by_the_next_turn(open_desk: Open) -> None:
    desk = await open_desk()
    await desk.say("And now?")

    assert desk.desk.take(desk.turns[0])
    assert desk.desk.take(desk.turns[1]) == ()
    desk.desk.give_back(desk.turns[0])
    assert desk.desk.take(desk.turns[1])


async def test_a_hint_is_not_taken_while_its_end_is_being_logged(open_desk: Open) -> None:
    desk = await open_desk(hint_lifetime_turns=1)
    await desk.say("Too old?")
    await desk.end_turn(0)

    assert [event.hint for event in desk.desk.expired()]
    assert desk.desk.take(desk.turns[1]) == ()
    assert desk.desk.expired() == ()


async def test_a_hint_is_not_taken_twice_while_its_use_is_being_logged(open_desk: Open) -> None:
    desk = await open_desk()
    await desk.say("Once?")
    desk.desk.take(desk.turns[0])

    assert len(desk.desk.use(desk.turns[0])) == 1
    assert desk.desk.take(desk.turns[1]) == ()


async def test_hints_expire_after_their_lifetime_and_at_the_end(open_desk: Open) -> None:
    desk = await open_desk(hint_lifetime_turns=2)
    await desk.say("Old?")
    await desk.end_turn(0)
    await desk.say("New?", viewer="v2")
    await desk.end_turn(1)

    expired = desk.desk.expired()
    assert [(event.hint, event.reason) for event in expired] == [("h1", "lifetime")]
    await desk.writer.append(*expired)
    assert [event.reason for event in await desk.desk.close()] == ["show_ended"]
    assert await desk.say("Hello?") == "closed"


async def test_a_hint_taken_for_a_turn_does_not_expire_before_it(open_desk: Open) -> None:
    desk = await open_desk(hint_lifetime_turns=1)
    await desk.say("Patience?")
    desk.desk.take(desk.turns[1])
    await desk.end_turn(0)

    assert desk.desk.expired() == ()


def test_a_flood_of_10_000_hints_leaves_memory_bounded_and_each_decided_once(open_desk: Open) -> None:
    async def flood(_clock: VirtualClock) -> Counterpart:
        desk = await open_desk()
        for number in range(5_000):
            await desk.desk.offer(Remark(f"h{number}", f"v{number % 50}", f"Point {number}?"))
        for number in range(5_000):
            await desk.desk.offer(Remark(f"x{number}", f"new{number}", f"Thing {number}?"))
        decided = Counter(event.hint for event in await desk.events() if isinstance(event, DECIDED))
        assert set(decided.values()) == {1}
        assert len(decided) == 10_000
        return desk

    desk = run_virtual(flood)  # a loop without asyncio's debugging, which makes this six times as slow

    pending = desk.writer.transcript.pending
    assert len(pending) == 2 * 6 * 3
    assert max(Counter(hint.viewer for hint in pending).values()) <= 3
    assert len(desk.desk._seen) <= REMEMBERED
    assert len(desk.desk._heard) <= REMEMBERED


async def test_hints_offered_at_once_are_decided_one_by_one(open_desk: Open) -> None:
    desk = await open_desk(hint_interval_s=5.0)

    async with asyncio.TaskGroup() as tasks:
        verdicts = [tasks.create_task(desk.desk.offer(Remark(f"h{n}", "v1", f"Point {n}?"))) for n in range(10)]

    assert sorted(str(verdict.result()) for verdict in verdicts) == ["None", *["too_fast"] * 9]


async def test_a_hint_expired_is_one_event_each(open_desk: Open) -> None:
    desk = await open_desk()
    await desk.say("One?")
    await desk.say("Two?", viewer="v2")

    closing = await desk.desk.close()

    assert [type(event) for event in closing] == [HintExpired, HintExpired]
    assert [event.viewer for event in closing] == ["v1", "v2"]
