import pytest

from debate_caster.clock import ManualClock
from debate_caster.log import MemoryEventLog
from debate_caster.scenario import Scenario, plan
from debate_caster.scenario.rundown import Turn
from debate_caster.show.bulletins import Bulletins
from debate_caster.show.events import ProducerActed, TurnEnded, TurnStarted
from debate_caster.show.log_writer import ShowLogWriter
from debate_caster.show.running_order import RunningOrder
from debate_caster.show.transcript import INTERJECTION
from tests.show.stage_props import make_scenario


async def opened(scenario: Scenario) -> tuple[RunningOrder, ShowLogWriter]:
    clock = ManualClock()
    writer = await ShowLogWriter.open(MemoryEventLog(), "s", clock=clock)
    rundown = plan(scenario)
    await writer.append(Bulletins(scenario, rundown, writer).show_started(1))
    return RunningOrder(scenario, rundown, writer), writer


async def inject(writer: ShowLogWriter, text: str) -> None:
    await writer.append(ProducerActed(at=writer.now(), command="inject", text=text))


def rest_of(order: RunningOrder, after: Turn | None = None) -> list[Turn]:
    turns: list[Turn] = []
    while (turn := order.take(turns[-1] if turns else after)) is not None:
        turns.append(turn)
    return turns


async def test_without_a_producer_it_is_the_rundown() -> None:
    scenario = make_scenario(rounds=3, moderator=True)
    order, _ = await opened(scenario)

    assert tuple(rest_of(order)) == plan(scenario).turns


async def test_a_line_takes_the_next_number_and_moves_the_others_up() -> None:
    scenario = make_scenario(moderator=True)
    order, writer = await opened(scenario)
    first = order.take(None)
    await inject(writer, "Hello.")
    rest = rest_of(order, first)

    assert [turn.index for turn in rest] == list(range(1, len(plan(scenario).turns) + 1))
    assert (rest[0].kind, rest[0].speaker, rest[0].phase) == (INTERJECTION, "mod", 0)
    assert [turn.speaker for turn in rest[1:]] == [turn.speaker for turn in plan(scenario).turns[1:]]
    assert order.notes_for(rest[0]) == ("Hello.", ())
    assert order.notes_for(rest[1]) == ("", ())


async def test_turns_that_are_given_back_come_again_in_their_order() -> None:
    order, writer = await opened(make_scenario(moderator=True))
    await inject(writer, "Hello.")
    line = order.take(None)
    assert line is not None
    following = order.take(line)
    assert following is not None

    order.give_back(following)
    order.give_back(line)

    assert order.take(None) == line
    assert order.take(line) == following


async def test_without_a_moderator_lines_are_notes_in_prompts() -> None:
    order, writer = await opened(make_scenario())
    await inject(writer, "Talk about money.")
    await writer.append(ProducerActed(at=writer.now(), command="context", text="It rains."))
    first = order.take(None)

    assert first is not None
    assert first.kind != INTERJECTION
    assert order.notes_for(first) == ("", ("It rains.", "Talk about money."))


@pytest.mark.parametrize("said", [True, False])
async def test_a_show_that_goes_on_says_again_what_was_not_said_and_skips_nobody(said: bool) -> None:
    scenario = make_scenario(moderator=True)
    _, writer = await opened(scenario)
    await inject(writer, "Hello.")
    if said:
        started = TurnStarted(at=writer.now(), turn=0, phase=0, speaker="mod", kind=INTERJECTION, max_words=80)
        await writer.append(started, TurnEnded(at=writer.now(), turn=0, speaker="mod", how="aborted"))

    again = rest_of(RunningOrder(scenario, plan(scenario), writer))

    assert [turn.index for turn in again] == list(range(said, len(plan(scenario).turns) + 1))
    assert [turn.kind == INTERJECTION for turn in again].count(True) == (not said)
